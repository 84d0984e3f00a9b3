"""Which run and which report a tag means: over a directory, over a real sshd, and against
everything that misleads.
"""

import functools
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detect_run import main
from harness import factory
from harness.factory import Documents, moment, put
from harness.sshd import Sshd
from harness.workspace import location_flags

# tests side by side must not see each other's processes
TAG = f"committee_2026-02-21_run4.{os.getpid()}"
RUN = f"2026-02-21_031500_production_gates_{TAG}"
GATE = "production_gates_2026-02-21_031700"


make_run = functools.partial(factory.make_run, tag=TAG)


class Flow:
    """Runs the script against one workstation, and reads what it wrote."""

    def __init__(self, remote: Path, local: Path, host: str) -> None:
        self.remote, self.local, self.host = remote, local, host

    def __call__(self, *flags: str, tag: str | None = TAG) -> int:
        where = location_flags(self.remote, self.local, self.host)
        return main([*(["--tag", tag] if tag else []), *where, *flags])

    def found(self, run: str = RUN) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.path(run).read_bytes())
        return document

    def path(self, run: str = RUN) -> Path:
        return self.local / "audit/workstation_runs" / run / "run_detection.json"


@pytest.fixture
def flow(remote: Path, local: Path) -> Flow:
    return Flow(remote, local, "local")


@pytest.fixture(params=["local", "ssh"])
def both(request: pytest.FixtureRequest, remote: Path, local: Path) -> Flow:
    """Return a flow for both hosts in turn."""
    return Flow(
        remote, local, request.getfixturevalue("ssh_host") if request.param == "ssh" else "local"
    )


