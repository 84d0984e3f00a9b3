"""Findings as lines, and which of them are said twice."""

from postrun.core.errors import Invalid
from postrun.verify.findings import broken, broken_files, listed, of_error, stale, without_known


def test_a_finding_is_one_line() -> None:
    found = broken("audit/x.json", "SHA-256 aa...", "SHA-256 bb...", "make it again")
    assert str(found) == (
        "broken: audit/x.json: expected SHA-256 aa..., found SHA-256 bb...; make it again"
    )
    assert str(listed("a", "b", "c")) == "listed: a: expected b, found c"


def test_an_error_of_a_reader_becomes_a_finding() -> None:
    error = Invalid("/desk/audit/x.json", "a document", "half of one", "restore it")
    assert of_error("audit/x.json", error) == broken(
        "audit/x.json", "a document", "half of one", "restore it"
    )


def test_one_line_a_file_is_enough() -> None:
    known = [broken("a", "x", "y"), stale("b", "x", "y", "z")]
    assert broken_files(known) == {"a"}
    again = [broken("a", "p", "q"), broken("b", "p", "q")]
    assert list(without_known(again, known)) == [broken("b", "p", "q")]
