"""Verify a workspace, its runs checked by jobs of Slurm.

Reads  what verify_workspace.py reads
Writes below audit/.cache/ what each job has found
The runs are cut into N parts, and one array of jobs checks them (sbatch on this machine; its nodes
share workspace and project). When all have ended, the rest is checked here, and all findings are
printed: the same lines and the same exit code as without Slurm. A shard in which nothing is broken
is not done again: after a job was killed, the same command does only what is missing.
Exit codes: 0 nothing is broken, 2 wrong usage, 3 no workspace, no Slurm, or a shard has no result,
4 something is broken.

    python scripts/verify_on_slurm.py --shards 8
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_root, flags.add_number_of_shards)
FLAGS.answer_help(__name__)

import argparse
from collections.abc import Sequence

import verify_workspace
from postrun import ending
from postrun.core.locations import PROJECT
from postrun.remote.shard_array import ShardArray
from postrun.store import shards

_SCRIPT = PROJECT / "scripts" / "verify_workspace.py"


def run(args: argparse.Namespace) -> int:
    """Run all shards on Slurm, then join them; return the exit code. Raises Missing, Invalid."""
    root = verify_workspace.find_workspace(args.local_root)
    where = ["--local-root", str(root)]
    cuts = verify_workspace.cuts(root, args.shards)
    command = [str(_SCRIPT), *where]
    array = ShardArray(
        root,
        shards.VERIFY,
        cuts,
        [command],
        args.shards,
    )
    array.complete()
    # This prints all findings, and says how many files are broken.
    join = ["--join", str(args.shards)]
    return verify_workspace.main([*where, *join])


def main(argv: Sequence[str] | None = None) -> int:
    """Verify all runs of a workspace."""

    def work() -> int:
        return run(FLAGS.parse(argv))

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
