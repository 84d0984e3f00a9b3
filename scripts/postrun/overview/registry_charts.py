"""What the pictures of the whole registry show: what is left of its runs, and its families."""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from postrun.decide import intervals, verdicts, window_series
from postrun.store.table_index import IndexedTable

_CLASSES = 20  # of p from 0 to 1
# In SQL: each question is asked of what was left before.
_PASSED = """
SELECT
    count(*),
    count(*) FILTER (WHERE overall_pass = 1),
    count(*) FILTER (WHERE overall_pass = 1 AND audit_passed = 1)
FROM {registry}
"""
_JUDGED = f"""
SELECT
    count(*),
    count(*) FILTER (WHERE p_family <= ?),
    count(*) FILTER (WHERE p_family <= ? AND {{registry}}.verdict = '{verdicts.SURVIVES}')
FROM {{registry}} JOIN {{trials}} USING (run)
WHERE overall_pass = 1 AND audit_passed = 1 AND p_raw <= ?
"""
_BY_CLASS = f"""
SELECT min(CAST(p_raw * {_CLASSES} AS INTEGER), {_CLASSES - 1}) AS p_class, count(*)
FROM {{trials}} WHERE p_raw IS NOT NULL AND repeats IS NULL GROUP BY p_class
"""
_MOST_FAMILIES = 30  # of one picture

Row = dict[str, Any]
Rows = list[Row]


def funnel(registry: IndexedTable, trials: IndexedTable, policy: Row) -> Rows:
    """Return how many closed runs are left after each question, each asked of those before."""
    level = policy["levels"]["decision"]
    query = _PASSED.format(registry=registry.name)
    ((number, gates, audit),) = registry.ask(query)
    query = _JUDGED.format(registry=registry.name, trials=trials.name)
    levels = [level, level, level]
    ((alone, among_trials, survive),) = registry.ask(query, levels, [trials])
    # In the order of the questions; enough windows and thresholds are part of the verdict.
    stages = {
        "closed": number,
        "gates": gates,
        "audit": audit,
        "alone": alone,
        "among_trials": among_trials,
        "among_families": survive,
    }
    return [{"stage": stage, "runs": runs} for stage, runs in stages.items()]


def p_values(trials: IndexedTable) -> Row | None:
    """Return how many trials have which p by itself; None without any. A repeat counts once."""
    counts = [0] * _CLASSES
    for place, trials_in_class in trials.ask(_BY_CLASS.format(trials=trials.name)):
        counts[place] = trials_in_class
    number = sum(counts)
    if number == 0:
        return None
    classes = []
    for place, trials_in_class in enumerate(counts):
        row = {
            "low": place / _CLASSES,
            "high": (place + 1) / _CLASSES,
            "trials": trials_in_class,
        }
        classes.append(row)
    return {
        "trials": number,
        "classes": classes,
        "by_luck": number / _CLASSES,
    }


def with_means(
    families: Iterable[Row],
    registry: Mapping[str, Row],
    policy: Row,
) -> Rows:
    """Return families with the mean test IC of their best trial and its interval.

    `registry` has the rows of these trials.
    """
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
