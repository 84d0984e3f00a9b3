"""The small readers: what they return for every kind of value, and that none of them raises."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postrun.core import values

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "number", "count"),
    [
        (12, 12.0, 12),
        (12.0, 12.0, 12),
        (-0.5, -0.5, None),
        (0, 0.0, 0),
        (True, None, None),
        (False, None, None),
        ("12", None, None),
        (None, None, None),
        (math.nan, None, None),
        (math.inf, None, None),
        (10**400, None, None),
        ([12], None, None),
    ],
)
def test_numbers_and_counts(value: Any, number: float | None, count: int | None) -> None:
    assert (values.number(value), values.count(value)) == (number, count)


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12", 12.0),
        (" -1.5e3 ", -1500.0),
        (12, 12.0),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1,5", None),
        (None, None),
        (True, None),
    ],
)
def test_a_number_in_a_cell_may_be_text(cell: Any, number: float | None) -> None:
    assert values.cell_number(cell) == number


@pytest.mark.parametrize(
    ("value", "boolean"), [(True, True), (False, False), (1, None), (0, None), ("true", None)]
)
def test_only_true_and_false_are_booleans(value: Any, boolean: bool | None) -> None:
    assert values.boolean(value) is boolean


@pytest.mark.parametrize(("value", "text"), [("a", "a"), ("", None), (1, None), (None, None)])
def test_an_empty_text_is_none(value: Any, text: str | None) -> None:
    assert values.text(value) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [(("a", "b"), 1), (("a",), {"b": 1}), (("b",), None), (("a", "b", "c"), None)],
)
def test_a_member_of_nested_objects(path: tuple[str, ...], found: Any) -> None:
    assert values.member({"a": {"b": 1}}, *path) == found
    assert values.member(["a"], *path) is None


@given(ANYTHING)
def test_no_reader_raises(value: Any) -> None:
    readers = (values.number, values.cell_number, values.count, values.boolean, values.text)
    for read in readers:
        read(value)
    assert values.mapping(value) == (value if isinstance(value, dict) else {})
    values.member(value, "a", "b")
