"""Generated docs: made from the tables, between marks, and a check that names what drifted."""

import shutil
from pathlib import Path

import pytest

import generate_docs
from generate_docs import DOCUMENTS, PARTS, facts, main, renew
from postrun.core import locations
from postrun.core.artifacts import ARTIFACTS
from postrun.core.errors import Invalid, PostRunError
from postrun.store import check_catalogue
from steps import STEPS, Step

BEGIN = "<!-- generated: {} -->"
END = "<!-- end of generated part -->"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Give a copy of the project's documents, up to date."""
    for document in DOCUMENTS:
        copy = tmp_path / document
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(locations.PROJECT / document, copy)
    assert main(["--root", str(tmp_path)]) == 0
    return tmp_path


def shown_number(step: Step) -> str:
    """Return a step's number as Markdown needs it: a dash alone would begin a list."""
    return "\\-" if step.number == "-" else step.number


def part(name: str) -> str:
    return renew(f"{BEGIN.format(name)}\n{END}\n", "x.md", facts())


def test_the_projects_documents_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_every_part_stands_in_some_document() -> None:
    text = "".join((locations.PROJECT / document).read_text() for document in DOCUMENTS)
    assert [name for name in PARTS if f" generated: {name} " not in text] == []


def test_the_steps_are_those_of_the_table() -> None:
    lines = part("steps-table").splitlines()
    for step in STEPS:
        assert (
            f"| {shown_number(step)} | `make {step.name}` | {step.description}"
            f" | `scripts/{step.script}` |"
        ) in lines


def test_each_step_says_what_it_reads_and_writes() -> None:
    text = part("steps")
    for step in STEPS:
        section = text.partition(f"### {shown_number(step)} {step.name}\n")[2].partition("###")[0]
        assert f"- writes: {', '.join(step.writes)}\n" in section


def test_the_exit_codes_are_those_of_the_refusals() -> None:
    rows = [
        line.split("|")[1].strip()
        for line in part("exit-codes").splitlines()
        if line.startswith("| ")
    ]
    codes = [int(code) for code in rows[1:]]
    assert codes == [
        0,
        1,
        *sorted(error.exit_code for error in PostRunError.__subclasses__()),
        130,
    ]


def test_every_artifact_and_every_check_is_listed() -> None:
    artifacts, checks = part("artifacts"), part("checks")
    assert [artifact for artifact in ARTIFACTS if f"| {artifact} |" not in artifacts] == []
    assert [check for check in check_catalogue.checks() if f"| `{check}` |" not in checks] == []


def test_a_second_time_nothing_changes(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {document: (docs / document).read_bytes() for document in DOCUMENTS}
    capsys.readouterr()
    assert main(["--root", str(docs)]) == 0
    assert capsys.readouterr().out == ""
    assert {document: (docs / document).read_bytes() for document in DOCUMENTS} == before


def test_drift_is_named_and_shown(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = docs / "README.md"
    readme.write_text(readme.read_text().replace("make sync-run", "make sink-run"))
    assert main(["--check", "--root", str(docs)]) == 1
    shown = capsys.readouterr()
    assert (
        "README.md: expected what the tables say now, found another text; run `make docs`"
        in shown.err
    )
    assert "docs/steps.md" not in shown.err
    assert [line[0] for line in shown.out.splitlines() if "-run` | copy both" in line] == ["-", "+"]


def test_what_is_written_by_hand_stays(docs: Path) -> None:
    readme = docs / "README.md"
    by_hand = f"Before.\n\n{readme.read_text()}\nAfter | with a pipe.\n"
    readme.write_text(by_hand.replace("make sync-run", "make sink-run"))
    assert main(["--root", str(docs)]) == 0
    assert readme.read_text() == by_hand


def test_check_writes_nothing(docs: Path) -> None:
    readme = docs / "README.md"
    readme.write_text(readme.read_text().replace("| 3 |", "| 33 |"))
    before = readme.read_bytes()
    assert main(["--check", "--root", str(docs)]) == 1
    assert readme.read_bytes() == before


def test_a_missing_document_is_refused(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (docs / "README.md").unlink()
    assert main(["--root", str(docs)]) == 3
    assert "README.md: expected a document, found nothing there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        f"{BEGIN.format('steps')}\n",
        f"{END}\n",
        f"{BEGIN.format('steps')}\n{BEGIN.format('checks')}\n{END}\n",
        f"{BEGIN.format('steps')}\n{END}\n{END}\n",
        f"{BEGIN.format('stpes')}\n{END}\n",
        f"{BEGIN.format('')}\n{END}\n",
    ],
)
def test_broken_marks_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"^x\.md"):
        renew(text, "x.md", {})


def test_makefile_and_hooks_are_written_too(docs: Path) -> None:
    """In these, a part is between lines with `#`, as far to the right as the first of them."""
    makefile, hooks = docs / "Makefile", docs / ".pre-commit-config.yaml"
    before = makefile.read_text(), hooks.read_text()
    makefile.write_text(before[0].replace("scripts/sync_run.py", "scripts/sink_run.py"))
    hooks.write_text(before[1].replace("          )$\n", ""))
    assert main(["--root", str(docs)]) == 0
    assert (makefile.read_text(), hooks.read_text()) == before


def test_a_target_says_what_it_takes() -> None:
    targets = part("make-steps").replace("\t", "")
    lines = targets.splitlines()
    assert "sync-run: $(RUN) ## 3   copy both folders and verify every file" in lines
    assert "@$(PY) scripts/finalize_gate_run.py $(call flags,$(WHERE) OBJECTIVE)" in lines
    without_tag = [line.partition(":")[0] for line in lines if line.endswith("needs no TAG")]
    assert without_tag == ["candidate-queue", "next-run-plan", "handoff-readiness", "site"]


def test_a_long_difference_is_cut() -> None:
    old, new = "\n".join(map(str, range(200))), "\n".join(map(str, range(1000, 1200)))
    assert len(generate_docs.difference(old, new, "x.md")) == 30
