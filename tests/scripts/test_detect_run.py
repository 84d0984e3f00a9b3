"""Which run and which report a tag means: over a directory, over a real sshd, and against everything that misleads."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import factory
from detect_run import main
from factory import Documents, moment, put
from sshd import Sshd

TAG = f"committee_2026-02-21_run4.{os.getpid()}"  # tests side by side must not see each other's processes
RUN = f"2026-02-21_031500_production_gates_{TAG}"
GATE = "production_gates_2026-02-21_031700"


make_run = functools.partial(factory.make_run, tag=TAG)


class Desk:
    """Runs the script against one workstation, and reads what it wrote."""

    def __init__(self, remote: Path, local: Path, host: str) -> None:
        self.remote, self.local, self.host = remote, local, host

    def __call__(self, *flags: str, tag: str | None = TAG) -> int:
        where = [
            "--host",
            self.host,
            "--remote-root",
            str(self.remote),
            "--local-root",
            str(self.local),
        ]
        return main([*(["--tag", tag] if tag else []), *where, *flags])

    def found(self, run: str = RUN) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.path(run).read_bytes())
        return document

    def path(self, run: str = RUN) -> Path:
        return self.local / "audit/workstation_runs" / run / "run_detection.json"


@pytest.fixture
def desk(remote: Path, local: Path) -> Desk:
    return Desk(remote, local, "local")


@pytest.fixture(params=["local", "ssh"])
def both(request: pytest.FixtureRequest, remote: Path, local: Path) -> Desk:
    """Give a desk for both hosts in turn."""
    return Desk(
        remote, local, "local" if request.param == "local" else request.getfixturevalue("sshd").host
    )


def refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], *flags: str, tag: str | None = TAG
) -> tuple[int, str]:
    """Give code and line of a refusal, and see that nothing was written."""
    code = desk(*flags, tag=tag)
    assert not list(desk.local.rglob("run_detection.json"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    return code, shown.err.strip()


def test_a_run_and_its_report(both: Desk, remote: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(remote)
    assert both() == 0
    found = both.found()
    assert (found["run_folder"], found["gate_folder"], found["run_folders"]) == (RUN, GATE, [RUN])
    assert (found["decision_tag"], found["utc_offset"]) == (TAG, "-0700")
    assert (found["contradictions"], found["notes"]) == ([], [])
    shown = capsys.readouterr()
    assert shown.out == f"{both.path()}\n"
    assert shown.err == f"detect: {RUN}; report {GATE} (the only report of this run)\n"


def test_looking_again_changes_no_byte(
    both: Desk, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(remote)
    assert both() == 0
    before = both.path().read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "4000000000")
    assert both() == 0
    assert both.path().read_bytes() == before


def test_tags_match_exactly(both: Desk, remote: Path) -> None:
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
    desk: Desk, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, tag in enumerate(("run10", "run1_rerun4", "completely_else")):
        make_run(remote, tag=tag, stamp=f"2026-02-2{number}_031500")
    assert refused(desk, capsys, tag="run1") == (
        5,
        "decision tag run1: expected a run of exactly this tag, found none; nearest: run10, run1_rerun4",
    )
    assert refused(desk, capsys, tag="zzzz") == (
        5,
        "decision tag zzzz: expected a run of exactly this tag, found none among 3 runs",
    )


def test_an_empty_workstation(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(desk, capsys)[1].endswith("found none among 0 runs")


@pytest.mark.parametrize("tag", ["x;touch pwned", "../x", "$(touch pwned)", "a b", "tag\n", ""])
def test_a_hostile_tag_is_refused_and_nothing_runs(
    tag: str,
    desk: Desk,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(desk, capsys, tag=tag or "''")[0] == 2
    assert not list(tmp_path.rglob("pwned"))


# --- which run


def test_of_several_runs_the_newest_with_a_context_counts(desk: Desk, remote: Path) -> None:
    make_run(remote, stamp="2026-02-19_031500")
    make_run(remote)
    (remote / f"audit/workstation_runs/2026-02-23_031500_production_gates_{TAG}").mkdir()
    assert desk() == 0
    found = desk.found()
    assert [name[:10] for name in found["run_folders"]] == [
        "2026-02-19",
        "2026-02-21",
        "2026-02-23",
    ]
    assert found["notes"] == [
        "3 runs have this tag; the newest with a context counts",
        f"2026-02-23_031500_production_gates_{TAG} is newer, but has no context",
    ]


def test_an_unreadable_context_does_not_hide_the_run(desk: Desk, remote: Path) -> None:
    make_run(remote, change=lambda made: setattr(made, "context", '{"notes": "a "quote" in it"}'))
    assert desk() == 0
    assert desk.found()["notes"] == ["context.json cannot be read; the folder's name decides"]


def test_a_context_of_another_tag_is_another_run(
    desk: Desk, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(
        remote, change=lambda made: made.context.update(decision_tag="committee/2026-02-21:run4")
    )
    code, line = refused(desk, capsys)
    assert (code, line.split("found ")[1]) == (
        5,
        f"only {RUN}, whose context names tag 'committee/2026-02-21:run4'",
    )
    make_run(remote, stamp="2026-02-20_031500")
    assert desk() == 0
    found = desk.found(f"2026-02-20_031500_production_gates_{TAG}")
    assert found["notes"] == [
        f"{RUN} has this name, but its context names tag 'committee/2026-02-21:run4'"
    ]


def test_a_run_without_a_result_is_missing_it(
    both: Desk, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(remote, change=lambda made: setattr(made, "result", None))
    assert refused(both, capsys) == (
        3,
        f"result.json of {RUN}: expected a file, found nothing there; make monitor-then-finalize waits for its end",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda made: made.preflight.update(status="fail", reasons=["cores: 4"]),
            "nothing there (its preflight failed: ['cores: 4'])",
        ),
        (
            lambda made: made.data_quality.update(overall_pass=False, failures=["stale"]),
            "nothing there (its data-quality gate failed: ['stale'])",
        ),
    ],
)
def test_a_run_that_was_stopped_says_by_what(
    desk: Desk,
    remote: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Documents], object],
    words: str,
) -> None:
    def stop(made: Documents) -> None:
        made.context = made.result = made.report = None
        change(made)

    make_run(remote, change=stop)
    code, line = refused(desk, capsys)
    assert (code, line.split("found ")[1]) == (
        3,
        f'{words}; it will not get one; --abandoned "reason" closes it',
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"decision_tag": "x", "exit', "a JSON document, found "),
        (b"", "a JSON document, found an empty file"),
        (b"\xff\xfe", "UTF-8 text, found byte 0xff"),
        (b"[]", "fits schemas/result.schema.json"),
        (b'{"decision_tag": "x", "exit_code": null}', "fits schemas/result.schema.json"),
        (b"[" * 200_000, "a JSON document, found "),
        (
            b"{" + b" " * (17 * 2**20),
            "a small file that can be read, found 17825793 bytes that cannot",
        ),
    ],
)
def test_a_broken_result_is_refused(
    desk: Desk, remote: Path, content: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(remote, change=lambda made: setattr(made, "result", content))
    code, line = refused(desk, capsys)
    assert code == 4
    assert line.startswith(f"audit/workstation_runs/{RUN}/result.json: expected ")
    assert words in line


def test_a_result_of_another_tag_is_for_the_audit(desk: Desk, remote: Path) -> None:
    make_run(remote, change=lambda made: made.result.update(decision_tag="other"))
    assert desk() == 0
    assert desk.found()["contradictions"] == [f"result.json names tag 'other', not {TAG}"]


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
    arguments: str, both: Desk, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = os.getpid() % 86400
    made = make_run(
        remote, stamp=f"2026-02-20_{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
    )
    process = working(*arguments.format(tag=TAG, gate=made.gate_folder).split())
    try:
        code, line = refused(both, capsys)
    finally:
        process.kill()
        process.wait()
    assert code == 10
    assert line.startswith(
        f"run {made.run_folder}: expected no process at work on it, found process {process.pid}: "
    )
    assert both() == 0, "and when it has ended it is"


def test_other_processes_do_not_matter(desk: Desk, remote: Path) -> None:
    make_run(remote)
    others = [
        working("--decision-tag", f"{TAG}0"),
        working("--notes", f"after-{TAG}"),
        working("TAG=" + TAG),
    ]
    try:
        assert desk() == 0
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


def test_the_newest_report_of_this_run_counts(desk: Desk, remote: Path) -> None:
    make_run(remote)
    second = extra_report(remote, "2026-02-21_041500", "2026-02-21T05:15:10")
    assert desk() == 0
    found = desk.found()
    assert (found["gate_folder"], found["gate_folder_reason"]) == (
        second,
        "the newest report of this run",
    )
    assert found["notes"] == ["2 reports belong to this run; the newest counts"]


def test_the_newest_report_of_another_run_is_never_taken(desk: Desk, remote: Path) -> None:
    make_run(remote)
    later = extra_report(remote, "2026-02-21_060000", "2026-02-21T08:00:00")
    earlier = extra_report(remote, "2026-02-20_060000", "2026-02-20T08:00:00")
    other = extra_report(remote, "2026-02-21_050000", "2026-02-21T05:15:20", tag="other")
    mention = remote / f"gate_results/{other}/production_gates_report.json"
    mention.write_text(mention.read_text().replace('"gates"', f'"notes": "{TAG}", "gates"'))
    assert desk() == 0
    found = desk.found()
    assert found["gate_folder"] == GATE
    objections = {row["gate_folder"]: row["objection"] for row in found["report_candidates"]}
    assert objections == {
        GATE: None,
        later: "made at 2026-02-21T08:00:00, after the run had ended (2026-02-21T05:15:30)",
        earlier: "made at 2026-02-20T08:00:00, before the run began (2026-02-21T03:15:00)",
        other: "its inputs name tag 'other'",
    }


def test_two_runs_of_one_tag_keep_their_own_reports(desk: Desk, remote: Path) -> None:
    older = make_run(remote, stamp="2026-02-19_031500")
    make_run(remote)
    assert desk() == 0
    assert desk.found()["gate_folder"] == GATE
    assert desk("--run-dir-remote", f"audit/workstation_runs/{older.run_folder}") == 0
    assert desk.found(older.run_folder)["gate_folder"] == older.gate_folder


@pytest.mark.parametrize(
    ("seconds", "belongs"),
    [(-3, False), (-2, True), (0, True), (7200, True), (7232, True), (7233, False)],
)
def test_the_window_has_two_seconds_of_slack(
    desk: Desk, remote: Path, seconds: int, belongs: bool
) -> None:
    make_run(remote, change=lambda made: report_at(made, seconds=seconds))
    assert desk() == 0
    assert (desk.found()["gate_folder"] == GATE) is belongs


def test_the_laptops_zone_does_not_matter(
    desk: Desk, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(remote)
    for zone in ("Asia/Tokyo", "America/Los_Angeles", "UTC"):
        monkeypatch.setenv("TZ", zone)
        assert desk() == 0
        assert desk.found()["gate_folder"] == GATE


def test_a_change_of_clocks_gives_an_hour(
    desk: Desk, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run over the night of 8 March 2026, when Los Angeles goes from -0800 to -0700 at two o'clock."""

    def change(made: Documents) -> None:
        made.preflight["timestamp"] = "2026-03-08T01:50:00-0800"
        made.report["generated_at"] = "2026-03-08T03:09:00"
        made.result_modified = 1772964610.0  # 2026-03-08T10:10:10Z, 03:10:10 on the wall

    monkeypatch.setenv("TZ", "America/Los_Angeles")
    made = make_run(remote, stamp="2026-03-08_015000", change=change)
    assert desk() == 0
    found = desk.found(made.run_folder)
    assert (found["utc_offset"], found["utc_offset_at_end"]) == ("-0800", "-0700")
    assert found["gate_folder"] == made.gate_folder
    monkeypatch.setenv("TZ", "UTC")
    assert desk() == 0
    assert desk.found(made.run_folder)["utc_offset_at_end"] is None, (
        "another zone says nothing about a change"
    )
    assert desk.found(made.run_folder)["gate_folder"] is None


