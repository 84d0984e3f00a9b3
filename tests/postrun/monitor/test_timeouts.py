"""The flags of the timeouts."""

import argparse

import pytest

from postrun.monitor.states import Limits
from postrun.monitor.timeouts import add_timeouts, limits_from, seconds

# --- flags
# --------------------------------------------------------------------------------------------------


def test_timeouts_have_the_defaults_of_the_limits() -> None:
    parser = argparse.ArgumentParser()
    add_timeouts(parser)
    assert limits_from(parser.parse_args([])) == Limits()
    flags = (
        "--interval",
        "--grace",
        "--stall-after",
        "--appear-timeout",
        "--outage-budget",
        "--deadline",
    )
    given = [word for number, flag in enumerate(flags, start=1) for word in (flag, str(number))]
    assert limits_from(parser.parse_args(given)) == Limits(1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_seconds_are_positive_and_finite(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a positive number of seconds"):
        seconds(text)
