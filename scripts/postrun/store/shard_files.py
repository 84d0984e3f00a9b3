"""The file of one shard, which only this account may write, and what tells a run's files.

The first line says what the file is, and the digest of all others. Each of these is one run: its
name, what told its files before they were read, why it could not be read, and what was read.
"""

import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from postrun.core import all_cores, clock, disk, locations, run_names
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import json_files

Json = Any
Header = dict[str, Json]

AGAIN = "run it again"
_OLD = 60.0  # seconds: no shard takes as long to write its file
_STAMPED_AT_ONCE = 256  # runs that a process takes
# Runs have stamps of their own; these two change with every command.
_OUTSIDE = (locations.RUNS, locations.LOCKS, locations.CACHES)
_ONLY_OURS = "a file and folders that only this account may write"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MEANINGS = {
    "cut": "the cut of today's runs, ledger, program and policies,",
    "program_version": "the program's version",
    "schema_version": "schema version",
    "shard": "shard",
}


@dataclass
class Results:
    """What was read of some runs, by run, as it stands in shards."""

    values: dict[str, Json] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)  # what told its files before

    def add(self, others: "Results") -> None:
        """Add what was read of other runs."""
        self.values |= others.values
        self.errors |= others.errors
        self.stamps |= others.stamps


def own_folder(root: Path) -> Path:
    """Return the folder of this account's shards in a workspace."""
    account = os.geteuid()
    return root / locations.CACHES / f"shards-{account}"


def make_folder(folder: Path) -> None:
    """Make a folder that only this account may enter, in this account's. Raises Missing."""
    with disk.report_write_errors(folder):
        disk.make_folder(folder.parent.parent)
        for place in (folder.parent, folder):
            place.mkdir(mode=0o700, exist_ok=True)


def write(path: Path, header: Header, results: Results) -> None:
    """Write the file of a shard in one move. Raises Missing."""
    lines = []
    for run, stamp in results.stamps.items():
        error = results.errors.get(run)
        value = results.values.get(run)
        line = json_files.encode_line([run, stamp, error, value])
        lines.append(line)
    body = b"".join(lines)
    first_line = json_files.encode_line(
        {
            **header,
            "sha256": disk.content_digest(body),
            "written_at": clock.stamp(clock.now()),
        }
    )
    is_dry = disk.DRY_RUN.get()
    if not is_dry:
        make_folder(path.parent)
        _clear(path)
    disk.overwrite(path, first_line + body)
    if not is_dry:
        path.chmod(0o600)


def _clear(path: Path) -> None:
    """Remove a link in the place of the file, and what a killed shard had not finished."""
    if path.is_symlink():
        path.unlink()
    for name in disk.list_names(path.parent):
        match = disk.UNFINISHED.fullmatch(name)
        if match is None or match["name"] != path.name:
            continue
        unfinished = path.with_name(name)
        # The process may be on another machine: only its age says that it has ended.
        with suppress(OSError):
            age = time.time() - unfinished.lstat().st_mtime
            if age > _OLD:
                unfinished.unlink()


def read(
    thing: str,
    path: Path,
    header: Header,
    runs: Sequence[str],
) -> Results:
    """Return what the file of a shard holds of these runs.

    Raises Missing, Invalid, also where another account may write.
    """
    _check_owner(thing, path)
    content = disk.read(path)
    first, _, body = content.partition(b"\n")
    present = json_files.try_parse(first, path).members
    if present.get("sha256") != disk.content_digest(body):
        expected = "a whole file, as its first line says"
        raise Invalid(thing, expected, "another", AGAIN)
    for name, wanted in header.items():
        found = present.get(name)
        if found != wanted:
            expected = f"{_MEANINGS[name]} {wanted}"
            raise Invalid(thing, expected, repr(found), AGAIN)
    try:
        results = _parse(body)
    except (ValueError, TypeError):
        raise Invalid(thing, "rows of runs", "something else", AGAIN) from None
    if list(results.stamps) != list(runs):
        raise Invalid(thing, "the runs of its part", "others", AGAIN)
    return results


def _check_owner(thing: str, path: Path) -> None:
    """Raise Invalid when another account may have written a shard, Missing when there is none."""
    if not path.exists():
        raise Missing(thing, "its result", "none", AGAIN)
    for place in (path.parents[1], path.parent, path):
        entry = place.lstat()
        problem = ""
        if stat.S_ISLNK(entry.st_mode):
            problem = "a link"
        elif entry.st_uid != os.geteuid():
            problem = "another owner"
        elif entry.st_mode & _OTHERS_WRITE:
            problem = "that others may write"
        if problem:
            found = f"{problem}: {place}"
            raise Invalid(thing, _ONLY_OURS, found, AGAIN)


def _parse(body: bytes) -> Results:
    """Return the rows of a shard. Raises ValueError, TypeError."""
    results = Results()
    for line in body.splitlines():
        row = json.loads(line, parse_constant=_refuse)
        run, stamp, error, value = row
        results.stamps[run] = stamp
        if error is None:
            results.values[run] = value
        else:
            results.errors[run] = error
    return results


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def stamp_all(root: Path, runs: Sequence[str]) -> dict[str, str]:
    """Return for each run what changes with whatever is written into its folders."""
    stamp = partial(_stamp, root)
    if len(runs) <= _STAMPED_AT_ONCE:
        return {run: stamp(run) for run in runs}
    stamps = all_cores.call(stamp, runs, chunk=_STAMPED_AT_ONCE)
    return dict(zip(runs, stamps, strict=True))


def _stamp(root: Path, run: str) -> str:
    run_paths = RunPaths(root, run, None)
    detection_path = run_paths.path("run_detection")
    detection = json_files.try_load(detection_path).members
    folders = [f"{locations.RUNS}/{run}"]
    gate = detection.get("gate_folder")
    if isinstance(gate, str) and run_names.gate_started(gate):
        folders.append(f"{locations.GATES}/{gate}")
    facts: list[object] = []
    for folder in folders:
        facts += _facts_below(f"{root}/{folder}", folder)
    return digest(facts)[:32]


def stamp_workspace(root: Path) -> str:
    """Return what changes with whatever is written into `audit/` outside of the run folders."""
    facts = _facts_below(f"{root}/audit", "audit")
    return digest(list(facts))


def _facts_below(path: str, name: str) -> Iterator[object]:
    """Yield names, sizes and times of what is in a folder. No program sets the last time (ctime).

    Nothing of a folder that is not there or cannot be listed: then reading it has said so.
    """
    try:
        with os.scandir(path) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        states = [entry.stat(follow_symlinks=False) for entry in entries]
    except OSError as error:
        yield f"{name}: {error.errno}"
        return
    for entry, state in zip(entries, states, strict=True):
        inside = f"{name}/{entry.name}"
        if inside in _OUTSIDE:
            continue
        yield [inside, state.st_mode, state.st_ino]
        if stat.S_ISDIR(state.st_mode):
            yield from _facts_below(entry.path, inside)
            continue
        yield _times(state)
        if stat.S_ISLNK(state.st_mode):
            # The file behind a link is read, too.
            with suppress(OSError):
                yield _times(os.stat(entry.path))  # noqa: PTH116


def _times(state: os.stat_result) -> tuple[int, ...]:
    return (
        state.st_size,
        state.st_mtime_ns,
        state.st_ctime_ns,
    )


def digest(facts: object) -> str:
    """Return a digest of what can stand in JSON."""
    content = json_files.encode_line(facts)
    return disk.content_digest(content)