@pytest.mark.parametrize(
    "preflight", [None, "{", {"timestamp": "2026-02-21T03:15:00"}, {"status": "pass"}, [1]]
)
def test_without_an_offset_only_the_start_bounds(desk: Desk, remote: Path, preflight: Any) -> None:
    def change(made: Documents) -> None:
        made.preflight = preflight
        report_at(made, hours=9)

    make_run(remote, change=change)
    assert desk() == 0
    found = desk.found()
    assert (found["gate_folder"], found["utc_offset"]) == (GATE, None)
    assert found["notes"] == [
        "preflight.json gives no offset, so the time of result.json bounds no report"
    ]


def test_older_reports_say_args(desk: Desk, remote: Path) -> None:
    make_run(remote, change=lambda made: setattr(made, "report", None))
    gate = extra_report(remote, "2026-02-21_031700", "2026-02-21T05:00:00", key="args")
    assert desk() == 0
    assert desk.found()["gate_folder"] == gate


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (None, "no report belongs to this run"),
        ('{"inputs": {"decision_tag": "TAG"', "expected a JSON document"),
        ('{"inputs": {"decision_tag": "TAG"}}', "generated_at is no time: None"),
        ('{"inputs": ["TAG"], "generated_at": "2026-02-21T05:00:00"}', "its inputs name tag None"),
        ('["TAG"]', "its inputs name tag None"),
    ],
)
def test_a_run_without_a_report_of_its_own(
    desk: Desk, remote: Path, report: str | None, words: str
) -> None:
    make_run(remote, change=lambda made: setattr(made, "report", None))
    put(
        remote / f"gate_results/{GATE}/production_gates_report.json",
        report and report.replace("TAG", TAG),
    )
    assert desk() == 0
    found = desk.found()
    assert found["gate_folder"] is None
    assert words in found["gate_folder_reason"]


