"""Push the ledger of this root and its closed runs to the root that a team shares.

Reads  audit/stage_ledger.jsonl, the runs that this root closed, audit/ledgers/team.json
Writes files below audit/team/ of the team's root: a folder here, one behind SSH as host:/folder, or
       a bucket as s3://bucket/prefix
The first time --member says as whom this root takes part; it keeps that name. Files are only added,
by names that nobody else uses, so no lock is needed and nothing of anybody can be written over.
When nothing is new, nothing is written. docs/TEAM.md has the design.
Exit codes: 0 pushed, or nothing was new; 2 usage, 3 the team's root is missing or cannot be written
to, 4 a run is not as it was recorded, the team's root has other rows of this member, or its server
writes over what is there; 6 the host or server did not answer, 9 locked.

    python scripts/push_runs.py --to hub:/srv/team --member ann
"""

import argparse

from postrun import flags


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says where to."""
    parser.add_argument(
        "--to",
        required=True,
        metavar="ROOT",
        help="/folder, host:/folder or s3://bucket/prefix",
    )


FLAGS = flags.ScriptFlags(__doc__, flags.add_workspace, add_place, flags.add_member)
FLAGS.answer_help(__name__)

from postrun import cli
from postrun.core import disk, terminal
from postrun.core.request import RunRequest, StepResult
from postrun.team import pushing, stores


def push(args: cli.Arguments) -> int:
    """Add what is new to the team's root; return 0. Raises PostRunError."""
    request = RunRequest(args.local_root.resolve())
    store = stores.open_store(args.to)
    work = request.root / stores.WORK / "push"
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        member = pushing.take_part(request.root, args.member)
        stores.clear(work)
        pushed = pushing.push(
            request.root,
            member,
            store,
            work,
        )
        stores.clear(work)
    runs = terminal.counted(pushed.runs, "run")
    rows = terminal.counted(pushed.rows, "row")
    summary = f"nothing new since push {pushed.number} of {member}"
    if not pushed.number:
        summary = f"nothing to push yet: {member} has closed no run"
    if pushed.is_new:
        verb = "would be pushed" if disk.DRY_RUN.get() else "pushed"
        summary = f"{runs} {verb} as {member}, the ledger up to {rows}: push {pushed.number}"
    cli.show(StepResult(summary), "push", args.json)
    return 0


def main(argv: flags.Argv = None) -> int:
    """Upload to a team's root."""
    return cli.script_main(push, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
