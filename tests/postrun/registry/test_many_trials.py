"""Of very many trials the best are listed, and the rest is counted."""

from itertools import pairwise
from typing import Any

import pytest

from postrun.registry import many_trials


def test_the_best_are_listed_and_the_rest_is_in_classes() -> None:
    numbered: list[dict[str, Any]] = []
    for number in range(1, 402):
        numbered.append({"number": number, "run": f"r{number}", "t": (number * 37 % 400) / 100 - 2})
    numbered[-1]["t"] = None
    assert many_trials.cut(numbered[:300], "r7")["other_trials"] is None
    cut = many_trials.cut(numbered, "r400")  # its t is the worst of all
    listed = cut["family_trials"]
    assert (len(listed), listed[-1]["run"], listed[-1]["t"]) == (51, "r400", -2)
    assert listed == sorted(listed, key=lambda trial: trial["number"])
    others = cut["other_trials"]
    assert (others["trials"], others["without_series"]) == (349, 1)
    assert sum(row["trials"] for row in others["classes"]) == 349
    assert len(others["classes"]) <= 31
    for before, after in pairwise(others["classes"]):
        assert before["high"] == pytest.approx(after["low"])


def test_very_many_trials_without_a_series_have_no_classes() -> None:
    numbered: list[dict[str, Any]] = []
    for number in range(1, 302):
        numbered.append({"number": number, "run": f"r{number}", "t": None})
    numbered[0]["t"] = 1.0
    others = many_trials.cut(numbered, "r1")["other_trials"]
    assert others == {"trials": 0, "without_series": 300, "classes": []}
