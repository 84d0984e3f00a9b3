"""The door to the workstation: ask it in one round trip, fetch from it with rsync. It gives facts and judges nothing.

hosts     the two hosts behind the door: SSH (Fabric), and a local directory standing in for one (Invoke)
answers   what comes back through it, and how an answer is read
probes    beside this package: the questions, as POSIX shell
"""

import secrets
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from postrun.core import artifacts, locations, run_names
from postrun.core.errors import Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide.planning import RemoteFiles
from postrun.remote import answers, hosts
from postrun.remote.answers import Digests, File, RemoteListing, Sections
from postrun.remote.snapshots import HostSnapshot, RunSnapshot
from postrun.store import configuration

__all__ = ["Digests", "File", "RemoteListing", "Workstation", "connect"]

_PROBES = Path(__file__).resolve().parent / "probes"
_BLOCK = 65536
_REPORT_LIMIT = 16 * 2**20  # bytes; larger JSON files are known by size only
_LOG_TAIL = 16384
_LOG_END = 2048  # of one run among many
_AT_ONCE = 100  # runs; with the longest tags a command stays below 128 KiB
_MANY = 60  # digests of gigabytes may take this many probe timeouts


def connect(host: str, remote_root: str, settings: Mapping[str, Any]) -> "Workstation":
    """Prepare a workstation; nothing is sent yet. Raises Usage.

    `host` is `local` for a directory standing in for the host, else what `ssh` would be given. Of the policy
    `workstation` only the timeouts count here.
    """
    return Workstation(
        hosts.host(host, settings["connect_timeout_s"]), remote_root, settings["probe_timeout_s"]
    )


@contextmanager
def open_workstation(request: RunRequest) -> Iterator["Workstation"]:
    """Open the request's workstation, with the timeouts of the settings; it is closed again in any case."""
    door = connect(request.host, request.remote_root, configuration.workstation())
    try:
        yield door
    finally:
        door.close()


