"""A run beside the last run of the same factor: the change of each metric, and its direction."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from postrun.core.values import Json
from postrun.decide import intervals, window_series

HIGHER, LOWER, NEARER, YES = "higher", "lower", "nearer zero", "yes"  # what is better
BETTER, WORSE, SAME, UNCLEAR = "better", "worse", "same", "not comparable"
NOT_TOLD_APART = "not told apart"
# Two values are the same to the precision that the audit asks of recomputed ones.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-15


@dataclass(frozen=True)
class Metric:
    """One column of the registry that has a direction."""

    name: str
    label: str
    direction: str


# The metric whose windows can be paired.
_PAIRED = "wf_mean"

METRICS = (
    Metric("overall_pass", "gates, overall, as reported", YES),
    Metric("test_ic_x1_0", "test IC at cost x1.0", HIGHER),
    Metric("test_ic_x1_5", "test IC at cost x1.5", HIGHER),
    Metric("test_ic_x2_0", "test IC at cost x2.0", HIGHER),
    Metric("wf_mean", "walk-forward test IC, mean", HIGHER),
    Metric("wf_pos_ratio", "share of windows with a positive test IC", HIGHER),
    Metric("beta", "beta against the market", NEARER),
    Metric("turnover_overlap", "overlap of the top holdings", HIGHER),
    Metric("size_corr", "correlation with log market value", NEARER),
    Metric("industry_coverage", "holdings with a known industry", HIGHER),
    Metric("factor_gate_pass", "statistical gate", YES),
    Metric("q_value", "q-value (Benjamini-Hochberg)", LOWER),
    Metric("audit_passed", "governance audit", YES),
    Metric("high_items", "High items to repair", LOWER),
)


def columns() -> list[str]:
    """Return the columns of the registry by which two runs are compared."""
    return ["run", "series", *(metric.name for metric in METRICS)]


def pair(before: str | None, now: str | None) -> Json:
    """Return two series window by window, where both have one, and how far they differ."""
    earlier = window_series.decode(before)
    later = window_series.decode(now)
    difference = intervals.paired_difference(earlier, later)
    windows = []
    for window in sorted(earlier.keys() & later.keys()):
        test_start, _, test_end = window.partition("|")
        row = {
            "test_start": test_start,
            "test_end": test_end,
            "previous": earlier[window],
            "current": later[window],
            "difference": later[window] - earlier[window],
        }
        windows.append(row)
    interval = None
    if difference.interval is not None:
        interval = vars(difference.interval)
    return {
        "windows": windows,
        "mean": difference.mean,
        "interval": interval,
        "is_told_apart": difference.is_told_apart,
    }


def compare(before: Json, now: Json) -> list[Json]:
    """Return both runs side by side, metric by metric."""
    metrics = []
    for metric in METRICS:
        name = metric.name
        compared = _compare(metric, before[name], now[name])
        is_clear = True
        if name == _PAIRED:
            is_clear = pair(before["series"], now["series"])["is_told_apart"]
        if compared["change"] in (BETTER, WORSE) and not is_clear:
            compared["change"] = NOT_TOLD_APART
        metrics.append(compared)
    return metrics


def _compare(metric: Metric, before: Any, now: Any) -> Json:
    # A verdict has no difference, and neither has what was not measured.
    change = _change(metric.direction, before, now)
    delta = None
    if metric.direction != YES and change != UNCLEAR:
        delta = now - before
    return {
        "metric": metric.name,
        "words": metric.label,
        "direction": metric.direction,
        "previous": before,
        "current": now,
        "delta": delta,
        "change": change,
    }


def _change(direction: str, before: Any, now: Any) -> str:
    if before is None or now is None:
        return UNCLEAR
    old = _worth(direction, before)
    new = _worth(direction, now)
    if math.isclose(old, new, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE):
        return SAME
    return BETTER if new > old else WORSE


def _worth(direction: str, value: float) -> float:
    """Return a number that is larger for the better value."""
    if direction == NEARER:
        return -abs(value)
    if direction == LOWER:
        return -value
    return float(value)


def tally(metrics: Iterable[Json]) -> dict[str, int]:
    """Return how many metrics are better, worse, the same, not comparable, not told apart."""
    counts = dict.fromkeys((BETTER, WORSE, SAME, UNCLEAR, NOT_TOLD_APART), 0)
    for row in metrics:
        counts[row["change"]] += 1
    return counts
