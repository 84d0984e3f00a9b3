"""The rows of what became of runs, as text and as JSON."""

import json

import pytest

from postrun.core.terminal import counted
from postrun.monitor.report import ReportRow, print_rows

CLOSED = ReportRow("bench", "closed", "pass, audit passed", 0, "a", "run_a")
CLOSE_IT = 'make finalize TAG=b ABANDONED="<reason>"'
DEAD = ReportRow("bench", "dead", "no process is left", 7, "b", "run_b", CLOSE_IT)
LOST = ReportRow("other", "given up", "a key\x1b[31m", 6)


def test_the_worst_row_comes_last_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_rows([DEAD, CLOSED, LOST], as_json=False) == 7
    assert capsys.readouterr().out == (
        "0 closed bench run_a: pass, audit passed\n"
        "6 given up other -: a key\\x1b[31m\n"
        f"7 dead bench run_b: no process is left; close it with: {CLOSE_IT}\n"
    )


def test_json_has_the_keys_of_every_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_rows([CLOSED], as_json=True) == 0
    row = {"host": "bench", "tag": "a", "run": "run_a", "state": "closed", "exit_code": 0}
    expected = {"exit_code": 0, "runs": [{**row, "words": "pass, audit passed"}]}
    assert json.loads(capsys.readouterr().out) == expected


def test_no_rows_are_nothing_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_rows([], as_json=False) == 0
    assert print_rows([], as_json=True) == 0
    assert capsys.readouterr().out == '{"exit_code": 0, "runs": []}\n'


@pytest.mark.parametrize(("count", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs")])
def test_a_number_has_its_noun(count: int, text: str) -> None:
    assert counted(count, "run") == text
