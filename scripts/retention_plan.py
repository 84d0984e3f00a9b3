"""List which files of closed runs may be archived and why, and why other runs are left out.

Reads  configs/retention_policy.json, the seals, and everything that `make verify` reads of a run
Writes nothing
Only runs that are closed, sealed and unchanged are listed; of these, only files that the policy
names and that nothing was made from. A policy that may name a file which a step reads of every run
is refused. With --tag only the runs of that tag are looked at.
Exit codes: 0 listed, also when nothing may go; 2 usage, 3 no ssh-keygen to check the seals with,
4 the policy or the ledger is invalid, 5 no run has the tag.

    python scripts/retention_plan.py --local-root /srv/desk
"""

import argparse

from postrun import flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which runs are looked at."""
    parser.add_argument("--tag", help="look at the runs of this tag only")
    flags.add_root(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")


FLAGS = flags.ScriptFlags(__doc__, add_flags)
FLAGS.answer_help(__name__)

import json
from collections.abc import Iterator, Sequence

import steps
from postrun import ending
from postrun.core import run_names, terminal
from postrun.core.values import Json
from postrun.retention import plan, policy
from postrun.retention.plan import RunPlan, State
from postrun.store import json_files

OUTPUT = "retention_plan"


def run(args: argparse.Namespace) -> int:
    """Print what may be archived; return 0. Raises PostRunError."""
    root = args.local_root.resolve()
    if args.tag is not None:
        run_names.check_tag(args.tag)
    rules = policy.load(steps.needed_artifacts())
    workspace = plan.look(root, rules)
    plans = plan.plan(workspace, args.tag)
    if args.json:
        print(json.dumps(as_document(plans, args.tag, rules.version)))
        return 0
    for line in lines(plans):
        print(terminal.plain(line))
    return 0


def as_document(
    plans: Sequence[RunPlan],
    tag: str | None,
    policy_version: int,
) -> Json:
    """Return what --json prints, as schemas/retention_plan.schema.json describes it."""
    rows = []
    for run_plan in plans:
        row = {
            "run": run_plan.run_paths.run,
            "tag": run_plan.run_paths.name.tag,
            "state": run_plan.state,
            "reason": run_plan.reason,
            "files": list(run_plan.files),
            "kept": list(run_plan.kept),
            "free": run_plan.free,
        }
        rows.append(row)
    document = {
        "tag": tag,
        "bytes": plan.total(plans),
        "policy_version": policy_version,
        "runs": rows,
    }
    return json_files.stamped(document, OUTPUT)


def lines(plans: Sequence[RunPlan]) -> Iterator[str]:
    """Yield the plan as lines: what may go, what stays of it, which runs are left out, the sum."""
    ready = [run_plan for run_plan in plans if run_plan.state is State.READY]
    files = 0
    for run_plan in ready:
        files += len(run_plan.files)
        yield run_plan.run_paths.run
        for file in run_plan.files:
            yield f"{file['size']:>16,}  {file['path']}: {file['why']}"
    for run_plan in plans:
        for file in run_plan.kept:
            yield f"stays: {file['path']}: {file['why']}"
    for run_plan in plans:
        if run_plan.state is not State.READY:
            yield f"left out: {run_plan.run_paths.run}: {run_plan}"
        if run_plan.free is not None:
            yield f"to free its space, when the archive is backed up, type: {run_plan.free}"
    what = f"{terminal.counted(files, 'file')} of {terminal.counted(len(ready), 'run')}"
    yield f"{plan.total(plans):,} bytes in {what} may be archived"


def main(argv: flags.Argv = None) -> int:
    """List what may be archived."""

    def work() -> int:
        return run(FLAGS.parse(argv))

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
