"""The trials of all families: as of each run, today, and however the table grew."""

import random
import sys
from typing import Any

import numpy as np
import pytest

from harness.archive import registry_row, run_folder
from postrun.core import disk
from postrun.core.locations import PROJECT
from postrun.decide import multiple_testing, sign_flips, window_series
from postrun.registry import trials
from postrun.store import configuration

sys.path.append(str(PROJECT / "benchmarks"))

import trial_statistics

Row = dict[str, Any]
POLICY = configuration.load("statistics_policy")
YEARS = range(2013, 2026)
# Of a run's row, what later trials change.
NOW = ("trials_now", "rank_now", "p_family_now")


def row(day: int, factor: str | None, ics: list[float] | None = None, **changes: Any) -> Row:
    """Return a row of the registry with the series of these ICs, or without a series."""
    run = run_folder(f"2026-01-{day:02}_031500", f"t{day}")
    made = registry_row(run, factor, is_trial=True, windows_asked=13, wf_n=0)
    made["family"] = trials.family_of(factor, POLICY)
    if ics:
        series = {f"{year}-01-01|{year}-12-31": ic for year, ic in zip(YEARS, ics, strict=False)}
        made |= {
            "series": window_series.encode(series),
            "wf_n": len(ics),
            "wf_mean": float(np.mean(ics)),
            "wf_std": float(np.std(ics, ddof=1)),
        }
        made["wf_t"] = made["wf_mean"] / made["wf_std"] * len(ics) ** 0.5
    return made | changes


def ics(seed: int, mean: float = 0.0, number: int = 13) -> list[float]:
    made = np.random.default_rng(seed).normal(mean, 0.033, number)
    return [round(float(ic), 6) for ic in made]


def many(number: int, seed: int = 3) -> dict[str, Row]:
    """Return runs of three factors; every sixth has no series."""
    rows = {}
    for day in range(1, number + 1):
        found = None if day % 6 == 0 else ics(seed * 100 + day, 0.01)
        made = row(day, f"f{day % 3}", found)
        rows[made["run"]] = made
    return rows


def compute(rows: dict[str, Row], known: dict[str, Row] | None = None) -> trials.Statistics:
    return trials.compute(rows, POLICY, known or {})


def test_a_run_is_judged_by_what_has_a_name_up_to_its_own() -> None:
    rows = many(24)
    whole = compute(rows).trials
    for day in (5, 13, 24):
        until = dict(sorted(rows.items())[:day])
        then = compute(until).trials
        for run, luck in then.items():
            for name, value in luck.items():
                if name not in NOW:
                    assert whole[run][name] == value, (run, name)


