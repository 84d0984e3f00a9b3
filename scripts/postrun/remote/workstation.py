"""Ask the workstation in one round trip, and copy from it with rsync. Nothing is judged here.

`hosts.py` has the ways to reach a workstation, `probes/` the questions as POSIX shell scripts.
"""

import posixpath
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from os import fsdecode
from pathlib import Path
from typing import Any

from postrun.core import artifacts, locations, run_names, terminal
from postrun.core.errors import Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide.planning import RemoteFiles
from postrun.remote import answers, hosts, processes, read_snapshots, rsync, scheduler
from postrun.remote.answers import Answer, RemoteListing, ReportListing
from postrun.remote.probe_command import end_command, probe_command
from postrun.remote.snapshots import HostSnapshot, RunSnapshot
from postrun.remote.ssh_target import CommandOutput, check_rsync_path
from postrun.store import configuration, evidence
from postrun.store.evidence import FileDigests

_BLOCK = 65536  # bytes; probes read files in blocks of this size
_FILE_BLOCKS = answers.FILE_LIMIT // _BLOCK + 1  # one more, so that a larger file is noticed
_LOG_TAIL = 16384  # bytes
_SHORT_LOG_TAIL = 2048  # of one run among many
_TAGS_PER_PROBE = 100  # with the longest tags a command stays below 128 KiB
# Digests of gigabytes, or a data-quality gate, may take this many times the timeout.
_LONG_PROBE = 60


def connect(
    host: str,
    remote_root: str,
    settings: Mapping[str, Any],
    scheduler: str | None = None,
) -> "Workstation":
    """Return a workstation; nothing is sent yet. Raises Usage.

    `host` is `local` for a folder that stands in for a workstation, else what `ssh` would be given.
    Of the settings only the timeouts and the transport count here. `scheduler` is what starts jobs
    there; None: nothing does, and nothing is asked for them.
    """
    _say_not_configured(host, remote_root)
    transport = settings.get("transport", "openssh")
    reached = hosts.host(host, settings["connect_timeout_s"], transport)
    return Workstation(reached, remote_root, settings["probe_timeout_s"], scheduler)


@cache
def _say_not_configured(host: str, remote_root: str) -> None:
    """Write a message, once, when nobody named a workstation."""
    note = configuration.why_not_configured(host, remote_root)
    if note:
        terminal.say(note)


def open_workstation(request: RunRequest) -> "Workstation":
    """Return the workstation that is asked for, with the timeouts of the settings.

    Its connection serves the whole process, and ends with it.
    """
    settings = configuration.workstation()
    return connect(request.host, request.remote_root, settings, request.scheduler)


