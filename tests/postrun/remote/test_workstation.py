"""The station to the workstation, over a local directory and over a real sshd alike."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.factory import TAG, documents, make_run, put
from harness.programs import wait_for
from harness.sshd import Sshd
from postrun.core import locations
from postrun.core.errors import Invalid, Missing, PostRunError, Unreachable, Usage
from postrun.remote import workstation
from postrun.remote.probe_command import probe_command
from postrun.remote.processes import of_run
from postrun.remote.snapshots import Process
from postrun.remote.workstation import Workstation

RUN = f"2026-02-21_031500_production_gates_{TAG}"
RUN_PATH = f"audit/workstation_runs/{RUN}"
GATE_PATH = "gate_results/production_gates_2026-02-21_031700"
SETTINGS: dict[str, Any] = {"connect_timeout_s": 3, "probe_timeout_s": 30}
ODD_NAMES = [
    b"plain.csv",
    b"two words.csv",
    b" leading and trailing ",
    b'it\'s "quoted".csv',
    b"$(touch pwned);`id`*?.csv",
    b"-n",
    b"back\\slash.csv",
    b"carriage\rreturn.csv",
    b"two\nlines.csv",
    b"0000  ./fake\n1111  ./other",
    b"latin-\xe9.csv",
    "snow-\u2603.csv".encode(),
]


@pytest.fixture(params=["local", "ssh", "fabric"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return this machine, and a host by both ways to connect, in turn."""
    monkeypatch.setitem(SETTINGS, "transport", request.param.replace("ssh", "openssh"))
    return "local" if request.param == "local" else str(request.getfixturevalue("ssh_host"))


@pytest.fixture
def station(host: str, remote: Path) -> Iterator[Workstation]:
    """Return a workstation whose root is `remote`."""
    opened = connect(host, remote)
    yield opened
    opened.close()


def connect(host: str, root: Path, **patience: float) -> Workstation:
    return workstation.connect(host, str(root), {**SETTINGS, **patience})


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the listing


def test_a_listing_gives_the_files_of_the_run_and_its_report(
    station: Workstation, remote: Path
) -> None:
    made = make_run(remote)
    seen = station.list_run(TAG)
    assert (seen.runs, seen.folders) == ((RUN,), (RUN,))
    result = seen.file(RUN, "result.json")
    assert result is not None
    assert result.content == (remote / RUN_PATH / "result.json").read_bytes()
    assert result.modified == made.result_modified
    assert f"{GATE_PATH}/production_gates_report.json" in seen.files
    assert (
        f"{RUN_PATH}/data_quality/data_quality_2026-02-21_031500/data_quality_report.json"
        in seen.files
    )
    assert station.round_trips == 1


def test_a_listing_keeps_every_byte_of_a_file(station: Workstation, remote: Path) -> None:
    content = bytes(range(256)) * 300 + b"\n\nend without newline"
    put(remote / RUN_PATH / "context.json", content)
    seen = station.list_run(TAG).file(RUN, "context.json")
    assert seen is not None
    assert seen.content == content


def test_a_listing_matches_the_tag_exactly(remote: Path) -> None:
    station = connect("local", remote)
    for tag in ("run1", "run10", "run1_rerun4", "x_run1", "a_production_gates_run1"):
        (remote / f"audit/workstation_runs/2026-02-21_031500_production_gates_{tag}").mkdir(
            parents=True
        )
    put(remote / "audit/workstation_runs/2026-02-22_031500_production_gates_run1", b"a file")
    seen = station.list_run("run1")
    assert seen.folders == ("2026-02-21_031500_production_gates_run1",)
    assert len(seen.runs) == 6, "the others are there to be suggested"


def test_only_reports_that_name_the_tag_come(remote: Path) -> None:
    station = connect("local", remote)
    make_run(remote, tag="run10", stamp="2026-02-20_010000")
    make_run(remote, tag="run1", stamp="2026-02-21_010000")
    make_run(remote, tag="run1_rerun4", stamp="2026-02-22_010000")
    reports = [path for path in station.list_run("run1").files if path.startswith("gate_results/")]
    assert reports == [
        "gate_results/production_gates_2026-02-21_010200/production_gates_report.json"
    ]


def test_a_folder_and_a_report_can_be_asked_for(remote: Path) -> None:
    station = connect("local", remote)
    make_run(remote, tag="run1", stamp="2026-02-21_010000")
    other = documents(tag="other", stamp="2026-02-22_010000").write(remote)
    report = f"gate_results/{other.gate_folder}/production_gates_report.json"
    seen = station.list_run("run1", f"audit/workstation_runs/{other.run_folder}", report)
    assert other.run_folder in seen.folders
    assert report in seen.files


