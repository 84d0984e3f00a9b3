"""A workstation's answer: cut into parts, read into records, refused when it is not whole."""

import pytest

from postrun.core.errors import Invalid, Missing, Unreachable
from postrun.remote import answers
from postrun.remote.answers import Answer

NONCE = "0f" * 16
DIGEST = "ab" * 32
RUN = "2026-02-21_031500_production_gates_run1"


def parse(*parts: tuple[str, str], before: str = "") -> Answer:
    """Return an answer that holds these headings, each with its content."""
    text = before
    for heading, content in (*parts, ("end", "")):
        text += f"\n{NONCE} {heading}\n{content}"
    return Answer.parse(text.encode(errors="surrogateescape"), NONCE, "bench")


def test_what_a_profile_printed_is_no_part() -> None:
    answer = parse(("clock", "12.5\n"), ("zone", "-0700"), before="welcome\nclock 99\n")
    assert [part.kind for part in answer.parts] == ["clock", "zone", "end"]
    assert answer.text("clock") == "12.5"
    assert answer.text("boot") == ""


@pytest.mark.parametrize(
    ("output", "found"),
    [("command not found", "is there a POSIX shell"), (f"\n{NONCE} clock\n1", "half of one")],
)
def test_an_answer_that_is_not_whole_is_refused(output: str, found: str) -> None:
    with pytest.raises(Unreachable, match=found):
        Answer.parse(output.encode(), NONCE, "bench")


def test_files_have_size_time_and_every_byte() -> None:
    answer = parse(("file 3 1771668900.5 runs/a b.json", "{}\n"), ("unreadable 9 1 x.json", ""))
    first, second = answers.read_files(answer)
    assert (first.path, first.size, first.modified) == ("runs/a b.json", 3, 1771668900.5)
    assert first.content == b"{}\n"
    assert (second.path, second.size, second.content) == ("x.json", 9, None)


def test_files_that_are_there_come_by_number() -> None:
    listing = answers.read_file_list(
        parse(("files", "2\n"), ("runs", f"{RUN}\nnotes\n")), ["a.csv", "b.csv"]
    )
    assert listing.files == {"b.csv"}
    assert listing.tags == {"run1"}


def test_digests_of_plain_and_odd_names_and_links() -> None:
    odd = b"new\nline".hex()
    target = b"../elsewhere".hex()
    answer = parse(
        ("digest", "sha256sum\n"),
        ("plain runs", f"{DIGEST}  ./a b.txt\n{DIGEST} *./c\n"),
        ("odd runs", f"{odd} {DIGEST}\n"),
        ("links runs", f"{b'link'.hex()} {target}\n"),
    )
    found = answers.read_digests(answer, ["runs"], "bench")
    assert found.files == dict.fromkeys(("runs/a b.txt", "runs/c", "runs/new\nline"), DIGEST)
    assert found.links == {"runs/link": "../elsewhere"}


def test_a_folder_or_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(Missing, match="SHA-256 on workstation bench"):
        answers.read_digests(parse(("digest", "")), [], "bench")
    with pytest.raises(Missing, match="gates on workstation bench"):
        answers.read_digests(parse(("digest", "openssl"), ("plain runs", "")), ["gates"], "bench")


def test_a_file_that_cannot_be_read_is_not_left_out() -> None:
    answer = parse(("digest", "shasum"), ("plain runs", ""), ("failed runs", ""))
    with pytest.raises(Invalid, match="runs on workstation bench"):
        answers.read_digests(answer, ["runs"], "bench")
