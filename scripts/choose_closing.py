"""Choose which closing of a run counts, when members of a team closed it differently.

Reads  the ledgers of all members
Writes a row of kind choice in this root's ledger, moves the folders, and makes the tables again
The row names the decision that was chosen: when its member corrects it, the choice is open again.
Of several choices about one run the newest counts, in every root that has pulled them. The folders
of the other closings stay in audit/aside/.
Exit codes: 0 chosen; 2 usage: no member closed the run so; 4 a table could not be made; 5 it is not
clear which run is meant, 9 locked.

    python scripts/choose_closing.py --tag committee_2026-02-21_run4 --member bob \
        --reason "ann's copy lacked the last window"
"""

import argparse

from postrun import flags


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say whose closing counts, and why."""
    whose = "the member whose closing counts"
    parser.add_argument(
        "--member",
        required=True,
        metavar="NAME",
        help=whose,
    )
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why, in your words")


FLAGS = flags.ScriptFlags(__doc__, flags.add_target, add_choice)
FLAGS.answer_help(__name__)

from pathlib import Path

from postrun import cli
from postrun.core import disk, terminal
from postrun.core.errors import Usage
from postrun.core.request import StepResult
from postrun.core.values import Json
from postrun.store import ledger, run_lookup
from postrun.team import arranging, merged_tables, pushing


def choose(args: cli.Arguments) -> int:
    """Record the choice and follow it; return the exit code. Raises PostRunError."""
    request = cli.parse_request(args)
    root = request.root
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        own_member = pushing.take_part(root, None)
        run = run_lookup.locate(request).run
        row = _make_row(root, own_member, run, args)
        if disk.DRY_RUN.get():
            terminal.say(f"would choose the closing of {run} by {args.member}")
            return 0
        added = ledger.append(root, row)
        arranging.mark_unfinished(root)
        arranging.arrange(root, own_member, args.lock_wait)
        code = merged_tables.make_again(request)
        if not code:
            arranging.mark_finished(root)
    summary = f"the closing of {run} by {args.member} counts, row {added['number']} of the ledger"
    cli.show(StepResult(summary), "choose-closing", args.json)
    return code


def _make_row(
    root: Path,
    own_member: str,
    run: str,
    args: cli.Arguments,
) -> Json:
    """Return the row that chooses. Raises Usage when there is nothing to choose."""
    decisions = ledger.decisions_by_member(root, run)
    named = {member or own_member: row for member, row in decisions.items()}
    if len(named) < 2 or args.member not in named:
        actual = ", ".join(sorted(named)) or "nobody"
        raise Usage(f"--member {args.member}", f"one of several who closed {run}", actual)
    return {
        "kind": ledger.CHOICE,
        "run": run,
        "chosen": args.member,
        "decision_sha256": ledger.row_digest(named[args.member]),
        "reason": args.reason,
    }


def main(argv: flags.Argv = None) -> int:
    """Choose a closing."""
    return cli.script_main(choose, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
