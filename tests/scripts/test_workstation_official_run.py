"""The launcher with real processes: what lies there in which order, and how every kind of end is told."""

import errno
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from postrun.core.errors import Missing
from postrun.core.locations import PROJECT
from postrun.launcher import supervisor
from program import wait_for
from workstation_official_run import main

SCRIPT = PROJECT / "scripts" / "workstation_official_run.py"
GATE_PROGRAM = """\
import os, signal, subprocess, sys, time
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("gate program at work", os.environ["OMP_NUM_THREADS"], flush=True)
if "--stubborn" in words:
    signal.signal(signal.SIGTERM, lambda *_: None)
if "--use" in words:
    signal.signal(int(words["--use"]), lambda *_: sys.exit(7))
    open("ready.txt", "w")
if "--leave" in words:
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({words['--leave']}); open('left.txt', 'w')"])
if "--daemon" in words:
    subprocess.Popen(["sleep", words["--daemon"]], start_new_session=True)
if "--child" in words:
    subprocess.Popen(["sleep", words["--child"]])
if "--fill" in words:
    try:
        while True:
            os.write(1, b"x" * 65536)
    except OSError:
        sys.exit(28)
time.sleep(float(words.get("--sleep", 0)))
if "--die" in words:
    os.kill(os.getpid(), int(words["--die"]))
sys.exit(int(words.get("--exit", 0)))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a workstation whose gate program does what its words say."""
    policy = json.loads((PROJECT / "configs/launcher_policy.json").read_text())
    policy["preflight"] = {"min_cores": 1, "min_memory_gb": 0}
    policy["data_quality"] |= {"min_rows": 1, "max_staleness_days": 100_000}
    policy |= {"program": "gate.py", "leftover_seconds": 3}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/launcher_policy.json").write_text(json.dumps(policy))
    (tmp_path / "gate.py").write_text(GATE_PROGRAM)
    (tmp_path / "prices.csv").write_text("date,symbol,close\n2022-01-31,A,1.5\n")
    return tmp_path


def change_policy(root: Path, **changes: Any) -> None:
    path = root / "configs/launcher_policy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def words(root: Path, tag: str, *more: str) -> list[str]:
    own = [
        "--workflow",
        "production_gates",
        "--root",
        str(root),
        "--tag",
        tag,
        "--owner",
        "me",
        "--threads",
        "3",
    ]
    return [*own, "--dq-input-csv", "prices.csv", *more]


def run_of(root: Path, tag: str) -> Path:
    [run] = root.glob(f"audit/workstation_runs/*_production_gates_{tag}")
    return run


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def ended(run: Path) -> Any:
    wait_for((run / "result.json").exists)
    return read(run / "result.json")


def table() -> dict[int, tuple[int, int, str]]:
    """Give the living: process -> (parent, group, command line)."""
    asked = ["ps", "-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,args="]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    lines = (line.split(None, 4) for line in told.splitlines())
    return {
        int(line[0]): (int(line[1]), int(line[2]), line[4]) for line in lines if line[3][0] != "Z"
    }


def children(pid: int) -> list[int]:
    return [child for child, (parent, _, _) in table().items() if parent == pid]


class Going:
    """A run in the background: its folder, its supervisor, its workload."""

    def __init__(self, root: Path, tag: str) -> None:
        self.run = run_of(root, tag)
        self.supervisor = int(read(self.run / "run.pid")["pid"])
        [self.workload] = wait_for(lambda: children(self.supervisor))
        wait_for(lambda: "at work" in (self.run / "run.log").read_text())


@pytest.fixture
def start(root: Path) -> Iterator[Callable[..., Going]]:
    """Start runs in the background; what is left of them at the end of the test goes."""
    going: list[Going] = []

    def begin(tag: str, *gate: str) -> Going:
        assert main([*words(root, tag), "--", *gate]) == 0
        going.append(Going(root, tag))
        return going[-1]

    yield begin
    for one in going:
        for pid in (one.supervisor, one.workload):
            if pid in table():
                os.killpg(pid, signal.SIGKILL)


