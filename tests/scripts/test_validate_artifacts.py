"""The validator: which schema belongs to a path, everything found on a line of its own, odd files
named.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import validate_artifacts
from harness import factory
from harness.factory import Documents, make_run
from postrun.core.artifacts import ARTIFACTS, Artifact, Home
from postrun.core.locations import PROJECT, RunPaths, workspace_path
from postrun.store import json_files
from validate_artifacts import artifact_at, files_pattern, main

RUN = "audit/workstation_runs/2026-02-21_031500_production_gates_run1"
GATE = "gate_results/production_gates_2026-02-21_031700"


def run1(local: Path, **changes: object) -> Documents:
    """Make a run; each change is `document__key=value`."""

    def spoil(made: Documents) -> None:
        for run_paths, value in changes.items():
            document, _, key = run_paths.partition("__")
            getattr(made, document)[key] = value

    return make_run(local, spoil, tag="run1")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{RUN}/context.json", "context"),
        (f"/srv/quant/{RUN}/result.json", "result"),
        (f"{RUN}/run.pid", "run_pid"),
        (f"{RUN}/monitor_events.jsonl", "monitor_events"),
        (
            f"{RUN}/data_quality/data_quality_2026-02-21_031500/data_quality_report.json",
            "data_quality_report",
        ),
        (f"{GATE}/production_gates_report.json", "production_gates_report"),
        (f"{RUN}/production_gates_report.json", "production_gates_report"),
        (
            f"{GATE}/statistical/statistical_gates_x/statistical_gates_report.json",
            "statistical_gates_report",
        ),
        ("audit/stage_ledger.jsonl", "stage_ledger"),
        ("/srv/quant/runs/freeze/base.freeze.json", "freeze"),
        (f"{PROJECT}/configs/workstation.json", "workstation"),
        (f"{PROJECT}/configs/workstation.local.json", "workstation.local"),
        ("/somewhere/else/configs/workstation.json", None),
        (f"{RUN}/context.json.bak", None),
        (f"{RUN}/contextXjson", None),
        (f"{RUN}/superseded_evidence/context.json", None),
        (f"{RUN}/data_quality/a/b/data_quality_report.json", None),
        (f"{GATE}/context.json", None),
        ("my_audit/stage_ledger.jsonl", None),
        ("context.json", None),
    ],
)
def test_the_path_decides_the_schema(path: str, name: str | None) -> None:
    found = artifact_at(Path(path))
    assert (found.name if found else None) == name


MACHINE = [
    artifact
    for artifact in ARTIFACTS.values()
    if artifact.schema and artifact.home is not Home.REMOTE
]


@pytest.mark.parametrize("artifact", MACHINE, ids=lambda artifact: artifact.name)
def test_every_noun_with_a_schema_is_found_where_it_lies(artifact: Artifact) -> None:
    """A new noun needs no line in the validator: the path that `layout` gives it is enough."""
    path = RunPaths(Path("/srv/quant"), Path(RUN).name, Path(GATE).name).path(artifact.name)
    assert artifact_at(path) == artifact


def test_a_whole_run_is_valid(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run1(local)
    assert main([str(local)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "6 artifacts checked, 0 findings; 7 other files left alone" in said.err


def test_a_run_of_the_reference_programs_is_valid(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They write lists of columns as one text, and a switch as the text True."""

    def as_they_write(made: Documents) -> None:
        made.data_quality["inputs"].update(
            required_columns="date,ticker,score",
            numeric_columns="score",
            key_columns="date,ticker",
            max_staleness_days=7.0,
        )
        made.data_quality["metrics"]["numeric_issues"] = {}
        made.report["inputs"].update(
            stress_market_cap_strict="True",
            wf_rebalance_mode="None",
            cost_multipliers="1.0,1.5,2.0,",
            decision_tag="",
        )
        made.statistics["focus"] = None
        made.result["exit_code"] = 0.0

    made = make_run(local, as_they_write, tag="run1")
    assert main([str(made.run_dir(local)), str(made.gate_dir(local))]) == 0, capsys.readouterr()


