"""What the pictures of the registry show: each question is asked of what was left before."""

from pathlib import Path
from typing import Any

from harness.archive import registry_row, run_folder
from harness.verified import ClosedRuns
from postrun.decide import intervals, window_series
from postrun.overview import registry_charts, site_tables
from postrun.overview.site_pages import Maker
from postrun.overview.standings import REGISTRY
from postrun.registry.trials import TRIALS
from postrun.store import configuration, tables
from postrun.store.json_files import columns
from postrun.store.table_index import IndexedTable

POLICY = configuration.load("statistics_policy")
GOOD: dict[str, Any] = {"overall_pass": True, "audit_passed": True, "verdict": "survives"}


def run(p_raw: float | None = 0.001, p_family: float | None = 0.01, **changes: Any) -> Any:
    luck = {"p_raw": p_raw, "p_family": p_family, "repeats": changes.pop("repeats", None)}
    return {**GOOD, **changes}, luck


def written(root: Path, *runs: Any) -> tuple[IndexedTable, IndexedTable]:
    """Return registry and trials with these runs."""
    registered = []
    judged = []
    for number, (row, luck) in enumerate(runs):
        folder = run_folder(f"2026-01-{number + 1:02}_000000")
        registered.append(registry_row(folder, **row))
        judged.append({**dict.fromkeys(columns(TRIALS)), "run": folder, **luck})
    return tables.of_rows(root, REGISTRY, registered), tables.of_rows(root, TRIALS, judged)


def test_what_is_left_of_the_closed_runs(tmp_path: Path) -> None:
    tables_of_runs = written(
        tmp_path,
        run(),
        run(verdict="does_not_survive"),
        run(p_family=0.011),
        run(p_raw=0.02, p_family=0.02),
        run(p_raw=None, p_family=None, verdict="not_measured"),
        run(audit_passed=False),
        run(overall_pass=None),
    )
    stages = registry_charts.funnel(*tables_of_runs, POLICY)
    assert [row["runs"] for row in stages] == [7, 6, 5, 3, 2, 1]
    nothing = written(tmp_path)
    assert [row["runs"] for row in registry_charts.funnel(*nothing, POLICY)] == [0] * 6


def test_every_trial_with_a_p_is_in_one_class(tmp_path: Path) -> None:
    runs = [run(p) for p in (0.0, 0.049, 0.05, 0.05, 1.0, None)]
    _, judged = written(tmp_path, *runs, run(0.5, repeats="first"))
    found = registry_charts.p_values(judged)
    assert found is not None
    counts = [row["trials"] for row in found["classes"]]
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (2, 2, 1, 5)
    assert found["by_luck"] == 5 / 20
    _, judged = written(tmp_path, run(None))
    assert registry_charts.p_values(judged) is None


def test_a_family_has_the_mean_of_its_best_trial(closed: ClosedRuns) -> None:
    shown = site_tables.read(closed.root)
    pages = {page.name: page for page in Maker(shown).pages()}
    (family,) = pages["families.html"].content["rows"]
    (best,) = shown.registry.select("run = ?", [family["best_run"]])
    ics = list(window_series.decode(best["series"]).values())
    interval = intervals.student_interval(ics)
    assert family["mean"] == best["wf_mean"]
    assert family["interval"] == {"low": interval.low, "high": interval.high}


def test_of_very_many_families_those_with_the_least_p_are_drawn() -> None:
    families: list[dict[str, Any]] = []
    for number in range(40):
        interval = {"low": 0.0, "high": 1.0}
        families.append({"family": f"f{number}", "p": number / 40, "interval": interval})
    families[0]["interval"] = None
    drawn = registry_charts.drawn(families[::-1])
    assert [row["family"] for row in drawn] == [f"f{number}" for number in range(1, 31)]
