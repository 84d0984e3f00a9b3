"""Read and write the journals of a run: files that only grow, and that no closing makes again.

`monitor_events.jsonl` is a chain: each line holds the SHA-256 of the line before it. The whole of
`notifications.json` has one digest, in its own member `sha256`. Lines and entries of a version
without digests are read, and never written again.

The closing record holds the state of every journal at the end of a closing. Later the journal may
be longer; it is never shorter, another one, or gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from postrun.core import disk, locations, locks, terminal
from postrun.core.errors import Invalid, PostRunError
from postrun.core.locations import RunPaths
from postrun.store import json_files

Entry = dict[str, Any]

# Files that grow: anything else whose state is recorded, an approval say, stays as it is.
_GROWING = ("monitor_events.jsonl", "notifications.json")
_UNDELIVERED = "undelivered "
_LOCK_WAIT = 10.0
_RESTORE = "restore the file from version control or a backup"


@contextmanager
def hold_lock(root: Path) -> Iterator[None]:
    """Lock all journals of a workspace. Raises Locked. A dry run needs no lock."""
    if disk.DRY_RUN.get():
        yield
        return
    path = root / locations.LOCKS / "journals.lock"
    with locks.hold(path, _LOCK_WAIT, "a journal"):
        yield


# --- monitor_events.jsonl ---


def read_events(path: Path) -> list[Entry]:
    """Return every event, oldest first. Raises Missing, and Invalid for a damaged journal.

    Half a line at the end is no event: a write was interrupted.
    """
    content = _content(path)
    whole, line_end, _ = content.rpartition(b"\n")
    events, errors = _parse_events(path, whole + line_end)
    if errors:
        raise errors[0]
    return events


def append_event(path: Path, event: Entry) -> None:
    """Add a line with the digest of the line before. Raises Missing, Invalid."""
    content = _content(path)
    whole, line_end, half_line = content.rpartition(b"\n")
    before = whole + line_end
    lines = before.splitlines(keepends=True)
    complete = {**event, "previous_sha256": _link(lines)}
    json_files.check(complete, "monitor_events", path)
    if half_line:
        # A power cut during an append leaves it: earlier releases appended lines. The monitor sees
        # again what it would have said.
        disk.keep_beside(path, content, "edited", "half a line at the end is left out")
    # The whole file is replaced: an append that is interrupted would leave half a line.
    new_line = json_files.encode_line(complete)
    disk.replace(path, before + new_line)


def _parse_events(path: Path, content: bytes) -> tuple[list[Entry], list[Invalid]]:
    """Return the lines that can be read, and what is wrong with these and with the others."""
    events: list[Entry] = []
    errors: list[Invalid] = []
    is_chained = False
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        thing = f"{path}:{number}"
        try:
            event = _parse_line(line, thing)
            events.append(event)
            # After the first line with a digest, one without would leave the others unproven.
            is_chained = is_chained or "previous_sha256" in event
            if is_chained:
                lines_before = lines[: number - 1]
                _check_link(event, lines_before, thing)
        except Invalid as error:
            errors.append(error)
    return events, errors


def _parse_line(line: bytes, thing: str) -> Entry:
    """Return one event. Raises Invalid."""
    if not line.endswith(b"\n"):
        raise Invalid(thing, "a whole line", "half a line at the end of the file")
    event: Entry = json_files.parse(line, thing, "monitor_events").value
    return event


def _check_link(event: Entry, lines_before: list[bytes], thing: str) -> None:
    """Raise Invalid for an event whose digest is not that of the line before."""
    expected = _link(lines_before)
    stated = event.get("previous_sha256", "none")
    if stated != expected:
        words = f"{expected} as digest of the line before"
        raise Invalid(thing, words, str(stated), _RESTORE)


def _link(lines: list[bytes]) -> str | None:
    """Return what the next line holds as digest of the line before."""
    if not lines:
        return None
    last_line = lines[-1].rstrip(b"\r\n")
    members = json_files.try_parse(last_line, "line").members
    if "previous_sha256" in members:
        return disk.content_digest(last_line)
    # Lines of an earlier version hold no digests: this one speaks for all of them.
    whole = b"".join(lines)
    return disk.content_digest(whole)


# --- notifications.json ---


def record_notification(run_paths: RunPaths, key: str, is_reported: bool) -> bool:
    """Add that an event is reported, or that it reached nobody. Return whether that is new.

    Raises Missing, Locked, Invalid for a damaged journal.
    """
    path = run_paths.path("notifications")
    with hold_lock(run_paths.root):
        entries = _read_notifications(path)
        if _is_reported(entries, key) is is_reported:
            return False
        new_entry = key
        if not is_reported:
            new_entry = _UNDELIVERED + key
        content = {"run": run_paths.run, "told": [*entries, new_entry]}
        document = json_files.stamped(content, "notifications")
        document["sha256"] = _digest_without_own(document)
        json_files.check(document, "notifications", path)
        encoded = json_files.encode(document)
        disk.replace(path, encoded)
        return True


def _is_reported(entries: list[str], key: str) -> bool:
    """Return whether somebody may know of an event: the last entry about it decides."""
    for entry in reversed(entries):
        if entry.removeprefix(_UNDELIVERED) == key:
            return entry == key
    return False


def _read_notifications(path: Path) -> list[str]:
    content = disk.read_optional(path)
    if content is None:
        return []
    document = _parse_notifications(path, content)
    entries: list[str] = document["told"]
    return entries


def _parse_notifications(path: Path, content: bytes) -> Entry:
    """Return the notifications of a run. Raises Invalid."""
    document: Entry = json_files.parse(content, path, "notifications").value
    # The schema asks for the digest since version 3.
    if "sha256" in document:
        digest = _digest_without_own(document)
        if document["sha256"] != digest:
            expected = f"{digest} as digest of its content"
            raise Invalid(path, expected, document["sha256"], _RESTORE)
        if json_files.encode(document) != content:
            expected = "JSON as this program writes it"
            raise Invalid(path, expected, "other white space", _RESTORE)
    return document


def _digest_without_own(document: Entry) -> str:
    content = dict(document)
    content.pop("sha256", None)
    encoded = json_files.encode(content)
    return disk.content_digest(encoded)


# --- both ---


def faults(path: Path) -> list[str]:
    """Return all that is wrong with a journal: its chain, or the digest of the whole."""
    try:
        content = _content(path)
        if path.suffix == ".jsonl":
            _, errors = _parse_events(path, content)
            return [str(error) for error in errors]
        _parse_notifications(path, content)
    except PostRunError as error:
        return [str(error)]
    return []


def state(root: Path, path: Path) -> Entry | None:
    """Return how long a journal is now, and the digest of that much; None when there is none.

    Raises Missing for one that cannot be read.
    """
    content = disk.read_optional(path)
    if content is None:
        return None
    lines, encoded = _first(path, content)
    workspace = RunPaths.of_workspace(root)
    return {
        "path": workspace.relative(path),
        "lines": lines,
        "sha256": disk.content_digest(encoded),
    }


def changed_since(root: Path, recorded: Entry) -> str:
    """Return why a journal is neither as it was recorded nor longer; nothing when it is.

    Raises Missing for one that cannot be read.
    """
    path = root / recorded["path"]
    lines = terminal.counted(recorded["lines"], "line")
    expected = f"{path}: expected the {lines} of its closing"
    content = disk.read_optional(path)
    if content is None:
        return f"{expected}, found no file"
    number, encoded = _first(path, content, recorded["lines"])
    if number < recorded["lines"]:
        return f"{expected}, found {number}"
    if disk.content_digest(encoded) != recorded["sha256"]:
        return f"{expected}, found others"
    if path.name not in _GROWING and encoded != content:
        return f"{expected}, found more"
    return ""


def _first(path: Path, content: bytes, number: int | None = None) -> tuple[int, bytes]:
    """Return how many of the first `number` entries there are, and these as bytes."""
    if path.name == "notifications.json":
        document = json_files.try_parse(content, path).members
        entries = document.get("told")
        if isinstance(entries, list):
            first_entries = entries[:number]
            encoded = json_files.encode(first_entries)
            return len(first_entries), encoded
    lines = content.splitlines(keepends=True)
    first_lines = lines[:number]
    encoded = b"".join(first_lines)
    return len(first_lines), encoded


def _content(path: Path) -> bytes:
    return disk.read_optional(path) or b""
