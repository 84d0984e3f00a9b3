"""Who ran what and when: in UTC where the offset is known, else not at all."""

from typing import Any

import pytest

from postrun.core import clock
from postrun.review import origin

BEGAN = clock.from_stamp("2026-02-21_031500")
OFFSETS = {"utc_offset": "-0700", "utc_offset_at_end": None}


def describe(detection: dict[str, Any], generated_at: Any) -> tuple[Any, ...]:
    report = {"generated_at": generated_at}
    ran = origin.describe(BEGAN, {}, {}, {}, detection, report)
    return ran["began"], ran["ended"], ran["seconds"]


@pytest.mark.parametrize(
    ("detection", "generated_at", "expected"),
    [
        (OFFSETS, "2026-02-21T05:15:30", ("2026-02-21T10:15:00Z", "2026-02-21T12:15:30Z", 7230)),
        (
            {**OFFSETS, "utc_offset_at_end": "-0600"},
            "2026-02-21T06:15:30",
            ("2026-02-21T10:15:00Z", "2026-02-21T12:15:30Z", 7230),
        ),
        (OFFSETS, "2026-02-21T12:15:00Z", ("2026-02-21T10:15:00Z", "2026-02-21T12:15:00Z", 7200)),
        ({}, "2026-02-21T05:15:30", (None, None, None)),
        # A report from before the run is told as it is, without a span.
        (OFFSETS, "2026-02-20T05:15:30", ("2026-02-21T10:15:00Z", "2026-02-20T12:15:30Z", None)),
        (OFFSETS, "soon", ("2026-02-21T10:15:00Z", None, None)),
        (OFFSETS, 7, ("2026-02-21T10:15:00Z", None, None)),
        (OFFSETS, "0001-01-01T00:00:00+14:00", ("2026-02-21T10:15:00Z", None, None)),
    ],
)
def test_times(detection: dict[str, Any], generated_at: Any, expected: tuple[Any, ...]) -> None:
    assert describe(detection, generated_at) == expected


def test_machine_code_and_data() -> None:
    context = {"git_commit": "0f", "threads": 8, "data_quality_input_csv": "named.csv"}
    preflight = {"hostname": "bench", "git_commit": "1e", "git_dirty_count": 2}
    metrics = {"input_sha256": "ab", "row_count": 3.0}
    quality = {"inputs": {"input_csv": "checked.csv"}, "metrics": metrics}
    ran = origin.describe(BEGAN, context, preflight, quality, {}, None)
    assert (ran["host"], ran["commit"], ran["changed_files"]) == ("bench", "0f", 2)
    assert (ran["data_file"], ran["data_sha256"], ran["data_rows"]) == ("checked.csv", "ab", 3)
    assert origin.describe(BEGAN, context, None, None, {}, None)["data_file"] == "named.csv"
