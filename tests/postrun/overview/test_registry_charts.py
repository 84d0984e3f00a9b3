"""What the pictures of the registry show: each question is asked of what was left before."""

from typing import Any

from harness.verified import ClosedRuns
from postrun.decide import intervals, window_series
from postrun.overview import registry_charts, site_tables
from postrun.store import configuration

POLICY = configuration.load("statistics_policy")
GOOD: dict[str, Any] = {
    "overall_pass": True,
    "audit_passed": True,
    "verdict": "survives",
    "luck": {"p_raw": 0.001, "p_family": 0.01, "repeats": None},
}


def run(p_raw: float | None = 0.001, p_family: float | None = 0.01, **changes: Any) -> Any:
    luck = {"p_raw": p_raw, "p_family": p_family, "repeats": None}
    return {**GOOD, "luck": luck, **changes}


def test_what_is_left_of_the_closed_runs() -> None:
    rows = [
        run(),
        run(verdict="does_not_survive"),
        run(p_family=0.011),
        run(p_raw=0.02, p_family=0.02),
        run(p_raw=None, p_family=None, verdict="not_measured"),
        run(audit_passed=False),
        run(overall_pass=None),
    ]
    stages = registry_charts.funnel(rows, POLICY)
    assert [row["runs"] for row in stages] == [7, 6, 5, 3, 2, 1]
    assert [row["runs"] for row in registry_charts.funnel([], POLICY)] == [0] * 6


def test_every_trial_with_a_p_is_in_one_class() -> None:
    rows = [run(p) for p in (0.0, 0.049, 0.05, 1.0, None)]
    repeated = run(0.5)
    repeated["luck"]["repeats"] = "first"
    found = registry_charts.p_values([*rows, repeated])
    assert found is not None
    counts = [row["trials"] for row in found["classes"]]
    assert (counts[0], counts[1], counts[-1], sum(counts)) == (2, 1, 1, 4)
    assert found["by_luck"] == 4 / 20
    assert registry_charts.p_values([run(None)]) is None


def test_a_family_has_the_mean_of_its_best_trial(closed: ClosedRuns) -> None:
    shown = site_tables.read(closed.root)
    families = shown.leaderboard["families"]
    (family,) = registry_charts.with_means(families, shown.runs, POLICY)
    best = shown.workspace.registry[family["best_run"]]
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
