"""Copy the evidence of a run from the workstation and prove that the copy equals the original.

Reads the run folder and the gate folder (wherever --out-dir led it) on the workstation,
run_detection.json, and evidence_manifest.json when there is one. Writes both folders and, last,
evidence_manifest.json: every file with its size, SHA-256 and source.
Files that this project writes are not copied; nothing is ever deleted; a second sync copies none.
Exit codes: 0 done; 3 an input is missing, or there is no room for the copy; 4 the evidence is not
what the manifest says (--accept-changed-evidence "reason" accepts it and keeps the old files);
6 the workstation did not answer.

    python scripts/sync_run.py --tag committee_2026-02-21_run4 --host bench --remote-root /srv/quant
"""

from postrun import flags

FLAGS = flags.ScriptFlags(__doc__, flags.add_target, flags.add_evidence)
FLAGS.answer_help(__name__)

import shutil
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import artifacts, clock, disk, locations
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.core.values import Json
from postrun.remote.workstation import Workstation, open_workstation
from postrun.store import (
    archives,
    documents,
    evidence,
    incoming,
    json_files,
    ledger,
    records,
    run_folders,
)
from postrun.store.evidence import FileDigests

_ENDED = "the run had been given up, and has a result now"
_FIRST_SYNC = "differed from the workstation's files before the first sync"
_AGAIN = "differed from the workstation's files when the manifest was made again"
_ACCEPT = (
    '--accept-changed-evidence "reason" takes what the workstation has, and keeps the old files '
    "aside"
)
_NAMED_FILES = 5  # in one message


@dataclass(frozen=True)
class Sync:
    """One sync: what is asked, where the run is, and what was on disk before it."""

    request: RunRequest
    run_paths: RunPaths
    manifest: Any  # evidence_manifest.json of the last sync; None before the first
    local: FileDigests
    gate_home: str = locations.GATES  # where the gate folder is on the workstation

    def source(self, folder: str) -> str:
        """Return the folder on the workstation that one of ours is copied from."""
        return folder.replace(f"{locations.GATES}/", f"{self.gate_home}/")


