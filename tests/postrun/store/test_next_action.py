"""What is to be done after a decision."""

from typing import Any

import pytest

from postrun.store import next_action

PASS = {"result": "pass", "reasons": [], "next_action": "governance audit, then committee review"}
FAIL = {**PASS, "result": "fail", "reasons": ["overall_pass is false"]}
GIVEN_UP = {**FAIL, "reasons": ["abandoned: the machine was restarted", "no gate report"]}


@pytest.mark.parametrize(
    ("row", "audit_passed", "words"),
    [
        (PASS, None, "governance audit, then committee review"),
        (PASS, True, "committee review"),
        (PASS, False, next_action.REPAIR),
        (FAIL, False, next_action.REPAIR),
        (FAIL, True, next_action.NEXT_RUN),
        (GIVEN_UP, False, next_action.START_AGAIN),
    ],
)
def test_nobody_is_sent_to_an_audit_that_was_made(
    row: dict[str, Any], audit_passed: bool | None, words: str
) -> None:
    assert next_action.after(row, audit_passed) == words
