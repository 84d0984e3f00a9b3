"""The trials of every family: how often luck alone would give a result as good as theirs.

All follows from the rows of the registry and the statistics policy. A run is judged **as of** its
own name: by the trials and the families with names up to its own, whatever was closed later. What
all trials of today say of it stands beside as **now**, and decides nothing.
Cost: one pass over the trials of each family that changed, and one over all rows that are given. A
run that is closed last is judged alone, and needs the rows of its own family only.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import takewhile
from math import isinf
from operator import itemgetter
from typing import TYPE_CHECKING

from postrun.core import disk
from postrun.decide import (
    intervals,
    multiple_testing,
    verdicts,
    window_series,
)
from postrun.store import configuration, json_files
from postrun.store.tables import Row, Rows

if TYPE_CHECKING:
    from postrun.decide.sign_flips import BestOfLuck, Luck, Patterns, Trial

TRIALS = "trial_statistics"
FAMILIES = "factor_statistics"
WINDOW = "window"
MONTH = "month"
# Columns of the registry from which the statistics follow.
SOURCES = (
    "run",
    "factor",
    "family",
    "is_trial",
    "wf_n",
    "wf_mean",
    "wf_std",
    "wf_t",
    "windows_asked",
    "series",
    "series_by_month",
    "weaker_than_baseline",
)
_STAMP = ("policy_version", "policy_sha256", "source_sha256")
USUAL = 0.05  # of what luck gives, above and below the band that is shown
_DECLARED = ("prior_trials", "by", "when", "because")
_SERIES_OF = {WINDOW: "series", MONTH: "series_by_month"}

ByRun = Mapping[str, Row]


@dataclass(frozen=True)
class Statistics:
    """The rows of both tables: by run, and one a family."""

    trials: dict[str, Row]
    families: Rows


@dataclass(frozen=True)
class Before:
    """Rows of the registry before a closing, by run, and what followed from them, by family.

    Where the rows are of one family only, `ps` are those of all families as of the latest of their
    runs; else it is empty.
    """

    registry: ByRun
    families: ByRun
    ps: Mapping[str, float] = field(default_factory=dict)


_UNKNOWN = Before({}, {})


def family_of(factor: str | None, policy: Row) -> str | None:
    """Return the family of a factor: the one whose patterns name it, else the factor itself."""
    if factor is None:
        return None
    for family in policy["families"]:
        for pattern in family["factors"]:
            if fnmatchcase(factor, pattern):
                return str(family["name"])
    return factor


def declared(name: str | None, policy: Row) -> Row | None:
    """Return the trials before or outside of the registry that the policy declares for a family:
    how many, by whom, when and why; None when it declares none.
    """
    for family in policy["families"]:
        if family["name"] == name and family["prior_trials"]:
            return {member: family[member] for member in _DECLARED}
    return None


def prior_trials(name: str | None, policy: Row) -> int:
    """Return how many trials before or outside of the registry the policy declares."""
    found = declared(name, policy)
    if found is None:
        return 0
    number: int = found["prior_trials"]
    return number


def compute(
    registry: ByRun,
    policy: Row,
    known: ByRun,
    before: Before = _UNKNOWN,
) -> Statistics:
    """Return the statistics of all runs in a registry.

    What follows from trials that are as in the `known` rows of the table is not computed again.
    These must follow from the rows `before`: one that is still the same needs no other proof.
    """
    stamps = _stamps(registry, policy, known, before.registry)
    members = _by_family(registry)
    # A run of an unknown factor is a trial of every family.
    unknown = members.pop("", [])
    first_changes = _first_changes(registry, known, stamps)
    # Then no family is as it was, from its first run on.
    if unknown or None in first_changes:
        first_changes = dict.fromkeys(members, "")
    judged: Rows = []
    for family, rows in members.items():
        if family in first_changes:
            everyone = sorted([*rows, *unknown], key=itemgetter("run"))
            kept = _before(first_changes[family], rows, known)
            judged += _judge(family, everyone, policy, kept)
        else:
            judged += [known[row["run"]] for row in rows]
    since = min(first_changes.values(), default=max(registry, default=""))
    judged = _with_q(judged, since, before.ps)
    trials = _by_run(judged, registry, policy)
    for run, row in trials.items():
        # What is judged again because of others has the stamp that it had.
        if row["source_sha256"] is None:
            source = stamps.get(run) or known[run]
            row |= {name: source[name] for name in _STAMP}
    families = []
    for family in sorted(members.keys() | before.ps.keys()):
        known_row = before.families.get(family)
        if known_row is None or family in first_changes:
            row = _family_row(family, members[family], trials, len(unknown), policy)
        else:
            row = known_row.copy()
        # Of a family whose runs are not given, nothing changed.
        if family in members:
            best = trials.get(row["best_run"], {})
            row["best_verdict"] = best.get("verdict")
        families.append(row)
    _add_family_q(families)
    return Statistics(trials, families)


def _stamps(
    registry: ByRun,
    policy: Row,
    known: ByRun,
    before: ByRun,
) -> dict[str, Row]:
    """Return what a row of the table says of its sources, policy and registry: of each run whose
    row is not known to say so already.
    """
    of_policy = {
        "policy_version": policy["policy_version"],
        "policy_sha256": configuration.digest(policy),
    }
    stamps = {}
    for run, row in registry.items():
        known_row = known.get(run, {})
        is_proven = row == before.get(run)
        if is_proven and of_policy.items() <= known_row.items():
            continue
        sources = [row[name] for name in SOURCES]
        text = repr(sources).encode(errors="backslashreplace")
        stamp = {**of_policy, "source_sha256": disk.content_digest(text)}
        if not stamp.items() <= known_row.items():
            stamps[run] = stamp
    return stamps


def _first_changes(
    registry: ByRun,
    known: ByRun,
    stamps: ByRun,
) -> dict[str | None, str]:
    """Return the first run of each family whose trial is not as it was; of others nothing."""
    changed = stamps.keys() | (known.keys() - registry.keys())
    first_changes: dict[str | None, str] = {}
    for run in sorted(changed):
        families = []
        if run in registry and registry[run]["is_trial"] is not False:
            families.append(registry[run]["family"])
        if run in known:
            families.append(known[run]["family"])
        for family in families:
            first_changes.setdefault(family, run)
    return first_changes


def _before(run: str, rows: Rows, known: ByRun) -> dict[str, Row]:
    """Return what is known of the trials with names before a run's."""
    kept = {}
    for row in rows:
        if row["run"] < run:
            kept[row["run"]] = known[row["run"]]
    return kept


