"""Whether the ICs of single dates give those of the windows."""

from typing import Any

import pytest

from harness import factory
from postrun.decide import ics_by_date

Rows = list[dict[str, Any]]


def windows(**changes: Any) -> Rows:
    rows = [{**row} for row in factory.documents().windows[:3]]
    rows[1].update(changes)
    return rows


def dates() -> Rows:
    return factory.dates(windows())


def test_the_dates_of_a_producer_agree() -> None:
    assert ics_by_date.faults(windows(), dates()) == []


def test_a_time_behind_a_date_does_not_matter() -> None:
    rows = [{**row, "date": f"{row['date']} 00:00:00"} for row in dates()]
    days = {"test_start": "2014-01-01 00:00:00", "test_end": "20141231"}
    assert ics_by_date.faults(windows(**days), rows) == []


def test_a_window_without_a_test_ic_is_not_compared() -> None:
    rows = [row for row in dates() if not row["date"].startswith("2014")]
    assert ics_by_date.faults(windows(test_ic=None), rows) == []
    assert ics_by_date.faults(windows(test_ic=None), dates()) == []


def test_a_date_without_an_ic_takes_no_part() -> None:
    rows = [*dates(), {"date": "2014-06-30", "n": 0, "ic": None}]
    assert ics_by_date.faults(windows(), rows) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"ic": 0.5}, "window 2014-01-01: test_ic 0.02"),
        ({"date": "2014-02-28"}, "2014-02-28 twice"),
        ({"date": "28.01.2014"}, "'28.01.2014' is no date"),
        ({"date": None}, "None is no date"),
        ({"date": "2020-01-28"}, "window 2014-01-01: test_ic 0.02"),
    ],
)
def test_a_date_that_does_not_fit_is_named(change: dict[str, Any], fault: str) -> None:
    rows = dates()
    rows[12].update(change)
    assert ics_by_date.faults(windows(), rows)[0].startswith(fault)


def test_dates_outside_of_every_window_are_named() -> None:
    rows = [*dates(), {"date": "2020-01-28", "n": 9, "ic": 0.3}]
    assert ics_by_date.faults(windows(), rows) == ["2020-01-28 is in no window"]


def test_a_measured_window_needs_dates() -> None:
    rows = [row for row in dates() if not row["date"].startswith("2014")]
    (fault,) = ics_by_date.faults(windows(), rows)
    assert fault.endswith("and no date with an ic")


def test_a_difference_of_a_billionth_is_rounding() -> None:
    rows = dates()
    rows[0]["ic"] += 11e-9
    assert ics_by_date.faults(windows(), rows) == []
    rows[0]["ic"] += 2e-9
    assert len(ics_by_date.faults(windows(), rows)) == 1


def test_a_window_whose_dates_cannot_be_read_is_named() -> None:
    found = ics_by_date.faults(windows(test_end="end of 2014"), dates())
    assert found[0] == "window '2014-01-01': its dates cannot be read"
