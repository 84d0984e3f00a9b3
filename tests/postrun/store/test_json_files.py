"""The door for JSON: what is read is strict, what is written is whole, sorted and only new when
something is.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postrun.core.errors import Invalid, Missing
from postrun.core.locations import PROJECT, RunPaths
from postrun.store import json_files
from postrun.store.json_files import Reading

RUN = "2026-02-21_031500_production_gates_run1"
READY: dict[str, Any] = {
    "ready": True,
    "points": [],
    "last_runs": [],
    "open_high_items": [],
    "top_candidates": [],
    "next_command": None,
}
EVENT = {
    "schema_version": 3,
    "program_version": "0.1.0+g1aaf06f",
    "generated_at": "2026-02-21T05:00:00Z",
    "tag": "run1",
    "run": RUN,
    "before": None,
    "state": "running",
    "lasted_s": None,
    "words": "2 processes of it",
    "previous_sha256": None,
}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def run_paths(local: Path) -> RunPaths:
    return RunPaths(local, RUN, None)


def error(content: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        json_files.parse(content, "x.json")
    return str(caught.value)


def put(run_paths: RunPaths, name: str, content: bytes) -> Path:
    path = run_paths.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b" \n\t", "an empty file"),
        (b"\xef\xbb\xbf", "at line 1 column 1"),
        (b'{"workflow": "production', "Unterminated string starting at at line 1 column 14"),
        (b'{"a": 1,\n "b"', "Expecting ':' delimiter at line 2 column 5"),
        (b'{"a": 1}{"a": 2}', "Extra data at line 1 column 9"),
        (b"{'a': 1}", "line 1 column 2"),
        (b'{"a": "\x00"}', "Invalid control character"),
        (b'{"a": 1}\x00', "Extra data"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8 text, found byte 0xff at offset 0"),
        ('{"a": "\xe4"}'.encode("latin-1"), "UTF-8 text, found byte 0xe4 at offset 7"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' given twice"),
        (b'[{"b": {"c": 1, "c": 1}}]', "the key 'c' given twice"),
        (b'{"a": 1, "\\u0061": 2}', "the key 'a' given twice"),
        (b"[" * 200_000, "recursion"),
        (b'{"a":' * 200_000, "recursion"),
        (b"9" * 5000, "Exceeds the limit"),
    ],
)
def test_what_is_no_strict_json_is_refused(content: bytes, words: str) -> None:
    told = error(content)
    assert told.startswith("x.json: expected ")
    assert words in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("content", "document", "odd"),
    [
        (b"NaN", None, {"$": "NaN"}),
        (b'{"a": NaN, "b": 1.5}', {"a": None, "b": 1.5}, {"$.a": "NaN"}),
        (
            b'{"a": [1, Infinity, {"b": -Infinity}]}',
            {"a": [1, None, {"b": None}]},
            {"$.a[1]": "Infinity", "$.a[2].b": "-Infinity"},
        ),
        (
            b"[1e999, -1e999, 1e308]",
            [None, None, 1e308],
            {"$[0]": "Infinity", "$[1]": "-Infinity"},
        ),
        (b'{"a": null}', {"a": None}, {}),
        (b'["NaN", "Infinity"]', ["NaN", "Infinity"], {}),
    ],
)
def test_numbers_that_are_none_become_null_and_are_named(
    content: bytes, document: Any, odd: dict[str, str]
) -> None:
    assert json_files.parse(content, "x.json") == Reading(document, not_finite=odd)


def test_a_mark_of_byte_order_is_no_flaw() -> None:
    assert json_files.parse(b'\xef\xbb\xbf{"a": 1}\r\n', "x.json") == Reading({"a": 1})


def test_large_integers_keep_every_digit() -> None:
    assert json_files.parse(b'{"a": 123456789012345678901234567890}', "x.json").value == {
        "a": 123456789012345678901234567890
    }


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        document = json_files.parse(content, "x.json").value
    except Invalid:
        return
    assert json_files.parse(json_files.encode(document), "x.json") == Reading(document)


@given(DOCUMENTS)
def test_what_is_written_is_read_again(document: Any) -> None:
    assert json_files.parse(json_files.encode(document), "x.json") == Reading(document)
    line = json_files.encode_line(document)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert json_files.parse(line, "x.jsonl").value == document


def test_a_lone_surrogate_survives_the_way_out_and_in() -> None:
    document = json_files.parse(b'{"path": "a\\udcffb"}', "x.json").value
    assert json_files.encode(document) == b'{\n  "path": "a\\udcffb"\n}\n'
    assert json_files.parse(json_files.encode_line(document), "x.json").value == document
    with pytest.raises(Invalid, match="expected a document that fits"):
        json_files.check({**EVENT, "state": "\udcff"}, "monitor_events", "x.json")
    assert (
        json_files.check({**EVENT, "words": "\udcff"}, "monitor_events", "x.json")["words"]
        == "\udcff"
    )


def test_the_house_writes_json_one_way() -> None:
    assert (
        json_files.encode({"b": [1], "a": "ä"})
        == '{\n  "a": "ä",\n  "b": [\n    1\n  ]\n}\n'.encode()
    )
    assert json_files.encode_line({"b": 1, "a": "x\ny"}) == b'{"a": "x\\ny", "b": 1}\n'


def test_a_document_that_does_not_fit_is_refused_with_its_worst_flaw() -> None:
    with pytest.raises(Invalid) as caught:
        json_files.check({**EVENT, "state": "asleep", "lasted_s": -1}, "monitor_events", "events:3")
    told = str(caught.value)
    assert told.startswith(
        "events:3: expected a document that fits schemas/monitor_events.schema.json, found $."
    )
    assert told.endswith("(and 1 more)")
    flaws = json_files.findings({**EVENT, "state": "asleep", "lasted_s": -1}, "monitor_events")
    assert sorted(flaw.partition(":")[0] for flaw in flaws) == ["$.lasted_s", "$.state"]
    assert json_files.check(EVENT, "monitor_events", "events:3") is EVENT


def test_an_endless_value_does_not_make_an_endless_line() -> None:
    (flaw,) = json_files.findings({**EVENT, "state": "x" * 100_000}, "monitor_events")
    assert len(flaw) < 400


def test_what_a_schema_admits_comes_in_and_is_found_all_the_same() -> None:
    context = {"decision_tag": "run1", "workflow": "production_gates", "threads": "eight"}
    assert json_files.findings(context, "context", admitted=False) == []
    assert json_files.check(context, "context", "context.json") is context
    assert [flaw.partition(":")[0] for flaw in json_files.findings(context, "context")] == [
        "$.threads"
    ]


def test_what_is_admitted_does_not_hide_what_is_not() -> None:
    with pytest.raises(Invalid) as caught:
        json_files.check({"decision_tag": 7, "threads": "eight"}, "context", "context.json")
    assert "$.decision_tag" in str(caught.value)


def test_load_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"nothing\.json: expected a file, found nothing there"):
        json_files.load(tmp_path / "nothing.json", "result")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(Missing, match="a file that can be read, found Is a directory"):
        json_files.load(tmp_path / "folder.json", "result")


def test_load_names_the_file_that_is_half_there(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b'{"workflow": "prod')
    with pytest.raises(Invalid, match="Unterminated string") as caught:
        json_files.load(path, "result")
    assert str(caught.value).startswith(str(path))


def as_version_1(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as the first version of its schema had it."""
    older = {**document, "schema_version": 1}
    del older["program_version"]
    older.pop("previous_sha256", None)
    return older


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        (
            {"schema_version": 1},
            "$: Additional properties are not allowed ('previous_sha256', 'p",
        ),
        ({"schema_version": True}, "$: Additional properties are not allowed ('previous_sha256'"),
        ({"schema_version": 2}, "$: Additional properties are not allowed ('previous_sha256' was"),
        ({"schema_version": 4}, "$.schema_version: 3 was expected"),
        ({"schema_version": "1"}, "$.schema_version: 3 was expected"),
        ({"schema_version": [1]}, "$.schema_version: 3 was expected"),
        ({"program_version": "new"}, "$.program_version: 'new' does not match"),
    ],
)
def test_a_document_is_checked_as_the_version_it_names(
    changes: dict[str, Any], finding: str
) -> None:
    assert json_files.findings(as_version_1(EVENT), "monitor_events") == []
    assert json_files.check(as_version_1(EVENT), "monitor_events", "x") == as_version_1(EVENT)
    lines = json_files.findings({**EVENT, **changes}, "monitor_events")
    assert [line for line in lines if line.startswith(finding)], lines
    with pytest.raises(Invalid, match=r"fits schemas/(v[12]/)?monitor_events\.schema\.json"):
        json_files.check({**EVENT, **changes}, "monitor_events", "x")