def _by_family(registry: ByRun) -> dict[str, Rows]:
    """Return the rows that count as trials by family, oldest first; "" for an unknown factor."""
    members: dict[str, Rows] = defaultdict(list)
    for run in sorted(registry):
        row = registry[run]
        # Tables of earlier releases do not say that a run was none.
        if row["is_trial"] is not False:
            family = row["family"] or ""
            members[family].append(row)
    return members


def _judge(
    family: str,
    rows: Rows,
    policy: Row,
    known: ByRun,
) -> Rows:
    """Return what luck says of each run among a family's trials. Verdict and q come later.

    As of its own name a `known` run is what it was; what all trials say of it now is new.
    """
    lucks, now = _luck(family, rows, policy, known)
    ts: list[float] = []  # of the trials so far, in order
    ratios = Spread()  # of the trials so far, too
    judged: Rows = []
    for source in rows:
        run = source["run"]
        luck = lucks.get(run)
        if luck is None:
            luck = dict(known[run])
        if luck["p_raw"] is not None and luck["repeats"] is None:
            insort(ts, source["wf_t"])
            ratio = source["wf_mean"] / source["wf_std"]
            ratios.add(ratio)
        if run not in known:
            luck["t"] = source["wf_t"]
            luck["rank"] = _rank(ts, source["wf_t"])
            luck |= _deflated(source, ratios, luck["trials"])
        judged.append(luck)
    for source, row in zip(rows, judged, strict=True):
        row["trials_now"] = judged[-1]["trials"]
        row["rank_now"] = _rank(ts, source["wf_t"])
        row["p_family_now"] = now.get(source["run"])
    return judged


