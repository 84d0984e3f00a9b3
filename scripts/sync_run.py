"""Bring the evidence of a run home and prove that it is the evidence.

Reads the run folder and the gate folder on the workstation, run_detection.json, and evidence_manifest.json when there
is one. Writes both folders and, last, evidence_manifest.json: every file with its size, SHA-256 and source. Files that
this project writes are left alone on both sides; nothing is ever deleted; a second sync moves nothing.
Exit codes: 0 done; 3 an input is missing; 4 the evidence is not what the manifest says (--accept-changed-evidence
"reason" takes it and keeps the old files aside); 6 the workstation did not answer.

    python scripts/sync_run.py --tag committee_2026-02-21_run4 --host bench --remote-root /srv/quant
"""

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import artifacts, clock, disk, locations
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.remote.workstation import Workstation, open_workstation
from postrun.store import evidence, json_files
from postrun.store.evidence import FileDigests

_ENDED = "the run had been given up, and has a result now"
_FIRST = "differed from the workstation's files before the first sync"
_NAMED = 5  # files in one line of words


def fetch(request: RunRequest, run_paths: RunPaths) -> StepResult:
    """Sync one run. Raises Missing, Invalid, Unreachable, Unclear."""
    detection = json_files.read(run_paths, "run_detection")
    request = replace(request, abandoned=detection.get("abandoned"))
    manifest = json_files.read_optional(run_paths, "evidence_manifest")
    local = evidence.digest_local(run_paths)
    if _is_here(request):
        return _record(
            request,
            run_paths,
            manifest,
            local,
            _changes(request, run_paths, manifest, local, local),
            [],
        )
    with open_workstation(request) as door:
        return _bring(request, run_paths, manifest, local, door)


def _bring(
    request: RunRequest, run_paths: RunPaths, manifest: Any, local: FileDigests, door: Workstation
) -> StepResult:
    listed = door.digests(evidence.folders(run_paths))
    remote = evidence.only_evidence(listed.files, listed.links)
    changes = _changes(request, run_paths, manifest, local, remote)
    wanted = sorted(
        path for path, digest in remote.files.items() if local.files.get(path) != digest
    )
    if not disk.DRY_RUN.get():
        _set_aside(run_paths, changes)
        for folder in evidence.folders(run_paths):
            if any(path.startswith(f"{folder}/") for path in wanted):
                door.copy_folder(
                    folder, run_paths.root / folder, evidence.patterns(), sys.stderr.isatty()
                )
        _prove(run_paths, remote, wanted)
    return _record(request, run_paths, manifest, remote, changes, wanted)


def _is_here(request: RunRequest) -> bool:
    """Say whether the workstation's root is the workspace itself: then there is nothing to copy or to compare with."""
    return request.no_sync or (
        request.host == "local" and Path(request.remote_root).expanduser().resolve() == request.root
    )


def _changes(
    request: RunRequest, run_paths: RunPaths, manifest: Any, local: FileDigests, remote: FileDigests
) -> list[dict[str, Any]]:
    """Work out what the manifest must say about changed evidence. Raises Invalid when nobody accepted the change."""
    stale = [path for path, digest in local.files.items() if remote.files.get(path) != digest]
    stale += [path for path in local.links if path not in remote.links]
    if manifest is None:
        return [_change(run_paths, _FIRST, stale, stale)] if stale else []
    known = evidence.FileDigests.from_manifest(manifest)
    sides = {"here": evidence.compare(known, local, copied=True), "on the workstation": []}
    if remote is not local:
        sides["on the workstation"] = evidence.compare(known, remote, copied=False)
    found = [
        f"{it.path} {it.what} {side}" for side, differences in sides.items() for it in differences
    ]
    if not found:
        return []
    reason = request.accept_changed_evidence
    if (
        reason is None
        and _ended_after_all(request, manifest)
        and (remote is local or not sides["here"])
    ):
        reason = _ENDED
    if reason is None:
        hint = '--accept-changed-evidence "reason" takes what the workstation has and keeps the old files aside'
        raise Invalid(
            f"evidence of {run_paths.run}",
            "what evidence_manifest.json records",
            _some(found),
            hint,
        )
    paths = sorted({it.path for differences in sides.values() for it in differences})
    return [_change(run_paths, reason, paths, stale)]


