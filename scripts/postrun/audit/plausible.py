"""Which measured values cannot be what their name says: pure functions over one record.

A record is a row of a table or a section of a report. What is not measured is no fault.
"""

import math
from collections.abc import Iterator

from postrun.core import values
from postrun.core.values import Json

_CORRELATIONS = (
    *("ic", "ic_mean", "test_ic", "train_ic", "test_ic_overall", "train_ic_overall"),
    *("test_ic_mean", "test_ic_overall_mean", "size_signal_corr_log_mcap"),
)
_SHARES = (
    *("pos_ratio", "test_ic_pos_ratio", "test_ic_overall_pos_ratio", "p_value", "q_value_bh"),
    *("turnover_top_pct_overlap", "industry_coverage"),
)
_DEVIATIONS = ("ic_std", "test_ic_std", "test_ic_overall_std")
# The numbers of observations behind an IC, by the IC's name.
_COUNTS_OF = {
    "ic": ("n",),
    "ic_mean": ("n", "n_windows"),
    "test_ic": ("test_n_dates", "test_n_signals"),
    "test_ic_overall": ("test_n_dates", "test_n_signals"),
    "train_ic": ("train_n_dates", "train_n_signals"),
    "train_ic_overall": ("train_n_dates", "train_n_signals"),
    "test_ic_mean": ("test_ic_n",),
    "test_ic_overall_mean": ("test_ic_overall_n",),
}
_COUNTS = ("rows", "n_factors", "n_pass", *{name for of in _COUNTS_OF.values() for name in of})
_BOUNDS = {
    **dict.fromkeys(_CORRELATIONS, (-1.0, 1.0)),
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    **dict.fromkeys((*_DEVIATIONS, *_COUNTS), (0.0, math.inf)),
}
# A correlation of 1 may come out as 1.0000000000000002.
_ROUNDING = 1e-9


def faults(record: Json) -> Iterator[str]:
    """Yield each value of a record that its name rules out, with its name."""
    for name, cell in record.items():
        number = values.cell_number(cell)
        if number is None or name not in _BOUNDS:
            continue
        low, high = _BOUNDS[name]
        if low - _ROUNDING <= number <= high + _ROUNDING:
            yield from _without_observations(record, name)
        elif high == math.inf:
            yield f"{name} is {number!r}, less than {low:g}"
        else:
            yield f"{name} is {number!r}, not within {low:g} to {high:g}"


def _without_observations(record: Json, name: str) -> Iterator[str]:
    """Yield each count beside a measured IC that says that nothing was measured."""
    for count_name in _COUNTS_OF.get(name, ()):
        count = values.cell_number(record.get(count_name))
        if count is not None and 0 <= count < 1:
            yield f"{count_name} is {count:g} beside a measured {name}"