def test_links_and_fifos_are_no_files_of_the_run(remote: Path) -> None:
    station = connect("local", remote)
    make_run(remote, change=lambda made: setattr(made, "context", None))
    (remote / RUN_PATH / "context.json").symlink_to("/etc/hostname")
    (remote / RUN_PATH / "preflight.json").unlink()
    os.mkfifo(remote / RUN_PATH / "preflight.json")
    seen = station.list_run(TAG)
    assert seen.file(RUN, "context.json") is None
    assert seen.file(RUN, "preflight.json") is None


def test_no_probe_waits_for_a_fifo(host: str, remote: Path) -> None:
    make_run(remote, tag="other", stamp="2026-02-22_010000")
    make_run(remote, change=lambda made: setattr(made, "result", None))
    other_gate = remote / "gate_results/production_gates_2026-02-22_010200"
    run_files = ("context.json", "preflight.json", "command.sh", "run.log", "result.json")
    files = [remote / RUN_PATH / name for name in (*run_files, "run.pid", "pipe")]
    files += [remote / GATE_PATH / "production_gates_report.json", remote / GATE_PATH / "pipe"]
    files += [other_gate / "production_gates_report.json"]
    for file in files:
        file.unlink(missing_ok=True)
        os.mkfifo(file)
    station = connect(host, remote, probe_timeout_s=20)
    assert [path for path in station.list_run(TAG).files if path.startswith("gate")] == []
    asked = station.list_run(TAG, RUN_PATH, f"{GATE_PATH}/production_gates_report.json")
    assert asked.unusable[f"{GATE_PATH}/production_gates_report.json"] == "no plain file"
    assert station.take_run_snapshot(TAG).runs == (RUN,)
    assert station.take_host_snapshot([TAG]).run_snapshots[TAG].runs == (RUN,)
    reports = station.list_reports(["gate_results"], "production_gates_2", "production_gates_3")
    assert set(reports.unusable.values()) == {"no plain file"}
    digests = station.digests([RUN_PATH, GATE_PATH])
    assert not {str(file.relative_to(remote)) for file in files} & digests.files.keys()
    station.close()


def test_a_huge_report_is_known_by_its_size(remote: Path) -> None:
    station = connect("local", remote)
    put(
        remote / GATE_PATH / "production_gates_report.json",
        f'{{"x": "{TAG}", "y": "'.encode() + b"a" * (17 * 2**20),
    )
    (remote / RUN_PATH).mkdir(parents=True)
    file = station.list_run(TAG).files[f"{GATE_PATH}/production_gates_report.json"]
    assert file.content is None
    assert file.size > 17 * 2**20


@pytest.mark.parametrize(
    "tag", ["x;touch pwned", "../x", "$(touch pwned)", "", "-rf", "a+b", "tag\n", "a'b", "x" * 129]
)
def test_a_tag_that_is_none_reaches_no_shell(
    tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    station = connect("local", Path())
    for ask in (station.list_run, station.take_run_snapshot):
        with pytest.raises(Usage, match="decision tag: expected a full match"):
            ask(tag)
    assert station.round_trips == 0
    assert list(tmp_path.iterdir()) == []


PLAIN_ROOT = "a+b,c=d@e:f~-g_h"
ODD_ROOTS = [
    "it's; touch pwned",
    "two  words",
    "$(touch pwned)",
    "new\nline",
    "snow \u2603",
    "a\\b",
]


@pytest.mark.parametrize(
    ("name", "kind"),
    [*((name, "local") for name in ODD_ROOTS), ("it's; touch pwned", "ssh"), (PLAIN_ROOT, "ssh")],
)
def test_any_root_is_only_a_name(
    name: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    host = "local" if kind == "local" else request.getfixturevalue("ssh_host")
    root = tmp_path / name
    make_run(root)
    station = connect(host, root)
    if host != "local" and name in ODD_ROOTS:  # nothing could be fetched from there
        for _ in range(2):
            with pytest.raises(Usage, match="remote root: expected a path of letters"):
                station.list_run(TAG)
    else:
        assert station.list_run(TAG).folders == (RUN,)
        assert len(station.digests([RUN_PATH]).files) == 7
    station.close()
    assert not list(tmp_path.rglob("pwned"))


def test_a_missing_root_is_named(host: str, tmp_path: Path) -> None:
    station = connect(host, tmp_path / "nowhere")
    with pytest.raises(
        Missing, match=r"root .*nowhere on workstation .*: expected a folder, found nothing there"
    ):
        station.list_run(TAG)
    station.close()


def test_a_root_without_runs_is_empty(station: Workstation) -> None:
    seen = station.list_run(TAG)
    assert (seen.runs, seen.folders, seen.files) == ((), (), {})


def test_many_runs_are_one_round_trip(station: Workstation, remote: Path) -> None:
    report = b'{"inputs": {"decision_tag": "other"}}'
    for number in range(60):
        stamp = f"2025-01-02_0304{number:02d}"
        run = f"audit/workstation_runs/{stamp}_production_gates_other{number}"
        (remote / run).mkdir(parents=True)
        gate = f"gate_results/production_gates_{stamp}"
        put(remote / gate / "production_gates_report.json", report)
    make_run(remote)
    listing = station.list_run(TAG)
    snapshot = station.take_run_snapshot(TAG)
    assert (len(listing.runs), listing.folders, station.round_trips) == (61, (RUN,), 2)
    assert (snapshot.runs, snapshot.gates) == ((RUN,), (Path(GATE_PATH).name,))


# --- the processes


def test_processes_come_without_those_that_asked(station: Workstation, remote: Path) -> None:
    make_run(remote)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "of no run"])
    try:
        seen = station.list_run(TAG).processes
    finally:
        worker.kill()
        worker.wait()
    mine = {process.pid: process for process in seen}
    assert mine[worker.pid].args.endswith("of no run")
    assert abs((mine[worker.pid].started or 0) - time.time()) < 30
    assert os.getpid() not in mine, (
        "the line of parents that asked; the test's sshd is a child of the test too"
    )
    assert not [
        process
        for process in seen
        if process.parent not in mine and process.args.startswith("ps -A")
    ]