def test_columns_come_from_the_schema_in_its_order() -> None:
    found = json_files.columns("factor_experiment_registry")
    members = json.loads((PROJECT / "schemas/factor_experiment_registry.schema.json").read_bytes())
    assert list(found) == list(members["properties"])
    assert (found["total"], found["overall_pass"], found["decision_tag"]) == (float, bool, str)
    assert set(found.values()) <= {str, int, float, bool}


def test_a_schema_is_held_against_the_rules_of_schemas() -> None:
    assert json_files.schema_findings({"type": "object"}) == []
    (flaw,) = json_files.schema_findings({"properties": {"a": {"type": "text"}}})
    assert flaw.startswith("$.properties.a.type")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ("4711", 4711),
        ("", None),
        (None, None),
        ('{"a": ', None),
        ("[" * 100_000, None),
        ("1" * 5_000, None),  # more digits than Python turns into an integer
    ],
)
def test_text_that_may_be_broken_json(content: str | None, value: Any) -> None:
    assert json_files.try_parse(content, "x.json").value == value


def test_the_reason_of_a_finding_about_a_large_value_is_not_cut_off() -> None:
    """A finding has 300 characters; what is wrong must be among them."""
    document = {"decision_tag": "run1", "exit_code": "0" * 400}
    (finding,) = json_files.findings(document, "result")
    assert finding.startswith("$.exit_code: is not of type 'integer': '000")
    assert len(finding) == len("$.exit_code: ") + 300


