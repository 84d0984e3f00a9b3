"""The event journal of a run: every change of state is one line of `monitor_events.jsonl`."""

from dataclasses import dataclass, field
from pathlib import Path

from postrun.core import disk
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.monitor.states import FINAL_STATES, MonitorState
from postrun.store import journals, json_files


@dataclass
class Journal:
    """The event journal of one run, in its local folder.

    Lines wait until the name of that folder is known, and are written first then. A monitor that
    ends before has learned nothing of any run, and leaves nothing.
    """

    root: Path
    tag: str
    waiting_lines: list[Json] = field(default_factory=list)

    def record(self, previous: MonitorState, current: MonitorState, now: float) -> None:
        """Write a line for a change of state.

        Raises Missing, Locked, and Invalid for a damaged journal.

        A monitor that is resumed repeats nothing: what the last line already says is left out.
        """
        if current.differs_from(previous):
            line = self._line(previous, current, now)
            self.waiting_lines.append(line)
        if current.run is None or not self.waiting_lines:
            return
        run_paths = RunPaths(self.root, current.run, None)
        path = run_paths.path("monitor_events")
        # Another monitor of the same run would write a line with the same digest.
        with journals.hold_lock(self.root):
            self._write_waiting(path, current)

    def _write_waiting(self, path: Path, current: MonitorState) -> None:
        events = journals.read_events(path)
        last_state = None
        for event in events:
            last_state = event["state"]
        if last_state in FINAL_STATES:
            if current.state == last_state:
                self.waiting_lines.clear()
            elif current.pending and current.pending.state == last_state:
                return  # this poll only points to that end again: the next one decides
        for line in self.waiting_lines:
            before = last_state
            last_state = line["state"]
            # A dry run is silent here: the monitor would name this file at every change.
            if last_state != before and not disk.DRY_RUN.get():
                line.update(run=current.run, before=before)
                journals.append_event(path, line)
        self.waiting_lines.clear()

    def _line(self, previous: MonitorState, current: MonitorState, now: float) -> Json:
        lasted = None
        if previous.state:
            lasted = round(now - previous.state_since, 1)
        line = {
            "tag": self.tag,
            "state": str(current.state),
            "lasted_s": lasted,
            "words": current.message,
        }
        return json_files.stamped(line, "monitor_events")