def _ended_after_all(request: RunRequest, manifest: Any) -> bool:
    """Say whether a run that was closed as dead has a result by now: then its evidence may have grown."""
    return manifest.get("abandoned") is not None and request.abandoned is None


def _change(
    run_paths: RunPaths, reason: str, paths: Iterable[str], stale: Sequence[str]
) -> dict[str, Any]:
    kept = f"{locations.SUPERSEDED}/{_next(run_paths)}" if stale else None
    return {
        "reason": reason,
        "at": clock.stamp(clock.now()),
        "files": sorted(paths),
        "kept": sorted(stale),
        "in": kept,
    }


def _next(run_paths: RunPaths) -> int:
    aside = run_paths.folder(artifacts.Home.RUN) / locations.SUPERSEDED
    return 1 + max((int(path.name) for path in aside.glob("*") if path.name.isdecimal()), default=0)


def _set_aside(run_paths: RunPaths, changes: list[dict[str, Any]]) -> None:
    for change in changes:
        for path in change["kept"]:
            kept = run_paths.folder(artifacts.Home.RUN) / change["in"] / path
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(run_paths.root / path, kept)


def _prove(run_paths: RunPaths, remote: FileDigests, wanted: Iterable[str]) -> None:
    """Hold the digests of what was copied against the workstation's. Raises Invalid."""
    wrong = [
        path
        for path in wanted
        if not (run_paths.root / path).is_file()
        or evidence.digest(run_paths.root / path) != remote.files[path]
    ]
    if wrong:
        hint = "they changed while they were copied; is something still writing? sync again"
        raise Invalid(
            f"copy of {run_paths.run}",
            "the workstation's digests",
            f"others for {_some(wrong)}",
            hint,
        )


def _record(
    request: RunRequest,
    run_paths: RunPaths,
    manifest: Any,
    found: FileDigests,
    changes: list[dict[str, Any]],
    moved: Sequence[str],
) -> StepResult:
    """Write the manifest, and say what was done. In a rehearsal say what would be."""
    if disk.DRY_RUN.get():
        return StepResult(f"would fetch {len(moved)} of {len(found.files)} files")
    held = bool(
        manifest and manifest["verified"] and not changes
    )  # what was proved once stays proved
    document = {
        "run_folder": run_paths.run,
        "gate_folder": run_paths.gate,
        "files": _rows(request, run_paths, found, manifest["files"] if held else []),
        "links": [{"path": path, "target": target} for path, target in sorted(found.links.items())],
        "verified": held or not _is_here(request),
        "abandoned": request.abandoned,
        "changes": [*(manifest["changes"] if manifest else []), *changes],
    }
    json_files.write(run_paths, "evidence_manifest", document)
    return StepResult(_words(document, len(moved)), (run_paths.path("evidence_manifest"),))


def _rows(
    request: RunRequest, run_paths: RunPaths, found: FileDigests, held: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Describe every file. Rows that hold stay as they are, so that another name for the host changes nothing."""
    before = {(row["path"], row["sha256"]): row for row in held}
    return [
        before.get((path, digest))
        or {
            "path": path,
            "size": (run_paths.root / path).stat().st_size,
            "sha256": digest,
            "source": request.host,
        }
        for path, digest in sorted(found.files.items())
    ]


def _words(document: dict[str, Any], moved: int) -> str:
    files, proof = document["files"], "verified" if document["verified"] else "unverified"
    size = sum(row["size"] for row in files) / 1e6
    words = f"{len(files)} files ({size:.1f} MB), {moved} fetched, {proof}"
    aside = [change["in"] for change in document["changes"] if change["in"]]
    return f"{words}; older files are kept in {', '.join(aside)}" if aside else words


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step."""
    return cli.step_main(fetch, __doc__, argv, cli.add_evidence, lock=cli.RUN)


if __name__ == "__main__":
    raise SystemExit(main())
