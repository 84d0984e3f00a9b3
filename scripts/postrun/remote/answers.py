"""What comes back from a workstation: records of facts, cut out of a probe's answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from os import fsdecode
from typing import Any

from postrun.core import locations, run_names
from postrun.core.errors import Invalid, Missing, Unreachable
from postrun.decide.planning import RemoteFiles
from postrun.remote.snapshots import HostSnapshot, Process, RunSnapshot

_PUT_BACK = timedelta(days=1)  # at most, so that a clock that is put back hides no gate folder
_PROCESS = re.compile(rb" *(\d+) +(\d+) +([\d:-]+) (.*)")
_PROBE = re.compile(r': [0-9a-f]{32}; eval "\$\(printf %b')  # as `_command` begins
_ELAPSED = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")


@dataclass(frozen=True)
class File:
    """A file on the workstation. `content` is None when it is larger than the limit, or may not be read."""

    path: str  # relative to the root
    size: int
    modified: float  # seconds since 1970, by the workstation's clock
    content: bytes | None


@dataclass(frozen=True)
class RemoteListing:
    """All that detection needs to know, seen at one moment."""

    clock: float  # the workstation's own time, seconds since 1970
    zone: str | None  # its offset now, like -0700
    boot_id: str | None
    runs: tuple[str, ...]  # the names of everything in the folder of runs
    folders: tuple[
        str, ...
    ]  # names of the run folders looked into: the tag's, and the one asked for
    files: dict[
        str, File
    ]  # by path: preflight, context, run.pid, result of these; reports that mention the tag
    zones_at_end: dict[str, str]  # per run folder: the offset when its result.json was written
    processes: tuple[
        Process, ...
    ]  # all of the workstation's, without the probe's own and those that asked

    def file(self, run: str, name: str) -> File | None:
        """Give a file of a run folder that was looked into."""
        return self.files.get(f"{locations.RUNS}/{run}/{name}")


@dataclass(frozen=True)
class Digests:
    """What lies below some folders, by path relative to the root. Names that are not UTF-8 keep their bytes."""

    files: dict[str, str]  # path -> SHA-256
    links: dict[str, str]  # path of a symbolic link -> its target


@dataclass(frozen=True)
class Sections:
    """A probe's answer, cut at its sentinels. What stands before the first one is a banner's or a profile's."""

    parts: tuple[tuple[str, bytes], ...]
    nonce: str

    @classmethod
    def cut(cls, output: bytes, nonce: str, host: str) -> "Sections":
        """Cut an answer into its parts. Raises Unreachable for one that is not whole."""
        cuts = output.split(f"\n{nonce} ".encode())[1:]
        parts = tuple(
            (head.decode(errors="replace"), body)
            for head, _, body in (part.partition(b"\n") for part in cuts)
        )
        if not parts or parts[-1][0] != "end":
            found = "half of one" if parts else "something else (is there a POSIX shell?)"
            raise Unreachable(f"workstation {host}", "an answer to the probe", found)
        return cls(parts, nonce)

    def one(self, name: str) -> str:
        """Give a part as text; "" when it is not there."""
        return fsdecode(self.content(name))

    def content(self, name: str) -> bytes:
        """Give a part as it came; empty when it is not there."""
        return next((body for head, body in self.parts if head == name), b"")

    def lines(self, name: str) -> list[str]:
        """Give the lines of a part."""
        return self.one(name).split("\n")[:-1]

    def named(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """Give the parts `<kind> <name>`: name and content."""
        return (
            (head.partition(" ")[2], body)
            for head, body in self.parts
            if head.startswith(f"{kind} ")
        )


def list_run(found: Sections, limit: int) -> RemoteListing:
    """Read the answer to the probe `look`."""
    return RemoteListing(
        clock=_clock(found),
        zone=found.one("zone").strip() or None,
        boot_id=found.one("boot").strip() or None,
        runs=tuple(found.lines("runs")),
        folders=tuple(dict.fromkeys(path.rpartition("/")[2] for path, _ in found.named("run"))),
        files={file.path: file for file in _files(found, limit)},
        zones_at_end={
            path.rpartition("/")[2]: zone.decode().strip()
            for path, zone in found.named("zone_at_end")
        },
        processes=_processes(found),
    )


def read_host_snapshot(found: Sections) -> HostSnapshot:
    """Read the answer to the probe `glances`."""
    machine: dict[str, Any] = {
        "clock": _clock(found),
        "zone": found.one("zone").strip() or None,
        "boot_id": found.one("boot").strip() or None,
        "processes": _processes(found),
    }
    starts = [index for index, (head, _) in enumerate(found.parts) if head.startswith("watch ")]
    runs = [
        found.parts[start:stop] for start, stop in zip(starts, [*starts[1:], None], strict=False)
    ]
    written = [
        (path.split("/")[1], tag.strip('"')) for path, _, tag in _pairs(found, "reports", ":")
    ]
    sums = {name: total for total, _, name in _pairs(found, "sums", " ")}
    return HostSnapshot(
        folders={line[1:]: line.startswith("+") for line in found.lines("folders")},
        run_snapshots=dict(
            _glance(Sections(parts, found.nonce), written, sums, machine) for parts in runs
        ),
        **machine,
    )


def _pairs(found: Sections, part: str, mark: str) -> Iterator[tuple[str, str, str]]:
    return (line.partition(mark) for line in found.lines(part) if line)


def _glance(
    own: Sections,
    written: Sequence[tuple[str, str]],
    sums: Mapping[str, str],
    machine: Mapping[str, Any],
) -> tuple[str, RunSnapshot]:
    """Read what was seen of one run; give its tag and that.

    `written` has the gate folders whose report has a tag that is watched, with the tag. Nobody can tell whose an open
    gate folder is, so each counts as activity of all the runs that began before it.
    """
    head, folders = own.parts[0]
    tag = head.partition(" ")[2]
    runs = tuple(path.rpartition("/")[2] for path in fsdecode(folders).split("\n") if path)
    stamp = runs[-1].partition("_production_gates_")[0] if runs else ""
    name = run_names.parse_run_name(runs[-1]) if runs else None
    first = (
        f"production_gates_{name.started - _PUT_BACK:%Y-%m-%d}"
        if name
        else f"production_gates_{stamp}"
    )
    gates = [gate for gate, its in written if its == tag and gate >= first]
    taken = {gate for gate, _ in written}
    open_gates = [
        name for name in sums if name >= f"production_gates_{stamp}" and name not in taken
    ]
    files = {file.path.rpartition("/")[2]: file for file in _files(own, None)}
    result = files.get("result.json")
    if (
        result and runs[-1] not in sums
    ):  # a listing without it would look like one in which nothing moves
        raise Unreachable(
            "the workstation's listing of files",
            f"those of {runs[-1]}",
            "none (do find and stat work?)",
        )
    settled = [f"{name} {sums.get(name)}" for name in (*runs[-1:], *gates)]
    return tag, RunSnapshot(
        runs=runs,
        has_context=any(head == "context" for head, _ in own.parts),
        preflight=_text(files.get("preflight.json")),
        data_quality=_text(files.get("data_quality_report.json")),
        result=_text(result),
        result_modified=result.modified if result else None,
        pid_file=_text(files.get("run.pid")),
        settled=", ".join(settled),
        activity=", ".join([*settled, *sorted(f"{name} {sums[name]}" for name in open_gates)]),
        log_tail=own.content("log").decode(errors="replace"),
        gates=tuple(gates),
        **machine,
    )


def list_files(found: Sections, paths: Sequence[str]) -> RemoteFiles:
    """Read the answer to the probe `survey`; the files come by their number, so that no name can be misread."""
    names = map(run_names.parse_run_name, found.lines("runs"))
    files = frozenset(paths[int(line) - 1] for line in found.lines("files"))
    return RemoteFiles(files, frozenset(name.tag for name in names if name))


def _text(file: File | None) -> str | None:
    """Give a file's text. A byte that is not UTF-8 becomes an escape that no JSON document may hold."""
    return None if file is None else (file.content or b"").decode(errors="backslashreplace")


def _clock(found: Sections) -> float:
    return float(found.one("clock").strip() or 0)


def _files(found: Sections, limit: int | None) -> Iterator[File]:
    for kind in ("file", "unreadable"):
        for head, body in found.named(kind):
            size, modified, path = head.split(" ", 2)
            readable = kind == "file" and (limit is None or len(body) <= limit)
            yield File(path, int(size), float(modified), body if readable else None)


def _processes(found: Sections) -> tuple[Process, ...]:
    """Read `ps`, and leave out every probe with its children (there may be other monitors), and who asked.

    Who asks may carry the tag: a script that starts a run and then waits for it here. It must not wait for itself.
    """
    told = [
        process for process in map(_process, found.content("processes").split(b"\n")) if process
    ]
    moment = _clock(found)
    listed = {pid: Process(pid, parent, args, moment - age) for pid, parent, args, age in told}
    probe = {pid for pid, process in listed.items() if found.nonce in process.args}
    if not probe:  # then `ps` told nothing; that must not look like a run without processes
        thing = "the workstation's list of processes"
        raise Unreachable(thing, "the probe itself in it", "nothing (does `ps -A` work?)")
    probes = probe | {pid for pid, process in listed.items() if _PROBE.search(process.args)}
    left_out = {pid for pid in listed if probes.intersection([pid, *_line_of_parents(pid, listed)])}
    for pid in probe:
        left_out.update(_line_of_parents(pid, listed))
    return tuple(process for pid, process in listed.items() if pid not in left_out)


def _line_of_parents(pid: int, listed: dict[int, Process]) -> list[int]:
    line: list[int] = []
    while (process := listed.get(pid)) and process.parent in listed and process.parent not in line:
        pid = process.parent
        line.append(pid)
    return line


def _process(line: bytes) -> tuple[int, int, str, float] | None:
    found = _PROCESS.fullmatch(line)
    elapsed = _ELAPSED.fullmatch(found[3].decode()) if found else None
    if not found or not elapsed:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in elapsed.groups())
    age = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return int(found[1]), int(found[2]), found[4].decode(errors="replace").strip(), age