def test_q_is_that_of_the_best_of_each_family_up_to_the_run() -> None:
    rows = many(20)
    whole = compute(rows).trials
    for day in range(1, 21):
        until = dict(sorted(rows.items())[:day])
        families = compute(until).families
        qs = multiple_testing.benjamini_yekutieli([family["p"] for family in families])
        for family, q in zip(families, qs, strict=True):
            assert family["q"] == q
        last = max(until)
        own = next(one for one in families if one["family"] == rows[last]["family"])
        assert whole[last]["q"] == pytest.approx(own["q"], rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_table_is_the_same_however_it_grew(seed: int) -> None:
    rows = many(18)
    order = list(rows)
    random.Random(seed).shuffle(order)
    known: dict[str, Row] = {}
    present: dict[str, Row] = {}
    for run in order:
        present[run] = rows[run]
        known = compute(present, known).trials
    assert known == compute(rows).trials
    # A run that is closed again with other numbers takes the place of the first ones.
    changed = row(7, "f1", ics(999))
    present[changed["run"]] = changed
    assert compute(present, known).trials == compute(present).trials


# So that few trials meet every branch: verdicts of both kinds, patterns that are drawn.
LENIENT = POLICY | {
    "patterns": {"all_up_to_keys": 13, "else": 1024},
    "levels": {"decision": 0.9, "families": {"method": "by", "q": 0.9}},
}


def grow(rows: Row, present: Row, run: str, so_far: trials.Statistics) -> trials.Statistics:
    """Return the statistics with one more run, from those so far and from nothing."""
    before = trials.Before(
        {run: row.copy() for run, row in present.items()},
        {family["family"]: family for family in so_far.families},
    )
    present[run] = rows[run]
    found = trials.compute(present, LENIENT, so_far.trials, before)
    plain = trials.compute(present, LENIENT, {})
    assert found.trials == plain.trials
    assert found.families == plain.families
    return found


def mixed(number: int, seed: int) -> dict[str, Row]:
    """Return runs of every kind: with months, too, repeated, no trials; from the twentieth on their
    family has more windows than all patterns are tried for.
    """
    luck = random.Random(seed)
    rows: dict[str, Row] = {}
    for day in range(1, number + 1):
        series = luck.choice([ics(day, 0.01), ics(day, 0.02), ics(day, number=11), ics(3), None])
        changes: Row = {}
        if luck.random() < 0.1:
            changes["is_trial"] = False
        if series and luck.random() < 0.8:
            changes["series_by_month"] = ";".join(
                f"20{year}-{month:02}={luck.gauss(0.01, 0.03):.12g}"
                for year in (13, 14)
                for month in (1, 5, 9)
            )
        made = row(day, luck.choice(["f", "f", "g", "h"]), series, **changes)
        if day > 19 and series:
            for year in range(2013, 2016):
                made["series"] = made["series"].replace(str(year), str(year - 20))
            made["series"] = ";".join(sorted(made["series"].split(";")))
        rows[made["run"]] = made
    return rows


@pytest.mark.parametrize("seed", range(8))
def test_what_is_computed_for_one_run_is_what_a_plain_computation_gives(seed: int) -> None:
    rows = mixed(26, seed)
    order = list(rows)
    if seed % 2:
        random.Random(seed).shuffle(order)
    present: dict[str, Row] = {}
    so_far = trials.Statistics({}, [])
    for run in order:
        so_far = grow(rows, present, run, so_far)
    # A run whose factor becomes known is one trial less of all other families.
    for run, changed in (("unknown", None), ("named", "g")):
        name = run_folder("2026-01-04_031500", run)
        rows[name] = row(4, changed, ics(77), run=name)
    named, unknown = sorted(rows.keys() - order)
    for source in (unknown, named):
        rows[unknown] = rows[source] | {"run": unknown}
        so_far = grow(rows, present, unknown, so_far)
    # Neither a run nor a family need stay.
    gone = {run: row for run, row in present.items() if row["factor"] != "h"}
    found = trials.compute(gone, LENIENT, so_far.trials)
    plain = trials.compute(gone, LENIENT, {})
    assert (found.trials, found.families) == (plain.trials, plain.families)


def test_an_identical_rerun_changes_no_p() -> None:
    first = [row(1, "f", ics(1)), row(2, "f", ics(2, 0.03)), row(3, "g", ics(3))]
    before = compute({one["run"]: one for one in first})
    again = row(4, "f", ics(2, 0.03))
    after = compute({one["run"]: one for one in [*first, again]})
    for run, luck in before.trials.items():
        assert after.trials[run]["p_family_now"] == luck["p_family_now"]
        assert after.trials[run]["p_family"] == luck["p_family"]
    repeated = after.trials[again["run"]]
    assert repeated["repeats"] == first[1]["run"]
    assert repeated["trials"] == 2
    assert [one["trials"] for one in after.families] == [2, 1]


def test_a_run_of_an_unknown_factor_is_a_trial_of_every_family() -> None:
    rows = [row(1, "f", ics(1, 0.03)), row(2, None), row(3, "g", ics(3)), row(4, "f", ics(4))]
    found = compute({one["run"]: one for one in rows})
    lucks = [found.trials[one["run"]] for one in rows]
    assert [luck["trials"] for luck in lucks] == [1, None, 2, 3]
    assert [luck["without_series"] for luck in lucks] == [0, None, 1, 1]
    assert (lucks[1]["verdict"], lucks[1]["p_family"]) == ("not_measured", None)
    assert [family["of_unknown_factor"] for family in found.families] == [1, 1]
    assert lucks[0]["p_family"] < lucks[0]["p_family_now"]


def test_what_was_no_trial_counts_nowhere() -> None:
    rows = [row(1, "f", ics(1)), row(2, "f", is_trial=False), row(3, None, is_trial=False)]
    found = compute({one["run"]: one for one in rows})
    assert [family["trials"] for family in found.families] == [1]
    assert found.trials[rows[1]["run"]]["trials"] is None


def test_declared_trials_and_factors_of_one_family() -> None:
    declared = {
        "name": "combo",
        "factors": ["combo_*", "blend"],
        "prior_trials": 5,
        "because": "a notebook",
        "by": "hui",
        "when": "2026-01-01",
    }
    policy = {**POLICY, "families": [declared]}
    rows = {}
    for day, factor in enumerate(("combo_1", "blend", "other"), start=1):
        made = row(day, factor, ics(day, 0.03))
        made["family"] = trials.family_of(factor, policy)
        rows[made["run"]] = made
    found = trials.compute(rows, policy, {})
    combo, other = found.families
    assert (combo["family"], combo["factors"]) == ("combo", "blend;combo_1")
    assert (combo["trials"], combo["prior_trials"]) == (7, 5)
    assert (other["trials"], other["prior_trials"]) == (1, 0)
    alone = trials.compute(rows, POLICY, {}).trials
    first = min(rows)
    assert found.trials[first]["p_family"] > alone[first]["p_family"]


def test_months_count_until_a_trial_has_none() -> None:
    months = ";".join(f"20{year}-{month:02}=0.0{month}" for year in (13, 14) for month in (1, 5, 9))
    rows = [
        row(1, "f", ics(1, 0.03), series_by_month=months),
        row(2, "f"),
        row(3, "f", ics(3, 0.03)),
        row(4, "f", ics(4, 0.03), series_by_month=months),
    ]
    found = compute({one["run"]: one for one in rows}).trials
    lucks = [found[one["run"]] for one in rows]
    assert [luck["basis"] for luck in lucks] == ["month", None, "window", "window"]
    # Six months that are all above zero: one pattern of 64 is as good.
    assert lucks[0]["p_family"] == 1 / 64
    windows = [one | {"series_by_month": None} for one in rows]
    plain = compute({one["run"]: one for one in windows}).trials
    assert lucks[2]["p_family"] == plain[rows[2]["run"]]["p_family"]
    assert lucks[0]["p_family_now"] == plain[rows[0]["run"]]["p_family_now"]


def test_another_policy_computes_every_row_again() -> None:
    rows = many(9)
    known = compute(rows).trials
    policy = {**POLICY, "least_windows": 20, "policy_version": 9}
    found = trials.compute(rows, policy, known)
    assert found.trials == trials.compute(rows, policy, {}).trials
    verdicts = {luck["verdict"] for luck in found.trials.values()}
    assert verdicts == {"too_few_windows", "not_measured"}


def test_a_family_says_how_many_windows_it_needs() -> None:
    rows = [row(1, "good", ics(1, 0.05)), row(2, "dead"), row(3, "bad", ics(5, -0.05))]
    bad, dead, good = compute({one["run"]: one for one in rows}).families
    assert good["best_run"] == rows[0]["run"]
    assert good["windows"] == 13
    assert good["windows_needed"] >= POLICY["least_windows"]
    assert (dead["best_run"], dead["p"], dead["windows"]) == (None, 1.0, None)
    assert bad["windows_needed"] is None


def test_the_newest_run_is_judged_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = many(23)
    newest = max(rows)
    others = {run: row for run, row in rows.items() if run != newest}
    known = compute(others)
    families = {family["family"]: family for family in known.families}
    before = trials.Before(others.copy(), families)
    counted: list[str] = []
    for owner, name in ((sign_flips._Family, "judge"), (sign_flips._Family, "take_known")):
        counting = getattr(owner, name)

        def noted(family: Any, trial: Any, *rest: Any, of: Any = counting, to: str = name) -> Any:
            counted.append(f"{to} {trial.run}")
            return of(family, trial, *rest)

        monkeypatch.setattr(owner, name, noted)
    digests: list[bytes] = []
    content_digest = disk.content_digest

    def noted_digest(content: bytes) -> str:
        digests.append(content)
        return content_digest(content)

    monkeypatch.setattr(disk, "content_digest", noted_digest)
    found = trials.compute(rows, POLICY, known.trials, before)
    own_family = rows[newest]["family"]
    expected = [f"take_known {run}" for run in others if rows[run]["family"] == own_family]
    assert counted == [*expected, f"judge {newest}"]
    # One of the policy, and one of the new row.
    assert len(digests) == 2
    monkeypatch.undo()
    assert found.trials == compute(rows).trials


@pytest.mark.nightly
def test_ten_thousand_trials_of_one_family_take_a_second() -> None:
    cost = trial_statistics.in_a_process(10_000, 1)
    # A machine that does other things, too, takes twice as long.
    assert cost["cpu_seconds"] < 2
    assert cost["peak_mb"] < 500
