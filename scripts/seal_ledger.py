"""Seal the workspace with your SSH key: sign the ledger's head and every closing record.

Reads  audit/stage_ledger.jsonl, the closing records, audit/workspace_record.json
Writes audit/seals/<n>.dsse.json and a row of kind seal in the ledger.
Keep a copy of the seals elsewhere: whoever has one can see that the ledger was rewritten since. The
key is --key, else signing_key of configs/workstation.local.json, else a usual one of ~/.ssh; a key
in an agent is named by its public half. ssh-keygen signs, and asks for a passphrase on the
terminal. When nothing has changed since the last seal, nothing is written.
Exit codes: 0 sealed, or nothing to seal; 2 usage, 3 no key or no ssh-keygen, 4 the workspace is not
what its ledger or its last seal says, 9 locked.

    python scripts/seal_ledger.py --key ~/.ssh/id_ed25519
"""

from postrun import flags

FLAGS = flags.ScriptFlags(
    __doc__,
    flags.add_workspace,
    flags.add_key,
)
FLAGS.answer_help(__name__)

from pathlib import Path

from postrun import cli
from postrun.core import disk, terminal
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.store import seals, signatures, signing_keys

_NOTHING = "nothing to seal: no new row and no new record since the last seal"


def seal(args: cli.Arguments) -> int:
    """Sign the workspace, unless its last seal says all; return 0. Raises Missing, Invalid."""
    root = args.local_root.resolve()
    request = RunRequest(root)
    key = signing_keys.choose(args.key)
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        statement = seals.make_statement(root)
    result = StepResult(_NOTHING)
    if statement is not None:
        result = _sign(request, statement, key, args.lock_wait)
    cli.show(result, "seal", args.json)
    return 0


def _sign(
    request: RunRequest,
    statement: Json,
    key: Path,
    wait: float,
) -> StepResult:
    """Sign a statement and write the seal. A dry run only says so."""
    rows = statement["predicate"]["ledger_rows"]
    sealed = f"{terminal.counted(rows, 'row')} of the ledger"
    if disk.DRY_RUN.get():
        return StepResult(f"would seal {sealed} with {key}")
    # A passphrase may take a while. Nobody has to wait for the workspace meanwhile.
    content, keyid = signatures.sign(statement, key)
    with cli.locked(request, cli.WORKSPACE, wait):
        path = seals.add(request.root, content)
    return StepResult(f"{sealed}, with {keyid}", (path,))


def main(argv: flags.Argv = None) -> int:
    """Sign the state of the workspace."""
    return cli.script_main(
        seal,
        FLAGS,
        argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
