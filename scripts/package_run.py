"""Pack a closed run into one zip, to hand it over: it can be verified without this workspace.

Reads  both folders of the run, audit/stage_ledger.jsonl, audit/seals/, configs/allowed_signers
Writes packages/<run>-<first 8 of its SHA-256>.zip below the workspace
The zip is an RO-Crate 1.1 (Process Run Crate) laid out as a workspace: the evidence, every file of
this project about the run, the approvals, the ledger's rows from the run's first to the next seal,
that seal, and who may sign. Rows of other runs in between are in it, because a chain cannot be
checked without them: seal soon after a closing. The same files make the same bytes, and no package
replaces another. Needs the library rocrate: `make setup-package`.
To check one, unzip it: scripts/verify_workspace.py --local-root <that folder>
Exit codes: 0 packed, 2 usage, 3 no rocrate, no room, or the run is not closed, 4 a file is not as
it was recorded, 5 it is not clear which run is meant, 9 locked.

    python scripts/package_run.py --tag committee_2026-02-21_run4
"""

from postrun import flags

FLAGS = flags.ScriptFlags(
    __doc__,
    flags.add_target,
)
FLAGS.answer_help(__name__)

from postrun import cli
from postrun.core import disk
from postrun.core.request import StepResult
from postrun.store import packages, run_lookup


def package(args: cli.Arguments) -> int:
    """Write the package of a run; return 0. Raises PostRunError."""
    request = cli.parse_request(args)
    run_paths = run_lookup.locate(request)
    # Nobody closes the run while its files are read.
    with cli.locked(request, cli.WORKSPACE, args.lock_wait):
        contents = packages.collect(run_paths)
        summary = contents.summary
        result = StepResult(f"would pack {summary}")
        if not disk.DRY_RUN.get():
            path = packages.write(contents)
            result = StepResult(summary, (path,))
    cli.show(result, "package", args.json)
    return 0


def main(argv: flags.Argv = None) -> int:
    """Write the package of one run."""
    return cli.script_main(
        package,
        FLAGS,
        argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
