"""The results of an audit's checks, as governance_audit_check.json lists them."""

from postrun.core.values import Json

# ERROR: the check itself could not run. SKIPPED: a check that it requires did not pass.
PASS, FAIL, ERROR, SKIPPED = "pass", "fail", "error", "skipped"
_COUNTED = {FAIL: "failed", ERROR: "could not run", SKIPPED: "skipped"}

Rows = list[Json]


def failed(rows: Rows) -> Rows:
    """Return the checks that failed or could not run: what has to be repaired."""
    return [row for row in rows if row["answer"] in (FAIL, ERROR)]


def not_passed(rows: Rows) -> Rows:
    """Return the checks that did not pass, skipped ones included."""
    return [row for row in rows if row["answer"] != PASS]


def summary(rows: Rows) -> str:
    """Return the count in words, like "7 of 26 checks did not pass (3 failed, 4 skipped)"."""
    # Errors are ours, skips follow from a failure: a reader wants them apart.
    answers = [row["answer"] for row in rows]
    words = _COUNTED.items()
    counts = [f"{answers.count(answer)} {word}" for answer, word in words if answer in answers]
    if not counts:
        return f"all {len(rows)} checks passed"
    return f"{len(not_passed(rows))} of {len(rows)} checks did not pass ({', '.join(counts)})"
