"""Evidence against the manifest, and the manifest against the decision."""

from collections.abc import Iterator

from postrun.core.artifacts import ARCHIVE
from postrun.store import evidence, ledger
from postrun.store.evidence import FileDigests
from postrun.verify import files
from postrun.verify.closed_run import MANIFEST, ClosedRun
from postrun.verify.findings import Finding, broken, listed

_ACCEPT = "put the right file back, or accept this one: --accept-changed-evidence"


def check(run: ClosedRun) -> Iterator[Finding]:
    """Yield each file that is not what the manifest lists, and a manifest of other evidence."""
    if run.manifest is None:
        if run.is_closed:
            actual = files.NOTHING
            if run.path(MANIFEST) in run.present:
                actual = "one that cannot be read"
            yield broken(
                run.path(MANIFEST),
                "a manifest",
                actual,
                run.close_again(),
            )
        return
    yield from _check_files(run)
    yield from _check_decision(run)


def _check_files(run: ClosedRun) -> Iterator[Finding]:
    manifest = FileDigests.from_manifest(run.manifest or {})
    unreadable: dict[str, str] = {}
    on_disk = evidence.digest_local(run.run_paths, unreadable)
    # An archive has a check of its own.
    unreadable.pop(ARCHIVE, None)
    for path, reason in unreadable.items():
        yield broken(
            path,
            "evidence that can be read",
            reason,
            _ACCEPT,
        )
    # rsync copies no links: of a run that was synced they are on the workstation only.
    was_copied = (run.manifest or {})["verified"]
    for path, what in evidence.compare(manifest, on_disk, copied=was_copied).items():
        if any(path == name or path.startswith(f"{name}/") for name in unreadable):
            continue
        expected = _expected(manifest, path)
        actual = what
        if what == "changed" and path in on_disk.files:
            actual = files.shown(on_disk.files[path])
        elif what == "changed" and path in on_disk.links:
            actual = f"a link to {on_disk.links[path]}"
        elif what == "gone":
            actual = files.kind_of(run.run_paths.root / path)
        yield broken(
            path,
            expected,
            actual,
            _ACCEPT,
        )
    for path, target in manifest.links.items():
        if path not in on_disk.links and path not in on_disk.files:
            expected = f"a link to {target}, as on the workstation"
            yield listed(
                path,
                expected,
                "nothing here: links are not copied",
            )


def _expected(manifest: FileDigests, path: str) -> str:
    if path in manifest.files:
        return files.shown(manifest.files[path])
    if path in manifest.links:
        return f"a link to {manifest.links[path]}"
    return "no file, as the manifest lists none"


def _check_decision(run: ClosedRun) -> Iterator[Finding]:
    """Yield what manifest and decision disagree on."""
    manifest = run.manifest or {}
    path = run.path(MANIFEST)
    if manifest["run_folder"] != run.run_paths.run:
        actual = f"that of {manifest['run_folder']}"
        yield broken(
            path,
            f"the manifest of {run.run_paths.run}",
            actual,
        )
    if run.decision is None:
        return
    digest = ledger.evidence_digest(manifest)
    if digest != run.decision["evidence_sha256"]:
        row = f"row {run.decision['number']} of the ledger"
        expected = f"the evidence of {row} ({files.shown(run.decision['evidence_sha256'])})"
        yield broken(
            path,
            expected,
            files.shown(digest),
            run.close_again(),
        )
