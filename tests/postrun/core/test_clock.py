"""The one source of "now": UTC, to the second, and SOURCE_DATE_EPOCH in its place."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from postrun.core import clock
from postrun.core.errors import Usage


def test_now_is_utc_to_the_second() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    now = clock.now()
    assert before <= now <= datetime.now(UTC)
    assert (now.microsecond, now.utcoffset()) == (0, timedelta(0))


@pytest.mark.parametrize(
    ("epoch", "stamp"),
    [
        ("0", "1970-01-01T00:00:00Z"),
        ("1771650000", "2026-02-21T05:00:00Z"),
        ("-1", "1969-12-31T23:59:59Z"),
    ],
)
def test_source_date_epoch_stands_in_for_now(
    monkeypatch: pytest.MonkeyPatch, epoch: str, stamp: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert clock.stamp(clock.now()) == stamp


@pytest.mark.parametrize("epoch", ["", "today", "1.5", "9" * 30, "9" * 5000, "nan"])
def test_an_epoch_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, epoch: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(Usage, match="SOURCE_DATE_EPOCH: expected whole seconds since 1970"):
        clock.now()


def test_a_moment_of_another_zone_is_written_in_utc() -> None:
    west = timezone(timedelta(hours=-7))
    assert (
        clock.stamp(datetime(2026, 2, 21, 20, 15, 0, 999_999, tzinfo=west))
        == "2026-02-22T03:15:00Z"
    )


def test_a_folder_stamp_is_local_time_without_zone() -> None:
    moment = clock.from_stamp("2026-02-21_031500")
    assert (moment.isoformat(), moment.tzinfo) == ("2026-02-21T03:15:00", None)
    assert moment.strftime(clock.RUN_STAMP) == "2026-02-21_031500"


@pytest.mark.parametrize(
    "text", ["", "2026-02-30_031500", "2026-02-21_246000", "2026-02-21T03:15:00", "x"]
)
def test_what_is_no_stamp_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        clock.from_stamp(text)
