"""Read the answer of the probe `snapshots`: what one poll saw of every run that was asked for."""

from dataclasses import dataclass
from datetime import timedelta
from os import fsdecode
from typing import Any, NamedTuple

from postrun.core import run_names
from postrun.core.errors import Unreachable
from postrun.remote import answers
from postrun.remote.answers import Answer, Part, RemoteFile
from postrun.remote.snapshots import HostSnapshot, RunSnapshot

# A clock may be put back after a run began; no gate folder of the run may be missed for that.
_CLOCK_PUT_BACK = timedelta(days=1)


class GateReport(NamedTuple):
    """A gate folder whose report has a tag that was asked for."""

    folder: str
    tag: str


@dataclass(frozen=True)
class GateFolders:
    """What the probe saw of all gate folders, whichever run they belong to."""

    reports: list[GateReport]
    checksums: dict[str, str]  # name of a run or gate folder -> checksum of the files in it

    def with_report(self, tag: str, run: str) -> list[str]:
        """Return the gate folders whose report has this tag, without any from before the run."""
        first_day = _stamp(run)
        name = run_names.parse_run_name(run)
        if name is not None:
            day_before = name.started - _CLOCK_PUT_BACK
            first_day = f"{day_before:%Y-%m-%d}"
        earliest = f"production_gates_{first_day}"
        folders = []
        for report in self.reports:
            if report.tag == tag and report.folder >= earliest:
                folders.append(report.folder)
        return folders

    def open_since(self, run: str) -> list[str]:
        """Return the gate folders that began after the run and have no report, sorted."""
        with_report = {report.folder for report in self.reports}
        earliest = f"production_gates_{_stamp(run)}"
        folders = []
        for folder in sorted(self.checksums):
            if folder >= earliest and folder not in with_report:
                folders.append(folder)
        return folders

    def states(self, folders: list[str]) -> str:
        """Return a text that changes when a file in one of these folders changes."""
        states = []
        for folder in folders:
            checksum = self.checksums.get(folder)
            states.append(f"{folder} {checksum}")
        return ", ".join(states)


def _stamp(run: str) -> str:
    stamp, _, _ = run.partition("_production_gates_")
    return stamp


def read_host_snapshot(answer: Answer) -> HostSnapshot:
    """Return what one poll saw. Raises Unreachable when a tool did not work on the workstation."""
    machine = answers.read_machine(answer)
    gate_folders = _read_gate_folders(answer)
    run_snapshots = {}
    for run_answer in _split_by_tag(answer):
        tag = run_answer.parts[0].name
        run_snapshots[tag] = _read_run(run_answer, gate_folders, machine)
    has_result = {}
    for line in answer.lines("folders"):
        mark, folder = line[0], line[1:]
        has_result[folder] = mark == "+"
    return HostSnapshot(
        folders=has_result,
        run_snapshots=run_snapshots,
        **machine,
    )


def _read_gate_folders(answer: Answer) -> GateFolders:
    reports = []
    for line in answer.lines("reports"):
        if not line:
            continue
        # gate_results/<folder>/production_gates_report.json:"<tag>"
        path, _, quoted_tag = line.partition(":")
        _, folder, _ = path.split("/")
        tag = quoted_tag.strip('"')
        reports.append(GateReport(folder, tag))
    checksums = {}
    for line in answer.lines("sums"):
        checksum, _, folder = line.partition(" ")
        checksums[folder] = checksum
    return GateFolders(reports, checksums)


def _split_by_tag(answer: Answer) -> list[Answer]:
    """Return the parts of each tag that was asked for; they begin with a part `tag <tag>`."""
    runs: list[list[Part]] = []
    for part in answer.parts:
        if part.kind == "tag":
            runs.append([])
        if runs:
            runs[-1].append(part)
    return [Answer(tuple(parts), answer.nonce) for parts in runs]


def _read_run(
    answer: Answer,
    gate_folders: GateFolders,
    machine: dict[str, Any],
) -> RunSnapshot:
    """Return what was seen of the newest run with a tag. Raises Unreachable."""
    first_part = answer.parts[0]
    runs = _run_folders(first_part)
    newest = runs[-1] if runs else ""
    files = {}
    for file in answers.read_files(answer):
        name = file.path.rpartition("/")[2]
        files[name] = file
    result = files.get("result.json")
    if result is not None and newest not in gate_folders.checksums:
        # Without its files, a run would look like one in which nothing moves.
        raise Unreachable(
            "the workstation's listing of files",
            f"those of {newest}",
            "none (do find and stat work?)",
        )

    gates = gate_folders.with_report(first_part.name, newest)
    own_folders = [*runs[-1:], *gates]
    # Nobody can tell whose an open gate folder is: it counts for all runs that began before it.
    open_folders = gate_folders.open_since(newest)
    return RunSnapshot(
        runs=tuple(runs),
        has_context=any(answer.parts_of("context")),
        preflight=_text(files.get("preflight.json")),
        data_quality=_text(files.get("data_quality_report.json")),
        result=_text(result),
        result_modified=result.modified if result else None,
        pid_file=_text(files.get("run.pid")),
        settled=gate_folders.states(own_folders),
        activity=gate_folders.states(own_folders + open_folders),
        log_tail=answer.content("log").decode(errors="replace"),
        gates=tuple(gates),
        **machine,
    )


def _run_folders(part: Part) -> list[str]:
    """Return the names of the run folders with this tag, oldest first; the part holds their paths."""
    folders = []
    for path in fsdecode(part.content).split("\n"):
        _, _, name = path.rpartition("/")
        if name:
            folders.append(name)
    return folders


def _text(file: RemoteFile | None) -> str | None:
    """Return a file's text. A byte that is not UTF-8 becomes an escape that no JSON may hold."""
    if file is None:
        return None
    content = file.content or b""
    return content.decode(errors="backslashreplace")
