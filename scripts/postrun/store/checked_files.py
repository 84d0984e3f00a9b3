"""Read files of a run as they were recorded: evidence by its manifest, what is ours by its record.

Whatever is read here is an input of what the step at work writes.
"""

import hashlib
from pathlib import Path
from typing import Any

from postrun.core import disk, step_notes
from postrun.core.artifacts import ARTIFACTS
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import RunPaths
from postrun.store import evidence, json_files, ledger, records

_SYNC = "copy the run again: make sync-run TAG=..."

# The manifests that this process has read, with their bytes.
_manifests: dict[Path, tuple[bytes, evidence.FileDigests]] = {}


def read(run_paths: RunPaths, path: Path, artifact: str, hint: str = "") -> bytes:
    """Return the bytes of an artifact, as they were recorded. Raises Missing, Invalid."""
    content = _read(path, hint)
    if ARTIFACTS[artifact].generated:
        records.check(run_paths, artifact, path, content)
    else:
        check_evidence(run_paths, path, content)
    step_notes.note(run_paths.relative(path), hashlib.sha256(content).hexdigest())
    return content


def read_evidence(run_paths: RunPaths, path: Path) -> bytes:
    """Return the bytes of a file of the evidence, as the manifest lists it.

    Raises Missing, Invalid.
    """
    content = _read(path)
    check_evidence(run_paths, path, content)
    step_notes.note(run_paths.relative(path), hashlib.sha256(content).hexdigest())
    return content


def read_if_there(run_paths: RunPaths, artifact: str) -> bytes:
    """Return the bytes of an artifact that a run may lack; none when it cannot be read.

    Raises Invalid for one that was changed.
    """
    try:
        return read(run_paths, run_paths.path(artifact), artifact)
    except Missing:
        return b""


def _read(path: Path, hint: str = "") -> bytes:
    if not path.exists() and not path.is_symlink():
        raise Missing(path, "a file", "nothing there", hint)
    return disk.read(path)


def check_evidence(run_paths: RunPaths, path: Path, content: bytes) -> None:
    """Raise Invalid when a file is not the one that the manifest lists, or is not listed."""
    listed = manifest_digests(run_paths)
    if listed is None:
        return
    expected = listed.files.get(run_paths.relative(path))
    actual = hashlib.sha256(content).hexdigest()
    if expected is None:
        raise Invalid(
            path, "a file that evidence_manifest.json lists", "one that it does not", _SYNC
        )
    if actual != expected:
        what = f"the file that evidence_manifest.json lists ({expected[:12]})"
        raise Invalid(path, what, f"another ({actual[:12]})", _SYNC)


def manifest_digests(run_paths: RunPaths) -> evidence.FileDigests | None:
    """Return what the manifest lists; None before there is one. Raises Invalid."""
    path = run_paths.path("evidence_manifest")
    if not path.exists():
        return None
    content = disk.read(path)
    known = _manifests.get(path)
    if known is None or known[0] != content:
        records.check(run_paths, "evidence_manifest", path, content)
        manifest = json_files.parse(content, path, "evidence_manifest").value
        _check_decision(run_paths, path, manifest)
        known = content, evidence.FileDigests.from_manifest(manifest)
        _manifests[path] = known
    return known[1]


def _check_decision(run_paths: RunPaths, path: Path, manifest: Any) -> None:
    """Raise Invalid for a manifest other than that on which the decision rests.

    One that names a change which was accepted since waits for its decision.
    """
    decision = ledger.decision(run_paths.root, run_paths.run)
    if decision is None or manifest["changes"]:
        return
    if ledger.evidence_digest(manifest) != decision["evidence_sha256"]:
        expected = f"the evidence that row {decision['number']} of the ledger names"
        raise Invalid(path, expected, "other evidence", _SYNC)
