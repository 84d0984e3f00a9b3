"""Names of run folders, gate folders and decision tags: which are some, and what is in them."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postrun.core import run_names
from postrun.core.errors import AmbiguousRun, Usage

RUN = "2026-02-21_031500_production_gates_run1"
GATE = "production_gates_2026-02-21_031700"


@pytest.mark.parametrize(
    ("folder", "stamp", "tag"),
    [
        (RUN, "2026-02-21_031500", "run1"),
        ("2024-02-29_235959_production_gates_a", "2024-02-29_235959", "a"),
        (f"2026-02-21_031500_production_gates_{GATE}", "2026-02-21_031500", GATE),
        (f"2026-02-21_031500_production_gates_{RUN}", "2026-02-21_031500", RUN),
        ("2026-02-21_031500_production_gates__x", "2026-02-21_031500", "_x"),
    ],
)
def test_a_run_folder_is_taken_apart(folder: str, stamp: str, tag: str) -> None:
    name = run_names.parse_run_name(folder)
    assert name is not None
    assert (name.folder, name.stamp, name.tag) == (folder, stamp, tag)
    assert name.started == datetime.strptime(stamp, "%Y-%m-%d_%H%M%S")  # noqa: DTZ007  (local time has no zone)


@pytest.mark.parametrize(
    "folder",
    [
        "",
        "run1",
        "2026-02-21_031500_production_gates_",
        "2026-02-21_031500_production_gates",
        "2026-02-30_031500_production_gates_run1",
        "2025-02-29_031500_production_gates_run1",
        "2026-13-01_031500_production_gates_run1",
        "0000-01-01_031500_production_gates_run1",
        "2026-02-21_240000_production_gates_run1",
        "2026-02-21_036000_production_gates_run1",
        "2026-2-21_031500_production_gates_run1",
        "2026-02-21_31500_production_gates_run1",
        "2026-02-21 031500_production_gates_run1",
        "2026-02-21_031500_other_workflow_run1",
        "x2026-02-21_031500_production_gates_run1",
        f"{RUN}\n",
        "2026-02-21_031500_production_gates_run\n1",
        f"audit/{RUN}",
    ],
)
def test_other_folders_are_no_runs(folder: str) -> None:
    assert run_names.parse_run_name(folder) is None


@pytest.mark.parametrize(
    ("folder", "started"),
    [
        (GATE, datetime(2026, 2, 21, 3, 17)),  # noqa: DTZ001  (local time has no zone)
        ("production_gates_2026-02-30_031700", None),
        ("production_gates_2026-02-21_031761", None),
        (f"{GATE}\n", None),
        (f"{GATE}_old", None),
        (f"old_{GATE}", None),
        ("production_gates_", None),
        ("", None),
    ],
)
def test_gate_folders_tell_when_they_began(folder: str, started: datetime | None) -> None:
    assert run_names.gate_started(folder) == started


@pytest.mark.parametrize("year", ["0001", "1969", "9999"])
def test_a_year_at_the_edge_of_time_is_no_name(year: str) -> None:
    """The day before or after it could not be counted."""
    assert run_names.parse_run_name(f"{year}-01-01_000000_production_gates_a") is None
    assert run_names.gate_started(f"production_gates_{year}-01-01_000000") is None


@settings(max_examples=50)
@given(st.text())
def test_no_name_at_all_is_a_surprise(text: str) -> None:
    assert run_names.gate_started(text) is None
    assert run_names.parse_run_name(text) is None


@pytest.mark.parametrize(
    "tag", ["a", "7", "committee_2026-02-21_run4", "x.y-z_1", "a..b", "x" * 128, "desk/a: run 1"]
)
def test_a_proper_tag_passes(tag: str) -> None:
    assert run_names.check_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        "run1\n",
        "\nrun1",
        "run\x001",
        "run\t1",
        "a+b",
        " a",
        "/etc",
        ".hidden",
        "..",
        "_x",
        "r\u0301",
        "\u0661",
        "*",
        "~",
    ],
)
def test_another_tag_is_refused_in_one_line(tag: str) -> None:
    with pytest.raises(Usage) as caught:
        run_names.check_tag(tag)
    assert str(caught.value).startswith("decision tag: expected a full match of ")
    assert "\n" not in str(caught.value)


@settings(max_examples=50)
@given(st.from_regex(run_names.TAG, fullmatch=True))
def test_every_tag_makes_a_run_folder_and_comes_out_of_it(tag: str) -> None:
    in_folder = run_names.folder_tag(run_names.check_tag(tag))
    found = run_names.parse_run_name(f"2026-02-21_031500_production_gates_{in_folder}")
    assert found
    assert found.tag == run_names.check_new_tag(in_folder)
    assert run_names.raw_tag(found, {"decision_tag": tag}) == tag
    assert run_names.is_tag(tag, tag)
    assert run_names.is_tag(in_folder, tag)


@pytest.mark.parametrize("tag", ["run 1", "a/b", "a:b"])
def test_a_run_that_we_start_has_a_tag_that_its_folder_has_too(tag: str) -> None:
    with pytest.raises(Usage, match=r"^decision tag: expected a full match of "):
        run_names.check_new_tag(tag)


@pytest.mark.parametrize("documents", [(), ({},), ({"decision_tag": "other"}, {"decision_tag": 1})])
def test_where_no_record_has_a_runs_tag_its_folders_name_does(documents: tuple[Any, ...]) -> None:
    name = run_names.RunName(RUN, "2026-02-21_031500", "run1")
    assert run_names.raw_tag(name, *documents) == "run1"


A_B = [f"2026-02-2{day}_031500_production_gates_a_b" for day in (1, 2, 3)]


@pytest.mark.parametrize(
    ("tag", "raw_tags", "runs"),
    [
        ("a b", ["a b", "a/b", "a_b"], [0]),
        ("a/b", ["a b", "a/b", None], [1, 2]),
        ("a_b", ["a b", "a b", None], [0, 1, 2]),
        ("a_b", ["a b", "other", "a b"], [0, 2]),
        ("a:b", ["a b", "a/b", "a_b"], []),
    ],
)
def test_of_folders_with_one_name_those_whose_records_have_the_tag_count(
    tag: str, raw_tags: list[str | None], runs: list[int]
) -> None:
    recorded = {run: raw for run, raw in zip(A_B, raw_tags, strict=True) if raw}
    assert run_names.runs_of_tag(tag, A_B, recorded) == tuple(A_B[index] for index in runs)


def test_a_name_that_fits_several_tags_is_not_clear() -> None:
    raw_tags = {A_B[0]: "a b", A_B[1]: "a_b"}
    with pytest.raises(AmbiguousRun) as caught:
        run_names.runs_of_tag("a_b", A_B, raw_tags)
    line = f"decision tag a_b: expected the tag of one run, found in the contexts 'a b' of {A_B[0]}"
    assert str(caught.value).startswith(f"{line}, 'a_b' of {A_B[1]}; type the one that is meant")


@pytest.mark.parametrize(
    ("tag", "tags", "shown"),
    [
        ("desk_run11", ["desk_run1", "other"], "desk_run1"),
        ("run5", ["committee_2026-02-21_run5", "committee_2026-02-21_run15", "zzz"],
         "committee_2026-02-21_run5"),
        ("run5", [f"day{day}_run5" for day in range(1, 9)],
         "day8_run5, day7_run5, day6_run5, day5_run5, day4_run5"),
        ("desk run 3", ["desk_run_2"], "desk_run_2"),
        ("a_b", ["a+b"], "a+b (no tag that can be asked for)"),
        ("RUN5", ["team_x_run5", "Run5"], "team_x_run5, Run5"),
        ("qqq", ["desk_run1"], ""),
    ],
)  # fmt: skip
def test_a_tag_that_no_run_has_lists_the_nearest(tag: str, tags: list[str], shown: str) -> None:
    assert run_names.nearest_tags(tag, tags) == shown
