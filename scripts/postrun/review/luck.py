"""Could the result of a run be luck? The facts of its review, as of the run's own name."""

from pathlib import Path
from statistics import fmean, stdev

from postrun.core.values import Json
from postrun.decide import intervals, verdicts, window_series
from postrun.decide.intervals import Interval
from postrun.registry import many_trials, registry_tables, rows, trials
from postrun.registry.rows import Policy, Registered
from postrun.registry.trials import TRIALS
from postrun.store import tables
from postrun.store.table_index import IndexedTable
from postrun.store.tables import Row, Rows


def find(
    root: Path,
    own_row: Row,
    registered: Registered,
    policy: Policy,
) -> Json:
    """Return what the trials up to a run say of it.

    `own_row` is its row of the registry before the decision; `registered` are the rows that are
    there, whether or not the run is among them.
    """
    luck = _recorded_luck(root, own_row, registered.table)
    if luck is None:
        luck = _luck(root, own_row, registered, policy)
    family = _family_before(own_row, registered.table)
    if own_row["is_trial"] is not False:
        family.append(own_row)
    return _describe(own_row, luck, family, policy.statistics)


def _luck(
    root: Path,
    own_row: Row,
    registered: Registered,
    policy: Policy,
) -> Row:
    """Return the run's row of the trial statistics, worked out."""
    run = own_row["run"]
    if registered.was_recorded:
        recorded = registry_tables.open_recorded(root)
        if recorded is not None and recorded.is_extended_by(own_row, policy):
            decided = registry_tables.decide_newest(root, own_row, policy, recorded)
            return decided.trials[run]
    before = registered.table.select("run < ?", [run])
    by_run = {row["run"]: row for row in before}
    by_run[run] = own_row
    decided = registry_tables.decide(root, by_run, policy, registered.recorded_rows)
    return decided.trials[run]


def _recorded_luck(root: Path, own_row: Row, registry: IndexedTable) -> Row | None:
    """Return the run's row of the trial statistics when they follow from its present row."""
    of_run = "run = ?", [own_row["run"]]
    registered = registry.select(*of_run)
    if list(map(rows.undecided, registered)) != [rows.undecided(own_row)]:
        return None
    recorded = tables.open_recorded(root, TRIALS)
    if recorded is None:
        return None
    return next(iter(recorded.select(*of_run)), None)


def used(own_row: Row, registry: IndexedTable) -> Rows:
    """Return what the facts rest on: the trials of the family with names before the run's."""
    return tables.select(_family_before(own_row, registry), trials.SOURCES)


def _family_before(own_row: Row, registry: IndexedTable) -> Rows:
    of_both = [own_row["family"], own_row["run"]]
    return registry.select("family IS ? AND run < ? AND is_trial IS NOT 0", of_both)


def _describe(
    row: Row,
    luck: Row,
    family: Rows,
    policy: Row,
) -> Json:
    levels = policy["levels"]
    series = window_series.decode(row["series"])
    ics = list(series.values())
    numbered = []
    for number, other in enumerate(family, start=1):
        trial = {"number": number, "run": other["run"], "t": other["wf_t"]}
        numbered.append(trial)
    return {
        **tables.select([luck], _FROM_STATISTICS)[0],
        "sentence": verdicts.sentence(row, luck, policy),
        "prior_trials": trials.prior_trials(luck["family"], policy),
        "declared": trials.declared(luck["family"], policy),
        "level": levels["decision"],
        "level_of_q": levels["families"]["q"],
        "hurdle_t": policy["shown"]["hurdle_t"],
        "windows": row["wf_n"],
        "windows_asked": row["windows_asked"],
        "least_windows": verdicts.least_windows(row["windows_asked"], policy),
        "weaker_than_baseline": row["weaker_than_baseline"],
        **_shown(ics, luck, family, policy),
        **many_trials.cut(numbered, row["run"]),
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
    "band_by_luck",
    "t_needed",
)


def _shown(
    ics: list[float],
    luck: Row,
    rows_of_family: Rows,
    policy: Row,
) -> Json:
    """Return statistics of the series that decide nothing."""
    family = luck["family"]
    # A dry run is no trial: nothing is asked of luck.
    if not ics or family is None or luck["trials"] is None:
        return dict.fromkeys(_MEASURED)
    share = policy["shown"]["interval"]
    number = len(ics)
    mean = fmean(ics)
    deviation = stdev(ics)
    positive = sum(ic > 0 for ic in ics)
    best = trials.by_luck(
        family,
        rows_of_family,
        luck["without_series"],
        policy,
    )
    adjusted = None
    if best["critical"] is not None:
        interval = intervals.adjusted_interval(ics, best["critical"])
        adjusted = _ends(interval)
    band = None
    if best["low"] is not None and best["high"] is not None:
        band = {"low": best["low"], "high": best["high"]}
    # What is judged by months has no line among the t of windows.
    if luck["basis"] == trials.MONTH:
        best["needed"] = None
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
        "band_by_luck": band,
        "t_needed": best["needed"],
    }


def _ends(interval: Interval) -> Json:
    return {"low": interval.low, "high": interval.high}
