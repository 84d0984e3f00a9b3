"""Whether a trial's result could be luck, in one word. Pure functions.

A trial survives when luck among all trials of its family, and among all families, explains its
result at most as often as the statistics policy allows.
"""

from typing import Any

SURVIVES = "survives"
DOES_NOT_SURVIVE = "does_not_survive"
TOO_FEW_WINDOWS = "too_few_windows"
NOT_MEASURED = "not_measured"
NOT_COMPARABLE = "not_comparable"
# A rerun can mend these. A trial that does not survive only becomes one more trial by it.
MENDED_BY_A_RERUN = (SURVIVES, TOO_FEW_WINDOWS, NOT_MEASURED)

Row = dict[str, Any]


def verdict(row: Row, p_family: float | None, q: float | None, policy: Row) -> str:
    """Return the verdict on a row of the registry.

    `p_family` is the share of luck at least as good as the trial, among the trials of its family;
    `q` is the family's among all families. None: the trial has no series.
    """
    if row["weaker_than_baseline"]:
        return NOT_COMPARABLE
    if p_family is None or q is None:
        return NOT_MEASURED
    if row["wf_n"] < least_windows(row["windows_asked"], policy):
        return TOO_FEW_WINDOWS
    levels = policy["levels"]
    if p_family <= levels["decision"] and q <= levels["families"]["q"]:
        return SURVIVES
    return DOES_NOT_SURVIVE


def least_windows(asked: int | None, policy: Row) -> float:
    """Return how many windows must be measured when a run asks for so many; None: not known."""
    least: float = policy["least_windows"]
    if asked is not None:
        share = asked * policy["least_share_of_windows_measured"]
        least = max(least, share)
    return least