def test_nan_in_a_report_is_no_matter(desk: Desk, remote: Path) -> None:
    make_run(
        remote, change=lambda made: made.report["risk_diagnostics"].update(beta_vs_spy=float("nan"))
    )
    assert desk() == 0
    assert desk.found()["gate_folder"] == GATE


# --- what the command line asks for


def test_both_paths_can_be_given(both: Desk, remote: Path) -> None:
    make_run(remote)
    run, report = (
        f"audit/workstation_runs/{RUN}",
        f"gate_results/{GATE}/production_gates_report.json",
    )
    assert both("--run-dir-remote", f"{run}/", "--report-json-remote", f"./{report}", tag=None) == 0
    found = both.found()
    assert found["overrides"] == {"run_folder": RUN, "gate_folder": GATE}
    assert (found["gate_folder_reason"], found["contradictions"]) == ("it was asked for", [])


def test_contradictions_are_recorded_for_the_audit(desk: Desk, remote: Path) -> None:
    make_run(remote)
    other = factory.documents(tag="other", stamp="2026-02-23_031500")
    other.result["decision_tag"] = "third"
    other.write(remote)
    report = f"gate_results/{GATE}/production_gates_report.json"
    assert (
        desk(
            "--run-dir-remote",
            f"audit/workstation_runs/{other.run_folder}",
            "--report-json-remote",
            report,
        )
        == 0
    )
    found = desk.found(other.run_folder)
    assert found["gate_folder"] == GATE
    assert found["contradictions"] == [
        f"run folder {other.run_folder} was asked for, and its name has another tag than {TAG}",
        f"context.json names tag 'other', not {TAG}",
        f"result.json names tag 'third', not {TAG}",
        f"report {GATE} was asked for, but made at 2026-02-21T05:15:00, before the run began (2026-02-23T03:15:00)",
    ]


