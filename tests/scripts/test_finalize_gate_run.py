"""Step 4: the decision, its row in the ledger, and the page.

Each recorded once, whatever the day.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import finalize_gate_run
import post_run_sync_and_finalize as conductor
from harness import arrival, factory
from harness.factory import Documents
from harness.golden import Golden
from harness.workspace import decisions
from postrun.core import version
from postrun.store import configuration, ledger

EPOCH = "1771700000"  # 2026-02-21T18:53:20Z
Change = Callable[[Documents], object]
Home = Callable[..., Documents]


@pytest.fixture
def home(local: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a function that puts a run into the workspace, with its manifest."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)

    def bring(change: Change | None = None, **options: Any) -> Documents:
        made = factory.make_run(local, change=change, **options)
        arrival.arrive(local, made, verified=False)
        return made

    return bring


def flags(local: Path, tag: str = factory.TAG) -> list[str]:
    return ["--tag", tag, "--local-root", str(local)]


def close(local: Path, *more: str, tag: str = factory.TAG) -> int:
    return finalize_gate_run.main([*flags(local, tag), *more])


def rows(local: Path) -> list[dict[str, Any]]:
    return decisions(local)


def page(local: Path, made: Documents) -> str:
    folder = made.gate_dir(local) if made.report is not None else made.run_dir(local)
    return (folder / "production_gates_final_summary.md").read_text()


def everything(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and ".locks" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def as_crashed(made: Documents) -> None:
    made.report, made.cost_rows, made.windows, made.statistics = None, [], [], None
    made.result["exit_code"] = 137


def test_a_pass_is_recorded(home: Home, local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = home()
    capsys.readouterr()
    assert close(local) == 0
    run = f"audit/workstation_runs/{made.run_folder}"
    (row,) = rows(local)
    digest = row.pop("evidence_sha256")
    manifest = json.loads((made.run_dir(local) / "evidence_manifest.json").read_text())
    assert digest == ledger.evidence_digest(manifest)
    assert row == {
        "schema_version": 2,
        "kind": "decision",
        "program_version": version.program_version(),
        "writer": None,
        "number": 1,
        "date": "2026-02-21",
        "stage": "production_gates",
        "decision_tag": made.tag,
        "owner": "hui",
        "objective": "does momentum survive costs",
        "command_ref": f"{run}/command.sh",
        "artifact_ref": f"gate_results/{made.gate_folder}/production_gates_report.json",
        "result": "pass",
        "next_action": "governance audit, then committee review",
        "run": made.run_folder,
        "reasons": [],
        "corrects": None,
        "recorded_at": "2026-02-21T18:53:20Z",
        "previous_sha256": None,
    }
    told = capsys.readouterr()
    assert told.err == "finalize-gate-run: pass, entered as ledger row 1\n"
    written = [Path(line) for line in told.out.splitlines()]
    assert [path.name for path in written] == [
        "stage_ledger.jsonl",
        "STAGE_AUDIT_LOG.md",
        "production_gates_final_summary.md",
    ]
    assert all(path.is_file() for path in written)
    assert ledger.verify(local) == []


def test_the_pages_are_the_golden_ones(home: Home, local: Path, golden: Golden) -> None:
    made = home()
    close(local)
    golden("production_gates_final_summary.md", page(local, made))
    view = (local / "docs/production_research/STAGE_AUDIT_LOG.md").read_text()
    # The row names the program's commit.
    view = re.sub("sha256=[0-9a-f]{64}", "sha256=<the last row's>", view)
    golden("stage_audit_log.md", view)


def test_the_users_own_log_has_its_stage_name_and_no_second_heading(
    home: Home, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**configuration.workstation(), "ledger_stage": "S3 Production Gates"}
    monkeypatch.setattr(configuration, "workstation", lambda: settings)
    columns = " | ".join(ledger.COLUMNS)
    above = (
        f"# Stage Audit Log\n\n## Ledger\n\n| {columns} |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    above += "| 2026-01-05 | S3 Production Gates | mine | me | x | x | x | pass | x |\n"
    below = "\n## Update Rule\n\n- never delete rows\n"
    path = local / "docs/production_research/STAGE_AUDIT_LOG.md"
    path.parent.mkdir(parents=True)
    path.write_text(above + below)
    home()
    assert close(local) == 0
    assert [row["stage"] for row in rows(local)] == ["S3 Production Gates"]
    text = path.read_text()
    assert text.startswith(above)
    assert text.endswith(below)
    assert "| 2026-02-21 | S3 Production Gates | " in text
    assert "## Stage ledger" not in text


def test_a_second_time_changes_no_byte_on_another_day_either(
    home: Home, local: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home()
    close(local, "--objective", "find out")
    before = everything(local)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert close(local) == 0
    assert everything(local) == before
    assert "pass, as in ledger row 1" in capsys.readouterr().err


def skip_risk(made: Documents) -> None:
    made.report["inputs"]["skip_risk_diagnostics"] = True
    made.report["risk_diagnostics"] = {"ok": False, "reason": "skipped"}
    for gate in made.report["gates"]:
        if gate.startswith("risk_"):
            made.report["gates"][gate] = None


def old_spelling(made: Documents) -> None:
    made.report["gate"], made.report["args"] = made.report.pop("gates"), made.report.pop("inputs")


def put(document: str, *path: str, **values: Any) -> Change:
    def change(made: Documents) -> None:
        found = getattr(made, document)
        for step in path:
            found = found[step]
        found.update(values)

    return change


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (old_spelling, []),
        (put("result", exit_code=3), ["exit code 3"]),
        (as_crashed, ["exit code 137", "no gate report"]),
        (
            put("report", "gates", overall_pass=False),
            ["overall_pass is false", "overall_pass is reported false, recomputed true"],
        ),
        (
            put("report", "gates", overall_pass=None),
            ["overall_pass is null", "overall_pass is reported null, recomputed true"],
        ),
        (
            put("report", "wf_stress", test_ic_mean=-0.01),
            [
                "failed: wf_gate_positive_mean",
                "wf_gate_positive_mean is reported true, recomputed false",
                "overall_pass is reported true, recomputed false",
            ],
        ),
        (
            put("report", "risk_diagnostics", beta_vs_spy=float("nan")),
            [
                "failed: risk_gate_beta_abs",
                "risk_gate_beta_abs is reported true, recomputed false",
                "overall_pass is reported true, recomputed false",
            ],
        ),
        (skip_risk, ["not official: skip_risk_diagnostics"]),
        (put("report", "inputs", dry_run=True), ["not official: dry_run"]),
        (
            put("report", "inputs", skip_guardrails=True, dry_run=True),
            ["not official: dry_run, skip_guardrails"],
        ),
    ],
)
def test_every_reason_is_named(home: Home, local: Path, change: Change, reasons: list[str]) -> None:
    made = home(change)
    assert close(local) == 0
    (row,) = rows(local)
    assert row["reasons"] == reasons
    assert row["result"] == ("fail" if reasons else "pass")
    assert row["next_action"].startswith("governance audit")
    assert all(f"\n- {reason}\n" in page(local, made) for reason in reasons)


def test_an_honest_fail_names_the_gates_that_failed(home: Home, local: Path) -> None:
    home(passing=False)
    close(local)
    (row,) = rows(local)
    assert row["reasons"] == [
        "overall_pass is false",
        "failed: wf_gate_positive_mean, wf_gate_pos_ratio",
    ]


def test_a_report_of_another_run_is_no_ground_for_a_pass(
    home: Home, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home()
    other = home(tag="other", stamp="2026-02-22_010101")
    report = other.gate_dir(local) / "production_gates_report.json"
    assert close(local, "--report-json", str(report)) == 4
    said = capsys.readouterr().err
    assert f"{report}: expected a file that evidence_manifest.json lists, found one" in said
    assert not (local / "audit/stage_ledger.jsonl").exists()


def test_a_run_without_a_report_is_closed_in_its_own_folder(home: Home, local: Path) -> None:
    made = home(as_crashed)
    assert close(local) == 0
    (row,) = rows(local)
    assert row["artifact_ref"] == f"audit/workstation_runs/{made.run_folder}"
    text = page(local, made)
    assert "no gate was evaluated" in text
    assert "| factor | momentum_12_1 |" in text, "the command names it"
    assert "| strategy | not known |" in text


def test_gates_that_were_not_evaluated_are_said_so(home: Home, local: Path) -> None:
    made = home(skip_risk)
    close(local)
    line = next(
        line for line in page(local, made).splitlines() if line.startswith("| risk_gate_beta_abs")
    )
    assert line.count("not evaluated") == 2
    assert "not measured" in line
    assert "The stage is not ok: skipped." in page(local, made)


def quoted_notes(made: Documents) -> None:
    made.context = json.dumps(made.context).replace("does momentum", 'does "momentum')


def no_context(made: Documents) -> None:
    made.context = None


@pytest.mark.parametrize("change", [quoted_notes, no_context])
def test_without_a_readable_context_the_gate_report_says_who_and_why(
    home: Home, local: Path, change: Change
) -> None:
    made = home(change)
    assert close(local) == 0
    (row,) = rows(local)
    words = (row["owner"], row["objective"], row["result"])
    assert words == ("hui", "does momentum survive costs", "pass")
    assert "| owner | hui (from the gate report: there is no context.json" in page(local, made)


def test_without_context_and_report_the_command_says_who_and_why(home: Home, local: Path) -> None:
    def crashed(made: Documents) -> None:
        no_context(made)
        made.report, made.result["exit_code"] = None, 1

    made = home(crashed)
    command = made.run_dir(local) / "command.sh"
    command.write_text("python gates.py --owner desk --notes weekly\\ check \n")
    arrival.arrive(local, made, verified=False)
    assert close(local) == 0
    (row,) = rows(local)
    assert (row["owner"], row["objective"]) == ("desk", "weekly check")
    assert "| owner | desk (from command.sh: " in page(local, made)


def test_a_context_that_names_nobody_leaves_the_words_null(home: Home, local: Path) -> None:
    made = home(put("context", owner="", notes=""))
    assert close(local) == 0
    (row,) = rows(local)
    assert (row["owner"], row["objective"], row["result"]) == (None, None, "pass")
    assert "| owner | not recorded |" in page(local, made)


def test_without_a_command_there_is_no_reference_to_one(home: Home, local: Path) -> None:
    made = home(no_context)
    (made.run_dir(local) / "command.sh").unlink(missing_ok=True)
    close(local)
    assert rows(local)[0]["command_ref"] is None
    assert "| command | none |" in page(local, made)


def test_the_objective_can_be_set(home: Home, local: Path) -> None:
    made = home()
    assert close(local, "--objective", "does it *really* survive | costs") == 0
    assert rows(local)[0]["objective"] == "does it *really* survive | costs"
    assert r"does it \*really\* survive \| costs" in page(local, made)


def test_new_evidence_gives_a_new_row_that_names_the_one_it_corrects(
    home: Home, local: Path
) -> None:
    made = home()
    close(local)
    home(tag="between", stamp="2026-02-22_010101")
    close(local, tag="between")
    (made.gate_dir(local) / "walk_forward_stress/late.csv").write_text("a\n1\n")
    assert (
        conductor.main(
            [*flags(local), "--no-sync", "--to", "sync-run", "--accept-changed-evidence", "late"]
        )
        == 0
    )
    assert close(local) == 0
    found = rows(local)
    assert [row["corrects"] for row in found] == [None, None, 1]
    assert found[0]["evidence_sha256"] != found[2]["evidence_sha256"]
    assert "corrects row 1" in page(local, made)
    assert "because: late" in page(local, made)
    view = (local / "docs/production_research/STAGE_AUDIT_LOG.md").read_text()
    assert "pass (row 3, corrects row 1)" in view
    assert close(local) == 0
    assert len(rows(local)) == 3


def test_another_result_gives_a_new_row(home: Home, local: Path) -> None:
    made = home()
    close(local)
    (made.run_dir(local) / "result.json").write_text(json.dumps({**made.result, "exit_code": 1}))
    assert close(local) == 4, "nobody accepted that"
    arrival.arrive(local, made, verified=False)
    assert close(local) == 0
    assert [(row["result"], row["corrects"]) for row in rows(local)] == [
        ("pass", None),
        ("fail", 1),
    ]


def test_alone_on_paths_without_a_detection(
    home: Home, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = home()
    (made.run_dir(local) / "run_detection.json").unlink()
    monkeypatch.chdir(local)
    paths = [
        f"audit/workstation_runs/{made.run_folder}",
        f"gate_results/{made.gate_folder}/production_gates_report.json",
    ]
    code = finalize_gate_run.main(
        ["--run-dir", paths[0], "--report-json", paths[1], "--local-root", "."]
    )
    assert code == 0
    assert rows(local)[0]["result"] == "pass"


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda run, _: (run / "evidence_manifest.json").unlink(), 3, "make sync-run TAG="),
        (lambda run, _: (run / "result.json").unlink(), 3, "result.json"),
        (lambda run, _: (run / "result.json").write_text('{"exit_code": 0'), 4, "result.json"),
        (
            lambda _, gate: (gate / "production_gates_report.json").unlink(),
            3,
            "production_gates_report.json",
        ),
        (
            lambda _, gate: (gate / "production_gates_report.json").write_text("[]"),
            4,
            "production_gates_report.json",
        ),
        (lambda run, _: shutil.rmtree(run), 3, "make finalize"),
    ],
)
def test_what_is_missing_or_broken_is_refused_and_nothing_recorded(
    home: Home,
    local: Path,
    spoil: Callable[[Path, Path], object],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = home()
    spoil(made.run_dir(local), made.gate_dir(local))
    capsys.readouterr()
    assert close(local) == code
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not (local / "audit/stage_ledger.jsonl").exists()
    assert not (local / "docs").exists()


def test_a_broken_chain_is_not_built_upon(
    home: Home, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home(passing=False)
    close(local)
    path = local / "audit/stage_ledger.jsonl"
    forged = {**rows(local)[0], "result": "pass", "reasons": []}
    path.write_text(json.dumps(forged, sort_keys=True) + "\n")
    before = everything(local)
    assert close(local) == 4
    assert "make restore-ledger LOCAL_ROOT=" in capsys.readouterr().err
    assert everything(local) == before


def test_damaged_marks_stop_before_anything_is_written(home: Home, local: Path) -> None:
    home()
    view = local / "docs/production_research/STAGE_AUDIT_LOG.md"
    view.parent.mkdir(parents=True)
    view.write_bytes(ledger.BEGIN + b"\n")
    before = everything(local)
    assert close(local) == 4
    assert everything(local) == before


def test_a_dry_run_writes_nothing(
    home: Home, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home()
    before = everything(local)
    assert close(local, "--dry-run") == 0
    assert everything(local) == before
    assert "pass, entered as ledger row 1" in capsys.readouterr().err


HOSTILE = (
    "x|y\n# no\n`<script>alert(1)</script>` =cmd() [a](javascript:alert(1)) <!-- "
    'stage-ledger:end --> \x1b[31m"'
)


def hostile(made: Documents) -> None:
    made.context.update(owner=HOSTILE, notes=HOSTILE)
    made.report["inputs"].update(factor=HOSTILE, strategy=HOSTILE)
    made.report["risk_diagnostics"].update(ok=False, reason=HOSTILE)


def test_hostile_words_change_nothing_but_their_own_cell(home: Home, local: Path) -> None:
    made = home(hostile)
    close(local)
    close(local)
    view = (local / "docs/production_research/STAGE_AUDIT_LOG.md").read_text()
    for text in (view, page(local, made)):
        assert "\x1b" not in text
        assert "\n# no" not in text
    (line,) = [line for line in view.splitlines() if line.startswith("| 2026-02-21 |")]
    assert line.replace(r"\|", "").count("|") == 11
    assert "<" not in line
    assert "](" not in line.replace(r"\]", "")
    assert rows(local)[0]["owner"] == HOSTILE
    assert ledger.verify(local) == []


def test_the_ledger_shows_every_run_in_the_order_of_recording(home: Home, local: Path) -> None:
    for number in (3, 1, 2):
        tag = f"finalized_run{number}"
        home(tag=tag, stamp=f"2026-02-2{number}_010101")
        close(local, tag=tag)
    view = (local / "docs/production_research/STAGE_AUDIT_LOG.md").read_text()
    table = [line for line in view.splitlines() if line.startswith("| 2026")]
    assert [line.split(" | ")[2] for line in table] == [
        f"finalized_run{number}" for number in (3, 1, 2)
    ]
    assert ledger.verify(local) == []