def fetch(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Sync one run. Raises Missing, Invalid, Unreachable, AmbiguousRun."""
    ledger.check_own(run_paths.root, run_paths.run)
    detection = documents.read(run_paths, "run_detection")
    _finish_interrupted(run_paths)
    sync = Sync(
        request=replace(request, abandoned=detection.get("abandoned")),
        run_paths=run_paths,
        manifest=documents.read_existing(run_paths, "evidence_manifest") or None,
        local=evidence.digest_local(run_paths),
        gate_home=detection.get("gate_home", locations.GATES),
    )
    # A gate folder elsewhere is copied to where all of them are, also within one root.
    if _is_local(request) and sync.gate_home == locations.GATES:
        changes = _find_changes(sync, sync.local)
        result = _write_manifest(sync, sync.local, changes, copied=[])
    else:
        result = _copy_evidence(sync, open_workstation(request))
    if not disk.DRY_RUN.get():
        incoming.clear(run_paths)
    return result


def _finish_interrupted(run_paths: RunPaths) -> None:
    """Finish a copy of which all had come when its process was killed. Raises Missing, Invalid."""
    if disk.DRY_RUN.get():
        return
    manifest = incoming.finish(run_paths)
    if manifest is not None:
        _record_manifest(run_paths, manifest)
        incoming.clear(run_paths)


def _record_manifest(run_paths: RunPaths, manifest: Json) -> None:
    """Write the manifest, and record the files that were kept. Raises Missing, Invalid."""
    documents.write(run_paths, "evidence_manifest", manifest)
    run_folder = f"{locations.RUNS}/{run_paths.run}"
    kept = []
    for change in manifest["changes"]:
        kept += [f"{run_folder}/{change['in']}/{path}" for path in change["kept"]]
    records.add_kept(run_paths, kept)


def _is_local(request: RunRequest) -> bool:
    """Return whether the workstation's root is the workspace itself: there is nothing to copy."""
    if request.no_sync:
        return True
    root = Path(request.remote_root).expanduser()
    return request.host == "local" and root.resolve() == request.root


def _copy_evidence(sync: Sync, workstation: Workstation) -> StepResult:
    """Copy what differs from the workstation, after a check that it may be taken."""
    run_paths = sync.run_paths
    folders = evidence.folders(run_paths)
    remote = _digest_remote(sync, workstation, folders)
    changes = _find_changes(sync, remote)
    # Pairs of path and digest, and then only the paths.
    differing = sorted(remote.files.items() - sync.local.files.items())
    outdated = [path for path, _ in differing]
    _check_room(run_paths, remote, outdated)
    if not disk.DRY_RUN.get():
        for place, names in _by_place(sync, outdated).items():
            workstation.copy_files(names, place, show_progress=sys.stderr.isatty())
        _check_copies(run_paths, remote, outdated)
    return _write_manifest(sync, remote, changes, outdated)


def _by_place(sync: Sync, paths: Sequence[str]) -> dict[Path, dict[str, list[str]]]:
    """Return what is to come where: by place here and folder there, the names in that folder."""
    places: dict[Path, dict[str, list[str]]] = {}
    for folder in evidence.folders(sync.run_paths):
        start = f"{folder}/"
        names = [path.removeprefix(start) for path in paths if path.startswith(start)]
        if names:
            place = incoming.folder_for(sync.run_paths, folder).parent
            by_folder = places.setdefault(place, {})
            by_folder[sync.source(folder)] = names
    return places


def _digest_remote(
    sync: Sync,
    workstation: Workstation,
    folders: Sequence[str],
) -> FileDigests:
    """Return the digests of the workstation's files, by the paths that they have here."""
    digests = workstation.digests([sync.source(folder) for folder in folders])
    for folder in folders:
        digests = digests.moved(sync.source(folder), folder)
    return digests.only_evidence()


def _find_changes(sync: Sync, remote: FileDigests) -> list[Json]:
    """Return what the manifest must say about changed evidence.

    Raises Invalid when evidence changed since the manifest was written and nobody accepted it.
    """
    local = sync.local
    differing = local.files.items() - remote.files.items()
    replaced = sorted(path for path, _ in differing)
    replaced += local.links.keys() - remote.links.keys()
    if sync.manifest is None:
        if not replaced:
            return []
        _check_no_other_run(sync.run_paths)
        reason_given = _FIRST_SYNC
        if ledger.decision(sync.run_paths.root, sync.run_paths.run) is not None:
            reason_given = _AGAIN
        return [_change(sync.run_paths, reason_given, replaced, replaced)]

    known = FileDigests.from_manifest(sync.manifest)
    here = evidence.compare(known, local, copied=True)
    there = {}
    if remote is not local:
        there = evidence.compare(known, remote, copied=False)
    if not here and not there:
        return []
    _check_not_archived(sync.run_paths)
    reason = sync.request.accept_changed_evidence
    # A run that was closed as dead and has a result by now: its evidence may have grown.
    has_ended = sync.manifest.get("abandoned") is not None and sync.request.abandoned is None
    if reason is None and has_ended and (remote is local or not here):
        reason = _ENDED
    if reason is None:
        changed = [f"{path} {what} here" for path, what in here.items()]
        changed += [f"{path} {what} on the workstation" for path, what in there.items()]
        raise Invalid(
            f"evidence of {sync.run_paths.run}",
            "what evidence_manifest.json records",
            _some(changed),
            _ACCEPT,
        )
    return [_change(sync.run_paths, reason, here | there, replaced)]


def _check_not_archived(run_paths: RunPaths) -> None:
    """Raise Invalid when files of a run are archived: no changed file can take their place."""
    row = archives.row_in_force(run_paths.root, run_paths.run)
    if row is not None:
        expected = "what evidence_manifest.json records, as long as files of it are archived"
        found = f"changed evidence, and the archive of row {row['number']} of the ledger"
        thing = f"evidence of {run_paths.run}"
        raise Invalid(thing, expected, found, archives.RESTORE)


def _check_no_other_run(run_paths: RunPaths) -> None:
    """Raise Invalid when the local gate folder is the evidence of another run.

    Runs that began in the same second have gate folders of one name, in two folders there.
    """
    for folder in run_folders.list_folders(run_paths.root):
        other = RunPaths(run_paths.root, folder, None)
        manifest = json_files.try_load(other.path("evidence_manifest")).members
        is_same = run_paths.gate and manifest.get("gate_folder") == run_paths.gate
        if folder != run_paths.run and is_same:
            raise Invalid(
                f"{locations.GATES}/{run_paths.gate} in this workspace",
                f"no files, or those of {run_paths.run}",
                f"the evidence of {folder}",
                "close one of the two runs in another workspace",
            )


def _change(
    run_paths: RunPaths,
    reason: str,
    paths: Collection[str],
    replaced: list[str],
) -> Json:
    """Return a change as the manifest lists it; the replaced files get a folder of their own."""
    kept_in = None
    if replaced:
        kept_in = f"{locations.SUPERSEDED}/{_next_number(run_paths)}"
    return {
        "reason": reason,
        "at": clock.stamp(clock.now()),
        "files": sorted(paths),
        "kept": sorted(replaced),
        "in": kept_in,
    }


def _next_number(run_paths: RunPaths) -> int:
    kept = run_paths.folder(artifacts.Home.RUN) / locations.SUPERSEDED
    numbers = map(int, filter(str.isdecimal, disk.list_names(kept)))
    return max(numbers, default=0) + 1


def _check_room(run_paths: RunPaths, remote: FileDigests, outdated: list[str]) -> None:
    """Raise Missing when the files still to be copied have more bytes than a disk has free."""
    needed: Counter[int] = Counter()  # by device
    for folder in evidence.folders(run_paths):
        place = run_paths.root / folder
        with disk.report_write_errors(place):
            place = disk.nearest(place)
            device = place.stat().st_dev
            usage = shutil.disk_usage(place)
        for path in outdated:
            if path.startswith(f"{folder}/"):
                size = remote.sizes.get(path, 0)
                needed[device] += size - _size_of_incoming(run_paths, path)
        # Some network file systems do not say how large they are.
        if usage.total and usage.free < needed[device]:
            raise Missing(
                f"disk of {place}",
                f"room for {needed[device]:,} bytes that are still to be copied",
                f"{usage.free:,} bytes free",
                "make room there and sync again",
            )


def _size_of_incoming(run_paths: RunPaths, path: str) -> int:
    """Return the bytes of a file that came before a copy was interrupted."""
    with suppress(OSError):
        return incoming.path_of(run_paths, path).stat().st_size
    return 0


def _check_copies(
    run_paths: RunPaths,
    remote: FileDigests,
    copied: list[str],
) -> None:
    """Raise Invalid when a copy has another digest than the workstation's file."""
    wrong = []
    for path in copied:
        copy = incoming.path_of(run_paths, path)
        if not copy.is_file() or evidence.digest_file(copy) != remote.files[path]:
            wrong.append(path)
            # The next sync fetches it again, even if size and time are right.
            copy.unlink(missing_ok=True)
    if wrong:
        raise Invalid(
            f"copy of {run_paths.run}",
            "the workstation's digests",
            f"others for {_some(wrong)}",
            "they changed while they were copied; is something still writing? sync again",
        )


def _write_manifest(
    sync: Sync,
    present: FileDigests,
    changes: list[Json],
    copied: list[str],
) -> StepResult:
    """Write the manifest and return what was done; with --dry-run, what would be."""
    if disk.DRY_RUN.get():
        return StepResult(f"would fetch {len(copied)} of {len(present.files)} files")
    run_paths = sync.run_paths
    earlier = sync.manifest or {"files": [], "verified": False, "changes": []}
    # What was verified once stays so, as long as nothing changed.
    stays_verified = earlier["verified"] and not changes
    known_rows = earlier["files"] if stays_verified else []
    links = sorted(present.links.items())
    manifest = {
        "run_folder": run_paths.run,
        "gate_folder": run_paths.gate,
        "files": _file_rows(sync, present, known_rows, set(copied)),
        "links": [{"path": path, "target": target} for path, target in links],
        "verified": stays_verified or not _is_local(sync.request),
        "abandoned": sync.request.abandoned,
        "changes": earlier["changes"] + changes,
    }
    _check_decision(sync, manifest)
    if copied or any(change["kept"] for change in changes):
        incoming.commit(run_paths, manifest, copied, changes)
        incoming.finish(run_paths)
    _record_manifest(run_paths, manifest)
    written = run_paths.path("evidence_manifest")
    return StepResult(_summary(manifest, len(copied)), (written,))


def _check_decision(sync: Sync, manifest: Json) -> None:
    """Raise Invalid for evidence other than that of the decision, unless that was accepted.

    The manifest may have been changed together with a file.
    """
    decision = ledger.decision(sync.run_paths.root, sync.run_paths.run)
    was_accepted = any(change["reason"] != _AGAIN for change in manifest["changes"])
    if decision is None or was_accepted:
        return
    if ledger.evidence_digest(manifest) != decision["evidence_sha256"]:
        expected = f"the evidence that row {decision['number']} of the ledger names"
        found = "other evidence, and no change that was accepted"
        raise Invalid(f"evidence of {sync.run_paths.run}", expected, found, _ACCEPT)


def _file_rows(
    sync: Sync,
    present: FileDigests,
    known_rows: list[Json],
    copied: Collection[str],
) -> list[Json]:
    """Return a row for each file. A known row stays, whatever name the host is called by now."""
    known = {(row["path"], row["sha256"]): row for row in known_rows}
    rows = []
    for path, digest in sorted(present.files.items()):
        row = {
            "path": path,
            "size": _size(sync, path, path in copied),
            "sha256": digest,
            "source": sync.request.host,
        }
        rows.append(known.get((path, digest), row))
    return rows


def _size(sync: Sync, path: str, was_copied: bool) -> int:
    """Return the bytes of a file that has come, is in its place, or is archived."""
    file = sync.run_paths.root / path
    if was_copied:
        file = incoming.path_of(sync.run_paths, path)
    # Of the local files, the archived ones alone have a size already.
    elif path in sync.local.sizes:
        return sync.local.sizes[path]
    return file.stat().st_size


def _summary(manifest: Json, copied: int) -> str:
    files = manifest["files"]
    megabytes = sum(row["size"] for row in files) / 1e6
    proof = "verified" if manifest["verified"] else "unverified"
    summary = f"{len(files)} files ({megabytes:.1f} MB), {copied} fetched, {proof}"
    kept_in = [change["in"] for change in manifest["changes"] if change["in"]]
    if kept_in:
        summary += f"; older files are kept in {', '.join(kept_in)}"
    return summary


def _some(names: list[str]) -> str:
    text = ", ".join(names[:_NAMED_FILES])
    if len(names) > _NAMED_FILES:
        text += f" and {len(names) - _NAMED_FILES} more"
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step."""
    return cli.step_main(
        fetch,
        FLAGS,
        argv,
        name="sync-run",
        lock=cli.RUN,
    )


if __name__ == "__main__":
    raise SystemExit(main())
