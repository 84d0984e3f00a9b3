"""What reaches the terminal: safe text, as much of it as the flags ask for, with times
where asked.
"""

import re
from pathlib import Path

import pytest

import data_quality_gate
import update_failure_pattern_db
from postrun.core import terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢 🙂\ttab", "plain ä 漢 🙂\ttab"),
        ("two\nlines", "two lines"),
        ("\x1b[31mred\x07\x00", "\\x1b[31mred\\x07\\x00"),
        ("over\rwritten\x7f\x9b", "over\\rwritten\\x7f\\x9b"),
        ("\u202egnp.exe\u2066\u2069", "\\u202egnp.exe\\u2066\\u2069"),
        ("byte \udcff", "byte \\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.plain(text) == shown
    terminal.say(text)
    assert capsys.readouterr() == ("", f"{shown}\n")


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("", 3, ""),
        ("window 13/16", 12, "window 13/16"),
        ("window 13/16", 11, "window 13/…"),
        ("window 13/16", 1, "…"),
        ("漢字漢字", 8, "漢字漢字"),
        ("漢字漢字", 7, "漢字漢…"),
        ("漢字漢字", 6, "漢字…"),
        ("a漢字", 4, "a漢…"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("🙂🙂", 3, "🙂…"),
    ],
)
def test_a_line_is_cut_at_the_width_of_the_terminal(text: str, width: int, shown: str) -> None:
    assert terminal.cut(text, width) == shown
    assert terminal.columns(shown) <= width


def test_wide_characters_are_padded_by_columns() -> None:
    assert terminal.padded("漢", 4) == "漢  "
    assert terminal.padded("ab", 1) == "ab"


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ "


@pytest.mark.parametrize(
    ("flag", "lines"),
    [
        ([], ["failure-patterns: 0 failures .*"]),
        (["-q"], []),
        (["--quiet"], []),
        (
            ["-v"],
            [
                TIME + "wrote .*workspace_record.json",
                TIME + "wrote .*csv",
                TIME + "wrote .*workspace_record.json",
                TIME + "wrote .*md",
                TIME + "wrote .*workspace_record.json",
                TIME + "failure-patterns: 0 failures .*",
            ],
        ),
    ],
)
def test_a_flag_decides_how_much_a_script_says(
    tmp_path: Path, flag: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rebuild = ["--rebuild", "--local-root", str(tmp_path)]
    assert update_failure_pattern_db.main([*rebuild, *flag]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2, "results are printed in any case"
    shown = printed.err.splitlines()
    assert len(shown) == len(lines)
    for pattern, line in zip(lines, shown, strict=True):
        assert re.fullmatch(pattern, line)


def test_quiet_hides_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert data_quality_gate.main(["-q", "--input-csv", "none.csv"]) == 3
    assert capsys.readouterr().err.startswith("data file: expected a CSV file at none.csv")


def test_a_flag_holds_for_one_call_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rebuild = ["--rebuild", "--local-root", str(tmp_path)]
    update_failure_pattern_db.main([*rebuild, "--quiet"])
    update_failure_pattern_db.main(rebuild)
    assert capsys.readouterr().err.startswith("failure-patterns: 0 failures")


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert data_quality_gate.main(["--quiet", "--verbose", "--input-csv", "x.csv"]) == 2
    assert "--verbose: not allowed with argument -q/--quiet" in capsys.readouterr().err


def test_a_message_that_quotes_a_whole_file_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.error("x" * 100_000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "x" * 8000 + "... (100000 characters)"


@pytest.mark.parametrize(
    ("p", "patterns", "expected"),
    [
        (96 / 8192, 8192, "1.2%"),
        (1 / 8192, 8192, "less than 0.1%"),
        (5 / 8192, 8192, "0.1%"),
        (0.0, 8192, "0.0%"),
        (1.0, 8192, "100.0%"),
        (93 / 1024, 1024, "9.1%"),
        (93 / 1024, 512, "9%"),
        (0.25, 4, "25%"),
        (1 / 512, 512, "less than 1%"),
        (0.0123, 65_536, "1.23%"),
        (0.01, None, "1%"),
        (0.005, None, "0.5%"),
        (None, 8192, "not measured"),
    ],
)
def test_a_chance_has_no_more_digits_than_its_patterns_carry(
    p: float | None, patterns: int | None, expected: str
) -> None:
    assert terminal.chance(p, patterns) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(81, "1.0%"), (82, "just over 1%"), (86, "just over 1%"), (87, "1.1%"), (1, "less than 0.1%")],
)
def test_what_is_above_the_level_does_not_look_like_it(count: int, expected: str) -> None:
    assert terminal.compared_chance(count / 8192, 8192, 0.01) == expected
