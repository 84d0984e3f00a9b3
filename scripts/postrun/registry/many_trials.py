"""Which trials of a family are shown, when there are too many to read or to tell apart."""

from collections import Counter
from math import floor
from operator import itemgetter

from postrun.core import scales
from postrun.core.values import Json

# Of one table or chart.
_MOST_TRIALS = 300
_BEST = 50
_MOST_CLASSES = 30


def are_many(number: int) -> bool:
    """Return whether so many trials are too many for one table or chart."""
    return number > _MOST_TRIALS


def cut(numbered: list[Json], own_run: str) -> Json:
    """Return the trials to show; of very many this one and the best, and the rest in classes."""
    if not are_many(len(numbered)):
        return {"family_trials": numbered, "other_trials": None}
    measured = [trial for trial in numbered if trial["t"] is not None]
    measured.sort(key=itemgetter("t"), reverse=True)
    shown = []
    rest = []
    for place, trial in enumerate(measured):
        if place < _BEST or trial["run"] == own_run:
            shown.append(trial)
        else:
            rest.append(trial["t"])
    shown.sort(key=itemgetter("number"))
    others = {
        "trials": len(rest),
        "without_series": len(numbered) - len(measured),
        "classes": classes(rest),
    }
    return {"family_trials": shown, "other_trials": others}


def classes(ts: list[float]) -> list[Json]:
    """Return how many of these values are in each class of one round width, lowest first."""
    if not ts:
        return []
    low = min(ts)
    span = max(ts) - low
    step = scales.round_step(span, _MOST_CLASSES)
    first = floor(low / step)
    counts: Counter[int] = Counter()
    for t in ts:
        place = floor(t / step) - first
        counts[place] += 1
    made = []
    for place in range(max(counts) + 1):
        begin = (first + place) * step
        # A class without a trial is one, too: the axis has no gaps.
        row = {
            "low": begin,
            "high": begin + step,
            "trials": counts[place],
        }
        made.append(row)
    return made
