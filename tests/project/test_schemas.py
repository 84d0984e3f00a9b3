"""The schemas keep the rules of the house, and say yes and no to the examples as their file names promise."""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from postrun import artifacts
from postrun.errors import Invalid
from postrun.layout import NOUNS, PROJECT, Home, Noun

SCHEMAS = PROJECT / "schemas"
EXAMPLES = PROJECT / "tests" / "examples"
STEMS = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))
ARTIFACTS = [stem for stem in STEMS if stem != "common"]
OURS = sorted({noun.schema for noun in NOUNS.values() if noun.ours and noun.schema})
CONFIGS = {noun.schema for noun in NOUNS.values() if noun.home is Home.PROJECT}
DOCUMENTS = sorted(set(OURS) - CONFIGS - {noun.schema for noun in NOUNS.values() if noun.suffixes[0] != ".json"})
SHIPPED = [noun for noun in NOUNS.values() if noun.home is Home.PROJECT and not noun.name.endswith(".local")]


def schema(stem: str) -> Any:
    return json.loads((SCHEMAS / f"{stem}.schema.json").read_bytes())


def objects(node: Any, where: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk every JSON object inside a schema, with its place."""
    if isinstance(node, dict):
        yield where, node
        for key, item in node.items():
            yield from objects(item, f"{where}.{key}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from objects(item, f"{where}[{index}]")


def properties(stem: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every property a schema describes, however deep: the children of `properties` and of `$defs`."""
    for where, node in objects(schema(stem)):
        if where.endswith((".properties", ".$defs")) and ".properties.properties" not in where:
            for name, described in node.items():
                yield f"{where}.{name}", described


def follow(stem: str, described: dict[str, Any]) -> dict[str, Any]:
    """Go where a property's `$ref` leads; what stands beside the `$ref` goes first."""
    if "$ref" not in described:
        return described
    file, _, pointer = described["$ref"].partition("#/")
    target: Any = schema(file.removesuffix(".schema.json") or stem)
    for part in pointer.split("/"):
        target = target[part]
    return {**follow(file.removesuffix(".schema.json") or stem, target), **described}


@pytest.mark.parametrize("stem", STEMS)
def test_schema_is_one(stem: str) -> None:
    found = schema(stem)
    assert artifacts.schema_findings(found) == []
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["$id"] == f"{stem}.schema.json"
    assert found["title"]
    assert found["description"]


@pytest.mark.parametrize("stem", STEMS)
def test_every_property_is_described(stem: str) -> None:
    bare = [where for where, described in properties(stem) if not follow(stem, described).get("description")]
    assert bare == []


@pytest.mark.parametrize("stem", ARTIFACTS)
def test_every_reference_leads_somewhere(stem: str) -> None:
    for _, node in objects(schema(stem)):
        if isinstance(node.get("$ref"), str):
            assert follow(stem, node)


@pytest.mark.parametrize("stem", OURS)
def test_ours_name_everything_they_hold(stem: str) -> None:
    """A property we write but do not describe is a mistake, at every depth."""
    found = [pair for pair in objects(schema(stem)) if isinstance(pair[1].get("properties"), dict)]
    assert [where for where, node in found if node.get("additionalProperties") is not False] == []


@pytest.mark.parametrize("stem", DOCUMENTS)
def test_ours_carry_their_version(stem: str) -> None:
    found = schema(stem)
    assert {"schema_version", "generated_at"} <= set(found["required"]) & set(found["properties"])


@pytest.mark.parametrize("stem", OURS)
def test_ours_admit_nothing_wrong(stem: str) -> None:
    assert [where for where, node in objects(schema(stem)) if "x-admitted" in node] == []


@pytest.mark.parametrize("noun", NOUNS.values(), ids=lambda noun: noun.name)
def test_every_noun_has_its_rooms(noun: Noun) -> None:
    if noun.schema:
        assert noun.schema == noun.name, "one stem, every room"
        assert noun.schema in ARTIFACTS
    if noun.ours and ".md" in noun.suffixes:
        assert (PROJECT / "templates" / f"{noun.name}.md.j2").is_file()


def test_every_schema_has_its_noun() -> None:
    assert set(ARTIFACTS) <= {noun.schema for noun in NOUNS.values()}


@pytest.mark.parametrize("noun", SHIPPED, ids=lambda noun: noun.name)
def test_every_config_that_is_shipped_is_complete(noun: Noun) -> None:
    path = PROJECT / f"{noun.file}.json"
    assert artifacts.findings(json.loads(path.read_bytes()), str(noun.schema)) == []


def examples(kind: str) -> list[Path]:
    return sorted(EXAMPLES.glob(f"*/{kind}/*.json*"))


def documents(path: Path) -> list[Any]:
    """Give what an example holds: one document, or the rows of a `.jsonl` file."""
    content = path.read_bytes()
    pieces = content.splitlines() if path.suffix == ".jsonl" else [content]
    return [artifacts.parse(piece, path)[0] for piece in pieces]


def found_in(path: Path, admitted: bool = True) -> list[str]:
    stem = path.parents[1].name
    return [line for document in documents(path) for line in artifacts.findings(document, stem, admitted)]


def name(path: Path) -> str:
    return f"{path.parents[1].name}/{path.stem}"


@pytest.mark.parametrize("path", examples("valid"), ids=name)
def test_valid_example_passes(path: Path) -> None:
    assert found_in(path) == []


@pytest.mark.parametrize("path", examples("invalid"), ids=name)
def test_invalid_example_is_found(path: Path) -> None:
    """Wrong in one way, as the file's name says; a misspelt key gives two findings."""
    assert found_in(path) != []


@pytest.mark.parametrize("stem", ARTIFACTS)
@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_every_schema_has_examples(stem: str, kind: str) -> None:
    assert [path for path in examples(kind) if path.parents[1].name == stem]


def test_no_example_without_a_schema() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} <= set(ARTIFACTS)


@pytest.mark.parametrize(
    ("example", "comes_in"),
    [
        ("production_gates_report/invalid/overall_pass_is_text.json", True),
        ("production_gates_report/invalid/gates_missing.json", True),
        ("production_gates_report/invalid/threshold_is_text.json", True),
        ("production_gates_report/invalid/gates_is_a_list.json", False),
        ("production_gates_report/invalid/cost_row_is_a_number.json", False),
        ("data_quality_report/invalid/overall_pass_is_text.json", True),
        ("preflight/invalid/status_missing.json", True),
        ("context/invalid/threads_is_text.json", True),
        ("context/invalid/decision_tag_is_null.json", False),
        ("result/invalid/exit_code_is_text.json", False),
    ],
)
def test_the_door_admits_wrong_values_but_no_wrong_shapes(example: str, comes_in: bool) -> None:
    path = EXAMPLES / example
    assert (found_in(path, admitted=False) == []) is comes_in
    assert found_in(path) != []


@pytest.mark.parametrize("path", [*examples("valid"), *examples("invalid")], ids=name)
def test_the_door_lets_through_what_the_findings_do(path: Path) -> None:
    """Two validators read one schema: the fast one decides at the door, the other one explains."""
    for document in documents(path):
        stem = path.parents[1].name
        found = artifacts.findings(document, stem, admitted=False)
        with pytest.raises(Invalid, match=re.escape(found[0])) if found else nullcontext():
            assert artifacts.check(document, stem, path) is document
