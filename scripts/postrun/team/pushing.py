"""Push: add to the team's root what this member has and the root lacks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postrun.core import disk, locations, terminal
from postrun.core.errors import Invalid
from postrun.core.values import Json
from postrun.store import chains, index, json_files, ledger, records, run_folders
from postrun.team import arranging, listing
from postrun.team.listing import Listing
from postrun.team.stores import PUSH, Store, object_in, parse_push
from postrun.verify import one_run

_ATTEMPTS = 3
_VERIFY = "see what differs: make verify"
_OTHER_ROOT = (
    "another root pushes under this name, or this ledger was rewritten: never push it over the "
    "other; give a copied root a name of its own (docs/TEAM.md)"
)


@dataclass(frozen=True)
class Pushed:
    """What a push came to."""

    number: int  # of the push; of the one before when nothing was new
    rows: int
    runs: int  # added or changed since the last push
    is_new: bool


def push(
    root: Path,
    member: str,
    store: Store,
    work: Path,
) -> Pushed:
    """Add this member's ledger and its runs to the team's root; return what was new.

    Raises Invalid for a run that is not as it was recorded, and when the root has rows of this
    member that the ledger lacks; Missing, Unreachable.
    """
    ledger.check(root)
    for attempt in range(_ATTEMPTS):
        pushed = _attempt(
            root,
            member,
            store,
            work / f"push{attempt}",
        )
        # Another process of this root was faster, or another root has the same name.
        if pushed is not None:
            return pushed
    raise Invalid(store.name, f"one root that pushes as {member}", "several", _OTHER_ROOT)


def _attempt(
    root: Path,
    member: str,
    store: Store,
    work: Path,
) -> Pushed | None:
    """Add one push; return what was new, or None when its number was taken meanwhile."""
    former = _read_former(root, member, store, work)
    listings = list(_own_runs(root, member))
    document = _describe(root, member, former, listings)
    known = {run["run"]: run["sha256"] for run in former.get("runs", ())}
    changed = [each for each in listings if known.get(each.run_folder) != each.sha256]
    number = document["number"]
    rows = document["ledger"][-1]["rows"] if document["ledger"] else 0
    if not document["ledger"] or _says_the_same(document, former):
        return Pushed(number - 1, rows, 0, is_new=False)
    pushed = Pushed(number, rows, len(changed), is_new=True)
    if disk.DRY_RUN.get():
        return pushed
    objects = _gather(
        root,
        member,
        changed,
        former,
        work,
    )
    store.add(objects, work / "objects_to_add")
    content = work / "push.json"
    stamped = json_files.stamped(document, PUSH)
    json_files.check(stamped, PUSH, f"push {number} of {member}")
    disk.replace(content, json_files.encode(stamped))
    if store.create_push(
        member,
        number,
        content,
        work / "push_to_add",
    ):
        return pushed
    return None


def _read_former(
    root: Path,
    member: str,
    store: Store,
    work: Path,
) -> Json:
    """Return this member's last push; an empty one before the first.

    Raises Invalid when it has rows that the own ledger lacks.
    """
    number = store.list_pushes().get(member)
    if number is None:
        return {}
    name = f"{store.name}: push {number} of {member}"
    content = store.read_push(member, number, work / "former")
    former: Json = parse_push(content, member, name)
    last = former["ledger"][-1]
    if not ledger.has_own_row(root, last["rows"], last["head_sha256"]):
        expected = f"row {last['rows']} of this root's ledger, as pushed before"
        raise Invalid(name, expected, "another row", _OTHER_ROOT)
    return former


def _own_runs(root: Path, member: str) -> Iterator[Listing]:
    """Yield the list of files of each run that this member closed. Raises Missing, Invalid.

    That of a run whose closing by another member counts is kept aside.
    """
    decided = {row["run"] for row in ledger.read_rows(root) if ledger.kind(row) == ledger.DECISION}
    aside = arranging.aside_root(root, member)
    for run in sorted(decided):
        source = aside if ledger.owner(root, run) else root
        if run not in run_folders.list_folders(source):
            continue  # `make verify` names a decision whose run is gone
        if source == root and ledger.audit(root, run) is None:
            continue  # its closing was interrupted: the next push has it
        if source == root and records.load(listing.find(root, run)).is_open:
            continue
        yield listing.make(source, run)


def _describe(
    root: Path,
    member: str,
    former: Json,
    listings: list[Listing],
) -> Json:
    """Return the push as it will be, without its stamp."""
    parts = list(former.get("ledger", ()))
    rows, head = ledger.head(root)
    pushed = parts[-1]["rows"] if parts else 0
    if rows > pushed:
        content = _lines(root, pushed)
        digest = disk.content_digest(content)
        parts.append({"rows": rows, "head_sha256": head, "sha256": digest})
    runs = [{"run": each.run_folder, "sha256": each.sha256} for each in listings]
    return {
        "member": member,
        "number": former.get("number", 0) + 1,
        "ledger": parts,
        "runs": runs,
    }


def _says_the_same(document: Json, former: Json) -> bool:
    return all(document[name] == former.get(name) for name in ("ledger", "runs"))


def _lines(root: Path, pushed: int) -> bytes:
    """Return the lines of the own ledger behind those that were pushed."""
    content = disk.read(locations.workspace_path(root, "stage_ledger"))
    # A checkout by git may have turned line ends into \r\n.
    lines = content.replace(b"\r\n", b"\n").splitlines(keepends=True)
    return b"".join(lines[pushed:])


def _gather(
    root: Path,
    member: str,
    changed: list[Listing],
    former: Json,
    work: Path,
) -> dict[str, Path]:
    """Return the files that the push needs, by digest. Raises Invalid for a changed run."""
    objects = {}
    pushed = former["ledger"][-1]["rows"] if former else 0
    contents = [each.content for each in changed]
    lines = _lines(root, pushed)
    if lines:
        contents.append(lines)
    for content in contents:
        digest = disk.content_digest(content)
        path = object_in(work / "made", digest)
        disk.replace(path, content)
        objects[digest] = path
    for each in changed:
        source = root
        if ledger.owner(root, each.run_folder):
            source = arranging.aside_root(root, member)
        else:
            _check_run(root, each.run_folder)
        for row in each.document["files"]:
            objects[row["sha256"]] = source / row["path"]
    return objects


@index.in_memory()
def _check_run(root: Path, run: str) -> None:
    """Raise Invalid for a run that is not as it was recorded: it would reach everybody."""
    rows = ledger.rows_of(root, run)
    lines = tuple(ledger.line_of(row).decode() for row in rows)
    for finding in one_run.check_digests(root, run, lines):
        raise Invalid(root / finding.file, finding.expected, finding.actual, _VERIFY)


def take_part(root: Path, asked: str | None) -> str:
    """Return as whom this root takes part; the first time it is written down.

    Raises Usage without a name, and Invalid for another than that of the root.
    """
    known = chains.own_member(root)
    if asked is not None:
        chains.check_member(asked)
    if known and asked not in (None, known):
        hint = "a root keeps its name; another one is another root (docs/TEAM.md)"
        raise Invalid(f"member {asked}", f"{known}, as before", "another name", hint)
    if not known and asked in chains.list_others(root):
        raise Invalid(f"member {asked}", "a name of this root's own", "a colleague's")
    if not known:
        asked = chains.check_member(asked or "")
        arranging.write_team(root, asked, {})
        terminal.detail(f"{root} takes part as {asked}")
    return known or str(asked)
