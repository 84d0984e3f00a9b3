"""Which run is meant by a tag, and whether it has ended."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from postrun.core import locations, run_names, values
from postrun.core.errors import AmbiguousRun, Invalid, Missing, NotFinished, Usage
from postrun.core.run_names import RunName
from postrun.decide import report_window
from postrun.remote import processes
from postrun.remote.answers import RemoteFile, RemoteListing
from postrun.store import json_files

_WAIT = "make monitor-then-finalize waits for its end"
_NEVER = 'it will not get one; --abandoned "reason" closes it'


@dataclass
class Finding:
    """What is known about the run so far, and what the audit must know about how it was found."""

    name: RunName
    tag: str
    matches: tuple[str, ...]  # every run folder with exactly this tag, oldest first
    notes: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)


def choose(seen: RemoteListing, tag: str, asked: str | None) -> Finding:
    """Choose the run folder: the one asked for, else the newest of exactly this tag. Raises Unclear, Missing."""
    names = [name for name in map(run_names.parse_run_name, seen.runs) if name]
    matching = [name for name in names if name.tag == tag and name.folder in seen.folders]
    matches = tuple(name.folder for name in sorted(matching, key=lambda name: name.started))
    if asked is not None:
        return _asked_for(seen, tag, asked, matches)
    denied = {
        folder: other
        for folder in matches
        if (other := _tag_in_context(seen, folder)) not in (None, tag)
    }
    left = [name for name in matching if name.folder not in denied]
    if not left:
        raise AmbiguousRun(
            f"decision tag {tag}", "a run of exactly this tag", _nearest(tag, names, denied)
        )
    begun = [name for name in left if seen.file(name.folder, "context.json")]
    newest = max(begun or left, key=lambda name: name.started)
    found = Finding(newest, tag, matches)
    found.notes += [
        f"{folder} has this name, but its context names tag {other!r}"
        for folder, other in denied.items()
    ]
    later = [name.folder for name in left if name.started > newest.started]
    if len(left) > 1:
        found.notes.append(f"{len(left)} runs have this tag; the newest with a context counts")
    found.notes += [f"{folder} is newer, but has no context" for folder in later]
    return found


def _asked_for(seen: RemoteListing, tag: str, asked: str, matches: tuple[str, ...]) -> Finding:
    name = run_names.parse_run_name(asked)
    assert name is not None
    if asked not in seen.folders:
        raise Missing(
            f"{locations.RUNS}/{asked} on the workstation",
            "a folder",
            "nothing there",
            "see --run-dir-remote",
        )
    found = Finding(name, tag, matches)
    if name.tag != tag:
        found.contradictions.append(
            f"run folder {asked} was asked for, and its name has another tag than {tag}"
        )
    other = _tag_in_context(seen, asked)
    if other not in (None, tag):
        found.contradictions.append(f"context.json names tag {other!r}, not {tag}")
    return found


def _nearest(tag: str, names: Sequence[RunName], denied: Mapping[str, object]) -> str:
    if denied:
        folder, other = next(iter(denied.items()))
        return f"only {folder}, whose context names tag {other!r}"
    local = difflib.get_close_matches(tag, sorted({name.tag for name in names}), n=5, cutoff=0.3)
    return f"none; nearest: {', '.join(local)}" if local else f"none among {len(names)} runs"


def _tag_in_context(seen: RemoteListing, folder: str) -> object:
    """Give the tag in a run's context; None when there is no context, or it cannot be read: the name decides then."""
    document = readable(seen.file(folder, "context.json"))
    return values.member(document, "decision_tag")


def readable(file: RemoteFile | None) -> Any:
    """Return a JSON file of a listing; None when it is not there, too large, or no JSON."""
    return json_files.try_parse(file.content, file.path).value if file else None


