"""All checks of a workspace, its runs on all cores, or in shards."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from postrun.core import all_cores
from postrun.core.artifacts import Home
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.store import index, shards
from postrun.store.shards import Read, Reading
from postrun.verify import (
    archived,
    closing,
    documents,
    downstream,
    ledger_rows,
    one_run,
    package,
    recompute_tables,
    signed,
    stage_log,
    strays,
    which_runs,
)
from postrun.verify.closed_run import RECORD, read_document
from postrun.verify.findings import Finding, Kind, broken_files, without_known
from postrun.verify.ledger_rows import LedgerLines
from postrun.verify.one_run import RunResult
from postrun.verify.recompute import Computation

_CHUNK = 16  # runs that a process takes at once
Progress = Callable[[int, int], None]  # runs that are done, and all


@dataclass(frozen=True)
class Computations:
    """What computes files again: a script knows the steps."""

    of_run: Sequence[Computation]
    of_tables: Sequence[Computation]
    # What the tables read of each run: a shard does that as well.
    readings: Sequence[Callable[[], Reading[Any]]] = ()


@dataclass(frozen=True)
class Verification:
    """What was checked, and what was found."""

    runs: int
    files: int
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> int:
        """Return how many files are a broken link."""
        return len(broken_files(self.findings))


def check_runs(
    root: Path,
    runs: Sequence[str],
    known: LedgerLines,
    computations: Computations,
    show: Progress,
) -> list[RunResult]:
    """Return what was found in each run."""
    of_run = known.by_run()
    lines = [of_run.get(run, ()) for run in runs]
    check = partial(one_run.check, root, computations.of_run)
    cores = min(all_cores.count(), len(runs))
    # A process of its own would cost more than one run.
    if cores < 2:
        in_turn = map(check, runs, lines)
        return _collect(in_turn, len(runs), show)
    share = len(runs) // (2 * cores)
    chunk = max(1, min(_CHUNK, share))
    with index.handed_over():
        results = all_cores.call(check, runs, lines, chunk=chunk)
        return _collect(results, len(runs), show)


def _collect(
    results: Iterator[RunResult],
    total: int,
    show: Progress,
) -> list[RunResult]:
    """Return the results, and show after each how many there are."""
    collected = []
    for result in results:
        collected.append(result)
        show(len(collected), total)
    return collected


def of_runs(
    known: LedgerLines,
    computations: Computations,
    show: Progress,
) -> Reading[RunResult]:
    """Return how all runs are checked, and what was found stands in a shard."""

    def check(root: Path, runs: Sequence[str]) -> Read[RunResult]:
        results = check_runs(
            root,
            runs,
            known,
            computations,
            show,
        )
        return {result.run: result for result in results}, {}

    return Reading(
        name="runs",
        list_runs=which_runs.list_runs,
        read=check,
        to_json=RunResult.to_json,
        from_json=RunResult.from_json,
        is_good=lambda result: not broken_files(result.findings),
    )


def check_tables(
    root: Path,
    known: LedgerLines,
    computations: Sequence[Computation],
) -> list[Finding]:
    """Return what is wrong with the files of the workspace that belong to no run."""
    paths = RunPaths.of_workspace(root)
    path = paths.path(closing.WORKSPACE)
    record = read_document(path, closing.WORKSPACE)
    findings = list(closing.check_workspace(root, record, known))
    of_schemas = documents.check(paths, Home.WORKSPACE)
    findings += without_known(of_schemas, findings)
    findings += strays.check_workspace(root, record)
    findings += signed.check_seals(root)
    if record is not None:
        findings += recompute_tables.check(computations, root, record)
    return findings


def _records(root: Path, runs: Sequence[str]) -> Iterator[Json]:
    """Yield the records of the workspace and of its runs, those that can be read."""
    wanted = {closing.WORKSPACE: [""], RECORD: runs}
    for name, folders in wanted.items():
        for folder in folders:
            path = RunPaths(root, folder, None).path(name)
            record = read_document(path, name)
            if record is not None:
                yield record


def _verify_package(root: Path, known: LedgerLines, show: Progress) -> Verification:
    """Return what is wrong with the package of one run: nothing in it is computed again."""
    runs = which_runs.list_runs(root)
    nothing = Computations((), ())
    findings = list(package.check(root, known))
    number = 0
    for result in check_runs(root, runs, known, nothing, show):
        findings += without_known(result.findings, findings)
        number += result.files
    return Verification(len(runs), number, tuple(findings))


@index.in_memory()
def verify(
    root: Path,
    tag: str | None,
    computations: Computations,
    show: Progress,
) -> Verification:
    """Return what is wrong with the runs of a tag; without one, with the whole workspace.

    Raises AmbiguousRun for a tag that no run has.
    """
    known = ledger_rows.read(root)
    all_chains = ledger_rows.with_others(root, known)
    all_runs = which_runs.list_runs(root)
    runs = all_runs
    decided = all_chains
    if tag is not None:
        runs, decided = which_runs.choose(root, tag, all_runs, all_chains)
    if package.is_package(root):
        return _verify_package(root, known, show)
    findings = list(ledger_rows.check_chain(root, known))
    findings += ledger_rows.check_others(root)
    findings += ledger_rows.check_folders(decided, all_runs)
    findings += stage_log.check(root, known)
    files = 0
    if tag is None:
        findings += check_tables(root, known, computations.of_tables)
        findings += archived.check_workspace(root, all_chains, all_runs)
        files = len(closing.workspace_files(root))
    gates = set()
    checking = of_runs(all_chains, computations, show)
    if tag is None:
        results, _ = shards.read_all(root, checking)
    else:
        results, _ = checking.read(root, runs)
    for result in results.values():
        findings += result.findings
        files += result.files
        gates.add(result.gate)
    for run in runs:
        run_paths = RunPaths(root, run, None)
        findings += signed.check_approvals(run_paths)
    if tag is None:
        findings += strays.check_gates(root, gates)
    findings = recompute_tables.without_consequences(findings)
    if any(finding.kind is Kind.BROKEN for finding in findings):
        records = _records(root, all_runs)
        findings = downstream.add_affected(findings, records)
    return Verification(len(runs), files, tuple(findings))
