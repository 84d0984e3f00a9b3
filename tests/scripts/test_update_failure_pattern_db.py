"""The failure patterns: what counts as one, what becomes of it, and that no order of closing has a
say.
"""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

import update_failure_pattern_db as patterns
from harness.archive import CHECKS, Archive, run_folder
from harness.golden import Golden
from postrun.core import locations
from postrun.store import json_files

TABLE, SUMMARY = "failure_patterns", "failure_pattern_summary"
MON, TUE, WED = (f"2026-02-{day}_031500" for day in (16, 17, 18))
A, B, C = (run_folder(stamp, "t") for stamp in (MON, TUE, WED))


@pytest.fixture
def archive(local: Path) -> Archive:
    return Archive(local)


def tally(archive: Archive, run: str, *flags: str) -> int:
    where = [
        "--run-dir",
        str(archive.root / locations.RUNS / run),
        "--report-json",
        "gate_results/none/x.json",
    ]
    where[3] = str(
        archive.root / locations.GATES / "production_gates_none" / "production_gates_report.json"
    )
    return patterns.main([*where, "--local-root", str(archive.root), *flags])


def rebuild(archive: Archive) -> int:
    return patterns.main(["--rebuild", "--local-root", str(archive.root)])


def both(archive: Archive) -> tuple[bytes, bytes]:
    return archive.read(TABLE), archive.read(SUMMARY)


def states(archive: Archive) -> dict[tuple[str, str], tuple[str, int]]:
    return {
        (row["run"], row["check"]): (row["state"], row["recurrence"])
        for row in archive.table(TABLE)
    }


def test_one_failed_run(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    assert tally(archive, A) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        str(locations.workspace_path(archive.root, artifact)) for artifact in (TABLE, SUMMARY)
    ]
    assert "1 failure, 0 of them seen before with this factor; 1 in all" in err
    assert archive.table(TABLE) == [
        {
            "run": A,
            "started": MON,
            "decision_tag": "t",
            "factor": "momentum",
            "check": "exit_code_zero",
            "family": "Runtime",
            "severity": "High",
            "answer": "fail",
            "observed": "exit_code_zero: fail as seen",
            "state": "open",
            "recurrence": 1,
            "first_seen": MON,
            "last_seen": MON,
        }
    ]


def test_five_runs_with_one_failure_are_one_pattern(archive: Archive) -> None:
    runs = [run_folder(f"2026-02-{day}_031500") for day in range(10, 15)]
    for run in runs:
        archive.close(run, "momentum", failed=("exit_code_zero",))
        assert tally(archive, run) == 0
    rows = archive.table(TABLE)
    assert [row["run"] for row in rows] == runs
    told = {(row["recurrence"], row["first_seen"], row["last_seen"], row["state"]) for row in rows}
    assert told == {(5, "2026-02-10_031500", "2026-02-14_031500", "open")}
    (line,) = patterns.summarise(rows)
    assert (line["runs"], line["first_seen"], line["last_seen"]) == (
        5,
        "2026-02-10_031500",
        "2026-02-14_031500",
    )
    assert line["factors"] == ["momentum"]


