"""Read and write the JSON artifacts of a run and of the workspace, by name.

What is read is compared with what was recorded.
"""

from contextlib import suppress
from functools import partial
from typing import Any

from postrun.core import disk
from postrun.core.artifacts import ARTIFACTS
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import checked_files, json_files, records
from postrun.store.json_files import Document, Reading
from postrun.store.records import Output


def read(run_paths: RunPaths, name: str, hint: str = "") -> Any:
    """Return an artifact of a run or of the workspace, checked.

    Raises Missing with the hint, which says how it is made; Invalid.
    """
    return read_with_places(run_paths, name, hint).value


def read_with_places(
    run_paths: RunPaths,
    name: str,
    hint: str = "",
) -> Reading:
    """Return an artifact as `read` does, with the places of its NaN and Infinity."""
    path = run_paths.path(name)
    schema = _schema_name(name)
    content = checked_files.read(run_paths, path, name, hint)
    try:
        return json_files.parse(content, path, schema)
    except Invalid as error:
        error.add_hint(hint)
        raise


def read_optional(run_paths: RunPaths, name: str) -> Any | None:
    """Return what `read` returns; None when there is no such file."""
    path = run_paths.path(name)
    if not disk.is_present(path):
        return None
    return read(run_paths, name)


def try_read(run_paths: RunPaths, name: str) -> Reading:
    """Return an artifact; what is missing or broken becomes the `problem`.

    Raises Invalid for one that was changed since it was recorded.
    """
    path = run_paths.path(name)
    schema = _schema_name(name)
    try:
        content = checked_files.read(run_paths, path, name)
    except Missing as error:
        problem = str(error)
        return Reading(problem=problem)
    return json_files.try_parse(content, path, schema)


def write(
    run_paths: RunPaths,
    name: str,
    document: Document,
) -> Document:
    """Check and write an artifact of ours; return the document as it now is on disk."""
    complete, output = prepare(run_paths, name, document)
    records.write(run_paths, name, [output])
    return complete


def prepare(
    run_paths: RunPaths,
    name: str,
    document: Document,
) -> tuple[Document, Output]:
    """Return an artifact of ours as it is to be written, and its file. Raises Invalid.

    When nothing but the stamp changed, the file keeps its bytes, with its old stamp: closing a run
    twice changes nothing.
    """
    path = run_paths.path(name)
    schema = _schema_name(name)
    stamp = json_files.stamped({}, schema)
    complete = {**document, **stamp}
    existing = read_existing(run_paths, name)
    # A new time or version alone is no new content.
    if {**existing, **stamp} == complete:
        complete = existing
    json_files.check(complete, schema, path)
    content = json_files.encode(complete)
    is_ours = partial(json_files.is_ours, schema=schema)
    output = Output(path, content, is_ours)
    return complete, output


def read_existing(run_paths: RunPaths, name: str) -> Document:
    """Return what a step wrote the last time, also when it was interrupted then.

    An empty document when there is none, or another one than was written.
    """
    path = run_paths.path(name)
    content = None
    with suppress(Missing):
        content = disk.read_optional(path)
    if content is None:
        return {}
    if not records.is_as_written(run_paths, name, path, content):
        return {}
    reading = json_files.try_parse(content, path)
    return reading.members


def _schema_name(name: str) -> str:
    schema = ARTIFACTS[name].schema
    assert schema is not None, f"{name} is not JSON"
    return schema
