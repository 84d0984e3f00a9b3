"""The log of a watched run: every change of state is one line of `monitor_events.jsonl`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postrun.core import disk
from postrun.core.locations import RunPaths
from postrun.monitor.states import ENDS, MonitorState
from postrun.store import json_files


@dataclass
class Journal:
    """The log of one run, in its local folder.

    Until that folder's name is known, lines are held back and then written first; a monitor that ends before that has
    seen nothing of any run, and leaves nothing.
    """

    root: Path
    tag: str
    held: list[dict[str, Any]] = field(default_factory=list)

    def note(self, before: MonitorState, after: MonitorState, now: float) -> None:
        """Record a change of state, unless the log's last line says it already: a resumed monitor repeats nothing.

        When the log ends with an end, a first look that merely points to that end again is held back too.
        """
        if after.state is not before.state or after.run != before.run:
            self.held.append(self._line(before, after, now))
        if after.run is None or not self.held:
            return
        path = RunPaths(self.root, after.run, None).path("monitor_events")
        last = _last(path)
        if after.pending and last in ENDS and after.pending.of == last and after.state != last:
            return
        for line in [] if last in ENDS and last == after.state else self.held:
            if line["state"] != last:
                whole = {**line, "run": after.run, "before": last}
                disk.append(
                    path, json_files.encode_line(json_files.check(whole, "monitor_events", path))
                )
            last = line["state"]
        self.held.clear()

    def _line(self, before: MonitorState, after: MonitorState, now: float) -> dict[str, Any]:
        line = {
            "tag": self.tag,
            "state": str(after.state),
            "lasted_s": round(now - before.since, 1) if before.state else None,
            "words": after.words,
        }
        return json_files.stamped(line, "monitor_events")


def _last(path: Path) -> str | None:
    last = None
    for line in json_files.read_lines(path, "monitor_events"):
        last = line["state"]
    return last
