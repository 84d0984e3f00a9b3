"""Monitor every unfinished run on every configured workstation, and close each as it completes.

Reads the workstations that configs/workstation.local.json lists under `workstations`; without that
list, or with --host, one. One connection and one small poll per interval each, whatever the number
of runs. Writes monitor_events.jsonl in the local folder of each run, then what the steps write.
--prometheus writes a file at every poll; what its metrics are is in docs/RUNBOOK.md.

A run is unfinished when its folder exists and it was not closed in this workspace (no ledger row,
or no audit). Monitored are those that began in the last 7 days by the workstation's clock, older
ones that still have processes, and all that begin later; --since names another time, --all includes
every one. Dead and corrupt runs are reported, never closed. When another process holds the lock
that a closing needs, or the network fails during it, the closing is tried again later.

It ends when no unfinished run is left. With --once it polls once and exits; when a run seems to
have ended, it first waits until that is confirmed. --dry-run polls once and writes nothing. Ctrl-C
stops the monitor only: the runs go on, and the same command resumes.

Exit codes: the worst of all runs: those of the steps for a run that was closed, 3 a run folder is
gone or a root does not exist, 4 a result.json is corrupt, 5 one run on two workstations, 6 a
workstation did not answer, 7 a run is dead, 8 deadline reached, 9 the lock was held to the end
(--once, --deadline), 10 not finished yet (--once, --dry-run), 130 stopped by Ctrl-C.

    python scripts/watch_runs.py --interval 60
"""

import argparse
from datetime import datetime

from postrun import flags
from postrun.core import clock
from postrun.monitor.timeouts import Limits, add_timeouts


def stamp(text: str) -> datetime:
    """Return the time of `YYYY-MM-DD` or `YYYY-MM-DD_HHMMSS`; a type for argparse."""
    full_stamp = text if "_" in text else f"{text}_000000"
    try:
        return clock.from_stamp(full_stamp)
    except ValueError:
        message = f"expected YYYY-MM-DD or YYYY-MM-DD_HHMMSS, found {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def add_choice_of_runs(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose among the runs."""
    group = parser.add_argument_group("which runs")
    since = "monitor unfinished runs that began at this time or later (default: 7 days ago)"
    group.add_argument("--since", type=stamp, metavar="STAMP", help=since)
    group.add_argument("--all", action="store_true", help="monitor every unfinished run")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the timeouts: a run folder that is gone is not waited for without end."""
    add_timeouts(parser, usual=Limits(appear_timeout=3600.0))


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the file for Prometheus."""
    metrics = "write what is seen for Prometheus' node_exporter at every poll; ends in .prom"
    parser.add_argument("--prometheus", type=flags.path, metavar="FILE", help=metrics)


FLAGS = flags.ScriptFlags(
    __doc__,
    add_choice_of_runs,
    flags.add_location,
    add_limits,
    add_metrics,
)
FLAGS.answer_help(__name__)

import time
from collections.abc import Sequence
from functools import partial

import post_run_sync_and_finalize as conductor
from postrun import cli
from postrun.core.errors import INTERRUPTED, PostRunError
from postrun.core.request import RunRequest
from postrun.monitor.discovery import RunDiscovery
from postrun.monitor.display import Display
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.loop import MonitorLoop
from postrun.monitor.prometheus import PrometheusFile
from postrun.monitor.report import print_rows
from postrun.monitor.screen import Screen
from postrun.monitor.timeouts import limits_from
from postrun.remote import workstation
from postrun.remote.workstation import Workstation
from postrun.store import configuration
from steps import STEPS


def run(args: argparse.Namespace, resume: str) -> int:
    """Monitor until every run has ended, print each result; return the exit code."""
    hosts, stations = connect(args)
    display = Display(hosts, Screen())
    close = partial(conductor.close, chosen_steps=STEPS, as_json=args.json)
    loop = MonitorLoop(
        hosts,
        display,
        close,
        args.lock_wait,
        args.once,
        args.dry_run,
    )
    if args.prometheus is not None:
        root = args.local_root.resolve()
        loop.metrics = PrometheusFile(root, args.prometheus, hosts, display.show_problem)
        # A wrong place is said at once; later the watch goes on without.
        loop.metrics.check()
    try:
        if not loop.run(resume):
            return INTERRUPTED
    except PostRunError:
        # Whatever ends the loop, what became of the runs so far is printed.
        print_rows(loop.rows, args.json)
        raise
    for station in stations:
        station.close()
    return print_rows(loop.rows, args.json)


def connect(args: argparse.Namespace) -> tuple[list[HostMonitor], list[Workstation]]:
    """Return the workstations and their monitors, which find their runs themselves."""
    settings = configuration.workstation()
    places = configuration.workstations()
    if args.host or args.remote_root:
        places = [configuration.choose_workstation(args.host, args.remote_root)]
    root = args.local_root.resolve()
    limits = limits_from(args)
    started_at = time.monotonic()
    since = datetime.min if args.all else args.since  # noqa: DTZ901  (names have no zone)
    shared_places: dict[str, list[str]] = {}  # so that a run on two workstations is noticed
    hosts = []
    stations = []
    for host, remote_root in places:
        scheduler = configuration.scheduler(host, remote_root, args.scheduler)
        station = workstation.connect(host, remote_root, settings, scheduler)
        stations.append(station)
        request = RunRequest(root, host=host, remote_root=remote_root, scheduler=scheduler)
        poll = station.take_host_snapshot
        discovery = RunDiscovery(root, since)
        monitor = HostMonitor(
            request,
            poll,
            limits,
            started_at,
            discovery,
            shared_places,
        )
        hosts.append(monitor)
    return hosts, stations


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    resume = cli.resume_hint(__file__, argv)
    work = partial(run, resume=resume)
    return cli.script_main(work, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