def test_closing_again_counts_once(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    tally(archive, A)
    before = both(archive)
    assert tally(archive, A) == 0
    assert both(archive) == before


def test_a_later_pass_resolves_and_a_later_failure_regresses(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    archive.close(B, "momentum")
    tally(archive, A)
    assert states(archive) == {(A, "exit_code_zero"): ("resolved", 1)}, (
        "B is in the registry already"
    )
    archive.close(C, "momentum", failed=("exit_code_zero",))
    tally(archive, C)
    assert states(archive) == {
        (A, "exit_code_zero"): ("regressed", 2),
        (C, "exit_code_zero"): ("regressed", 2),
    }


def test_another_factor_resolves_nothing(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    archive.close(B, "reversal")
    tally(archive, A)
    tally(archive, B)
    assert states(archive) == {(A, "exit_code_zero"): ("open", 1)}


def test_what_was_skipped_says_nothing(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("data_quality_passed",))
    archive.close(B, "momentum", failed=("data_quality_ran",), skipped=("data_quality_passed",))
    for run in (A, B):
        tally(archive, run)
    assert states(archive) == {
        (A, "data_quality_passed"): ("open", 1),
        (B, "data_quality_ran"): ("open", 1),
    }


def test_runs_without_a_factor_are_not_one_factor(archive: Archive) -> None:
    archive.close(A, None, failed=("report_files_present",))
    archive.close(B, None, failed=("report_files_present",))
    archive.close(C, None)
    for run in (A, B, C):
        tally(archive, run)
    assert set(states(archive).values()) == {("open", 1)}
    (line,) = patterns.summarise(archive.table(TABLE))
    assert (line["runs"], line["nameless"], line["factors"]) == (2, 2, [])
    assert line["count"] == {"regressed": 0, "open": 2, "settled": 0, "resolved": 0}


def test_closed_again_with_another_audit(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero", "tags_agree"))
    tally(archive, A)
    archive.close(A, "reversal", failed=("tags_agree", "ledger_row_present"))
    tally(archive, A)
    assert [(row["factor"], row["check"]) for row in archive.table(TABLE)] == [
        ("reversal", "ledger_row_present"),
        ("reversal", "tags_agree"),
    ]
    archive.close(A, "reversal")
    tally(archive, A)
    assert archive.table(TABLE) == []
    assert b"No run has failed a check." in archive.read(SUMMARY)


def test_a_run_registered_but_never_tallied_is_made_up_for(archive: Archive) -> None:
    """As when somebody ran step 8 alone: its failures are not lost until it is closed again."""
    archive.close(A, "momentum", failed=("exit_code_zero",))
    archive.close(B, "momentum", failed=("tags_agree",))
    tally(archive, B)
    grown = both(archive)
    assert rebuild(archive) == 0
    assert both(archive) == grown
    assert {row["run"] for row in archive.table(TABLE)} == {A, B}


def test_every_order_of_closing_gives_the_same_bytes(tmp_path: Path) -> None:
    runs: tuple[tuple[str, str | None, tuple[str, ...]], ...] = (
        (A, "momentum", ("exit_code_zero", "tags_agree")),
        (B, "momentum", ("tags_agree",)),
        (C, "momentum", ("exit_code_zero",)),
        (run_folder(MON, "n"), None, ("exit_code_zero",)),
    )
    found = set()
    for number, request in enumerate(itertools.permutations(runs)):
        archive = Archive(tmp_path / str(number))
        for run, factor, failed in request:
            archive.close(run, factor, failed)
            tally(archive, run)
        found.add(both(archive))
    assert len(found) == 1


def test_rebuild_of_mixed_runs_equals_the_increments(local: Path) -> None:
    dice = random.Random(11)
    archive = Archive(local)
    runs = [
        run_folder(f"2025-{1 + i % 12:02d}-{1 + i % 28:02d}_{i % 24:02d}{i % 60:02d}00", f"r{i}")
        for i in range(40)
    ]
    dice.shuffle(runs)
    for run in runs:
        answers = dice.choices(("pass", "fail", "skipped"), (20, 6, 3), k=len(CHECKS))
        failed, skipped = (
            [check for check, answer in zip(CHECKS, answers, strict=True) if answer == wanted]
            for wanted in ("fail", "skipped")
        )
        archive.close(
            run, dice.choice(("momentum", "reversal", "=cmd()", "a|b,\n`c`", None)), failed, skipped
        )
        assert tally(archive, run) == 0
    grown = both(archive)
    rows = archive.table(TABLE)
    assert len(rows) > 100
    assert {row["state"] for row in rows} == {"open", "resolved", "regressed"}
    for artifact in (TABLE, SUMMARY):
        locations.workspace_path(local, artifact).unlink()
    locations.workspace_path(local, "factor_experiment_registry").unlink()
    assert rebuild(archive) == 0
    assert both(archive) == grown
    assert [
        json_files.findings(row, TABLE) for row in rows if json_files.findings(row, TABLE)
    ] == []
    assert rows == sorted(rows, key=lambda row: (row["run"], row["check"]))


def test_rebuild_leaves_out_what_was_not_closed(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    archive.close(B, "momentum", failed=("exit_code_zero",))
    (archive.root / locations.RUNS / B / "governance_remediation_plan.json").unlink()
    assert rebuild(archive) == 0
    assert {row["run"] for row in archive.table(TABLE)} == {A}


def test_rebuild_of_nothing_keeps_the_header(archive: Archive) -> None:
    assert rebuild(archive) == 0
    assert archive.read(TABLE).decode() == ",".join(json_files.columns(TABLE)) + "\n"


def test_long_words_are_cut(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    path = archive.root / locations.RUNS / A / "governance_audit_check.json"
    audit = json.loads(path.read_text())
    next(row for row in audit["checks"] if row["id"] == "exit_code_zero").update(
        observed="x" * 5000, answer="error"
    )
    path.write_text(json.dumps(audit))
    tally(archive, A)
    (row,) = archive.table(TABLE)
    assert (len(row["observed"]), row["observed"][-1], row["answer"]) == (200, "…", "error")


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (
            lambda root: locations.workspace_path(root, "factor_experiment_registry").unlink(),
            3,
            f"a row for {A}",
        ),
        (
            lambda root: (root / locations.RUNS / A / "governance_audit_check.json").unlink(),
            3,
            "expected a file",
        ),
        (
            lambda root: (root / locations.RUNS / A / "governance_audit_check.json").write_text(
                "{}"
            ),
            4,
            "audit_check.schema",
        ),
    ],
)
def test_refusals(
    archive: Archive, capsys: pytest.CaptureFixture[str], spoil: Any, code: int, words: str
) -> None:
    archive.close(A, "momentum")
    spoil(archive.root)
    assert tally(archive, A) == code
    assert words in capsys.readouterr().err
    assert not locations.workspace_path(archive.root, TABLE).exists()


def test_a_table_edited_by_hand_is_made_again(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    tally(archive, A)
    path = locations.workspace_path(archive.root, TABLE)
    before = path.read_text()
    path.write_text(before.replace("exit_code_zero", "audit_passed"))
    assert tally(archive, A) == 0
    assert path.read_text() == before
    (kept,) = path.parent.glob("failure_patterns.edited-*.csv")
    assert f"it was changed since it was written; kept as {kept.name}" in capsys.readouterr().err


def test_dry_run_writes_nothing(archive: Archive) -> None:
    archive.close(A, "momentum", failed=("exit_code_zero",))
    assert tally(archive, A, "--dry-run") == 0
    assert not locations.workspace_path(archive.root, TABLE).exists()


def test_summary_page(archive: Archive, golden: Golden) -> None:
    """Regressed, open and resolved, a run without a factor, a factor that would break a table."""
    archive.close(A, "momentum", failed=("exit_code_zero", "tags_agree"))
    archive.close(B, "momentum", failed=("tags_agree",))
    archive.close(C, "momentum", failed=("exit_code_zero",))
    archive.close(run_folder(WED, "v"), "a|b <script>`x`", failed=("tags_agree",))
    archive.close(run_folder(TUE, "n"), None, failed=("exit_code_zero", "report_files_present"))
    tally(archive, A)
    page = archive.read(SUMMARY).decode()
    golden(f"{SUMMARY}.md", page)
