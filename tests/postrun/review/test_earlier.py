"""A run among those before it: its place by score, and the runs of its factor."""

from pathlib import Path

from harness.archive import REGISTRY, registry_row
from postrun.review import earlier
from postrun.store import tables

NOW = "2026-02-22_000000_production_gates_c"


def rows() -> list[dict[str, object]]:
    days = {"a": ("momentum", 50.0), "b": ("value", 80.0), "d": ("momentum", 99.0)}
    made = []
    for day, (tag, (factor, total)) in enumerate(days.items(), start=20):
        date = day if tag != "d" else 25
        run = f"2026-02-{date}_000000_production_gates_{tag}"
        made.append({**registry_row(run, factor), "total": total})
    return made


def test_the_place_by_score_is_as_of_the_runs_name(local: Path) -> None:
    own = {**registry_row(NOW, "momentum"), "total": 80.0, "not_measured": "beta;q_value"}
    score = earlier.score(own, tables.of_rows(local, REGISTRY, rows()))
    assert (score["total"], score["place"], score["runs"]) == (80.0, 2, 3), "the earlier one first"
    assert score["not_measured"] == ["beta", "q_value"]


def test_earlier_runs_are_of_the_factor_and_newest_first(local: Path) -> None:
    own = registry_row(NOW, "momentum")
    registered = tables.of_rows(local, REGISTRY, [*rows(), own])
    found = earlier.newest(earlier.of_factor(own, registered))
    assert [row["run"][-1] for row in found["rows"]] == ["a"]
    assert earlier.of_factor(registry_row(NOW, None), registered) == []
    first = registry_row(str(rows()[0]["run"]), "momentum")
    assert earlier.of_factor(first, registered) == [], "later runs do not count"
    many = []
    for number in range(250):
        stamp = f"2026-01-01_00{number // 60:02d}{number % 60:02d}"
        many.append(registry_row(f"{stamp}_production_gates_x"))
    found = earlier.newest(earlier.of_factor(own, tables.of_rows(local, REGISTRY, many)))
    assert (found["runs"], len(found["rows"])) == (250, 200)
    assert found["rows"][0]["run"] > found["rows"][1]["run"]