def check_end(
    seen: RemoteListing, found: Finding, asked: str | None, before: str | None
) -> tuple[RemoteFile | None, str | None]:
    """Give the run's valid result.json; for a dead run none, and why it is given up.

    `asked` is the reason on the command line, `before` the one of an earlier detection: that holds until there is a
    result. Raises Missing, Invalid, and Usage when a run with a result is to be given up.
    """
    try:
        file = check_result(seen, found)
    except (Missing, Invalid) as error:
        if asked is None and before is None:
            raise
        what = "without a" if isinstance(error, Missing) else "with a broken"
        found.notes.append(f"given up {what} result.json{_stopped(seen, found.name.folder)}")
        return None, asked or before
    if asked is not None:
        has = f"a valid one in {found.name.folder}: nothing to abandon"
        raise Usage(
            "--abandoned", "a run without a valid result.json", has, "close it without this flag"
        )
    return file, None


def check_result(seen: RemoteListing, found: Finding) -> RemoteFile:
    """Give the run's result.json. Raises Missing when the run has none, Invalid when it is broken."""
    file = seen.file(found.name.folder, "result.json")
    if file is None:
        why = _stopped(seen, found.name.folder)
        hint = _NEVER if why else _WAIT
        raise Missing(f"result.json of {found.name.folder}", "a file", f"nothing there{why}", hint)
    if file.content is None:
        raise Invalid(file.path, "a small file that can be read", f"{file.size} bytes that cannot")
    result = json_files.parse(file.content, file.path, "result").value
    if result["decision_tag"] != found.tag:
        found.contradictions.append(
            f"result.json names tag {result['decision_tag']!r}, not {found.tag}"
        )
    return file


def note_context(seen: RemoteListing, found: Finding) -> None:
    """Say so when there is no context, or one that cannot be read."""
    context = seen.file(found.name.folder, "context.json")
    if context is None:
        found.notes.append("there is no context.json")
    elif readable(context) is None:
        found.notes.append("context.json cannot be read; the folder's name decides")


def _stopped(seen: RemoteListing, folder: str) -> str:
    """Say which gate before the run stopped it, if one did: then there is no context, and no result to wait for."""
    if seen.file(folder, "context.json"):
        return ""
    preflight = values.mapping(readable(seen.file(folder, "preflight.json")))
    if preflight.get("status") == "fail":
        return f" (its preflight failed: {preflight.get('reasons')})"
    reports = [
        file
        for path, file in sorted(seen.files.items())
        if path.startswith(f"{locations.RUNS}/{folder}/data_")
    ]
    quality = values.mapping(readable(reports[-1])) if reports else {}
    if quality.get("overall_pass") is False:
        return f" (its data-quality gate failed: {quality.get('failures')})"
    return ""


def offsets(seen: RemoteListing, folder: str) -> tuple[timedelta | None, timedelta | None]:
    """Give the workstation's UTC offsets at the run's start and at its end; None for what is not known.

    The one at the end comes from the workstation's present rules; an hour's difference is a change of clocks, more
    means that we were answered in another zone than the run's.
    """
    preflight = readable(seen.file(folder, "preflight.json"))
    at_start = report_window.offset(values.member(preflight, "timestamp"))
    at_end = report_window.offset(f"2000-01-01T00:00:00{seen.zones_at_end.get(folder, '')}")
    plausible = (
        at_start is not None
        and at_end is not None
        and abs(at_end - at_start) <= report_window.CLOCK_CHANGE
    )
    return at_start, at_end if plausible else None


def check_rest(
    seen: RemoteListing, found: Finding, gates: Sequence[str], ignored: Sequence[str]
) -> None:
    """Let a run pass that nobody works on any more. Raises NotFinished."""
    folder = found.name.folder
    pid_file = seen.file(folder, "run.pid")
    text = (pid_file.content or b"").decode(errors="replace") if pid_file else None
    busy = processes.of_run(
        seen.processes, found.tag, folder, gates, text, seen.boot_id, ignored_programs=ignored
    )
    if busy:
        first = f"{busy[0].pid}: {busy[0].args[:120]}"
        more = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
        raise NotFinished(
            f"run {folder}", "no process at work on it", f"process {first}{more}", _WAIT
        )
