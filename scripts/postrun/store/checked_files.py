"""Read files of a run and compare them with what was recorded.

Evidence is compared with its manifest, a file of ours with its record. Whatever is read here is an
input of what the running step writes.
"""

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


def read(
    run_paths: RunPaths,
    path: Path,
    artifact: str,
    hint: str = "",
) -> bytes:
    """Return the bytes of an artifact, as they were recorded. Raises Missing, Invalid."""
    if not ARTIFACTS[artifact].generated:
        return read_evidence(run_paths, path, hint)
    content = _read(path, hint)
    records.check(run_paths, artifact, path, content)
    _note(run_paths, path, content)
    return content


def read_evidence(
    run_paths: RunPaths,
    path: Path,
    hint: str = "",
) -> bytes:
    """Return the bytes of a file of the evidence, as the manifest lists it.

    Raises Missing, Invalid.
    """
    content = _read(path, hint)
    digest = disk.content_digest(content)
    _take_evidence(
        run_paths,
        path,
        digest,
    )
    return content


def read_if_there(run_paths: RunPaths, artifact: str) -> bytes:
    """Return the bytes of an artifact that a run may lack; none when it cannot be read.

    Raises Invalid for one that was changed.
    """
    path = run_paths.path(artifact)
    try:
        return read(run_paths, path, artifact)
    except Missing:
        return b""


def read_end(
    run_paths: RunPaths,
    path: Path,
    size: int,
) -> bytes:
    """Return the last bytes of a file of the evidence, however large it is.

    Raises Missing, Invalid.
    """
    if not disk.is_present(path):
        raise Missing(path, "a file", "nothing there")
    digest, content = disk.digest_with_end(path, size)
    _take_evidence(
        run_paths,
        path,
        digest,
    )
    return content


def _take_evidence(
    run_paths: RunPaths,
    path: Path,
    digest: str,
) -> None:
    """Check a file of the evidence by its digest, and note it as an input."""
    check_evidence(run_paths, path, digest)
    name = run_paths.relative(path)
    step_notes.note(name, digest)


def _read(path: Path, hint: str) -> bytes:
    if not disk.is_present(path):
        raise Missing(path, "a file", "nothing there", hint)
    return disk.read(path)


def _note(run_paths: RunPaths, path: Path, content: bytes) -> None:
    name = run_paths.relative(path)
    digest = disk.content_digest(content)
    step_notes.note(name, digest)


def check_evidence(run_paths: RunPaths, path: Path, actual: str) -> None:
    """Raise Invalid when a file is not the one that the manifest lists, or is not listed."""
    listed = manifest_digests(run_paths)
    if listed is None:
        return
    name = run_paths.relative(path)
    digest = listed.files.get(name)
    if digest is None:
        expected = "a file that evidence_manifest.json lists"
        raise Invalid(path, expected, "one that it does not", _SYNC)
    if actual != digest:
        expected = f"the file that evidence_manifest.json lists ({digest[:12]})"
        found = f"another ({actual[:12]})"
        raise Invalid(path, expected, found, _SYNC)


def manifest_digests(run_paths: RunPaths) -> evidence.FileDigests | None:
    """Return what the manifest lists; None before there is one. Raises Invalid."""
    path = run_paths.path("evidence_manifest")
    if not disk.is_present(path):
        # Without it no file of a run that was decided on could be told from an edited one.
        if ledger.decision(run_paths.root, run_paths.run) is not None:
            raise Invalid(path, "the manifest of the decision", "nothing there", _SYNC)
        return None
    content = disk.read(path)
    known_content, listed = _manifests.get(path, (None, None))
    if content == known_content:
        return listed
    records.check(run_paths, "evidence_manifest", path, content)
    manifest = json_files.parse(content, path, "evidence_manifest").value
    _check_decision(run_paths, path, manifest)
    listed = evidence.FileDigests.from_manifest(manifest)
    _manifests[path] = content, listed
    return listed


def _check_decision(run_paths: RunPaths, path: Path, manifest: Any) -> None:
    """Raise Invalid when the decision was made on another manifest.

    A manifest that names an accepted change has no decision yet.
    """
    decision = ledger.decision(run_paths.root, run_paths.run)
    if decision is None or manifest["changes"]:
        return
    digest = ledger.evidence_digest(manifest)
    if digest != decision["evidence_sha256"]:
        expected = f"the evidence that row {decision['number']} of the ledger names"
        raise Invalid(path, expected, "other evidence", _SYNC)
