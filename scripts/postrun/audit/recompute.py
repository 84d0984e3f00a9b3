"""Numbers of the gate report, computed again from the tables beside it: pure functions
over rows.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from postrun.audit.answers import shown
from postrun.core import values
from postrun.core.values import Json

Groups = defaultdict[float, list[Json]]

MEASURES = ("test_ic", "test_ic_overall")
COST_COLUMNS = ("cost_multiplier", "return_code", "test_ic", "train_ic")
_RELATIVE = 1e-9
_ABSOLUTE = 1e-15  # for means that cancel out to zero


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal, numbers to a relative 1e-9.

    What was not measured (null) equals null only; true is not 1.
    """
    first = values.number(left)
    second = values.number(right)
    if first is not None and second is not None:
        return math.isclose(first, second, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    if type(left) is not type(right):
        return False
    return bool(left == right)


def walk_forward(rows: Sequence[Json]) -> Json:
    """Return the statistics over all windows, by their names in the gate report.

    For each measure: mean, sample standard deviation (ddof 1), share of positive cells, and number
    of cells that hold a number.
    """
    recomputed: Json = {"rows": len(rows)}
    for measure in MEASURES:
        ics = []
        for row in rows:
            ic = values.number(row.get(measure))
            if ic is not None:
                ics.append(ic)
        summary = _summarise(ics)
        for name, value in summary.items():
            recomputed[f"{measure}_{name}"] = value
    return recomputed


def _summarise(ics: Sequence[float]) -> Json:
    count = len(ics)
    # What cannot be computed from so few values is null, as in the report.
    summary: Json = {"n": count, "mean": None, "std": None, "pos_ratio": None}
    if count > 0:
        summary["mean"] = statistics.fmean(ics)
        summary["pos_ratio"] = sum(ic > 0 for ic in ics) / count
    if count > 1:
        summary["std"] = statistics.stdev(ics)
    return summary


def differences(
    reported: Json,
    recomputed: Json,
    not_finite: Mapping[str, str] | None = None,
) -> list[str]:
    """Return one line for each recomputed value that is not the reported one.

    `not_finite` says which reported values are null because they are NaN or Infinity.
    """
    numbers = not_finite or {}
    faults = []
    for name, value in recomputed.items():
        claimed = reported.get(name)
        if not same(claimed, value):
            text = numbers.get(name, shown(claimed))
            fault = f"{name}: reported {text}, recomputed {shown(value)}"
            faults.append(fault)
    return faults


def cost_faults(
    reported: Sequence[Json],
    table: Sequence[Json],
    requested: Iterable[float],
) -> list[str]:
    """Return how the report's cost rows differ from the table's, and both from those requested."""
    in_report = _by_multiplier(reported)
    in_table = _by_multiplier(table)
    times = Counter(requested)
    faults = []
    all_multipliers = {*times, *in_report, *in_table}
    for multiplier in sorted(all_multipliers):
        # A multiplier that is asked for twice is measured twice.
        expected = max(1, times[multiplier])
        of_report = len(in_report[multiplier])
        of_table = len(in_table[multiplier])
        if of_report != expected:
            faults.append(f"the report has {of_report} rows of x{multiplier}")
        if of_table != expected:
            faults.append(f"the table has {of_table} rows of x{multiplier}")
    if faults:
        return faults
    # Rows without a multiplier are in none of the groups above.
    if len(reported) != len(table):
        return [f"{len(reported)} rows in the report, {len(table)} in the table"]
    for multiplier in sorted(in_table):
        table_rows = in_table[multiplier]
        report_rows = in_report[multiplier]
        for row, claimed in zip(table_rows, report_rows, strict=True):
            measured = {name: row.get(name) for name in COST_COLUMNS}
            for difference in differences(claimed, measured):
                fault = f"x{multiplier} {difference}"
                faults.append(fault)
    return faults


def _by_multiplier(rows: Iterable[Json]) -> Groups:
    groups: Groups = defaultdict(list)
    for row in rows:
        multiplier = values.number(row.get("cost_multiplier"))
        if multiplier is not None:
            groups[multiplier].append(row)
    return groups
