"""What the docs name exists: links, Make targets, scripts, flags. Their prose is wrapped."""

import contextlib
import importlib
import io
import re
from functools import cache
from pathlib import Path

import pytest

from postrun.core.locations import PROJECT

DOCS = sorted(
    [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("examples/*.md")]
)
LONGEST_LINE = 100
pages = pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(PROJECT)))


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as Git hosts make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        there = page.parent / file if file else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pages
def test_every_target_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(
        re.findall(r"(?:^ +|`)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert named <= targets


@pages
def test_every_script_that_is_named_exists(page: Path) -> None:
    absent = [
        line
        for line in page.read_text(encoding="utf-8").splitlines()
        for name in re.findall(r"(?<![\w/])scripts/[\w/]+\.(?:py|sh)", line)
        if not (PROJECT / name).exists() and not (PROJECT / "examples/workstation" / name).exists()
        if "not there yet" not in line
    ]
    assert absent == []


@cache
def help_of(script: str) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), pytest.raises(SystemExit):
        importlib.import_module(script).main(["--help"])
    return shown.getvalue()


@pages
def test_every_flag_is_one_of_its_script(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for script, rest in re.findall(r"(?:python|bash) (scripts/\w+)\.(?:py|sh)\b([^\n`]*)", text):
        if (PROJECT / f"{script}.py").exists():
            flags = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest.partition(" -- ")[0]))
            assert flags <= set(re.findall(r"--[a-z-]+", help_of(Path(script).name))), script


def prose_lines(page: Path) -> list[str]:
    """Return a page's lines without tables, code blocks and generated parts."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^<!-- generated: .*?^<!-- end .*?$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    # Four blanks begin a code block, but not in a list, where they continue an item.
    is_code = re.compile(r"\|| {4}(?!- )")
    return [line for line in text.splitlines() if not is_code.match(line)]


@pages
def test_prose_is_wrapped_at_100_columns(page: Path) -> None:
    """Tables, code and addresses may be longer."""
    long_lines = [line for line in prose_lines(page) if len(line) > LONGEST_LINE]
    assert [line for line in long_lines if "://" not in line] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Title\n\nwords\n", ["# Title", "", "words"]),
        ("| a | table |\n", []),
        ("    code\n", []),
        ("words\n```bash\ncode\n```\nwords\n", ["words", "", "words"]),
        ("<!-- generated: x -->\nwords\n<!-- end of generated part -->\nwords\n", ["", "words"]),
    ],
)
def test_only_prose_is_measured(text: str, expected: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert prose_lines(page) == expected


def test_no_page_names_a_machine() -> None:
    """No page has the home folder of a user."""
    found = [
        page.name
        for page in DOCS
        if re.search(r"/(?:Users|home|root)/\w", page.read_text(encoding="utf-8"))
    ]
    assert found == []
