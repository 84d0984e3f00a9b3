"""Settle a failure of a run that names no factor: say why nobody needs to repair it.

Reads  the run's closing_record.json and governance_audit_check.json
Writes a row of kind settlement in the ledger, its copy in closing_record.json, the readable view;
then runs the steps from failure-patterns on
No later run can resolve such a failure, since nobody knows which runs are of the same factor. With
a factor, its next run settles the failure by passing the check. The row names the signing key that
is configured here.
Exit codes: 0 settled, 2 usage: the check did not fail, is settled, or the run has a factor; 3 the
run is not closed, 4 a file is not as it was recorded, 5 it is not clear which run is meant,
9 locked; else the worst of the steps' codes.

    python scripts/settle_failure.py --tag committee_2026-02-21_run4 --check report_files_present \
        --reason "the disk was full; run 5 replaces it"
"""

import argparse

from postrun import flags


def add_settlement(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which failure is settled, and why."""
    parser.add_argument(
        "--check",
        required=True,
        metavar="ID",
        help="the check that failed",
    )
    parser.add_argument(
        "--reason",
        required=True,
        metavar="TEXT",
        help="why nobody needs to repair it, in your words",
    )


FLAGS = flags.ScriptFlags(__doc__, flags.add_target, add_settlement)
FLAGS.answer_help(__name__)


import post_run_sync_and_finalize as conductor
from postrun import cli
from postrun.core import disk, terminal
from postrun.core.errors import Usage
from postrun.core.locations import RunPaths
from postrun.decide.check_results import ERROR, FAIL
from postrun.store import documents, ledger, ledger_view, records, run_lookup

_FIRST_STEP = "failure-patterns"


def settle(args: cli.Arguments) -> int:
    """Record the settlement, and run the steps that use it; return the exit code.

    Raises PostRunError.
    """
    request = cli.parse_request(args)
    run_lookup.locate(request)
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        # Who held the lock may have closed the run again.
        run_paths = run_lookup.locate(request)
        _check_open(run_paths, args.check)
        if disk.DRY_RUN.get():
            terminal.say(f"would settle {args.check} of {run_paths.run}")
            return 0
        row = {
            "kind": ledger.SETTLEMENT,
            "run": run_paths.run,
            "check": args.check,
            "reason": args.reason,
        }
        added = records.add_ledger_row(run_paths, row)
        ledger_view.publish(request.root)
    terminal.say(f"{args.check} of {run_paths.run}: settled, row {added['number']} of the ledger")
    steps = conductor.choose_steps(_FIRST_STEP, None)
    return conductor.close(
        request,
        steps,
        args.lock_wait,
        args.json,
    )


def _check_open(run_paths: RunPaths, check: str) -> None:
    """Raise Usage unless a check failed in a run without a factor and is not settled."""
    records.check_closed(run_paths)
    audit = documents.read(run_paths, "governance_audit_check")
    thing = f"{check} of {run_paths.run}"
    factor = audit["factor"]
    if factor is not None:
        actual = f"the factor {factor}"
        hint = "a later run of the factor settles it by passing the check"
        raise Usage(thing, "a run that names no factor", actual, hint)
    answers = {row["id"]: row["answer"] for row in audit["checks"]}
    answer = answers.get(check, "no such check")
    if answer not in (FAIL, ERROR):
        failed = [name for name, given in answers.items() if given in (FAIL, ERROR)]
        hint = f"these failed: {', '.join(failed) or 'none'}"
        raise Usage(thing, "a check that failed in this run", answer, hint)
    for row in ledger.settlements(run_paths.root):
        if (row["run"], row["check"]) == (run_paths.run, check):
            hint = "bring the patterns up to date: make failure-patterns TAG=..."
            actual = f"row {row['number']} of the ledger: {row['reason']}"
            raise Usage(thing, "a failure that is not settled", actual, hint)


def main(argv: flags.Argv = None) -> int:
    """Settle one failure of one run."""
    return cli.script_main(settle, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
