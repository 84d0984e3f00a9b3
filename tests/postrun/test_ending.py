"""How what stops a script reaches the person who started it."""

from collections.abc import Callable

import pytest

from postrun import ending
from postrun.core import errors
from postrun.core.errors import Locked


def failing(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            Locked("x.lock", "it free", "it held\nby \x1b"),
            9,
            "x.lock: expected it free, found it held by \\x1b",
        ),
        (
            ModuleNotFoundError(name="pandas"),
            3,
            "package pandas: expected in this Python, found nothing; run `make setup`",
        ),
        (ModuleNotFoundError(name="fabric.connection"), 3, "package fabric.connection: expected"),
        (KeyboardInterrupt(), errors.INTERRUPTED, "interrupted"),
    ],
)
def test_what_stops_a_script_is_one_line_and_a_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending.guard(failing(error)) == code
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith(line)


@pytest.mark.parametrize(
    "bug",
    [ValueError("x"), KeyError("x"), ModuleNotFoundError(name="postrun.gone"), OSError(28, "x")],
)
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    with pytest.raises(type(bug)) as caught:
        ending.guard(failing(bug))
    assert caught.value is bug


def test_the_code_of_the_work_is_the_code_of_the_script() -> None:
    assert ending.guard(lambda: 1) == 1
