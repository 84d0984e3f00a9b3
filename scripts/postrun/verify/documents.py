"""Files of ours against their schemas, and the links in our pages."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from postrun.core.artifacts import ARTIFACTS, SIGNED_SUFFIX, Home
from postrun.core.errors import PostRunError
from postrun.core.locations import RunPaths
from postrun.store import csv_files, evidence, json_files
from postrun.verify import files, package
from postrun.verify.findings import Finding, broken, of_error

_VIEW, _ARCHIVE = "stage_audit_log", "archive"
_LINKS = {
    ".md": re.compile(r"\]\(<?([^)>\s]+)>?\)"),
    ".html": re.compile(r"(?:href|src)=[\"']([^\"']+)[\"']"),
}
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#")


def check(
    run_paths: RunPaths,
    *homes: Home,
) -> Iterator[Finding]:
    """Yield each file of ours that does not fit its schema, and each link that leads nowhere."""
    for artifact in ARTIFACTS.values():
        # The view of the ledger is in a document of the user's own. What is signed says itself what
        # it is.
        if artifact.name == _VIEW or SIGNED_SUFFIX in artifact.suffixes:
            continue
        if not artifact.generated or artifact.home not in homes:
            continue
        for suffix in artifact.suffixes:
            path = run_paths.path(artifact.name, suffix)
            # Of the files of archives, each is checked with its row of the ledger.
            if artifact.name == _ARCHIVE:
                continue
            if "*" in artifact.file:
                for page in sorted(path.parent.glob(path.name)):
                    yield from _check_links(run_paths, page)
            elif suffix in _LINKS:
                yield from _check_links(run_paths, path)
            elif files.is_file(path) and artifact.schema:
                yield from _check_schema(run_paths, path, artifact.schema)


def check_json(run_paths: RunPaths) -> Iterator[Finding]:
    """Yield each JSON file of a run that does not fit its schema."""
    for artifact in ARTIFACTS.values():
        if artifact.generated and artifact.home in (Home.RUN, Home.GATE) and artifact.schema:
            path = run_paths.path(artifact.name)
            if SIGNED_SUFFIX not in artifact.suffixes and files.is_file(path):
                yield from _check_schema(run_paths, path, artifact.schema)


def _check_schema(
    run_paths: RunPaths,
    path: Path,
    schema: str,
) -> Iterator[Finding]:
    """Yield the first thing that is wrong with a document or a table."""
    name = run_paths.relative(path)
    try:
        if path.suffix == ".csv":
            files.read(path)  # nothing waits for a FIFO
            columns = json_files.columns(schema)
            later = json_files.later_columns(schema)
            for row in csv_files.read_rows(path, columns, later):
                json_files.check(row, schema, name)
        else:
            content = files.read(path)
            lines = content.splitlines() if path.suffix == ".jsonl" else [content]
            for line in lines:
                json_files.parse(line, name, schema)
    except files.Unreadable as error:
        yield broken(
            name,
            "a file that can be read",
            str(error),
        )
    except PostRunError as error:
        yield of_error(name, error)


def _check_links(run_paths: RunPaths, page: Path) -> Iterator[Finding]:
    """Yield each relative link of a page that leads nowhere."""
    try:
        text = files.read(page).decode(errors="replace")
    except files.Unreadable:
        return
    for target in dict.fromkeys(_LINKS[page.suffix].findall(text)):
        if _ELSEWHERE.match(target):
            continue
        name, _, _ = target.partition("#")
        linked = page.parent / unquote(name)
        if files.is_there(linked) or _is_left_out(run_paths, linked):
            continue
        expected = f"a link to a file: {target}"
        yield broken(
            run_paths.relative(page),
            expected,
            files.NOTHING,
        )


def _is_left_out(run_paths: RunPaths, target: Path) -> bool:
    """Return whether a link leads to the workspace's pages, which no package of one run has."""
    path = os.path.normpath(target)
    for folder in evidence.folders(run_paths):
        if Path(path).is_relative_to(run_paths.root / folder):
            return False
    return package.is_package(run_paths.root)
