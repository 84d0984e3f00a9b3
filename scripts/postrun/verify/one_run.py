"""All checks of one run, in the order of the links: evidence, files of ours, the ledger's rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from postrun.core.artifacts import Home
from postrun.core.values import Json
from postrun.verify import (
    archived,
    closing,
    documents,
    evidence_files,
    growing_files,
    recompute_run,
    strays,
)
from postrun.verify.closed_run import ClosedRun, look
from postrun.verify.findings import Finding, Kind, broken_files, without_known
from postrun.verify.recompute import Computation


@dataclass(frozen=True)
class RunResult:
    """What was found in one run, and how many files it has."""

    run: str
    gate: str | None
    files: int
    findings: tuple[Finding, ...]

    def to_json(self) -> Json:
        """Return it as it stands in a shard."""
        findings = [vars(finding) for finding in self.findings]
        return {**vars(self), "findings": findings}

    @classmethod
    def from_json(cls, document: Json) -> "RunResult":
        """Return what stands in a shard."""
        findings = []
        for finding in document["findings"]:
            kind, affects = Kind(finding["kind"]), tuple(finding["affects"])
            findings.append(Finding(**{**finding, "kind": kind, "affects": affects}))
        return cls(**{**document, "findings": tuple(findings)})


def check(
    root: Path,
    computations: Sequence[Computation],
    run: str,
    lines: tuple[str, ...],
) -> RunResult:
    """Return what is wrong with one run; `lines` are the ledger's about it."""
    closed_run = look(root, run, lines)
    findings = list(_check_digests(closed_run))
    of_schemas = documents.check(closed_run.run_paths, Home.RUN, Home.GATE)
    findings += without_known(of_schemas, findings)
    if closed_run.is_closed:
        known = broken_files(findings)
        findings += recompute_run.check(computations, closed_run, known)
    return RunResult(
        run=run,
        gate=closed_run.run_paths.gate,
        files=len(closed_run.present),
        findings=tuple(findings),
    )


def check_digests(
    root: Path,
    run: str,
    lines: tuple[str, ...],
) -> Iterator[Finding]:
    """Yield what in one run is not as its record, its manifest and the ledger's lines say.

    Nothing is computed again, and no link is followed: the workspace's pages may be elsewhere.
    """
    closed_run = look(root, run, lines)
    yield from _check_digests(closed_run)
    yield from documents.check_json(closed_run.run_paths)


def _check_digests(run: ClosedRun) -> Iterator[Finding]:
    yield from evidence_files.check(run)
    yield from closing.check_run(run)
    yield from growing_files.check(run)
    yield from strays.check_run(run)
    yield from archived.check_run(run)
