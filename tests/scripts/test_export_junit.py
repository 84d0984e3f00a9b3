"""`make junit`: the checks of an audit as JUnit XML that consumers of it can read."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

import export_junit
from harness import hostile, spoiled
from harness.archive import Archive, run_folder
from harness.factory import make_run
from harness.sealed import Sealed
from harness.workspace import Workspace
from postrun.core.values import Json

RUN = run_folder("2026-02-21_031500", "one")
# What Jenkins accepts (the junit-10 schema of its xUnit plugin): attributes and children of each.
JENKINS = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"skipped", "error", "failure", "system-out"}),
    "skipped": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "failure": ({"type", "message"}, set()),
}


def export(root: Path, tag: str, *flags: str) -> int:
    return export_junit.main(["--local-root", str(root), "--tag", tag, *flags])


def check_shape(content: bytes) -> ElementTree.Element:
    """Parse XML; every element, attribute and count is as Jenkins wants it."""
    root = ElementTree.fromstring(content)
    for element in root.iter():
        attributes, children = JENKINS[element.tag]
        assert set(element.attrib) <= attributes, element.tag
        assert {child.tag for child in element} <= children, element.tag
    for place in (root, *root.iter("testsuite")):
        for count, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(place.attrib[count]) == len(list(place.iter(tag))), count
    for suite in root.iter("testsuite"):
        assert int(suite.attrib["skipped"]) == len(list(suite.iter("skipped")))
    return root


@pytest.fixture
def spoiled_run(tmp_path: Path) -> Workspace:
    """Return a workspace with a closed run whose audit failed."""
    workspace = Workspace(tmp_path / "remote", tmp_path / "local")
    make_run(workspace.remote, change=spoiled.in_many_ways, **spoiled.OWN)
    assert workspace.close(spoiled.OWN["tag"]) == 1
    return workspace


def audit_of(root: Path) -> Json:
    (path,) = root.glob("audit/workstation_runs/*/governance_audit_check.json")
    document: Json = json.loads(path.read_text())
    return document


def test_a_failed_audit_is_a_failed_suite(
    spoiled_run: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "checks.xml"
    capsys.readouterr()
    assert export(spoiled_run.local, spoiled.OWN["tag"], "--out", str(out)) == 0
    audit = audit_of(spoiled_run.local)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"wrote {out}: ")
    assert said.err.endswith(f"skipped) of {audit['run_folder']}\n")
    root = check_shape(out.read_bytes())
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    answers = {"pass": [], "fail": ["failure"], "skipped": ["skipped"], "error": ["error"]}
    for check in audit["checks"]:
        case = cases.pop(check["id"])
        assert [child.tag for child in case] == answers[check["answer"]]
        assert case.attrib["classname"] == f"{audit['run_folder']}.{check['family']}"
        for child in case:
            expected = f"expected {check['expected']}, observed {check['observed']}"
            assert child.attrib == {"message": expected, "type": check["severity"]}
            assert str(child.text).startswith(f"{check['question']}\nexpected: ")
            assert str(child.text).endswith(f"\nfile: {check['evidence'] or 'none'}")
    assert cases == {}
    values = {item.attrib["name"]: item.attrib["value"] for item in root.iter("property")}
    assert values["owner"] == "eve | *x* <b>"


def test_a_library_that_reads_such_files_counts_the_same(spoiled_run: Workspace) -> None:
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    audit = audit_of(spoiled_run.local)
    report = junitparser.JUnitXml.fromstring(export_junit.encode(audit))
    suites = list(report)
    assert {suite.name for suite in suites} == {check["family"] for check in audit["checks"]}
    answers = [check["answer"] for check in audit["checks"]]
    assert answers.count("fail") > 2
    assert sum(suite.tests for suite in suites) == len(answers)
    assert sum(suite.failures for suite in suites) == answers.count("fail")
    assert sum(suite.skipped for suite in suites) == answers.count("skipped") > 0
    failed = {case.name for suite in suites for case in suite if case.is_failure}
    assert failed == {check["id"] for check in audit["checks"] if check["answer"] == "fail"}


def test_it_is_printed_without_a_file(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(sealed.root, "b") == 0
    said = capsys.readouterr()
    assert said.err == ""
    root = check_shape(said.out.encode())
    assert root.attrib["name"].startswith("audit of 2026-02-21_031500_production_gates_b")
    assert (root.attrib["failures"], root.attrib["errors"]) == ("0", "0")


HOSTILE = [
    *hostile.TEXTS.values(),
    "\x00\x0b\x1f\x85\ufffe\uffff\ud800",
    "a\nb\tc\rd",
    "\U0001f600",
]


@pytest.mark.parametrize("answer", ["fail", "error", "skipped"])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_breaks_the_file(tmp_path: Path, text: str, answer: str) -> None:
    archive = Archive(tmp_path)
    archive.audit(RUN, "momentum")
    audit = audit_of(tmp_path)
    audit.update(decision_tag=text, factor=text, owner=text)
    for check in audit["checks"]:
        texts = dict.fromkeys(("question", "expected", "observed", "evidence"), text)
        check.update(texts, answer=answer)
    content = export_junit.encode(audit)
    assert content.startswith(export_junit.BEGINNING)
    root = check_shape(content)
    whole = content.decode()
    assert not any(char in whole for char in "\x00\x0b\x1b\x1f\x85\u202e\u2066\ufffe\uffff")
    (case, *_) = root.iter("testcase")
    assert "\n" not in case[0].attrib["message"]
    assert str(case[0].text).count("\n") == 3
    if text.isprintable():
        assert case[0].attrib["message"] == f"expected {text}, observed {text}"


def test_the_file_is_written_again_and_has_a_new_time(sealed: Sealed, tmp_path: Path) -> None:
    """Jenkins refuses a report that is older than its build."""
    out = tmp_path / "checks.xml"
    out.touch()
    assert export(sealed.root, "b", "--out", str(out)) == 0
    before = out.read_bytes()
    os.utime(out, (0, 0))
    assert export(sealed.root, "b", "--out", str(out)) == 0
    assert out.read_bytes() == before
    assert out.stat().st_mtime > 0
    assert export(sealed.root, "c", "--out", str(out)) == 0
    assert b"production_gates_c" in out.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name != "sealed"] == ["checks.xml"]


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("other.xml", 2, "--out: expected a new file, or one that this command wrote, found"),
        ("audit/a.xml", 2, "--out: expected a file outside of audit/ and gate_results/, found"),
        ("gate_results/a.xml", 2, "--out: expected a file outside of audit/"),
        ("link/a.xml", 2, "--out: expected a file outside of audit/"),
        ("ledger.xml", 2, "--out: expected a file outside of audit/"),
        ("nosuch/a.xml", 3, "/nosuch: expected a folder, found none; make it first"),
        ("dangling.xml", 3, "/dangling.xml: expected a symbolic link to a file, found"),
        ("fifo.xml", 3, "/fifo.xml: expected a file that can be read, found a FIFO"),
    ],
)
def test_files_that_may_not_be_written(
    sealed: Sealed, name: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = sealed.root
    (root / "other.xml").write_text("<testsuites/>")
    (root / "link").symlink_to(root / "audit")
    (root / "ledger.xml").symlink_to(root / "audit/stage_ledger.jsonl")
    (root / "dangling.xml").symlink_to(root / "nowhere.xml")
    os.mkfifo(root / "fifo.xml")
    before = sorted(root.rglob("*"))
    ledger = (root / "audit/stage_ledger.jsonl").read_bytes()
    capsys.readouterr()
    assert export(root, "b", "--out", str(root / name)) == code
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert sorted(root.rglob("*")) == before
    assert (root / "audit/stage_ledger.jsonl").read_bytes() == ledger


def test_an_edited_audit_is_not_exported(
    sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sealed.record("b").with_name("governance_audit_check.json")
    path.write_text(path.read_text().replace('"answer": "pass"', '"answer": "fail"', 1))
    out = tmp_path / "checks.xml"
    capsys.readouterr()
    assert export(sealed.root, "b", "--out", str(out)) == 4
    err = capsys.readouterr().err
    assert "governance_audit_check.json: expected the file that closing_record.json lists" in err
    assert err.count("\n") == 1
    assert not out.exists()
    assert export(sealed.root, "c", "--out", str(out)) == 0


def test_a_run_that_is_not_closed_has_no_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path / "remote", tmp_path / "local")
    make_run(workspace.remote, tag="open")
    assert export(workspace.local, "open") == 3
    assert "run open: expected a detected run in" in capsys.readouterr().err
    assert workspace.close("open", "--to", "finalize-gate-run") == 0
    capsys.readouterr()
    assert export(workspace.local, "open") == 3
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "close the run first: make finalize TAG=open" in said.err


@pytest.mark.parametrize("tag", ["../x", "x;touch pwned", ""])
def test_a_tag_that_is_none_is_refused(
    tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, tag) == 2
    assert capsys.readouterr().err.startswith("decision tag: expected")
