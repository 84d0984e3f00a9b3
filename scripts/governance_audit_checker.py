"""Audit one run: is its record complete, and is it true?

Reads configs/governance_checks.json and configs/statistics_policy.json, the run folder, the gate
folder and the stage ledger, and only files that the evidence manifest lists. Whether the gates
passed is recorded and does not matter here: the record of a factor that fails can be complete and
true.
Writes governance_audit_check.json and .md into the run folder, and the final summary again, with
the answer; the ledger gets a row with it when the step is signed off.
Exit code: 0 every check passed; 1 one did not; 3 the run is not here; 4 catalogue or policy is
broken, or a file is not as it was recorded; 5 it is not clear which run is meant.

    python scripts/governance_audit_checker.py --run-dir audit/workstation_runs/<run> \\
        --report-json gate_results/<gate>/production_gates_report.json
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target)
FLAGS.answer_help(__name__)

from collections.abc import Mapping

from postrun import cli
from postrun.audit import CHECKS
from postrun.audit.answers import Answer
from postrun.audit.facts import Facts, Unreadable
from postrun.audit.observe import observe
from postrun.core import disk, values
from postrun.core.artifacts import Home
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.decide import check_results, gates
from postrun.decide.check_results import ERROR, FAIL, PASS, SKIPPED
from postrun.store import check_catalogue, page_files
from postrun.store.check_catalogue import Check
from postrun.summary import page

ARTIFACT = "governance_audit_check"
_SYNC = "sync the run first: make sync-run TAG=..."

Catalogue = Mapping[str, Check]

# What a document of unexpected shape can raise inside a check.
_CHECK_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def audit(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Audit one run and write every answer down; return whether all checks passed.

    Raises Missing, Invalid, AmbiguousRun.
    """
    run_folder = run_paths.folder(Home.RUN)
    if not disk.is_folder(run_folder):
        raise Missing(run_folder, "a run folder", "nothing there", _SYNC)
    # Everything is read first: no check opens a file.
    facts = observe(run_paths, request.tag)
    catalogue = check_catalogue.checks()
    answers = record(facts, catalogue)
    document, written = page_files.write_formats(run_paths, ARTIFACT, answers)
    passed = document["passed"]
    decisions = facts.ledger.value
    if facts.has_summary and decisions:
        newest = decisions[-1]
        page.write(run_paths, newest, passed)
        summary_path = run_paths.path(page.SUMMARY)
        written += (summary_path,)
    checks = document["checks"]
    return StepResult(_summary(checks), written, passed)


def matched(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue when it lists exactly the checks that have code. Raises Invalid."""
    without_match = catalogue.keys() ^ CHECKS.keys()
    if without_match:
        names = ", ".join(sorted(without_match))
        expected = "one entry for each check in the code"
        raise Invalid("governance_checks.json", expected, f"no match for {names}")
    return catalogue


def record(facts: Facts, catalogue: Catalogue) -> Json:
    """Return the audit of one run: every check of the catalogue, in its order."""
    passed: set[str] = set()
    rows = []
    for check in matched(catalogue).values():
        # The checks that a check requires stand above it, so they have run already.
        unmet = [name for name in check.requires if name not in passed]
        row = _skip(check, unmet) if unmet else _run(check, facts)
        if row["answer"] == PASS:
            passed.add(check.id)
        rows.append(row)
    report = facts.report.value
    overall_pass = gates.overall(report)
    failed_gates = gates.failed(report)
    return {
        "run_folder": facts.run_paths.run,
        "gate_folder": facts.run_paths.gate,
        "decision_tag": facts.tag,
        "factor": facts.factor,
        "owner": facts.owner,
        "overall_pass": values.boolean(overall_pass),
        "failed_gates": list(map(gates.numbers, failed_gates)),
        "passed": len(passed) == len(rows),
        "checks": rows,
        "not_finite": _not_finite(facts),
    }


def _skip(check: Check, unmet: list[str]) -> Json:
    expected = f"a pass of {', '.join(check.requires)}"
    observed = f"{', '.join(unmet)} did not pass"
    answer = Answer(False, expected, observed, None)
    return _row(check, SKIPPED, answer)


def _run(check: Check, facts: Facts) -> Json:
    # A file that cannot be read is a fault of the record; a check that breaks is one of ours.
    function = CHECKS[check.id]
    try:
        answer = function(facts)
    except Unreadable as error:
        problem = str(error)
        answer = Answer(False, "a file that can be read", problem, error.path)
    except _CHECK_ERRORS as error:
        observed = f"{type(error).__name__}: {error}"
        answer = Answer(False, "a check that can run", observed, None)
        return _row(check, ERROR, answer)
    if answer.passed:
        return _row(check, PASS, answer)
    return _row(check, FAIL, answer)


def _row(check: Check, result: str, answer: Answer) -> Json:
    return {
        "id": check.id,
        "question": check.question,
        "family": check.family,
        "severity": check.severity,
        "answer": result,
        "expected": answer.expected,
        "observed": answer.observed,
        "evidence": answer.evidence,
    }


def _not_finite(facts: Facts) -> list[Json]:
    """Return every place at which a document held NaN or Infinity."""
    documents = (
        facts.preflight,
        facts.context,
        facts.result,
        facts.data_quality,
        facts.report,
        facts.statistics,
        facts.windows,
        facts.costs,
        facts.significance,
        facts.ics_by_date,
    )
    places = []
    for document in filter(None, documents):
        for where, number in document.not_finite.items():
            places.append({"path": document.path, "where": where, "value": number})
    return places


def _summary(checks: list[Json]) -> str:
    counts = check_results.summary(checks)
    failed = check_results.failed(checks)
    if not failed:
        return counts
    names = ", ".join(row["id"] for row in failed)
    return f"{counts}: {names}"


def main(argv: flags.Argv = None) -> int:
    """Run this step alone."""
    return cli.step_main(audit, FLAGS, argv, name="governance-audit")


if __name__ == "__main__":
    raise SystemExit(main())
