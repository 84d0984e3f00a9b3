"""The files of one closed run, as a member pushes them: path, digest and time of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postrun.core import artifacts, disk, locations
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.values import Json
from postrun.store import archives, evidence, json_files, known_files, records
from postrun.verify import files

SCHEMA = "team_run"


@dataclass(frozen=True)
class Listing:
    """The list of a run's files, and its bytes, whose digest is its name."""

    document: Json
    content: bytes

    @property
    def sha256(self) -> str:
        """Return the name of the list."""
        return disk.content_digest(self.content)

    @property
    def run_folder(self) -> str:
        """Return the run folder's name."""
        return str(self.document["run"])

    def paths(self, root: Path) -> RunPaths:
        """Return where the run is below a root."""
        return RunPaths(root, self.run_folder, self.document["gate_folder"])


def make(
    root: Path,
    run: str,
) -> Listing:
    """Return the list of a run's files as they are below a root. Raises Missing, Invalid."""
    run_paths = find(root, run)
    listed = []
    links = []
    for path in _present(run_paths):
        place = root / path
        if place.is_symlink():
            links.append({"path": path, "target": str(place.readlink())})
            continue
        with disk.report_read_errors(place):
            state = place.stat()
        row = {
            "path": path,
            "size": state.st_size,
            "sha256": known_files.digest(root, place),
            "mtime_ns": state.st_mtime_ns,
        }
        listed.append(row)
    document = {
        "run": run,
        "gate_folder": run_paths.gate,
        "files": listed,
        "links": links,
    }
    json_files.check(document, SCHEMA, f"files of {run}")
    return Listing(document, json_files.encode(document))


def find(
    root: Path,
    run: str,
) -> RunPaths:
    """Return where a closed run and its gate folder are, as its record says."""
    record = records.load(RunPaths(root, run, None)).document or {}
    return RunPaths(root, run, record.get("gate_folder"))


def _present(run_paths: RunPaths) -> list[str]:
    """Return every file and link of a run by its path from the root, in order. Raises Missing."""
    root = run_paths.root
    unreadable: dict[str, str] = {}
    paths: list[str] = []
    for folder in evidence.folders(run_paths):
        paths += files.walk(root, folder, unreadable)
    for folder, reason in unreadable.items():
        raise Invalid(root / folder, "a folder that can be read", reason)
    row = archives.row_in_force(root, run_paths.run)
    if row is not None:
        paths += [row["archive"], row["index"]]
    incoming = f"/{locations.INCOMING}/"
    return sorted(path for path in paths if not artifacts.is_litter(path) and incoming not in path)


def parse(
    content: bytes,
    run: str,
    source: str,
) -> Listing:
    """Return a list that a member pushed. Raises Invalid for one that leads out of its run."""
    document = json_files.parse(content, f"{source}: files of {run}", SCHEMA).value
    listing = Listing(document, content)
    if document["run"] != run:
        raise Invalid(f"{source}: files of {run}", f"those of {run}", f"of {document['run']}")
    for path in _strangers(listing):
        expected = "paths in the two folders of the run"
        raise Invalid(f"{source}: files of {run}", expected, repr(path))
    return listing


def _strangers(listing: Listing) -> Iterator[str]:
    """Yield the paths that are in none of the folders of a run."""
    own = [*evidence.folders(listing.paths(Path())), artifacts.ARCHIVE]
    listed = set()
    for row in (*listing.document["files"], *listing.document["links"]):
        path = row["path"]
        parts = path.split("/")
        is_plain = not {"", ".", ".."} & set(parts) and "\0" not in path
        is_inside = path.startswith(tuple(f"{folder}/" for folder in own))
        if not is_plain or not is_inside or path in listed:
            yield path
        listed.add(path)
