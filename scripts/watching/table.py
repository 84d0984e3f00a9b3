"""Many runs as lines: the live table, and at the end what became of each."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from postrun.lookout import Lookout
from postrun.patrol import Post
from postrun.screen import progress
from postrun.states import State

_FIRST = (State.DEAD, State.CORRUPT, State.UNREACHABLE, State.STALLED)
_CLOSED = "closed"


@dataclass(frozen=True)
class Row:
    """What became of one run; of a workstation that was given up, with no run."""

    host: str
    tag: str | None
    run: str | None
    state: str
    words: str
    exit_code: int


def row(post: Post, one: Lookout, code: int) -> Row:
    """Say what became of a run."""
    return Row(post.host, one.tag, one.memory.run, str(one.memory.state or "not seen"), one.memory.words, code)


def lines(posts: Sequence[Post], rows: Sequence[Row], now: float) -> list[str]:
    """Give the live table, the worst on top: it is cut where the terminal ends. `now` is the monotonic clock."""
    codes = {(one.host, one.tag): one.exit_code for one in rows}
    runs = [(post.host, one, codes.get((post.host, one.tag))) for post in posts for one in post.runs.values()]
    runs.sort(
        key=lambda run: (run[1].memory.state not in _FIRST, _state(run[1], run[2]) == _CLOSED, run[0], run[1].tag)
    )
    wide = max((len(host) for host, _, _ in runs), default=0)
    tags = max((len(one.tag) for _, one, _ in runs), default=0)
    counts = Counter(_state(one, code) for _, one, code in runs)
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "no unfinished run"
    places = f"{len(posts)} workstation{'' if len(posts) == 1 else 's'}"
    head = f"{places}: {said}; Ctrl-C detaches, the runs go on"
    return [head, *(f"  {host:<{wide}}  {one.tag:<{tags}}  {_doing(one, code, now)}" for host, one, code in runs)]


def _state(one: Lookout, code: int | None) -> str:
    if one.memory.state is State.COMPLETE and code is not None:
        return _CLOSED
    return str(one.memory.state or "first look")


def _doing(one: Lookout, code: int | None, now: float) -> str:
    memory, state = one.memory, _state(one, code)
    lasting = timedelta(seconds=int(now - memory.since)) if memory.state else ""
    doing = progress(one.glance.log_tail) if one.glance and memory.state is State.RUNNING else ""
    if memory.state is State.COMPLETE:
        doing = f"with exit code {code}" if state == _CLOSED else "its closing is next"
    return f"{state:<11}  {lasting!s:>8}  {doing or memory.words}"


def conclude(rows: Sequence[Row], as_json: bool) -> int:
    """Give a line for each run, the worst last, and the worst code."""
    worst = sorted(rows, key=lambda one: (one.exit_code, one.host, one.run or ""))
    code = max((one.exit_code for one in worst), default=0)
    if as_json:
        print(json.dumps({"exit_code": code, "runs": [asdict(one) for one in worst]}))
    for one in worst if not as_json else ():
        print(f"{one.exit_code} {one.state} {one.host} {one.run or one.tag or '-'}")
    return code
