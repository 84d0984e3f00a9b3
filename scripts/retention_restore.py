"""Bring the archived files of a run back to their places, byte for byte.

Reads  the ledger, the index of the run's archive, the originals, else the archive
Writes every file that is archived to its place, a row of kind retention in the ledger, its copy in
       closing_record.json, the readable view
An original is moved back where it is still there and as it was; else the file comes out of the
archive, with its time in seconds and its mode. Each is compared with its digest. The archive stays.
Whatever is in the place of a file and is not that file stays, and is named. After a process was
killed, the same command finishes what it had begun.
Exit codes: 0 restored; 2 usage, 3 nothing of the run is archived, or no room; 4 the archive is not
the one of the ledger, or another file is in the place of one; 5 it is not clear which run is meant,
9 locked.

    python scripts/retention_restore.py --tag committee_2026-02-21_run4
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target)
FLAGS.answer_help(__name__)

from postrun import cli
from postrun.core import disk, terminal
from postrun.core.errors import Missing
from postrun.core.locations import RunPaths
from postrun.core.request import StepResult
from postrun.retention import moving
from postrun.store import archives, records, run_lookup, strays

# What the row says of the archive, as the row before it.
_STATED = (
    "archive",
    "archive_sha256",
    "index",
    "index_sha256",
    "files",
    "bytes",
)


def restore(args: cli.Arguments) -> int:
    """Write what is archived of a run to its places; return 0. Raises PostRunError."""
    request = cli.parse_request(args)
    run_lookup.locate(request)
    wait = args.lock_wait
    with cli.locked(request, cli.RUN, wait), cli.locked(request, cli.WORKSPACE, wait):
        # Who held the lock may have closed the run again.
        run_paths = run_lookup.locate(request)
        result = _restore(run_paths)
    cli.show(result, "retention-restore", args.json)
    return 0


def _restore(run_paths: RunPaths) -> StepResult:
    """Write the files of a run to their places. A dry run only says so. Raises Missing, Invalid."""
    records.check_closed(run_paths)
    row = archives.newest_row(run_paths.root, run_paths.run)
    if row is None:
        expected = "an archive of it that the ledger names"
        raise Missing(f"run {run_paths.run}", expected, "none")
    files = terminal.counted(row["files"], "file")
    is_done = row["action"] == archives.RESTORED
    done = StepResult(f"{files} restored already, row {row['number']} of the ledger")
    if disk.DRY_RUN.get():
        planned = StepResult(f"would restore {files}")
        return done if is_done else planned
    # A process may have been killed behind the row.
    strays.clear(run_paths)
    moving.finish_row(run_paths)
    if is_done:
        return done
    restored = moving.bring_back(run_paths, row)
    archive = {name: row[name] for name in _STATED}
    added = moving.record(run_paths, archives.RESTORED, archive)
    summary = f"{files} in their places again, row {added['number']} of the ledger"
    return StepResult(summary, tuple(restored))


def main(argv: flags.Argv = None) -> int:
    """Restore the archived files of one run."""
    return cli.script_main(restore, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
