"""The stage ledger: no row can be changed without being found out, and the user's own text keeps every byte."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postrun.core import disk
from postrun.core.errors import Invalid
from postrun.store import json_files, ledger

DIGEST = "ab" * 32
BLOCK = "| date |\n|---|\n| 2026-02-21 |\n"


def entry(tag: str = "run1", **changes: Any) -> dict[str, Any]:
    run = f"2026-02-21_031500_production_gates_{tag}"
    row: dict[str, Any] = {
        "run": run,
        "date": "2026-02-21",
        "stage": "production_gates",
        "decision_tag": tag,
        "owner": "hui",
        "objective": None,
        "command_ref": f"audit/workstation_runs/{run}/command.sh",
        "artifact_ref": "gate_results/production_gates_2026-02-21_031700/production_gates_report.json",
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


def test_rows_form_a_chain(near: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1771650000")
    filled(near)
    lines = truth(near).read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert rows[0]["previous_sha256"] is None
    assert [row["previous_sha256"] for row in rows[1:]] == [
        hashlib.sha256(line).hexdigest() for line in lines[:2]
    ]
    assert rows[0]["recorded_at"] == "2026-02-21T05:00:00Z"
    assert ledger.rows(near) == rows
    assert ledger.verify(near) == []


def test_rows_before_an_appended_one_keep_their_bytes(near: Path) -> None:
    before = truth(filled(near)).read_bytes()
    ledger.append(near, entry("run9"))
    assert truth(near).read_bytes().startswith(before)


def test_no_ledger_has_no_rows_and_no_problems(near: Path) -> None:
    assert ledger.rows(near) == []
    assert ledger.verify(near) == []


@pytest.mark.parametrize("changed", [0, 1, 2])
@pytest.mark.parametrize("member", ["result", "owner", "evidence_sha256", "recorded_at"])
def test_a_changed_row_is_found_and_nothing_is_built_on_it(
    near: Path, changed: int, member: str
) -> None:
    lines = truth(filled(near)).read_bytes().splitlines(keepends=True)
    row = json.loads(lines[changed])
    row[member] = {"result": "fail", "owner": "eve", "evidence_sha256": "cd" * 32}.get(
        member, "2020-01-01T00:00:00Z"
    )
    row["reasons"] = ["edited"] if member == "result" else []
    lines[changed] = json_files.encode_line(row)
    truth(near).write_bytes(b"".join(lines))
    before = truth(near).read_bytes()
    assert ledger.verify(near)
    with pytest.raises(Invalid, match="restore it from version control or a backup"):
        ledger.append(near, entry("run9"))
    assert truth(near).read_bytes() == before


@given(st.data())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
def test_any_tampering_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    near = filled(tmp_path_factory.mktemp("ledger"), 4)
    lines = truth(near).read_bytes().splitlines(keepends=True)
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
    truth(near).write_bytes(b"".join(lines))
    assert ledger.verify(near)


def test_all_rows_taken_away_are_missed(near: Path) -> None:
    truth(filled(near)).unlink()
    assert "found it changed or gone" in ledger.verify(near)[0]
    with pytest.raises(Invalid, match="changed or gone"):
        ledger.append(near, entry())


def test_a_view_that_is_behind_or_gone_is_told_but_repaired_by_the_next_row(near: Path) -> None:
    filled(near, 2)
    ledger.append(near, entry("run9"))
    assert ledger.verify(near) == ["STAGE_AUDIT_LOG.md: expected all 3 rows, found fewer"]
    view(near).unlink()
    assert ledger.verify(near) == [
        "STAGE_AUDIT_LOG.md: expected the digest of the last row, found no ledger block"
    ]
    ledger.append(near, entry("run10"))
    ledger.publish(near, BLOCK)
    assert ledger.verify(near) == []


def test_line_ends_changed_by_a_checkout_break_nothing(near: Path) -> None:
    truth(filled(near)).write_bytes(truth(near).read_bytes().replace(b"\n", b"\r\n"))
    assert ledger.verify(near) == []
    ledger.append(near, entry("run9"))
    ledger.publish(near, BLOCK)
    assert ledger.verify(near) == []


def test_half_a_line_at_the_end_is_refused(near: Path) -> None:
    with truth(filled(near)).open("ab") as out:
        out.write(b'{"number": 4')
    with pytest.raises(Invalid, match="half a line at the end"):
        ledger.rows(near)
    assert "half a line" in ledger.verify(near)[0]


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b"not json\n", b"\xff\n", b'{"number": 1}\n'])
def test_a_line_that_is_no_row_is_named(near: Path, line: bytes) -> None:
    lines = truth(filled(near)).read_bytes().splitlines(keepends=True)
    truth(near).write_bytes(lines[0] + line + lines[2])
    with pytest.raises(Invalid, match=r"stage_ledger\.jsonl:2"):
        ledger.rows(near)
    assert "stage_ledger.jsonl:2" in ledger.verify(near)[0]


@pytest.mark.parametrize(
    "changes",
    [{"result": "in_progress"}, {"reasons": [""]}, {"artifact_ref": "/srv/x"}, {"more": 1}],
)
def test_a_row_that_does_not_fit_is_not_added(near: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"stage_ledger\.schema\.json"):
        ledger.append(near, entry(**changes))
    assert not truth(near).exists()


def test_a_rehearsal_writes_nothing(near: Path) -> None:
    disk.DRY_RUN.set(True)
    try:
        assert ledger.append(near, entry())["number"] == 1
        ledger.publish(near, BLOCK)
    finally:
        disk.DRY_RUN.set(False)
    assert list(near.iterdir()) == []


def test_the_evidence_digest_rests_on_the_files_alone() -> None:
    files = [{"path": name, "size": 1, "sha256": DIGEST, "source": "a"} for name in ("x", "y")]
    one = ledger.evidence_digest({"files": files, "verified": True})
    other = [{**file, "source": "b"} for file in reversed(files)]
    assert ledger.evidence_digest({"files": other, "verified": False}) == one
    for member, value in (("path", "z"), ("size", 2), ("sha256", "cd" * 32)):
        assert ledger.evidence_digest({"files": [{**files[0], member: value}, files[1]]}) != one


def test_a_document_is_made_where_there_is_none(near: Path) -> None:
    filled(near)
    text = view(near).read_text()
    assert text.startswith("# Stage audit log\n\n<!-- stage-ledger:begin")
    assert text.endswith("| 2026-02-21 |\n\n<!-- stage-ledger:end -->\n")
    assert ledger.publish(near, BLOCK) is False
    assert ledger.publish(near, "other\n") is True


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
    near: Path, text: bytes
) -> None:
    view(near).parent.mkdir(parents=True)
    view(near).write_bytes(text)
    filled(near)
    once = view(near).read_bytes()
    assert once.startswith(text)
    assert (b"\n" not in once.replace(b"\r\n", b"")) == (b"\r\n" in text)
    assert ledger.publish(near, BLOCK) is False
    ledger.publish(near, "longer\n\nblock\n")
    ledger.publish(near, BLOCK)
    assert view(near).read_bytes() == once
    assert ledger.verify(near) == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("heading", [b"## Update Rule", b"## Update Rule  ", b"## Update Rule ##"])
def test_the_block_goes_before_the_update_rule(near: Path, heading: bytes, end: bytes) -> None:
    above = end.join(
        (b"# Log", b"", b"```", b"## Update Rule", b"```", b"## Update Rules", b"", b"")
    )
    below = end.join((heading, b"append only", b"## Update Rule"))
    view(near).parent.mkdir(parents=True)
    view(near).write_bytes(above + below)
    filled(near)
    text = view(near).read_bytes()
    assert text.startswith(above + ledger.BEGIN)
    assert text.endswith(ledger.END + end + end + below)


def test_words_around_the_block_stay_when_it_changes(near: Path) -> None:
    filled(near, 1)
    mine = (
        b"\xef\xbb\xbfabove"
        + b"\r\n"
        + view(near).read_bytes().split(b"\n\n", 1)[1]
        + b"\nbelow, no end"
    )
    view(near).write_bytes(mine)
    ledger.append(near, entry("run9"))
    ledger.publish(near, "new\n")
    text = view(near).read_bytes()
    assert text.startswith(b"\xef\xbb\xbfabove\r\n" + ledger.BEGIN)
    assert text.endswith(ledger.END + b"\n\nbelow, no end")
    assert b"\nnew\r\n" in text
    assert ledger.verify(near) == []


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
    near: Path, marks: tuple[bytes, ...], seen: str
) -> None:
    text = b"# Log\n" + b"\nwords\n".join(marks) + b"\n"
    view(near).parent.mkdir(parents=True)
    view(near).write_bytes(text)
    for attempt in (lambda: ledger.publish(near, BLOCK), lambda: ledger.append(near, entry())):
        with pytest.raises(Invalid, match=f"found {seen}; repair it by hand"):
            attempt()
    assert view(near).read_bytes() == text
    assert not truth(near).exists()
    assert "repair it by hand" in ledger.verify(near)[0]


def test_marks_inside_a_line_are_no_marks(near: Path) -> None:
    text = b"see `" + B + b"` and " + E + b"\n"
    view(near).parent.mkdir(parents=True)
    view(near).write_bytes(text)
    filled(near)
    assert view(near).read_bytes().startswith(text)


def test_a_block_whose_digest_line_was_taken_out_is_refused(near: Path) -> None:
    lines = view(filled(near)).read_bytes().splitlines(keepends=True)
    view(near).write_bytes(b"".join(line for line in lines if b"last-row" not in line))
    with pytest.raises(Invalid, match="one stage-ledger:last-row line"):
        ledger.append(near, entry("run9"))
