"""The whole flow as a user runs it: real rsync, real processes, a directory and a real sshd as the
workstation.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import build_site
import generate_run_review
import post_run_sync_and_finalize as conductor
from harness import factory, programs
from harness.factory import Documents
from harness.sshd import Sshd
from harness.workspace import Workspace
from postrun.core.artifacts import SITE
from postrun.core.errors import Missing
from postrun.core.request import StepResult

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def workspace(remote: Path, local: Path) -> Workspace:
    return Workspace(remote, local, "local")


@pytest.fixture(params=["local", "ssh"])
def either(request: pytest.FixtureRequest, remote: Path, local: Path) -> Workspace:
    if request.param == "local":
        return Workspace(remote, local, "local")
    server: Sshd = request.getfixturevalue("sshd")
    return Workspace(remote, local, server.host)


def failed(audit: dict[str, Any]) -> set[str]:
    return {name for name, row in audit.items() if row["answer"] in ("fail", "error")}


def test_a_passing_run_is_closed_and_closing_again_changes_no_byte(
    either: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = factory.make_run(either.remote)
    assert either.close() == 0
    assert [row["result"] for row in either.ledger()] == ["pass"]
    before = either.bytes()
    assert either.close() == 0
    assert either.bytes() == before
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert either.close() == 0
    assert either.bytes() == before
    assert failed(either.audit(made)) == set()


def test_every_file_of_the_evidence_comes_home_unchanged(either: Workspace) -> None:
    made = factory.make_run(either.remote)
    either.close()
    for folder in (made.run_dir, made.gate_dir):
        for path in folder(either.remote).rglob("*"):
            if path.is_file():
                copy = folder(either.local) / path.relative_to(folder(either.remote))
                assert copy.read_bytes() == path.read_bytes()


def test_after_a_review_that_could_not_be_written_every_page_links_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> StepResult:
        raise Missing("review", "room to write", "none")

    factory.make_run(workspace.remote)
    with monkeypatch.context() as disturbed:
        disturbed.setattr(generate_run_review, "review", fail)
        assert workspace.close() == 3
    assert workspace.close() == 0
    pages = {path.name: path.read_bytes() for path in (workspace.local / SITE).iterdir()}
    # What it makes when it makes every page.
    assert build_site.main(["--local-root", str(workspace.local)]) == 0
    for name, content in pages.items():
        assert (workspace.local / SITE / name).read_bytes() == content, name
    for name in ("leaderboard", "ledger"):
        assert b"run_review.html" in pages[f"{name}.html"]


def test_a_verdict_of_no_is_closed_all_the_same(either: Workspace) -> None:
    factory.make_run(either.remote, passing=False)
    assert either.close() == 0
    assert [row["result"] for row in either.ledger()] == ["fail"]


def test_other_runs_with_similar_tags_are_never_taken(workspace: Workspace) -> None:
    for number, tag in enumerate(("run1", "run10", "run1_rerun4", "a_run1")):
        factory.make_run(workspace.remote, tag=tag, stamp=f"2026-02-2{number}_010101")
    assert workspace.close("run1") == 0
    (row,) = workspace.ledger()
    assert row["run"] == "2026-02-20_010101_production_gates_run1"
    assert len(list((workspace.local / "audit/workstation_runs").iterdir())) == 1


def nan_beta(made: Documents) -> None:
    made.report["risk_diagnostics"]["beta_vs_spy"] = float("nan")


def honest_nan_beta(made: Documents) -> None:
    nan_beta(made)
    made.report["gates"].update(risk_gate_beta_abs=False, overall_pass=False)


def quoted_notes(made: Documents) -> None:
    made.context = json.dumps(made.context).replace("does momentum", 'does "momentum')


def random_log(made: Documents) -> None:
    made.log = os.urandom(300_000)


def no_data_quality(made: Documents) -> None:
    made.data_quality = None


def absolute_data_quality(made: Documents) -> None:
    made.context["data_quality_report_json"] = (
        "/srv/quant/" + made.context["data_quality_report_json"]
    )


def crashed(made: Documents) -> None:
    made.report, made.result["exit_code"] = None, 137


def edited_verdict(made: Documents) -> None:
    made.report["wf_stress"].update(test_ic_mean=-0.01)


@pytest.mark.parametrize(
    ("change", "code", "result", "fails"),
    [
        (nan_beta, 1, "fail", {"gates_recomputed"}),
        (honest_nan_beta, 0, "fail", set()),
        (quoted_notes, 1, "pass", {"context_readable"}),
        (random_log, 0, "pass", set()),
        (no_data_quality, 1, "pass", {"data_quality_report_found"}),
        (absolute_data_quality, 0, "pass", set()),
        (crashed, 1, "fail", {"exit_code_zero"}),
        (edited_verdict, 1, "fail", {"gates_recomputed"}),
    ],
)
def test_odd_input_ends_in_the_right_verdict(
    workspace: Workspace,
    change: Callable[[Documents], None],
    code: int,
    result: str,
    fails: set[str],
) -> None:
    made = factory.make_run(workspace.remote, change=change)
    assert workspace.close() == code
    assert [row["result"] for row in workspace.ledger()] == [result]
    assert fails <= failed(workspace.audit(made))


def test_half_a_result_is_refused_with_one_line(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    made = factory.make_run(workspace.remote)
    (made.run_dir(workspace.remote) / "result.json").write_text('{"workflow": "production')
    assert workspace.close() == 4
    told = capsys.readouterr().err
    assert "result.json" in told.splitlines()[0]
    assert "Traceback" not in told
    assert not (workspace.local / "audit/stage_ledger.jsonl").exists()


@pytest.mark.parametrize(
    "tag", ["x;touch pwned", "../x", "$(touch pwned)", "x\n", "", "-x", "/a/b", "ä", "x" * 129]
)
def test_a_hostile_tag_is_refused_and_nothing_runs(
    workspace: Workspace,
    tag: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(workspace.remote)
    assert conductor.main([f"--tag={tag}", *workspace.flags("t")[2:]]) == 2
    assert "decision tag" in capsys.readouterr().err
    assert list(workspace.remote.iterdir()) == []


def test_an_unknown_host_key_is_refused_with_one_line(
    sshd: Sshd, remote: Path, local: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    factory.make_run(remote)
    sshd.known_hosts.write_text("")
    assert Workspace(remote, local, sshd.host).close() == 6
    told = capfd.readouterr().err
    assert "Traceback" not in told
    assert "host key" in told


@pytest.mark.skipif(not programs.STATUS.exists(), reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_log(workspace: Workspace) -> None:
    made = factory.make_run(
        workspace.remote, tag="large_log"
    )  # its command line would pass for another test's run
    with (made.run_dir(workspace.remote) / "run.log").open("r+b") as log:
        log.truncate(300 * 2**20)
    os.utime(made.run_dir(workspace.remote) / "result.json", (made.result_modified,) * 2)
    code, most = programs.peak_memory("post_run_sync_and_finalize", *workspace.flags(made.tag))
    assert code == 0
    assert 0 < most < 250 * 1024