def refused(
    flow: Flow, capsys: pytest.CaptureFixture[str], *flags: str, tag: str | None = TAG
) -> tuple[int, str]:
    """Return code and line of a refusal, and see that nothing was written."""
    code = flow(*flags, tag=tag)
    assert not list(flow.local.rglob("run_detection.json"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    return code, shown.err.strip()


def test_a_run_and_its_report(both: Flow, remote: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(remote)
    assert both() == 0
    found = both.found()
    assert (found["run_folder"], found["gate_folder"], found["run_folders"]) == (RUN, GATE, [RUN])
    assert (found["decision_tag"], found["utc_offset"]) == (TAG, "-0700")
    assert (found["contradictions"], found["notes"]) == ([], [])
    shown = capsys.readouterr()
    assert shown.out == f"{both.path()}\n"
    assert shown.err == f"detect-run: {RUN}; report {GATE} (the only report of this run)\n"


def test_looking_again_changes_no_byte(
    both: Flow, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(remote)
    assert both() == 0
    before = both.path().read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "4000000000")
    assert both() == 0
    assert both.path().read_bytes() == before


def test_tags_match_exactly(both: Flow, remote: Path) -> None:
    for number, tag in enumerate((TAG, f"{TAG}0", f"{TAG}_rerun4", f"{TAG}.2", f"x{TAG}")):
        make_run(remote, tag=tag, stamp=f"2026-02-2{number}_031500")
    assert both() == 0
    run = f"2026-02-20_031500_production_gates_{TAG}"
    found = both.found(run)
    assert (found["run_folders"], found["gate_folder"]) == (
        [run],
        "production_gates_2026-02-20_031700",
    )
    assert [row["gate_folder"] for row in found["report_candidates"]] == [
        "production_gates_2026-02-20_031700"
    ]


def test_no_such_tag_lists_the_nearest(
    flow: Flow, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, tag in enumerate(("run10", "run1_rerun4", "completely_else")):
        make_run(remote, tag=tag, stamp=f"2026-02-2{number}_031500")
    assert refused(flow, capsys, tag="run1") == (
        5,
        "decision tag run1: expected a run of exactly this tag, found none; nearest: "
        "run10, run1_rerun4",
    )
    assert refused(flow, capsys, tag="zzzz") == (
        5,
        "decision tag zzzz: expected a run of exactly this tag, found none among 3 runs",
    )


@pytest.mark.parametrize("tag", ["x;touch pwned", "$(touch pwned)", ""])
def test_a_hostile_tag_is_refused_and_nothing_runs(
    tag: str,
    flow: Flow,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(flow, capsys, tag=tag or "''")[0] == 2
    assert not list(tmp_path.rglob("pwned"))


# --- which run


def test_of_several_runs_the_newest_with_a_context_counts(flow: Flow, remote: Path) -> None:
    make_run(remote, stamp="2026-02-19_031500")
    make_run(remote)
    (remote / f"audit/workstation_runs/2026-02-23_031500_production_gates_{TAG}").mkdir()
    assert flow() == 0
    found = flow.found()
    assert [name[:10] for name in found["run_folders"]] == [
        "2026-02-19",
        "2026-02-21",
        "2026-02-23",
    ]
    assert found["notes"] == [
        "3 runs have this tag; the newest with a context counts",
        f"2026-02-23_031500_production_gates_{TAG} is newer, but has no context",
    ]


def test_a_run_without_a_result_is_missing_it(
    both: Flow, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(remote, change=lambda made: setattr(made, "result", None))
    code, line = refused(both, capsys)
    assert code == 3
    expected = f"result.json of {RUN}: expected a file, found nothing there; wait for its end: make"
    assert line.startswith(f"{expected} monitor-then-finalize TAG={TAG} ")
    assert line.endswith(f"REMOTE_ROOT={remote} LOCAL_ROOT={both.local}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"decision_tag": "x", "exit', "a JSON document, found "),
        (
            b"{" + b" " * (17 * 2**20),
            "a small file that can be read, found 17825793 bytes that cannot",
        ),
    ],
)
def test_a_broken_result_is_refused(
    flow: Flow, remote: Path, content: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(remote, change=lambda made: setattr(made, "result", content))
    code, line = refused(flow, capsys)
    assert code == 4
    assert line.startswith(f"audit/workstation_runs/{RUN}/result.json: expected ")
    assert words in line


def working(*arguments: str) -> "subprocess.Popen[bytes]":
    """Start a process with these arguments in its command line; come back when it is there."""
    code = "import sys, time; print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.parametrize(
    "arguments", ["--decision-tag {tag}", "--tag={tag}", "x/gate_results/{gate}/shard_01"]
)
def test_a_run_with_processes_is_not_finished(
    arguments: str, flow: Flow, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = os.getpid() % 86400
    made = make_run(
        remote, stamp=f"2026-02-20_{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
    )
    process = working(*arguments.format(tag=TAG, gate=made.gate_folder).split())
    try:
        code, line = refused(flow, capsys)
    finally:
        process.kill()
        process.wait()
    assert code == 10
    assert line.startswith(
        f"run {made.run_folder}: expected no process at work on it, found process {process.pid}: "
    )
    assert flow() == 0, "and when it has ended it is"


def test_other_processes_do_not_matter(flow: Flow, remote: Path) -> None:
    make_run(remote)
    others = [
        working("--decision-tag", f"{TAG}0"),
        working("--notes", f"after-{TAG}"),
        working("TAG=" + TAG),
    ]
    try:
        assert flow() == 0
    finally:
        for process in others:
            process.kill()
            process.wait()


# --- which report


def report_at(made: Documents, **later: float) -> Documents:
    """Move a report's time, counted from the start of its run."""
    made.report["generated_at"] = moment(made.stamp, **later).strftime("%Y-%m-%dT%H:%M:%S")
    return made


def extra_report(
    remote: Path, stamp: str, generated_at: str, tag: str = TAG, key: str = "inputs"
) -> str:
    report = {
        "generated_at": generated_at,
        key: {"decision_tag": tag},
        "gates": {"overall_pass": True},
    }
    put(remote / f"gate_results/production_gates_{stamp}/production_gates_report.json", report)
    return f"production_gates_{stamp}"


def test_the_newest_report_of_another_run_is_never_taken(flow: Flow, remote: Path) -> None:
    make_run(remote)
    later = extra_report(remote, "2026-02-21_060000", "2026-02-21T08:00:00")
    earlier = extra_report(remote, "2026-02-20_060000", "2026-02-20T08:00:00")
    other = extra_report(remote, "2026-02-21_050000", "2026-02-21T05:15:20", tag="other")
    mention = remote / f"gate_results/{other}/production_gates_report.json"
    mention.write_text(mention.read_text().replace('"gates"', f'"notes": "{TAG}", "gates"'))
    assert flow() == 0
    found = flow.found()
    assert found["gate_folder"] == GATE
    objections = {row["gate_folder"]: row["objection"] for row in found["report_candidates"]}
    assert objections == {
        GATE: None,
        later: "made at 2026-02-21T08:00:00, after the run had ended (2026-02-21T05:15:30)",
        earlier: "made at 2026-02-20T08:00:00, before the run began (2026-02-21T03:15:00)",
        other: "its inputs name tag 'other'",
    }


def test_two_runs_of_one_tag_keep_their_own_reports(flow: Flow, remote: Path) -> None:
    older = make_run(remote, stamp="2026-02-19_031500")
    make_run(remote)
    assert flow() == 0
    assert flow.found()["gate_folder"] == GATE
    assert flow("--run-dir-remote", f"audit/workstation_runs/{older.run_folder}") == 0
    assert flow.found(older.run_folder)["gate_folder"] == older.gate_folder


def test_the_laptops_zone_does_not_matter(
    flow: Flow, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(remote)
    for zone in ("Asia/Tokyo", "America/Los_Angeles", "UTC"):
        monkeypatch.setenv("TZ", zone)
        assert flow() == 0
        assert flow.found()["gate_folder"] == GATE


def test_a_change_of_clocks_gives_an_hour(
    flow: Flow, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run over the night of 8 March 2026, when Los Angeles goes from -0800 to -0700 at two
    o'clock.
    """

    def change(made: Documents) -> None:
        made.preflight["timestamp"] = "2026-03-08T01:50:00-0800"
        made.report["generated_at"] = "2026-03-08T03:09:00"
        made.result_modified = 1772964610.0  # 2026-03-08T10:10:10Z, 03:10:10 on the wall

    monkeypatch.setenv("TZ", "America/Los_Angeles")
    made = make_run(remote, stamp="2026-03-08_015000", change=change)
    assert flow() == 0
    found = flow.found(made.run_folder)
    assert (found["utc_offset"], found["utc_offset_at_end"]) == ("-0800", "-0700")
    assert found["gate_folder"] == made.gate_folder
    monkeypatch.setenv("TZ", "UTC")
    assert flow() == 0
    assert flow.found(made.run_folder)["utc_offset_at_end"] is None, (
        "another zone says nothing about a change"
    )
    assert flow.found(made.run_folder)["gate_folder"] == made.gate_folder
    made.report["generated_at"] = "2026-03-08T03:10:11"  # within the hour after the end
    made.write(remote)
    assert flow() == 0
    assert flow.found(made.run_folder)["gate_folder"] == made.gate_folder


@pytest.mark.parametrize("written", [0, 1771670000, 4000000000])
def test_file_times_of_an_archive_turn_no_report_away(
    flow: Flow, remote: Path, written: int
) -> None:
    """All files have one time: long ago, an hour before the end, or to come."""
    made = make_run(remote)
    assert moment(made.stamp).timestamp() < 1771670000 < made.result_modified
    for path in remote.rglob("*"):
        os.utime(path, (written, written))
    assert flow() == 0
    assert flow.found()["gate_folder"] == GATE


# --- what the command line asks for


def test_both_paths_can_be_given(both: Flow, remote: Path) -> None:
    make_run(remote)
    run, report = (
        f"audit/workstation_runs/{RUN}",
        f"gate_results/{GATE}/production_gates_report.json",
    )
    assert both("--run-dir-remote", f"{run}/", "--report-json-remote", f"./{report}", tag=None) == 0
    found = both.found()
    assert found["overrides"] == {"run_folder": RUN, "gate_folder": GATE}
    assert (found["gate_folder_reason"], found["contradictions"]) == ("it was asked for", [])


def test_contradictions_are_recorded_for_the_audit(flow: Flow, remote: Path) -> None:
    make_run(remote)
    other = factory.documents(tag="other", stamp="2026-02-23_031500")
    other.result["decision_tag"] = "third"
    other.write(remote)
    report = f"gate_results/{GATE}/production_gates_report.json"
    assert (
        flow(
            "--run-dir-remote",
            f"audit/workstation_runs/{other.run_folder}",
            "--report-json-remote",
            report,
        )
        == 0
    )
    found = flow.found(other.run_folder)
    assert found["gate_folder"] == GATE
    assert found["contradictions"] == [
        f"run folder {other.run_folder} was asked for, and its name has another tag than {TAG}",
        f"context.json names tag 'other', not {TAG}",
        f"result.json names tag 'third', not {TAG}",
        f"report {GATE} was asked for, but made at 2026-02-21T05:15:00, before the "
        f"run began (2026-02-23T03:15:00)",
    ]


@pytest.mark.parametrize(
    ("flag", "path", "code"),
    [
        ("--run-dir-remote", "/etc", 2),
        ("--run-dir-remote", "audit/workstation_runs/no_run", 5),
        ("--run-dir-remote", "audit/workstation_runs/RUN\ntouch pwned", 5),
        ("--run-dir-remote", "audit/workstation_runs/2026-02-21_031500_production_gates_gone", 3),
        (
            "--report-json-remote",
            "gate_results/production_gates_2026-01-01_000000/production_gates_report.json",
            3,
        ),
    ],
)
def test_paths_that_lead_nowhere_are_refused(
    flag: str, path: str, code: int, flow: Flow, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(remote)
    assert refused(flow, capsys, flag, path.replace("RUN", RUN))[0] == code
    assert not list(remote.parent.rglob("pwned"))


def test_a_run_that_lies_here_is_detected_the_same_way(flow: Flow, local: Path) -> None:
    make_run(local)
    assert flow("--no-sync") == 0
    assert flow.found()["gate_folder"] == GATE
    before = flow.path().read_bytes()
    run_dir, report = (
        local / f"audit/workstation_runs/{RUN}",
        local / f"gate_results/{GATE}/production_gates_report.json",
    )
    assert main(["--run-dir", str(run_dir), "--no-sync", "--local-root", str(local)]) == 0
    assert json.loads(before)["overrides"] == {"run_folder": None, "gate_folder": None}
    assert flow.found()["overrides"] == {"run_folder": RUN, "gate_folder": None}
    assert flow("--no-sync", "--run-dir", str(run_dir), "--report-json", str(report)) == 0
    assert flow.found()["gate_folder_reason"] == "it was asked for"


def test_a_rehearsal_writes_nothing(flow: Flow, remote: Path, local: Path) -> None:
    make_run(remote)
    assert flow("--dry-run") == 0
    assert list(local.iterdir()) == []


def test_a_workstation_that_does_not_answer(
    sshd: Sshd, remote: Path, local: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.stop()
    assert Flow(remote, local, sshd.host)() == 6
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("workstation bench: expected an answer over SSH, found ")
    assert shown.err.count("\n") == 1


def test_it_runs_uninstalled_from_any_directory(remote: Path, local: Path, tmp_path: Path) -> None:
    make_run(remote)
    script = Path(__file__).resolve().parents[2] / "scripts/detect_run.py"
    flags = ["--tag", TAG, "--remote-root", str(remote), "--local-root", str(local), "--json"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, str(script), *flags]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["yes"] is True


def test_the_factorys_zone_is_what_the_tests_think() -> None:
    assert moment("2026-02-21_031500").utcoffset() == timedelta(hours=-7)
