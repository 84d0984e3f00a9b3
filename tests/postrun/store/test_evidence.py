"""What counts as evidence, and how it differs from its manifest."""

import os
import subprocess
from pathlib import Path

import pytest

from harness.factory import TAG, make_run, put
from postrun.core import artifacts, locations
from postrun.core.artifacts import Home
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import documents, evidence
from postrun.store.evidence import FileDigests

RUN = f"2026-02-21_031500_production_gates_{TAG}"
GATE = "production_gates_2026-02-21_031700"
RUN_PATH = f"audit/workstation_runs/{RUN}"
GATE_PATH = f"gate_results/{GATE}"


@pytest.fixture
def run_paths(local: Path) -> RunPaths:
    """Give a run that lies in the workspace, with its manifest."""
    make_run(local)
    made = RunPaths(local, RUN, GATE)
    found = evidence.digest_local(made)
    rows = [
        {"path": path, "sha256": digest, "size": (local / path).stat().st_size, "source": "bench"}
        for path, digest in found.files.items()
    ]
    document = {
        "run_folder": RUN,
        "gate_folder": GATE,
        "files": rows,
        "links": [],
        "verified": True,
        "changes": [],
    }
    documents.write(made, "evidence_manifest", document)
    return made


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{RUN_PATH}/result.json", True),
        (f"{RUN_PATH}/data_quality/x/data_quality_report.json", True),
        (f"{GATE_PATH}/production_gates_report.json", True),
        (f"{GATE_PATH}/production_gates_report.md", True),
        (f"{RUN_PATH}/sub/run_detection.json", True),
        (f"{GATE_PATH}/sub/superseded_evidence/x", True),
        (f"{RUN_PATH}/run_detection.json.bak", True),
        (f"{RUN_PATH}/.hidden.tmp", True),
        (f"{RUN_PATH}/sub/.run_detection.json.1.ab.tmp", True),
        (f"{RUN_PATH}/run_detection.json", False),
        (f"{RUN_PATH}/evidence_manifest.json", False),
        (f"{RUN_PATH}/monitor_events.jsonl", False),
        (f"{RUN_PATH}/governance_audit_check.md", False),
        (f"{GATE_PATH}/production_gates_final_summary.md", False),
        (f"{RUN_PATH}/production_gates_final_summary.md", False),
        (f"{RUN_PATH}/.evidence_manifest.json.4711.00ff00ff.tmp", False),
        (f"{RUN_PATH}/superseded_evidence/1/{RUN_PATH}/result.json", False),
        (f"{GATE_PATH}/walk_forward_stress/.DS_Store", False),
        (f"{RUN_PATH}/.nfs000000000a1b2c3d00000001", False),
        (f"{RUN_PATH}/.run.log.swp", False),
        (f"{RUN_PATH}/.run.log.swo", False),
        (f"{RUN_PATH}/run.log~", False),
        (f"{GATE_PATH}/deep/er/._walk_forward_summary.csv", False),
        (f"{GATE_PATH}/Thumbs.db", False),
        (f"{GATE_PATH}/.fuse_hidden0000000300000001", False),
        (f"{GATE_PATH}/.#run.log", False),
        (f"{GATE_PATH}/#run.log#", False),
        (f"{GATE_PATH}/walk_forward_stress/alpha~/walk_forward_summary.csv", True),
        (f"{RUN_PATH}/nfs00a1", True),
        (f"{RUN_PATH}/run.swp", True),
        (f"{RUN_PATH}/.hidden", True),
        (f"{RUN_PATH}/governance_audit_check.foreign-0011aaff.json", False),
        (f"{RUN_PATH}/sub/governance_audit_check.foreign-0011aaff.json", True),
        (f"{RUN_PATH}/context.foreign-0011aaff.json", True),
        ("result.json", False),
        ("", False),
    ],
)
def test_what_is_evidence(path: str, expected: bool) -> None:
    assert evidence.is_evidence(path) is expected


def test_paths_that_are_no_evidence_are_matched_by_grep_too() -> None:
    """The monitor leaves them out on the workstation by the same list."""
    paths = [
        *(f"{RUN_PATH}/.nfs00a1", f"{GATE_PATH}/deep/.run.log.swp", f"{GATE_PATH}/#run.log#"),
        *(f"{RUN_PATH}/run_detection.json", f"{RUN_PATH}/.run_detection.json.1.ab.tmp"),
        *(f"{RUN_PATH}/superseded_evidence/1/run.log", f"{RUN_PATH}/governance_audit_check.md"),
        *(f"{RUN_PATH}/run.log", f"{RUN_PATH}/.run.log.1.tmp", f"{GATE_PATH}/a~/x.csv"),
        *(f"{GATE_PATH}/sub/run_detection.json", f"{GATE_PATH}/my_run_detection.json"),
    ]
    lines = "".join(f"12@34@56@{path}\n" for path in paths)
    command = ["grep", "-v", "-E", evidence.not_evidence()]
    kept = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    assert kept.stderr == ""
    counted = [line.rpartition("@")[2] for line in kept.stdout.splitlines()]
    assert counted == [path for path in paths if evidence.is_evidence(path)]


def test_litter_in_an_early_manifest_does_not_count(run_paths: RunPaths) -> None:
    manifest = documents.read(run_paths, "evidence_manifest")
    litter = {**manifest["files"][0], "path": f"{RUN_PATH}/.run.log.swp"}
    manifest["files"].append(litter)
    listed = FileDigests.from_manifest(manifest)
    assert evidence.compare(listed, evidence.digest_local(run_paths), copied=True) == {}


def test_nothing_that_this_project_writes_is_evidence() -> None:
    for name in artifacts.generated(Home.RUN, Home.GATE):
        assert not evidence.is_evidence(f"{RUN_PATH}/{name}")
        assert evidence.is_evidence(f"{RUN_PATH}/sub/{name}"), "the far side's own"


