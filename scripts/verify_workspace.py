"""Verify a workspace: is everything in it what was written, and can it be computed again?

Reads  evidence, manifests, closing records, the ledger, every file of this project and the policies
Writes nothing; with --shard what it found, below audit/.cache/ for --join
Checked are evidence against manifests, manifests against the ledger, files of ours against their
records and against what the steps compute from their inputs today, records against the ledger,
links, schemas, and what nothing accounts for. A file that another version of the program wrote, or
another policy, is checked by its digests only, and listed. With --tag only the runs of that tag and
the ledger's chain are checked. With --shard only the runs of one part are checked; --join prints
what all parts found, and checks the rest.
Prints each broken link with its file and what hangs on it, then what is stale, then what is listed.
Exit codes: 0 nothing is broken, 2 wrong usage, 3 no workspace, 4 something is broken, 5 no run has
the tag.

    python scripts/verify_workspace.py --local-root /srv/desk
    python scripts/verify_workspace.py --local-root /srv/desk --shard 3/8
"""

import argparse

from postrun import flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is verified."""
    parser.add_argument("--tag", help="verify the runs of this tag only")
    flags.add_root(parser)
    flags.add_shards(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


FLAGS = flags.ScriptFlags(__doc__, add_flags)
FLAGS.answer_help(__name__)

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import build_site
import check_session_handoff_readiness
import generate_candidate_queue
import generate_next_run_plan
import update_factor_experiment_registry
import update_failure_pattern_db
from postrun import ending
from postrun.core import run_names, terminal
from postrun.core.errors import Invalid, Missing, Usage
from postrun.core.values import Json
from postrun.monitor.screen import Screen
from postrun.store import json_files
from postrun.store.shards import Cut, Shard
from postrun.verify import in_shards, package
from postrun.verify.findings import Finding, Kind
from postrun.verify.verification import Computations, Progress, Verification, verify
from steps import STEPS

# Detection and sync ask the workstation: what they wrote is checked by its digests.
_OF_RUN = ("finalize-gate-run", "governance-audit", "remediation-plan", "run-review")
COMPUTATIONS = Computations(
    of_run=[(step.name, step.run) for step in STEPS if step.name in _OF_RUN],
    of_tables=[
        ("factor-registry", update_factor_experiment_registry.rebuild),
        ("failure-patterns", update_failure_pattern_db.rebuild),
        ("candidate-queue", generate_candidate_queue.rank_as_before),
        ("next-run-plan", generate_next_run_plan.plan_with_former_answers),
        ("handoff-readiness", check_session_handoff_readiness.hand_over),
        ("site", build_site.build),
    ],
    readings=[
        update_factor_experiment_registry.reading,
        update_failure_pattern_db.reading,
    ],
)
OUTPUT = "workspace_verification"
_SHOWN = 8  # files of which the same is said, or that hang on a broken one


def run(args: argparse.Namespace) -> int:
    """Verify, print what was found, return the exit code. Raises Missing, AmbiguousRun."""
    root = find_workspace(args.local_root)
    if args.tag is not None:
        run_names.check_tag(args.tag)
    screen = Screen()

    def show(done: int, total: int) -> None:
        if not terminal.is_quiet():
            screen.draw([f"verified {done:,} of {total:,} runs"])

    verification = _verify(root, args, show)
    screen.clear()
    if args.json:
        print(json.dumps(as_document(verification, args.tag)))
    else:
        for line in lines(verification.findings):
            print(terminal.plain(line))
    summary = summarise(verification)
    if verification.broken:
        terminal.error(summary)
        return Invalid.exit_code
    terminal.say(summary)
    return 0


def find_workspace(path: Path) -> Path:
    """Return the folder of a workspace. Raises Missing when it is none."""
    root = path.resolve()
    if not root.is_dir():
        raise Missing(path, "a workspace", "no folder")
    if not (root / "audit").is_dir():
        raise Missing(path, "a workspace", "a folder without audit/")
    return root


def cuts(root: Path, number: int) -> list[Cut]:
    """Return what is cut into so many shards. Raises Missing, Invalid, Usage."""
    _check_no_package(root, "--shards")
    return in_shards.cut_all(root, COMPUTATIONS, number, lambda *_: None)


def _check_no_package(root: Path, flag: str) -> None:
    if package.is_package(root):
        raise Usage(flag, "a workspace", "the package of one run")


def _verify(root: Path, args: argparse.Namespace, show: Progress) -> Verification:
    """Return what was found in all runs, or in one shard, or by all shards.

    Raises Missing, Invalid, AmbiguousRun, Usage.
    """
    if not (args.shard or args.join):
        return verify(root, args.tag, COMPUTATIONS, show)
    flag = "--shard" if args.shard else "--join"
    if args.tag is not None:
        raise Usage(flag, "all runs", f"--tag {args.tag}")
    _check_no_package(root, flag)
    if args.join:
        return in_shards.join(root, args.join, COMPUTATIONS, show)
    shard = Shard(*args.shard)
    verification, was_done = in_shards.check_shard(root, shard, COMPUTATIONS, show)
    if was_done:
        terminal.say(f"shard {shard} was done already")
    return verification


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as lines: what is broken first, each with what hangs on it."""
    output: list[str] = []
    for kind in Kind:
        # With --quiet only what is broken is shown.
        if kind is not Kind.BROKEN and terminal.is_quiet():
            continue
        of_kind = [finding for finding in findings if finding.kind is kind]
        if kind is Kind.LISTED:
            output += _listed(of_kind)
            continue
        for finding in of_kind:
            output.append(str(finding))
            output += _affected(finding)
    return output


def _listed(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what is allowed: one line for many files of which the same is said."""
    alike: dict[Finding, list[Finding]] = {}
    for finding in findings:
        saying = replace(finding, file="", affects=())
        alike.setdefault(saying, []).append(finding)
    for saying, several in alike.items():
        if len(several) <= _SHOWN:
            yield from map(str, several)
            continue
        first = several[0].file
        files = f"{len(several)} files, the first is {first} (--json names all)"
        yield str(replace(saying, file=files))


def _affected(finding: Finding) -> list[str]:
    if not finding.affects:
        return []
    line = f"  what hangs on it: {', '.join(finding.affects[:_SHOWN])}"
    more = len(finding.affects) - _SHOWN
    if more > 0:
        line += f" and {more} more"
    return [line]


def summarise(verification: Verification) -> str:
    """Return how much was checked, and how much of it is broken."""
    runs = terminal.counted(verification.runs, "run")
    files = terminal.counted(verification.files, "file")
    broken = "nothing broken"
    if verification.broken:
        broken = f"{terminal.counted(verification.broken, 'file')} broken"
    return f"{runs}, {files}: {broken}"


def as_document(verification: Verification, tag: str | None) -> Json:
    """Return what --json prints, as schemas/workspace_verification.schema.json describes it."""
    findings = []
    for finding in verification.findings:
        findings.append({**vars(finding), "affects": list(finding.affects)})
    document = {
        "tag": tag,
        "runs": verification.runs,
        "files": verification.files,
        "broken": verification.broken,
        "findings": findings,
    }
    return json_files.stamped(document, OUTPUT)


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a workspace, or the runs of one tag."""

    def work() -> int:
        return run(FLAGS.parse(argv))

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
