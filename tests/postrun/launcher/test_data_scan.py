"""One pass over a data file: what is counted, and what is no CSV file."""

import dataclasses
from datetime import date
from pathlib import Path

import pytest

from postrun.core.errors import Missing
from postrun.core.locations import PROJECT
from postrun.launcher import data_scan, policy

POLICY = PROJECT / "configs/launcher_policy.json"
THRESHOLDS = dataclasses.replace(
    policy.load(POLICY).data_quality,
    required_columns=("date", "symbol", "close"),
    numeric_columns=("close",),
    key_columns=("date", "symbol"),
    date_column="date",
)


def counted(tmp_path: Path, *rows: str, header: str = "date,symbol,close") -> data_scan.DataCounts:
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return data_scan.scan(path, THRESHOLDS)


def test_rows_and_the_newest_day_are_counted(tmp_path: Path) -> None:
    counts = counted(tmp_path, "2022-02-18,A,2", "2022-02-17,A,1.5", "", "2022-02-16,A,3e2")
    assert (counts.rows, counts.newest) == (3, date(2022, 2, 18))
    assert (counts.ragged, counts.duplicates, counts.bad_dates) == (0, 0, 0)


def test_a_key_that_comes_again_is_a_duplicate(tmp_path: Path) -> None:
    counts = counted(tmp_path, "2022-02-18,A,2", "2022-02-18,A,3", "2022-02-18,B,2")
    assert counts.duplicates == 1


@pytest.mark.parametrize("text", ["", "NaN", "n/a", "null"])
def test_no_number_is_missing(tmp_path: Path, text: str) -> None:
    counts = counted(tmp_path, f"2022-02-18,A,{text}")
    assert counts.missing == {"close": 1}
    assert counts.unreadable == {}


@pytest.mark.parametrize("text", ["1_000", "inf", "abc", "\u0661"])
def test_another_text_is_not_readable(tmp_path: Path, text: str) -> None:
    counts = counted(tmp_path, f"2022-02-18,A,{text}")
    assert counts.unreadable == {"close": 1}
    assert counts.missing == {}


def test_rows_of_another_width_are_counted_and_read_as_far_as_they_go(tmp_path: Path) -> None:
    counts = counted(tmp_path, "2022-02-18,A", "someday,A,1,2")
    assert (counts.ragged, counts.bad_dates) == (2, 1)
    assert counts.missing == {"close": 1}


def test_of_two_columns_with_one_name_the_first_counts(tmp_path: Path) -> None:
    counts = counted(tmp_path, "2022-02-18,A,,7", header="date,symbol,close,close")
    assert counts.missing == {"close": 1}


def test_every_column_of_a_check_is_named_once() -> None:
    assert data_scan.checked_columns(THRESHOLDS) == ["date", "symbol", "close"]


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        data_scan.scan(tmp_path / "absent.csv", THRESHOLDS)
