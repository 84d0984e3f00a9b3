"""Pull what the other members of a team pushed: their ledgers and their closed runs.

Reads  audit/team/ of the team's root: a folder here, one behind SSH as host:/folder, or
       a bucket as s3://bucket/prefix
Writes audit/ledgers/, the folders of runs that other members closed, the readable view of the
       ledger, and then every table and page of the workspace
A member's push is taken over whole when the ledger goes on from the rows that are here and every
run is what its record says; else it is named, and nothing of it is. Of a run that several members
closed differently, the worse decision counts until a person chooses (make choose-closing); the
folders of the others are in audit/aside/. A pull that was killed is finished by the next.
Exit codes: 0 pulled, or nothing was new; 1 a run was closed differently: choose; 2 usage, 3 the
team's root is missing, or no room; 4 a push was refused, or a table could not be made; 6 the host
or server did not answer, 9 locked.

    python scripts/pull_runs.py --from hub:/srv/team
"""

import argparse

from postrun import flags


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says where from."""
    place = "/folder, host:/folder or s3://bucket/prefix"
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="ROOT",
        help=place,
    )


FLAGS = flags.ScriptFlags(__doc__, flags.add_workspace, add_place, flags.add_member)
FLAGS.answer_help(__name__)

from postrun import cli
from postrun.core import disk, locations, terminal
from postrun.core.request import RunRequest, StepResult
from postrun.store import configuration, ledger
from postrun.team import arranging, merged_tables, pulling, pushing, stores
from postrun.team.pulling import Taken


def pull(args: cli.Arguments) -> int:
    """Merge what is new; return the exit code. Raises PostRunError."""
    root = args.local_root.resolve()
    host, remote_root = configuration.choose_workstation(None, None)
    request = RunRequest(root, host=host, remote_root=remote_root)
    store = stores.open_store(args.source)
    work = root / stores.WORK / "pull"
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        member = pushing.take_part(root, args.member)
        code = 0
        if not disk.DRY_RUN.get():
            # A pull that was killed may have left a run between two places.
            arranging.arrange(root, member, args.lock_wait)
        taken = pulling.pull(
            root,
            member,
            store,
            work,
        )
        if not disk.DRY_RUN.get():
            code = _merge(
                request,
                member,
                taken,
                args.lock_wait,
            )
        stores.clear(work)
    for error in taken.errors.values():
        terminal.error(str(error))
        code = max(code, error.exit_code)
    open_runs = ledger.open_runs(root)
    for run in open_runs:
        terminal.error(f"{run}: closed differently by several members; the worse decision counts")
    cli.show(StepResult(_summary(taken)), "pull", args.json)
    return max(code, 1 if open_runs else 0)


def _merge(
    request: RunRequest,
    member: str,
    taken: Taken,
    wait: float,
) -> int:
    """Move the closings that count into their places, and make the tables; return the exit code."""
    moved = arranging.arrange(request.root, member, wait)
    # A killed pull may have moved runs and made no table.
    if not (moved or taken.rows or arranging.is_unfinished(request.root)):
        return 0
    arranging.mark_unfinished(request.root)
    own_ledger = locations.workspace_path(request.root, "stage_ledger")
    # The site of a member who has closed nothing leads to it, too.
    if not disk.is_present(own_ledger):
        disk.replace(own_ledger, b"")
    code = merged_tables.make_again(request)
    if not code:
        arranging.mark_finished(request.root)
    return code


def _summary(taken: Taken) -> str:
    parts = []
    for member, rows in taken.rows.items():
        runs = terminal.counted(len(taken.runs[member]), "run")
        parts.append(f"{member}: {runs}, {terminal.counted(rows, 'row')}")
    return "; ".join(parts) or "nothing new"


def main(argv: flags.Argv = None) -> int:
    """Fetch and merge from a team's root."""
    return cli.script_main(pull, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