def test_another_monitors_probe_is_left_out_with_its_children(
    station: Workstation, remote: Path, tmp_path: Path
) -> None:
    """Its find and stat have the run's folder in their arguments."""
    make_run(remote)
    stand_in(
        tmp_path / "bin", "stat", '[ "$3" = / ] && exit 0; sleep 20'
    )  # it is asked first which kind it is
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    command = probe_command("snapshots", "f" * 32, str(remote), "x", 1, 1, "", RUN_PATH, TAG)
    # Nobody reads its answer here, and a pipe would stop it in its listing of processes: some have
    # 100 KiB of words.
    other = subprocess.Popen(
        ["sh", "-c", command], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while (
            f"{tmp_path / 'bin'}/stat -c"
            not in subprocess.run(
                ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
            ).stdout
        ):
            assert other.poll() is None
        seen = station.list_run(TAG).processes
    finally:
        os.killpg(other.pid, 9)
        other.wait()
    assert other.pid not in [process.pid for process in seen]
    assert not [process.args for process in seen if str(tmp_path / "bin") in process.args]


def test_a_probe_names_no_run_in_its_command_line(remote: Path) -> None:
    """Another monitor's probe must not look like a process of the run."""
    command = probe_command("snapshots", "f" * 32, str(remote), RUN_PATH, TAG)
    assert TAG not in command
    assert RUN not in command
    assert of_run([Process(9, 1, command.replace("'", ""))], TAG, RUN) == ()


def test_no_list_of_processes_is_no_empty_list(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(remote)
    stand_in(tmp_path / "bin", "ps", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    station = connect("local", remote)
    for ask in (station.list_run, station.take_run_snapshot):
        with pytest.raises(Unreachable, match="processes: expected a listing by ps, found none"):
            ask(TAG)


@pytest.mark.parametrize(
    ("tool", "script", "error", "message"),
    [
        ("awk", "exit 127", Unreachable, "found half of one"),
        ("find", "exit 1", Unreachable, "listing of files: expected those of"),
        (
            "grep",
            'case "$*" in *-o*) exit 2;; esac; exec /usr/bin/env -i {} "$@"',
            Missing,
            "grep with -a and -o on workstation local: expected a program",
        ),
    ],
)
def test_tools_that_tell_nothing_are_no_answer(
    tool: str,
    script: str,
    error: type[PostRunError],
    message: str,
    remote: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a run whose files are not seen would look like one in which nothing moves."""
    make_run(remote)
    stand_in(tmp_path / "bin", tool, script.format(shutil.which(tool)))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(error, match=message):
        connect("local", remote).take_run_snapshot(TAG)


@pytest.mark.parametrize("tool", ["xargs", "ps", "find", "grep", "stat", "dd", "ls"])
def test_a_tool_that_is_missing_is_named(
    tool: str, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_run(remote)
    monkeypatch.setenv("PATH", narrow_path(tmp_path / "bin", {tool}))
    station = connect("local", remote)
    message = f"{tool} on workstation local: expected a program, found nothing on its PATH"
    with pytest.raises(Missing, match=message):
        station.take_run_snapshot(TAG)
    if tool == "find":
        with pytest.raises(Missing, match=message):
            station.digests([f"audit/workstation_runs/{made.run_folder}"])
    else:
        with pytest.raises(Missing, match=message):
            station.list_run(TAG)


# --- the snapshot


def test_more_reports_than_one_command_can_name_are_all_looked_into(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_run(remote)
    for number in range(50):
        name = f"gate_results/production_gates_2026-02-22_0000{number:02d}"
        put(remote / name / "production_gates_report.json", "{}")
    # A command may be short here, as it may somewhere for the kernel, and xargs knows the limit.
    stand_in(tmp_path / "bin", "grep", f'[ $# -lt 30 ] || exit 126; exec {which("grep")} "$@"')
    stand_in(tmp_path / "bin", "xargs", f'exec {which("xargs")} -n 20 "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert connect("local", remote).take_run_snapshot(TAG).gates == (made.gate_folder,)


def test_a_probe_that_is_killed_half_way_is_no_answer(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(remote, tag=TAG)
    stand_in(tmp_path / "bin", "tail", "kill -9 $PPID")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(Unreachable, match="expected an answer to the probe, found half of one"):
        connect("local", remote).take_run_snapshot(TAG)


def test_a_snapshot_gives_what_a_poll_needs(station: Workstation, remote: Path) -> None:
    make_run(remote)
    seen = station.take_run_snapshot(TAG)
    assert seen.runs == (RUN,)
    assert seen.has_context
    assert seen.result == (remote / RUN_PATH / "result.json").read_text()
    assert (seen.preflight, seen.data_quality) == (None, None), (
        "a run with a context was let in by both"
    )
    assert seen.log_tail == "[cost_stress] x1.0 done\n"
    assert seen.gates == (Path(GATE_PATH).name,)
    assert station.round_trips == 1


def test_a_snapshot_at_nothing(station: Workstation) -> None:
    seen = station.take_run_snapshot(TAG)
    assert (seen.runs, seen.has_context, seen.result, seen.log_tail, seen.gates) == (
        (),
        False,
        None,
        "",
        (),
    )
    assert seen.processes


def test_a_snapshot_is_about_the_newest_run_of_exactly_the_tag(remote: Path) -> None:
    station = connect("local", remote)
    for stamp, tag in (
        ("2026-02-21_0315", "run1"),
        ("2026-02-23_0315", "run1"),
        ("2026-02-24_0315", "run10"),
    ):
        put(
            remote / f"audit/workstation_runs/{stamp}00_production_gates_{tag}/run.log",
            f"{stamp} {tag}".encode(),
        )
    seen = station.take_run_snapshot("run1")
    assert seen.runs == tuple(f"2026-02-{day}_031500_production_gates_run1" for day in (21, 23))
    assert seen.log_tail == "2026-02-23_0315 run1"
    older = station.take_run_snapshot("run1", f"audit/workstation_runs/{seen.runs[0]}")
    assert (older.runs, older.log_tail) == (seen.runs[:1], "2026-02-21_0315 run1")


@pytest.mark.parametrize(
    ("path", "settled", "activity"),
    [
        pytest.param(f"{RUN_PATH}/run.log", True, True, id="the log grows"),
        pytest.param(f"{RUN_PATH}/new", True, True, id="a file appears"),
        pytest.param(
            f"{GATE_PATH}/walk_forward_stress/late.csv", True, True, id="the gate folder grows"
        ),
        pytest.param(
            "gate_results/production_gates_2026-02-21_031501/x.csv",
            False,
            True,
            id="a later one, no report",
        ),
        pytest.param(
            "gate_results/production_gates_2026-02-21_031400/x.csv",
            False,
            False,
            id="an earlier one",
        ),
        pytest.param(f"{RUN_PATH}/monitor_events.jsonl", False, False, id="our own file"),
        pytest.param(
            f"{RUN_PATH}/.evidence_manifest.json.77.abcd.tmp",
            False,
            False,
            id="our own, half written",
        ),
        pytest.param(
            f"{RUN_PATH}/.nfs000000000a1b2c3d", False, False, id="a file still open on NFS"
        ),
        pytest.param(f"{GATE_PATH}/deep/.run.log.swp", False, False, id="an editor at work"),
        pytest.param(
            f"{RUN_PATH}/governance_audit_check.foreign-0011aaff.json",
            False,
            False,
            id="another program's, kept beside",
        ),
        pytest.param(f"{RUN_PATH}/superseded_evidence/1/run.log", False, False, id="kept aside"),
        pytest.param(
            f"{GATE_PATH}/production_gates_final_summary.md", False, False, id="our own page"
        ),
    ],
)
def test_what_counts_as_moving(remote: Path, path: str, settled: bool, activity: bool) -> None:
    station = connect("local", remote)
    make_run(remote)
    before = station.take_run_snapshot(TAG)
    assert station.take_run_snapshot(TAG).settled == before.settled, "nothing moved"
    put(remote / path, b"more than before\n" * 9)
    after = station.take_run_snapshot(TAG)
    assert (after.settled != before.settled, after.activity != before.activity) == (
        settled,
        activity,
    )


def test_a_log_of_gigabytes_and_of_any_bytes_is_only_looked_at_from_behind(
    station: Workstation, remote: Path
) -> None:
    make_run(remote)
    with (remote / RUN_PATH / "run.log").open("wb") as log:
        log.truncate(2 * 2**30)
        log.seek(0, 2)
        log.write(b"\xff\x00\x1b[31m the end")
    seen = station.take_run_snapshot(TAG)
    assert seen.log_tail.endswith("\x1b[31m the end")
    assert len(seen.log_tail) <= 65536


def test_bytes_that_are_no_text_do_not_pass_for_json(station: Workstation, remote: Path) -> None:
    put(remote / RUN_PATH / "result.json", b'{"decision_tag": "\xff", "exit_code": 0}')
    assert station.take_run_snapshot(TAG).result == '{"decision_tag": "\\xff", "exit_code": 0}', (
        "an escape that JSON does not have"
    )


# --- the digests


def fill(root: Path) -> dict[str, str]:
    """Write files with odd names, links and an empty folder; give what the digests must be."""
    folder = root / RUN_PATH
    expected = {}
    for number, name in enumerate(ODD_NAMES):
        for path in (folder / os.fsdecode(name), folder / "sub" / os.fsdecode(name) / "deep.txt"):
            put(path, f"content {number} {path.name}".encode(errors="replace"))
            expected[f"{RUN_PATH}/{path.relative_to(folder)}"] = sha(path)
    (folder / "empty").mkdir()
    put(folder / "empty.csv", b"")
    expected[f"{RUN_PATH}/empty.csv"] = hashlib.sha256(b"").hexdigest()
    put(folder / locations.SUPERSEDED / "1/old", b"not evidence")
    return expected


def test_digests_of_every_file_whatever_its_name(station: Workstation, remote: Path) -> None:
    expected = fill(remote)
    assert station.digests([RUN_PATH]).files == expected
    assert station.round_trips == 1


def test_digests_come_with_sizes_and_without_litter(station: Workstation, remote: Path) -> None:
    put(remote / RUN_PATH / "a b@c.csv", b"12345")
    put(remote / RUN_PATH / "empty", b"")
    for name in (".nfs00a1", ".a.swp", "sub/a~", "sub/._a", "Thumbs.db", "#a#", ".DS_Store"):
        put(remote / RUN_PATH / name, b"litter")
    (remote / RUN_PATH / ".#a").symlink_to("hui@bench.4711")
    digests = station.digests([RUN_PATH])
    assert digests.sizes == {f"{RUN_PATH}/a b@c.csv": 5, f"{RUN_PATH}/empty": 0}
    assert digests.files.keys() == digests.sizes.keys()
    assert digests.links == {}


def test_links_are_listed_and_not_followed(station: Workstation, remote: Path) -> None:
    folder = remote / RUN_PATH
    put(folder / "a", b"a")
    for name, target in (
        ("out", "/etc/passwd"),
        ("up", "../.."),
        ("dang\nling", "no\nwhere"),
        ("in", "./a"),
    ):
        (folder / name).symlink_to(target)
    found = station.digests([RUN_PATH])
    assert list(found.files) == [f"{RUN_PATH}/a"]
    assert found.links == {
        f"{RUN_PATH}/out": "/etc/passwd",
        f"{RUN_PATH}/up": "../..",
        f"{RUN_PATH}/dang\nling": "no\nwhere",
        f"{RUN_PATH}/in": "./a",
    }


def test_a_folder_that_is_gone_is_named(station: Workstation, remote: Path) -> None:
    put(remote / RUN_PATH / "a", b"a")
    with pytest.raises(
        Missing, match=f"{GATE_PATH} on workstation .*: expected a folder, found nothing there"
    ):
        station.digests([RUN_PATH, GATE_PATH])


def which(name: str) -> str:
    return str(shutil.which(name))


def stand_in(folder: Path, name: str, script: str) -> None:
    """Put a program of that name into a folder."""
    put(folder / name, f"#!/bin/sh\n{script}\n".encode())
    (folder / name).chmod(0o755)


def narrow_path(folder: Path, without: set[str]) -> str:
    """Build a PATH that has only what the probes may need, less some."""
    tools = (
        "sh awk bash cat cut date dd find grep ls od openssl ps readlink rsync sed "
        "sha256sum shasum sort ssh stat tail tr"
    )
    for tool in [*tools.split(), "xargs", "perl", "env"]:
        found = shutil.which(tool)
        if found and tool not in without:
            folder.mkdir(exist_ok=True)
            (folder / tool).symlink_to(found)
    return str(folder)


BSD_STAT = """
[ "$1" = -f ] || { echo "stat: illegal option -- $1" >&2; exit 1; }
format=$(printf %s "$2" | sed 's/%z/%s/g; s/%m/%Y/g; s/%N/%n/g')
shift 2
exec {stat} -c "$format" "$@"
"""
BSD_DATE = """
for word; do [ "$word" = -d ] && {{ echo "date: illegal time format" >&2; exit 1; }}; done
[ "$1" = -r ] && exec {date} -d "@$2" "$3"
exec {date} "$@"
"""


@pytest.mark.parametrize("tool", ["sha256sum", "shasum", "openssl"])
def test_workstations_without_gnu_tools(
    tool: str,
    remote: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    made = make_run(remote)
    expected = fill(remote)
    tools = tmp_path / "bin"
    path = narrow_path(tools, {"sha256sum", "shasum", "openssl", "stat", "date"} - {tool})
    stand_in(tools, "stat", BSD_STAT.replace("{stat}", str(shutil.which("stat"))))
    stand_in(tools, "date", BSD_DATE.format(date=shutil.which("date")))
    monkeypatch.setenv("PATH", path)
    station = connect("local", remote)
    found = station.digests([RUN_PATH, GATE_PATH]).files
    assert {path: found[path] for path in expected} == expected
    seen = station.list_run(TAG)
    result = seen.file(RUN, "result.json")
    assert result is not None
    assert result.modified == made.result_modified
    assert seen.zones_at_end[RUN] == time.strftime("%z", time.localtime(made.result_modified))
    before = station.take_run_snapshot(TAG)
    put(remote / RUN_PATH / "run.log", b"more than before")
    assert station.take_run_snapshot(TAG).settled != before.settled
    assert capfd.readouterr().err == ""


def test_no_digest_tool_at_all(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(remote / RUN_PATH / "a", b"a")
    monkeypatch.setenv("PATH", narrow_path(tmp_path / "bin", {"sha256sum", "shasum", "openssl"}))
    with pytest.raises(Missing, match="expected sha256sum, shasum or openssl, found none"):
        connect("local", remote).digests([RUN_PATH])


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_not_left_out(station: Workstation, remote: Path) -> None:
    put(remote / RUN_PATH / "secret", b"a")
    (remote / RUN_PATH / "secret").chmod(0)
    with pytest.raises(Invalid, match="files that can all be read"):
        station.digests([RUN_PATH])


def test_a_digest_that_fails_is_not_left_out(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(remote / RUN_PATH / "a", b"a")
    stand_in(tmp_path / "bin", "sha256sum", 'echo "sha256sum: a: Input/output error" >&2; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(Invalid, match="files that can all be read, found one that cannot"):
        connect("local", remote).digests([RUN_PATH])


# --- the copy


def test_a_copy_is_what_was_asked_for_but_links(
    station: Workstation, remote: Path, local: Path
) -> None:
    expected = fill(remote)
    (remote / RUN_PATH / "out").symlink_to("/etc/passwd")
    put(remote / RUN_PATH / "run_detection.json", b"not asked for")
    for name in ("# no comment", "sub/;x", "sub/./y"):
        put(remote / RUN_PATH / name, b"1")
        expected[f"{RUN_PATH}/{name.replace('./', '')}"] = sha(remote / RUN_PATH / name)
    names = [path.removeprefix(f"{RUN_PATH}/") for path in expected]
    station.copy_files({RUN_PATH: [*names, "out"]}, (local / RUN_PATH).parent, show_progress=False)
    copied = connect("local", local).digests([RUN_PATH])
    assert copied.files == expected
    assert copied.links == {}
    modified = [(root / RUN_PATH / "plain.csv").stat().st_mtime for root in (remote, local)]
    assert int(modified[0]) == int(modified[1])


def test_a_copy_shows_progress_only_when_asked(
    station: Workstation, remote: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.csv", "b.csv"):
        put(remote / RUN_PATH / name, b"a" * 1000)
    station.copy_files({RUN_PATH: ["a.csv", "b.csv"]}, tmp_path / "one", show_progress=False)
    assert capfd.readouterr() == ("", "")
    station.copy_files({RUN_PATH: ["a.csv", "b.csv"]}, tmp_path / "two", show_progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "100%" in shown.err
    assert shown.err.count("\n") == 1, "one line, however many files"


def test_an_rsync_without_a_total_tells_file_by_file(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put(remote / RUN_PATH / "a.csv", b"a" * 1000)
    stand_in(
        tmp_path / "bin",
        "rsync",
        f'case "$*" in *--info*) exit 1;; esac; exec {shutil.which("rsync")} "$@"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    connect("local", remote).copy_files(
        {RUN_PATH: ["a.csv"]}, tmp_path / "near", show_progress=True
    )
    assert "a.csv" in capfd.readouterr().err


def test_no_rsync_here(
    remote: Path, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ssh_host: str
) -> None:
    put(remote / RUN_PATH / "a", b"a")
    monkeypatch.setenv("PATH", narrow_path(tmp_path / "bin", {"rsync"}))
    with pytest.raises(Missing, match="rsync: expected a program on this machine"):
        connect(ssh_host, remote).copy_files(
            {RUN_PATH: ["a"]}, (local / RUN_PATH).parent, show_progress=False
        )


def test_no_rsync_there(sshd: Sshd, remote: Path, local: Path, tmp_path: Path) -> None:
    put(remote / RUN_PATH / "a", b"a")
    sshd.set_environment(PATH=narrow_path(tmp_path / "bin", {"rsync"}))
    sshd.set_profile(f"PATH={tmp_path / 'bin'}")
    station = connect(sshd.host, remote)
    for ask in (
        lambda: station.digests([RUN_PATH]),
        lambda: station.copy_files({RUN_PATH: ["a"]}, local, show_progress=False),
    ):
        with pytest.raises(
            Missing,
            match="rsync on workstation bench: expected a program, found nothing on its PATH",
        ):
            ask()


def test_a_folder_that_vanished_is_one_line(station: Workstation, local: Path) -> None:
    with pytest.raises(
        Unreachable, match=r"rsync of .*/audit/.* expected a whole copy, found exit code (3|12|23) "
    ) as caught:
        station.copy_files({RUN_PATH: ["a"]}, (local / RUN_PATH).parent, show_progress=False)
    assert "\n" not in str(caught.value)


def test_a_path_that_rsync_could_misread_is_refused(ssh_host: str, tmp_path: Path) -> None:
    root = tmp_path / "two words"
    put(root / RUN_PATH / "a", b"a")
    with pytest.raises(Usage, match="remote root: expected a path of letters"):
        connect(ssh_host, root).copy_files({RUN_PATH: ["a"]}, tmp_path / "x", show_progress=False)


# --- the connection


def asks(host: str, remote: Path) -> str:
    """Ask over a new connection; give the line of the refusal, or "answered"."""
    station = connect(host, remote)
    try:
        station.list_run(TAG)
    except Unreachable as error:
        return str(error)
    finally:
        station.close()
    return "answered"


def test_an_unknown_host_key_is_refused(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.forget_host_key()
    line = asks(sshd.host, remote)
    assert line.startswith(
        "workstation bench: expected a login over SSH, found No ED25519 host key"
    )
    assert line.endswith("does `ssh bench` work without a question?")
    assert capfd.readouterr().err == ""
    assert sshd.known_hosts.read_text() == "", "and it is not made known"


def test_a_changed_host_key_is_refused(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.change_host_key()
    line = asks(sshd.host, remote)
    assert "found WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!" in line
    assert line.endswith("if the change is known: ssh-keygen -R")
    assert capfd.readouterr().err == ""


def test_a_wrong_user_is_refused(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = asks(sshd.alias("stranger", User="nobody-here"), remote)
    assert line.startswith("workstation stranger: expected a login over SSH, found nobody-here@")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"Port": "1"}, id="nobody listens"),
        pytest.param({"HostName": "no-such-host.invalid"}, id="no such name"),
        pytest.param({"IdentityFile": "/no/such/key"}, id="no key"),
        pytest.param({"ProxyCommand": "false"}, id="the way there fails"),
    ],
)
def test_what_does_not_answer_is_one_line(
    sshd: Sshd, remote: Path, options: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    line = asks(sshd.alias("elsewhere", **options), remote)
    assert line.startswith("workstation elsewhere: expected ")
    assert "\n" not in line
    assert capfd.readouterr().err == ""


def test_every_hop_must_be_known(sshd: Sshd, remote: Path) -> None:
    empty = sshd.folder / "empty"
    empty.write_text("")
    sshd.alias("hop", UserKnownHostsFile=str(empty))
    assert "Host key verification failed" in asks(sshd.alias("behind", ProxyJump="hop"), remote)
    sshd.alias("known-hop")
    assert (
        asks(
            sshd.alias("beyond", ProxyJump="known-hop", HostName="localhost", HostKeyAlias="x"),
            remote,
        )
        != "answered"
    ), "localhost is not in known_hosts"


@pytest.mark.parametrize(
    "name", ["-oProxyCommand=touch pwned", "a b", "", "host;id", "$(id)", "host:port", "a\nb", "@x"]
)
def test_a_host_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="host: expected `local`, or a name like bench"):
        connect(name, Path())


def test_an_outage_ends_and_the_next_command_connects_again(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_run(remote)
    station = connect(sshd.host, remote)
    assert station.take_run_snapshot(TAG).runs == (RUN,)
    sshd.stop()
    for _ in range(2):
        with pytest.raises(Unreachable):
            station.take_run_snapshot(TAG)
    sshd.start()
    assert station.take_run_snapshot(TAG).runs == (RUN,)
    sshd.cut()
    with contextlib.suppress(Unreachable):  # unless the end of the connection was noticed before
        station.take_run_snapshot(TAG)
    assert station.take_run_snapshot(TAG).runs == (RUN,), "a fresh connection"
    station.close()
    assert capfd.readouterr().err == ""


def test_a_connection_cut_while_the_answer_comes(sshd: Sshd, remote: Path, tmp_path: Path) -> None:
    make_run(remote)
    flag = tmp_path / "asked"
    sshd.set_profile(f"touch {flag}; sleep 60")
    station = connect(sshd.host, remote)
    cutter = subprocess.Popen([sys.executable, "-c", CUTTER, str(flag), str(sshd.pid)])
    with pytest.raises(Unreachable):
        station.take_run_snapshot(TAG)
    assert cutter.wait(60) == 0
    sshd.set_profile("")
    assert station.take_run_snapshot(TAG).runs == (RUN,)
    station.close()


CUTTER = """
import os, pathlib, signal, subprocess, sys, time
flag, server = pathlib.Path(sys.argv[1]), sys.argv[2]
patience = time.monotonic() + 60
while not flag.exists() and time.monotonic() < patience:
    time.sleep(0.02)
children = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True).stdout
for pid, parent in (line.split() for line in children.splitlines()):
    if parent == server:
        os.kill(int(pid), signal.SIGKILL)
"""


def test_an_answer_that_takes_too_long(
    host: str, remote: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    make_run(remote)
    hanging = f"sleep 60.{os.getpid()}"
    stand_in(tmp_path / "bin", "date", f"({hanging} & {hanging}) &\nexec {hanging}")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    if host == "local":
        request.getfixturevalue("monkeypatch").setenv("PATH", path)
    else:
        request.getfixturevalue("sshd").set_profile(f"PATH={path}")
    station = connect(host, remote, probe_timeout_s=0.5)
    with pytest.raises(Unreachable, match=r"expected an answer within 0\.5 s, found none"):
        station.list_run(TAG)
    station.close()
    # What hangs is ended over there, too.
    listing = ["ps", "-A", "-o", "args="]
    wait_for(lambda: hanging not in subprocess.check_output(listing, text=True))


NOISE = (
    'echo "Welcome!"; printf "\\n0123 end\\n"; echo "to stderr" >&2; alias ls="ls --color=always"'
)


def test_a_noisy_profile_changes_no_answer(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_run(remote)
    quiet = connect(sshd.host, remote)
    plain = quiet.list_run(TAG)
    quiet.close()
    sshd.set_profile(NOISE)
    noisy = connect(sshd.host, remote)
    seen = noisy.list_run(TAG)
    assert (seen.runs, seen.files) == (plain.runs, plain.files)
    assert noisy.digests([RUN_PATH]).files
    noisy.close()
    assert capfd.readouterr().err == ""


def test_a_profile_that_talks_into_rsync_is_one_line(sshd: Sshd, remote: Path, local: Path) -> None:
    make_run(remote)
    sshd.set_profile("echo Welcome")
    station = connect(sshd.host, remote)
    with pytest.raises(Unreachable, match="expected a whole copy") as caught:
        station.copy_files({RUN_PATH: ["a"]}, (local / RUN_PATH).parent, show_progress=False)
    assert "\n" not in str(caught.value)
    station.close()


def test_what_is_no_answer_is_said_so(sshd: Sshd, remote: Path) -> None:
    sshd.set_profile("echo this account is not for shells; exit 0")
    assert asks(sshd.host, remote).endswith(
        "expected a POSIX shell, found one that ends by itself (this account is not for shells)"
    )


@pytest.mark.parametrize("shell", ["dash", "zsh", "fish", "tcsh"])
def test_the_probe_is_one_line_that_every_shell_reads_alike(shell: str, remote: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    make_run(remote)
    command = probe_command(
        "list_run", "f" * 32, str(remote), TAG, "", "it's $HOME `id` \\ !x\n%s", 10
    )
    assert "\n" not in command
    answer = subprocess.run([shell, "-c", command], capture_output=True, check=True).stdout
    assert b"\n" + b"f" * 32 + b" end\n" in answer


def test_no_ssh_library_is_loaded_before_it_is_used() -> None:
    code = "import sys; from postrun.remote import workstation; "
    code += "workstation.connect('bench', '.', {'connect_timeout_s': 1, 'probe_timeout_s': 1}); "
    code += "print([m for m in sys.modules if m in ('fabric', 'invoke', 'paramiko')])"
    environment = {**os.environ, "PYTHONPATH": str(locations.PROJECT / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
