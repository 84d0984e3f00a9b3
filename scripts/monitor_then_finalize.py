"""Wait until an official run has really ended, then close it.

Reads the workstation, one small poll per interval: result.json, the run's processes, and whether
its files have changed. Writes monitor_events.jsonl in the local run folder, one line for each
change of state; then what the steps write. States: waiting starting running stalled settling
writing corrupt dead unreachable complete. A run is complete when its result is valid, no process of
it is left, and no file has changed between two polls. While the workstation does not answer, it
tries again for --outage-budget, also when that interrupts the closing.

With --once it polls once and exits; when the run seems to have ended, it first waits until that is
confirmed (complete: one more interval; dead or corrupt: the grace time). --dry-run polls once,
prints the state and writes nothing. Ctrl-C stops the monitor only: the run goes on, and the same
command resumes. With --json it prints one line for each attempt to close the run.

Exit codes: those of the steps when the run is closed (0 all passed, 1 a check failed), 2 usage,
3 no run folder within --appear-timeout, 4 result.json is corrupt, 6 the workstation did not answer,
7 the run is dead, 8 deadline reached, 10 not finished yet (--once, --dry-run, or a process that
prevented the closing), 130 stopped by Ctrl-C.

    python scripts/monitor_then_finalize.py --tag committee_2026-02-21_run4 --interval 30
"""

import argparse

from postrun import flags
from postrun.monitor.timeouts import add_timeouts


def add_until(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a monitor of one run."""
    group = parser.add_argument_group("until when")
    until = "stop when the run is complete, without closing it"
    group.add_argument("--until", choices=["complete"], help=until)
    pattern = "processes with a command line that matches this also belong to the run"
    group.add_argument("--process-pattern", metavar="RE", help=pattern)


FLAGS = flags.ScriptFlags(
    __doc__, flags.add_target, flags.add_evidence, flags.add_decision, add_timeouts, add_until
)
FLAGS.answer_help(__name__)

import functools
import json
import time
from collections.abc import Sequence
from dataclasses import replace

import post_run_sync_and_finalize as conductor
from postrun import cli
from postrun.core import locations, run_names
from postrun.core.errors import (
    INTERRUPTED,
    DeadlineReached,
    Invalid,
    Missing,
    NotFinished,
    PostRunError,
    RunDead,
    Unreachable,
)
from postrun.core.request import RunRequest
from postrun.monitor.display import OneRunDisplay
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.loop import MonitorLoop
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.screen import Screen
from postrun.monitor.states import State
from postrun.monitor.timeouts import limits_from
from postrun.remote import workstation
from postrun.remote.snapshots import HostSnapshot
from postrun.remote.workstation import Workstation
from postrun.store import configuration, run_lookup
from steps import STEPS


def run(args: argparse.Namespace, resume: str) -> int:
    """Monitor one run to its end, close it or print its state; return the exit code."""
    request = cli.parse_request(args)
    settings = configuration.workstation()
    station = workstation.connect(
        request.host,
        request.remote_root,
        settings,
        request.scheduler,
    )
    host = host_monitor(args, request, station)
    (monitor,) = host.monitors.values()
    close = None
    if not args.until:
        close = functools.partial(conductor.close, chosen_steps=STEPS, as_json=args.json)
    display = OneRunDisplay([host], Screen())
    loop = MonitorLoop([host], display, close, args.lock_wait, args.once, args.dry_run)
    if not loop.run(resume):
        return INTERRUPTED
    station.close()
    return conclude(args, host, monitor, resume)


def host_monitor(
    args: argparse.Namespace, request: RunRequest, station: Workstation
) -> HostMonitor:
    """Return the monitor of a workstation for one run. Raises Usage, AmbiguousRun."""
    tag = run_lookup.requested_tag(request)
    run_folder = run_lookup.requested_run(request)
    remote_folder = None
    if run_folder:
        remote_folder = f"{locations.RUNS}/{run_folder}"
    limits = limits_from(args)
    started_at = time.monotonic()

    @functools.cache
    def nearest_tags() -> str:
        listing = station.list_files(())
        return run_names.nearest_tags(tag, listing.tags)

    typed_tag = tag

    def poll(*_: object) -> HostSnapshot:
        # Only the snapshot of the run counts where no other runs are looked for.
        nonlocal typed_tag
        snapshot = station.take_run_snapshot(typed_tag, remote_folder)
        # A later run of another tag may get the same name: go on with this one.
        for folder in snapshot.runs[-1:]:
            typed_tag = snapshot.raw_tags.get(folder, typed_tag)
        if not snapshot.runs:
            snapshot = replace(snapshot, nearest_tags=nearest_tags())
        return HostSnapshot(0.0, None, {}, (), {tag: snapshot})

    monitor = RunMonitor(request, tag, limits, started_at, pattern=args.process_pattern)
    return HostMonitor(request, poll, limits, started_at, monitors={tag: monitor})


def conclude(args: argparse.Namespace, host: HostMonitor, monitor: RunMonitor, resume: str) -> int:
    """Return the exit code of the closing; without one, print the state of the run.

    Raises the error that ended the monitor.
    """
    current = monitor.current
    error = None
    code = 0
    if current.state is State.COMPLETE and monitor.report_row:
        return monitor.report_row.exit_code
    if monitor.error:
        raise monitor.error
    if host.error and host.is_rejected:
        raise host.error
    if current.state is not State.COMPLETE:
        error = explain_end(host, monitor, resume)
        code = error.exit_code
    if args.json:
        row = {
            "state": current.state,
            "run": current.run,
            "words": current.message,
            "exit_code": code,
        }
        print(json.dumps(row))
    else:
        print(current.state)
    if error:
        raise error
    return 0


def explain_end(host: HostMonitor, monitor: RunMonitor, resume: str) -> PostRunError:
    """Return the error of a run that did not complete."""
    current = monitor.current
    limits = monitor.limits
    thing = f"run {monitor.tag}"
    state = f"{current.state}: {current.message}"
    if current.error_class is Missing:
        expected = f"a run folder within {limits.appear_timeout:g} s"
        request = monitor.request
        not_configured = configuration.why_not_configured(request.host, request.remote_root)
        return Missing(thing, expected, current.message, not_configured or resume)
    if current.error_class is DeadlineReached:
        expected = f"its end within {limits.deadline:g} s"
        return DeadlineReached(thing, expected, state, resume)
    if current.state is State.UNREACHABLE:
        thing = f"workstation {monitor.host}"
        return Unreachable(thing, "an answer", monitor.problem, resume)
    if current.error_class is None:
        return NotFinished(thing, "its end", state)
    if current.error_class is RunDead and not current.run:
        # There is nothing to close: no run of this tag has ever begun.
        return RunDead(thing, "a run folder", current.message, "start it again")
    command = cli.abandon_command(host.closing_request(monitor), monitor.tag)
    hint = f"close it with: {command}"
    if current.error_class is RunDead:
        return RunDead(thing, "a result.json", current.message, hint)
    expected = "a result.json that can be read"
    return Invalid(thing, expected, current.message, f"if it stays so, {hint}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    work = functools.partial(run, resume=cli.resume_hint(__file__, argv))
    return cli.script_main(work, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
