"""The door to the workstation, over a local directory and over a real sshd alike."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory import TAG, documents, make_run, put
from postrun.core import locations
from postrun.core.errors import Invalid, Missing, Unreachable, Usage
from postrun.remote import workstation
from postrun.remote.probe_command import probe_command
from postrun.remote.processes import of_run
from postrun.remote.snapshots import Process
from postrun.remote.workstation import Workstation
from sshd import Sshd

RUN = f"2026-02-21_031500_production_gates_{TAG}"
RUN_PATH = f"audit/workstation_runs/{RUN}"
GATE_PATH = "gate_results/production_gates_2026-02-21_031700"
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


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest) -> str:
    """Give both hosts in turn."""
    return "local" if request.param == "local" else str(request.getfixturevalue("sshd").host)


@pytest.fixture
def door(host: str, remote: Path) -> Iterator[Workstation]:
    """Give a workstation whose root is `far`."""
    opened = connect(host, remote)
    yield opened
    opened.close()


def connect(host: str, root: Path, **patience: float) -> Workstation:
    return workstation.connect(
        host, str(root), {"connect_timeout_s": 3, "probe_timeout_s": 30, **patience}
    )


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the look


def test_a_look_gives_the_files_of_the_run_and_its_report(door: Workstation, remote: Path) -> None:
    made = make_run(remote)
    seen = door.list_run(TAG)
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
    assert abs(seen.clock - time.time()) < 60
    assert door.round_trips == 1


def test_a_look_keeps_every_byte_of_a_file(door: Workstation, remote: Path) -> None:
    content = bytes(range(256)) * 300 + b"\n\nend without newline"
    put(remote / RUN_PATH / "context.json", content)
    seen = door.list_run(TAG).file(RUN, "context.json")
    assert seen is not None
    assert seen.content == content


def test_a_look_matches_the_tag_exactly(door: Workstation, remote: Path) -> None:
    for tag in ("run1", "run10", "run1_rerun4", "x_run1", "a_production_gates_run1"):
        (remote / f"audit/workstation_runs/2026-02-21_031500_production_gates_{tag}").mkdir(
            parents=True
        )
    put(remote / "audit/workstation_runs/2026-02-22_031500_production_gates_run1", b"a file")
    seen = door.list_run("run1")
    assert seen.folders == ("2026-02-21_031500_production_gates_run1",)
    assert len(seen.runs) == 6, "the others are there to be suggested"


def test_only_reports_that_name_the_tag_come(door: Workstation, remote: Path) -> None:
    make_run(remote, tag="run10", stamp="2026-02-20_010000")
    make_run(remote, tag="run1", stamp="2026-02-21_010000")
    make_run(remote, tag="run1_rerun4", stamp="2026-02-22_010000")
    reports = [path for path in door.list_run("run1").files if path.startswith("gate_results/")]
    assert reports == [
        "gate_results/production_gates_2026-02-21_010200/production_gates_report.json"
    ]


def test_a_folder_and_a_report_can_be_asked_for(door: Workstation, remote: Path) -> None:
    make_run(remote, tag="run1", stamp="2026-02-21_010000")
    other = documents(tag="other", stamp="2026-02-22_010000").write(remote)
    report = f"gate_results/{other.gate_folder}/production_gates_report.json"
    seen = door.list_run("run1", f"audit/workstation_runs/{other.run_folder}", report)
    assert other.run_folder in seen.folders
    assert report in seen.files


def test_links_and_fifos_are_no_files_of_the_run(door: Workstation, remote: Path) -> None:
    make_run(remote, change=lambda made: setattr(made, "context", None))
    (remote / RUN_PATH / "context.json").symlink_to("/etc/hostname")
    (remote / RUN_PATH / "preflight.json").unlink()
    os.mkfifo(remote / RUN_PATH / "preflight.json")
    seen = door.list_run(TAG)
    assert seen.file(RUN, "context.json") is None
    assert seen.file(RUN, "preflight.json") is None


def test_a_huge_report_is_known_by_its_size(door: Workstation, remote: Path) -> None:
    put(
        remote / GATE_PATH / "production_gates_report.json",
        f'{{"x": "{TAG}", "y": "'.encode() + b"a" * (17 * 2**20),
    )
    (remote / RUN_PATH).mkdir(parents=True)
    file = door.list_run(TAG).files[f"{GATE_PATH}/production_gates_report.json"]
    assert file.content is None
    assert file.size > 17 * 2**20


@pytest.mark.parametrize(
    "tag", ["x;touch pwned", "../x", "$(touch pwned)", "", "-rf", "a b", "tag\n", "a'b", "x" * 129]
)
def test_a_tag_that_is_none_reaches_no_shell(
    tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    door = connect("local", Path())
    for ask in (door.list_run, door.take_run_snapshot):
        with pytest.raises(Usage, match="decision tag: expected a full match"):
            ask(tag)
    assert door.round_trips == 0
    assert list(tmp_path.iterdir()) == []


ODD_ROOTS = [
    "it's; touch pwned",
    "two  words",
    "$(touch pwned)",
    "new\nline",
    "snow \u2603",
    "a\\b",
]


@pytest.mark.parametrize("name", [*ODD_ROOTS, "a+b,c=d@e:f~-g_h"])
def test_any_root_is_only_a_name(name: str, tmp_path: Path, host: str) -> None:
    root = tmp_path / name
    make_run(root)
    door = connect(host, root)
    if host != "local" and name in ODD_ROOTS:  # nothing could be fetched from there
        for _ in range(2):
            with pytest.raises(Usage, match="remote root: expected a path of letters"):
                door.list_run(TAG)
    else:
        assert door.list_run(TAG).folders == (RUN,)
        assert len(door.digests([RUN_PATH]).files) == 7
    door.close()
    assert not list(tmp_path.rglob("pwned"))


def test_a_missing_root_is_named(host: str, tmp_path: Path) -> None:
    door = connect(host, tmp_path / "nowhere")
    with pytest.raises(
        Missing, match=r"root .*nowhere on workstation .*: expected a folder, found nothing there"
    ):
        door.list_run(TAG)
    door.close()


def test_a_root_without_runs_is_empty(door: Workstation) -> None:
    seen = door.list_run(TAG)
    assert (seen.runs, seen.folders, seen.files) == ((), (), {})


def test_five_thousand_runs_are_one_round_trip(door: Workstation, remote: Path) -> None:
    report = f'{{"inputs": {{"decision_tag": "other", "notes": "{"x" * 2000}"}}}}'.encode()
    for number in range(5000):
        day, hour = f"2025-{1 + number % 12:02d}-{1 + number % 28:02d}", number // 60 % 24
        stamp = f"{day}_{hour:02d}{number % 60:02d}{number % 59:02d}"
        (remote / f"audit/workstation_runs/{stamp}_production_gates_other{number}").mkdir(
            parents=True
        )
        put(
            remote
            / f"gate_results/production_gates_{stamp[:10]}_{number:06d}/production_gates_report.json",
            report,
        )
    make_run(remote)
    began = time.monotonic()
    seen = door.list_run(TAG)
    looked = time.monotonic()
    glance = door.take_run_snapshot(TAG)
    print(
        f"look {looked - began:.2f} s, glance {time.monotonic() - looked:.2f} s, 5,000 runs and gates",
        file=sys.stderr,
    )
    assert (len(seen.runs), seen.folders, door.round_trips) == (5001, (RUN,), 2)
    assert (glance.runs, glance.gates) == ((RUN,), (Path(GATE_PATH).name,))


# --- the processes


def test_processes_come_without_those_that_asked(door: Workstation, remote: Path) -> None:
    make_run(remote)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "of no run"])
    try:
        seen = door.list_run(TAG).processes
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
    door: Workstation, remote: Path, tmp_path: Path
) -> None:
    """Its find and stat have the run's folder in their arguments."""
    make_run(remote)
    stand_in(
        tmp_path / "bin", "stat", '[ "$3" = / ] && exit 0; sleep 20'
    )  # it is asked first which kind it is
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    command = probe_command("snapshots", "f" * 32, str(remote), "x", 1, 1, "", RUN_PATH, TAG)
    # Nobody reads its answer here, and a pipe would stop it in its listing of processes: some have 100 KiB of words.
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
        seen = door.list_run(TAG).processes
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
    door = connect("local", remote)
    for ask in (door.list_run, door.take_run_snapshot):
        with pytest.raises(
            Unreachable, match="list of processes: expected the probe itself in it, found nothing"
        ):
            ask(TAG)


