"""Files of ours against what the steps compute from their inputs today.

Only what this version of the program wrote, with the policies of today, can be computed again. What
else there is was checked by its digests.
"""

import io
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path

from postrun.core import disk, step_notes, terminal, version
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.core.values import Json
from postrun.store import json_files, records
from postrun.store.records import Computed
from postrun.verify import files
from postrun.verify.findings import Finding, broken, listed, stale

Compute = Callable[[RunRequest, RunPaths], object]
# A step's name, and what computes its files.
Computation = tuple[str, Compute]
_STAMPS = ("generated_at", "program_version")
_POLICIES = "configs/"
GIVEN_AGAIN = "what its inputs give again"


@dataclass
class Again:
    """What came of computing files again, by path; and the steps that were refused, and why."""

    computed: dict[str, Computed] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)  # other files that would change


def compute(
    request: RunRequest,
    run_paths: RunPaths,
    computations: Iterable[Computation],
) -> Again:
    """Return what the steps would write. What they say on the way is left out."""
    again = Again()
    with (
        redirect_stderr(io.StringIO()),
        records.captured() as again.computed,
        disk.captured() as contents,
    ):
        for step, function in computations:
            with step_notes.performing(step):
                try:
                    function(request, run_paths)
                except PostRunError as error:
                    again.errors[step] = run_paths.without_root(error)
    again.written = set(map(run_paths.relative, contents))
    return again


def compare(root: Path, record: Json, again: Again) -> Iterator[Finding]:
    """Yield each recorded file that is not what was computed again, or could not be compared."""
    others = defaultdict(list)
    for row in record["files"]:
        path = row["path"]
        computed = again.computed.get(path)
        if computed is None:
            continue
        changed = changed_input(row, computed)
        if is_of_other_version(row):
            reason = f"written by {row['program_version']}"
            others[reason].append(path)
        elif changed.startswith(_POLICIES):
            reason = f"written with another policy ({changed})"
            others[reason].append(path)
        elif changed:
            expected = f"a file made from today's {changed}"
            yield stale(path, expected, "one of others", _hint(row))
        elif not _is_same(root / path, row, computed):
            # The page on a decision says what the audit says; today's may say something else.
            reason = _why_not_its_input(row, others)
            if reason:
                others[reason].append(path)
            else:
                yield broken(path, GIVEN_AGAIN, "something else", _hint(row))
    for reason, paths in others.items():
        first, *_ = paths
        number = terminal.counted(len(paths), "file")
        actual = f"not recomputed: {reason} ({number})"
        yield listed(first, GIVEN_AGAIN, actual)


def _why_not_its_input(
    row: Json,
    others: Mapping[str, Collection[str]],
) -> str:
    """Return why an input of a file was not computed again; empty when each one was."""
    inputs = _by_path(row["inputs"])
    for reason, paths in others.items():
        if not inputs.keys().isdisjoint(paths):
            return reason
    return ""


def _hint(row: Json) -> str:
    return f"make it again: make {row['step']}"


def other_versions(record: Json) -> str:
    """Return the versions that wrote the files of a record; empty when this one wrote any."""
    versions = {row["program_version"] for row in record["files"]}
    if version.program_version() in versions:
        return ""
    return ", ".join(sorted(versions))


def is_of_other_version(row: Json) -> bool:
    """Return whether another version of the program wrote a file."""
    return bool(row["program_version"] != version.program_version())


def changed_input(row: Json, computed: Computed) -> str:
    """Return an input that is other than the file was made from; nothing when all are the same."""
    before = _by_path(row["inputs"])
    now = _by_path(computed.inputs)
    paths = before.keys() | now.keys()
    for path in sorted(paths):
        source = before.get(path)
        if source != now.get(path):
            return str(path)
    return ""


def _by_path(inputs: Iterable[Json]) -> dict[str, Json]:
    return {source["path"]: source for source in inputs}


def _is_same(path: Path, row: Json, computed: Computed) -> bool:
    """Return whether a file says what was computed; JSON without its stamp.

    A file that is not the recorded one is named already: it passes here.
    """
    try:
        content = files.read(path)
    except files.Unreadable:
        return True
    if files.of_bytes(content) != row["sha256"]:
        return True
    given_again = computed.content
    if path.suffix == ".json":
        content = _unstamped(content)
        given_again = _unstamped(given_again)
    return content == given_again


def _unstamped(content: bytes) -> bytes:
    """Return a document without its time and version, as bytes: to Python, true is equal to 1."""
    document = json_files.try_parse(content, "a document").members
    for name in _STAMPS:
        document.pop(name, None)
    return json_files.encode(document)
