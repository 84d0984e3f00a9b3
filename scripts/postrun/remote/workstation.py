"""Ask the workstation in one round trip, and copy from it with rsync. Nothing is judged here.

`hosts.py` has the ways to reach a workstation, `probes/` the questions as POSIX shell scripts.
"""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import fsdecode
from pathlib import Path
from typing import Any

from postrun.core import artifacts, locations, run_names
from postrun.core.errors import Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide.planning import RemoteFiles
from postrun.remote import answers, hosts, read_snapshots
from postrun.remote.answers import Answer, RemoteListing
from postrun.remote.probe_command import probe_command
from postrun.remote.snapshots import HostSnapshot, RunSnapshot
from postrun.store import configuration, evidence
from postrun.store.evidence import FileDigests

_BLOCK = 65536  # bytes; probes read files in blocks of this size
_FILE_BLOCKS = answers.FILE_LIMIT // _BLOCK + 1  # one more, so that a larger file is noticed
_LOG_TAIL = 16384  # bytes
_SHORT_LOG_TAIL = 2048  # of one run among many
_TAGS_PER_PROBE = 100  # with the longest tags a command stays below 128 KiB
# Digests of gigabytes, or a data-quality gate, may take this many times the timeout.
_LONG_PROBE = 60


def connect(host: str, remote_root: str, settings: Mapping[str, Any]) -> "Workstation":
    """Return a workstation; nothing is sent yet. Raises Usage.

    `host` is `local` for a folder that stands in for a workstation, else what `ssh` would be given.
    Of the settings only the timeouts count here.
    """
    reached = hosts.host(host, settings["connect_timeout_s"])
    return Workstation(reached, remote_root, settings["probe_timeout_s"])


@contextmanager
def open_workstation(request: RunRequest) -> Iterator["Workstation"]:
    """Yield the workstation that is asked for, with the timeouts of the settings.

    Close it after.
    """
    workstation = connect(request.host, request.remote_root, configuration.workstation())
    try:
        yield workstation
    finally:
        workstation.close()