def _luck(
    family: str,
    rows: Rows,
    policy: Row,
    known: ByRun,
) -> tuple[dict[str, Row], dict[str, float]]:
    """Return the luck of each trial that is not known, and p_family of each among all trials.

    Months count as long as every trial so far has them; from then on windows, for all of them.
    """
    by_month = list(takewhile(_may_be_by_month, rows))
    judged: dict[str, Row] = {}
    if any(row["series_by_month"] for row in by_month):
        judged, now = _judge_by(MONTH, family, by_month, policy, known)
        if len(by_month) == len(rows):
            return judged, now
    # What is said of today is said of all trials.
    by_window, now = _judge_by(WINDOW, family, rows, policy, known)
    return by_window | judged, now


def _may_be_by_month(row: Row) -> bool:
    """Return whether a trial has its months, or no series at all."""
    return row["series"] is None or row["series_by_month"] is not None


def _judge_by(
    basis: str,
    family: str,
    rows: Rows,
    policy: Row,
    known: ByRun,
) -> tuple[dict[str, Row], dict[str, float]]:
    """Return the same on one kind of series, for all trials."""
    from postrun.decide import sign_flips

    least_ps = {}
    for run, row in known.items():
        least_ps[run] = 0.0
        # With more trials, p only rises.
        if row["basis"] == basis:
            least_ps[run] = row["p_family"]
    judged = sign_flips.judge_others(
        family,
        _trials(rows, _SERIES_OF[basis]),
        least_ps,
        prior_trials(family, policy),
        _patterns(policy),
    )
    factors = {row["run"]: row["factor"] for row in rows}
    lucks = {}
    for luck in judged.lucks:
        own_basis = None
        if luck.t is not None:
            own_basis = basis
        lucks[luck.run] = _row(luck, own_basis, family, factors[luck.run])
    return lucks, judged.now


def _row(
    luck: "Luck",
    basis: str | None,
    family: str,
    factor: str | None,
) -> Row:
    """Return a trial's luck as a row of the table, as far as luck alone says it."""
    return {
        **dict.fromkeys(json_files.columns(TRIALS)),
        "run": luck.run,
        "factor": factor,
        "family": family,
        "basis": basis,
        "trials": luck.trials,
        "without_series": luck.without_series,
        "p_raw": luck.p_raw,
        "p_max": luck.p_max,
        "p_family": luck.p_family,
        "family_p": luck.family_p,
        "repeats": luck.repeats,
    }


def basis_of_all(rows: Rows) -> str:
    """Return on which series these trials are judged today: months only when all have them."""
    has_months = any(row["series_by_month"] for row in rows)
    if has_months and all(map(_may_be_by_month, rows)):
        return MONTH
    return WINDOW


def t_by_run(rows: Rows, basis: str) -> dict[str, float | None]:
    """Return t of each trial on one of its series; None for a trial without one."""
    if basis == WINDOW:
        return {row["run"]: row["wf_t"] for row in rows}
    ts: dict[str, float | None] = {}
    for trial in _trials(rows, _SERIES_OF[basis]):
        ts[trial.run] = trial.t if trial.scaled else None
    return ts


def rising_hurdle(
    family: str,
    rows: Rows,
    without_series: Mapping[str, int],
    policy: Row,
    basis: str = WINDOW,
) -> dict[str, float | None]:
    """Return the t that is needed as of some runs of a family; None where no t is enough.

    `without_series` names these runs, each with how many trials up to it have no series.
    """
    from postrun.decide import sign_flips

    levels = {}
    for run, number in without_series.items():
        levels[run] = _level(number, policy)
    hurdle = sign_flips.rising_hurdle(
        family,
        _trials(rows, _SERIES_OF[basis]),
        levels,
        _patterns(policy),
    )
    return _finite(hurdle)


