"""Show where every run of a workspace stands, one line each, and what waits for whom.

Reads  the ledger, the registry, the next-run plan, and the monitor's events of runs that are not
       closed
Writes nothing and asks no workstation: what a monitor saw last may be over.
A run waits for nothing when a later run of its factor is closed: what is tried next follows from
the latest one. --json prints what schemas/workspace_status.schema.json describes.
Exit codes: 0 done, 2 usage, 3 no workspace, 4 a table or the ledger is not as it was recorded.

    python scripts/show_status.py --local-root /srv/committee
"""

import argparse

from postrun import flags


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the flag for programs."""
    parser.add_argument("--json", action="store_true", help="print the status as JSON")


FLAGS = flags.ScriptFlags(__doc__, flags.add_root, add_json)
FLAGS.answer_help(__name__)

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from postrun import ending
from postrun.core import run_names, terminal
from postrun.core.errors import Missing, PostRunError
from postrun.core.locations import PROJECT, RunPaths
from postrun.core.request import RunRequest
from postrun.overview import standings
from postrun.store import journals, json_files, make_lines
from postrun.store.tables import Row, Rows

OUTPUT = "workspace_status"
_AUDIT = {True: "passed", False: "failed", None: "-"}
_HEADINGS: tuple[str, ...] = (
    "day",
    "tag",
    "factor",
    "result",
    "audit",
    "decision",
    "verdict",
    "waits for",
)


def show(root: Path, as_json: bool) -> int:
    """Print where each run stands; return the exit code. Raises Missing, Invalid."""
    rows = list_standings(root)
    counts = standings.count(rows)
    if as_json:
        document = {"runs": rows, "counts": counts}
        stamped = json_files.stamped(document, OUTPUT)
        json_files.check(stamped, OUTPUT, OUTPUT)
        print(json.dumps(stamped))
        return 0
    for line in format_lines(rows, root):
        print(line)
    terminal.say(summarise(counts))
    return 0


def list_standings(root: Path) -> Rows:
    """Return where each run stands, oldest first. Raises Missing, Invalid."""
    workspace = standings.read(root)
    open_runs = set(workspace.open_runs)
    rows = []
    for run in workspace.runs:
        monitored = None
        if run in open_runs:
            monitored = _last_state(root, run)
        row = standings.describe(workspace, run, monitored)
        rows.append(row)
    return rows


def _last_state(root: Path, run: str) -> str | None:
    """Return the state in which a monitor saw a run last; None when none did."""
    path = RunPaths(root, run, None).path("monitor_events")
    # A journal that was edited says nothing; `make verify` names it.
    with suppress(PostRunError):
        events = journals.read_events(path)
        if events:
            return str(events[-1]["state"])
    return None


def format_lines(rows: Rows, root: Path) -> list[str]:
    """Return one line for each run below the headings, in columns; none without a run."""
    if not rows:
        return []
    table = [_HEADINGS]
    for row in rows:
        cells = _cells(row, root)
        table.append(cells)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for cells in table:
        padded = map(str.ljust, cells, widths)
        lines.append("  ".join(padded).rstrip())
    return lines


def _cells(row: Row, root: Path) -> tuple[str, ...]:
    """Return the cells of a run, safe for a terminal."""
    audit = _AUDIT[row["audit_passed"]]
    if row["high_items"]:
        audit += f" ({row['high_items']} High)"
    result = row["result"] or row["state"]
    cells = (
        (row["started"] or "-")[:10],
        row["decision_tag"],
        row["factor"] or "-",
        result,
        audit,
        row["decision"] or "-",
        row["verdict"] or "-",
        _waiting(row, root),
    )
    return tuple(map(terminal.plain, cells))


def _waiting(row: Row, root: Path) -> str:
    """Return what a run waits for, of whom, and the line to type."""
    later = run_names.parse_run_name(row["superseded_by"] or "")
    if later and not row["who"]:
        return f"nothing: {later.tag} is later"
    if not row["who"]:
        return "nothing"
    text = f"{row['waits_for']}; {row['who']}"
    if not row["command"]:
        return text
    command = row["command"]
    if root != PROJECT:
        folder = make_lines.local_root(RunRequest(root))
        place = make_lines.value("LOCAL_ROOT", folder)
        command += f" {place}"
    return f"{text}: {command}"


def summarise(counts: Row) -> str:
    """Return the counts as one line."""
    if not counts["runs"]:
        return "no run here yet: make finalize TAG=... closes one that has ended"
    text = terminal.counted(counts["runs"], "run")
    if counts["open"]:
        text += f", {counts['open']} not closed"
    waits = [f"{number} for {who}" for who, number in counts["waiting"].items()]
    return f"{text}; waiting: {', '.join(waits) or 'none'}"


def main(argv: Sequence[str] | None = None) -> int:
    """Show the status of a workspace."""

    def work() -> int:
        args = FLAGS.parse(argv)
        root = args.local_root.resolve()
        if not root.is_dir():
            raise Missing(args.local_root, "a workspace", "no folder")
        return show(root, args.json)

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
