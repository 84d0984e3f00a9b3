"""How long a monitor waits for what, and the flags that say so."""

import argparse
import math
from typing import NamedTuple

from postrun.core.errors import DeadlineReached, Missing, Unreachable


class Limits(NamedTuple):
    """How long to wait for what, in seconds."""

    interval: float = 30.0
    grace: float = 60.0
    stall: float = 1800.0
    appear_timeout: float = 86400.0
    outage: float = 3600.0
    deadline: float = math.inf


# Flag, field of Limits, help. `make docs` writes them into docs/steps.md.
TIMEOUTS = (
    ("--interval", "interval", "seconds between two polls"),
    (
        "--grace",
        "grace",
        "how long a run has no process until it is dead, or an invalid result until it is corrupt",
    ),
    ("--stall-after", "stall", "how long no file changes before a run counts as stalled"),
    (
        "--appear-timeout",
        "appear_timeout",
        f"how long to wait for the run folder; then exit code {Missing.exit_code}",
    ),
    (
        "--outage-budget",
        "outage",
        f"how long the workstation may not answer; then exit code {Unreachable.exit_code}",
    ),
    (
        "--deadline",
        "deadline",
        f"how long to wait in all; then exit code {DeadlineReached.exit_code}",
    ),
)


def add_timeouts(parser: argparse.ArgumentParser, usual: Limits | None = None) -> None:
    """Add --once and the flags of the timeouts; `usual` holds their defaults."""
    once = "poll once and exit; exit code 10 means that a run has not ended"
    parser.add_argument("--once", action="store_true", help=once)
    group = parser.add_argument_group("timeouts, in seconds")
    for flag, name, description in TIMEOUTS:
        default = getattr(usual or Limits(), name)
        shown = "no end" if default == math.inf else f"{default:g}"
        text = f"{description} (default: {shown})"
        group.add_argument(flag, dest=name, type=seconds, default=default, metavar="S", help=text)


def limits_from(args: argparse.Namespace) -> Limits:
    """Return the limits that a command line sets."""
    return Limits(**{name: getattr(args, name) for _, name, _ in TIMEOUTS})


def seconds(text: str) -> float:
    """Return a positive number of seconds; a type for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a positive number of seconds, found {text!r}")
    return number
