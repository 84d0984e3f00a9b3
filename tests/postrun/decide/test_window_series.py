"""The series of a trial: from whatever form a table has, into a cell and back, to its digest."""

from typing import Any

import pytest

from postrun.decide import window_series

X = [0.031, -0.012, 0.044, 0.018, 0.027, -0.021, 0.052, 0.009, 0.036, 0.015, -0.004, 0.041, 0.022]
DIGEST = "1beb6edd63ebcd4b287a977d516ecd8a6919400b4af8de99763f8cac22ed64aa"


def rows(**changes: Any) -> list[dict[str, Any]]:
    table = []
    for year, ic in zip(range(2013, 2026), X, strict=True):
        row = {"test_start": f"{year}-01-01", "test_end": f"{year}-12-31", "test_ic": ic}
        table.append(row)
    table[3] |= changes
    return table


def test_the_digest_is_the_printed_one() -> None:
    found = window_series.read(rows())
    assert window_series.digest(found.series) == DIGEST
    assert found.problems == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2016-01-01 00:00:00", "2016-12-31T23:59:59Z"),
        ("20160101", "20161231"),
        ("2016/01/01", "2016/12/31"),
        (" 2016-01-01", "2016-12-31 "),
    ],
)
def test_a_date_may_have_another_form(start: str, end: str) -> None:
    found = window_series.read(rows(test_start=start, test_end=end))
    assert window_series.digest(found.series) == DIGEST


@pytest.mark.parametrize("ic", [None, "", "NaN", "inf", "-Infinity", "n/a", float("nan"), True])
def test_what_is_no_number_is_not_measured(ic: Any) -> None:
    found = window_series.read(rows(test_ic=ic))
    assert len(found.series) == 12
    assert "2016-01-01|2016-12-31" not in found.series


@pytest.mark.parametrize("start", ["soon", None, "2016-13-01", "2016-02-30", "160101", "201601011"])
def test_a_window_without_a_date_is_named(start: Any) -> None:
    found = window_series.read(rows(test_start=start))
    assert len(found.series) == 12
    assert found.problems == [f"window {start} to 2016-12-31: no dates that can be read"]


def test_a_window_that_is_there_twice_is_not_measured() -> None:
    found = window_series.read([*rows(), rows()[0]])
    assert len(found.series) == 12
    assert found.problems == ["window 2013-01-01|2013-12-31: 2 rows"]
    assert found.rows == 14
    # Nor when one of its rows is empty: nobody knows which one is right.
    empty = rows()[0] | {"test_ic": ""}
    assert window_series.read([*rows(), empty]) == found


def test_ics_are_those_that_the_registry_can_hold() -> None:
    found = window_series.read(rows(test_ic=0.018000000000000001776))
    assert found == window_series.read(rows(test_ic=0.018))
    table = rows()
    for place, row in enumerate(table):
        row["test_ic"] = 0.02 + place * 1e-16
    assert window_series.read(table).series == {}


def test_the_order_of_rows_and_the_sign_of_zero_do_not_matter() -> None:
    plain = window_series.read(rows(test_ic=0.0)).series
    other = window_series.read(reversed(rows(test_ic=-0.0))).series
    assert list(plain) == list(other)
    assert window_series.digest(plain) == window_series.digest(other)
    assert "2016-12-31=0;" in window_series.encode(other)


def test_a_cell_reads_back() -> None:
    series = window_series.read(rows()).series
    cell = window_series.encode(series)
    assert cell.startswith("2013-01-01/2013-12-31=0.031;2014-01-01/2014-12-31=-0.012;")
    assert window_series.decode(cell) == series
    assert window_series.decode(None) == window_series.decode("") == {}


@pytest.mark.parametrize("ics", [[], [0.02], [0.02] * 13])
def test_one_window_and_equal_windows_are_no_series(ics: list[float]) -> None:
    table = rows()[: len(ics)]
    for row, ic in zip(table, ics, strict=True):
        row["test_ic"] = ic
    found = window_series.read(table)
    assert found.series == {}
    assert len(found.measured) == len(ics)


def test_months_are_means_of_their_dates() -> None:
    table = [
        {"date": "2013-02-01", "n": 100, "ic": "0.05"},
        {"date": "2013-01-31", "n": 100, "ic": 0.03},
        {"date": "2013-01-02", "n": 100, "ic": 0.01},
        {"date": "2013-01-03", "n": 0, "ic": None},
        {"date": "soon", "n": 1, "ic": 0.9},
    ]
    months = window_series.by_month(table)
    assert months == {"2013-01": pytest.approx(0.02), "2013-02": 0.05}
    assert window_series.decode(window_series.encode(months)) == pytest.approx(months)
