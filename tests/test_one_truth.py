"""One truth on every page: the same fact is read back from each page that says it, and compared."""

import csv
import html
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import compare_runs
import list_families
import post_run_sync_and_finalize as conductor
import show_status
from harness.workspace import location_flags
from postrun.core.locations import PROJECT
from postrun.store import configuration, site_files

sys.path.append(str(PROJECT / "examples"))

from made_runs import Documents, good_ics, made_run, worthless_ics

GATE = "production_gates_2026-01-05_031700"
STAMP = "2026-01-05_031500"
NOT_COUNTED = "not counted: abandoned"


class Pages:
    """Every page of a workspace of one closed run."""

    def __init__(self, root: Path, tag: str) -> None:
        self.root = root
        self.run = f"{STAMP}_production_gates_{tag}"
        run, registry = f"audit/workstation_runs/{self.run}", "audit/factor_registry"
        self.gate = f"gate_results/{GATE}"
        if not (root / self.gate).is_dir():
            self.gate = run
        self.log = self.text("docs/production_research/STAGE_AUDIT_LOG.md")
        self.summary = self.text(f"{self.gate}/production_gates_final_summary.md")
        self.audit = self.text(f"{run}/governance_audit_check.md")
        self.remedies = self.text(f"{run}/governance_remediation_plan.md")
        self.review = self.text(f"{self.gate}/production_gates_run_review.md")
        self.board = self.text(f"{registry}/factor_experiment_leaderboard.md")
        self.queue = self.text(f"{registry}/factor_candidate_queue.md")
        self.plan = self.text(f"{registry}/next_run_plan.md")
        self.patterns = self.text("audit/failure_patterns/failure_pattern_summary.md")
        self.handoff = self.text("audit/session_handoff/handoff_readiness.md")
        self.audited = self.document(f"{run}/governance_audit_check.json")
        self.reviewed = self.document(f"{self.gate}/production_gates_run_review.json")
        rows = csv.DictReader(self.text(f"{registry}/factor_experiment_registry.csv").splitlines())
        (self.registered,) = rows

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def document(self, path: str) -> Any:
        return json.loads(self.text(path))


def found(pattern: str, page: str) -> str:
    """Return the only thing that a pattern finds in a page."""
    (text,) = {match[1] for match in re.finditer(pattern, page, re.MULTILINE)}
    return text


