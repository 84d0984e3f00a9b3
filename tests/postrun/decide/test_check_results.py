"""The results of checks in words."""

import pytest

from postrun.decide import check_results


@pytest.mark.parametrize(
    ("answers", "summary"),
    [
        (["pass", "pass"], "all 2 checks passed"),
        (["pass", "fail"], "1 of 2 checks did not pass (1 failed)"),
        (
            ["fail", "skipped", "fail", "skipped", "pass"],
            "4 of 5 checks did not pass (2 failed, 2 skipped)",
        ),
        (["error", "skipped"], "2 of 2 checks did not pass (1 could not run, 1 skipped)"),
    ],
)
def test_the_summary_counts_every_kind(answers: list[str], summary: str) -> None:
    rows = [{"answer": answer} for answer in answers]
    assert check_results.summary(rows) == summary


def test_what_is_skipped_did_not_pass_and_did_not_fail() -> None:
    rows = [{"answer": answer} for answer in ("pass", "skipped", "error", "fail")]
    assert check_results.not_passed(rows) == rows[1:]
    assert check_results.failed(rows) == rows[2:]