@pytest.mark.parametrize(
    ("flag", "path", "code"),
    [
        ("--run-dir-remote", "/etc", 2),
        ("--run-dir-remote", "audit/workstation_runs/../../x", 2),
        ("--run-dir-remote", "elsewhere/RUN", 2),
        ("--run-dir-remote", "audit/workstation_runs/", 2),
        ("--run-dir-remote", "audit/workstation_runs/..", 2),
        ("--run-dir-remote", "audit/workstation_runs/no_run", 5),
        ("--run-dir-remote", "audit/workstation_runs/RUN;touch pwned", 5),
        ("--run-dir-remote", "audit/workstation_runs/RUN\ntouch pwned", 5),
        ("--run-dir-remote", "audit/workstation_runs/2026-02-21_031500_production_gates_gone", 3),
        ("--report-json-remote", f"gate_results/{GATE}", 2),
        ("--report-json-remote", "gate_results/x/production_gates_report.json", 5),
        (
            "--report-json-remote",
            "gate_results/production_gates_2026-01-01_000000/production_gates_report.json",
            3,
        ),
        ("--report-json-remote", "/etc/production_gates_report.json", 2),
    ],
)
def test_paths_that_lead_nowhere_are_refused(
    flag: str, path: str, code: int, desk: Desk, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(remote)
    assert refused(desk, capsys, flag, path.replace("RUN", RUN))[0] == code
    assert not list(remote.parent.rglob("pwned"))


def test_a_run_that_lies_here_is_detected_the_same_way(desk: Desk, local: Path) -> None:
    make_run(local)
    assert desk("--no-sync") == 0
    assert desk.found()["gate_folder"] == GATE
    before = desk.path().read_bytes()
    run_dir, report = (
        local / f"audit/workstation_runs/{RUN}",
        local / f"gate_results/{GATE}/production_gates_report.json",
    )
    assert main(["--run-dir", str(run_dir), "--no-sync", "--local-root", str(local)]) == 0
    assert json.loads(before)["overrides"] == {"run_folder": None, "gate_folder": None}
    assert desk.found()["overrides"] == {"run_folder": RUN, "gate_folder": None}
    assert desk("--no-sync", "--run-dir", str(run_dir), "--report-json", str(report)) == 0
    assert desk.found()["gate_folder_reason"] == "it was asked for"


def test_a_rehearsal_writes_nothing(desk: Desk, remote: Path, local: Path) -> None:
    make_run(remote)
    assert desk("--dry-run") == 0
    assert list(local.iterdir()) == []


def test_a_workstation_that_does_not_answer(
    sshd: Sshd, remote: Path, local: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sshd.stop()
    assert Desk(remote, local, sshd.host)() == 6
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
