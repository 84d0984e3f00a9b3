"""Pages: whatever stands in an owner, a note or a factor is shown as it is and does nothing."""

import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, UndefinedError, nodes
from jinja2.exceptions import TemplateAssertionError
from markdown_it import MarkdownIt

from postrun.core.locations import PROJECT
from postrun.store import page_files

HOSTILE = (
    "a|b",
    "two\nlines\r\nand three",
    "`code` and ``more``",
    "<script>alert(1)</script>",
    "<!-- stage-ledger:end -->",
    "=cmd()",
    "](javascript:alert(1))",
    "[click](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "*bold* _thin_ __both__ ~~gone~~",
    "# heading",
    "- item",
    "+ item",
    "3. item",
    "3) item",
    "> quote",
    "---",
    "===",
    ":---",
    "    indented",
    "back\\slash \\| \\` \\",
    "&lt; &#124; R&D",
    "$x$",
    "{{ row }} {% raw %}",
    "\"quotes\" and 'more'",
)
BIDI = "\x1b[31mred\u202egnirts\u2066\u200b\x00\x07\x85end"
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TEMPLATES = sorted((PROJECT / "templates").glob("*.j2"))
Fill = Callable[..., str]
TRICKY = st.text(alphabet="|`\\*_<>&#;!$~[]():/ \t\n-+=1.ax\u202e") | st.text()


