"""Which run is meant by a tag, and whether it has ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from postrun.core import locations, run_names
from postrun.core.errors import AmbiguousRun, Invalid, Missing, NotFinished
from postrun.core.run_names import RunName
from postrun.decide import report_window
from postrun.decide.gates import exit_code
from postrun.decide.report_window import Window
from postrun.remote import processes, scheduler
from postrun.remote.answers import RemoteFile, RemoteListing
from postrun.store import json_files
from postrun.store.json_files import Reading

_WAIT = "wait for its end: make monitor-then-finalize TAG=..."
_NEVER = 'it will not get one; --abandoned "reason" closes it'


@dataclass(frozen=True)
class RunResult:
    """A valid result.json."""

    modified: float  # its file time, seconds since 1970
    exit_code: int | None


@dataclass
class ChosenRun:
    """The run that is meant, and what the audit must know about how it was chosen."""

    name: RunName
    tag: str  # as its context has it; where that has none, as it was asked for
    same_tag: list[str]  # all run folders with exactly this tag, oldest first
    notes: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    knows_tag: bool = True  # whether the context has a tag

    @property
    def folder(self) -> str:
        """Return the name of the run folder."""
        return self.name.folder

    def has_tag(self, tag: object) -> bool:
        """Return whether a document's tag is the run's: without a context the name decides."""
        if self.knows_tag or self.tag != self.name.tag:
            return tag == self.tag
        return run_names.folder_tag(tag) == self.tag


def choose(listing: RemoteListing, tag: str, asked_folder: str | None) -> ChosenRun:
    """Return the run that is asked for, else the newest of exactly this tag.

    Raises AmbiguousRun when no run has the tag or several tags fit, Missing when the run asked for
    is not there.
    """
    all_runs = list(filter(None, map(run_names.parse_run_name, listing.runs)))
    in_folder = run_names.folder_tag(tag)
    with_name = [run for run in all_runs if run.tag == in_folder and run.folder in listing.folders]
    with_name.sort(key=lambda run: run.started)
    if asked_folder is not None:
        return _asked_run(listing, tag, asked_folder, with_name)

    # Several tags can share the name of a folder. The context has the tag as it was typed.
    candidates, notes = [], []
    raw_tags = {}
    found_instead = ""  # said when no run is left
    for run in with_name:
        context_tag = _recorded_tag(listing, run.folder)
        if context_tag is None or run_names.is_tag(tag, context_tag):
            candidates.append(run)
            if context_tag is not None:
                raw_tags[run.folder] = str(context_tag)
            continue
        names_other = f"context names tag {context_tag!r}"
        notes.append(f"{run.folder} has this name, but its {names_other}")
        found_instead = found_instead or f"only {run.folder}, whose {names_other}"
    if not candidates:
        blocked = listing.why_unusable(locations.RUNS)
        if blocked:
            raise Invalid(
                f"run folders on the workstation, for tag {tag}",
                "a folder that can be read",
                blocked,
            )
        found_instead = found_instead or _nearest_tags(tag, all_runs)
        raise AmbiguousRun(f"decision tag {tag}", "a run of exactly this tag", found_instead)
    run_names.check_one_tag(tag, raw_tags)

    # A run without a context did not get past its preflight.
    with_context = [run for run in candidates if listing.file(run.folder, "context.json")]
    newest = (with_context or candidates)[-1]
    chosen = _chosen(listing, newest, tag, with_name)
    chosen.notes = notes
    if len(candidates) > 1:
        notes.append(f"{len(candidates)} runs have this tag; the newest with a context counts")
    for run in candidates:
        if run.started > newest.started:
            notes.append(f"{run.folder} is newer, but has no context")
    return chosen


def _chosen(
    listing: RemoteListing, name: RunName, tag: str, with_name: Sequence[RunName]
) -> ChosenRun:
    context_tag = _recorded_tag(listing, name.folder)
    is_known = context_tag is not None and run_names.is_tag(tag, context_tag)
    if is_known:
        tag = str(context_tag)
    same_tag = []
    for run in with_name:
        other_tag = _recorded_tag(listing, run.folder)
        # Of another tag that only becomes the same name, and no fault of either run.
        is_other = is_known and run_names.folder_tag(other_tag) == name.tag and other_tag != tag
        if not is_other:
            same_tag.append(run.folder)
    return ChosenRun(name, tag, same_tag, knows_tag=is_known)


def _asked_run(
    listing: RemoteListing, tag: str, asked_folder: str, with_name: Sequence[RunName]
) -> ChosenRun:
    name = run_names.parse_run_name(asked_folder)
    assert name is not None, "run_lookup has checked it"
    if asked_folder not in listing.folders:
        blocked = listing.why_unusable(f"{locations.RUNS}/{asked_folder}")
        raise Missing(
            f"{locations.RUNS}/{asked_folder} on the workstation",
            "a folder",
            blocked or "nothing there",
            "see --run-dir-remote",
        )
    chosen = _chosen(listing, name, tag, with_name)
    if name.tag != run_names.folder_tag(tag):
        chosen.contradictions.append(
            f"run folder {asked_folder} was asked for, and its name has another tag than {tag}"
        )
    context_tag = _recorded_tag(listing, asked_folder)
    if context_tag is not None and not chosen.knows_tag:
        chosen.contradictions.append(f"context.json names tag {context_tag!r}, not {tag}")
    return chosen


def _nearest_tags(tag: str, runs: Sequence[RunName]) -> str:
    nearest = run_names.nearest_tags(tag, {run.tag for run in runs})
    if not nearest:
        return f"none among {len(runs)} runs"
    return f"none; nearest: {nearest}"


def read_members(listing: RemoteListing, folder: str, name: str) -> dict[str, Any]:
    """Return the members of a JSON file of a run folder; none when it cannot be read."""
    return _read(listing.file(folder, name)).members


def _recorded_tag(listing: RemoteListing, folder: str) -> object:
    """Return a run's tag as its context has it, else its result; None: the name decides."""
    tag = read_members(listing, folder, "context.json").get("decision_tag")
    if tag is not None:
        return tag
    tag = read_members(listing, folder, "result.json").get("decision_tag")
    name = run_names.parse_run_name(folder)
    # A result of another name is a contradiction, not another run.
    if name and run_names.folder_tag(tag) == name.tag:
        return tag
    return None


