"""Read the answer of the probe `snapshots`: what one poll saw of every run that was asked for."""

from dataclasses import dataclass
from datetime import timedelta
from posixpath import basename
from typing import Any

from postrun.core import locations, run_names
from postrun.core.errors import Unreachable
from postrun.remote import answers
from postrun.remote.answers import Answer, Part
from postrun.remote.snapshots import HostSnapshot, RunSnapshot
from postrun.store import json_files

# A clock may be put back after a run began; no gate folder of the run may be missed for that.
_CLOCK_PUT_BACK = timedelta(days=1)
Records = dict[str, dict[str, str]]  # run folder -> what its records say, by key


@dataclass(frozen=True)
class GateFolders:
    """What the probe saw of all gate folders, whichever run they belong to."""

    reports: list[tuple[str, str]]  # gate folder, and a tag asked for that its report has
    checksums: dict[str, str]  # name of a run or gate folder -> checksum of the files in it

    def with_report(self, tag: str, run: str) -> list[str]:
        """Return the gate folders whose report has a folder's tag, none from before the run."""
        first_day = _stamp(run)
        name = run_names.parse_run_name(run)
        if name is not None:
            day_before = name.started - _CLOCK_PUT_BACK
            first_day = f"{day_before:%Y-%m-%d}"
        earliest = f"production_gates_{first_day}"
        return [
            folder
            for folder, report_tag in self.reports
            if run_names.folder_tag(report_tag) == tag and folder >= earliest
        ]

    def open_since(self, run: str) -> list[str]:
        """Return the gate folders that began after the run and have no report, sorted."""
        earliest = f"production_gates_{_stamp(run)}"
        with_report = dict(self.reports)
        without_report = sorted(self.checksums.keys() - with_report.keys())
        return [folder for folder in without_report if folder >= earliest]

    def states(self, folders: list[str]) -> str:
        """Return a text that changes when a file in one of these folders changes."""
        return ", ".join(f"{folder} {self.checksums.get(folder)}" for folder in folders)


def _stamp(run: str) -> str:
    return run.partition("_production_gates_")[0]


def read_host_snapshot(answer: Answer) -> HostSnapshot:
    """Return what one poll saw.

    Raises Unreachable when a tool did not work on the workstation, Invalid when its run folders
    could not be listed.
    """
    answer.check_listed(locations.RUNS)
    machine = answers.read_machine(answer)
    machine["view"] = answers.read_view(answer)
    gate_folders = _read_gate_folders(answer)
    records = _read_records(answer)
    run_snapshots = {}
    for run_answer in _split_by_tag(answer):
        tag = run_answer.parts[0].name
        run_snapshots[tag] = _read_run(run_answer, gate_folders, records, machine)
    has_result = {}  # by run folder
    for line in answer.lines("folders"):
        folder = line[1:]
        has_result[folder] = line.startswith("+")
    return HostSnapshot(
        clock=answer.clock,
        zone=answer.text("zone") or None,
        folders=has_result,
        processes=machine["processes"],
        run_snapshots=run_snapshots,
        queue=machine["queue"],
    )


def _read_gate_folders(answer: Answer) -> GateFolders:
    reports = []
    for line in filter(None, answer.lines("reports")):
        # gate_results/<folder>/production_gates_report.json:"<tag>"
        path, _, quoted_tag = line.partition(":")
        folder = path.split("/")[1]
        tag = quoted_tag.strip('"')
        reports.append((folder, tag))
    checksums = {}
    for line in answer.lines("sums"):
        checksum, _, folder = line.partition(" ")
        checksums[folder] = checksum
    return GateFolders(reports, checksums)


def _read_records(answer: Answer) -> Records:
    """Return what the context of each run folder says, else its preflight, by folder and key."""
    records: Records = {}
    for line in answer.lines("records"):
        # audit/workstation_runs/<folder>/context.json:"hostname": "bench"
        path, _, member = line.partition(":")
        parts = path.split("/")
        folder = parts[2]
        reading = json_files.try_parse(f"{{{member}}}", path)
        known = records.setdefault(folder, {})
        for key, value in reading.members.items():
            known.setdefault(key, value)
    return records


def _split_by_tag(answer: Answer) -> list[Answer]:
    """Return the parts of each tag that was asked for; they begin with a part `tag <tag>`."""
    runs: list[list[Part]] = []
    for part in answer.parts:
        if part.kind == "tag":
            runs.append([])
        if runs:
            runs[-1].append(part)
    return [Answer(tuple(parts), answer.nonce) for parts in runs]


def _read_texts(answer: Answer) -> tuple[dict[str, str], str | None]:
    """Return the run's files by name, and why the folder or the result could not be read."""
    texts = {}
    unreadable = None
    for path, reason in answer.unusable.items():
        unreadable = f"{path} cannot be read: {reason}"
    for file in answers.read_files(answer):
        name = basename(file.path)
        if file.content is None and name == "result.json":
            unreadable = f"{file.path} cannot be read by this account, or is too large"
        content = file.content or b""
        # A byte that is not UTF-8 becomes an escape that no JSON may hold.
        text = content.decode(errors="backslashreplace")
        texts[name] = text
    return texts, unreadable


def _read_run(
    answer: Answer,
    gate_folders: GateFolders,
    records: Records,
    machine: dict[str, Any],
) -> RunSnapshot:
    """Return what was seen of the newest run with a tag. Raises Unreachable."""
    tag = answer.parts[0].name
    runs = list(map(basename, answer.lines("tag")))
    newest = runs[-1] if runs else ""
    texts, unreadable = _read_texts(answer)
    is_listed = newest in gate_folders.checksums
    if "result.json" in texts and not is_listed and unreadable is None:
        # Without its files, a run would look like one in which nothing moves.
        raise Unreachable(
            "the workstation's listing of files",
            f"those of {newest}",
            "none (do find and stat work?)",
        )

    gates = gate_folders.with_report(tag, newest)
    own_folders = [*runs[-1:], *gates]
    # Nobody can tell whose an open gate folder is: it counts for all runs that began before it.
    open_folders = gate_folders.open_since(newest)
    raw_tags = {}
    started_on = None
    log_tail = answer.content("log")
    for run in runs:
        record = records.get(run, {})
        started_on = record.get("hostname")
        if "decision_tag" in record:
            raw_tags[run] = record["decision_tag"]
    return RunSnapshot(
        runs=tuple(runs),
        raw_tags=raw_tags,
        started_on=started_on,
        has_context=any(answer.parts_of("context")),
        preflight=texts.get("preflight.json"),
        data_quality=texts.get("data_quality_report.json"),
        result=texts.get("result.json"),
        pid_file=texts.get("run.pid"),
        settled=gate_folders.states(own_folders),
        activity=gate_folders.states(own_folders + open_folders),
        log_tail=log_tail.decode(errors="replace"),
        gates=tuple(gates),
        unreadable=unreadable,
        **machine,
    )
