"""Runs that die, and how they are closed: over files, and over real processes behind a
real sshd.
"""

import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import detect_run
import governance_audit_checker
import monitor_then_finalize
import post_run_sync_and_finalize as conductor
import start_official_run
import update_factor_experiment_registry
import update_failure_pattern_db
import validate_artifacts
from harness import factory
from harness.factory import Documents
from harness.programs import wait_for
from harness.sshd import Sshd
from harness.workspace import decisions, location_flags
from postrun.audit import CHECKS
from postrun.core.locations import PROJECT
from postrun.remote import workstation

# of this test process alone: others work on the same machine
TAG = f"committee_2026-02-21_run1.{os.getpid()}"
WHY_IN_LEDGER = "abandoned: the power went in the night"
WHY = ("--abandoned", "the power went in the night")
NO = {"fail", "error"}

Change = Callable[[Documents], None]


class Flow:
    """A workstation, a workspace, and what is done between them about one run."""

    def __init__(self, remote: Path, local: Path, host: str = "local", tag: str = TAG) -> None:
        self.remote, self.local, self.host, self.tag = remote, local, host, tag

    def flags(self, *more: str) -> list[str]:
        where = location_flags(self.remote, self.local, self.host)
        return ["--tag", self.tag, *where, *more]

    def close(self, *more: str) -> int:
        return conductor.main(self.flags(*more))

    def monitor(self, *more: str) -> int:
        return monitor_then_finalize.main(self.flags("--interval", "0.2", "--grace", "0.5", *more))

    @property
    def run(self) -> Path:
        [folder] = self.local.glob(f"audit/workstation_runs/*_production_gates_{self.tag}")
        return folder

    def read(self, name: str) -> Any:
        return json.loads((self.run / name).read_text())

    def ledger(self) -> list[dict[str, Any]]:
        return [row for row in decisions(self.local) if row["decision_tag"] == self.tag]

    def answers(self) -> dict[str, str]:
        return {
            row["id"]: row["answer"] for row in self.read("governance_audit_check.json")["checks"]
        }

    def table(self, path: str) -> list[dict[str, str]]:
        rows = csv.DictReader(io.StringIO((self.local / "audit" / path).read_text()))
        return [row for row in rows if row["run"] == self.run.name]

    def registered(self) -> dict[str, str]:
        [row] = self.table("factor_registry/factor_experiment_registry.csv")
        return row

    def bytes(self) -> dict[Path, bytes]:
        files = (
            path for path in self.local.rglob("*") if path.is_file() and ".locks" not in path.parts
        )
        return {path: path.read_bytes() for path in files}


def dead(made: Documents) -> None:
    made.result = made.report = None


def dead_after_its_report(made: Documents) -> None:
    made.result = None


def stopped(made: Documents) -> None:
    made.context = made.result = made.report = made.data_quality = made.statistics = None
    made.cost_rows, made.windows = [], []
    made.preflight = {"status": "fail", "reasons": ["cores: expected 8 or more, found 2"]}


def whole(_: Documents) -> None:
    """Leave the run as it is: with its report and its result."""


def put(remote: Path, change: Change, stamp: str = factory.STAMP) -> Documents:
    made = factory.documents(tag=TAG, stamp=stamp)
    change(made)
    return made.write(remote)


@pytest.fixture
def flow(remote: Path, local: Path) -> Flow:
    return Flow(remote, local)


# --- closing
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """Return a dead run that was closed; tests that change no byte share it."""
    flow = Flow(tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("local"))
    put(flow.remote, dead)
    assert flow.close() == 3
    assert flow.close(*WHY) == 1
    return flow


