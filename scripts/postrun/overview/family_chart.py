"""The picture of a family: t of every trial, and how high luck alone takes the best of so many."""

from collections.abc import Sequence
from typing import Any

from postrun.registry import many_trials, trials

# Of the rising hurdle: more are not told apart, and each takes a sort of all patterns.
_MOST_POINTS = 24

Row = dict[str, Any]
Rows = list[Row]


def draw(family: Row, rows: Rows, policy: Row) -> Row | None:
    """Return what the picture of a family shows; None without a trial that has a t.

    `rows` are all runs of the family as pages show them, oldest first, and `family` is its row of
    the family statistics.
    """
    # A dry run has no luck, nor has any run beside a registry of an earlier release.
    counted = [row for row in rows if row["luck"]["trials"] is not None]
    basis = trials.basis_of_all(counted)
    ts = trials.t_by_run(counted, basis)
    best_run = family["best_run"]
    if best_run is None or ts.get(best_run) is None:
        return None
    numbered = []
    for row in counted:
        mark = {
            "number": row["trial"],
            "run": row["run"],
            "tag": row["decision_tag"],
            "t": ts[row["run"]],
            "verdict": row["verdict"],
        }
        numbered.append(mark)
    hurdle = _hurdle(family["family"], counted, policy, basis)
    return {
        "basis": basis,
        "best_run": best_run,
        "best_t": ts[best_run],
        "hurdle_t": policy["shown"]["hurdle_t"],
        "hurdle": hurdle,
        "t_needed": hurdle[-1]["t"],
        "band_by_luck": None,
        **_alone(family, counted, policy, basis),
        **many_trials.cut(numbered, best_run),
    }


def _hurdle(
    family: str,
    counted: Rows,
    policy: Row,
    basis: str,
) -> Rows:
    """Return the t that is needed as of some trials, the last one among them.

    Of very many only as of the last: then the picture has no rising line, and the review of that
    run has just asked the same.
    """
    if many_trials.are_many(len(counted)):
        last = counted[-1]
        luck = last["luck"]
        best = trials.by_luck(
            family,
            counted,
            luck["without_series"],
            policy,
            basis,
        )
        return [_point(last, best["needed"])]
    shown = {}
    for place in points(len(counted)):
        row = counted[place - 1]
        shown[row["run"]] = row
    without_series = {run: row["luck"]["without_series"] for run, row in shown.items()}
    needed = trials.rising_hurdle(
        family,
        counted,
        without_series,
        policy,
        basis,
    )
    return [_point(row, needed[run]) for run, row in shown.items()]


def _point(row: Row, needed: float | None) -> Row:
    """Return what is needed as of one trial."""
    return {
        "number": row["trial"],
        "trials": row["luck"]["trials"],
        "t": needed,
    }


def _alone(
    family: Row,
    counted: Rows,
    policy: Row,
    basis: str,
) -> Row:
    """Return the t that the best trial would need if it were the only one of its family."""
    best = [row for row in counted if row["run"] == family["best_run"]]
    alone = trials.by_luck(
        family["family"],
        best,
        0,
        policy,
        basis,
    )
    return {
        "usual": trials.USUAL,
        "alone_usual": alone["high"],
        "alone_asked": alone["needed"],
    }


def points(number: int) -> Sequence[int]:
    """Return the numbers of some trials: all of few; of many the first, and then in even steps."""
    if number <= _MOST_POINTS:
        return range(1, number + 1)
    # The hurdle rises fastest at first.
    first = _MOST_POINTS // 2
    chosen = set(range(1, first + 1))
    ratio = number / first
    for place in range(1, first + 1):
        exponent = place / first
        chosen.add(round(first * ratio**exponent))
    return sorted(chosen)
