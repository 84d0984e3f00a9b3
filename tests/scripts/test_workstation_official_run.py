"""The launcher with real processes: what is written in which order, and how every end
is recorded.
"""

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

import workstation_official_run as launcher
from harness.programs import wait_for
from postrun.core.errors import Missing
from postrun.core.locations import PROJECT
from postrun.launcher import POLICY_FILE, run_folder, supervisor
from workstation_official_run import main

SCRIPT = PROJECT / "scripts" / "workstation_official_run.py"
GATE_PROGRAM = """\
import os, signal, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
def start(*command, **how):
    import subprocess
    subprocess.Popen(command, **how)
if "--stubborn" in flags:
    signal.signal(signal.SIGTERM, lambda *_: None)
if "--use" in flags:
    signal.signal(int(flags["--use"]), lambda *_: sys.exit(7))
if "--leave" in flags:
    start("sh", "-c", f"sleep {flags['--leave']}; touch left.txt")
if "--daemon" in flags:
    start("sleep", flags["--daemon"], start_new_session=True)
if "--child" in flags:
    start("sleep", flags["--child"])
print("gate program", os.getpid(), "with", os.environ["OMP_NUM_THREADS"], "threads", flush=True)
if "--fill" in flags:
    try:
        while True:
            os.write(1, b"x" * 65536)
    except OSError:
        sys.exit(28)
time.sleep(float(flags.get("--sleep", 0)))
if "--die" in flags:
    os.kill(os.getpid(), int(flags["--die"]))
sys.exit(int(flags.get("--exit", 0)))
"""
# Every Python below loads this: it stops the data-quality gate until the file `go` exists.
HOLD_DATA_GATE = """\
import os, pathlib, sys, time
folder = pathlib.Path(__file__).parent
if any("data_quality_gate" in word for word in sys.orig_argv):
    folder.joinpath("pid").write_text(str(os.getpid()))
    while not folder.joinpath("go").exists():
        time.sleep(0.02)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a workstation whose gate program does what its flags say."""
    rules = json.loads((PROJECT / POLICY_FILE).read_text())
    rules["preflight"] = {"min_cores": 1, "min_memory_gb": 0}
    rules["data_quality"] |= {"min_rows": 1, "max_staleness_days": 100_000}
    rules |= {"program": "gate.py", "leftover_seconds": 3}
    (tmp_path / "configs").mkdir()
    (tmp_path / POLICY_FILE).write_text(json.dumps(rules))
    (tmp_path / "gate.py").write_text(GATE_PROGRAM)
    (tmp_path / "prices.csv").write_text("date,symbol,close\n2022-01-31,A,1.5\n")
    return tmp_path


def change_policy(root: Path, **changes: Any) -> None:
    path = root / POLICY_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def run_flags(root: Path, tag: str = "run1") -> list[str]:
    flags = ["--workflow", "production_gates", "--root", str(root), "--tag", tag]
    return [*flags, "--owner", "me", "--threads", "3"]


def unchecked(root: Path, tag: str = "run1") -> list[str]:
    """Return the flags of a run whose data nobody checks: that is a test of its own."""
    return [*run_flags(root, tag), "--skip-data-quality-check"]


def checked(root: Path, tag: str = "run1") -> list[str]:
    return [*run_flags(root, tag), "--dq-input-csv", "prices.csv"]


def run_of(root: Path, tag: str = "run1") -> Path:
    [run] = root.glob(f"audit/workstation_runs/*_production_gates_{tag}")
    return run


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def exit_code_of(run: Path) -> int:
    """Wait for a run's result and return the exit code in it."""
    wait_for((run / "result.json").exists)
    return int(read(run / "result.json")["exit_code"])


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return state.strip() != "" and not state.strip().startswith("Z")


class RunningRun:
    """A run in the background: its folder, its supervisor, its workload."""

    def __init__(self, run: Path) -> None:
        self.run = run
        log = run / "run.log"
        wait_for(lambda: log.exists() and "threads" in log.read_text())
        self.workload = int(log.read_text().split()[2])
        self.supervisor = int(read(run / "run.pid")["pid"])