def test_the_ics_of_dates_are_held_row_by_row(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def with_dates(made: Documents) -> None:
        made.dates = factory.dates(made.windows)

    made = make_run(local, with_dates, tag="run1")
    folder = made.gate_dir(local) / "walk_forward_stress/momentum_12_1"
    assert main([str(folder)]) == 0
    path = folder / "ic_by_date.csv"
    path.write_text(path.read_text().replace("2013-02-28", "28.02.2013"))
    assert main([str(path)]) == 4
    assert "ic_by_date.csv: row 2: $.date: '28.02.2013' does not" in capsys.readouterr().out
    path.write_text("date,n\n2013-01-31,9\n")
    assert main([str(path)]) == 4
    assert "expected the columns ic, found only date, n" in capsys.readouterr().out


def test_everything_found_is_printed(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run1(local, result__exit_code="0", context__threads="8", context__notes=["a"])
    assert main([str(local)]) == 4
    lines = capsys.readouterr().out.splitlines()
    run = made.run_dir(local)
    assert sorted(lines) == [
        f"{run}/context.json: $.notes: ['a'] is not of type 'string', 'null'",
        f"{run}/context.json: $.threads: '8' is not of type 'integer', 'null'",
        f"{run}/result.json: $.exit_code: '0' is not of type 'integer'",
    ]


def test_values_that_the_door_admits_are_named(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_run(
        local, lambda made: made.report["gates"].update(overall_pass="false"), tag="run1"
    )
    report = made.gate_dir(local) / "production_gates_report.json"
    assert main([str(report)]) == 4
    assert (
        f"{report}: $.gates.overall_pass: 'false' is not of type 'boolean', 'null'"
        in capsys.readouterr().out
    )


def test_nan_of_other_people_is_a_remark(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make_run(
        local,
        lambda made: made.report["risk_diagnostics"].update(beta_vs_spy=float("nan")),
        tag="run1",
    )
    assert main([str(made.gate_dir(local) / "production_gates_report.json")]) == 0
    assert (
        "$.risk_diagnostics.beta_vs_spy: NaN, read as not measured (null)"
        in capsys.readouterr().err
    )


def test_nan_of_ours_is_a_finding(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = workspace_path(local, "stage_ledger")
    ledger.parent.mkdir()
    ledger.write_text('{"row": NaN}\n')
    assert main([str(ledger)]) == 4
    assert f"{ledger}:1: $.row: NaN, read as not measured (null)" in capsys.readouterr().out


def test_rows_are_numbered(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = workspace_path(local, "stage_ledger")
    ledger.parent.mkdir()
    ledger.write_text('[]\n{"half')
    assert main([str(ledger)]) == 4
    out = capsys.readouterr().out
    assert f"{ledger}:1: $: [] is not of type 'object'" in out
    assert f"{ledger}:2: $: expected a JSON document, found Unterminated string" in out
    assert f"{ledger}:2: $: expected a whole line, found half a line" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a JSON document, found an empty file"),
        (b'{"decision_tag": "run1", "exit', "expected a JSON document, found Unterminated string"),
        (b"\xff\xfe{}", "expected UTF-8 text, found byte 0xff at offset 0"),
        (b"[" * 100_000, "expected a JSON document, found maximum recursion depth exceeded"),
        (b'{"exit_code": 0, "exit_code": 1}', "the key 'exit_code' given twice"),
        (
            b'{"decision_tag": "a", "exit_code": ' + b"9" * 5000 + b"}",
            "expected a JSON document, found Exceeds",
        ),
        (b'"\\ud800\\u001b[2J"', "$: '\\ud800\\x1b[2J' is not of type 'object'"),
    ],
)
def test_odd_content_is_one_clear_line(
    local: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str
) -> None:
    path = run1(local).run_dir(local) / "result.json"
    path.write_bytes(content)
    assert main([str(path)]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{path}: $: ")
    assert words in lines[0]


def test_tables_are_held_row_by_row(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workspace_path(local, "factor_experiment_registry")
    columns = json_files.columns("factor_experiment_registry")
    path.parent.mkdir(parents=True)
    path.write_text(",".join(columns) + "\n" + "," * (len(columns) - 1) + "\n")
    assert main([str(path)]) == 4
    assert f"{path}: row 1: $.run: None is not of type 'string'" in capsys.readouterr().out


def test_a_table_with_other_columns_is_one_clear_line(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = workspace_path(local, "factor_experiment_registry")
    path.parent.mkdir(parents=True)
    path.write_text("run,why\n")
    assert main([str(path)]) == 4
    assert f"{path}: expected the columns run, " in capsys.readouterr().out


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _forbid(path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.chmod(0)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_link, "expected a file of its own, found a symbolic link"),
        (_dangle, "expected a file of its own, found a symbolic link"),
        (_pipe, "expected a file of its own, found something else"),
        (_forbid, "expected a readable file, found: Permission denied"),
    ],
)
def test_odd_files_are_one_clear_line(
    local: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None], words: str
) -> None:
    path = run1(local).run_dir(local) / "result.json"
    spoil(path)
    assert main([str(path)]) == 4
    assert capsys.readouterr().out == f"{path}: $: {words}\n"


def test_a_linked_folder_is_named_and_not_entered(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run1(local, result__exit_code="0").run_dir(local)
    run.rename(local / "moved")
    run.symlink_to(local / "moved")
    assert main([str(local / "audit")]) == 0
    assert f"{run}: a linked folder, not entered" in capsys.readouterr().err


def test_what_is_no_artifact_is_left_alone(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stray = local / "notes.json"
    stray.write_text("not even JSON")
    assert main([str(stray)]) == 0
    assert f"{stray}: not an artifact of this project" in capsys.readouterr().err


def test_a_missing_file_is_named(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = local / RUN / "context.json"
    assert main([str(path)]) == 3
    assert capsys.readouterr().out == f"{path}: $: expected a file, found nothing there\n"


def test_broken_outweighs_missing(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run1(local, result__exit_code=None).run_dir(local)
    assert main([str(run / "nothing.json"), str(run / "result.json")]) == 4
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_local_root_that_is_not_there(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--local-root", str(local / "none")]) == 3
    assert f"{local}/none: expected a folder, found none" in capsys.readouterr().err


def test_without_arguments_configs_and_schemas_are_looked_at_too(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run1(local)
    assert main(["--local-root", str(local)]) == 0
    checked = int(re.findall(r"(\d+) artifacts checked", capsys.readouterr().err)[0])
    assert checked >= 6 + len(list(PROJECT.glob("schemas/*.schema.json")))


def test_a_broken_schema_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(validate_artifacts, "PROJECT", tmp_path)
    broken = tmp_path / "schemas" / "context.schema.json"
    broken.parent.mkdir()
    broken.write_text('{"type": "objekt", "required": "all"}')
    assert main(["--local-root", str(tmp_path)]) == 4
    out = capsys.readouterr().out
    assert f"{broken}: $.type: 'objekt' is not" in out
    assert f"{broken}: $.required: 'all' is not of type 'array'" in out


def test_findings_as_json(local: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run1(local, result__exit_code=None)
    assert main(["--json", str(local)]) == 4
    told = json.loads(capsys.readouterr().out)
    line = f"{made.run_dir(local)}/result.json: $.exit_code: None is not of type 'integer'"
    assert told == {"checked": 6, "findings": [line], "left_alone": 7}


def test_wrong_usage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_a_file_name_that_is_no_text(local: Path) -> None:
    """The real program, since it is the real stdout that cannot print such a name."""
    run = run1(local, result__exit_code=None).run_dir(local)
    odd = Path(os.fsdecode(os.fsencode(run) + b"_\xff"))
    shutil.copytree(run, odd)
    script = [sys.executable, str(PROJECT / "scripts/validate_artifacts.py"), str(odd)]
    done = subprocess.run(script, capture_output=True, text=True, cwd=local, check=False)
    assert done.returncode == 4
    assert "run1_\\udcff/result.json: $.exit_code: None" in done.stdout


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (f"{RUN}/context.json", True),
        (f"sub/{GATE}/production_gates_report.json", True),
        (f"{RUN}/run.log", False),
        (f"{RUN}/governance_audit_check.md", False),
        ("audit/other.json", False),
        ("package.json", False),
    ],
)
def test_hooks_are_called_for_artifacts_only(path: str, meant: bool) -> None:
    assert bool(re.search(files_pattern(*validate_artifacts.VALIDATED_HOMES), path)) is meant


def test_configs_and_schemas_are_for_the_projects_own_hook() -> None:
    own = ("configs/workstation.json", "schemas/context.schema.json")
    assert all(re.search(files_pattern(*Home), path) for path in own)
    assert not any(
        re.search(files_pattern(*validate_artifacts.VALIDATED_HOMES), path) for path in own
    )
