"""The statistical table in the forms of several producers, right and wrong."""

import math
from typing import Any

import pytest

from harness import factory
from postrun.audit import significance_table
from postrun.decide.intervals import student_cdf
from postrun.decide.multiple_testing import benjamini_hochberg

Table = list[dict[str, Any]]
# Mean, deviation, observations of each factor; the last one cannot be judged.
SAMPLES: dict[str, tuple[float, float | None, int]] = {
    "good": (0.019846153846153847, 0.022176737639230367, 13),
    "fair": (0.01114285714285714, 0.021, 14),
    "poor": (-0.004, 0.03, 13),
    "single": (0.02, None, 1),
}


def reference() -> Table:
    """Return a table as the reference program writes it: two-sided, normal, unknown is empty."""

    def p_value(mean: float, deviation: float, count: int) -> float:
        return math.erfc(abs(mean / deviation) * math.sqrt(count / 2))

    return table(p_value, None, "ic_std", "n")


def student() -> Table:
    """Return a table with one-sided p values by Student's t, unknown is 1."""

    def p_value(mean: float, deviation: float, count: int) -> float:
        return student_cdf(-mean / deviation * math.sqrt(count), count - 1)

    return table(p_value, 1.0, "std", "n_windows")


def table(rule: Any, unknown: float | None, deviation_name: str, count_name: str) -> Table:
    rows: Table = []
    for factor, (mean, deviation, count) in SAMPLES.items():
        p = unknown if deviation is None else rule(mean, deviation, count)
        row = {"factor": factor, "ic_mean": mean, deviation_name: deviation, count_name: count}
        rows.append({**row, "pos_ratio": 0.75, "p_value": p})
    adjust(rows)
    for row in rows:
        row["gate_pass"] = str(row["factor"] == "good")
    return rows


def adjust(rows: Table) -> None:
    """Put the q of each p into the rows; what has no p has none."""
    known = [row for row in rows if row["p_value"] is not None]
    q_values = benjamini_hochberg([row["p_value"] for row in known])
    for row in rows:
        row["q_value_bh"] = None
    for row, q in zip(known, q_values, strict=True):
        row["q_value_bh"] = q


def rounded(rows: Table, form: str) -> Table:
    """Return the table as a program writes it that rounds: cells as text, some numbers parsed."""
    found = []
    for row in rows:
        cells = dict(row)
        for name, value in row.items():
            if isinstance(value, float):
                cells[name] = float(format(value, form))
        found.append(cells)
    return found


def all_faults(rows: Table) -> list[str]:
    return significance_table.q_faults(rows) + significance_table.p_faults(rows)


FORMS = [reference(), student(), factory.documents().significance]


@pytest.mark.parametrize("rows", FORMS)
@pytest.mark.parametrize("form", ["r", ".6f", ".4f", ".4g", ".3g"])
def test_what_a_producer_writes_is_right(rows: Table, form: str) -> None:
    written = rows if form == "r" else rounded(rows, form)
    assert significance_table.has_deviation(written)
    assert all_faults(written) == []


def test_numbers_may_be_text() -> None:
    rows = reference()
    for row in rows:
        row.update(ic_mean=repr(row["ic_mean"]), n=str(row["n"]), ic_std=str(row["ic_std"] or ""))
    assert all_faults(rows) == []


@pytest.mark.parametrize("rows", FORMS)
def test_a_changed_p_or_q_is_named(rows: Table) -> None:
    first, *others = rows
    changed = [{**first, "q_value_bh": first["q_value_bh"] / 2}, *others]
    (fault,) = significance_table.q_faults(changed)
    assert fault.startswith(f"q of {first['factor']}: ")
    consistent = [{**row} for row in rows]
    consistent[0]["p_value"] /= 10
    adjust(consistent)
    assert significance_table.q_faults(consistent) == []
    (fault,) = significance_table.p_faults(consistent)
    assert fault.startswith(f"p of {first['factor']}: ")


def test_one_rule_holds_for_the_whole_table() -> None:
    """A two-sided p in a one-sided table is one that was doubled."""
    rows = student()
    rows[0]["p_value"] = reference()[0]["p_value"]
    (fault,) = significance_table.p_faults(rows)
    assert "(one-sided Student)" in fault


def test_a_p_without_a_deviation_is_named() -> None:
    rows = reference()
    rows[-1].update(p_value=0.001)
    (fault,) = significance_table.p_faults(rows)
    assert fault == "p of single: 0.001, recomputed nothing"


def test_a_single_q_of_a_tenth_is_no_rounded_fourteen_percent() -> None:
    row = {"factor": "a", "p_value": 0.14, "q_value_bh": 0.1}
    assert significance_table.q_faults([row]) == ["q of a: 0.1, recomputed 0.14"]


@pytest.mark.parametrize("missing", ["p_value", "q_value_bh"])
def test_an_emptied_cell_is_named(missing: str) -> None:
    rows = reference()
    rows[0][missing] = None
    assert all_faults(rows)


def test_without_deviations_p_is_not_worked_out() -> None:
    rows = [{"factor": "a", "p_value": 0.2, "q_value_bh": 0.2}]
    assert not significance_table.has_deviation(rows)
    assert not significance_table.has_deviation([])


def focus(**changes: Any) -> dict[str, Any]:
    row = reference()[0]
    named = ("factor", "ic_mean", "pos_ratio", "p_value", "q_value_bh")
    return {**{name: row[name] for name in named}, "found": True, "gate_pass": True, **changes}


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({}, []),
        ({"p_value": 0.00125}, ["p_value: 0.00125 in the report, 0.0012"]),
        ({"q_value_bh": 0.9}, ["q_value_bh: 0.9 in the report, 0.0037"]),
        ({"q_value_bh": None}, ["q_value_bh: nothing in the report, 0.0037"]),
        ({"gate_pass": False}, ["gate_pass: false in the report, True in the table"]),
        ({"gate_pass": None}, ["gate_pass: nothing in the report, True in the table"]),
        ({"found": False}, ["good: 0 rows by the report, 1 in the table"]),
        ({"factor": "other"}, ["other: 1 rows by the report, 0 in the table"]),
        ({"factor": "other", "found": False}, []),
        ({"factor": None}, []),
    ],
)
def test_the_row_of_the_report_is_that_of_the_table(
    changes: dict[str, Any], faults: list[str]
) -> None:
    found = significance_table.focus_faults(focus(**changes), reference())
    assert len(found) == len(faults)
    for text, fault in zip(found, faults, strict=True):
        assert text.startswith(fault)


def test_a_report_may_round_what_the_table_has_in_full() -> None:
    full = focus()
    numbers = {name: round(full[name], 5) for name in ("ic_mean", "p_value", "q_value_bh")}
    assert significance_table.focus_faults({**full, **numbers}, reference()) == []


def test_a_factor_twice_in_the_table_is_named() -> None:
    rows = [*reference(), reference()[0]]
    assert significance_table.focus_faults(focus(), rows) == [
        "good: 1 rows by the report, 2 in the table"
    ]