@pytest.mark.parametrize(
    ("tool", "script"),
    [
        ("awk", "exit 127"),
        ("find", "exit 1"),
        ("grep", 'case "$*" in *-o*) exit 2;; esac; exec /usr/bin/env -i {} "$@"'),
    ],
)
def test_tools_that_tell_nothing_are_no_answer(
    tool: str, script: str, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run whose files are not seen would look like one in which nothing moves."""
    make_run(remote)
    stand_in(tmp_path / "bin", tool, script.format(shutil.which(tool)))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(Unreachable, match=r"found half of one|listing of files: expected those of"):
        connect("local", remote).take_run_snapshot(TAG)


# --- the glance


def test_more_reports_than_one_command_can_name_are_all_looked_into(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_run(remote)
    for number in range(3000):
        minute, second = divmod(number, 60)
        name = f"gate_results/production_gates_2026-02-22_{minute // 60:02d}{minute % 60:02d}{second:02d}"
        put(remote / name / "production_gates_report.json", "{}")
    limit = f'[ $# -lt 2500 ] || exit 126; exec {shutil.which("grep")} "$@"'  # as the kernel does, somewhere
    stand_in(tmp_path / "bin", "grep", limit)
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


def test_a_glance_gives_what_a_poll_needs(door: Workstation, remote: Path) -> None:
    made = make_run(remote)
    seen = door.take_run_snapshot(TAG)
    assert seen.runs == (RUN,)
    assert seen.has_context
    assert seen.result == (remote / RUN_PATH / "result.json").read_text()
    assert seen.result_modified == made.result_modified
    assert (seen.preflight, seen.data_quality) == (None, None), (
        "a run with a context was let in by both"
    )
    assert seen.log_tail == "[cost_stress] x1.0 done\n"
    assert seen.gates == (Path(GATE_PATH).name,)
    assert door.round_trips == 1


def test_a_glance_at_nothing(door: Workstation) -> None:
    seen = door.take_run_snapshot(TAG)
    assert (seen.runs, seen.has_context, seen.result, seen.log_tail, seen.gates) == (
        (),
        False,
        None,
        "",
        (),
    )
    assert seen.processes


def test_a_glance_is_about_the_newest_run_of_exactly_the_tag(
    door: Workstation, remote: Path
) -> None:
    for stamp, tag in (
        ("2026-02-21_0315", "run1"),
        ("2026-02-23_0315", "run1"),
        ("2026-02-24_0315", "run10"),
    ):
        put(
            remote / f"audit/workstation_runs/{stamp}00_production_gates_{tag}/run.log",
            f"{stamp} {tag}".encode(),
        )
    seen = door.take_run_snapshot("run1")
    assert seen.runs == tuple(f"2026-02-{day}_031500_production_gates_run1" for day in (21, 23))
    assert seen.log_tail == "2026-02-23_0315 run1"
    older = door.take_run_snapshot("run1", f"audit/workstation_runs/{seen.runs[0]}")
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
        pytest.param(f"{RUN_PATH}/superseded_evidence/1/run.log", False, False, id="kept aside"),
        pytest.param(
            f"{GATE_PATH}/production_gates_final_summary.md", False, False, id="our own page"
        ),
    ],
)
def test_what_counts_as_moving(remote: Path, path: str, settled: bool, activity: bool) -> None:
    door = connect("local", remote)
    make_run(remote)
    before = door.take_run_snapshot(TAG)
    assert door.take_run_snapshot(TAG).settled == before.settled, "nothing moved"
    put(remote / path, b"more than before\n" * 9)
    after = door.take_run_snapshot(TAG)
    assert (after.settled != before.settled, after.activity != before.activity) == (
        settled,
        activity,
    )


def test_a_log_of_gigabytes_and_of_any_bytes_is_only_looked_at_from_behind(
    door: Workstation, remote: Path
) -> None:
    make_run(remote)
    with (remote / RUN_PATH / "run.log").open("wb") as log:
        log.truncate(2 * 2**30)
        log.seek(0, 2)
        log.write(b"\xff\x00\x1b[31m the end")
    seen = door.take_run_snapshot(TAG)
    assert seen.log_tail.endswith("\x1b[31m the end")
    assert len(seen.log_tail) <= 65536


def test_bytes_that_are_no_text_do_not_pass_for_json(door: Workstation, remote: Path) -> None:
    put(remote / RUN_PATH / "result.json", b'{"decision_tag": "\xff", "exit_code": 0}')
    assert door.take_run_snapshot(TAG).result == '{"decision_tag": "\\xff", "exit_code": 0}', (
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


def test_digests_of_every_file_whatever_its_name(door: Workstation, remote: Path) -> None:
    expected = fill(remote)
    assert door.digests([RUN_PATH]).files == expected
    assert door.round_trips == 1


def test_links_are_listed_and_not_followed(door: Workstation, remote: Path) -> None:
    folder = remote / RUN_PATH
    put(folder / "a", b"a")
    for name, target in (
        ("out", "/etc/passwd"),
        ("up", "../.."),
        ("dang\nling", "no\nwhere"),
        ("in", "./a"),
    ):
        (folder / name).symlink_to(target)
    found = door.digests([RUN_PATH])
    assert list(found.files) == [f"{RUN_PATH}/a"]
    assert found.links == {
        f"{RUN_PATH}/out": "/etc/passwd",
        f"{RUN_PATH}/up": "../..",
        f"{RUN_PATH}/dang\nling": "no\nwhere",
        f"{RUN_PATH}/in": "./a",
    }


def test_a_folder_that_is_gone_is_named(door: Workstation, remote: Path) -> None:
    put(remote / RUN_PATH / "a", b"a")
    with pytest.raises(
        Missing, match=f"{GATE_PATH} on workstation .*: expected a folder, found nothing there"
    ):
        door.digests([RUN_PATH, GATE_PATH])


def stand_in(folder: Path, name: str, script: str) -> None:
    """Put a program of that name into a folder."""
    put(folder / name, f"#!/bin/sh\n{script}\n".encode())
    (folder / name).chmod(0o755)


def narrow_path(folder: Path, without: set[str]) -> str:
    """Build a PATH that has only what the probes may need, less some."""
    tools = "sh awk bash cat cut date dd find grep ls od openssl ps readlink rsync sed sha256sum shasum sort stat tail tr"
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
def test_far_sides_without_gnu_tools(
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
    door = connect("local", remote)
    found = door.digests([RUN_PATH, GATE_PATH]).files
    assert {path: found[path] for path in expected} == expected
    seen = door.list_run(TAG)
    result = seen.file(RUN, "result.json")
    assert result is not None
    assert result.modified == made.result_modified
    assert seen.zones_at_end[RUN] == time.strftime("%z", time.localtime(made.result_modified))
    before = door.take_run_snapshot(TAG)
    put(remote / RUN_PATH / "run.log", b"more than before")
    assert door.take_run_snapshot(TAG).settled != before.settled
    assert capfd.readouterr().err == ""


def test_no_digest_tool_at_all(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(remote / RUN_PATH / "a", b"a")
    monkeypatch.setenv("PATH", narrow_path(tmp_path / "bin", {"sha256sum", "shasum", "openssl"}))
    with pytest.raises(Missing, match="expected sha256sum, shasum or openssl, found none"):
        connect("local", remote).digests([RUN_PATH])


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_not_left_out(door: Workstation, remote: Path) -> None:
    put(remote / RUN_PATH / "secret", b"a")
    (remote / RUN_PATH / "secret").chmod(0)
    with pytest.raises(Invalid, match="files that can all be read"):
        door.digests([RUN_PATH])


def test_a_digest_that_fails_is_not_left_out(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(remote / RUN_PATH / "a", b"a")
    stand_in(tmp_path / "bin", "sha256sum", 'echo "sha256sum: a: Input/output error" >&2; exit 1')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(Invalid, match="files that can all be read, found one that cannot"):
        connect("local", remote).digests([RUN_PATH])


# --- the copy


def test_a_copy_is_whole_and_leaves_out_links_and_what_is_excluded(
    door: Workstation, remote: Path, local: Path
) -> None:
    expected = fill(remote)
    (remote / RUN_PATH / "out").symlink_to("/etc/passwd")
    put(remote / RUN_PATH / "run_detection.json", b"ours")
    put(remote / RUN_PATH / "sub/run_detection.json", b"theirs: not at the top")
    door.copy_folder(
        RUN_PATH,
        local / RUN_PATH,
        ["/run_detection.json", f"/{locations.SUPERSEDED}/"],
        show_progress=False,
    )
    copied = connect("local", local).digests([RUN_PATH])
    expected[f"{RUN_PATH}/sub/run_detection.json"] = sha(
        remote / RUN_PATH / "sub/run_detection.json"
    )
    assert copied.files == expected
    assert copied.links == {}
    modified = [(root / RUN_PATH / "plain.csv").stat().st_mtime for root in (remote, local)]
    assert int(modified[0]) == int(modified[1])


def test_a_copy_shows_progress_only_when_asked(
    door: Workstation, remote: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.csv", "b.csv"):
        put(remote / RUN_PATH / name, b"a" * 1000)
    door.copy_folder(RUN_PATH, tmp_path / "one", [], show_progress=False)
    assert capfd.readouterr() == ("", "")
    door.copy_folder(RUN_PATH, tmp_path / "two", [], show_progress=True)
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
    connect("local", remote).copy_folder(RUN_PATH, tmp_path / "near", [], show_progress=True)
    assert "a.csv" in capfd.readouterr().err


def test_no_rsync_here(
    remote: Path, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(remote / RUN_PATH / "a", b"a")
    monkeypatch.setenv("PATH", narrow_path(tmp_path / "bin", {"rsync"}))
    with pytest.raises(Missing, match="rsync: expected a program on this machine"):
        connect("local", remote).copy_folder(RUN_PATH, local / RUN_PATH, [], show_progress=False)


def test_no_rsync_there(sshd: Sshd, remote: Path, local: Path, tmp_path: Path) -> None:
    put(remote / RUN_PATH / "a", b"a")
    sshd.set_environment(PATH=narrow_path(tmp_path / "bin", {"rsync"}))
    sshd.set_profile(f"PATH={tmp_path / 'bin'}")
    door = connect(sshd.host, remote)
    for ask in (
        lambda: door.digests([RUN_PATH]),
        lambda: door.copy_folder(RUN_PATH, local, [], show_progress=False),
    ):
        with pytest.raises(
            Missing,
            match="rsync on workstation bench: expected a program, found nothing on its PATH",
        ):
            ask()


def test_a_folder_that_vanished_is_one_line(door: Workstation, local: Path) -> None:
    with pytest.raises(
        Unreachable, match=r"rsync of audit/.* expected a whole copy, found exit code 23"
    ) as caught:
        door.copy_folder(RUN_PATH, local / RUN_PATH, [], show_progress=False)
    assert "\n" not in str(caught.value)


def test_a_path_that_rsync_could_misread_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    root = tmp_path / "two words"
    put(root / RUN_PATH / "a", b"a")
    with pytest.raises(Usage, match="remote root: expected a path of letters"):
        connect(sshd.host, root).copy_folder(RUN_PATH, tmp_path / "x", [], show_progress=False)


# --- the connection


def asks(host: str, remote: Path) -> str:
    """Look through a fresh door; give the line of the refusal, or "answered"."""
    door = connect(host, remote)
    try:
        door.list_run(TAG)
    except Unreachable as error:
        return str(error)
    finally:
        door.close()
    return "answered"


def test_an_unknown_host_key_is_refused(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.forget_host_key()
    assert asks(sshd.host, remote) == (
        "workstation bench: expected a host key in known_hosts, found an unknown host; check it by: ssh bench"
    )
    assert capfd.readouterr().err == ""
    assert sshd.known_hosts.read_text() == "", "and it is not made known"


def test_a_changed_host_key_is_refused(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.change_host_key()
    assert asks(sshd.host, remote).startswith(
        "workstation bench: expected the host key in known_hosts, found another key"
    )
    assert capfd.readouterr().err == ""


def test_a_wrong_user_is_refused(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = asks(sshd.alias("stranger", User="nobody-here"), remote)
    assert line.startswith("workstation stranger: expected a login by key, found refused (")
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
    assert "found an unknown host" in asks(sshd.alias("behind", ProxyJump="hop"), remote)
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


def test_an_outage_ends_and_the_door_works_again(
    sshd: Sshd, remote: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_run(remote)
    door = connect(sshd.host, remote)
    assert door.take_run_snapshot(TAG).runs == (RUN,)
    sshd.stop()
    for _ in range(2):
        with pytest.raises(Unreachable):
            door.take_run_snapshot(TAG)
    sshd.start()
    assert door.take_run_snapshot(TAG).runs == (RUN,)
    sshd.cut()
    with contextlib.suppress(Unreachable):  # unless the end of the connection was noticed before
        door.take_run_snapshot(TAG)
    assert door.take_run_snapshot(TAG).runs == (RUN,), "a fresh connection"
    door.close()
    assert capfd.readouterr().err == ""


def test_a_connection_cut_while_the_answer_comes(sshd: Sshd, remote: Path, tmp_path: Path) -> None:
    make_run(remote)
    flag = tmp_path / "asked"
    sshd.set_profile(f"touch {flag}; sleep 60")
    door = connect(sshd.host, remote)
    cutter = subprocess.Popen([sys.executable, "-c", CUTTER, str(flag), str(sshd.pid)])
    with pytest.raises(Unreachable):
        door.take_run_snapshot(TAG)
    assert cutter.wait(20) == 0
    sshd.set_profile("")
    assert door.take_run_snapshot(TAG).runs == (RUN,)
    door.close()


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
    stand_in(tmp_path / "bin", "ps", "exec sleep 5")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    if host == "local":
        request.getfixturevalue("monkeypatch").setenv("PATH", path)
    else:
        request.getfixturevalue("sshd").set_profile(f"PATH={path}")
    door = connect(host, remote, probe_timeout_s=0.5)
    with pytest.raises(Unreachable, match=r"expected an answer within 0\.5 s, found none"):
        door.list_run(TAG)
    door.close()


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
    door = connect(sshd.host, remote)
    with pytest.raises(Unreachable, match="expected a whole copy") as caught:
        door.copy_folder(RUN_PATH, local / RUN_PATH, [], show_progress=False)
    assert "\n" not in str(caught.value)
    door.close()


def test_what_is_no_answer_is_said_so(sshd: Sshd, remote: Path) -> None:
    sshd.set_profile("echo this account is not for shells; exit 0")
    assert asks(sshd.host, remote).endswith(
        "expected an answer to the probe, found something else (is there a POSIX shell?)"
    )


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh", "fish", "tcsh"])
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


def test_nothing_of_the_door_is_loaded_before_it_is_used() -> None:
    code = "import sys; from postrun.remote import workstation; "
    code += "workstation.connect('bench', '.', {'connect_timeout_s': 1, 'probe_timeout_s': 1}); "
    code += "print([m for m in sys.modules if m in ('fabric', 'invoke', 'paramiko')])"
    environment = {**os.environ, "PYTHONPATH": str(locations.PROJECT / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
