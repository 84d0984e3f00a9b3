"""Patterns of paths: what they mean, and whether two of them can mean the same path."""

import itertools
import random

import pytest

from postrun.decide import path_patterns


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("run.log", "run.log", True),
        ("run.log", "runXlog", False),
        ("run.log", "shard/run.log", False),
        ("*.log", "run.log", True),
        ("*.log", "a/run.log", False),
        ("shard_*/*/**", "shard_01/f/a.csv", True),
        ("shard_*/*/**", "shard_01/f/g/a.csv", True),
        ("shard_*/*/**", "shard_01/a.csv", False),
        ("kept/**", "kept/1/a", True),
        ("kept/**", "kept/", False),
        ("kept/**", "kept/a\nb", True),
        ("a[b]?", "a[b]?", True),
        ("a[b]?", "abc", False),
        ("*", "\udcff", True),
    ],
)
def test_what_a_pattern_means(pattern: str, path: str, expected: bool) -> None:
    assert path_patterns.matches(pattern, path) is expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("run.log", "run.log", True),
        ("run.log", "result.json", False),
        ("*.json", "result.json", True),
        ("**", "data_quality/*/report.json", True),
        ("walk/*/summary.csv", "walk/shard_*/*/**", False),
        ("walk/*/summary.csv", "walk/shard_*/**", True),
        ("walk/*/summary.csv", "walk/shard_*/*", True),
        ("a*b", "*ab*", True),
        ("a*b", "b*a", False),
        ("kept/**", "kept", False),
    ],
)
def test_whether_two_patterns_can_mean_one_path(first: str, second: str, expected: bool) -> None:
    assert path_patterns.overlap(first, second) is expected
    assert path_patterns.overlap(second, first) is expected


def test_no_path_is_missed() -> None:
    """Whatever short path two patterns both mean, their overlap is found."""
    chance = random.Random(7)
    texts = ["".join(text) for size in range(6) for text in itertools.product("a/b", repeat=size)]
    parts = ["a", "b", "/", "*", "**"]
    found = 0
    for _ in range(400):
        first, second = ("".join(chance.choices(parts, k=chance.randint(1, 4))) for _ in "12")
        both = [
            text
            for text in texts
            if path_patterns.matches(first, text) and path_patterns.matches(second, text)
        ]
        found += bool(both)
        if both:
            assert path_patterns.overlap(first, second), (first, second, both[0])
    assert found > 50
