"""Every error is one line and has its exit code, as README promises."""

import pickle

import pytest

from postrun.core import errors
from postrun.core.errors import PostRunError

CODES = {
    "Usage": 2,
    "Missing": 3,
    "Invalid": 4,
    "AmbiguousRun": 5,
    "Unreachable": 6,
    "HostRejected": 6,
    "RunDead": 7,
    "DeadlineReached": 8,
    "Locked": 9,
    "NotFinished": 10,
}
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, PostRunError) and kind is not PostRunError
}


def test_every_error_has_its_code() -> None:
    assert {name: kind.exit_code for name, kind in KINDS.items()} == CODES
    assert errors.INTERRUPTED not in CODES.values()


@pytest.mark.parametrize("name", CODES)
def test_an_error_comes_whole_out_of_another_process(name: str) -> None:
    error = KINDS[name]("run.pid", "a number", "'x'")
    error.add_hint("")
    error.add_hint("look there")
    assert str(error) == "run.pid: expected a number, found 'x'; look there"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.exit_code) == (type(error), str(error), error.exit_code)


@pytest.mark.parametrize("name", CODES)
def test_an_error_is_one_line(name: str) -> None:
    assert str(KINDS[name]("run.pid", "a number", "'x'")) == "run.pid: expected a number, found 'x'"
    assert str(KINDS[name]("run.pid", "a number", "'x'", "look there")).endswith(
        "found 'x'; look there"
    )
