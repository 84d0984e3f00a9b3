"""Read what `ps` printed on the workstation."""

import re
from collections.abc import Iterator

from postrun.core.errors import Unreachable
from postrun.remote.processes import with_descendants
from postrun.remote.snapshots import Process

# Pid, parent, elapsed time as [[days-]hours:]minutes:seconds, command line.
_LINE = re.compile(rb" *(\d+) +(\d+) +(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+) (.*)")
# As every probe's command begins, and the shell around a program that must not outlive us: an rsync
# on this machine names the folders that it reads.
_PROBE = re.compile(r': [0-9a-f]{32}; eval "\$\(printf %b|^/bin/sh -c .{0,4}exec 3<&0 </dev/null')


def read_processes(
    listing: bytes,
    clock: float,
    nonce: str,
) -> tuple[Process, ...]:
    """Return the processes of a listing, without every probe and its children, and who asked.

    `clock` is the workstation's time in seconds since 1970, `nonce` the random word in our probe's
    command line. Raises Unreachable when our probe is not listed: then `ps` did not work, and that
    must not look like a run without processes.
    """
    processes = list(_parse_listing(listing, clock))
    our_probe = {process.pid for process in processes if nonce in process.args}
    if not our_probe:
        raise Unreachable(
            "the workstation's list of processes",
            "the probe itself in it",
            "nothing (does `ps -A` work?)",
        )

    # There may be other monitors, and the children of their probes name a run's folders.
    probes = {process.pid for process in processes if _PROBE.search(process.args)}
    left_out = with_descendants(probes | our_probe, processes)
    # Who asks may carry the tag, like a script that starts a run and waits for it on this machine:
    # it must not wait for itself.
    left_out |= _ancestors(our_probe, processes)
    return tuple(process for process in processes if process.pid not in left_out)


def lists_process_1(listing: bytes) -> bool:
    """Return whether process 1 is in a listing: with `hidepid` others see only their own."""
    numbers = [line.split(maxsplit=1)[:1] for line in listing.split(b"\n")]
    return [b"1"] in numbers


def _parse_listing(listing: bytes, clock: float) -> Iterator[Process]:
    for line in listing.split(b"\n"):
        fields = _LINE.fullmatch(line)
        if fields is None:
            continue
        *numbers, args = fields.groups(default=b"0")
        pid, parent, days, hours, minutes, seconds = map(int, numbers)
        hours += days * 24
        minutes += hours * 60
        seconds += minutes * 60
        command_line = args.decode(errors="replace")
        yield Process(
            pid,
            parent,
            command_line.strip(),
            started=clock - seconds,
        )


def _ancestors(pids: set[int], processes: list[Process]) -> set[int]:
    """Return the parents of these processes, their parents and so on, as far as they are listed."""
    parents = {process.pid: process.parent for process in processes}
    ancestors = set()
    for pid in pids:
        parent = parents[pid]
        while parent in parents and parent not in ancestors:
            ancestors.add(parent)
            parent = parents[parent]
    return ancestors
