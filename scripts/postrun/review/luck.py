"""Could the result of a run be luck? The facts of its review, as of the run's own name."""

from pathlib import Path
from statistics import fmean, stdev

from postrun.core.values import Json
from postrun.decide import intervals, verdicts, window_series
from postrun.decide.intervals import Interval
from postrun.registry import registry_tables, rows, trials
from postrun.registry.rows import Policy
from postrun.registry.trials import TRIALS
from postrun.store import tables
from postrun.store.tables import Row, Rows


def find(
    root: Path,
    own_row: Row,
    registered: Rows,
    policy: Policy,
) -> Json:
    """Return what the trials up to a run say of it.

    `own_row` is its row of the registry before the decision; `registered` are the rows that are
    there, whether or not the run is among them.
    """
    run = own_row["run"]
    by_run = {row["run"]: row for row in registered if row["run"] < run}
    by_run[run] = own_row
    luck = _recorded_luck(root, own_row, registered)
    if luck is None:
        decided = registry_tables.decide(root, by_run, policy)
        luck = decided.trials[run]
    family = []
    for name in sorted(by_run):
        row = by_run[name]
        if row["family"] == luck["family"] and row["is_trial"] is not False:
            family.append(row)
    return _describe(own_row, luck, family, policy.statistics)


def _recorded_luck(root: Path, own_row: Row, registered: Rows) -> Row | None:
    """Return the run's row of the trial statistics when they follow from its present row."""
    run = own_row["run"]
    is_registered = False
    for row in registered:
        if row["run"] == run:
            is_registered = rows.undecided(row) == rows.undecided(own_row)
    if not is_registered:
        return None
    for row in tables.read_recorded(root, TRIALS) or ():
        if row["run"] == run:
            return row
    return None


def used_rows(registered: Rows, run: str) -> Rows:
    """Return what the facts rest on: the trials with names before the run's."""
    before = [row for row in registered if row["run"] < run]
    return tables.select(before, trials.SOURCES)


def _describe(
    row: Row,
    luck: Row,
    family: Rows,
    policy: Row,
) -> Json:
    levels = policy["levels"]
    series = window_series.decode(row["series"])
    ics = list(series.values())
    others = []
    for other in family:
        others.append({"run": other["run"], "t": other["wf_t"]})
    return {
        **tables.select([luck], _FROM_STATISTICS)[0],
        "sentence": verdicts.sentence(row, luck, policy),
        "prior_trials": trials.prior_trials(luck["family"] or "", policy),
        "level": levels["decision"],
        "level_of_q": levels["families"]["q"],
        "hurdle_t": policy["shown"]["hurdle_t"],
        "windows": row["wf_n"],
        "windows_asked": row["windows_asked"],
        "least_windows": verdicts.least_windows(row["windows_asked"], policy),
        "weaker_than_baseline": row["weaker_than_baseline"],
        **_shown(ics, luck["family"], family, policy),
        "family_trials": others,
    }


_FROM_STATISTICS = (
    "family",
    "verdict",
    "basis",
    "trials",
    "without_series",
    "rank",
    "t",
    "p_raw",
    "p_family",
    "q",
    "repeats",
    "dsr",
    "dsr_trials",
    "dsr_variance",
)
_MEASURED = (
    "mean",
    "deviation",
    "interval",
    "adjusted_interval",
    "information_ratio",
    "positive",
    "sign_test",
    "share_interval",
    "lag_1",
)


def _shown(
    ics: list[float],
    family: str | None,
    rows_of_family: Rows,
    policy: Row,
) -> Json:
    """Return statistics of the series that decide nothing."""
    if not ics or family is None:
        return dict.fromkeys(_MEASURED)
    share = policy["shown"]["interval"]
    number = len(ics)
    mean = fmean(ics)
    deviation = stdev(ics)
    positive = sum(ic > 0 for ic in ics)
    critical = trials.critical_value(
        family,
        rows_of_family,
        policy,
    )
    adjusted = None
    if critical is not None:
        adjusted = _ends(intervals.adjusted_interval(ics, critical))
    return {
        "mean": mean,
        "deviation": deviation,
        "interval": _ends(intervals.student_interval(ics, share)),
        "adjusted_interval": adjusted,
        "information_ratio": mean / deviation,
        "positive": positive,
        "sign_test": intervals.sign_test(positive, number),
        "share_interval": _ends(intervals.wilson_interval(positive, number, share)),
        "lag_1": intervals.lag_1(ics),
    }


def _ends(interval: Interval) -> Json:
    return {"low": interval.low, "high": interval.high}
