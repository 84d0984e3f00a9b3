"""What another program wrote at the path of an artifact is kept beside it, never written over."""

import hashlib
import json
import os
from pathlib import Path

import pytest

import generate_candidate_queue
import update_factor_experiment_registry
import update_failure_pattern_db
from harness.factory import make_run, put
from harness.programs import run_without_root_rights
from harness.signers import Signer
from harness.workspace import Workspace
from postrun.core.artifacts import ARTIFACTS, Home
from postrun.core.locations import RunPaths

REGISTRY = "factor_experiment_registry"
USERS_REGISTRY = (
    b"generated_at,report_json,run_dir,decision_tag,owner,factor,overall_pass,score_total\n"
    b"2026-01-05T10:00:00,/home/a/r.json,/home/a/r1,january,desk,blend_z,True,81.5\n"
)
# Tests side by side must not see each other's processes.
TAG = f"committee_2026-02-21_run4.{os.getpid()}"
RUN = f"2026-02-21_031500_production_gates_{TAG}"
RUN_PATHS = RunPaths(Path(), RUN, "production_gates_2026-02-21_031700")
# Of each kind of artifact that a closing writes whole, in the run's folders and in the workspace.
FOREIGN = {
    REGISTRY: USERS_REGISTRY,
    "factor_candidate_queue": b"rank;factor;why\n1;blend_z;best of January\n",
    "failure_patterns": b"PK\x03\x04 a workbook\xff\xfe",
    "factor_experiment_leaderboard": b"# Factor Experiment Leaderboard\n\n| mine |\n",
    "next_run_plan": b'{"commands": ["bash run.sh"], "notes": "mine"}\n',
    "handoff_readiness": b"[1, 2]\n",
    "governance_audit_check": b'{"overall": "pass", "issues": []}\n',
    "production_gates_final_summary": b"# Production Gates Final Summary\n\nmine\n",
}


@pytest.fixture
def workspace(remote: Path, local: Path) -> Workspace:
    make_run(remote, tag=TAG)
    return Workspace(remote, local)


def beside(path: Path, content: bytes) -> Path:
    digest = hashlib.sha256(content).hexdigest()
    return path.with_name(f"{path.stem}.foreign-{digest[:8]}{path.suffix}")


def test_a_closing_keeps_every_foreign_file_and_writes_ours(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in FOREIGN.items():
        put(workspace.local / RUN_PATHS.path(name), content)
    assert workspace.close(TAG) == 0
    lines = capsys.readouterr().err.splitlines()
    for name, content in FOREIGN.items():
        path = workspace.local / RUN_PATHS.path(name)
        kept = beside(path, content)
        assert kept.read_bytes() == content
        assert path.read_bytes() != content
        assert lines.count(f"{path}: another program wrote it; kept as {kept.name}") == 1
    before = workspace.bytes()
    assert workspace.close(TAG) == 0
    assert workspace.bytes() == before
    assert "another program" not in capsys.readouterr().err


def test_the_same_content_is_kept_once_and_a_changed_copy_stays(workspace: Workspace) -> None:
    path = workspace.local / RUN_PATHS.path(REGISTRY)
    kept = beside(path, USERS_REGISTRY)
    put(path, USERS_REGISTRY)
    path.chmod(0o640)
    assert workspace.close(TAG) == 0
    assert kept.stat().st_mode & 0o777 == 0o640
    put(path, USERS_REGISTRY)
    assert workspace.close(TAG) == 0
    assert list(path.parent.glob("*.foreign-*")) == [kept]
    kept.write_bytes(b"noted in it: January is settled\n")
    put(path, USERS_REGISTRY)
    assert workspace.close(TAG) == 0
    contents = {other.read_bytes() for other in path.parent.glob("*.foreign-*")}
    assert contents == {USERS_REGISTRY, b"noted in it: January is settled\n"}


def test_a_table_that_shares_many_columns_is_still_foreign(workspace: Workspace) -> None:
    path = workspace.local / RUN_PATHS.path("failure_patterns")
    users = b"factor,check,family,severity,state,first_seen,last_seen,mine\nx,y,z,High,open,1,2,3\n"
    put(path, users)
    assert workspace.close(TAG) == 0
    assert beside(path, users).read_bytes() == users
    own_columns = ",".join(f"mine{number}" for number in range(9)).encode()
    wider = path.read_bytes().replace(b"\n", b"," + own_columns + b"\n")
    put(path, wider)
    assert workspace.close(TAG) == 0
    assert beside(path, wider).read_bytes() == wider


def test_a_document_with_a_version_and_a_time_is_still_foreign(workspace: Workspace) -> None:
    path = workspace.local / RUN_PATHS.path("next_run_plan")
    users = b'{"schema_version": 1, "generated_at": "2026-01-05", "a": 1, "b": 2, "c": 3}'
    put(path, users)
    assert workspace.close(TAG) == 0
    assert beside(path, users).read_bytes() == users


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (update_factor_experiment_registry, REGISTRY),
        (update_failure_pattern_db, "failure_patterns"),
    ],
)
def test_a_rebuild_keeps_a_foreign_table(workspace: Workspace, script: object, name: str) -> None:
    assert workspace.close(TAG) == 0
    path = workspace.local / RUN_PATHS.path(name)
    ours = path.read_bytes()
    put(path, FOREIGN[name])
    flags = ["--rebuild", "--local-root", str(workspace.local)]
    assert script.main([*flags, "--dry-run"]) == 0  # type: ignore[attr-defined]
    assert path.read_bytes() == FOREIGN[name]
    assert not beside(path, FOREIGN[name]).exists()
    assert script.main(flags) == 0  # type: ignore[attr-defined]
    assert path.read_bytes() == ours
    assert beside(path, FOREIGN[name]).read_bytes() == FOREIGN[name]


