"""A run beside the last run of the same factor: per metric the change, and whether that is better."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HIGHER, LOWER, NEARER, YES = "higher", "lower", "nearer zero", "yes"  # what is better
BETTER, WORSE, SAME, UNCLEAR = "better", "worse", "same", "not comparable"
_RELATIVE, _ABSOLUTE = 1e-9, 1e-15  # as near as recomputed values have to be

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One column of the registry that has a direction."""

    name: str
    words: str
    direction: str


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


def previous(rows: Iterable[Row], run: str, factor: str | None) -> Row | None:
    """Find the last run of this factor before this one, by the time in the folders' names.

    Runs that began later do not count, whenever they were closed. A run without a factor has no run before it.
    """
    if factor is None:
        return None
    earlier = [
        row for row in rows if row["factor"] == factor and row["run"] < run
    ]  # names begin with the time
    return max(earlier, key=lambda row: str(row["run"]), default=None)


def compare(before: Row, now: Row) -> list[dict[str, Any]]:
    """Set two runs side by side, metric by metric. `delta`: now minus before; null for verdicts and the unmeasured."""
    return [_compare(metric, before[metric.name], now[metric.name]) for metric in METRICS]


def _compare(metric: Metric, before: Any, now: Any) -> dict[str, Any]:
    counts = metric.direction != YES and before is not None and now is not None
    return {
        "metric": metric.name,
        "words": metric.words,
        "direction": metric.direction,
        "previous": before,
        "current": now,
        "delta": now - before if counts else None,
        "change": _change(metric.direction, before, now),
    }


def _change(direction: str, before: Any, now: Any) -> str:
    if before is None or now is None:
        return UNCLEAR
    then, today = _worth(direction, before), _worth(direction, now)
    if math.isclose(then, today, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE):
        return SAME
    return BETTER if today > then else WORSE


def _worth(direction: str, value: float) -> float:
    """Turn a value so that more is better."""
    if direction == NEARER:
        return -abs(value)
    return -value if direction == LOWER else float(value)


def tally(rows: Iterable[Row]) -> dict[str, int]:
    """Count the metrics by what became of them."""
    changes = [row["change"] for row in rows]
    return {change: changes.count(change) for change in (BETTER, WORSE, SAME, UNCLEAR)}