Start = Callable[..., RunningRun]


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Start supervised runs as children of the test, which is cheaper than a new Python
    for each.
    """
    running: list[RunningRun] = []

    def fork(*gate_arguments: str) -> RunningRun:
        args = launcher.FLAGS.parse(unchecked(root))
        request = launcher.read_request(args, gate_arguments)
        run = run_folder.create(request)
        if os.fork() == 0:
            os.setsid()
            try:
                supervisor.supervise(request, run)
            finally:
                os._exit(0)
        running.append(RunningRun(run))
        return running[-1]

    yield fork
    for each in running:
        for pid in (each.supervisor, each.workload):
            if is_alive(pid):
                os.killpg(pid, signal.SIGKILL)
        os.waitpid(each.supervisor, 0)


def test_the_data_quality_gate_takes_its_settings_from_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a planned command sets them; the policy of this workstation asks for one row."""
    monkeypatch.setenv("DQ_MIN_ROWS", "2")
    assert main([*checked(root), "--foreground"]) == 1
    [report] = run_of(root).glob("data_quality/*/data_quality_report.json")
    assert read(report)["inputs"]["min_rows"] == 2
    monkeypatch.setenv("DQ_MIN_ROWS", "two")
    capsys.readouterr()
    assert main([*checked(root, "run2"), "--foreground"]) == 2
    assert "DQ_MIN_ROWS: expected a whole number" in capsys.readouterr().err