def _level(without_series: int, policy: Row) -> float:
    """Return how rare the best t must be among the trials that have a series.

    Trials without a series count as independent ones, each as likely as this one at most.
    """
    as_many = 1 / (without_series + 1)
    rest = 1 - policy["levels"]["decision"]
    level: float = 1 - rest**as_many
    return level


def _finite(ts: Mapping[str, float]) -> dict[str, float | None]:
    """Return these values with None for those that luck never attains."""
    known: dict[str, float | None] = {}
    for name, t in ts.items():
        known[name] = t
        if isinf(t):
            known[name] = None
    return known


def by_luck(
    family: str,
    rows: Rows,
    without_series: int,
    policy: Row,
    basis: str = WINDOW,
) -> Row:
    """Return what the best t of these trials is by luck alone; None where luck has no such value.

    `critical` is the best |t| that luck hardly ever reaches, for a wider interval of the mean; from
    `low` to `high` lies the best t in nine of ten cases; a t of `needed` is so rare that a trial
    would survive, were it not for the other families.
    """
    column = _SERIES_OF[basis]
    cells = [(row["run"], row[column] or "") for row in rows]
    cells.sort()
    best = _best_of_luck(family, tuple(cells), _patterns(policy))
    rare = 1 - policy["shown"]["interval"]
    level = _level(without_series, policy)
    return _finite(
        {
            "critical": best.critical_value(rare, two_sided=True),
            "low": best.critical_value(1 - USUAL),
            "high": best.critical_value(USUAL),
            "needed": best.critical_value(level),
        }
    )


@lru_cache(maxsize=2)
def _best_of_luck(
    family: str,
    cells: tuple[tuple[str, str], ...],
    patterns: "Patterns",
) -> "BestOfLuck":
    """Return what the best of some trials, given by run and series, gives by luck alone.

    A closing asks it for the review of its run, and again for the picture of the family.
    """
    from postrun.decide import sign_flips

    trials = []
    for run, cell in cells:
        series = window_series.decode(cell)
        trials.append(sign_flips.Trial(run, series, cell))
    return sign_flips.best_of_luck(family, trials, patterns)


def _trials(rows: Rows, column: str) -> list["Trial"]:
    """Return the trials of a family by one column of their series."""
    # numpy takes a tenth of a second to import: only who computes a family pays for it.
    from postrun.decide import sign_flips

    trials = []
    for row in rows:
        cell = row[column] or ""
        series = window_series.decode(cell)
        trial = sign_flips.Trial(row["run"], series, cell)
        trials.append(trial)
    return trials


def _patterns(policy: Row) -> "Patterns":
    from postrun.decide import sign_flips

    tried = policy["patterns"]
    return sign_flips.Patterns(tried["all_up_to_keys"], tried["else"])


def _rank(ts: Sequence[float], t: float | None) -> int | None:
    """Return the place of a trial among others, by t; 1 is the best."""
    if t is None:
        return None
    not_better = bisect_right(ts, t)
    return len(ts) - not_better + 1


@dataclass
class Spread:
    """The variance of numbers that come one after another, in one step for each.

    Source: Welford 1962, Technometrics 4.
    """

    number: int = 0
    mean: float = 0.0
    squares: float = 0.0  # of the distances from the mean, summed

    def add(self, value: float) -> None:
        """Count one more number."""
        distance = value - self.mean
        self.number += 1
        self.mean += distance / self.number
        self.squares += distance * (value - self.mean)

    @property
    def variance(self) -> float | None:
        """Return the sample's variance (ddof 1); that of one number is not known."""
        if self.number < 2:
            return None
        return self.squares / (self.number - 1)


