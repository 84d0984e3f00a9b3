"""What comes back from a workstation: an answer is cut into its parts, then read into records.

The answers of the probes `list_run`, `list_files` and `digests` are read here, the one of
`snapshots` in `read_snapshots.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import fsdecode
from posixpath import basename
from typing import Any, NamedTuple

from postrun.core import locations, run_names
from postrun.core.errors import Invalid, Missing, Unreachable
from postrun.decide.planning import RemoteFiles
from postrun.remote import scheduler
from postrun.remote.process_list import lists_process_1, read_processes
from postrun.remote.scheduler import Queue
from postrun.remote.snapshots import Process, View
from postrun.store.evidence import FileDigests

FILE_LIMIT = 16 * 2**20  # bytes; of a larger JSON file only the size is known
_SHA256_DIGITS = 64
_NAMES_SHOWN = 5  # in one message


class Part(NamedTuple):
    """One part of an answer: the two halves of its heading, and what follows the heading."""

    kind: str  # the first word, like `file`
    name: str  # the rest of it, like `120 1771668900 run.pid`; often empty
    content: bytes


@dataclass(frozen=True)
class Answer:
    """A probe's answer in parts. `nonce` is the random word that begins every heading in it."""

    parts: tuple[Part, ...]
    nonce: str

    @classmethod
    def parse(
        cls,
        output: bytes,
        nonce: str,
        host: str,
    ) -> "Answer":
        """Return an answer in parts. Raises Unreachable for half of one, Missing."""
        parts = []
        # What comes before the first heading was printed by a banner or a login profile.
        pieces = output.split(f"\n{nonce} ".encode())[1:]
        for piece in pieces:
            heading, _, content = piece.partition(b"\n")
            kind, _, name = heading.decode(errors="replace").partition(" ")
            parts.append(Part(kind, name, content))

        for part in parts:
            if part.kind == "missing":
                raise Missing(
                    f"{part.name} on workstation {host}",
                    "a program",
                    "nothing on its PATH",
                    "install it there",
                )
        if parts and parts[-1].kind == "end":
            return cls(tuple(parts), nonce)
        problem = "half of one" if parts else "something else (is there a POSIX shell?)"
        raise Unreachable(f"workstation {host}", "an answer to the probe", problem)

    def parts_of(self, kind: str) -> Iterator[Part]:
        """Yield the parts of one kind."""
        for part in self.parts:
            if part.kind == kind:
                yield part

    def content(self, kind: str) -> bytes:
        """Return the first part of a kind as it came; empty when there is none."""
        for part in self.parts_of(kind):
            return part.content
        return b""

    def text(self, kind: str) -> str:
        """Return the first part of a kind as text, without white space around it."""
        return fsdecode(self.content(kind)).strip()

    def lines(self, kind: str) -> list[str]:
        """Return the lines of the first part of a kind."""
        return _lines(self.content(kind))

    @property
    def unusable(self) -> dict[str, str]:
        """Return what is there and could not be used, by path, with the reason."""
        reasons = {}
        for part in self.parts_of("unusable"):
            reasons[part.name] = part.content.decode(errors="replace")
        return reasons

    def check_listed(self, folder: str) -> None:
        """Raise Invalid when a folder, or one above it, is there and could not be listed."""
        for path, reason in self.unusable.items():
            if f"{folder}/".startswith(f"{path}/"):
                raise Invalid(f"{path} on the workstation", "a folder that can be listed", reason)

    @property
    def clock(self) -> float:
        """Return the workstation's own time, seconds since 1970."""
        return float(self.text("clock") or 0)


@dataclass(frozen=True)
class RemoteFile:
    """A file on the workstation. `content` is None when it is too large or may not be read."""

    path: str  # relative to the remote root
    size: int
    modified: float  # seconds since 1970, by the workstation's clock
    content: bytes | None


@dataclass(frozen=True)
class ReportListing:
    """The gate reports in some folders on the workstation, and what could not be read there."""

    files: dict[str, RemoteFile]  # by path
    unusable: dict[str, str]  # path -> why it could not be used
    without_report: tuple[str, ...] = ()  # gate folders
    places: dict[str, str] = field(default_factory=dict)  # folder -> where it is, absolute
    root: str = ""  # absolute


