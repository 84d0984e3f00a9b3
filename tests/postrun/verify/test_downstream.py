"""What hangs on a broken file, by the inputs in the records."""

from typing import Any

from postrun.verify.downstream import Dependencies, add_affected
from postrun.verify.findings import broken, listed


def made(path: str, *sources: str, rows: int | None = None) -> dict[str, Any]:
    inputs = [{"path": source, "sha256": "0" * 64, "rows": rows} for source in sources]
    return {"path": path, "inputs": inputs}


RECORDS = (
    {"files": [made("audit.json", "evidence", "ledger"), made("plan.json", "audit.json")]},
    {"files": [made("registry", "audit.json", "plan.json"), made("queue", "registry")]},
    {"files": [made("other/review", "registry", rows=1), made("other/audit", "ledger")]},
)


def test_everything_downstream_of_a_file() -> None:
    dependencies = Dependencies(RECORDS)
    assert dependencies.affected_by("evidence") == ("audit.json", "plan.json", "queue", "registry")
    assert dependencies.affected_by("queue") == ()


def test_a_page_that_used_some_rows_hangs_on_the_table_itself_only() -> None:
    dependencies = Dependencies(RECORDS)
    assert dependencies.affected_by("registry") == ("other/review", "queue")
    assert "other/review" not in dependencies.affected_by("plan.json")


def test_files_that_were_made_from_each_other_end() -> None:
    circle = {"files": [made("a", "b"), made("b", "a")]}
    assert Dependencies([circle]).affected_by("a") == ("b",)


def test_only_a_broken_link_has_anything_hang_on_it() -> None:
    findings = [broken("ledger", "x", "y"), listed("plan.json", "x", "y")]
    affected, same = add_affected(findings, RECORDS)
    assert affected.affects == ("audit.json", "other/audit", "plan.json", "queue", "registry")
    assert same == findings[1]
