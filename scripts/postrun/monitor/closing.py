"""One complete run of many: what is ordered to close it, and what came of that."""

from postrun.core import locations, run_names
from postrun.core.errors import PostRunError
from postrun.core.request import RunRequest
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.table import CLOSED, Row, row
from postrun.store import verdict


def order_of(post: HostMonitor, one: RunMonitor) -> RunRequest:
    """Give the order to close a run: by its tag, and by its folder too where the tag alone would not do."""
    folder = f"{locations.RUNS}/{one.memory.run}" if _shares_tag(post, one) else None
    return RunRequest(
        post.root, tag=one.tag, host=post.host, remote_root=post.door.root, run_dir_remote=folder
    )


def _shares_tag(post: HostMonitor, one: RunMonitor) -> bool:
    """Say whether another run has this tag, here or on another workstation."""
    here = (path.name for path in (post.root / locations.RUNS).glob(f"*_{one.tag}"))
    there = one.glance.runs if one.glance else ()
    names = map(run_names.parse_run_name, {*here, *there, *post.claims} - {one.memory.run})
    return any(name and name.tag == one.tag for name in names)


def outcome_of(post: HostMonitor, one: RunMonitor, code: int) -> Row:
    """Say what came of a closing: the run's verdict, or that it fell short of one."""
    try:
        found = str(verdict.of_run(post.root, one.memory.run or ""))
    except PostRunError as error:
        found = str(error)
    if code > 1:
        return row(post, one, code, words=f"its closing ended with exit code {code}; {found}")
    return row(post, one, code, CLOSED, found)
