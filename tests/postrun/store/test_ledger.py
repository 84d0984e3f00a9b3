"""The stage ledger: no row can be changed without being found out, and the user's own text keeps
every byte.
"""

import hashlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postrun.core import disk
from postrun.core.errors import Invalid, Missing
from postrun.store import json_files, ledger, ledger_index

DIGEST = "ab" * 32
BLOCK = "| date |\n|---|\n| 2026-02-21 |\n"


def entry(tag: str = "run1", **changes: Any) -> dict[str, Any]:
    run = f"2026-02-21_031500_production_gates_{tag}"
    row: dict[str, Any] = {
        "kind": ledger.DECISION,
        "run": run,
        "date": "2026-02-21",
        "stage": "production_gates",
        "decision_tag": tag,
        "owner": "hui",
        "objective": None,
        "command_ref": f"audit/workstation_runs/{run}/command.sh",
        "artifact_ref": (
            "gate_results/production_gates_2026-02-21_031700/production_gates_report.json"
        ),
        "result": "pass",
        "next_action": "governance audit, then committee review",
        "evidence_sha256": DIGEST,
        "reasons": [],
        "corrects": None,
    }
    return {**row, **changes}


def truth(root: Path) -> Path:
    return root / "audit/stage_ledger.jsonl"


def view(root: Path) -> Path:
    return root / "docs/production_research/STAGE_AUDIT_LOG.md"


def filled(root: Path, count: int = 3) -> Path:
    for number in range(count):
        ledger.append(root, entry(f"run{number}"))
    ledger.publish(root, BLOCK)
    return root