def test_a_step_that_only_reads_a_foreign_table_refuses(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace.local / RUN_PATHS.path(REGISTRY)
    put(path, USERS_REGISTRY)
    assert generate_candidate_queue.main(["--local-root", str(workspace.local)]) == 4
    message = "expected a table of this project, found another program's; register a run first"
    assert f"{path}: {message}" in capsys.readouterr().err
    assert path.read_bytes() == USERS_REGISTRY


def broken(content: bytes) -> dict[str, bytes]:
    """Return a table of ours as accidents leave it."""
    header, rows = content.split(b"\n", 1)
    return {
        "no header": rows,
        "a column less": content.replace(b"run,", b"", 1),
        "a conflict": b"<<<<<<< HEAD\n" + content + b"=======\n>>>>>>> other\n",
        "semicolons": content.replace(b",", b";"),
        "quoted": b'"' + header.replace(b",", b'","') + b'"\r\n',
        "half a header": header[: len(header) // 2] + b"\n" + rows,
        "latin": content + b"\xe9\n",
    }


@pytest.mark.parametrize("how", broken(b"a,b\nc\n"))
def test_a_broken_table_of_ours_is_not_foreign(workspace: Workspace, how: str) -> None:
    assert workspace.close(TAG) == 0
    path = workspace.local / RUN_PATHS.path(REGISTRY)
    put(path, broken(path.read_bytes())[how])
    assert workspace.close(TAG) in (0, 4)
    assert list(path.parent.glob("*.foreign-*")) == []


@pytest.mark.parametrize("name", ["next_run_plan", "governance_audit_check"])
@pytest.mark.parametrize("length", [10, 200, -3])
def test_half_a_document_of_ours_is_not_foreign(
    workspace: Workspace, name: str, length: int
) -> None:
    assert workspace.close(TAG) == 0
    path = workspace.local / RUN_PATHS.path(name)
    content = path.read_bytes()
    put(path, content[:length] if length != 10 else b" \n")
    assert workspace.close(TAG) == 0
    assert json.loads(path.read_bytes()).keys() == json.loads(content).keys()
    assert list(path.parent.glob("*.foreign-*")) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    workspace: Workspace, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace.local / RUN_PATHS.path(name)
    put(path, FOREIGN[name])
    path.chmod(0)
    assert workspace.close(TAG) == 3
    assert f"{path}: expected a file that can be read" in capsys.readouterr().err
    path.chmod(0o600)
    assert path.read_bytes() == FOREIGN[name]


def test_every_generated_file_name_can_be_kept_beside() -> None:
    """The evidence leaves out `<name>.foreign-*<suffix>`: a name has one dot."""
    for artifact in ARTIFACTS.values():
        # What is signed is in a folder of its own, and never written again.
        is_signed = "/" in artifact.file
        if artifact.generated and artifact.home in (Home.RUN, Home.GATE) and not is_signed:
            assert all(name.count(".") == 1 for name in artifact.files)


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        ("check_session_handoff_readiness", "audit/session_handoff"),
        ("execute_next_run_plan", "audit/factor_registry"),
        ("finalize_gate_run", "gate_results/*"),
        ("governance_audit_checker", "audit/workstation_runs/*"),
        ("seal_ledger", "audit/workstation_runs/*"),
        ("update_failure_pattern_db", "audit/failure_patterns"),
    ],
)
def test_a_folder_that_may_not_be_entered_is_one_line(
    remote: Path, local: Path, tmp_path: Path, script: str, folder: str
) -> None:
    make_run(remote, tag=TAG)
    workspace = Workspace(remote, local)
    assert workspace.close(TAG) == 0
    signer = Signer.make(tmp_path / "keys", "hui")
    flags = {
        "seal_ledger": ["--local-root", str(local), "--key", str(signer.key)],
        "execute_next_run_plan": ["--rank", "1", *workspace.flags(TAG)],
    }
    (closed_folder,) = local.glob(folder)
    closed_folder.chmod(0)
    done = run_without_root_rights(script, *flags.get(script, workspace.flags(TAG)))
    closed_folder.chmod(0o755)
    assert done.code in (3, 4)
    (line,) = done.err.splitlines()
    assert "Permission denied" in line
