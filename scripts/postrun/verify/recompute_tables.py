"""What the run folders and policies give again: the tables and pages of the workspace."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.core.values import Json
from postrun.verify import recompute
from postrun.verify.findings import Finding, listed
from postrun.verify.recompute import GIVEN_AGAIN, Computation


def check(
    computations: Sequence[Computation],
    root: Path,
    record: Json,
) -> Iterator[Finding]:
    """Yield the tables and pages that are not what they are made from."""
    request, workspace = RunRequest(root), RunPaths.of_workspace(root)
    again = recompute.compute(request, workspace, computations)
    yield from recompute.compare(root, record, again)
    for row in record["files"]:
        error = again.errors.get(row["step"])
        if error:
            yield listed(
                row["path"],
                GIVEN_AGAIN,
                f"not recomputed: {error}",
            )
