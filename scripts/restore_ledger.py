"""Put the ledger together again after rows of it were lost, from every copy that is left.

Reads  audit/stage_ledger.jsonl, the closing records of all runs, approvals/ and audit/seals/
Writes audit/stage_ledger.jsonl and STAGE_AUDIT_LOG.md, when every row is there
A row counts when its place in the chain fits. The former file is kept beside as
stage_ledger.edited-<first 8 of its SHA-256>.jsonl. Decisions that an earlier release made are in no
closing record until their run is closed again: they come from the present file or from a backup.
Exit codes: 0 restored, or nothing was lost; 2 usage, 3 no room, 4 rows are lost: their numbers are
named, and nothing is written; 9 locked.

    python scripts/restore_ledger.py --local-root /srv/desk
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_workspace)
FLAGS.answer_help(__name__)

from itertools import groupby
from pathlib import Path

from postrun import cli
from postrun.core import disk, locations, terminal
from postrun.core.errors import Invalid
from postrun.core.request import RunRequest, StepResult
from postrun.store import ledger_restore, ledger_view

_BACKUP = (
    "look for them in a backup or another checkout of audit/stage_ledger.jsonl (git log -p -- "
    "audit/stage_ledger.jsonl), put that file in its place, and run this again"
)


def restore(args: cli.Arguments) -> int:
    """Write the ledger as it was; return 0. Raises Invalid when rows are lost."""
    root = args.local_root.resolve()
    request = RunRequest(root)
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        result = _restore(root)
    cli.show(result, "restore-ledger", args.json)
    return 0


def _restore(root: Path) -> StepResult:
    path = locations.workspace_path(root, "stage_ledger")
    sources = ledger_restore.read_sources(root)
    restored = ledger_restore.restore(sources)
    if restored.missing:
        numbers = format_numbers(restored.missing)
        actual = f"none of row {numbers}"
        raise Invalid(path, "a copy of every row", actual, _BACKUP)
    if not restored.lines:
        return StepResult("no row to restore")
    content = b"\n".join([*restored.lines, b""])
    before = disk.read_optional(path) or b""
    number = len(restored.lines)
    rows = terminal.counted(number, "row")
    result = StepResult(f"{rows}, nothing was lost")
    # A checkout by git may have turned line ends into \r\n.
    former = before.replace(b"\r\n", b"\n")
    if content != former:
        if before:
            reason = "rows were lost or changed"
            disk.keep_beside(path, before, "edited", reason)
        disk.replace(path, content)
        result = StepResult(f"{rows} put together again", (path,))
    ledger_view.publish(root)
    return result


def format_numbers(numbers: list[int]) -> str:
    """Return numbers of rows in short: `3, 7-9`."""
    parts = []
    # Numbers that follow one another have the same distance to their index.
    groups = groupby(enumerate(numbers), key=_distance)
    for _, group in groups:
        row_numbers = [number for _, number in group]
        first = row_numbers[0]
        last = row_numbers[-1]
        part = str(first)
        if last > first:
            part += f"-{last}"
        parts.append(part)
    return ", ".join(parts)


def _distance(indexed: tuple[int, int]) -> int:
    index, number = indexed
    return number - index


def main(argv: flags.Argv = None) -> int:
    """Restore the ledger of a workspace."""
    return cli.script_main(restore, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