@dataclass(frozen=True)
class RemoteListing:
    """Everything that detection needs to know, seen at one moment."""

    boot_id: str | None
    processes: tuple[Process, ...]  # all of the workstation's but the probe's own
    runs: tuple[str, ...]  # names of everything in the folder of runs
    folders: tuple[str, ...]  # run folders that were read: those of the tag, the one asked for
    files: dict[str, RemoteFile]  # by path: small files of these, reports that mention the tag
    zones_at_end: dict[str, str]  # run folder -> the UTC offset when its result.json was written
    # What is there and could not be used, by path, with the reason.
    unusable: dict[str, str] = field(default_factory=dict)
    pid_namespace: str | None = None  # of the processes' numbers
    queue: Queue | None = None  # of the scheduler, where it is asked

    def file(self, run: str, name: str) -> RemoteFile | None:
        """Return a file of a run folder that was read; None when there is none."""
        path = f"{locations.RUNS}/{run}/{name}"
        return self.files.get(path)

    def why_unusable(self, path: str) -> str | None:
        """Return why a folder, or one above it, could not be used, with its path."""
        for unusable, reason in self.unusable.items():
            if f"{path}/".startswith(f"{unusable}/"):
                return f"{unusable}, {reason}"
        return None


def read_machine(answer: Answer) -> dict[str, Any]:
    """Return the fields that records have in common: boot_id, processes and queue.

    Raises Unreachable when ps or squeue failed: no process was seen then, and none may be missed.
    """
    if any(answer.parts_of("failed")):
        raise Unreachable("the workstation's processes", "a listing by ps", "none: ps failed there")
    listing = answer.content("processes")
    return {
        "boot_id": answer.text("boot") or None,
        "processes": read_processes(listing, answer.clock, answer.nonce),
        "queue": read_queue(answer),
    }


def read_queue(answer: Answer) -> Queue | None:
    """Return what the scheduler's queue says; None when it was not asked. Raises Unreachable."""
    for part in answer.parts_of("queue"):
        listing = part.content.decode(errors="replace")
        details = {}
        for name in ("named", "cluster", "private"):
            details[name] = answer.text(name)
        root = answer.text("root")
        return scheduler.read_queue(
            part.name,
            listing,
            answer.nonce,
            root,
            details,
        )
    return None


def read_view(answer: Answer) -> View:
    """Return from where the processes were listed."""
    return View(
        host_name=answer.text("host") or None,
        pid_namespace=answer.text("namespace") or None,
        lists_process_1=lists_process_1(answer.content("processes")),
    )


def read_files(answer: Answer) -> Iterator[RemoteFile]:
    """Yield the files of an answer."""
    for part in answer.parts:
        if part.kind not in ("file", "unreadable"):
            continue
        size, modified, path = part.name.split(" ", 2)
        content: bytes | None = part.content
        if part.kind == "unreadable" or len(part.content) > FILE_LIMIT:
            content = None
        yield RemoteFile(path, int(size), float(modified), content)


def read_listing(answer: Answer) -> RemoteListing:
    """Return what the probe `list_run` saw."""
    zones = {}
    for part in answer.parts_of("zone_at_end"):
        zones[basename(part.name)] = part.content.decode().strip()
    # A folder that was asked for and has the tag, too, comes twice.
    folders = dict.fromkeys(basename(part.name) for part in answer.parts_of("run"))
    return RemoteListing(
        unusable=answer.unusable,
        runs=tuple(answer.lines("runs")),
        folders=tuple(folders),
        files={file.path: file for file in read_files(answer)},
        zones_at_end=zones,
        pid_namespace=answer.text("namespace") or None,
        **read_machine(answer),
    )


