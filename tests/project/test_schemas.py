"""The schemas keep the project's rules, accept every valid example and find the fault of every
invalid one.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from json_changes import changed
from postrun.core.artifacts import ARTIFACTS, OUTPUTS, SHARED, Artifact, Home
from postrun.core.errors import Invalid
from postrun.core.locations import PROJECT
from postrun.store import json_files

SCHEMAS = PROJECT / "schemas"
# A schema that is added to a folder changes its digest; the files that are there do not change.
RELEASED = {
    "v1": "9241d1cc5919694e5569247f4ac6424c78fe721b2739ba52be2b02915bcf9f64",
    "v2": "14afbfb5281c2ef391378b96f30741bc36cea64adbf5843a1db19f3807e6bc95",
    "v3": "1a289c28893dbe15fd7ed55ebd2a956b6cf70f01a10144abd523b60e80e64006",
    "v4": "4fef3833fbc27c64283c171291010ed86a32f4c2629c2038aea73161be018bda",
}
# The lines of --json that no version stamps: they say what came of one command.
PRINTED = "command_output"
EXAMPLES = PROJECT / "tests" / "examples"
STEMS = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))
SCHEMA_NAMES = [stem for stem in STEMS if stem != "common"]
OURS = sorted(
    {artifact.schema for artifact in ARTIFACTS.values() if artifact.generated and artifact.schema}
    | {*OUTPUTS}
)
CONFIGS = {artifact.schema for artifact in ARTIFACTS.values() if artifact.home is Home.PROJECT}
DOCUMENTS = sorted(
    set(OURS)
    - CONFIGS
    - {artifact.schema for artifact in ARTIFACTS.values() if artifact.suffixes[0] != ".json"}
)
SHIPPED = [
    artifact
    for artifact in ARTIFACTS.values()
    if artifact.home is Home.PROJECT and not artifact.name.endswith(".local")
]


def schema(stem: str) -> Any:
    return json.loads((SCHEMAS / f"{stem}.schema.json").read_bytes())


def is_condition(where: str) -> bool:
    """Return whether a place in a schema only asks which rule holds: it describes nothing."""
    return ".if" in where


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
    """Give every property a schema describes, however deep: the children of `properties` and of
    `$defs`.
    """
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
    assert json_files.schema_findings(found) == []
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["$id"] == f"{stem}.schema.json"
    assert found["title"]
    assert found["description"]


@pytest.mark.parametrize("stem", STEMS)
def test_every_property_is_described(stem: str) -> None:
    bare = [
        where
        for where, described in properties(stem)
        if not follow(stem, described).get("description") and not is_condition(where)
    ]
    assert bare == []


@pytest.mark.parametrize("stem", SCHEMA_NAMES)
def test_every_reference_leads_somewhere(stem: str) -> None:
    for _, node in objects(schema(stem)):
        if isinstance(node.get("$ref"), str):
            assert follow(stem, node)


@pytest.mark.parametrize("stem", OURS)
def test_ours_name_everything_they_hold(stem: str) -> None:
    """A property we write but do not describe is a mistake, at every depth."""
    found = [pair for pair in objects(schema(stem)) if isinstance(pair[1].get("properties"), dict)]
    open_ones = [where for where, node in found if node.get("additionalProperties") is not False]
    assert [where for where in open_ones if not is_condition(where)] == []


@pytest.mark.parametrize("stem", DOCUMENTS)
def test_ours_carry_their_version(stem: str) -> None:
    found = schema(stem)
    stamp = {"schema_version", "program_version", "generated_at"}
    assert stamp <= set(found["required"]) & set(found["properties"])


@pytest.mark.parametrize("folder", RELEASED)
def test_released_schemas_keep_their_bytes(folder: str) -> None:
    """Files of these versions are on disks. Mend the current schema, and raise its version."""
    whole = hashlib.sha256()
    for path in sorted((SCHEMAS / folder).iterdir()):
        whole.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    assert whole.hexdigest() == RELEASED[folder]


@pytest.mark.parametrize("stem", DOCUMENTS)
def test_every_earlier_version_is_kept(stem: str) -> None:
    current = schema(stem)["properties"]["schema_version"]["const"]
    for number in range(1, current):
        kept = schema(f"v{number}/{stem}")
        assert json_files.schema_findings(kept) == []
        assert json_files.schema_of({"schema_version": number}, stem) == f"v{number}/{stem}"


@pytest.mark.parametrize("stem", OURS)
def test_ours_admit_nothing_wrong(stem: str) -> None:
    assert [where for where, node in objects(schema(stem)) if "x-admitted" in node] == []


@pytest.mark.parametrize("artifact", ARTIFACTS.values(), ids=lambda artifact: artifact.name)
def test_every_artifact_has_its_files(artifact: Artifact) -> None:
    if artifact.schema:
        assert artifact.schema == artifact.name, "one stem, every room"
        assert artifact.schema in SCHEMA_NAMES
    if artifact.generated and ".md" in artifact.suffixes:
        assert (PROJECT / "templates" / f"{artifact.name}.md.j2").is_file()


def test_every_schema_has_its_artifact() -> None:
    known = {artifact.schema for artifact in ARTIFACTS.values()} | {*OUTPUTS, *SHARED, PRINTED}
    assert set(SCHEMA_NAMES) <= known


@dataclass(frozen=True)
class Example:
    """One document of an artifact. `finds` begins the one finding that is expected in it."""

    artifact: str
    name: str
    document: Any
    finds: str = ""

    def __str__(self) -> str:
        return f"{self.artifact}/{self.name}"

    def findings(self, admitted: bool = True) -> list[str]:
        return json_files.findings(self.document, self.artifact, admitted)


def documents(path: Path) -> list[Any]:
    """Return what an example file holds: one document, or the rows of a `.jsonl` file."""
    content = path.read_bytes()
    pieces = content.splitlines() if path.suffix == ".jsonl" else [content]
    return [json_files.parse(piece, path).value for piece in pieces]


def valid_examples() -> Iterator[Example]:
    for path in sorted(EXAMPLES.glob("*/valid/*.json*")):
        for document in documents(path):
            yield Example(path.parents[1].name, path.stem, document)

    # A config that is shipped is a valid example of itself: a copy would only go stale.
    for artifact in SHIPPED:
        (document,) = documents(PROJECT / f"{artifact.file}.json")
        yield Example(str(artifact.schema), "shipped", document)


def invalid_examples() -> Iterator[Example]:
    """Return an example for every change in an `invalid.json`.

    Of valid rows, the first is changed.
    """
    for path in sorted(EXAMPLES.glob("*/invalid.json")):
        (content,) = documents(path)
        for change in content["changes"]:
            valid = PROJECT / change.get("valid", content["valid"])
            document = changed(documents(valid)[0], change)
            yield Example(path.parent.name, change["name"], document, change["finds"])


VALID = list(valid_examples())
INVALID = list(invalid_examples())


@pytest.mark.parametrize("example", VALID, ids=str)
def test_valid_example_passes(example: Example) -> None:
    assert example.findings() == []


@pytest.mark.parametrize("example", INVALID, ids=str)
def test_invalid_example_has_the_one_fault_it_names(example: Example) -> None:
    """An example that is wrong for another reason, or for two, proves nothing about its own."""
    place, _, fault = example.finds.partition(": ")
    assert place.startswith("$")
    assert fault
    (finding,) = example.findings()
    assert finding.startswith(example.finds)


def test_invalid_examples_have_names_of_their_own() -> None:
    assert len({str(example) for example in INVALID}) == len(INVALID)


@pytest.mark.parametrize("stem", SCHEMA_NAMES)
@pytest.mark.parametrize("examples", [VALID, INVALID], ids=["valid", "invalid"])
def test_every_schema_has_examples(stem: str, examples: list[Example]) -> None:
    assert stem in {example.artifact for example in examples}


def test_no_example_is_left_unread() -> None:
    """A folder without a schema, or a file that is neither valid/ nor invalid.json, would test
    nothing.
    """
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} <= set(SCHEMA_NAMES)
    assert {path.name for path in EXAMPLES.glob("*/*")} == {"valid", "invalid.json"}
    assert {path.suffix for path in EXAMPLES.glob("*/valid/*")} <= {".json", ".jsonl"}


@pytest.mark.parametrize(
    ("name", "is_accepted"),
    [
        ("production_gates_report/overall_pass_is_text", True),
        ("production_gates_report/gates_missing", True),
        ("production_gates_report/threshold_is_text", True),
        ("production_gates_report/gates_is_a_list", False),
        ("production_gates_report/cost_row_is_a_number", False),
        ("data_quality_report/overall_pass_is_text", True),
        ("preflight/status_missing", True),
        ("context/threads_is_text", True),
        ("context/decision_tag_is_null", False),
        ("result/exit_code_is_text", False),
    ],
)
def test_readers_accept_wrong_values_but_no_wrong_shapes(name: str, is_accepted: bool) -> None:
    (example,) = [example for example in INVALID if str(example) == name]
    assert (example.findings(admitted=False) == []) is is_accepted
    assert example.findings() != []


@pytest.mark.parametrize("example", [*VALID, *INVALID], ids=str)
def test_both_validators_agree(example: Example) -> None:
    """Two validators read one schema: the fast one decides for the readers, the other
    one explains.
    """
    schema = json_files.schema_of(example.document, example.artifact)
    findings = json_files.explain(example.document, schema, admitted=False)
    expected = pytest.raises(Invalid, match=re.escape(findings[0])) if findings else nullcontext()
    with expected:
        document = json_files.check(example.document, example.artifact, str(example))
        assert document is example.document