def test_a_run_leaves_every_file_and_the_result_last(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*checked(root), "--notes", "plain", "--foreground"]
    assert main([*flags, "--", "--exit", "0"]) == 0
    run = run_of(root)
    assert capsys.readouterr().out.splitlines() == [str(run)]
    files = ["preflight.json", "data_quality_command.sh", "data_quality.log", "command.sh"]
    files += ["context.json", "run.pid", "run.log", "result.json"]
    times = [(run / name).stat().st_mtime_ns for name in files]
    assert times == sorted(times)
    assert {path.name for path in run.iterdir()} == {*files, "data_quality"}
    assert (run / "run.log").read_text().endswith("with 3 threads\n")
    assert read(run / "result.json") == {
        "workflow": "production_gates",
        "decision_tag": "run1",
        "exit_code": 0,
        "audit_dir": f"audit/workstation_runs/{run.name}",
    }
    context = read(run / "context.json")
    report = context.pop("data_quality_report_json")
    assert report.startswith(f"audit/workstation_runs/{run.name}/data_quality/data_quality_")
    assert read(root / report)["overall_pass"] is True
    assert isinstance(context.pop("hostname"), str)
    assert context == {
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


NOTES = '-- say "no", it\'s\ntwo lines, back\\slash $HOME `id` späť 你好'


@pytest.mark.parametrize("notes", ["", NOTES])
def test_notes_break_nothing(root: Path, notes: str) -> None:
    assert main([*unchecked(root), f"--notes={notes}", "--foreground"]) == 0
    run = run_of(root)
    assert read(run / "context.json")["notes"] == notes
    line = (run / "command.sh").read_text()
    assert line.count("\n") == 1
    bash = ["bash", "-c", f"printf '%s\\0' {line}"]
    printed = subprocess.run(bash, capture_output=True, text=True, check=True).stdout
    reserved = ["--decision-tag", "run1", "--owner", "me", "--notes", notes]
    assert printed.split("\0")[:-1] == [sys.executable, "gate.py", *reserved]


@pytest.mark.parametrize(
    ("gate", "code"), [(["--exit", "3"], 3), (["--die", "9"], 137), (["--die", "15"], 143)]
)
def test_the_exit_code_is_the_workloads(root: Path, gate: list[str], code: int) -> None:
    assert main([*unchecked(root), "--foreground", "--", *gate]) == code
    assert exit_code_of(run_of(root)) == code


def test_a_program_that_cannot_start_is_recorded(root: Path) -> None:
    (root / "gate.sh").write_text("echo not executable\n")
    assert main([*unchecked(root), "--foreground", "--program", "gate.sh"]) == 126
    assert "cannot start" in (run_of(root) / "run.log").read_text()
    (root / "gate.sh").write_text("#!/nowhere/interpreter\n")
    (root / "gate.sh").chmod(0o755)
    assert main([*unchecked(root, "run2"), "--foreground", "--program", "gate.sh"]) == 127
    assert exit_code_of(run_of(root, "run2")) == 127


def test_the_launcher_lets_the_connection_go(root: Path) -> None:
    """An SSH server waits until nobody holds the pipes; the run must not."""
    command = [sys.executable, str(SCRIPT), *unchecked(root), "--", "--sleep", "60"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert time.monotonic() - began < 15
    assert done.returncode == 0
    running = RunningRun(run_of(root))
    assert done.stdout.splitlines() == [str(running.run)]
    assert os.getsid(running.supervisor) == running.supervisor
    assert os.getsid(running.workload) == running.workload
    os.kill(running.supervisor, signal.SIGTERM)
    assert exit_code_of(running.run) == 143


def start_on_a_terminal(command: list[str]) -> tuple[int, int]:
    """Start a program on a terminal of its own; return its process and the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    return pid, terminal


def test_a_closed_terminal_does_not_end_the_run(root: Path) -> None:
    command = [sys.executable, str(SCRIPT), *unchecked(root), "--", "--sleep", "60"]
    pid, terminal = start_on_a_terminal(command)
    os.waitpid(pid, 0)
    os.close(terminal)
    running = RunningRun(run_of(root))
    time.sleep(0.3)
    assert is_alive(running.supervisor)
    assert is_alive(running.workload)
    os.kill(running.supervisor, signal.SIGTERM)
    exit_code_of(running.run)


@pytest.fixture
def held_data_gate(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Stop data-quality gates as they start; return the folder of their `pid` and `go`."""
    folder = tmp_path_factory.mktemp("hold")
    (folder / "sitecustomize.py").write_text(HOLD_DATA_GATE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_a_terminal_closed_while_the_data_are_checked_does_not_end_the_run(
    root: Path, held_data_gate: Path
) -> None:
    command = [sys.executable, str(SCRIPT), *checked(root), "--", "--exit", "4"]
    pid, terminal = start_on_a_terminal(command)
    wait_for((held_data_gate / "pid").exists)
    os.close(terminal)
    time.sleep(0.1)
    assert not (run_of(root) / "context.json").exists()
    (held_data_gate / "go").touch()
    os.waitpid(pid, 0)
    assert exit_code_of(run_of(root)) == 4


def test_ctrl_c_while_the_data_are_checked_ends_the_launcher_and_its_gate(
    root: Path, held_data_gate: Path
) -> None:
    command = [sys.executable, str(SCRIPT), *checked(root), "--", "--sleep", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    pid_file = held_data_gate / "pid"
    gate = int(wait_for(lambda: pid_file.exists() and pid_file.read_text()))
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "interrupted\n"
    assert process.returncode == 130
    assert not is_alive(gate)
    files = sorted(path.name for path in run_of(root).iterdir())
    assert files[-1] == "preflight.json", "the workload never started"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_reaches_the_whole_workload(start: Start, number: signal.Signals) -> None:
    running = start("--child", "60", "--sleep", "60")
    os.kill(running.supervisor, number)
    assert exit_code_of(running.run) == 128 + number
    groups = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True)
    members = [line.split() for line in groups.stdout.splitlines()]
    alive = [group for group, state in members if not state.startswith("Z")]
    assert str(running.workload) not in alive


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGALRM, signal.SIGRTMIN])
@pytest.mark.parametrize("is_used", [False, True])
def test_the_workload_decides_what_other_signals_mean(
    start: Start, number: signal.Signals, is_used: bool
) -> None:
    use = ["--use", str(int(number))] if is_used else ["--child", "60"]
    running = start(*use, "--sleep", "60")
    os.kill(running.supervisor, number)
    assert exit_code_of(running.run) == (7 if is_used else 128 + number)


def test_every_other_signal_is_forwarded() -> None:
    """Stopped, or broken by its own fault: the first goes on some time, the second has to end."""
    forwarded = {*supervisor.ENDING, *supervisor.FORWARDED}
    rest = {signal.Signals(number).name for number in signal.valid_signals() - forwarded}
    ends = {"SIGKILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"}
    ignored = {"SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT"}
    ignored_by_python = {"SIGPIPE", "SIGXFSZ"}
    stops = {"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"}
    assert rest == ends | ignored | ignored_by_python | stops


def test_a_workload_that_ignores_signals_is_waited_for(start: Start) -> None:
    running = start("--stubborn", "1", "--sleep", "60")
    os.kill(running.supervisor, signal.SIGTERM)
    time.sleep(0.5)
    assert not (running.run / "result.json").exists()
    os.killpg(running.workload, signal.SIGKILL)
    assert exit_code_of(running.run) == 143


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_a_killed_workload_has_a_result(start: Start, kill: Callable[[int, int], None]) -> None:
    running = start("--sleep", "60")
    kill(running.workload, signal.SIGKILL)
    assert exit_code_of(running.run) == 137


def test_a_killed_launcher_leaves_no_result_but_can_be_recognised(start: Start) -> None:
    running = start("--sleep", "60")
    record = read(running.run / "run.pid")
    assert set(record) == {"pid", "start_time", "boot_id", "pid_namespace"}
    command = ["ps", "-o", "lstart=", "-p", str(running.supervisor)]
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    ps = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    words = ps.stdout.split()
    assert record["start_time"].startswith(words[4])
    assert abs(int(record["start_time"][17:19]) - int(words[3][6:])) in (0, 1, 59)
    os.kill(running.supervisor, signal.SIGKILL)
    wait_for(lambda: not is_alive(running.supervisor))
    time.sleep(0.3)
    assert not (running.run / "result.json").exists()
    args = ["ps", "-ww", "-o", "args=", "-p", str(running.workload)]
    line = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    assert "--decision-tag run1" in line, "what goes on can be found by its tag"


def test_the_result_waits_for_what_the_workload_left(root: Path) -> None:
    main([*unchecked(root), "--foreground", "--", "--leave", "0.4"])
    left, result = root / "left.txt", run_of(root) / "result.json"
    assert left.stat().st_mtime_ns < result.stat().st_mtime_ns


def test_but_not_for_ever(root: Path) -> None:
    change_policy(root, leftover_seconds=0.2)
    assert main([*unchecked(root), "--foreground", "--", "--leave", "2"]) == 0
    assert "some of it still runs" in (run_of(root) / "run.log").read_text()
    assert not (root / "left.txt").exists()


def test_a_daemon_is_not_waited_for(root: Path) -> None:
    began = time.monotonic()
    assert main([*unchecked(root), "--foreground", "--", "--daemon", "4"]) == 0
    assert time.monotonic() - began < 3


FULL_DISK = """
set -e
mount -t tmpfs -o size=300k small "$1"
cp -r "$2/." "$1"
"$3" "$4" --root "$1" --tag run1 --skip-data-quality-check -- --fill 1 >&2
sleep 1.5
cd "$1"/audit/workstation_runs/*_run1
[ ! -e result.json ]
: > run.log
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e result.json ] || sleep 0.5; done
cat result.json
"""
MOUNT = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
MAY_MOUNT = subprocess.run(MOUNT, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not MAY_MOUNT, reason="needs a small disk, and nobody may make one here")
def test_on_a_full_disk_the_result_waits_for_free_space(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = str(tmp_path_factory.mktemp("small"))
    command = ["unshare", "-rm", "sh", "-c", FULL_DISK, "sh"]
    command += [small, str(root), sys.executable, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["exit_code"] == 28


def test_a_run_that_could_not_start_does_not_wait_for_free_space(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Missing("run.pid", "room", "none") from OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(supervisor, "write_json", full)
    args = launcher.FLAGS.parse(unchecked(root))
    request = launcher.read_request(args, [])
    run = run_folder.create(request)
    with pytest.raises(Missing, match=r"run\.pid"):
        supervisor.supervise(request, run)


@pytest.mark.parametrize(
    "streams", ["| true", "2>&1 | true", "2>&1 | sleep 0", ">&- 2>&-", ">/dev/full", "2>/dev/full"]
)
def test_a_run_starts_whether_or_not_anybody_listens(root: Path, streams: str) -> None:
    line = shlex.join([sys.executable, str(SCRIPT), *unchecked(root), "--", "--exit", "4"])
    bash = ["bash", "-c", f"{line} {streams}; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(bash, capture_output=True, text=True, check=False)
    assert (done.returncode, exit_code_of(run_of(root))) == (0, 4)
    assert "Traceback" not in done.stderr


def test_a_root_that_cannot_be_written_to_is_one_line(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "audit").write_text("a file where a folder belongs")
    assert main([*unchecked(root), "--", "--exit", "0"]) == 3
    message = ": expected a place that can be written to, found Not a directory"
    assert message in capsys.readouterr().err


def test_a_user_without_a_name_has_to_give_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nobody)
    flags = ["--root", str(root), "--tag", "run1", "--skip-data-quality-check", "--foreground"]
    assert main(flags) == 2
    message = "--owner: expected a name, found none, and this machine knows none for you\n"
    assert capsys.readouterr().err == message
    assert main([*flags, "--owner", "me", "--", "--exit", "4"]) == 4


def test_half_a_result_is_never_seen(start: Start) -> None:
    running = start("--sleep", "60")
    os.kill(running.workload, signal.SIGTERM)
    assert exit_code_of(running.run) == 143
    assert not list(running.run.glob(".*"))


def test_preflight_names_everything_that_is_wrong(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_policy(root, preflight={"min_cores": 5000, "min_memory_gb": 90_000})
    assert main([*unchecked(root), "--require-clean", "--foreground"]) == 1
    run = run_of(root)
    preflight = read(run / "preflight.json")
    assert [path.name for path in run.iterdir()] == ["preflight.json"]
    assert preflight["status"] == "fail"
    assert len(preflight["reasons"]) == 3
    assert preflight["require_clean"] == 1
    assert "expected 5000 or more" in capsys.readouterr().err


def git(root: Path, *arguments: str) -> None:
    user = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *user, *arguments], check=True, capture_output=True)


def test_a_clean_checkout_is_distinguished_from_a_changed_one(root: Path) -> None:
    """Its .gitignore does not name the run folders: those of a run do not make it dirty."""
    git(root, "init", "-b", "research")
    git(root, "add", ".")
    git(root, "commit", "-m", "all")
    assert main([*unchecked(root), "--require-clean", "--foreground"]) == 0
    context = read(run_of(root) / "context.json")
    assert (context["git_branch"], len(context["git_commit"])) == ("research", 40)
    (root / ".git/info/exclude").write_text("audit/\n")
    (root / "gate.py").write_text("changed\n")
    assert main([*unchecked(root, "run2"), "--require-clean", "--foreground"]) == 1
    assert read(run_of(root, "run2") / "preflight.json")["git_dirty_count"] == 1


def test_a_repository_that_ignores_the_root_is_not_its_own(root: Path) -> None:
    git(root, "init")
    (root / ".gitignore").write_text("inner/\n")
    inner = root / "inner"
    inner.mkdir()
    (inner / "gate.py").write_text("")
    flags = [*unchecked(inner), "--policy", str(root / POLICY_FILE), "--foreground"]
    assert main(flags) == 0
    assert read(run_of(inner) / "preflight.json")["git_dirty_count"] is None


def test_bad_data_stop_the_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "prices.csv").write_text("date,symbol,close\n2022-01-31,A,abc\n")
    assert main([*checked(root), "--foreground"]) == 1
    run = run_of(root)
    files = {"preflight.json", "data_quality", "data_quality.log", "data_quality_command.sh"}
    assert {path.name for path in run.iterdir()} == files
    assert "numeric_integrity" in (run / "data_quality.log").read_text()
    assert "data quality: not passed" in capsys.readouterr().err


def test_data_quality_can_be_skipped_and_that_is_recorded(root: Path) -> None:
    assert main([*unchecked(root), "--foreground"]) == 0
    context = read(run_of(root) / "context.json")
    assert context["skip_data_quality_check"] == 1
    assert context["data_quality_report_json"] == context["data_quality_input_csv"] == ""


TAGS = ["../x", "x;touch pwned", "a b", "", ".hidden", "x\n", "ä", "a" * 129, "$(id)"]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_could_harm_is_refused(
    root: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*unchecked(root), f"--tag={tag}"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (root / "audit").exists()


@pytest.mark.parametrize(
    ("flags", "gate", "code", "line"),
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
    flags: list[str],
    gate: list[str],
    code: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*checked(root), *flags, "--", *gate]) == code
    message = capsys.readouterr().err
    assert line in message
    assert message.count("\n") == 1
    assert not (root / "audit").exists()


def test_a_tag_used_before_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = root / "audit/workstation_runs"
    (runs / "2020-01-01_000000_production_gates_run1").mkdir(parents=True)
    (runs / "2020-01-01_000000_production_gates_rerun1").mkdir()
    assert main([*unchecked(root), "--foreground"]) == 0
    message = capsys.readouterr().err
    assert "2020-01-01_000000_production_gates_run1 has it already" in message
    assert "rerun1" not in message


def test_a_run_has_the_real_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SOURCE_DATE_EPOCH is for artifacts that are made again; old data must not pass as fresh."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "315532800")
    assert main([*checked(root), "--foreground"]) == 0
    run = run_of(root)
    [report] = run.glob("data_quality/*/data_quality_report.json")
    times = [run.name, read(run / "preflight.json")["timestamp"], read(report)["generated_at"]]
    assert [text[:4] for text in times] == [time.strftime("%Y")] * 3


def test_two_runs_in_one_second_have_a_folder_each(root: Path) -> None:
    for _ in range(2):
        assert main([*unchecked(root), "--foreground"]) == 0
    assert len(list(root.glob("audit/workstation_runs/*_run1/result.json"))) == 2


def test_it_needs_nothing_but_python(root: Path) -> None:
    command = [sys.executable, "-S", "-E", str(SCRIPT), *checked(root), "--foreground"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_shim_is_the_launcher(root: Path) -> None:
    flags = ["--tag", "run1", "--skip-data-quality-check", "--foreground"]
    shim = ["bash", str(SCRIPT.with_suffix(".sh")), *flags]
    assert subprocess.run(shim, cwd=root, capture_output=True, check=False).returncode == 0
    assert exit_code_of(run_of(root)) == 0
