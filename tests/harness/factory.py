"""Official runs for tests, and every way to spoil one: examples/made_runs.py with names and numbers
of the tests' own.

    run = make_run(root, tag="run1")                               a run that passes everything
    run = make_run(root, change=lambda d: d.result.update(exit_code=1))
    documents = documents(...); documents.write(root)              for a run that is still going on
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path[:0] = [str(EXAMPLES)]

from made_runs import (  # noqa: E402
    THRESHOLDS,
    Description,
    Documents,
    build,
    judged,
    moment,
    put,
    summarise,
)

__all__ = [
    "THRESHOLDS",
    "Documents",
    "dates",
    "documents",
    "judged",
    "make_run",
    "moment",
    "put",
    "summarise",
]

TAG = "committee_2026-02-21_run4"
STAMP = "2026-02-21_031500"


def documents(
    tag: str = TAG,
    stamp: str = STAMP,
    factor: str = "momentum_12_1",
    passing: bool = True,
    level: float = 0.02,
) -> Documents:
    """Build a consistent official run.

    `level` shifts its ICs; `passing=False` makes the walk-forward mean negative.
    """
    run = Description(
        tag,
        stamp,
        factor,
        level=level if passing else -level,
        waves=[0.004 * ((index * 7) % 5 - 2) for index in range(13)],
        cost_level=level,
        segments=(0.021, 0.8, 0.004),
        owner="hui",
        notes="does momentum survive costs",
        strategy="configs/strategies/base.yaml",
        data="data/prices.csv",
    )
    return build(run)


def make_run(
    root: Path, change: Callable[[Documents], object] | None = None, **options: Any
) -> Documents:
    """Write one run below `root`, spoiled by `change` first."""
    made = documents(**options)
    if change is not None:
        change(made)
    return made.write(root)


def dates(windows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return twelve months for each window, whose mean IC is that of the window."""
    rows = []
    for window in windows:
        for month in range(1, 13):
            wave = 0.001 * (month - 6.5)
            day = f"{window['test_start'][:4]}-{month:02d}-28"
            rows.append({"date": day, "n": 1000, "ic": window["test_ic"] + wave})
    return rows