def digests(found: Sections, folders: Sequence[str], host: str) -> Digests:
    """Read the answer to the probe `digests`. Raises Missing for a folder or tool, Invalid for a file not readable."""
    if not found.one("digest").strip():
        raise Missing(
            f"SHA-256 on workstation {host}", "sha256sum, shasum or openssl", "none on its PATH"
        )
    there = {folder for folder, _ in found.named("plain")}
    for folder in folders:
        if folder not in there:
            raise Missing(f"{folder} on workstation {host}", "a folder", "nothing there")
    for folder, _ in found.named("failed"):
        raise Invalid(
            f"{folder} on workstation {host}",
            "files that can all be read",
            "one that cannot, or is gone",
        )
    files = {
        path: digest
        for folder, body in found.named("plain")
        for path, digest in _plain(folder, body)
    }
    odd = {
        path: rest.decode()
        for folder, body in found.named("odd")
        for path, rest in _hex(folder, body)
    }
    links = {
        path: _unhex(rest)
        for folder, body in found.named("links")
        for path, rest in _hex(folder, body)
    }
    return Digests(files | odd, links)


def _plain(folder: str, body: bytes) -> Iterator[tuple[str, str]]:
    """Read `<64 digits><space><space or star>./<name>`, which all three tools write for plain names."""
    for line in body.split(b"\n"):
        if line:
            yield (
                f"{folder}/{fsdecode(line[66:]).removeprefix('./')}",
                line[:64].decode("ascii", errors="replace"),
            )


def _hex(folder: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    for line in body.split(b"\n"):
        name, _, rest = line.partition(b" ")
        if name:
            yield f"{folder}/{_unhex(name).removeprefix('./')}", rest


def _unhex(text: bytes) -> str:
    return fsdecode(bytes.fromhex(text.decode("ascii")))