def _read(file: RemoteFile | None) -> Reading:
    """Return what a JSON file of a listing holds; nothing when it is not there or too large."""
    if file is None:
        return Reading(problem="nothing there")
    return json_files.try_parse(file.content, file.path)


def find_result(
    listing: RemoteListing,
    chosen: ChosenRun,
    may_be_missing: bool,
) -> RunResult | None:
    """Return the run's valid result.json; None for a dead run that a person gives up.

    Raises Missing, Invalid.
    """
    try:
        return check_result(listing, chosen)
    except (Missing, Invalid) as error:
        if not may_be_missing:
            raise
        state = "without a" if isinstance(error, Missing) else "with a broken"
        stopped = _stopped_by(listing, chosen.folder)
        chosen.notes.append(f"given up {state} result.json{stopped}")
        return None


def check_result(listing: RemoteListing, chosen: ChosenRun) -> RunResult:
    """Return the run's result.json.

    Raises Missing when there is none, Invalid when it is broken or cannot be read.
    """
    file = listing.file(chosen.folder, "result.json")
    blocked = listing.why_unusable(f"{locations.RUNS}/{chosen.folder}")
    if blocked:
        raise Invalid(f"run folder {chosen.folder}", "a folder that can be read", blocked)
    if file is None:
        stopped = _stopped_by(listing, chosen.folder)
        raise Missing(
            f"result.json of {chosen.folder}",
            "a file",
            f"nothing there{stopped}",
            _NEVER if stopped else _WAIT,
        )
    if file.content is None:
        size = f"{file.size} bytes that cannot, or not by this account"
        raise Invalid(file.path, "a small file that can be read", size)
    result = json_files.parse(file.content, file.path, "result").value
    tag = result["decision_tag"]
    if not chosen.has_tag(tag):
        chosen.contradictions.append(f"result.json names tag {tag!r}, not {chosen.tag}")
    return RunResult(file.modified, exit_code(result))


