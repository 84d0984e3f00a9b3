"""Many runs as lines: the live table, and at the end what became of each."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from postrun.core import terminal
from postrun.core.errors import AmbiguousRun
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.screen import progress
from postrun.monitor.states import State

CLOSED = "closed"
_FIRST = (State.DEAD, State.CORRUPT, State.UNREACHABLE, State.STALLED)


@dataclass(frozen=True)
class Row:
    """What became of one run; of a workstation that was given up, with no run."""

    host: str
    tag: str | None
    run: str | None
    state: str
    words: str
    exit_code: int


def row(post: HostMonitor, one: RunMonitor, code: int, state: str = "", words: str = "") -> Row:
    """Say what became of a run; where nothing else is said, what was last known of it."""
    return Row(
        post.host, one.tag, one.memory.run, state or state_of(one), words or one.memory.words, code
    )


def state_of(one: RunMonitor) -> str:
    """Name what a run is; of a run that lies on two workstations neither look says that."""
    return "unclear" if one.memory.over is AmbiguousRun else str(one.memory.state or "not seen")


def lines(posts: Sequence[HostMonitor], rows: Sequence[Row], now: float) -> list[str]:
    """Give the live table, the worst on top: it is cut where the terminal ends. `now` is the monotonic clock."""
    done = {(one.host, one.run): one for one in rows}
    runs = [
        (post.host, one, done.get((post.host, one.memory.run)))
        for post in posts
        for one in post.runs.values()
    ]
    runs.sort(
        key=lambda run: (
            run[1].memory.state not in _FIRST,
            _state(run[1], run[2]) == CLOSED,
            run[0],
            run[1].tag,
        )
    )
    wide = max((len(host) for host, _, _ in runs), default=0)
    tags = max((len(one.tag) for _, one, _ in runs), default=0)
    counts = Counter(_state(one, end) for _, one, end in runs)
    said = (
        ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        or "no unfinished run"
    )
    places = f"{len(posts)} workstation{'' if len(posts) == 1 else 's'}"
    head = f"{places}: {said}; Ctrl-C detaches, the runs go on"
    return [
        head,
        *(
            f"  {host:<{wide}}  {one.tag:<{tags}}  {_doing(one, end, now)}"
            for host, one, end in runs
        ),
    ]


def _state(one: RunMonitor, end: Row | None) -> str:
    return end.state if end else str(one.memory.state or "first look")


def _doing(one: RunMonitor, end: Row | None, now: float) -> str:
    memory = one.memory
    lasting = timedelta(seconds=int(now - memory.since)) if memory.state else ""
    at_work = memory.state is State.RUNNING and not memory.pending
    doing = progress(one.glance.log_tail) if one.glance and at_work else ""
    waits = "its closing is next" if memory.state is State.COMPLETE else ""
    return f"{_state(one, end):<11}  {lasting!s:>8}  {end.words if end else waits or doing or memory.words}"


def conclude(rows: Sequence[Row], as_json: bool) -> int:
    """Give a line for each run, the worst last, and the worst code."""
    worst = sorted(rows, key=lambda one: (one.exit_code, one.host, one.run or ""))
    code = max((one.exit_code for one in worst), default=0)
    if as_json:
        print(json.dumps({"exit_code": code, "runs": [asdict(one) for one in worst]}))
    for one in worst if not as_json else ():
        print(
            terminal.plain(
                f"{one.exit_code} {one.state} {one.host} {one.run or one.tag or '-'}: {one.words}"
            )
        )
    return code