@pytest.fixture
def close(remote: Path, local: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return a function that closes one run and returns its pages, last line and status."""

    def one_run(made: Documents, *flags: str) -> tuple[Pages, str, dict[str, Any]]:
        made.write(remote)
        where = location_flags(remote, local)
        assert conductor.main(["--tag", made.tag, *where, *flags]) in (0, 1)
        line = capsys.readouterr().out.splitlines()[-1]
        assert show_status.main(["--local-root", str(local), "--json"]) == 0
        (status,) = json.loads(capsys.readouterr().out)["runs"]
        return Pages(local, made.tag), line, status

    return one_run


def check_pages(pages: Pages, line: str, status: dict[str, Any], result: str) -> None:
    """Compare what every page says of a run."""
    passed = pages.audited["passed"]
    answer = "passed" if passed else "failed"
    short = "pass" if passed else "fail"
    run = rf"`{pages.run}`"
    # The result.
    assert found(r"^\*\*Result: (\w+)\*\*", pages.summary) == result
    assert pages.reviewed["decision"]["result"] == status["result"] == result
    assert line.startswith(f"closed: {result.upper()}")
    # The audit's answer, and nobody is sent to an audit that was made.
    assert found(r"^\| audit \| (.*) \|", pages.summary) == answer
    row = next(text for text in pages.log.splitlines() if pages.run in text)
    assert row.endswith(f"| {short} |")
    for text in (row, pages.summary.partition("## What next")[2]):
        assert "governance audit" not in text
        assert "make governance-audit" not in text
    assert f"audit {answer}" in line
    assert (status["audit_passed"], pages.registered["audit_passed"]) == (
        passed,
        str(passed).lower(),
    )
    assert pages.reviewed["governance"]["passed"] is passed
    assert found(rf"^\| {run} \|[^|]*\|[^|]*\| (\w+) \|", pages.handoff) == short
    # Counts of checks.
    answers = [check["answer"] for check in pages.audited["checks"]]
    counted = re.search(
        r"(\d+) of (\d+) checks passed, (\d+) failed, (\d+) could not run, (\d+) skipped",
        pages.audit,
    )
    assert counted
    names = ("pass", "fail", "error", "skipped")
    assert [int(counted[place]) for place in (1, 3, 4, 5)] == [answers.count(x) for x in names]
    assert len(pages.reviewed["governance"]["not_passed"]) == len(answers) - answers.count("pass")
    failures = answers.count("fail") + answers.count("error")
    assert pages.remedies.count("\n- do: ") == failures
    if failures:
        assert found(r"^(\d+) to repair", pages.remedies) == str(failures)
        assert found(r"^(\d+) failures in", pages.patterns) == str(failures)
    # The score, the decision.
    score = f"{float(pages.registered['total']):.1f}"
    decision = pages.registered["decision"]
    assert f"| {score} | {decision} |" in pages.board
    assert f"| {score} | {decision} |" in pages.handoff
    assert decision in line
    assert status["decision"] == decision


def test_a_fail_is_the_same_on_every_page(close: Callable[..., Any]) -> None:
    pages, line, status = close(made_run("fail", STAMP, "made_a", worthless_ics(6)))
    check_pages(pages, line, status, "fail")
    failed = [gate["gate"] for gate in pages.reviewed["gates"] if gate["verdict"] is False]
    failed.remove("overall_pass")
    assert [gate["gate"] for gate in pages.audited["failed_gates"]] == failed
    assert re.findall(r"^- Failed gate (\w+):", pages.plan, re.MULTILINE) == failed
    assert f"FAIL, {len(failed)} gates" in line
    # A boolean gate that failed is "no".
    assert "stat_gate_factor_pass" in failed
    assert "`statistical_gates.factor_gate_pass` is no, threshold is yes" in pages.plan
    for page in (pages.audit, pages.remedies):
        assert re.search(r"stat_gate_factor_pass \| `[^`]*` \| no \| is yes \|", page)
    mean = f"{float(pages.registered['wf_mean']):.4f}"
    assert found(r"test IC, mean of the windows \| (\S+) \|", pages.summary) == mean
    assert f"| {mean} |" in pages.board
    assert f"{pages.reviewed['walk_forward']['test_ic_mean']:.4f}" == mean
    # Nothing that repeats its source run calls itself a new hypothesis.
    assert "differ: run unchanged, it tests no new hypothesis" in pages.plan
    assert "with_new_hypothesis after" not in pages.plan
    assert "# Session handoff: ready, but the next command is blocked" in pages.handoff


def test_a_failed_audit_is_the_same_on_every_page(close: Callable[..., Any]) -> None:
    made = made_run("audit", STAMP, "made_a", good_ics(1))
    made.cost_rows.clear()
    pages, line, status = close(made)
    check_pages(pages, line, status, "pass")
    high = found(r"^(\d+) High items? in the latest runs", pages.handoff)
    assert int(high) == status["high_items"] == int(pages.registered["high_items"])
    assert f"High items of the remediation plan: {high}" in pages.queue
    assert f"({high} High: " in line
    assert "`make finalize TAG=audit HOST=local LOCAL_ROOT=<this workspace>`" in pages.summary


def test_an_abandoned_run_is_the_same_on_every_page(close: Callable[..., Any]) -> None:
    made = made_run("dead", STAMP, "made_a", good_ics(1))
    made.result = made.report = None
    pages, line, status = close(made, "--abandoned", "the machine was restarted")
    check_pages(pages, line, status, "fail")
    for page in (pages.board, pages.summary, pages.review):
        assert NOT_COUNTED in page
    # Of its family it is true that nothing was measured.
    luck, rest = pages.board.split("## Families")
    _, measured = rest.split("## What was measured")
    assert "not measured |" not in luck
    assert "| not measured |" not in measured.splitlines()[-1]
    assert "start the run again under a new tag" in line
    assert "start the run again under a new tag" in pages.log
    assert "start the run again under a new tag" in pages.summary


def test_an_abandoned_run_beside_another(
    close: Callable[..., Any], remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_run("dead", STAMP, "made_a", good_ics(1))
    made.result = made.report = None
    close(made, "--abandoned", "the machine was restarted")
    made_run("good", "2026-01-06_031500", "made_a", good_ics(1)).write(remote)
    assert conductor.main(["--tag", "good", *location_flags(remote, local)]) in (0, 1)
    capsys.readouterr()
    assert compare_runs.main(["--tags", "dead good", "--local-root", str(local)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (mean,) = [line for line in lines if line.startswith("walk-forward test IC, mean")]
    assert re.search(rf"mean +{NOT_COUNTED} +0\.\d{{4}} \(not comparable\)$", mean)
    assert not [line for line in lines if re.search(" {2}not measured(  |$)", line)]


def test_declared_trials_are_on_every_page_of_their_family(
    remote: Path,
    local: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    declared = {"prior_trials": 7, "by": "mei & co", "when": "2026-01-02", "because": "a notebook"}
    load = configuration.load
    family = {"name": "blends", "factors": ["made_*"], **declared}
    changed = {**load("statistics_policy"), "families": [family]}
    monkeypatch.setattr(
        configuration,
        "load",
        lambda name: changed if name == "statistics_policy" else load(name),
    )
    made = made_run("declared", STAMP, "made_blend", good_ics(1))
    made.write(remote)
    assert conductor.main(["--tag", made.tag, *location_flags(remote, local)]) in (0, 1)
    capsys.readouterr()
    pages = Pages(local, made.tag)
    assert pages.reviewed["luck"]["declared"] == declared
    assert pages.reviewed["luck"]["trials"] == 8
    assert list_families.main(["--local-root", str(local)]) == 0
    texts = {
        "review": pages.review,
        "review.html": pages.text(f"{pages.gate}/production_gates_run_review.html"),
        "leaderboard": pages.board,
        "family": pages.text(f"audit/site/{site_files.family_page('blends')}"),
        "make families": capsys.readouterr().out,
    }
    number = "7 trials before or outside of this registry"
    sentence = f"{number}, declared by mei & co on 2026-01-02: a notebook"
    for name, text in texts.items():
        assert sentence in html.unescape(text), name


def test_every_page_with_a_p_says_what_it_rests_on(
    remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_run("assumed", STAMP, "made_value", good_ics(1))
    made.write(remote)
    assert conductor.main(["--tag", made.tag, *location_flags(remote, local)]) in (0, 1)
    assert list_families.main(["--local-root", str(local)]) == 0
    texts = {"make families": capsys.readouterr().out}
    for suffix in ("md", "html"):
        for path in local.rglob(f"*.{suffix}"):
            texts[str(path.relative_to(local))] = path.read_text()
    luck = r"luck as good|luck, (now|as of)|would look this good|q value"
    of_luck = {name for name, text in texts.items() if re.search(luck, text, re.IGNORECASE)}
    assert len(of_luck) > 5
    for name in of_luck:
        assert "lower bound" in texts[name], name
        assert re.search("[Ww]indows are taken as independent", texts[name]), name
