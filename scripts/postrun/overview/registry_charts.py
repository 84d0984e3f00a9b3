"""What the pictures of the whole registry show: what is left of its runs, and its families."""

from collections.abc import Iterable
from itertools import takewhile
from operator import itemgetter
from typing import Any

from postrun.decide import intervals, verdicts, window_series

_CLASSES = 20  # of p from 0 to 1
_MOST_FAMILIES = 30  # of one picture

Row = dict[str, Any]
Rows = list[Row]


def funnel(rows: Iterable[Row], policy: Row) -> Rows:
    """Return how many closed runs are left after each question, each asked of those before."""
    level = policy["levels"]["decision"]
    # In the order of the questions; enough windows and thresholds are part of the verdict.
    stages = {
        "closed": 0,
        "gates": 0,
        "audit": 0,
        "alone": 0,
        "among_trials": 0,
        "among_families": 0,
    }
    for row in rows:
        answers = _answers(row, level)
        passed = takewhile(itemgetter(1), zip(stages, answers, strict=True))
        for stage, _ in passed:
            stages[stage] += 1
    return [{"stage": stage, "runs": runs} for stage, runs in stages.items()]


def _answers(row: Row, level: float) -> tuple[bool, ...]:
    luck = row["luck"]
    return (
        True,
        row["overall_pass"] is True,
        row["audit_passed"] is True,
        _is_rare(luck["p_raw"], level),
        _is_rare(luck["p_family"], level),
        row["verdict"] == verdicts.SURVIVES,
    )


def _is_rare(p: float | None, level: float) -> bool:
    return p is not None and p <= level


def p_values(rows: Iterable[Row]) -> Row | None:
    """Return how many trials have which p by itself; None without any. A repeat counts once."""
    counts = [0] * _CLASSES
    for row in rows:
        luck = row["luck"]
        p = luck["p_raw"]
        if p is not None and luck["repeats"] is None:
            place = int(p * _CLASSES)
            last = _CLASSES - 1
            counts[min(place, last)] += 1
    number = sum(counts)
    if number == 0:
        return None
    classes = []
    for place, trials in enumerate(counts):
        row = {
            "low": place / _CLASSES,
            "high": (place + 1) / _CLASSES,
            "trials": trials,
        }
        classes.append(row)
    return {
        "trials": number,
        "classes": classes,
        "by_luck": number / _CLASSES,
    }


def with_means(
    families: Iterable[Row],
    registry: dict[str, Row],
    policy: Row,
) -> Rows:
    """Return families with the mean test IC of their best trial and its interval."""
    share = policy["shown"]["interval"]
    described = []
    for family in families:
        best = registry.get(family["best_run"], {})
        series = window_series.decode(best.get("series"))
        ends = None
        if series:
            ics = list(series.values())
            interval = intervals.student_interval(ics, share)
            ends = {
                "low": interval.low,
                "high": interval.high,
            }
        row = {
            **family,
            "mean": best.get("wf_mean"),
            "interval": ends,
        }
        described.append(row)
    return described


def drawn(families: Iterable[Row]) -> Rows:
    """Return the families that have a place in pictures: of very many, those with the least p."""
    measured = [row for row in families if row["interval"]]
    measured.sort(key=itemgetter("p", "family"))
    return measured[:_MOST_FAMILIES]
