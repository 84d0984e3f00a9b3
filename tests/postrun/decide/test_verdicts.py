"""Whether a result could be luck, in one word: which of the rules comes first."""

from typing import Any

import pytest

from postrun.decide import verdicts

POLICY = {
    "least_windows": 10,
    "least_share_of_windows_measured": 0.9,
    "levels": {"decision": 0.01, "families": {"method": "benjamini_yekutieli", "q": 0.1}},
}
ROW = {"weaker_than_baseline": None, "wf_n": 13, "windows_asked": 13}


@pytest.mark.parametrize(
    ("row", "p_family", "q", "expected"),
    [
        ({}, 0.01, 0.1, "survives"),  # both levels are inclusive
        ({}, 0.0101, 0.1, "does_not_survive"),
        ({}, 0.01, 0.1001, "does_not_survive"),
        ({"wf_n": 12}, 0.001, 0.01, "survives"),  # 12 of 13 are more than 90 %
        ({"wf_n": 11}, 0.001, 0.01, "too_few_windows"),
        ({"wf_n": 9, "windows_asked": 9}, 0.001, 0.01, "too_few_windows"),
        ({"wf_n": 10, "windows_asked": None}, 0.001, 0.01, "survives"),
        ({"wf_n": 1}, None, None, "not_measured"),
        ({"weaker_than_baseline": "stat_alpha"}, 0.001, 0.01, "not_comparable"),
        ({"weaker_than_baseline": "stat_alpha"}, None, None, "not_comparable"),
    ],
)
def test_the_verdict(
    row: dict[str, Any], p_family: float | None, q: float | None, expected: str
) -> None:
    assert verdicts.verdict({**ROW, **row}, p_family, q, POLICY) == expected


@pytest.mark.parametrize(("rank", "place"), [(1, "the best"), (2, "the 2nd best")])
def test_the_sentence_names_the_place(rank: int, place: str) -> None:
    luck = {"verdict": "survives", "family": "f", "trials": 14, "rank": rank}
    luck |= {"p_family": 0.031, "q": 0.05}
    sentence = verdicts.sentence(ROW, luck, POLICY)
    assert sentence.startswith(f"of 14 trials of f this is {place}; if none were any good, the ")


@pytest.mark.parametrize(
    ("measured", "asked", "words"),
    [
        (3, 3, "3 windows measured, at least 10 are asked, 7 years missing"),
        (9, 9, "9 windows measured, at least 10 are asked, 1 year missing"),
        (11, 13, "11 windows measured, at least 12 are asked, 1 year missing"),
    ],
)
def test_too_few_windows_say_how_many_years_are_missing(
    measured: int, asked: int, words: str
) -> None:
    row = ROW | {"wf_n": measured, "windows_asked": asked}
    sentence = verdicts.sentence(row, {"verdict": "too_few_windows"}, POLICY)
    assert sentence == f"too few windows: {words}"