def test_a_number_that_is_not_finite_is_named_in_a_finding() -> None:
    content = b'{"decision_tag": "run1", "exit_code": Infinity}'
    with pytest.raises(Invalid, match="exit_code: Infinity is not of type 'integer'"):
        json_files.parse(content, "result.json", "result")


@pytest.mark.parametrize("depth", [400, 900])
def test_deep_values_are_refused_in_one_line(depth: int) -> None:
    shipped = json.loads((PROJECT / "configs/workstation.json").read_bytes())
    deep = json.loads("[" * depth + "]" * depth)
    for document in ({**shipped, "host": deep}, {**shipped, "more": deep}):
        with pytest.raises(Invalid, match=r"expected a document that fits schemas/workstation"):
            json_files.check(document, "workstation", "workstation.json")


@given(st.lists(DOCUMENTS, max_size=4), st.dictionaries(st.text(), DOCUMENTS, max_size=4))
def test_a_long_list_is_written_in_parts(members: list[Any], others: dict[str, Any]) -> None:
    document = {**others, "files": members}
    texts = [json_files.encode_member(member) for member in members]
    assert json_files.encode_around(document, "files", texts) == json_files.encode(document)


def test_the_members_of_a_list_are_found_as_they_stand_in_the_file() -> None:
    members: list[dict[str, Any]] = [
        {"path": "a", "inputs": [{"path": ",\n    {"}, {}]},
        {},
        {"path": "b", "inputs": []},
    ]
    for number in range(1, 4):
        document = {"a": [], "files": members[:number], "z": 1}
        content = json_files.encode(document)
        texts = json_files.split_members(content, "files")
        assert texts == [json_files.encode_member(member) for member in members[:number]]
        assert json_files.encode_around(document, "files", texts) == content
    assert json_files.split_members(b'{"files": [{}]}', "files") != ["    {}"]


@pytest.mark.parametrize("value", [[], ['{\n  "b": 1}', "ü\udc80"], {"c": [1, {}]}, None])
def test_a_document_without_a_member_has_the_bytes_of_one_that_lacks_it(value: object) -> None:
    document = {"a": 1, "b": value, "c": {"b": value, "z": 0}, "d": [{"b": value}]}
    content = json_files.encode(document)
    del document["b"]
    assert json_files.without_member(content, "b", value) == json_files.encode(document)
    other = json.dumps({"b": value, "c": 1}).encode()
    assert json_files.without_member(other, "b", value) == other