class Shown(HTMLParser):
    """What a browser would show: the elements, and the text of the table cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.elements.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fill]:
    """Fill a template given as text, through the public door."""
    (tmp_path / "templates").mkdir()
    monkeypatch.setattr(page_files, "_TEMPLATES", tmp_path / "templates")
    page_files._environment.cache_clear()

    def filled(source: str, kind: str = "md", **facts: Any) -> str:
        (tmp_path / f"templates/page.{kind}.j2").write_text(source, encoding="utf-8")
        page_files._environment.cache_clear()
        return page_files.page(f"page.{kind}", **facts)

    yield filled
    page_files._environment.cache_clear()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_keeps_its_shape_and_shows_the_text_as_it_is(fill: Fill, text: str) -> None:
    page = fill("| a | b | c |\n|---|---|---|\n| {{ x }} | {{ x | code }} | end |\n", x=text)
    assert page.count("\n") == 3
    seen = Shown(MARKDOWN.render(page))
    assert [one_line(cell) for cell in seen.cells[3:]] == [one_line(text), one_line(text), "end"]
    assert set(seen.elements) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ x }}\n", ["p"]),
        ("before {{ x }} after\n", ["p"]),
        ("# {{ x }}\n", ["h1"]),
        ("- {{ x }}\n", ["ul", "li"]),
        ("> {{ x }}\n", ["blockquote", "p"]),
        ("{{ x }}\n\nnext\n", ["p", "p"]),
    ],
)
def test_text_stays_text_wherever_it_stands(
    fill: Fill, source: str, expected: list[str], text: str
) -> None:
    seen = Shown(MARKDOWN.render(fill(source, x=text)))
    assert seen.elements == expected
    assert one_line(text) in one_line(seen.text)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_raw_angle_bracket_and_no_line_break_in_markdown(text: str) -> None:
    assert "<" not in page_files.markdown(text)
    assert "\n" not in page_files.markdown(text)


@given(TRICKY, TRICKY)
def test_any_text_survives_markdown_in_a_table(first: str, second: str) -> None:
    row = f"| {page_files.markdown(first)} | {page_files._code_markdown(second)} | end |"
    seen = Shown(MARKDOWN.render(f"| a | b | c |\n|---|---|---|\n{row}\n"))
    assert len(seen.cells) == 6
    assert one_line(seen.cells[3]) == one_line(page_files.visible(first))
    assert one_line(seen.cells[4]) == one_line(page_files.visible(second))
    assert set(seen.elements) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@given(TRICKY)
def test_any_text_survives_in_a_list_item(text: str) -> None:
    seen = Shown(MARKDOWN.render(f"- {page_files.markdown(text)}\n"))
    assert one_line(seen.text) == one_line(page_files.visible(text))
    assert seen.elements == ["ul", "li"]


@pytest.mark.parametrize("kind", ["md", "html"])
def test_what_cannot_be_seen_is_shown(fill: Fill, kind: str) -> None:
    page = fill("{{ x }} {{ x | code }}", kind, x=BIDI)
    assert not any(char in page for char in "\x1b\u202e\u2066\u200b\x00\x07\x85\n")
    for name in ("x1b", "u202e", "u2066", "u200b", "x00", "x07"):
        assert page.count(name) == 2


def test_half_a_surrogate_pair_can_be_written(fill: Fill) -> None:
    assert fill("{{ x }}", x="\ud800").encode() == b"\\\\ud800"


@pytest.mark.parametrize(
    "tag",
    [
        "committee_2026-02-21_run4",
        "2026-02-21_031500_production_gates_run1",
        "a__b",
        "x_",
        "v1.2-rc_3",
    ],
)
def test_tags_can_be_searched_in_the_raw_text(tag: str) -> None:
    plain = page_files.markdown(tag).replace("\\_", "_")
    assert plain == tag
    assert "__" in tag or page_files.markdown(tag) == tag


@pytest.mark.parametrize("text", HOSTILE)
def test_html_shows_text_and_nothing_else(fill: Fill, text: str) -> None:
    seen = Shown(fill('<p title="{{ x }}">{{ x }}</p><b>{{ x | code }}</b>', "html", x=text))
    # A long path may break after each folder.
    elements = [element for element in seen.elements if element != "wbr"]
    assert elements == ["p", "b", "code"]
    assert seen.elements.count("wbr") <= text.count("/")
    assert one_line(seen.text) == one_line(text + text)


@pytest.mark.parametrize("kind", ["md", "html"])
def test_null_is_said(fill: Fill, kind: str) -> None:
    source = (
        '{{ x }}; {{ x | known("nobody") }}; {{ x | number }}; '
        '{{ x | percent(none="none") }}; {{ x | verdict }}'
    )
    assert fill(source, kind, x=None) == "not measured; nobody; not measured; none; not evaluated"
    assert (
        fill('{{ x | code }}; {{ x | code("a|b") }}', kind, x=None).replace("\\", "")
        == "not measured; a|b"
    )


@pytest.mark.parametrize(
    ("value", "options", "shown"),
    [
        (0.123456, {}, "0.1235"),
        (-0.5, {"digits": 2}, "-0.50"),
        (12345.6, {"digits": 1}, "12,345.6"),
        (7, {"digits": 0}, "7"),
        (-0.0, {}, "0.0000"),
        (0.02, {"sign": "+"}, "+0.0200"),
        (0.0, {"sign": "+"}, "0.0000"),
        (1e-9, {}, "1.0e-09"),
        (-1e-9, {}, "-1.0e-09"),
        (float("nan"), {}, "not measured"),
        (float("inf"), {"none": "?"}, "?"),
        (True, {}, "yes"),
        ("0.5", {}, "0.5"),
    ],
)
def test_numbers(value: Any, options: dict[str, Any], shown: str) -> None:
    assert page_files.number(value, **options) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.7, "70.0%"), (1, "100.0%"), (-0.055, "-5.5%"), (float("nan"), "not measured"), ("x", "x")],
)
def test_percentages(value: Any, shown: str) -> None:
    assert page_files.percent(value) == shown


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        (0.0123456, "cost_stress[x1.5].test_ic", "0.0123"),
        (-0.5, "risk_diagnostics.beta_vs_spy", "-0.5000"),
        (0.0000041, "wf_mean", "4.1e-06"),
        (0.75, "wf_stress.test_ic_pos_ratio", "75.0%"),
        (1, "wf_pos_ratio", "1"),  # a whole number is a count
        (0.8, "turnover_top_pct_overlap", "80.0%"),
        (0.05, "q_value_bh", "0.0500"),
        (0.000123456, "q_value", "0.000123"),
        (14, "rows", "14"),
        (True, "factor_gate_pass", "yes"),
        (None, "q_value", "not measured"),
        (float("nan"), "q_value", "not measured"),
        ("n/a", "industry_coverage", "n/a"),
    ],
)
def test_each_kind_of_metric_has_one_format(value: Any, name: str, shown: str) -> None:
    assert page_files.metric(value, name) == shown


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        (0.0, "q_value", "0.0000"),
        (0.1, "beta", "+0.1000"),
        (-0.1, "wf_pos_ratio", "-10.0%"),
        (2, "high_items", "+2"),
    ],
)
def test_a_difference_has_its_sign(value: Any, name: str, shown: str) -> None:
    assert page_files.metric(value, name, sign="+") == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "pass"), (False, "fail"), (None, "not evaluated"), ("false", "neither: false")],
)
def test_verdicts(value: Any, shown: str) -> None:
    assert page_files.verdict(value) == shown


def test_numbers_and_booleans_without_a_filter(fill: Fill) -> None:
    assert (
        fill("{{ a }} {{ b }} {{ c }} {{ d }}", a=-3, b=-0.25, c=True, d=float("nan"))
        == "-3 -0.25 yes not measured"
    )


def test_several_values_are_escaped_as_one(fill: Fill) -> None:
    assert fill("{{ x | listed }}", x=["a|b", 1, None]) == "a\\|b, 1, not measured"
    assert fill('{{ x | listed("nothing") }}', x=[]) == "nothing"


def test_macros_and_blocks_are_not_escaped_twice(fill: Fill) -> None:
    source = (
        "{% macro cell(x) %}| {{ x }} "
        "{% endmacro %}{% set row %}{{ cell(x) }}{% endset %}{{ row }}|"
    )
    assert fill(source, x="a|b") == "| a\\|b |"


def test_markup_joined_with_plus_stays_harmless(fill: Fill) -> None:
    assert "<script>" not in fill("{{ (x | code) + y }}", x="a", y="<script>")


def test_an_unknown_name_is_a_bug_not_a_blank(fill: Fill) -> None:
    with pytest.raises(UndefinedError):
        fill("{{ ownr }}", owner="hui")


@pytest.mark.parametrize("name", ["safe", "join", "replace", "e"])
def test_markdown_has_no_filter_that_lets_text_through(fill: Fill, name: str) -> None:
    with pytest.raises(TemplateAssertionError):
        fill("{{ x | " + name + " }}", x="a")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_leave_no_way_around_the_escaping(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not list(Environment().parse(source).find_all(nodes.Concat)), "use `+`, not `~`"
    assert "`{{" not in source, (
        "backticks around an expression are no code span: use the filter `code`"
    )
    assert "<!--" not in source or path.name.endswith(".html.j2")


def test_a_broken_cache_of_templates_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(page_files, "_TEMPLATES", tmp_path)
    (tmp_path / "page.md.j2").write_text("{{ x }}")
    for content in (b"", b"j2", b"not a cache", None):
        page_files._environment.cache_clear()
        assert page_files.page("page.md", x="one") == "one"
        (kept,) = (tmp_path / "__pycache__").iterdir()
        if content is not None:
            kept.write_bytes(content)
    page_files._environment.cache_clear()
    (tmp_path / "page.md.j2").write_text("new {{ x }}")
    assert page_files.page("page.md", x="one") == "new one"
    page_files._environment.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "not measured"), (0, "0 min 0 s"), (125, "2 min 5 s"), (7505, "2 h 5 min")],
)
def test_spans_of_time(seconds: int | None, shown: str) -> None:
    assert page_files.duration(seconds) == shown


@pytest.mark.parametrize("kind", ["md", "html"])
def test_no_path_leaves_its_link(fill: Fill, kind: str) -> None:
    path = 'a/"onclick=x ><b>)](javascript:y)\udcff/c.md'
    text = fill("{{ value | href }}", kind, value=path)
    assert set(text) & set("\"<>() :'[]") == set()