def _deflated(row: Row, ratios: Spread, trials: int) -> Row:
    """Return the deflated Sharpe ratio of a run among the trials so far, and what it takes."""
    spread = ratios.variance
    if not row["wf_std"] or spread is None:
        return dict.fromkeys(("dsr", "dsr_trials", "dsr_variance"))
    ratio = row["wf_mean"] / row["wf_std"]
    deflated = intervals.deflated_sharpe_ratio(
        ratio,
        row["wf_n"],
        trials,
        spread,
    )
    return {"dsr": deflated, "dsr_trials": trials, "dsr_variance": spread}


def _with_q(
    judged: Rows,
    since: str,
    ps_before: Mapping[str, float],
) -> Rows:
    """Return the rows with the q of each run's family, among all families with a run up to its own.

    Runs with names before `since` have theirs, and their verdict.
    """
    ps = dict(ps_before)
    rows = []
    for row in sorted(judged, key=itemgetter("run")):
        family = row["family"]
        ps[family] = row["family_p"]
        if row["run"] >= since:
            qs = multiple_testing.benjamini_yekutieli(list(ps.values()))
            place = list(ps).index(family)
            row = {**row, "q": qs[place], "verdict": None}
        rows.append(row)
    return rows


def _by_run(judged: Rows, registry: ByRun, policy: Row) -> dict[str, Row]:
    """Return one row a run, with its verdict."""
    trials = {}
    for row in judged:
        source = registry[row["run"]]
        # A run of an unknown factor was judged in every family.
        if source["family"] == row["family"]:
            if row["verdict"] is None:
                p_family = row["p_family"]
                row["verdict"] = verdicts.verdict(source, p_family, row["q"], policy)
            trials[row["run"]] = row
    for run, source in registry.items():
        if run not in trials:
            trials[run] = _uncounted(source)
    return trials


def _uncounted(source: Row) -> Row:
    """Return the row of a run that is no trial, or that counts in every family and is in none."""
    empty = dict.fromkeys(json_files.columns(TRIALS))
    return {
        **empty,
        "run": source["run"],
        "factor": source["factor"],
        "family": source["family"],
        "verdict": verdicts.NOT_MEASURED,
    }


def _family_row(
    family: str,
    rows: Rows,
    trials: Mapping[str, Row],
    unknown: int,
    policy: Row,
) -> Row:
    """Return what all trials of today say of a family; q and best verdict come later."""
    judged = [trials[row["run"]] for row in rows]
    latest = judged[-1]
    measured = [row for row in judged if row["p_family_now"] is not None]
    best = min(measured, key=itemgetter("p_family_now", "rank_now"), default=None)
    factors = {row["factor"] for row in rows}
    row: Row = {
        "family": family,
        "factors": ";".join(sorted(factors)),
        "trials": latest["trials_now"],
        "prior_trials": prior_trials(family, policy),
        "of_unknown_factor": unknown,
        "best_run": None,
        "latest_run": latest["run"],
        "p": 1.0,
        "q": None,
        "best_verdict": None,
        "windows": None,
        "windows_needed": None,
        "policy_version": policy["policy_version"],
    }
    if best is None:
        return row
    source = next(row for row in rows if row["run"] == best["run"])
    ratio = source["wf_mean"] / source["wf_std"]
    needed = multiple_testing.windows_needed(
        ratio,
        latest["trials_now"],
        policy["levels"]["decision"],
    )
    if needed is not None:
        needed = max(needed, policy["least_windows"])
    return {
        **row,
        "best_run": best["run"],
        "p": best["p_family_now"],
        "windows": source["wf_n"],
        "windows_needed": needed,
    }


def _add_family_q(families: Rows) -> None:
    """Add the q of each family among all families of today."""
    ps = [row["p"] for row in families]
    qs = multiple_testing.benjamini_yekutieli(ps)
    for row, q in zip(families, qs, strict=True):
        row["q"] = q