class Workstation:
    """One root folder on one host. `round_trips` counts the commands sent; rsync is not among them."""

    def __init__(self, host: hosts.Host, root: str, timeout: float) -> None:
        self._host = host
        self.root = root
        self._absolute: str | None = None
        self._timeout = timeout
        self.round_trips = 0

    def list_run(
        self, tag: str, run_dir: str | None = None, report_json: str | None = None
    ) -> RemoteListing:
        """Find out everything that detection asks, in one round trip. Paths are relative to the root.

        Raises Unreachable, and Missing when the root is not there.
        """
        run_names.check_tag(tag)
        blocks = _REPORT_LIMIT // _BLOCK + 1
        return answers.list_run(
            self._ask("list_run", tag, run_dir or "", report_json or "", blocks), _REPORT_LIMIT
        )

    def take_run_snapshot(self, tag: str, run_dir: str | None = None) -> RunSnapshot:
        """Take one poll of a run, in one small round trip. Raises Unreachable, Missing."""
        return self._sight([run_names.check_tag(tag)], "", run_dir or "", _LOG_TAIL).run_snapshots[
            tag
        ]

    def take_host_snapshot(self, tags: Sequence[str], first: str = "0") -> HostSnapshot:
        """Take one poll of many runs, and list the run folders whose names are not before `first`.

        One round trip for up to a hundred tags, since a command has its longest length. Raises Unreachable, Missing.
        """
        tags = [run_names.check_tag(tag) for tag in tags]
        parts = [tags[start : start + _AT_ONCE] for start in range(0, len(tags), _AT_ONCE)] or [[]]
        seen = [
            self._sight(part, "" if number else first, "", _LOG_END)
            for number, part in enumerate(parts)
        ]
        return replace(
            seen[0],
            run_snapshots={tag: one for part in seen for tag, one in part.run_snapshots.items()},
        )

    def _sight(self, tags: Sequence[str], first: str, run_dir: str, tail: int) -> HostSnapshot:
        blocks = _REPORT_LIMIT // _BLOCK + 1
        return answers.read_host_snapshot(
            self._ask("snapshots", _our_lines(), blocks, tail, first, run_dir, *tags)
        )

    def list_files(self, paths: Sequence[str]) -> RemoteFiles:
        """Find out which of these paths are files there, and which tags are taken. Raises Unreachable, Missing."""
        return answers.list_files(self._ask("list_files", *paths), paths)

    def launch(self, words: Sequence[str]) -> tuple[int, str]:
        """Run one command from the root, without a shell reading its words; give exit code and output.

        Raises Unreachable, Missing. The command may take as long as a data-quality gate does.
        """
        found = self._ask("launch", *words, timeout=self._timeout * _MANY)
        return int(found.one("code").strip()), found.content("output").decode(errors="replace")

    def digests(self, folders: Sequence[str]) -> Digests:
        """Digest every regular file below these folders, on the workstation. Raises Unreachable, Missing, Invalid."""
        found = self._ask("digests", locations.SUPERSEDED, *folders, timeout=self._timeout * _MANY)
        return answers.digests(found, folders, self._host.name)

    def fetch(
        self, folder: str, destination: Path, exclude: Sequence[str], show_progress: bool
    ) -> None:
        """Copy a folder's content with rsync. `exclude` holds rsync patterns; links are skipped, nothing is deleted.

        Raises Missing for an rsync that is not there, Unreachable for one that failed.
        """
        if shutil.which("rsync") is None:
            raise Missing("rsync", "a program on this machine", "nothing on PATH", "install it")
        source, transport = self._host.rsync_source(f"{self._resolved()}/{folder}/")
        command = ["rsync", "-rt", f"--timeout={max(1, int(self._timeout))}", *transport]
        command += [f"--exclude={pattern}" for pattern in exclude]
        command += [_progress()] if show_progress else []
        destination.mkdir(parents=True, exist_ok=True)
        self._copy([*command, source, f"{destination.absolute()}/"], folder, show_progress)

    def _copy(self, command: list[str], folder: str, show_progress: bool) -> None:
        out = sys.stderr if show_progress else subprocess.DEVNULL
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, check=False
        )
        if done.returncode == 0:
            return
        words = done.stderr.decode(errors="replace").strip().splitlines()
        found = next(
            (line for line in words if "rsync" in line or "ssh" in line.lower()),
            (words or ["no words"])[-1],
        )
        if done.returncode == 127 or "command not found" in found:
            raise self._without_rsync()
        thing = f"rsync of {folder} from workstation {self._host.name}"
        raise Unreachable(
            thing,
            "a whole copy",
            f"exit code {done.returncode} ({found})",
            "the next sync goes on from here",
        )

    def _resolved(self) -> str:
        """Give the root's absolute path on the host, as the last answer had it, or ask for it."""
        if self._absolute is None:
            self._ask("digests", locations.SUPERSEDED)
        assert self._absolute is not None
        return self._absolute

    def _without_rsync(self) -> Missing:
        return Missing(
            f"rsync on workstation {self._host.name}",
            "a program",
            "nothing on its PATH",
            "install it there",
        )

    def _ask(self, probe: str, *arguments: object, timeout: float | None = None) -> Sections:
        nonce = secrets.token_hex(16)
        output = self._host.run(
            _command(probe, nonce, self.root, *arguments), timeout or self._timeout
        )
        self.round_trips += 1
        found = Sections.cut(output, nonce, self._host.name)
        self._absolute = found.one("root").rstrip("\n") or None
        if self._absolute is None:
            where = f"root {self.root} on workstation {self._host.name}"
            raise Missing(where, "a folder", "nothing there", "see --remote-root")
        self._host.rsync_source(
            self._absolute
        )  # a root that cannot be fetched from is refused before anybody waits
        if probe == "digests" and not found.one("tools").strip():
            raise self._without_rsync()
        return found

    def close(self) -> None:
        """End the connection, if there is one."""
        self._host.close()


def _progress() -> str:
    """Give rsync's flag for progress in one line; old ones and macOS' own know it only file by file."""
    known = subprocess.run(
        ["rsync", "--info=help"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return "--progress" if known.returncode else "--info=progress2"


def _command(probe: str, nonce: str, *arguments: object) -> str:
    """Wrap a probe into one line that every login shell reads alike, csh and fish included.

    The script goes as octal escapes within single quotes. The nonce stands first, so that the probe's own processes
    can be told from the run's in any process listing.
    """
    texts = [
        _PROBES.joinpath(name).read_text(encoding="utf-8") for name in ("common.sh", f"{probe}.sh")
    ]
    lines = [line for line in "".join(texts).splitlines() if not line.lstrip().startswith("#")]
    given = shlex.join([nonce, *map(str, arguments)])
    script = "\n".join([f"set -- {given}", *lines])
    plain = "".join(_escaped(byte) for byte in script.encode(errors="surrogateescape"))
    return f"""sh -c ': {nonce}; eval "$(printf %b "{plain}")"'"""


def _escaped(byte: int) -> str:
    """Leave letters alone, little else. With its digits escaped, a run's name does not stand in a process listing."""
    character = chr(byte)
    return (
        character
        if character.isascii() and (character.isalpha() or character in " /.-=:;")
        else f"\\0{byte:03o}"
    )


def _our_lines() -> str:
    """Give the pattern (for `grep -E`) of the listing's lines that are about files of this project."""
    names = "|".join(
        name.replace(".", r"\.")
        for name in artifacts.generated(artifacts.Home.RUN, artifacts.Home.GATE)
    )
    home = f"@({locations.RUNS}|{locations.GATES})/[^/]+/+"
    return rf"{home}({locations.SUPERSEDED}/|({names})$|\.({names})\.[^/]*\.tmp$)"