def test_rows_form_a_chain(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1771650000")
    filled(local)
    lines = truth(local).read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert rows[0]["previous_sha256"] is None
    assert [row["previous_sha256"] for row in rows[1:]] == [
        hashlib.sha256(line).hexdigest() for line in lines[:2]
    ]
    assert rows[0]["recorded_at"] == "2026-02-21T05:00:00Z"
    assert ledger.read_rows(local) == rows
    assert ledger.verify(local) == []


def test_rows_before_an_appended_one_keep_their_bytes(local: Path) -> None:
    before = truth(filled(local)).read_bytes()
    ledger.append(local, entry("run9"))
    assert truth(local).read_bytes().startswith(before)


def test_the_chain_is_checked_once(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append goes on with what is known; a ledger changed behind its back is read again."""
    added: list[bytes] = []
    add = ledger_index._add

    def counted(connection: sqlite3.Connection, line: bytes) -> None:
        added.append(line)
        add(connection, line)

    monkeypatch.setattr(ledger_index, "_add", counted)
    filled(local)
    ledger.read_rows(local)[0]["result"] = "changed by a caller"
    assert [row["result"] for row in ledger.read_rows(local)] == ["pass"] * 3
    assert ledger.verify(local) == []
    assert len(added) == 3, "each row once"
    before = truth(local).stat()
    truth(local).write_bytes(truth(local).read_bytes().replace(b"hui", b"eve", 1))
    os.utime(truth(local), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ledger.verify(local)
    ledger_index._readings.clear()
    assert ledger.verify(local)


def test_no_ledger_has_no_rows_and_no_problems(local: Path) -> None:
    assert ledger.read_rows(local) == []
    assert ledger.verify(local) == []


@pytest.mark.parametrize("changed", [0, 1, 2])
@pytest.mark.parametrize("member", ["result", "owner", "evidence_sha256", "recorded_at"])
def test_a_changed_row_is_found_and_nothing_is_built_on_it(
    local: Path, changed: int, member: str
) -> None:
    lines = truth(filled(local)).read_bytes().splitlines(keepends=True)
    row = json.loads(lines[changed])
    row[member] = {"result": "fail", "owner": "eve", "evidence_sha256": "cd" * 32}.get(
        member, "2020-01-01T00:00:00Z"
    )
    row["reasons"] = ["edited"] if member == "result" else []
    lines[changed] = json_files.encode_line(row)
    truth(local).write_bytes(b"".join(lines))
    before = truth(local).read_bytes()
    assert ledger.verify(local)
    with pytest.raises(Invalid, match="make restore-ledger"):
        ledger.append(local, entry("run9"))
    assert truth(local).read_bytes() == before


@given(st.data())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
def test_any_tampering_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    local = filled(tmp_path_factory.mktemp("ledger"), 4)
    lines = truth(local).read_bytes().splitlines(keepends=True)
    how = data.draw(st.sampled_from(["flip", "drop", "swap", "repeat", "insert", "cut"]))
    at = data.draw(st.integers(0, 3))
    if how == "flip":
        byte = data.draw(st.integers(0, len(lines[at]) - 2))
        new = data.draw(st.integers(0, 255).filter(lambda value: value != lines[at][byte]))
        lines[at] = lines[at][:byte] + bytes([new]) + lines[at][byte + 1 :]
    elif how == "drop":
        del lines[at]
    elif how == "swap":
        lines[at], lines[at - 1] = lines[at - 1], lines[at]
    elif how == "repeat":
        lines.insert(at, lines[at])
    elif how == "insert":
        lines.insert(at, b"\n")
    else:
        lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at]) - 1))]
    truth(local).write_bytes(b"".join(lines))
    assert ledger.verify(local)


def test_all_rows_taken_away_are_missed(local: Path) -> None:
    truth(filled(local)).unlink()
    assert "found it changed or gone" in ledger.verify(local)[0]
    with pytest.raises(Invalid, match="changed or gone"):
        ledger.append(local, entry())


def test_a_view_that_is_behind_or_gone_is_told_but_repaired_by_the_next_row(local: Path) -> None:
    filled(local, 2)
    ledger.append(local, entry("run9"))
    assert ledger.verify(local) == [
        "STAGE_AUDIT_LOG.md: expected 3 rows as in the ledger, found fewer"
    ]
    view(local).unlink()
    assert ledger.verify(local) == [
        "STAGE_AUDIT_LOG.md: expected the digest of the last row, found no ledger block"
    ]
    ledger.append(local, entry("run10"))
    ledger.publish(local, BLOCK)
    assert ledger.verify(local) == []


def test_a_view_made_before_the_first_row_is_behind(local: Path) -> None:
    ledger.publish(local, BLOCK)
    assert ledger.verify(local) == []
    ledger.append(local, entry())
    behind = ["STAGE_AUDIT_LOG.md: expected 1 row as in the ledger, found fewer"]
    assert ledger.verify(local) == behind
    ledger.publish(local, BLOCK)
    assert ledger.verify(local) == []
    truth(local).unlink()
    ledger.publish(local, BLOCK)
    assert ledger.verify(local) == []


def test_line_ends_changed_by_a_checkout_break_nothing(local: Path) -> None:
    truth(filled(local)).write_bytes(truth(local).read_bytes().replace(b"\n", b"\r\n"))
    assert ledger.verify(local) == []
    ledger.append(local, entry("run9"))
    ledger.publish(local, BLOCK)
    assert ledger.verify(local) == []


def test_half_a_line_at_the_end_is_refused(local: Path) -> None:
    with truth(filled(local)).open("ab") as out:
        out.write(b'{"number": 4')
    with pytest.raises(Invalid, match="half a line at the end"):
        ledger.read_rows(local)
    assert "half a line" in ledger.verify(local)[0]


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b"not json\n", b"\xff\n", b'{"number": 1}\n'])
def test_a_line_that_is_no_row_is_named(local: Path, line: bytes) -> None:
    lines = truth(filled(local)).read_bytes().splitlines(keepends=True)
    truth(local).write_bytes(lines[0] + line + lines[2])
    with pytest.raises(Invalid, match=r"stage_ledger\.jsonl:2"):
        ledger.read_rows(local)
    assert "stage_ledger.jsonl:2" in ledger.verify(local)[0]


@pytest.mark.parametrize(
    "changes",
    [{"result": "in_progress"}, {"reasons": [""]}, {"artifact_ref": "/srv/x"}, {"more": 1}],
)
def test_a_row_that_does_not_fit_is_not_added(local: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"stage_ledger\.schema\.json"):
        ledger.append(local, entry(**changes))
    assert not truth(local).exists()


def test_a_rehearsal_writes_nothing(local: Path) -> None:
    disk.DRY_RUN.set(True)
    try:
        assert ledger.append(local, entry())["number"] == 1
        ledger.publish(local, BLOCK)
    finally:
        disk.DRY_RUN.set(False)
    assert list(local.iterdir()) == []


def test_the_evidence_digest_rests_on_the_files_alone() -> None:
    files = [{"path": name, "size": 1, "sha256": DIGEST, "source": "a"} for name in ("x", "y")]
    one = ledger.evidence_digest({"files": files, "verified": True})
    other = [{**file, "source": "b"} for file in reversed(files)]
    assert ledger.evidence_digest({"files": other, "verified": False}) == one
    for member, value in (("path", "z"), ("size", 2), ("sha256", "cd" * 32)):
        assert ledger.evidence_digest({"files": [{**files[0], member: value}, files[1]]}) != one


def test_a_document_is_made_where_there_is_none(local: Path) -> None:
    filled(local)
    text = view(local).read_text()
    assert text.startswith("# Stage audit log\n\n<!-- stage-ledger:begin")
    assert text.endswith("| 2026-02-21 |\n\n<!-- stage-ledger:end -->\n")
    assert ledger.publish(local, BLOCK) is False
    assert ledger.publish(local, "other\n") is True


USERS = (
    b"# Mine\n\nwords\n",
    b"# Mine\n\nwords",
    b"# Mine\r\n\r\nwords\r\n",
    b"\xef\xbb\xbf# Mine\n",
    b"\xef\xbb\xbf",
    b"",
    b"\xff\xfe no utf-8 \x00\n",
    b"one\rtwo\r",
)


@pytest.mark.parametrize("text", USERS)
def test_the_block_goes_to_the_end_and_the_users_text_keeps_every_byte(
    local: Path, text: bytes
) -> None:
    view(local).parent.mkdir(parents=True)
    view(local).write_bytes(text)
    filled(local)
    once = view(local).read_bytes()
    assert once.startswith(text)
    assert (b"\n" not in once.replace(b"\r\n", b"")) == (b"\r\n" in text)
    assert ledger.publish(local, BLOCK) is False
    ledger.publish(local, "longer\n\nblock\n")
    ledger.publish(local, BLOCK)
    assert view(local).read_bytes() == once
    assert ledger.verify(local) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("heading", [b"## Update Rule", b"## Update Rule  ", b"## Update Rule ##"])
def test_the_block_goes_before_the_update_rule(local: Path, heading: bytes, end: bytes) -> None:
    above = end.join(
        (b"# Log", b"", b"```", b"## Update Rule", b"```", b"## Update Rules", b"", b"")
    )
    below = end.join((heading, b"append only", b"## Update Rule"))
    view(local).parent.mkdir(parents=True)
    view(local).write_bytes(above + below)
    filled(local)
    text = view(local).read_bytes()
    assert text.startswith(above + ledger.BEGIN)
    assert text.endswith(ledger.END + end + end + below)


TABLE = b"| Date | **Stage** | `decision_tag` | Owner | Objective | Command Ref | Artifact Ref |"
TABLE += (
    b" Result | Next-Action | Reviewed |\n|---|---|---|---|---|---|---|---|---|---|\n| mine |\n"
)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "below", [b"", b"\n## Update Rule\n\nappend only\n", b"## Notes\n\n| date |\n", b"\nwords"]
)
def test_the_block_goes_after_the_users_own_table(local: Path, below: bytes, end: bytes) -> None:
    above = (b"# Log\n\n## Ledger\n\n" + TABLE).replace(b"\n", end)
    below = below.replace(b"\n", end)
    view(local).parent.mkdir(parents=True)
    view(local).write_bytes(above + below)
    assert ledger.has_table(local)
    filled(local)
    once = view(local).read_bytes()
    assert once.startswith(above + end + ledger.BEGIN)
    assert once.endswith(ledger.END + end + below)
    assert ledger.has_table(local), "the block is not counted, and the user's table still is"
    assert ledger.publish(local, BLOCK) is False
    assert ledger.verify(local) == []


@pytest.mark.parametrize("text", [b"", b"| date |\n|---|\n", b"```\n" + TABLE + b"```\n"])
def test_another_table_is_not_the_users_own(local: Path, text: bytes) -> None:
    view(local).parent.mkdir(parents=True)
    view(local).write_bytes(text)
    assert not ledger.has_table(local)
    columns = " | ".join(ledger.COLUMNS)
    filled(local)
    ledger.publish(local, f"| {columns} |\n")
    assert not ledger.has_table(local), "our own block does not count"


def test_a_document_behind_a_link_gets_the_block(local: Path) -> None:
    vault = local / "vault.md"
    vault.write_text("# Mine\n")
    vault.chmod(0o664)
    view(local).parent.mkdir(parents=True)
    view(local).symlink_to("../../vault.md")
    filled(local)
    assert view(local).is_symlink()
    assert vault.read_bytes().startswith(b"# Mine\n\n" + ledger.BEGIN)
    assert vault.stat().st_mode & 0o777 == 0o664
    assert ledger.verify(local) == []


def test_a_document_behind_a_dead_link_is_refused_before_the_row_is_added(local: Path) -> None:
    view(local).parent.mkdir(parents=True)
    view(local).symlink_to("../../vault.md")
    with pytest.raises(Missing, match=r"STAGE_AUDIT_LOG\.md: expected a symbolic link to a file"):
        ledger.append(local, entry())
    assert not truth(local).exists()
    assert "STAGE_AUDIT_LOG.md: expected a symbolic link" in ledger.verify(local)[0]


def test_words_around_the_block_stay_when_it_changes(local: Path) -> None:
    filled(local, 1)
    mine = (
        b"\xef\xbb\xbfabove"
        + b"\r\n"
        + view(local).read_bytes().split(b"\n\n", 1)[1]
        + b"\nbelow, no end"
    )
    view(local).write_bytes(mine)
    ledger.append(local, entry("run9"))
    ledger.publish(local, "new\n")
    text = view(local).read_bytes()
    assert text.startswith(b"\xef\xbb\xbfabove\r\n" + ledger.BEGIN)
    assert text.endswith(ledger.END + b"\n\nbelow, no end")
    assert b"\nnew\r\n" in text
    assert ledger.verify(local) == []


B, E = ledger.BEGIN, ledger.END


@pytest.mark.parametrize(
    ("marks", "seen"),
    [
        ((B,), "begin"),
        ((E,), "end"),
        ((E, B), "end, begin"),
        ((B, E, E), "begin, end, end"),
        ((B, B, E), "begin, begin, end"),
        ((B, E, B, E), "begin, end, begin, end"),
    ],
)
def test_damaged_marks_are_refused_and_nothing_is_touched(
    local: Path, marks: tuple[bytes, ...], seen: str
) -> None:
    text = b"# Log\n" + b"\nwords\n".join(marks) + b"\n"
    view(local).parent.mkdir(parents=True)
    view(local).write_bytes(text)
    for attempt in (lambda: ledger.publish(local, BLOCK), lambda: ledger.append(local, entry())):
        with pytest.raises(Invalid, match=f"found {seen}; delete the block with its marks"):
            attempt()
    assert view(local).read_bytes() == text
    assert not truth(local).exists()
    assert "delete the block" in ledger.verify(local)[0]


def test_marks_inside_a_line_are_no_marks(local: Path) -> None:
    text = b"see `" + B + b"` and " + E + b"\n"
    view(local).parent.mkdir(parents=True)
    view(local).write_bytes(text)
    filled(local)
    assert view(local).read_bytes().startswith(text)


def test_a_block_whose_digest_line_was_taken_out_is_refused(local: Path) -> None:
    lines = view(filled(local)).read_bytes().splitlines(keepends=True)
    view(local).write_bytes(b"".join(line for line in lines if b"last-row" not in line))
    with pytest.raises(Invalid, match="one stage-ledger:last-row line"):
        ledger.append(local, entry("run9"))