def test_a_run_leaves_every_file_and_the_result_last(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main([*words(root, "run1", "--notes", "plain"), "--foreground", "--", "--exit", "0"]) == 0
    )
    run = run_of(root, "run1")
    assert capsys.readouterr().out.splitlines() == [str(run)]
    request = [
        "preflight.json",
        "data_quality_command.sh",
        "data_quality.log",
        "command.sh",
        "context.json",
        "run.pid",
    ]
    request += ["run.log", "result.json"]
    times = [(run / name).stat().st_mtime_ns for name in request]
    assert times == sorted(times)
    assert {path.name for path in run.iterdir()} == {*request, "data_quality"}
    assert (run / "run.log").read_text() == "gate program at work 3\n"
    folder = f"audit/workstation_runs/{run.name}"
    result = {
        "workflow": "production_gates",
        "decision_tag": "run1",
        "exit_code": 0,
        "audit_dir": folder,
    }
    assert read(run / "result.json") == result


def test_the_context_says_who_runs_what(root: Path) -> None:
    main([*words(root, "run1", "--notes", "plain"), "--foreground"])
    run = run_of(root, "run1")
    found = read(run / "context.json")
    report = found.pop("data_quality_report_json")
    assert report.startswith(f"audit/workstation_runs/{run.name}/data_quality/data_quality_")
    assert read(root / report)["overall_pass"] is True
    assert isinstance(found.pop("hostname"), str)
    assert found == {
        "timestamp": run.name[:17],
        "git_branch": None,
        "git_commit": None,
        "workflow": "production_gates",
        "decision_tag": "run1",
        "owner": "me",
        "notes": "plain",
        "threads": 3,
        "skip_data_quality_check": 0,
        "data_quality_input_csv": "prices.csv",
    }


@pytest.mark.parametrize(
    "notes", ['say "no"', "it's", "two\nlines", "back\\slash $HOME `id`", "späť 你好", "", "-- x"]
)
def test_notes_break_nothing(root: Path, notes: str) -> None:
    assert main([*words(root, "run1", f"--notes={notes}"), "--foreground"]) == 0
    run = run_of(root, "run1")
    assert read(run / "context.json")["notes"] == notes
    line = (run / "command.sh").read_text()
    assert line.count("\n") == 1
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
    ).stdout
    own = ["--decision-tag", "run1", "--owner", "me", "--notes", notes]
    assert said.split("\0")[:-1] == [sys.executable, "gate.py", *own]


@pytest.mark.parametrize(
    ("gate", "code"), [(["--exit", "3"], 3), (["--die", "9"], 137), (["--die", "15"], 143)]
)
def test_the_exit_code_is_the_workloads(root: Path, gate: list[str], code: int) -> None:
    assert main([*words(root, "run1"), "--foreground", "--", *gate]) == code
    assert read(run_of(root, "run1") / "result.json")["exit_code"] == code


def test_a_program_that_cannot_start_is_told(root: Path) -> None:
    (root / "gate.sh").write_text("echo not executable\n")
    assert main([*words(root, "run1"), "--foreground", "--program", "gate.sh"]) == 126
    assert "cannot start" in (run_of(root, "run1") / "run.log").read_text()
    (root / "gate.sh").write_text("#!/nowhere/interpreter\n")
    (root / "gate.sh").chmod(0o755)
    assert main([*words(root, "run2"), "--foreground", "--program", "gate.sh"]) == 127
    assert read(run_of(root, "run2") / "result.json")["exit_code"] == 127