def test_a_dead_run_is_closed_as_a_fail_with_its_reason(closed: Flow) -> None:
    [row] = closed.ledger()
    assert row["result"] == "fail"
    assert row["reasons"] == ["abandoned: the power went in the night", "no gate report"]
    assert row["next_action"] == "governance audit, then remediation plan"
    answers = closed.answers()
    assert {name for name, answer in answers.items() if answer in NO} == {
        "run_files_present",
        "report_files_present",
        "report_readable",
        "exit_code_zero",
    }
    assert "error" not in answers.values()
    assert (closed.run / "run.log").is_file(), "what is there is copied"
    summary = (closed.run / "production_gates_final_summary.md").read_text()
    assert "- abandoned: the power went in the night\n" in summary


def test_closing_it_again_changes_no_byte_with_and_without_the_reason(
    closed: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = closed.bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    for again in (WHY, ()):
        assert closed.close(*again) == 1
    assert closed.bytes() == before


def test_it_is_a_trial_like_any_other(closed: Flow) -> None:
    row = closed.registered()
    assert (row["decision"], row["quality"], row["factor"]) == (
        "reject_or_research",
        "0.0",
        "momentum_12_1",
    )
    assert "exit_code_zero" in row["failed_checks"].split(";")
    failed = {row["check"] for row in closed.table("failure_patterns/failure_patterns.csv")}
    assert failed == {name for name, answer in closed.answers().items() if answer in NO}


def test_steps_that_are_repeated_alone_change_no_byte(closed: Flow) -> None:
    before = closed.bytes()
    root = ["--local-root", str(closed.local)]
    for script in (update_factor_experiment_registry, update_failure_pattern_db):
        assert script.main([*root, "--rebuild"]) == 0
    assert governance_audit_checker.main(["--tag", TAG, *root]) == 1
    assert closed.bytes() == before


def test_a_report_does_not_make_it_a_pass_and_is_not_scored(flow: Flow) -> None:
    made = put(flow.remote, dead_after_its_report)
    assert made.report["gates"]["overall_pass"] is True
    assert flow.close(*WHY) == 1
    [row] = flow.ledger()
    assert (row["result"], row["reasons"]) == ("fail", ["abandoned: the power went in the night"])
    assert flow.answers()["report_belongs_to_run"] == "pass"
    scored = flow.registered()
    assert (scored["quality"], scored["test_ic_x1_0"], scored["overall_pass"]) == ("0.0", "", "")


def test_the_report_of_the_next_run_of_this_tag_is_not_its_own(flow: Flow) -> None:
    first = put(flow.remote, dead)
    second = put(flow.remote, whole, "2026-02-22_031500")
    assert detect_run.main(flow.flags(*named(first), *WHY)) == 0
    document = json.loads((first.run_dir(flow.local) / "run_detection.json").read_text())
    [candidate] = document["report_candidates"]
    assert (document["gate_folder"], candidate["gate_folder"]) == (None, second.gate_folder)
    assert "after the run had ended (2026-02-22T03:15:00)" in candidate["objection"]


def test_a_run_that_its_preflight_stopped_is_closed_too(
    flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    put(flow.remote, stopped)
    assert flow.close() == 3
    assert '--abandoned "reason" closes it' in capsys.readouterr().err
    assert flow.close(*WHY) == 1
    assert flow.ledger()[0]["owner"] is None
    assert flow.answers()["preflight_passed"] == "fail"
    assert flow.registered()["factor"] == ""
    handoff = json.loads((flow.local / "audit/session_handoff/handoff_readiness.json").read_text())
    assert handoff["ready"] is True, (
        "no factor is known, so there is nothing to queue, to plan or to miss"
    )
    assert (handoff["next_command"], handoff["last_runs"][0]["decision"]) == (
        None,
        "reject_or_research",
    )
    notes = flow.read("run_detection.json")["notes"]
    assert any(
        "its preflight failed: ['cores: expected 8 or more, found 2']" in note for note in notes
    )


def test_a_result_that_stays_broken_is_no_result(flow: Flow) -> None:
    text = '{"workflow": "prod'
    made = put(flow.remote, dead_after_its_report)
    (made.run_dir(flow.remote) / "result.json").write_text(text)
    assert flow.close() == 4
    assert flow.close(*WHY) == 1
    assert flow.ledger()[0]["reasons"] == ["abandoned: the power went in the night"]
    assert flow.answers()["exit_code_zero"] == "fail"
    assert (flow.run / "result.json").read_text() == text
    assert "given up with a broken result.json" in flow.read("run_detection.json")["notes"]


def test_a_run_that_lies_here_already_can_be_given_up(flow: Flow) -> None:
    made = put(flow.local, dead)
    flags = ["--tag", TAG, "--local-root", str(flow.local), "--no-sync"]
    assert conductor.main([*flags, *WHY]) == 1
    assert flow.ledger()[0]["result"] == "fail"
    put(flow.local, whole)
    assert conductor.main(flags) == 1, "never compared with the workstation"
    assert [(row["result"], row["corrects"]) for row in flow.ledger()] == [
        ("fail", None),
        ("pass", 1),
    ]
    assert made.run_dir(flow.local) == flow.run


def test_another_reason_gets_a_row_that_corrects_the_first(flow: Flow) -> None:
    put(flow.remote, dead)
    flow.close(*WHY)
    assert flow.close("--abandoned", "no, the disk was full") == 1
    given = [(row["result"], row["corrects"], row["reasons"][0]) for row in flow.ledger()]
    assert given == [
        ("fail", None, "abandoned: the power went in the night"),
        ("fail", 1, "abandoned: no, the disk was full"),
    ]
    assert flow.read("evidence_manifest.json")["abandoned"] == "no, the disk was full"
    assert (
        "- abandoned: no, the disk was full\n"
        in (flow.run / "production_gates_final_summary.md").read_text()
    )
    before = flow.bytes()
    for again in ((), ("--abandoned", "no, the disk was full")):
        assert flow.close(*again) == 1
        assert flow.bytes() == before


def test_beside_other_runs_it_is_compared_and_made_anew_as_one_that_measured_nothing(
    flow: Flow,
) -> None:
    runs = (
        ("good", whole),
        ("reported", dead_after_its_report),
        ("next", whole),
    )
    flows = []
    for day, (name, change) in enumerate(runs, start=20):
        tag = f"{TAG}.{name}"
        made = factory.documents(tag=tag, stamp=f"2026-02-{day}_031500")
        change(made)
        made.write(flow.remote)
        flows.append(Flow(flow.remote, flow.local, tag=tag))
        assert flows[-1].close(*([] if change is whole else WHY)) == (0 if change is whole else 1)
    good, reported, last = flows
    [page] = flow.local.glob(
        "gate_results/production_gates_2026-02-21_*/production_gates_run_review.json"
    )
    review = json.loads(page.read_text())
    assert (review["decision"]["result"], review["decision"]["recommendation"]) == (
        "fail",
        "do_not_promote",
    )
    assert review["comparison"]["previous_run"] == good.run.name
    measured = {row["metric"]: row["current"] for row in review["comparison"]["metrics"]}
    known = {name: value for name, value in measured.items() if value is not None}
    assert known == {"audit_passed": False, "high_items": 2}
    assert reported.registered()["decision"] == "reject_or_research"
    assert (good.registered()["decision"], last.registered()["decision"]) == (
        "promote_candidate",
        "promote_candidate",
    )
    before = flow.bytes()
    for script in (update_factor_experiment_registry, update_failure_pattern_db):
        assert script.main(["--local-root", str(flow.local), "--rebuild"]) == 0
    assert [each.close() for each in flows] == [0, 1, 0]
    assert flow.bytes() == before


# --- more than one run with the tag
# -----------------------------------------------------------------------------------


def named(made: Documents) -> tuple[str, str]:
    return "--run-dir-remote", f"audit/workstation_runs/{made.run_folder}"


def test_an_older_dead_run_and_the_next_one_keep_their_evidence_apart(flow: Flow) -> None:
    older, newer = (
        put(flow.remote, dead_after_its_report),
        put(flow.remote, whole, "2026-02-22_031500"),
    )
    assert flow.close(*named(older), *WHY) == 1
    assert not newer.gate_dir(flow.local).exists()
    kept = flow.bytes()
    assert flow.close() == 1, "the audit says that the tag was used twice"
    rows = [(row["run"], row["result"], row["artifact_ref"].split("/")[1]) for row in flow.ledger()]
    assert rows == [
        (older.run_folder, "fail", older.gate_folder),
        (newer.run_folder, "pass", newer.gate_folder),
    ]
    folders = (older.run_dir(flow.local), older.gate_dir(flow.local))
    own = {path for path in kept if any(folder in path.parents for folder in folders)}
    assert {path: path.read_bytes() for path in own} == {path: kept[path] for path in own}
    before = flow.bytes()
    assert (flow.close(*named(older)), flow.close()) == (1, 1)
    assert flow.bytes() == before


def test_a_report_of_the_next_run_that_is_asked_for_fails_the_audit(flow: Flow) -> None:
    older, newer = put(flow.remote, dead), put(flow.remote, whole, "2026-02-22_031500")
    report = f"gate_results/{newer.gate_folder}/production_gates_report.json"
    assert flow.close(*named(older), *WHY, "--report-json-remote", report) == 1
    checks = json.loads((older.run_dir(flow.local) / "governance_audit_check.json").read_text())[
        "checks"
    ]
    belongs = next(check for check in checks if check["id"] == "report_belongs_to_run")
    assert belongs["answer"] == "fail"
    assert "after the run had ended (2026-02-22T03:15:00)" in belongs["observed"]


def test_a_stopped_rerun_is_closed_by_the_monitors_line_and_hides_no_earlier_run(
    flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    good, rerun = put(flow.remote, whole), put(flow.remote, stopped, "2026-02-22_031500")
    assert flow.monitor() == 7
    line = capsys.readouterr().err.splitlines()[-1]
    assert conductor.main(pasted(line, "two cores are too few")) == 1
    assert flow.close() == 1, "the audit says that the tag was used twice"
    rows = [(row["run"], row["result"]) for row in flow.ledger()]
    assert rows == [(rerun.run_folder, "fail"), (good.run_folder, "pass")]
    before = flow.bytes()
    capsys.readouterr()
    assert governance_audit_checker.main(["--tag", TAG, "--local-root", str(flow.local)]) == 1
    assert (
        capsys.readouterr().err
        == f"governance-audit: 1 of {len(CHECKS)} checks did not pass (1 failed): tag_used_once\n"
    )
    assert flow.bytes() == before


def pasted(line: str, reason: str) -> list[str]:
    """Return the flags of the command that a line ends with, its reason filled in."""
    command = line.partition("close it with: ")[2].replace('"<reason>"', shlex.quote(reason))
    program, script, *words = shlex.split(command)
    if (program, script) == ("make", "finalize"):
        return [f"--{name.lower().replace('_', '-')}={value}" for name, value in map(split, words)]
    assert (program, script) == (".venv/bin/python", "scripts/post_run_sync_and_finalize.py"), line
    return words


def split(word: str) -> list[str]:
    return word.split("=", maxsplit=1)


# --- refusals
# --------------------------------------------------------------------------------------------------


def test_a_run_with_a_result_is_not_to_be_given_up(
    flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    put(flow.remote, lambda made: made.result.update(exit_code=137))
    assert flow.close(*WHY) == 2
    assert (
        "--abandoned: expected a run without a valid result.json or without a report that can be "
        "read, found both in" in capsys.readouterr().err
    )
    assert flow.bytes() == {}


@pytest.mark.parametrize("reason", ["", " ", "\t\n"])
def test_the_reason_must_be_words(
    flow: Flow, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(flow.remote, dead)
    assert flow.close("--abandoned", reason) == 2
    assert capsys.readouterr().err == "--abandoned: expected text, found nothing\n"
    assert flow.bytes() == {}


@pytest.mark.parametrize(
    "steps", [("--from", "sync-run"), ("--from", "sync-run", "--to", "detect-run")]
)
def test_the_reason_is_recorded_by_detection_or_not_at_all(
    flow: Flow, steps: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    put(flow.remote, dead)
    assert flow.close(*WHY, *steps) == 2
    assert "--abandoned: expected detect-run among the steps" in capsys.readouterr().err
    assert flow.bytes() == {}


def test_the_steps_after_detection_need_no_reason_any_more(flow: Flow) -> None:
    put(flow.remote, dead)
    assert flow.close(*WHY, "--dry-run") == 3, "nothing is here yet to rehearse the later steps on"
    assert flow.bytes() == {}
    assert flow.close(*WHY, "--to", "detect-run") == 0
    assert flow.close("--from", "sync-run") == 1
    assert flow.ledger()[0]["reasons"] == [
        "abandoned: the power went in the night",
        "no gate report",
    ]


@pytest.mark.parametrize(
    "words",
    [
        'it | "died" <b>\n## at `night` $(touch pwned) {{ row }} \x1b[31m '
        "ä<script>alert(1)</script>",
        "=cmd|' /C calc'!A0, caf\udce9, a byte that is not UTF-8" + "x" * 10_000,
    ],
    ids=["markup", "formula and byte"],
)
def test_any_words_are_only_words(flow: Flow, words: str) -> None:
    put(flow.remote, dead)
    assert flow.close("--abandoned", words) == 1
    assert flow.ledger()[0]["reasons"][0] == f"abandoned: {words}"
    before = flow.bytes()
    assert flow.close("--abandoned", words) == 1
    assert flow.bytes() == before
    pages = [path.read_text() for path in before if path.suffix in (".md", ".html")]
    assert [
        mark for mark in ("<b>", "<script>alert", "\n## at") if any(mark in page for page in pages)
    ] == []
    tables = [text for path, text in before.items() if path.suffix == ".csv"]
    assert tables
    assert not any(b"=cmd" in text for text in tables)
    assert validate_artifacts.main([str(flow.local / "audit")]) == 0


def test_a_process_of_the_run_keeps_it_open_and_one_of_another_does_not(
    flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    put(flow.remote, dead)
    others = [("--decision-tag", f"{TAG}0"), ("--tag", f"a_{TAG}"), ("--notes", f"after={TAG}x")]
    workers = [worker(*words) for words in others]
    busy = worker("--decision-tag", TAG)
    try:
        assert flow.close(*WHY) == 10
        shown = capsys.readouterr().err
        assert f"expected no process at work on it, found process {busy.pid}" in shown
        assert flow.bytes() == {}
        end(busy)
        assert flow.close(*WHY) == 1
    finally:
        for one in (*workers, busy):
            end(one)


def worker(*words: str) -> subprocess.Popen[bytes]:
    """Start a process that does nothing, with these words on its command line."""
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(120)", *words], start_new_session=True
    )


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


# --- not dead after all
# ---------------------------------------------------------------------------------------------


def test_a_result_that_comes_later_corrects_the_row(flow: Flow) -> None:
    made = put(flow.remote, dead)
    flow.close(*WHY)
    (made.run_dir(flow.remote) / "run.log").write_bytes(b"it went on\n")
    made = put(flow.remote, lambda made: setattr(made, "log", b"it went on to its end\n"))
    assert flow.close() == 0
    rows = flow.ledger()
    assert [(row["result"], row["corrects"]) for row in rows] == [("fail", None), ("pass", 1)]
    assert flow.read("run_detection.json")["abandoned"] is None
    manifest = flow.read("evidence_manifest.json")
    [grown] = manifest["changes"]
    assert (manifest["abandoned"], manifest["verified"]) == (None, True)
    assert grown["reason"] == "the run had been given up, and has a result now"
    kept = flow.run / grown["in"] / f"audit/workstation_runs/{made.run_folder}/run.log"
    assert kept.read_bytes() == b"[cost_stress] x1.0 done\n"
    assert (flow.registered()["decision"], set(flow.answers().values())) == (
        "promote_candidate",
        {"pass"},
    )
    before = flow.bytes()
    assert flow.close() == 0
    assert flow.bytes() == before
    assert flow.close(*WHY) == 2


def test_a_broken_result_that_is_replaced_corrects_the_row(flow: Flow) -> None:
    made = put(flow.remote, dead_after_its_report)
    (made.run_dir(flow.remote) / "result.json").write_text("{")
    flow.close(*WHY)
    put(flow.remote, lambda made: made.result.update(exit_code=3))
    assert flow.close() == 1
    assert [row["reasons"] for row in flow.ledger()] == [
        ["abandoned: the power went in the night"],
        ["exit code 3"],
    ]


def test_the_monitor_still_tells_it_dead_and_closes_it_when_a_result_comes(flow: Flow) -> None:
    put(flow.remote, dead)
    flow.close(*WHY)
    before = flow.ledger()
    assert flow.monitor() == 7
    assert flow.ledger() == before
    put(flow.remote, whole)
    assert flow.monitor() == 0
    assert [(row["result"], row["corrects"]) for row in flow.ledger()] == [
        ("fail", None),
        ("pass", 1),
    ]


def test_a_copy_that_was_tampered_with_meanwhile_is_still_refused(flow: Flow) -> None:
    put(flow.remote, dead)
    flow.close(*WHY)
    (flow.run / "command.sh").write_text("python something_else.py\n")
    put(flow.remote, whole)
    assert flow.close() == 4
    assert len(flow.ledger()) == 1


def test_evidence_that_changes_while_there_is_no_result_needs_a_word(flow: Flow) -> None:
    made = put(flow.remote, dead)
    flow.close(*WHY)
    (made.run_dir(flow.remote) / "run.log").write_bytes(b"who writes here?\n")
    assert flow.close() == 4
    assert flow.close("--accept-changed-evidence", "the log was flushed late") == 1
    assert [row["corrects"] for row in flow.ledger()] == [None, 1]


# --- the real launcher, started over a real sshd
# ---------------------------------------------------------------------

GATE_PROGRAM = """\
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
Path(f"gate.{words['--decision-tag']}.pid").write_text(str(os.getpid()))
if "--daemonize" in words:
    if os.fork():
        os._exit(0)
    os.setsid()
print("at work", flush=True)
while not Path(words["--until"]).exists():
    time.sleep(0.05)
"""


class SshFlow(Flow):
    """A run on a workstation behind sshd, with this project's launcher; one factor, one tag."""

    def start(self, *gate: str, until: str = "go") -> int:
        words = shlex.join(["--factor", "momentum_12_1", "--until", until, *gate])
        return start_official_run.main(
            self.flags("--data", "prices.csv", "--threads", "1", "--gate", words)
        )

    @property
    def there(self) -> Path:
        [folder] = self.remote.glob(f"audit/workstation_runs/*_production_gates_{self.tag}")
        return folder

    @property
    def launcher(self) -> int:
        return int(json.loads((self.there / "run.pid").read_text())["pid"])

    @property
    def workload(self) -> int:
        """Give the gate program's process, which leads its group; there once it has written so."""
        file = self.remote / f"gate.{self.tag}.pid"
        wait_for(lambda: file.exists() and file.read_text())
        return int(file.read_text())

    def at_work(self) -> None:
        wait_for(lambda: "at work" in (self.there / "run.log").read_text())

    def alive(self) -> list[int]:
        """List the processes of this very run."""
        asked = ["ps", "-A", "-ww", "-o", "pid=,stat=,args="]
        listing = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        lines = [line.split(None, 2) for line in listing.splitlines()]
        return [
            int(pid)
            for pid, state, args in lines
            if f"tag {self.tag} " in f"{args} " and state[0] != "Z"
        ]

    def kill(self) -> None:
        for pid in self.alive():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended with another
        wait_for(lambda: not self.alive())


@pytest.fixture
def lay_out(remote: Path, local: Path, sshd: Sshd) -> Iterator[Callable[..., SshFlow]]:
    """Give runs to start on a workstation behind sshd; what is left of them at the end goes."""
    policy = json.loads((PROJECT / "configs/launcher_policy.json").read_text())
    policy |= {
        "preflight": {"min_cores": 1, "min_memory_gb": 0},
        "program": "gate.py",
        "leftover_seconds": 1,
    }
    policy["data_quality"] |= {"min_rows": 1, "max_staleness_days": 100_000}
    for folder in ("configs", "scripts"):
        (remote / folder).mkdir()
    (remote / "configs/launcher_policy.json").write_text(json.dumps(policy))
    (remote / "gate.py").write_text(GATE_PROGRAM)
    (remote / "prices.csv").write_text("date,symbol,close\n2022-01-31,A,1.5\n")
    launcher = shlex.join([sys.executable, str(PROJECT / "scripts/workstation_official_run.py")])
    (remote / "scripts/workstation_official_run.sh").write_text(f'exec {launcher} "$@"\n')
    runs: list[SshFlow] = []

    def make(tag: str = TAG) -> SshFlow:
        runs.append(SshFlow(remote, local, sshd.host, tag))
        return runs[-1]

    yield make
    for run in runs:
        run.kill()


def test_a_run_started_over_ssh_outlives_the_server_that_let_it_in(
    lay_out: Callable[..., SshFlow], sshd: Sshd
) -> None:
    run = lay_out()
    station = workstation.connect(
        sshd.host, str(run.remote), {"connect_timeout_s": 10, "probe_timeout_s": 30}
    )
    words = [
        "bash",
        "scripts/workstation_official_run.sh",
        "--tag",
        TAG,
        "--skip-data-quality-check",
        "--threads",
        "1",
    ]
    code, output = station.launch([*words, "--", "--until", "go"])
    assert (code, run.there.name in output) == (0, True), output
    run.at_work()
    before = set(run.alive())
    assert {run.launcher, run.workload} <= before
    sshd.cut()  # the connection that started it is open still, and is killed
    sshd.stop()
    time.sleep(0.5)
    assert set(run.alive()) == before
    (run.remote / "go").touch()
    wait_for((run.there / "result.json").exists)
    sshd.start()
    station.close()
    assert json.loads((run.there / "result.json").read_text())["exit_code"] == 0
    assert run.monitor("--until", "complete") == 0


def test_a_connection_lost_while_the_data_are_checked_loses_no_run(
    lay_out: Callable[..., SshFlow], sshd: Sshd, capsys: pytest.CaptureFixture[str]
) -> None:
    run = lay_out()
    rows = "".join(f"2022-01-31,A{number},1.5\n" for number in range(600_000))
    (run.remote / "prices.csv").write_text(f"date,symbol,close\n{rows}")
    with ThreadPoolExecutor(1) as apart:
        code = apart.submit(run.start)
        wait_for(lambda: list(run.remote.glob("audit/workstation_runs/*/data_quality.log")))
        sshd.drop()
        assert code.result() == 6
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"official run {run.tag}: expected the launcher's answer, found none (")
    assert f"see `make monitor-then-finalize TAG={run.tag} HOST=" in line
    assert line.endswith("before it is started again")
    assert not (run.there / "context.json").exists(), "it was on its way"
    wait_for((run.there / "run.log").exists)
    run.at_work()
    assert run.monitor("--once") == 10
    (run.remote / "go").touch()
    assert run.monitor("--until", "complete") == 0


def test_a_run_that_is_killed_whole_is_dead_and_closed_by_the_command_that_is_shown(
    lay_out: Callable[..., SshFlow], capsys: pytest.CaptureFixture[str]
) -> None:
    run = lay_out()
    assert run.start() == 0
    run.at_work()
    workload = run.workload
    os.kill(run.launcher, signal.SIGKILL)  # it cannot write a result any more
    assert run.monitor("--once") == 10, "its workload goes on"
    assert run.close(*WHY) == 10
    os.killpg(workload, signal.SIGKILL)
    run.kill()
    capsys.readouterr()
    assert run.monitor() == 7
    line = capsys.readouterr().err.splitlines()[-1]
    assert not (run.there / "result.json").exists()
    # A program of its own, as a user would paste it.
    command = [sys.executable, "scripts/post_run_sync_and_finalize.py"]
    command += pasted(line, "killed by a test")
    process = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
    assert process.returncode == 1
    assert run.ledger()[0]["reasons"] == ["abandoned: killed by a test", "no gate report"]


def test_a_killed_workload_leaves_a_result_and_is_closed_as_usual(
    lay_out: Callable[..., SshFlow],
) -> None:
    run = lay_out()
    assert run.start() == 0
    run.at_work()
    os.kill(run.workload, signal.SIGKILL)
    assert run.monitor() == 1
    assert run.ledger()[0]["reasons"] == ["exit code 137", "no gate report"]
    assert run.close(*WHY) == 1
    assert run.ledger()[1]["reasons"] == [WHY_IN_LEDGER, "exit code 137", "no gate report"]


def test_a_workload_that_daemonizes_is_waited_for_with_and_without_its_launcher(
    lay_out: Callable[..., SshFlow],
) -> None:
    run = lay_out()
    assert run.start("--daemonize", "yes") == 0
    run.at_work()
    wait_for((run.there / "result.json").exists)
    # The result is the last thing that the launcher writes; then it ends.
    wait_for(lambda: run.launcher not in run.alive())
    [daemon] = run.alive()
    assert os.getsid(daemon) == daemon != run.workload
    assert run.monitor("--once") == 10
    assert run.close() == 10
    (run.there / "result.json").unlink()  # as if the launcher had been killed in time
    assert run.monitor("--once") == 10
    assert run.close(*WHY) == 10
    run.kill()
    assert run.monitor() == 7
    assert run.close(*WHY) == 1


def test_of_two_runs_of_one_factor_side_by_side_each_has_its_own_end(
    lay_out: Callable[..., SshFlow],
) -> None:
    one, other = lay_out(TAG), lay_out(f"{TAG}0")
    for run in (one, other):
        assert run.start(until=f"go.{run.tag}") == 0
        run.at_work()
    assert other.start() == 5, "its tag is taken"
    assert (one.monitor("--once"), other.monitor("--once")) == (10, 10)
    one.kill()
    assert one.monitor() == 7
    assert one.close(*WHY) == 1
    assert other.monitor("--once") == 10
    assert other.close(*WHY) == 10
    (other.remote / f"go.{other.tag}").touch()
    assert other.monitor() == 3, "a gate program that leaves no report, and says that it ended well"
    assert other.ledger() == []
    assert other.close(*WHY) == 1
    assert one.ledger()[0]["reasons"][0] == WHY_IN_LEDGER
    assert other.ledger()[0]["reasons"] == [WHY_IN_LEDGER, "no gate report"]


def test_the_documented_line_closes_it(flow: Flow) -> None:
    """Make, the real one, with words that a shell or make could take for more."""
    put(flow.remote, dead)
    reason = "$(shell touch pwned) `touch pwned` the host's disk"
    where = {
        "TAG": TAG,
        "HOST": "local",
        "REMOTE_ROOT": str(flow.remote),
        "LOCAL_ROOT": str(flow.local),
    }
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    words = [f"{name}={value}" for name, value in (where | {"ABANDONED": reason}).items()]
    line = [
        str(shutil.which("make")),
        "--no-print-directory",
        f"PY={sys.executable}",
        "RUN=",
        "finalize",
        *words,
    ]
    done = subprocess.run(line, cwd=PROJECT, env=clean, capture_output=True, text=True, check=False)
    assert "Error 1" in done.stderr, done.stderr
    assert flow.ledger()[0]["reasons"][0] == f"abandoned: {reason}"
    assert not (PROJECT / "pwned").exists()
