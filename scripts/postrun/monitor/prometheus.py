"""What a watch sees, as a file for the textfile collector of Prometheus' node_exporter.

Each metric is a gauge. Every series has the name of the file as its label `watch`: two watches may
write into one folder. Times are seconds since 1970.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from postrun.core import disk, terminal
from postrun.core.errors import PostRunError, Usage
from postrun.monitor.host_monitor import HostMonitor
from postrun.monitor.run_monitor import RunMonitor
from postrun.monitor.states import State
from postrun.store import outside_files

FLAG = "--prometheus"
# node_exporter reads no other file: neither ours before it is finished.
SUFFIX = ".prom"
# Runs that have ended stay until the watch ends, but not without end.
_MOST_ENDED = 100
# Every metric with its line of help; the first one is written always.
HELP = {
    "postrun_watch_timestamp_seconds": "When this file was written: an old one says nothing.",
    "postrun_watch_active": "1 while the watch goes on, 0 since it has ended.",
    "postrun_watch_closing": "1 while a run is being closed: nothing is written meanwhile.",
    "postrun_workstation_up": "1 if the last poll of the workstation was answered, else 0.",
    "postrun_workstation_answer_timestamp_seconds": "When the workstation answered last.",
    "postrun_run_state": "1 for the state that the run is in, 0 for every other.",
    "postrun_run_state_timestamp_seconds": "Since when the watch sees the run in its state.",
    "postrun_run_log_timestamp_seconds": "When the watch last saw the run's log changed.",
    "postrun_run_exit_code": "How it ended: the exit code of its closing, or why there is none.",
}
_FIRST = next(iter(HELP))
# A file that begins like this was written here.
BEGINNING = f"# HELP {_FIRST} ".encode()

Labels = dict[str, str]
Sample = tuple[str, Labels, float]  # metric, labels, value


@dataclass
class PrometheusFile:
    """The file of one watch. A failure to write it is shown once, and the watch goes on."""

    root: Path
    path: Path
    hosts: Sequence[HostMonitor]
    show_problem: Callable[[str], None]
    _shown: str = field(default="", init=False)

    def check(self) -> None:
        """Raise Usage or Missing for a file that may not be written."""
        if self.path.suffix != SUFFIX:
            raise Usage(FLAG, f"a name that ends in {SUFFIX}", self.path.name)
        outside_files.check_replaced(self.root, self.path, FLAG, BEGINNING)

    def write(
        self,
        now: float,
        is_active: bool = True,
        is_closing: bool = False,
    ) -> None:
        """Write what is known now, by the monotonic clock in seconds."""
        # What was taken in with the monotonic clock is shown by the wall clock as it is now.
        wall_offset = time.time() - now
        samples: list[Sample] = [
            (_FIRST, {}, now + wall_offset),
            ("postrun_watch_active", {}, is_active),
            ("postrun_watch_closing", {}, is_closing),
        ]
        for host in self.hosts:
            samples += _host_samples(host, wall_offset)
        content = encode(samples, self.path.stem)
        problem = ""
        try:
            # Somebody may have put another file or a link there meanwhile.
            self.check()
            disk.overwrite(self.path, content)
        except PostRunError as error:
            problem = str(error)
        if problem and problem != self._shown:
            self.show_problem(f"metrics are not written: {problem}")
        self._shown = problem


def _host_samples(host: HostMonitor, wall_offset: float) -> Iterator[Sample]:
    """Yield what is known of one workstation and of its runs."""
    labels = {"workstation": host.request.host, "root": host.request.remote_root}
    if host.has_answered or host.problem:
        yield "postrun_workstation_up", labels, host.problem is None
    if host.answered_at is not None:
        moment = host.answered_at + wall_offset
        yield "postrun_workstation_answer_timestamp_seconds", labels, moment
    monitors = list(host.monitors.values())
    ended = [monitor for monitor in monitors if monitor.has_ended and monitor.report_row]
    left_out = set(ended[:-_MOST_ENDED])
    for monitor in monitors:
        if monitor not in left_out:
            of_run = {**labels, "tag": monitor.tag, "run": monitor.run}
            yield from _run_samples(monitor, of_run, wall_offset)


def _run_samples(
    monitor: RunMonitor,
    labels: Labels,
    wall_offset: float,
) -> Iterator[Sample]:
    """Yield what is known of one run."""
    current = monitor.current
    for state in State:
        of_state = {**labels, "state": str(state)}
        yield "postrun_run_state", of_state, current.state is state
    if current.state is not None:
        moment = current.state_since + wall_offset
        yield "postrun_run_state_timestamp_seconds", labels, moment
    if monitor.log_changed_at is not None:
        moment = monitor.log_changed_at + wall_offset
        yield "postrun_run_log_timestamp_seconds", labels, moment
    if monitor.report_row:
        yield "postrun_run_exit_code", labels, monitor.report_row.exit_code


def encode(samples: Sequence[Sample], watch: str) -> bytes:
    """Return samples in the text format of Prometheus, version 0.0.4."""
    lines = []
    for name, text in HELP.items():
        of_metric = [sample for sample in samples if sample[0] == name]
        if not of_metric:
            continue
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        for _, labels, value in of_metric:
            pairs = _pairs({"watch": watch, **labels})
            # A time, a code, or whether: all are whole numbers.
            lines.append(f"{name}{{{pairs}}} {round(value)}")
    text = "\n".join(lines)
    return f"{text}\n".encode()


def _pairs(labels: Labels) -> str:
    """Return labels with their values, quoted: nothing in one ends it, or its line."""
    pairs = []
    for name, value in labels.items():
        # Control characters, and what is no UTF-8, become visible escapes.
        text = terminal.plain(value)
        text = text.replace("\\", r"\\").replace('"', r"\"")
        pairs.append(f'{name}="{text}"')
    return ",".join(pairs)