def test_the_launcher_lets_go_of_the_connection(root: Path) -> None:
    """An SSH server waits until nobody holds the pipes; the run must not."""
    command = [sys.executable, str(SCRIPT), *words(root, "run1"), "--", "--sleep", "60"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert time.monotonic() - began < 15
    assert done.returncode == 0
    going = Going(root, "run1")
    assert done.stdout.splitlines() == [str(going.run)]
    assert os.getsid(going.supervisor) == going.supervisor
    assert os.getsid(going.workload) == going.workload
    os.kill(going.supervisor, signal.SIGTERM)
    assert ended(going.run)["exit_code"] == 143


def test_a_closed_terminal_does_not_end_the_run(root: Path) -> None:
    command = [sys.executable, str(SCRIPT), *words(root, "run1"), "--", "--sleep", "60"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    os.waitpid(pid, 0)
    os.close(terminal)
    going = Going(root, "run1")
    time.sleep(0.3)
    assert {going.supervisor, going.workload} <= set(table())
    os.kill(going.supervisor, signal.SIGTERM)
    ended(going.run)


def test_a_terminal_that_is_closed_while_the_data_are_checked_does_not_end_the_run(
    root: Path,
) -> None:
    rows = "".join(f"{2022 - number % 20}-01-31,A{number},1.5\n" for number in range(400_000))
    (root / "prices.csv").write_text(f"date,symbol,close\n{rows}")
    command = [sys.executable, str(SCRIPT), *words(root, "run1"), "--", "--exit", "4"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    wait_for(lambda: list(root.glob("audit/workstation_runs/*/data_quality.log")))
    os.close(terminal)
    assert not (run_of(root, "run1") / "context.json").exists()
    os.waitpid(pid, 0)
    assert ended(run_of(root, "run1"))["exit_code"] == 4


def test_ctrl_c_while_the_data_are_checked_ends_the_launcher_and_its_gate(root: Path) -> None:
    rows = "".join(f"2022-01-31,A{number},1.5\n" for number in range(2_000_000))
    (root / "prices.csv").write_text(f"date,symbol,close\n{rows}")
    command = [sys.executable, str(SCRIPT), *words(root, "run1"), "--", "--sleep", "60"]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    [gate] = wait_for(
        lambda: [pid for pid in children(launcher.pid) if "data_quality_gate" in table()[pid][2]]
    )
    launcher.send_signal(signal.SIGINT)
    assert launcher.communicate(timeout=20)[1] == "interrupted\n"
    assert launcher.returncode == 130
    assert gate not in table()
    assert sorted(path.name for path in run_of(root, "run1").iterdir())[-1] == "preflight.json", (
        "it never began"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_reaches_the_whole_workload(
    start: Callable[..., Going], number: signal.Signals
) -> None:
    going = start("run1", "--child", "60", "--sleep", "60")
    wait_for(lambda: children(going.workload))
    os.kill(going.supervisor, number)
    assert ended(going.run)["exit_code"] == 128 + number
    assert not [1 for _, group, _ in table().values() if group == going.workload]


@pytest.mark.parametrize(
    "number",
    [signal.SIGUSR1, signal.SIGALRM, signal.SIGXCPU, signal.SIGIO, signal.SIGABRT, signal.SIGRTMIN],
)
@pytest.mark.parametrize("used", [False, True])
def test_a_signal_that_the_workload_may_have_a_use_for_is_its_own(
    start: Callable[..., Going], root: Path, number: signal.Signals, used: bool
) -> None:
    going = start(
        "run1", *(["--use", str(int(number))] if used else ["--child", "60"]), "--sleep", "60"
    )
    wait_for((root / "ready.txt").exists if used else lambda: children(going.workload))
    os.kill(going.supervisor, number)
    assert ended(going.run)["exit_code"] == (7 if used else 128 + number)


def test_a_workload_that_takes_no_orders_is_waited_for(start: Callable[..., Going]) -> None:
    going = start("run1", "--stubborn", "1", "--sleep", "60")
    os.kill(going.supervisor, signal.SIGTERM)
    time.sleep(0.5)
    assert not (going.run / "result.json").exists()
    os.killpg(going.workload, signal.SIGKILL)
    assert ended(going.run)["exit_code"] == 143


@pytest.mark.parametrize("whole", [False, True])
def test_a_killed_workload_has_a_result(start: Callable[..., Going], whole: bool) -> None:
    going = start("run1", "--sleep", "60")
    (os.killpg if whole else os.kill)(going.workload, signal.SIGKILL)
    assert ended(going.run)["exit_code"] == 137


def test_a_killed_launcher_leaves_none_but_can_be_told(start: Callable[..., Going]) -> None:
    going = start("run1", "--sleep", "60")
    record = read(going.run / "run.pid")
    assert set(record) == {"pid", "start_time", "boot_id"}
    asked = ["ps", "-o", "lstart=", "-p", str(going.supervisor)]
    plain = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    told = subprocess.run(
        asked, env=plain, capture_output=True, text=True, check=True
    ).stdout.split()
    assert record["start_time"].startswith(told[4])
    assert abs(int(record["start_time"][17:19]) - int(told[3][6:])) in (0, 1, 59)
    os.kill(going.supervisor, signal.SIGKILL)
    wait_for(lambda: going.supervisor not in table())
    time.sleep(0.3)
    assert not (going.run / "result.json").exists()
    assert "--decision-tag run1" in table()[going.workload][2], (
        "what goes on can be found by its tag"
    )


def test_the_result_waits_for_what_the_workload_left(root: Path) -> None:
    main([*words(root, "run1"), "--foreground", "--", "--leave", "0.7"])
    left, result = root / "left.txt", run_of(root, "run1") / "result.json"
    assert left.stat().st_mtime_ns < result.stat().st_mtime_ns


def test_but_not_for_ever(root: Path) -> None:
    change_policy(root, leftover_seconds=0.2)
    assert main([*words(root, "run1"), "--foreground", "--", "--leave", "2"]) == 0
    assert "some of it still runs" in (run_of(root, "run1") / "run.log").read_text()
    assert not (root / "left.txt").exists()


def test_a_daemon_is_not_waited_for(root: Path) -> None:
    began = time.monotonic()
    assert main([*words(root, "run1"), "--foreground", "--", "--daemon", "4"]) == 0
    assert time.monotonic() - began < 3


FULL_DISK = """
set -e
mount -t tmpfs -o size=300k small "$1"
cp -r "$2/." "$1"
"$3" "$4" --root "$1" --tag run1 --dq-input-csv prices.csv -- --fill 1 >&2
sleep 1.5
cd "$1"/audit/workstation_runs/*_run1
[ ! -e result.json ]
: > run.log
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e result.json ] || sleep 0.5; done
cat result.json
"""
MAY_MOUNT = subprocess.run(
    ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
)


@pytest.mark.skipif(
    bool(MAY_MOUNT.returncode), reason="needs a small disk of its own, and nobody may make one here"
)
def test_on_a_full_disk_the_result_waits_for_room(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = str(tmp_path_factory.mktemp("small"))
    own = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        FULL_DISK,
        "sh",
        small,
        str(root),
        sys.executable,
        str(SCRIPT),
    ]
    done = subprocess.run(own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exit_code"] == 28


@pytest.mark.parametrize(
    "streams", ["| true", "2>&1 | true", ">&-", "2>&-", ">&- 2>&-", ">/dev/full", "2>/dev/full"]
)
def test_a_run_begins_whether_or_not_anybody_listens(root: Path, streams: str) -> None:
    line = shlex.join([sys.executable, str(SCRIPT), *words(root, "run1"), "--", "--exit", "4"])
    done = subprocess.run(
        ["bash", "-c", f"{line} {streams}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, ended(run_of(root, "run1"))["exit_code"]) == (0, 4)
    assert "Traceback" not in done.stderr


def test_nobody_listens_any_more_when_the_run_folder_is_made(root: Path) -> None:
    """A connection may be lost before the first line: a checkout is slow to look at."""
    line = shlex.join([sys.executable, str(SCRIPT), *words(root, "run1"), "--", "--exit", "4"])
    done = subprocess.run(
        ["bash", "-c", f"({line}) 2>&1 | sleep 0"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert ended(run_of(root, "run1"))["exit_code"] == 4


def test_a_root_that_cannot_be_written_to_is_one_line(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "audit").write_text("a file where a folder belongs")
    assert main([*words(root, "run1"), "--", "--exit", "0"]) == 3
    assert (
        ": expected a place that can be written to, found Not a directory"
        in capsys.readouterr().err
    )


def test_a_user_without_a_name_has_to_give_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nobody)
    given = words(root, "run1")
    own = given.index("--owner")
    without = [*given[:own], *given[own + 2 :], "--foreground", "--", "--exit", "4"]
    assert main(without) == 2
    assert (
        capsys.readouterr().err
        == "--owner: expected a name, found none, and this machine knows none for you\n"
    )
    assert main([*given, "--foreground", "--", "--exit", "4"]) == 4


def test_half_a_result_is_never_seen(start: Callable[..., Going]) -> None:
    going = start("run1", "--sleep", "60")
    os.kill(going.workload, signal.SIGTERM)
    seen = wait_for(
        lambda: (going.run / "result.json").exists() and (going.run / "result.json").read_text()
    )
    assert json.loads(seen)["exit_code"] == 143
    assert not list(going.run.glob(".*"))


def test_preflight_says_everything_that_is_wrong(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_policy(root, preflight={"min_cores": 5000, "min_memory_gb": 90_000})
    assert main([*words(root, "run1", "--require-clean"), "--foreground"]) == 1
    run = run_of(root, "run1")
    found = read(run / "preflight.json")
    assert [path.name for path in run.iterdir()] == ["preflight.json"]
    assert found["status"] == "fail"
    assert len(found["reasons"]) == 3
    assert found["require_clean"] == 1
    assert "expected 5000 or more" in capsys.readouterr().err


def git(root: Path, *more: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *who, *more], check=True, capture_output=True)


def test_a_clean_checkout_is_told_from_a_changed_one(root: Path) -> None:
    (root / ".gitignore").write_text("audit/\n")
    git(root, "init", "-b", "research")
    git(root, "add", ".")
    git(root, "commit", "-m", "all")
    assert main([*words(root, "run1", "--require-clean"), "--foreground"]) == 0
    context = read(run_of(root, "run1") / "context.json")
    assert (context["git_branch"], len(context["git_commit"])) == ("research", 40)
    (root / "gate.py").write_text("changed\n")
    assert main([*words(root, "run2", "--require-clean"), "--foreground"]) == 1
    assert read(run_of(root, "run2") / "preflight.json")["git_dirty_count"] == 1


def test_the_run_folder_does_not_make_its_own_checkout_dirty(root: Path) -> None:
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "all")
    assert main([*words(root, "run1", "--require-clean"), "--foreground"]) == 0


def test_a_repository_that_ignores_the_root_is_not_its_own(root: Path) -> None:
    git(root, "init")
    (root / ".gitignore").write_text("inner/\n")
    (root / "inner").mkdir()
    inner = words(root / "inner", "run1", "--policy", str(root / "configs/launcher_policy.json"))
    (root / "inner/gate.py").write_text("")
    (root / "inner/prices.csv").write_text((root / "prices.csv").read_text())
    assert main([*inner, "--foreground"]) == 0
    assert read(run_of(root / "inner", "run1") / "preflight.json")["git_dirty_count"] is None


def test_bad_data_stops_the_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "prices.csv").write_text("date,symbol,close\n2022-01-31,A,abc\n")
    assert main([*words(root, "run1"), "--foreground"]) == 1
    run = run_of(root, "run1")
    assert {path.name for path in run.iterdir()} == {
        "preflight.json",
        "data_quality",
        "data_quality.log",
        "data_quality_command.sh",
    }
    assert "numeric_integrity" in (run / "data_quality.log").read_text()
    assert "data quality: not passed" in capsys.readouterr().err


def test_data_quality_can_be_skipped_and_that_is_recorded(root: Path) -> None:
    own = ["--root", str(root), "--tag", "run1", "--skip-data-quality-check", "--foreground"]
    assert main(own) == 0
    context = read(run_of(root, "run1") / "context.json")
    assert context["skip_data_quality_check"] == 1
    assert context["data_quality_report_json"] == context["data_quality_input_csv"] == ""


TAGS = ["../x", "x;touch pwned", "a b", "", ".hidden", "x\n", "ä", "a" * 129, "$(id)"]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_could_harm_is_refused(
    root: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words(root, "x"), f"--tag={tag}"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (root / "audit").exists()


@pytest.mark.parametrize(
    ("change", "gate", "code", "line"),
    [
        (["--workflow", "../x"], [], 2, "--workflow"),
        (["--threads", "0"], [], 2, "--threads"),
        (["--dq-input-csv", ""], [], 2, "--dq-input-csv or --skip-data-quality-check"),
        ([], ["--decision-tag", "run2"], 2, "the launcher adds them"),
        ([], ["--owner=you"], 2, "the launcher adds them"),
        (["--program", "none.py"], [], 3, "gate program"),
        (["--policy", "none.json"], [], 3, "launcher policy"),
        (["--surprise"], [], 2, "--surprise"),
    ],
)
def test_what_cannot_become_a_run_is_refused(
    root: Path,
    change: list[str],
    gate: list[str],
    code: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*words(root, "run1"), *change, "--", *gate]) == code
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
    assert not (root / "audit").exists()


def test_a_tag_used_before_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "audit/workstation_runs/2020-01-01_000000_production_gates_run1").mkdir(parents=True)
    (root / "audit/workstation_runs/2020-01-01_000000_production_gates_rerun1").mkdir()
    assert main([*words(root, "run1"), "--foreground"]) == 0
    said = capsys.readouterr().err
    assert "2020-01-01_000000_production_gates_run1 has it already" in said
    assert "rerun1" not in said


def test_a_run_has_the_real_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SOURCE_DATE_EPOCH is for artifacts that are made again; old data must not pass as fresh by it."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "315532800")
    assert main([*words(root, "run1"), "--foreground"]) == 0
    run = run_of(root, "run1")
    [report] = run.glob("data_quality/*/data_quality_report.json")
    year = time.strftime("%Y")
    assert [
        run.name[:4],
        read(run / "preflight.json")["timestamp"][:4],
        read(report)["generated_at"][:4],
    ] == [year] * 3


def test_two_runs_in_one_second_have_a_folder_each(root: Path) -> None:
    for _ in range(2):
        assert main([*words(root, "run1"), "--foreground"]) == 0
    assert len(list(root.glob("audit/workstation_runs/*_run1/result.json"))) == 2


def test_it_needs_nothing_but_python(root: Path) -> None:
    command = [sys.executable, "-S", "-E", str(SCRIPT), *words(root, "run1"), "--foreground"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_shim_is_the_launcher(root: Path) -> None:
    shim = ["bash", str(SCRIPT.with_suffix(".sh")), *words(root, "run1")[4:], "--foreground"]
    assert subprocess.run(shim, cwd=root, capture_output=True, check=False).returncode == 0
    assert read(run_of(root, "run1") / "result.json")["exit_code"] == 0


def test_no_signal_but_two_ends_the_supervisor_without_a_result() -> None:
    """Stopped, or broken by its own fault: the first goes on some time, the second would not end by being asked to."""
    heeded = {*supervisor.ENDING, *supervisor.PASSED_ON}
    kept = {signal.Signals(number).name for number in signal.valid_signals() - heeded}
    ends = {"SIGKILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"}
    ignored = {
        "SIGCHLD",
        "SIGURG",
        "SIGWINCH",
        "SIGCONT",
        "SIGPIPE",
        "SIGXFSZ",
    }  # the last two by Python
    assert kept == ends | ignored | {"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"}


def test_a_run_that_could_not_begin_waits_for_no_room(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Missing("run.pid", "room", "none") from OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(supervisor, "write_json", full)
    run = root / "audit"
    run.mkdir()
    job = supervisor.Job(root, run, ("true",), {}, {}, 1)
    with pytest.raises(Missing, match=r"run\.pid"):
        supervisor.supervise(job)