def read_reports(answer: Answer) -> ReportListing:
    """Return what the probe `list_reports` saw."""
    places = {}
    for part in answer.parts_of("found"):
        place = fsdecode(part.content)
        places[part.name] = place.rstrip("\n")
    files = {file.path: file for file in read_files(answer)}
    without_report = [part.name for part in answer.parts_of("without_report")]
    return ReportListing(
        files,
        answer.unusable,
        tuple(without_report),
        places,
        root=answer.text("root"),
    )


def read_file_list(answer: Answer, paths: Sequence[str]) -> RemoteFiles:
    """Return which of these paths the probe `list_files` saw as files, and the runs' tags.

    A job that has not ended has its tag, too: it may have no run folder yet. Raises Invalid for
    what is there and could not be looked into, Unreachable when the queue did not answer.
    """
    for path in (locations.RUNS, *paths):
        answer.check_listed(path)
    # The probe answers with the number of a path, so that no odd name can be misread.
    files = {paths[int(number) - 1] for number in answer.lines("files")}
    names = map(run_names.parse_run_name, answer.lines("runs"))
    tags = {name.tag for name in names if name}
    queue = read_queue(answer)
    if queue:
        tags.update(map(run_names.folder_tag, queue.waiting_tags))
    return RemoteFiles(files, tags)


def read_digests(
    answer: Answer,
    folders: Sequence[str],
    host: str,
) -> FileDigests:
    """Return what the probe `digests` saw.

    Raises Missing for a folder or tool that is not there, Invalid for a file that cannot be read.
    """
    _check_digests(answer, folders, host)
    digests = FileDigests({}, {})
    for part in answer.parts:
        if part.kind == "plain":
            digests.files.update(_read_plain_names(part))
        elif part.kind == "sizes":
            digests.sizes.update(_read_sizes(part))
        elif part.kind == "odd":
            digests.files.update(_read_odd_names(part))
        elif part.kind == "links":
            for path, target in _read_odd_names(part):
                digests.links[path] = _from_hex(target)
    return digests


def _check_digests(
    answer: Answer,
    folders: Sequence[str],
    host: str,
) -> None:
    if not answer.text("digest"):
        raise Missing(
            f"SHA-256 on workstation {host}",
            "sha256sum, shasum or openssl",
            "none on its PATH",
        )
    for folder in folders:
        answer.check_listed(folder)
    existing = {part.name for part in answer.parts_of("plain")}
    for folder in folders:
        if folder not in existing:
            raise Missing(
                f"{folder} on workstation {host}",
                "a folder",
                "nothing there",
            )
    for part in answer.parts_of("failed"):
        names = [name.removeprefix("./") for name in _lines(part.content)]
        unreadable = ", ".join(names[:_NAMES_SHOWN])
        actual = "one that cannot, or is gone"
        if unreadable:
            actual = f"{len(names)} that this account may not read: {unreadable}"
        raise Invalid(f"{part.name} on workstation {host}", "files that can all be read", actual)


def _read_plain_names(part: Part) -> Iterator[tuple[str, str]]:
    """Yield path and digest of the names that come as they are.

    All three tools write the digest, a space, a space or a star, and `./<name>`.
    """
    for line in _lines(part.content):
        name = line[_SHA256_DIGITS + 2 :].removeprefix("./")
        yield f"{part.name}/{name}", line[:_SHA256_DIGITS]


def _read_sizes(part: Part) -> Iterator[tuple[str, int]]:
    """Yield path and size of the names that come as they are."""
    for line in _lines(part.content):
        size, _, _, path = line.split("@", 3)
        name = path.removeprefix("./")
        path = f"{part.name}/{name}"
        yield path, int(size)


def _read_odd_names(part: Part) -> Iterator[tuple[str, str]]:
    """Yield path and value of the names that come in hexadecimal digits."""
    for line in _lines(part.content):
        digits, _, value = line.partition(" ")
        name = _from_hex(digits).removeprefix("./")
        yield f"{part.name}/{name}", value


def _lines(content: bytes) -> list[str]:
    """Return lines as text. Names that are not UTF-8 keep their bytes."""
    return fsdecode(content).split("\n")[:-1]


def _from_hex(digits: str) -> str:
    return fsdecode(bytes.fromhex(digits))
