"""Whatever became of file and index, the ledger says what a fresh reading of its bytes says."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postrun.core import disk
from postrun.core.errors import PostRunError
from postrun.store import (
    index,
    json_files,
    known_files,
    ledger,
    ledger_index,
    ledger_view,
    next_action,
)

DIGEST = "ab" * 32
RUNS = [f"2026-02-21_03150{number}_production_gates_run{number}" for number in range(4)]
Change = Callable[[Path], object]


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches/postrun"


@pytest.fixture(autouse=True, params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat the ledger as a large file, too, which is not digested again each time."""
    if request.param == "large":
        monkeypatch.setattr(known_files, "SMALL", 0)


def decision(run: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": ledger.DECISION,
        "run": run,
        "date": "2026-02-21",
        "stage": "production_gates",
        "decision_tag": run[-4:],
        "owner": "hui",
        "objective": None,
        "command_ref": f"audit/workstation_runs/{run}/command.sh",
        "artifact_ref": "gate_results/production_gates/production_gates_report.json",
        "result": "pass",
        "next_action": "governance audit, then committee review",
        "evidence_sha256": DIGEST,
        "reasons": [],
        "corrects": None,
    }
    return {**row, **changes}


def audit(run: str, number: int, passed: bool = True) -> dict[str, Any]:
    return {
        "kind": ledger.AUDIT,
        "run": run,
        "decision_row": number,
        "passed": passed,
        "audit_sha256": DIGEST,
        "closing_record_sha256": DIGEST,
    }


