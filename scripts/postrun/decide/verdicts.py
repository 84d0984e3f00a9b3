"""Whether a trial's result could be luck: in one word, and in one sentence. Pure functions.

A trial survives when luck among all trials of its family, and among all families, explains its
result at most as often as the statistics policy allows.
"""

import math
from typing import Any

from postrun.core import terminal

SURVIVES = "survives"
DOES_NOT_SURVIVE = "does_not_survive"
TOO_FEW_WINDOWS = "too_few_windows"
NOT_MEASURED = "not_measured"
NOT_COMPARABLE = "not_comparable"
# A rerun can mend these. A trial that does not survive only becomes one more trial by it.
MENDED_BY_A_RERUN = (SURVIVES, TOO_FEW_WINDOWS, NOT_MEASURED)
# Patterns of signs that are tried: all of up to so many windows, else so many.
_MOST_KEYS = 16
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}

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


def least_windows(asked: int | None, policy: Row) -> int:
    """Return how many windows must be measured when a run asks for so many; None: not known."""
    least: int = policy["least_windows"]
    if asked is not None:
        share = asked * policy["least_share_of_windows_measured"]
        least = max(least, math.ceil(share))
    return least


def sentence(row: Row, luck: Row, policy: Row) -> str:
    """Return what a committee reads first: could the result of a registry's row be luck?

    `luck` is its row of the trial statistics.
    """
    word = luck["verdict"].replace("_", " ")
    if luck["verdict"] == NOT_COMPARABLE:
        return f"{word} with other runs: {row['weaker_than_baseline']}"
    if luck["verdict"] == NOT_MEASURED:
        return f"{word}: no series of windows that vary, so nothing says that it is not luck"
    windows = row["wf_n"]
    if luck["verdict"] == TOO_FEW_WINDOWS:
        least = least_windows(row["windows_asked"], policy)
        found = terminal.counted(windows, "window")
        missing = terminal.counted(least - windows, "year")
        return f"{word}: {found} measured, at least {least} are asked, {missing} missing"
    level = policy["levels"]["decision"]
    chance = terminal.compared_chance(luck["p_family"], patterns(windows), level)
    asked = terminal.chance(level)
    number = luck["trials"]
    family = luck["family"]
    place = "best"
    if luck["rank"] > 1:
        place = f"{ordinal(luck['rank'])} best"
    text = f"of {number} trials of {family} this is the {place}; if none"
    text += f" were any good, the best of {number} would look this good {chance} of the time"
    if number == 1:
        text = f"it is the only trial of {family}; if it were no good, it would look this good"
        text += f" {chance} of the time"
    text += f"; {asked} is asked"
    most = policy["levels"]["families"]["q"]
    if luck["q"] > most:
        text += f"; among all families its q is {luck['q']:.2f}, {most:.2f} is asked"
    return f"{text}: {word}"


def patterns(windows: int) -> int:
    """Return how many patterns of signs a p of so many windows rests on."""
    exponent = min(windows, _MOST_KEYS)
    return 1 << exponent


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th."""
    is_teen = number % 100 in (11, 12, 13)
    ending = "th"
    if not is_teen:
        ending = _ORDINALS.get(number % 10, "th")
    return f"{number}{ending}"