def note_context(listing: RemoteListing, chosen: ChosenRun) -> None:
    """Add a note when there is no context, or one that cannot be read."""
    context = listing.file(chosen.folder, "context.json")
    if context is None:
        chosen.notes.append("there is no context.json")
    elif _read(context).value is None:
        chosen.notes.append("context.json cannot be read; the folder's name decides")


def _stopped_by(listing: RemoteListing, folder: str) -> str:
    """Return which gate stopped the run before its start, in parentheses; "" when none did.

    Such a run has no context, and there is no result to wait for.
    """
    if listing.file(folder, "context.json"):
        return ""
    preflight = read_members(listing, folder, "preflight.json")
    if preflight.get("status") == "fail":
        return f" (its preflight failed: {preflight.get('reasons')})"
    prefix = f"{locations.RUNS}/{folder}/data_"
    # Their names hold the time, so the last one is the newest.
    reports = sorted(path for path in listing.files if path.startswith(prefix))
    if not reports:
        return ""
    data_quality = _read(listing.files[reports[-1]]).members
    if data_quality.get("overall_pass") is False:
        return f" (its data-quality gate failed: {data_quality.get('failures')})"
    return ""


def utc_offsets(listing: RemoteListing, folder: str) -> tuple[timedelta | None, timedelta | None]:
    """Return the workstation's UTC offsets at the run's start and at its end; None: not known.

    The offset at the end is worked out by the workstation today. An hour's difference is the change
    to or from summer time; more means that it answered in another time zone than the run's.
    """
    preflight = read_members(listing, folder, "preflight.json")
    name = run_names.parse_run_name(folder)
    assert name is not None, "a run folder was chosen"
    at_start = report_window.offset_at_start(name.started, preflight.get("timestamp"))
    zone = listing.zones_at_end.get(folder, "")
    at_end = report_window.parse_offset(zone)
    if at_start is None or at_end is None:
        return at_start, None
    if abs(at_end - at_start) > report_window.CLOCK_CHANGE:
        at_end = None
    return at_start, at_end


def report_window_of(
    listing: RemoteListing,
    chosen: ChosenRun,
    result: RunResult | None,
    at_start: timedelta | None,
    at_end: timedelta | None,
) -> Window:
    """Return when the run's report can have been made; add a note when its end is not known."""
    began = chosen.name.started
    if result is None:
        return report_window.open_window(began, at_start, chosen.same_tag)
    written: float | None = result.modified
    preflight = listing.file(chosen.folder, "preflight.json")
    preflight_time = _read(preflight).members.get("timestamp")
    if preflight and report_window.is_older_than_said(preflight.modified, preflight_time):
        written = None
    span = report_window.window(began, at_start, at_end, written, chosen.same_tag)
    if at_start is None:
        chosen.notes.append(
            "preflight.json gives no offset, so the time of result.json bounds no report"
        )
    elif span.ended is None:
        chosen.notes.append("the time of result.json is another clock's, and bounds no report")
    return span


def check_no_processes(
    listing: RemoteListing, chosen: ChosenRun, gates: Sequence[str], ignored_programs: Sequence[str]
) -> None:
    """Raise NotFinished when a process is at work on the run."""
    pid_file = listing.file(chosen.folder, "run.pid")
    pid_text = None
    if pid_file and pid_file.content:
        pid_text = pid_file.content.decode(errors="replace")
    job = scheduler.job_of_run(listing.queue, chosen.tag, processes.read_pid_file(pid_text))
    if job and not job.has_ended:
        raise NotFinished(f"run {chosen.folder}", "no job at work on it", str(job), _WAIT)
    at_work = processes.of_run(
        listing.processes,
        chosen.tag,
        chosen.folder,
        gates,
        pid_text,
        listing.boot_id,
        ignored_programs=ignored_programs,
        pid_namespace=listing.pid_namespace,
    )
    if not at_work:
        return
    raise NotFinished(
        f"run {chosen.folder}",
        "no process at work on it",
        processes.describe(at_work),
        f"{_WAIT}; {processes.READERS_HINT}",
    )
