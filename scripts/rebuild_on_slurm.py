"""Make registry and failure patterns again from all run folders, read by jobs of Slurm.

Reads  all run folders, the ledger, the policies
Writes what the two rebuilds write; below audit/.cache/, what each job has read
The runs are cut into N parts, and one array of jobs reads them (sbatch on this machine; its nodes
share workspace and project). When all have ended, the two rebuilds join the parts here, under the
workspace's lock: the same bytes as without Slurm. A shard that is done is not done again: after a
job was killed, the same command does only what is missing.
Exit codes: 0 done, 2 usage, 3 no Slurm or a shard has no result, 4 a run or a shard is invalid,
9 locked.

    python scripts/rebuild_on_slurm.py --shards 8
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_root, flags.add_number_of_shards)
FLAGS.answer_help(__name__)

import argparse
from collections.abc import Sequence

import update_factor_experiment_registry
import update_failure_pattern_db
from postrun import ending
from postrun.core.errors import Missing
from postrun.core.locations import PROJECT
from postrun.remote.shard_array import ShardArray
from postrun.store import shards
from postrun.store.shards import Cut

_TABLES = (update_factor_experiment_registry, update_failure_pattern_db)


def run(args: argparse.Namespace) -> int:
    """Run all shards on Slurm, then join them; return the exit code. Raises Missing, Invalid."""
    root = args.local_root.resolve()
    if not root.is_dir():
        raise Missing(args.local_root, "a workspace", "no folder")
    where = ["--local-root", str(root)]
    cuts: list[Cut] = []
    commands = []
    for table in _TABLES:
        reading = table.reading()
        cut = Cut(root, shards.REBUILD, reading, args.shards)
        cuts.append(cut)
        script = PROJECT / "scripts" / f"{table.__name__}.py"
        commands.append([str(script), "--rebuild", *where])
    array = ShardArray(
        root,
        shards.REBUILD,
        cuts,
        commands,
        args.shards,
    )
    array.complete()
    codes: list[int] = []
    join = ["--rebuild", "--join", str(args.shards)]
    for table in _TABLES:
        # That one is refused does not keep the other from being joined.
        code = table.main([*join, *where])
        codes.append(code)
    return max(codes)


def main(argv: Sequence[str] | None = None) -> int:
    """Rebuild both tables of a workspace."""

    def work() -> int:
        return run(FLAGS.parse(argv))

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
