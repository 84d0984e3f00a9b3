"""Rows of the index: each has a digest of all its values, and one of those that stay."""

from pathlib import Path
from typing import Any

from postrun.registry.trials import TRIALS
from postrun.store import tables
from postrun.store.json_files import columns
from postrun.store.table_index import DIGITS, Digests, IndexedTable


def row(run: str, family: str | None = "value", **changes: Any) -> dict[str, Any]:
    return {**dict.fromkeys(columns(TRIALS)), "run": run, "family": family, **changes}


def table(root: Path, *rows: dict[str, Any]) -> IndexedTable:
    return tables.of_rows(root, TRIALS, list(rows))


def test_digests_are_in_the_order_of_the_runs(tmp_path: Path) -> None:
    found = table(tmp_path, row("b"), row("c", "size"), row("a"), row("d", None)).digests_by(
        "family"
    )
    assert found.keys() == {"value", "size"}
    assert len(found["value"].whole) == 2 * DIGITS
    ordered = table(tmp_path, row("a"), row("b"), row("c", "size"))
    assert ordered.digests_by("family") == found


def test_what_other_closings_change_is_in_one_digest_only(tmp_path: Path) -> None:
    def digests(**changes: Any) -> Digests:
        return table(tmp_path, row("a", **changes)).digests_by("family")["value"]

    before = digests()
    now = digests(p_family_now=0.1)
    assert (now.whole != before.whole, now.lasting == before.lasting) == (True, True)
    as_of = digests(p_family=0.1)
    assert (as_of.whole != before.whole, as_of.lasting != before.lasting) == (True, True)


def test_a_row_that_is_put_has_the_digest_of_one_that_was_there(tmp_path: Path) -> None:
    whole = table(tmp_path, row("a"), row("b", basis="two\nlines", p_raw=0.1))
    expected = whole.digests_by("family")
    grown = table(tmp_path, row("a"))
    grown.count()
    grown.put({2: row("b", basis="two\nlines", p_raw=0.1)}, whole.content)
    assert grown.digests_by("family") == expected


def test_rows_are_selected_by_many_keys(tmp_path: Path) -> None:
    found = table(tmp_path, row("a"), row("b"), row("c"))
    assert [row["run"] for row in found.select_each("run", ["c", "a", "x"])] == ["a", "c"]
