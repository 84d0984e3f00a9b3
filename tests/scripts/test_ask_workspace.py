"""`make ask`: SQL over a workspace as it is on disk, with the real DuckDB."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

import ask_workspace
from harness.archive import CHECKS, Archive, registry_row, run_folder
from harness.sealed import Sealed
from postrun.overview.asked_tables import TABLES

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: make setup-ask")

RUN = run_folder("2026-02-21_031500", "one")
OTHER = run_folder("2026-02-22_031500", "two")
FAILED = next(iter(CHECKS))
REGISTRY = "audit/factor_registry/factor_experiment_registry.csv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Leave two closed runs: one audit failed, and a tag that a spreadsheet would run."""
    archive = Archive(tmp_path / "ws")
    for run in (RUN, OTHER):
        archive.audit(run, "momentum", failed=[FAILED] if run == RUN else [])
    archive.put(
        registry_row(RUN, None, audit_passed=False, total=41.5),
        registry_row(OTHER, "=value", audit_passed=True, owner="né\x1b[2J"),
    )
    return archive.root


def ask(root: Path, sql: str, *flags: str) -> int:
    return ask_workspace.main(["--local-root", str(root), "--sql", sql, *flags])


def rows(root: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> list[list[object]]:
    assert ask(root, sql, "--format", "json") == 0
    return [list(row.values()) for row in json.loads(capsys.readouterr().out)]


def test_it_lists_what_can_be_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask_workspace.main(["--local-root", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("table_name ")
    assert "\nregistry " in out
    assert "\naudit_checks       answer " in out


def test_the_registry_has_its_types_nulls_and_texts(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "select factor, total, audit_passed, typeof(high_items) from registry order by run"
    assert b"'=value" in (root / REGISTRY).read_bytes()
    first, second = rows(root, sql, capsys)
    assert first == [None, 41.5, False, "BIGINT"]
    assert second[0] == "=value"


def test_audits_and_checks_join_by_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = """select run, count(*) filter (answer = 'fail') from audits join audit_checks using (run)
             where not passed group by 1 -- of one run"""
    assert rows(root, sql, capsys) == [[RUN, 1]]


def test_a_closed_workspace_answers_from_every_table(
    sealed: Sealed, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in TABLES:
        assert ask(sealed.root, f"select * from {name}", "--format", "json") == 0
        count = len(json.loads(capsys.readouterr().out))
        assert count > 0 or name in ("failure_patterns", "next_run_plan"), name
    sql = "select kind, count(*) from ledger group by 1 order by 1"
    assert rows(sealed.root, sql, capsys) == [["audit", 3], ["decision", 3]]
    sql = "select distinct list_contains(reasons::varchar[], 'x') from ledger where kind='decision'"
    assert rows(sealed.root, sql, capsys) == [[False]]


def test_what_is_not_there_yet_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in TABLES:
        assert rows(tmp_path, f"select count(*) from {name}", capsys) == [[0]]


def test_an_error_in_the_sql_is_one_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(root, "select nosuch\nfrom registry") == 2
    err = capsys.readouterr().err
    assert err.startswith("--sql: expected one SELECT that DuckDB can run, found Binder Error: Ref")
    assert err.count("\n") == 1


def test_a_table_that_is_none_leads_to_the_list(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(root, "select * from registri") == 2
    err = capsys.readouterr().err
    assert "Table with name registri does not exist!" in err
    assert err.endswith("; without --sql all tables are listed\n")


def test_make_is_answered_in_its_words(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTRUN_TARGET", "ask")
    assert ask(root, "install httpfs") == 2
    assert capsys.readouterr().err == "SQL: expected one SELECT statement, found LOAD\n"


@pytest.mark.parametrize("output_format", ["table", "csv", "json"])
def test_a_terminal_obeys_no_cell(
    root: Path,
    output_format: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    sql = "select owner from registry where owner like 'n%'"
    assert ask(root, sql, "--format", output_format) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("\n") in (2, 3)


@pytest.mark.parametrize(
    ("path", "content", "line"),
    [
        (
            REGISTRY,
            b"run,factor\n1,2\n",
            "factor_experiment_registry.csv: expected the columns run",
        ),
        (REGISTRY, b"run,fac\xff", "expected UTF-8 text"),
        ("audit/stage_ledger.jsonl", b'{"number": 1', "stage_ledger.jsonl:1: expected a JSON doc"),
        (f"audit/workstation_runs/{RUN}/governance_audit_check.json", b"[]", "is not of type"),
    ],
)
def test_a_broken_file_is_refused_when_it_is_asked(
    root: Path, path: str, content: bytes, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / path).write_bytes(content)
    assert ask(root, "select 1 from registry, ledger, audits") == 4
    assert line in capsys.readouterr().err
    assert ask(root, "select 1 from failure_patterns") == 0


def test_a_fifo_is_not_waited_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(root / "audit/stage_ledger.jsonl")
    assert ask(root, "select 1 from ledger") == 3
    assert "a FIFO, not a regular file" in capsys.readouterr().err


def test_answers_go_into_new_files(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "select factor, total, audit_passed, audit_passed from registry order by run;"
    for suffix in ("csv", "json", "parquet"):
        path = tmp_path / f"answer.{suffix}"
        assert ask(root, sql, "--out", str(path)) == 0
        assert capsys.readouterr().err == f"wrote {path}\n"
        before = path.read_bytes()
        assert ask(root, sql, "--out", str(path)) == 2
        assert "expected a new file" in capsys.readouterr().err
        assert path.read_bytes() == before
    lines = list(csv.reader(io.StringIO((tmp_path / "answer.csv").read_text())))
    assert lines[:2] == [
        ["factor", "total", "audit_passed", "audit_passed_1"],
        ["", "41.5", "false", "false"],
    ]
    assert lines[2][0] == "'=value"
    assert json.loads((tmp_path / "answer.json").read_text())[1]["factor"] == "=value"
    found = duckdb.sql(f"from '{tmp_path}/answer.parquet'")
    assert list(found.columns) == lines[0]
    assert found.fetchall()[0] == (None, 41.5, False, False)
    assert {path.name for path in tmp_path.iterdir()} == {
        "ws",
        *(f"answer.{suffix}" for suffix in ("csv", "json", "parquet")),
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("audit/a.csv", 2),
        (f"audit/workstation_runs/{RUN}/a.csv", 2),
        ("gate_results/a.json", 2),
        ("link/a.parquet", 2),
        ("a.txt", 2),
        ("nosuch/a.csv", 3),
        ("dangling.csv", 2),
    ],
)
def test_files_that_may_not_be_written(
    root: Path, name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "gate_results").mkdir()
    (root / "link").symlink_to(root / "audit/workstation_runs" / RUN)
    (root / "dangling.csv").symlink_to(root / "nowhere.csv")
    before = sorted(root.rglob("*"))
    assert ask(root, "select 1", "--out", str(root / name)) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(root.rglob("*")) == before


def test_an_error_leaves_no_half_file(root: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "json", "parquet"):
        out = tmp_path / f"a.{suffix}"
        sql = "select cast(factor as int) from registry"
        assert ask(root, sql, "--out", str(out)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["ws"]


def test_nothing_is_written(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert ask(root, "select * from registry, audits, ledger") == 0
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