def settle(run: str) -> dict[str, Any]:
    return {"kind": "settlement", "run": run, "check": "ports_known", "reason": "the disk was full"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace whose ledger has every kind of relation between rows, and its view."""
    root = tmp_path_factory.mktemp("filled")
    for row in (
        decision(RUNS[0]),
        audit(RUNS[0], 1),
        decision(RUNS[1], result="fail", reasons=["abandoned: nobody looked"]),
        audit(RUNS[1], 3),
        decision(RUNS[1], corrects=3),
        settle(RUNS[0]),
        audit(RUNS[0], 1, passed=False),
        decision(RUNS[2]),
    ):
        ledger.append(root, row)
    ledger_view.publish(root)
    return root


@pytest.fixture
def local(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "workspace"))


def truth(root: Path) -> Path:
    return root / "audit/stage_ledger.jsonl"


def rewrite(root: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = truth(root).read_bytes().splitlines(keepends=True)
    truth(root).write_bytes(b"".join(change(lines)))


def said(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except PostRunError as error:
        return f"{type(error).__name__}: {error}"


def answers(root: Path) -> dict[str, Any]:
    """Return what every public function says."""
    found = {}
    for function in (
        *(ledger.read_rows, ledger.decisions, ledger.decided_runs, ledger.audited_runs),
        *(ledger.settlements, ledger.head, ledger.check, ledger.faults, ledger.verify),
        *(ledger.last_row_in_view, ledger.has_table, ledger_view.render),
    ):
        found[function.__name__] = said(function, root)
    found["some decisions"] = said(ledger.decisions, root, RUNS[1:])
    for run in RUNS:
        for of_run in (ledger.decision, ledger.audit, ledger.rows_of):
            found[f"{of_run.__name__} {run}"] = said(of_run, root, run)
    for kind in (ledger.DECISION, ledger.AUDIT, ledger.SEAL):
        found[kind] = said(ledger.rows_of_kind, root, kind)
    lines = []
    if truth(root).is_file():
        lines = truth(root).read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        digest = disk.content_digest(line)
        found[f"row {number}"] = [said(ledger.has_row, root, number, d) for d in (digest, DIGEST)]
    return found


def begin_again() -> None:
    """Forget what a new process does not know."""
    for connection in index._connections.values():
        connection.close()
    index._connections.clear()
    ledger_index._readings.clear()


def fresh(root: Path) -> dict[str, Any]:
    """Return the answers of a process that has no cache."""
    connections, readings = index._connections.copy(), ledger_index._readings.copy()
    index._connections.clear()
    ledger_index._readings.clear()
    with index.in_memory():
        found = answers(root)
    index._connections.clear()
    index._connections.update(connections)
    ledger_index._readings.clear()
    ledger_index._readings.update(readings)
    return found


def _edit(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b"hui", b"eve") for line in lines]


def _forge(lines: list[bytes]) -> list[bytes]:
    """Return the rows with something else in each, chained again."""
    forged: list[bytes] = []
    for line in lines:
        row = json_files.parse(line, "a row").value
        row["run"] = ["no", "\ud800"] if row["number"] == 1 else row["run"]
        row["previous_sha256"] = disk.content_digest(forged[-1][:-1]) if forged else None
        forged.append(json_files.encode_line(row))
    return forged


def _append_elsewhere(root: Path) -> None:
    """Add a row as a process does that is killed before it comes to the index."""
    child = os.fork()
    if child == 0:
        with index.in_memory():
            ledger.append(root, decision(RUNS[3]))
        os._exit(0)
    os.waitpid(child, 0)


def _correct(root: Path) -> None:
    ledger.append(root, decision(RUNS[2], corrects=8))
    ledger_view.publish(root)


def _replace_by_folder(root: Path) -> None:
    truth(root).unlink()
    truth(root).mkdir()


def _overwrite(caches: Path, start: int) -> None:
    begin_again()
    for file in caches.iterdir():
        content = bytearray(file.read_bytes())
        content[start:] = os.urandom(len(content[start:]))
        file.write_bytes(content)


CHANGES: dict[str, Change] = {
    "nothing": ledger.head,
    "a row more": lambda root: ledger.append(root, decision(RUNS[3])),
    "a row more, and the view": _correct,
    "a row more, and killed": _append_elsewhere,
    "edited": lambda root: rewrite(root, _edit),
    "last row edited": lambda root: rewrite(root, lambda rows: rows[:-1] + _edit(rows[-1:])),
    "forged": lambda root: rewrite(root, _forge),
    "shortened": lambda root: rewrite(root, lambda rows: rows[:-3]),
    "reversed": lambda root: rewrite(root, lambda rows: rows[::-1]),
    "twice": lambda root: rewrite(root, lambda rows: rows + rows),
    "an empty line": lambda root: rewrite(root, lambda rows: [*rows, b"\n"]),
    "no row": lambda root: rewrite(root, lambda rows: [*rows, b"[]\n", b'{"number": 1}\n']),
    "a row after no row": lambda root: rewrite(root, lambda rows: [*rows, b"{\n", *rows[:1]]),
    "half a line": lambda root: rewrite(root, lambda rows: [*rows, rows[0][:-1]]),
    "empty": lambda root: truth(root).write_bytes(b""),
    "gone": lambda root: truth(root).unlink(),
    "a folder": _replace_by_folder,
    "line ends of Windows": lambda root: rewrite(
        root, lambda rows: [line.replace(b"\n", b"\r\n") for line in rows]
    ),
    "a view without the block": lambda root: (
        root / "docs/production_research/STAGE_AUDIT_LOG.md"
    ).write_text("# Log\n"),
}


@pytest.mark.parametrize("is_new_process", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_the_answers_are_those_of_the_bytes(local: Path, name: str, is_new_process: bool) -> None:
    kept = truth(local).read_bytes()
    before = answers(local)
    assert before == fresh(local)
    if is_new_process:
        begin_again()
    CHANGES[name](local)
    assert answers(local) == fresh(local)
    # The earlier version again, as version control restores it.
    if truth(local).is_dir():
        truth(local).rmdir()
    truth(local).write_bytes(kept)
    view = said(ledger_view.publish, local)
    assert view is None
    assert answers(local) == fresh(local) | {"render": before["render"]}
    ledger.append(local, decision(RUNS[3]))
    assert answers(local) == fresh(local)


@pytest.mark.parametrize("start", [0, 100, 3000, 5000, 9000])
def test_a_damaged_index_changes_no_answer(local: Path, caches: Path, start: int) -> None:
    before = answers(local)
    _overwrite(caches, start)
    assert answers(local) == before
    begin_again()
    assert answers(local) == before


def test_an_index_that_is_deleted_changes_no_answer(local: Path, caches: Path) -> None:
    before = answers(local)
    shutil.rmtree(caches)
    assert answers(local) == before
    begin_again()
    assert answers(local) == before


def test_a_line_that_was_changed_in_the_index_is_not_believed(local: Path) -> None:
    before = answers(local)

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE ledger_lines SET line = replace(line, 'hui', 'eve')")

    index.use(local, change)
    assert answers(local) == before


def test_two_workspaces_with_their_own_ledgers(local: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    ledger.append(other, decision(RUNS[3]))
    for root in (local, other, local):
        with index.in_memory():
            in_memory = answers(root)
        assert answers(root) == in_memory == fresh(root)
    assert set(ledger.decisions(other)) == {RUNS[3]}


@pytest.mark.parametrize("is_in_memory", [False, True])
def test_forked_processes_need_not_read_the_ledger_again(
    local: Path, monkeypatch: pytest.MonkeyPatch, is_in_memory: bool
) -> None:
    token = index._IN_MEMORY.set(is_in_memory)
    try:
        before = answers(local)
        with index.handed_over():
            child = os.fork()
            if child == 0:
                monkeypatch.setattr(ledger_index, "_add", None)
                os._exit(0 if answers(local) == before else 1)
        _, status = os.waitpid(child, 0)
    finally:
        index._IN_MEMORY.reset(token)
    assert status == 0


def test_an_odd_program_renders_the_view_again(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ledger_view.render(local)
    monkeypatch.setattr(next_action, "after", lambda *_: "something else")
    monkeypatch.setattr(ledger_view, "_program", lambda: "another version")
    assert "something else" in ledger_view.render(local)
    monkeypatch.undo()
    assert ledger_view.render(local) == text
