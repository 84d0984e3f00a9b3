"""How an answer words what is wrong."""

import pytest

from postrun.audit import answers
from postrun.audit.facts import Document


def test_without_faults_it_is_a_pass() -> None:
    document = Document(path="a.json")
    answer = answers.by_faults("all there", [], "as recorded", document)
    assert (answer.passed, answer.observed, answer.evidence) == (True, "as recorded", "a.json")
    assert not answers.by_faults("all there", ["x is gone"], "as recorded", document).passed


def test_a_long_list_is_cut_and_counted() -> None:
    assert answers.join(["a", "b"]) == "a; b"
    assert answers.join(list("abcdefgh")) == "a; b; c; d; e; f; and 2 more"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "nothing"), (True, "true"), (False, "false"), (1, "1"), ("x", "'x'")]
)
def test_values_are_shown_as_json_has_them(value: object, text: str) -> None:
    assert answers.shown(value) == text


@pytest.mark.parametrize(
    ("value", "texts"), [(None, []), ([], []), (["a", 1], ["a", "1"]), ("a", ["a"])]
)
def test_a_list_of_texts_is_read_whatever_it_is(value: object, texts: list[str]) -> None:
    assert answers.texts(value) == texts
