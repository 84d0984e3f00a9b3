"""Put into its place, of each run, the closing that counts; keep every other one aside.

`audit/aside/<member>/` has a root's folders: the closings of that member that do not count, since
another member closed the same run. `audit/aside/<member>.former/<digest>/` has what a later push of
the member took the place of. Nothing is deleted. A run's folder is moved last: while it is aside
and counts, the next pull goes on with it.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from postrun.core import disk, locations, locks, run_names
from postrun.core.artifacts import ARCHIVE, ASIDE, Home
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.store import chains, documents, ledger, records, run_folders
from postrun.team import listing

_FORMER = ".former"
_UNFINISHED = f"{ASIDE}/unfinished"
_MOVE = "move it away, then pull again"
Pulled = dict[tuple[str, str], str]  # by member and run: the digest of the list of files


def aside_root(root: Path, member: str) -> Path:
    """Return where the closings of a member are that do not count."""
    return root / ASIDE / member


def read_pulled(root: Path) -> Pulled:
    """Return which closings of other members are here. Raises Invalid."""
    pulled = {}
    for row in chains.read_team(root).get("pulled", ()):
        pulled[row["member"], row["run"]] = row["sha256"]
    return pulled


def write_team(
    root: Path,
    member: str,
    pulled: Pulled,
) -> None:
    """Write as whom this root takes part, and which closings of others are here."""
    rows = [
        {"member": other, "run": run, "sha256": sha256}
        for (other, run), sha256 in sorted(pulled.items())
    ]
    document: Json = {"member": member, "pulled": rows}
    documents.write(RunPaths.of_workspace(root), chains.TEAM, document)


def set_aside(
    root: Path,
    member: str,
    source: RunPaths,
) -> None:
    """Move a run that came whole to the closings of its member; an earlier one becomes a former.

    Raises Missing, Invalid.
    """
    aside = aside_root(root, member)
    earlier = listing.find(aside, source.run)
    gate = RunPaths(aside, source.run, source.gate)
    if disk.is_folder(earlier.folder(Home.RUN)):
        _move_to_former(root, member, earlier)
    elif source.gate is not None and disk.is_folder(gate.folder(Home.GATE)):
        # A process was killed between the two folders of a run.
        _move_to_former(root, member, gate)
    _move(source, aside)


def _move_to_former(
    root: Path,
    member: str,
    earlier: RunPaths,
) -> None:
    """Move what a later push takes the place of; its name says which record it has."""
    content = disk.read_optional(earlier.path(records.CLOSING)) or b""
    digest = disk.content_digest(content)
    former = root / ASIDE / f"{member}{_FORMER}"
    for number in count(1):
        place = former / f"{digest[:16]}.{number}"
        # The same record may have been here before, with other files that only grow.
        if not place.exists():
            _move(earlier, place)
            return


def arrange(
    root: Path,
    own_member: str,
    wait: float,
) -> list[str]:
    """Move the closing that counts of each run into its place; return the runs that were moved.

    Waits so many seconds for the lock of a run. Raises Missing, Invalid, Locked.
    """
    moved = []
    for member, run in list(_list_aside(root)):
        owner = ledger.owner(root, run) or own_member
        if owner != member:
            continue
        mark_unfinished(root)
        present = listing.find(root, run)
        tag = run_names.folder_tag(present.name.tag)
        lock = root / locations.LOCKS / f"run-{tag}.lock"
        with locks.hold(lock, wait, "pull"):
            if disk.is_folder(present.folder(Home.RUN)):
                _make_room(
                    root,
                    own_member,
                    member,
                    present,
                )
            _move(listing.find(aside_root(root, member), run), root)
        moved.append(run)
    return moved


def _make_room(
    root: Path,
    own_member: str,
    member: str,
    present: RunPaths,
) -> None:
    """Move the closing that is in the place of a run to those of its member."""
    holder = _holder(root, present, own_member)
    if holder != member:
        _move(present, aside_root(root, holder))
        return
    _move_to_former(root, member, present)


def is_unfinished(root: Path) -> bool:
    """Return whether the tables are behind the closings that are in place."""
    return (root / _UNFINISHED).exists()


def mark_unfinished(root: Path) -> None:
    """Note that the tables are not made yet: the next pull makes them."""
    disk.replace(root / _UNFINISHED, b"the next pull makes the tables\n")


def mark_finished(root: Path) -> None:
    """Note that the tables are made of the closings that are in place. Raises Missing."""
    path = root / _UNFINISHED
    with disk.report_write_errors(path):
        path.unlink(missing_ok=True)


def _list_aside(root: Path) -> Iterator[tuple[str, str]]:
    """Yield member and run of each closing that is aside."""
    for member in sorted(disk.list_names(root / ASIDE)):
        if chains.is_member(member):
            for run in run_folders.list_folders(aside_root(root, member)):
                yield member, run


def _holder(
    root: Path,
    run_paths: RunPaths,
    own_member: str,
) -> str:
    """Return whose closing of a run is in its place: its record holds lines of that chain."""
    document = records.load(run_paths).document or {}
    lines = [line.encode() for line in document.get("ledger_rows", ())]
    for member, path in chains.list_others(root).items():
        content = disk.read(path)
        if lines and all(line in content for line in lines):
            return member
    return own_member


def _move(source: RunPaths, target_root: Path) -> None:
    """Move both folders of a run to another root, its own folder last. Raises Missing, Invalid."""
    target = RunPaths(target_root, source.run, source.gate)
    homes = [Home.RUN]
    if source.gate is not None:
        homes.insert(0, Home.GATE)
    for home in homes:
        place = target.folder(home)
        if not disk.is_folder(source.folder(home)):
            continue  # it was moved before a process was killed
        if place.exists() or place.is_symlink():
            raise Invalid(
                place,
                f"nothing where {source.run} belongs",
                disk.kind(place),
                _MOVE,
            )
        with disk.report_write_errors(place):
            disk.make_folder(place.parent)
            source.folder(home).rename(place)
            disk.sync(place.parent)
    _move_archive(source, target)


def _move_archive(source: RunPaths, target: RunPaths) -> None:
    """Move what is archived of a run that came with it. Raises Missing."""
    folder = source.root / ARCHIVE
    for name in disk.list_names(folder):
        if not name.startswith(f"{source.run}-") or source.root == target.root:
            continue
        place = target.root / ARCHIVE / name
        with disk.report_write_errors(place):
            disk.make_folder(place.parent)
            if not place.exists():
                (folder / name).rename(place)
