"""Read what `ps` printed on the workstation."""

import re
from collections.abc import Iterator

from postrun.core.errors import Unreachable
from postrun.remote.processes import with_descendants
from postrun.remote.snapshots import Process

_LINE = re.compile(rb" *(\d+) +(\d+) +([\d:-]+) (.*)")  # pid, parent, elapsed time, command line
_ELAPSED = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")  # [[days-]hours:]minutes:seconds
_PROBE = re.compile(r': [0-9a-f]{32}; eval "\$\(printf %b')  # as every probe's command begins


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


def _parse_listing(listing: bytes, clock: float) -> Iterator[Process]:
    for line in listing.split(b"\n"):
        fields = _LINE.fullmatch(line)
        if fields is None:
            continue
        age = _seconds(fields[3].decode())
        if age is not None:
            args = fields[4].decode(errors="replace")
            yield Process(
                pid=int(fields[1]),
                parent=int(fields[2]),
                args=args.strip(),
                started=clock - age,
            )


def _seconds(elapsed: str) -> int | None:
    """Return the seconds of a time like 2-03:04:05 or 04:05; None for any other text."""
    parts = _ELAPSED.fullmatch(elapsed)
    if parts is None:
        return None
    days, hours, minutes, seconds = map(int, parts.groups(default="0"))
    hours += days * 24
    minutes += hours * 60
    return seconds + minutes * 60


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
