"""One complete run of many: what is ordered to close it, and what came of that."""

from postrun import layout, verdict
from postrun.errors import Refusal
from postrun.lookout import Lookout
from postrun.outcome import Order
from postrun.patrol import Post
from watching.table import CLOSED, Row, row


def order_of(post: Post, one: Lookout) -> Order:
    """Give the order to close a run: by its tag, and by its folder too where the tag alone would not do."""
    folder = f"{layout.RUNS}/{one.memory.run}" if _shares_tag(post, one) else None
    return Order(post.root, tag=one.tag, host=post.host, remote_root=post.door.root, run_dir_remote=folder)


def _shares_tag(post: Post, one: Lookout) -> bool:
    """Say whether another run has this tag, here or on another workstation."""
    here = (path.name for path in (post.root / layout.RUNS).glob(f"*_{one.tag}"))
    there = one.glance.runs if one.glance else ()
    names = map(layout.run_name, {*here, *there, *post.claims} - {one.memory.run})
    return any(name and name.tag == one.tag for name in names)


def outcome_of(post: Post, one: Lookout, code: int) -> Row:
    """Say what came of a closing: the run's verdict, or that it fell short of one."""
    try:
        found = str(verdict.of_run(post.root, one.memory.run or ""))
    except Refusal as refusal:
        found = str(refusal)
    if code > 1:
        return row(post, one, code, words=f"its closing ended with exit code {code}; {found}")
    return row(post, one, code, CLOSED, found)
