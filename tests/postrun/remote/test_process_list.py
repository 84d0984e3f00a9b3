"""What `ps` printed: processes with their beginning, without those that asked."""

import pytest

from postrun.core.errors import Unreachable
from postrun.remote.process_list import read_processes

NONCE = "0f" * 16
OTHER = "1e" * 16
CLOCK = 1_000_000.0
LISTING = f"""\
  PID  PPID     ELAPSED COMMAND
    1     0  2-00:00:00 /sbin/init
   10     1    01:00:00 python launcher.py --tag run1
   11    10       00:10 python run_production_gates.py
   20     1       00:05 python monitor.py --tag run1
   21    20       00:01 sh -c : {NONCE}; eval "$(printf %b "x")"
   22    21       00:00 ps -A
   30     1       00:02 sh -c : {OTHER}; eval "$(printf %b "x")"
   31    30       00:02 grep run1
   32     1       00:02 /bin/sh -c  exec 3<&0 </dev/null "$@" 3<&- & wait sh rsync -rt /srv/run1/
   33    32       00:02 rsync -rt /srv/run1/
   40     1   long ago  a line that no ps writes
"""


def test_whoever_asked_is_left_out_with_parents_and_children() -> None:
    processes = read_processes(LISTING.encode(), CLOCK, NONCE)
    assert [process.pid for process in processes] == [10, 11]


def test_elapsed_times_give_the_beginning() -> None:
    processes = read_processes(LISTING.encode(), CLOCK, NONCE)
    assert [process.started for process in processes] == [CLOCK - 3600, CLOCK - 10]
    assert [process.parent for process in processes] == [1, 10]


def test_a_listing_without_the_probe_is_no_listing() -> None:
    with pytest.raises(Unreachable, match="the probe itself in it"):
        read_processes(LISTING.encode(), CLOCK, "2d" * 16)


def test_days_count() -> None:
    line = f"9 1 3-01:00:01 gate\n8 1 00:00 sh -c : {NONCE}; eval"
    (process,) = read_processes(line.encode(), CLOCK, NONCE)
    assert process.started == CLOCK - (3 * 24 + 1) * 3600 - 1
