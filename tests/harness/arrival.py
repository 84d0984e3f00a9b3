"""Runs in a workspace as detection and sync leave them, without asking a workstation.

Both start a dozen programs for each run. `test_a_quick_arrival_leaves_what_a_sync_leaves` holds
that what is written here is what they write.
"""

from pathlib import Path
from typing import Any

from harness.factory import Documents
from postrun.core import clock
from postrun.core.locations import RunPaths
from postrun.store import documents, evidence, json_files, ledger


def arrive(local: Path, made: Documents, verified: bool = True) -> RunPaths:
    """Detect and sync a run that was made below `local`; return where it is."""
    gate = made.gate_folder if made.report is not None else None
    run_paths = RunPaths(local, made.run_folder, gate)
    _write_detection(run_paths, made)
    _write_manifest(run_paths, verified)
    return run_paths


def _write_detection(run_paths: RunPaths, made: Documents) -> None:
    result = json_files.try_load(run_paths.path("result")).members
    detection = {
        "exit_code": result.get("exit_code"),
        "gate_home": "gate_results",
        "decision_tag": made.tag,
        "run_folder": run_paths.run,
        "run_folders": [run_paths.run],
        "has_context": run_paths.path("context").exists(),
        "gate_folder": run_paths.gate,
        "gate_folder_reason": "the only report of this run",
        "report_candidates": [],
        "utc_offset": "-0700",
        "utc_offset_at_end": None,
        "contradictions": [],
        "notes": [],
        "abandoned": None,
        "overrides": {"run_folder": None, "gate_folder": None},
    }
    documents.write(run_paths, "run_detection", detection)


def _write_manifest(run_paths: RunPaths, verified: bool) -> None:
    present = evidence.digest_local(run_paths)
    files = []
    for path, digest in sorted(present.files.items()):
        size = (run_paths.root / path).stat().st_size
        files.append({"path": path, "size": size, "sha256": digest, "source": "local"})
    links = [{"path": path, "target": target} for path, target in sorted(present.links.items())]
    manifest: dict[str, Any] = {
        "run_folder": run_paths.run,
        "gate_folder": run_paths.gate,
        "files": files,
        "links": links,
        "verified": verified,
        "abandoned": None,
        "changes": [],
    }
    # Evidence may change after a decision only when somebody accepts that.
    if ledger.decision(run_paths.root, run_paths.run) is not None:
        change = {
            "reason": "accepted",
            "at": clock.stamp(clock.now()),
            "files": sorted(present.files),
        }
        manifest["changes"] = [{**change, "kept": [], "in": None}]
    documents.write(run_paths, "evidence_manifest", manifest)
