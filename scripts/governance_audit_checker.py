"""Ask every question of the catalogue about one run: is the record complete, and is it true?

Reads configs/governance_checks.json, the run folder, the gate folder, the stage ledger. Only files that the evidence
manifest lists count. What the gates decided is recorded and not judged: a factor that fails can have a clean record.
Writes governance_audit_check.json and .md into the run folder.
Exit code: 0 every check passed; 1 one did not; 3 the run is not here; 4 catalogue broken; 5 not clear which run.

    python scripts/governance_audit_checker.py --run-dir audit/workstation_runs/<run> \\
        --report-json gate_results/<gate>/production_gates_report.json
"""

from collections.abc import Mapping, Sequence
from typing import Any

from postrun import cli
from postrun.audit import QUESTIONS
from postrun.audit.facts import Answer, Ask, Facts
from postrun.audit.observe import observe
from postrun.core import values
from postrun.core.artifacts import Home
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.decide import gates
from postrun.decide.gates import Reading
from postrun.store import check_catalogue, json_files, page_files
from postrun.store.check_catalogue import Check

NOUN = "governance_audit_check"
PASS, FAIL, SKIPPED, ERROR = "pass", "fail", "skipped", "error"
_UNABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # what odd documents do to a check


def audit(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Audit one run and write down every answer. Raises Missing, Invalid, Unclear."""
    if not run_paths.folder(Home.RUN).is_dir():
        raise Missing(
            run_paths.folder(Home.RUN),
            "a run folder",
            "nothing there",
            "sync the run first: make sync-run TAG=...",
        )
    facts = observe(run_paths, request.tag)
    document = json_files.write(
        run_paths, NOUN, record(facts, matched(check_catalogue.checks()), QUESTIONS)
    )
    page = run_paths.path(NOUN, ".md")
    page_files.write(page, f"{NOUN}.md", **document)
    return StepResult(_words(document), (run_paths.path(NOUN), page), passed=document["passed"])


def matched(checks: Mapping[str, Check]) -> Mapping[str, Check]:
    """Let a catalogue through that asks exactly the questions that have code. Raises Invalid."""
    odd = sorted(checks.keys() ^ QUESTIONS.keys())
    if odd:
        raise Invalid(
            "governance_checks.json",
            "one entry for each check in the code",
            f"no match for {', '.join(odd)}",
        )
    return checks


def record(
    facts: Facts, checks: Mapping[str, Check], questions: Mapping[str, Ask]
) -> dict[str, Any]:
    """Ask every check of the catalogue, in its order."""
    rows: dict[str, dict[str, Any]] = {}
    for check in checks.values():
        lacking = [needed for needed in check.requires if rows[needed]["answer"] != PASS]
        rows[check.id] = (
            _skip(check, lacking) if lacking else _ask(check, questions[check.id], facts)
        )
    overall = values.boolean(gates.gates(facts.report.value).get(gates.OVERALL))
    return {
        "run_folder": facts.run_paths.run,
        "gate_folder": facts.run_paths.gate,
        "decision_tag": facts.name.tag,
        "factor": facts.factor,
        "owner": facts.owner,
        "overall_pass": overall,
        "failed_gates": [_gate(reading) for reading in gates.failed(facts.report.value)],
        "passed": all(row["answer"] == PASS for row in rows.values()),
        "checks": list(rows.values()),
        "not_finite": _not_finite(facts),
    }


def _gate(reading: Reading) -> dict[str, Any]:
    shown = ("gate", "metric", "comparison", "observed", "threshold", "margin")
    return {name: getattr(reading, name) for name in shown}


def _skip(check: Check, lacking: Sequence[str]) -> dict[str, Any]:
    why = Answer(
        False, f"yes to {', '.join(check.requires)}", f"no yes to {', '.join(lacking)}", None
    )
    return _row(check, SKIPPED, why)


def _ask(check: Check, ask: Ask, facts: Facts) -> dict[str, Any]:
    try:
        answer = ask(facts)
    except _UNABLE as trouble:
        unable = Answer(
            False, "a question that can be asked", f"{type(trouble).__name__}: {trouble}", None
        )
        return _row(check, ERROR, unable)
    return _row(check, PASS if answer.passed else FAIL, answer)


def _row(check: Check, answer: str, given: Answer) -> dict[str, Any]:
    said = {
        "answer": answer,
        "expected": given.expected,
        "observed": given.observed,
        "evidence": given.evidence,
    }
    asked = {name: getattr(check, name) for name in ("id", "question", "family", "severity")}
    return {**asked, **said}


def _not_finite(facts: Facts) -> list[dict[str, str]]:
    documents = (
        facts.preflight,
        facts.context,
        facts.result,
        facts.data_quality,
        facts.report,
        facts.statistics,
    )
    return [{"path": str(seen.path), "where": where} for seen in documents for where in seen.odd]


def _words(document: Mapping[str, Any]) -> str:
    rows = document["checks"]
    no = [row["id"] for row in rows if row["answer"] in (FAIL, ERROR)]
    skipped = sum(row["answer"] == SKIPPED for row in rows)
    if not no:
        return f"{len(rows)} checks passed"
    return f"{len(no)} of {len(rows)} checks failed: {', '.join(no)}" + (
        f"; {skipped} skipped" if skipped else ""
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run this step alone."""
    return cli.step_main(audit, __doc__, argv)


if __name__ == "__main__":
    raise SystemExit(main())