def test_contents_skip_what_is_no_regular_file(local: Path) -> None:
    put(local / RUN_PATH / "a", b"a")
    os.mkfifo(local / RUN_PATH / "fifo")
    (local / RUN_PATH / "out").symlink_to("/etc/passwd")
    (local / RUN_PATH / "folder").symlink_to("../..", target_is_directory=True)
    (local / RUN_PATH / "empty").mkdir()
    found = evidence.digest_local(RunPaths(local, RUN, GATE))
    assert list(found.files) == [f"{RUN_PATH}/a"]
    assert found.links == {f"{RUN_PATH}/out": "/etc/passwd", f"{RUN_PATH}/folder": "../.."}


def test_the_gate_folder_is_left_out_when_there_is_none(local: Path) -> None:
    make_run(local)
    assert all(
        path.startswith(RUN_PATH)
        for path in evidence.digest_local(RunPaths(local, RUN, None)).files
    )
    assert evidence.folders(RunPaths(local, RUN, None)) == [RUN_PATH]
    assert evidence.digest_local(
        RunPaths(local, "2026-01-01_000000_production_gates_x", None)
    ) == FileDigests({}, {})


def differences(run_paths: RunPaths) -> dict[str, str]:
    """Return how the local evidence differs from its manifest."""
    manifest = documents.read(run_paths, "evidence_manifest")
    listed = FileDigests.from_manifest(manifest)
    return evidence.compare(listed, evidence.digest_local(run_paths), copied=True)


def test_untouched_evidence_does_not_differ(run_paths: RunPaths) -> None:
    put(run_paths.path("run_detection"), b"{}")
    put(run_paths.path("production_gates_final_summary"), b"#")
    assert differences(run_paths) == {}


def test_differences_are_all_named(run_paths: RunPaths, local: Path) -> None:
    (local / RUN_PATH / "result.json").write_text("{}")
    (local / GATE_PATH / "cost_stress_results.csv").unlink()
    put(local / GATE_PATH / "walk_forward_stress/zzz/walk_forward_summary.csv", b"made up")
    assert differences(run_paths) == {
        f"{RUN_PATH}/result.json": "changed",
        f"{GATE_PATH}/cost_stress_results.csv": "gone",
        f"{GATE_PATH}/walk_forward_stress/zzz/walk_forward_summary.csv": "added",
    }


def test_a_change_that_keeps_size_and_time_is_found(run_paths: RunPaths, local: Path) -> None:
    path = local / RUN_PATH / "run.log"
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(differences(run_paths).values()) == ["changed"]


def test_a_link_in_place_of_a_file_is_found(run_paths: RunPaths, local: Path) -> None:
    path = local / RUN_PATH / "result.json"
    path.rename(local / "elsewhere.json")
    path.symlink_to(local / "elsewhere.json")
    assert list(differences(run_paths).values()) == ["changed"]


@pytest.mark.parametrize(
    ("known", "found", "copied", "expected"),
    [
        ({"l": "t"}, {}, True, []),
        ({"l": "t"}, {}, False, [("l", "gone")]),
        ({"l": "t"}, {"l": "u"}, True, [("l", "changed")]),
        ({}, {"l": "t"}, True, [("l", "added")]),
        ({"l": "t"}, {"l": "t"}, False, []),
    ],
)
def test_links(
    known: dict[str, str], found: dict[str, str], copied: bool, expected: list[tuple[str, str]]
) -> None:
    changed = evidence.compare(FileDigests({}, known), FileDigests({}, found), copied)
    assert list(changed.items()) == expected


def test_a_file_where_a_link_was_is_no_missing_link() -> None:
    changed = evidence.compare(
        FileDigests({}, {"l": "t"}), FileDigests({"l": "digest"}, {}), copied=True
    )
    assert changed == {"l": "changed"}
    target_like_a_digest = FileDigests({}, {"l": "digest"})
    assert evidence.compare(FileDigests({"l": "digest"}, {}), target_like_a_digest, copied=True)


def test_evidence_that_vanishes_is_one_line(local: Path) -> None:
    with pytest.raises(
        Invalid, match="expected evidence that can be read, found No such file or directory"
    ):
        evidence.digest_file(local / "gone")


def test_odd_names_come_back_as_they_were(local: Path) -> None:
    names = [os.fsdecode(name) for name in (b"two\nlines", b"latin-\xe9", b"back\\slash", b"it's")]
    for name in names:
        put(local / RUN_PATH / name, b"x")
    run_paths = RunPaths(local, RUN, None)
    found = evidence.digest_local(run_paths)
    rows = [
        {"path": path, "sha256": digest, "size": 1, "source": "bench"}
        for path, digest in found.files.items()
    ]
    document = {
        "run_folder": RUN,
        "gate_folder": None,
        "files": rows,
        "links": [],
        "verified": True,
        "changes": [],
    }
    documents.write(run_paths, "evidence_manifest", document)
    assert (
        evidence.FileDigests.from_manifest(documents.read(run_paths, "evidence_manifest")) == found
    )
    assert differences(run_paths) == {}


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("/srv/quant/gate_results/g1/a/b.csv", "gate_results/g1/a/b.csv"),
        ("gate_results/g1/b.csv", "gate_results/g1/b.csv"),
        ("gate_results/g2/b.csv", None),
        ("gate_results/g1", None),
        ("gate_results/g1/../g2/b.csv", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_what_the_workstation_names_is_found_below_our_copy(
    named: object, found: str | None
) -> None:
    assert evidence.local_path(locations.GATES, "g1", named) == found
    assert evidence.local_path(locations.GATES, None, named) is None
