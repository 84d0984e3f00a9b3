"""Approve a closed run with your SSH key, then decide on it again.

Reads  evidence_manifest.json, governance_audit_check.json and the decision's row of the ledger
Writes approvals/<n>.dsse.json in the run folder, and a row of kind approval in the ledger; then
runs the steps from factor-registry on.
What is signed are the digests of these three. After another decision, another audit or other
evidence the approval does not count any more. The key is --key, else signing_key of
configs/workstation.local.json, else a usual one of ~/.ssh; a key in an agent is named by its public
half. configs/allowed_signers says whose keys count.
Exit codes: 0 approved, 2 usage, 3 no key, no ssh-keygen, or the run is not closed, 4 a file is not
as it was recorded, 5 it is not clear which run is meant, 9 locked; else the worst of the steps'
codes.

    python scripts/approve_run.py --tag committee_2026-02-21_run4 --notes "as agreed on Friday"
"""

import argparse

from postrun import flags


def add_notes(parser: argparse.ArgumentParser) -> None:
    """Add the flag for what a person says with the approval."""
    parser.add_argument(
        "--notes",
        metavar="TEXT",
        help="what is signed with it, in your words",
    )


FLAGS = flags.ScriptFlags(__doc__, flags.add_target, flags.add_key, add_notes)
FLAGS.answer_help(__name__)


import post_run_sync_and_finalize as conductor
from postrun import cli
from postrun.core import disk, terminal
from postrun.core.values import Json
from postrun.store import approvals, run_lookup, signatures, signing_keys

_FIRST_STEP = "factor-registry"


def approve(args: cli.Arguments) -> int:
    """Sign the run as it is, record it, and run the steps that use it; return the exit code.

    Raises PostRunError.
    """
    request = cli.parse_request(args)
    run_paths = run_lookup.locate(request)
    key = signing_keys.choose(args.key)
    # An empty text is nothing.
    notes = args.notes or None
    statement = approvals.make_statement(run_paths, key, notes)
    if disk.DRY_RUN.get():
        terminal.say(f"would approve {run_paths.run} with {key}")
        return 0
    # A passphrase may take a while. Nobody has to wait for the workspace meanwhile.
    content, keyid = signatures.sign(statement, key)
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        path = approvals.add(run_paths, content)
    summary = _summary(statement["predicate"])
    terminal.say(f"{path}: {summary} ({keyid})")
    steps = conductor.choose_steps(_FIRST_STEP, None)
    return conductor.close(
        request,
        steps,
        args.lock_wait,
        args.json,
    )


def _summary(stated: Json) -> str:
    """Return what was approved, and by whom."""
    audit = "passed"
    if not stated["audit_passed"]:
        audit = "failed"
    signer = stated["principal"]
    if signer is None:
        signer = "a key that configs/allowed_signers does not name"
    return f"{stated['result']}, audit {audit}; approved by {signer}"


def main(argv: flags.Argv = None) -> int:
    """Sign the approval of one run."""
    return cli.script_main(approve, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
