"""A verification in shards: the runs of each are checked apart, and all findings are joined."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

from postrun.core import disk
from postrun.store import index, shards
from postrun.store.shards import Cut, Read, Reading, Shard
from postrun.verify import ledger_rows, verification
from postrun.verify.findings import Finding
from postrun.verify.one_run import RunResult
from postrun.verify.verification import Computations, Progress, Verification


def cut_all(
    root: Path,
    computations: Computations,
    number: int,
    show: Progress,
) -> list[Cut]:
    """Return all that is cut into so many shards: the checks of the runs, and what tables read.

    Raises Missing, Invalid, for a policy that cannot be read.
    """
    own_chain = ledger_rows.read(root)
    known = ledger_rows.with_others(root, own_chain)
    of_runs = verification.of_runs(known, computations, show)
    readings: list[Reading[Any]] = [of_runs]
    for make_reading in computations.readings:
        reading = make_reading()
        readings.append(_captured(reading))
    cuts = []
    for reading in readings:
        cut = Cut(root, shards.VERIFY, reading, number)
        cuts.append(cut)
    return cuts


def _captured(reading: Reading[Any]) -> Reading[Any]:
    """Return a reading that writes nothing, and says only in its results what it finds."""

    def read(root: Path, runs: Sequence[str]) -> Read[Any]:
        with redirect_stderr(io.StringIO()), disk.captured():
            return reading.read(root, runs)

    return replace(reading, read=read)


@index.in_memory()
def check_shard(
    root: Path,
    shard: Shard,
    computations: Computations,
    show: Progress,
) -> tuple[Verification, bool]:
    """Check the runs of one shard, and keep what was found for a join.

    Return it, and whether all of it was done before. Raises Missing, Invalid.
    """
    of_runs, *of_tables = cut_all(root, computations, shard.of, show)
    results, was_done = shards.read_shard(of_runs, shard.number)
    for cut in of_tables:
        _, table_was_done = shards.read_shard(cut, shard.number)
        was_done = was_done and table_was_done
    files = 0
    findings: list[Finding] = []
    for value in results.values.values():
        result = RunResult.from_json(value)
        findings += result.findings
        files += result.files
    found = Verification(
        len(results.values),
        files,
        tuple(findings),
    )
    return found, was_done


@index.in_memory()
def join(
    root: Path,
    number: int,
    computations: Computations,
    show: Progress,
) -> Verification:
    """Return what `verify` does, with the runs taken from so many shards.

    Raises Missing, Invalid, for a shard that cannot be taken.
    """
    cuts = cut_all(root, computations, number, show)
    with shards.joining(cuts):
        return verification.verify(root, None, computations, show)