class Workstation:
    """One root folder on one host. `round_trips` counts the probes; rsync is not among them.

    Every probe raises Unreachable when no whole answer comes, Missing when the root is not there.
    """

    def __init__(
        self,
        host: Any,
        root: str,
        timeout: float,
        scheduler: str | None = None,
    ) -> None:
        self._host = host
        self.root = root
        self.scheduler = scheduler
        self._jobs: set[str] = set()  # the numbers of jobs that run.pid files named so far
        self._absolute_root: str | None = None  # as the last answer had it
        self._timeout = timeout  # seconds
        self.round_trips = 0

    def list_run(
        self,
        tag: str,
        run_folder: str | None = None,
        report: str | None = None,
    ) -> RemoteListing:
        """Return everything that detection asks about a tag, a run folder and a gate report.

        Both paths are relative to the root.
        """
        in_folder = run_names.folder_tag(run_names.check_tag(tag))
        answer = self._run_probe(
            "list_run",
            in_folder,
            run_folder or "",
            report or "",
            _FILE_BLOCKS,
            asks_queue=True,
        )
        return answers.read_listing(answer)

    def list_reports(
        self,
        folders: Sequence[str],
        first: str,
        last: str,
    ) -> ReportListing:
        """Return the reports in the gate folders of these names in some folders of the root."""
        answer = self._run_probe("list_reports", _FILE_BLOCKS, first, last, *folders)
        return answers.read_reports(answer)

    def take_run_snapshot(self, tag: str, run_folder: str | None = None) -> RunSnapshot:
        """Return what a poll needs of the newest run with a tag, or of one run folder (a path).

        Raises AmbiguousRun when several tags fit.
        """
        in_folder = run_names.folder_tag(run_names.check_tag(tag))
        host_snapshot = self._take_snapshot([in_folder], "", run_folder or "", _LOG_TAIL)
        snapshot = host_snapshot.run_snapshots[in_folder]
        if run_folder:
            return snapshot
        runs = run_names.runs_of_tag(tag, snapshot.runs, snapshot.raw_tags)
        if runs and runs[-1] != snapshot.runs[-1]:
            # The newest folder of this name is another tag's.
            folder = f"{locations.RUNS}/{runs[-1]}"
            other = self._take_snapshot([in_folder], "", folder, _LOG_TAIL, asks_queue=False)
            snapshot = replace(other.run_snapshots[in_folder], queue=snapshot.queue)
        return replace(snapshot, runs=runs)

    def take_host_snapshot(self, tags: Sequence[str], first_folder: str = "0") -> HostSnapshot:
        """Return what a poll needs of many runs, and the run folders from `first_folder` on.

        Takes one round trip for each hundred tags, since a command must not be too long. The queue
        is asked in the first one, for all of them.
        """
        snapshot = self._take_snapshot(tags[:_TAGS_PER_PROBE], first_folder, "", _SHORT_LOG_TAIL)
        for start in range(_TAGS_PER_PROBE, len(tags), _TAGS_PER_PROBE):
            more_tags = tags[start : start + _TAGS_PER_PROBE]
            more = self._take_snapshot(more_tags, "", "", _SHORT_LOG_TAIL, asks_queue=False)
            for tag, run_snapshot in more.run_snapshots.items():
                snapshot.run_snapshots[tag] = replace(run_snapshot, queue=snapshot.queue)
        return snapshot

    def _take_snapshot(
        self,
        tags: Sequence[str],
        first_folder: str,
        run_folder: str,
        log_tail: int,
        asks_queue: bool = True,
    ) -> HostSnapshot:
        for tag in tags:
            run_names.check_new_tag(tag)
        answer = self._run_probe(
            "snapshots",
            evidence.not_evidence(),
            _FILE_BLOCKS,
            log_tail,
            first_folder,
            run_folder,
            *tags,
            asks_queue=asks_queue,
        )
        snapshot = read_snapshots.read_host_snapshot(answer)
        self._remember_jobs(snapshot)
        return snapshot

    def _remember_jobs(self, snapshot: HostSnapshot) -> None:
        """Keep the jobs that run.pid files name: the next poll's one query asks for all of them."""
        if self.scheduler is None:
            return
        for run_snapshot in snapshot.run_snapshots.values():
            record = processes.read_pid_file(run_snapshot.pid_file)
            job = scheduler.named_job(record)
            if job:
                self._jobs.add(job)

    def list_files(self, paths: Sequence[str]) -> RemoteFiles:
        """Return which of these paths are files there, and which tags are taken."""
        answer = self._run_probe("list_files", *paths, asks_queue=True)
        return answers.read_file_list(answer, paths)

    def launch(self, command: Sequence[str]) -> tuple[int, str]:
        """Run one command from the root; return its exit code and output.

        No shell reads the words of the command.
        """
        answer = self._run_probe("launch", *command)
        output = answer.content("output")
        code = int(answer.text("code"))
        return code, output.decode(errors="replace")

    def digests(self, folders: Sequence[str]) -> FileDigests:
        """Return digest and size of every regular file below these folders but litter.

        The digests are made on the workstation.

        Raises Invalid when a file cannot be read.
        """
        litter = " ".join(artifacts.LITTER)
        answer = self._run_probe("digests", locations.SUPERSEDED, litter, *folders)
        return answers.read_digests(answer, folders, self._host.name)

    def copy_files(
        self,
        names: Mapping[str, Sequence[str]],
        destination: Path,
        show_progress: bool,
    ) -> None:
        """Copy files, by folder and named from there, with one rsync; see `rsync.copy`."""
        if self._absolute_root is None:
            self.digests([])
        absolute = {}
        for folder in names:
            path = posixpath.normpath(f"{self._absolute_root}/{folder}")
            absolute[path] = names[folder]
        rsync.copy(self._host, absolute, destination, self._timeout, show_progress)

    def list_pushes(self) -> list[str]:
        """Return the pushes that a team's root has, as <member>/<number>.json."""
        answer = self._run_probe("list_pushes")
        content = answer.content("pushes")
        return content.decode(errors="replace").splitlines()

    def create_file(self, path: str, name: str) -> str:
        """Rename a file of the root unless the name is taken.

        Return `created`, `taken`, or why it could not be done.
        """
        answer = self._run_probe("create_file", path, name)
        return answer.content("created").decode(errors="replace").strip()

    def add_files(self, source: Path) -> None:
        """Add to the root the files below a folder here that it lacks; see `rsync.add`."""
        if self._absolute_root is None:
            self.digests([])
        rsync.add(self._host, source, f"{self._absolute_root}/", self._timeout)

    def _run_probe(self, probe: str, *arguments: object, asks_queue: bool = False) -> Answer:
        """Return the answer to a probe. Everything that is asked of a workstation passes here."""
        nonce = secrets.token_hex(16)
        jobs = None
        if asks_queue and self.scheduler:
            jobs = self._jobs
        command = probe_command(probe, nonce, self.root, *arguments, jobs=jobs)
        timeout = self._timeout
        if probe in ("digests", "launch", "create_file"):
            timeout *= _LONG_PROBE
        ending = end_command(nonce)
        output = self._host.run(command, timeout, ending)
        self.round_trips += 1
        answer = self._read_answer(output, nonce)
        root = fsdecode(answer.content("root"))
        self._absolute_root = root.rstrip("\n") or None
        if self._absolute_root is None:
            actual = "nothing there"
            for path, reason in answer.unusable.items():
                actual = f"{path}, {reason}"
            raise Missing(
                f"root {self.root} on workstation {self._host.name}",
                "a folder",
                actual,
                "see --remote-root",
            )
        # A root that rsync cannot copy from is refused now, before anybody waits for a run.
        if self._host.name != "local":
            check_rsync_path(self._absolute_root)
        if probe == "digests" and not answer.text("tools"):
            raise rsync.missing_program(self._host.name)
        return answer

    def _read_answer(self, output: CommandOutput, nonce: str) -> Answer:
        """Return a whole answer. Without one, what ssh said comes before our own guess."""
        try:
            return Answer.parse(output.content, nonce, self._host.name)
        except Unreachable:
            if output.failure is not None:
                raise output.failure from None
            raise

    def close(self) -> None:
        """End the connection, if there is one."""
        self._host.close()