class Workstation:
    """One root folder on one host. `round_trips` counts the probes; rsync is not among them.

    Every probe raises Unreachable when no whole answer comes, Missing when the root is not there.
    """

    def __init__(self, host: hosts.Host, root: str, timeout: float) -> None:
        self._host = host
        self.root = root
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
        run_names.check_tag(tag)
        answer = self._run_probe("list_run", tag, run_folder or "", report or "", _FILE_BLOCKS)
        return answers.read_listing(answer)

    def take_run_snapshot(self, tag: str, run_folder: str | None = None) -> RunSnapshot:
        """Return what a poll needs of the newest run with a tag, or of one run folder (a path)."""
        snapshot = self._take_snapshot([tag], "", run_folder or "", _LOG_TAIL)
        return snapshot.run_snapshots[tag]

    def take_host_snapshot(self, tags: Sequence[str], first_folder: str = "0") -> HostSnapshot:
        """Return what a poll needs of many runs, and the run folders from `first_folder` on.

        Takes one round trip for each hundred tags, since a command must not be too long.
        """
        snapshot = self._take_snapshot(tags[:_TAGS_PER_PROBE], first_folder, "", _SHORT_LOG_TAIL)
        other_tags = tags[_TAGS_PER_PROBE:]
        if other_tags:
            others = self.take_host_snapshot(other_tags, "")
            snapshot.run_snapshots.update(others.run_snapshots)
        return snapshot

    def _take_snapshot(
        self,
        tags: Sequence[str],
        first_folder: str,
        run_folder: str,
        log_tail: int,
    ) -> HostSnapshot:
        for tag in tags:
            run_names.check_tag(tag)
        answer = self._run_probe(
            "snapshots",
            evidence.not_evidence(),
            _FILE_BLOCKS,
            log_tail,
            first_folder,
            run_folder,
            *tags,
        )
        return read_snapshots.read_host_snapshot(answer)

    def list_files(self, paths: Sequence[str]) -> RemoteFiles:
        """Return which of these paths are files there, and which tags are taken."""
        answer = self._run_probe("list_files", *paths)
        return answers.read_file_list(answer, paths)

    def launch(self, command: Sequence[str]) -> tuple[int, str]:
        """Run one command from the root; return its exit code and output.

        No shell reads the words of the command.
        """
        answer = self._run_probe("launch", *command)
        output = answer.content("output")
        return int(answer.text("code")), output.decode(errors="replace")

    def digests(self, folders: Sequence[str]) -> FileDigests:
        """Return digest and size of every regular file below these folders but litter.

        The digests are made on the workstation.

        Raises Invalid when a file cannot be read.
        """
        litter = " ".join(artifacts.LITTER)
        answer = self._run_probe("digests", locations.SUPERSEDED, litter, *folders)
        return answers.read_digests(answer, folders, self._host.name)

    def copy_folder(
        self,
        folder: str,
        destination: Path,
        exclude: Sequence[str],
        show_progress: bool,
    ) -> None:
        """Copy what is in a folder with rsync. Links are skipped, and nothing is deleted.

        `exclude` holds rsync patterns. Raises Missing for an rsync that is not there, Unreachable
        for one that failed.
        """
        if shutil.which("rsync") is None:
            raise Missing("rsync", "a program on this machine", "nothing on PATH", "install it")
        if self._absolute_root is None:
            self.digests([])
        source, transport = self._host.rsync_source(f"{self._absolute_root}/{folder}/")
        command = ["rsync", "-rt", f"--timeout={max(1, int(self._timeout))}", *transport]
        command += [f"--exclude={pattern}" for pattern in exclude]
        if show_progress:
            command.append(_progress_flag())
        destination.mkdir(parents=True, exist_ok=True)
        command += [source, f"{destination.absolute()}/"]
        self._run_rsync(command, folder, show_progress)

    def _run_rsync(self, command: list[str], folder: str, show_progress: bool) -> None:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if show_progress else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if process.returncode == 0:
            return
        message = _rsync_message(process.stderr.decode(errors="replace"))
        if process.returncode == 127 or "command not found" in message:
            raise self._without_rsync()
        raise Unreachable(
            f"rsync of {folder} from workstation {self._host.name}",
            "a whole copy",
            f"exit code {process.returncode} ({message})",
            "the next sync goes on from here",
        )

    def _without_rsync(self) -> Missing:
        return Missing(
            f"rsync on workstation {self._host.name}",
            "a program",
            "nothing on its PATH",
            "install it there",
        )

    def _run_probe(self, probe: str, *arguments: object) -> Answer:
        """Return the answer to a probe. Everything that is asked of a workstation passes here."""
        nonce = secrets.token_hex(16)
        command = probe_command(probe, nonce, self.root, *arguments)
        timeout = self._timeout
        if probe in ("digests", "launch"):
            timeout *= _LONG_PROBE
        output = self._host.run(command, timeout)
        self.round_trips += 1
        answer = Answer.parse(output, nonce, self._host.name)
        self._absolute_root = fsdecode(answer.content("root")).rstrip("\n") or None
        if self._absolute_root is None:
            raise Missing(
                f"root {self.root} on workstation {self._host.name}",
                "a folder",
                "nothing there",
                "see --remote-root",
            )
        # A root that rsync cannot copy from is refused now, before anybody waits for a run.
        self._host.rsync_source(self._absolute_root)
        if probe == "digests" and not answer.text("tools"):
            raise self._without_rsync()
        return answer

    def close(self) -> None:
        """End the connection, if there is one."""
        self._host.close()


def _rsync_message(text: str) -> str:
    """Return the line that says most about a failure: the first of rsync's or ssh's own."""
    lines = text.strip().splitlines() or ["no message"]
    for line in lines:
        if "rsync" in line or "ssh" in line.lower():
            return line
    return lines[-1]


def _progress_flag() -> str:
    """Return rsync's flag for progress in one line; old ones, macOS' too, have it only by file."""
    help_of_info = subprocess.run(
        ["rsync", "--info=help"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if help_of_info.returncode == 0:
        return "--info=progress2"
    return "--progress"
