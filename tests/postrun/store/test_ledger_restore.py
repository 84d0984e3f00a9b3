"""Which rows fit into the chain, and which are lost. See also tests/scripts/test_restore_ledger.py,
with signed files.
"""

import hashlib
from typing import Any

import pytest

from postrun.store import json_files
from postrun.store.ledger_restore import Restored, Sources, restore

ROW = {
    "schema_version": 1,
    "date": "2026-02-21",
    "stage": "gates",
    "decision_tag": "a",
    "owner": None,
    "objective": None,
    "command_ref": None,
    "artifact_ref": "gate_results/x/production_gates_report.json",
    "result": "pass",
    "next_action": "audit it",
    "run": "2026-02-21_031500_production_gates_a",
    "evidence_sha256": "0" * 64,
    "reasons": [],
    "corrects": None,
    "recorded_at": "2026-02-21T10:00:00Z",
}


def digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def chain(length: int, **changes: Any) -> list[bytes]:
    """Return the lines of a ledger; the changes are those of every row."""
    lines: list[bytes] = []
    for number in range(1, length + 1):
        previous = digest(lines[-1]) if lines else None
        row = {**ROW, "number": number, "previous_sha256": previous, **changes}
        lines.append(json_files.encode_line(row).removesuffix(b"\n"))
    return lines


def restored(*lines: bytes, last_row: str | None = None, **heads: str) -> Restored:
    sources = Sources(last_row=last_row)
    for line in lines:
        sources.add(line)
    sources.heads.update({int(name.removeprefix("row")): head for name, head in heads.items()})
    return restore(sources)


WHOLE = chain(5)
OTHER = chain(5, owner="somebody else")


def test_rows_in_any_order_make_the_chain() -> None:
    assert restored(*reversed(WHOLE)) == Restored(WHOLE, [])
    assert restored(*WHOLE, *WHOLE, b"no row", b"{}") == Restored(WHOLE, [])
    assert restored() == Restored([], [])


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_a_row_without_a_copy_is_named(lost: int) -> None:
    left = [line for number, line in enumerate(WHOLE, start=1) if number != lost]
    assert restored(*left).missing == [lost]


def test_several_are_named() -> None:
    assert restored(WHOLE[2]).missing == [1, 2]
    assert restored(WHOLE[0], WHOLE[4]).missing == [2, 3, 4]


def test_a_row_that_was_changed_is_lost_unless_a_copy_is_left() -> None:
    edited = [*WHOLE[:2], OTHER[2].replace(digest(OTHER[1]).encode(), digest(WHOLE[1]).encode())]
    assert restored(*edited, *WHOLE[3:]).missing == [3]
    assert restored(*edited, *WHOLE[2:]) == Restored(WHOLE, [])


def test_the_end_is_known_from_the_view_and_from_what_names_a_row() -> None:
    assert restored(*WHOLE[:4], last_row=digest(WHOLE[4])).missing == [5]
    assert restored(*WHOLE[:4], row5=digest(WHOLE[4])).missing == [5]
    behind = restored(*WHOLE, last_row=digest(WHOLE[1]))
    assert behind == Restored(WHOLE, []), "a view may be behind"


def test_of_two_chains_the_one_that_is_named_counts() -> None:
    assert restored(*OTHER, *WHOLE, last_row=digest(WHOLE[4])).lines == WHOLE
    assert restored(*OTHER, *WHOLE, row3=digest(WHOLE[2])).lines == WHOLE
    assert restored(*WHOLE, *OTHER, row5=digest(OTHER[4])).lines == OTHER
