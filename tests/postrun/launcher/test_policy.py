"""The launcher's own check of its policy says what the schema says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from json_changes import changed
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import PROJECT
from postrun.launcher import POLICY_FILE, policy
from postrun.store import json_files

EXAMPLES = PROJECT / "tests" / "examples" / "launcher_policy"
INVALID = json.loads((EXAMPLES / "invalid.json").read_text())
SCHEMA = json.loads((PROJECT / "schemas" / "launcher_policy.schema.json").read_text())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("valid/*.json")), ids=lambda path: path.stem)
def test_valid_examples_are_read(path: Path) -> None:
    assert policy.load(path).data_quality.date_column == "date"


@pytest.mark.parametrize("change", INVALID["changes"], ids=lambda change: change["name"])
def test_invalid_examples_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    valid = json.loads((PROJECT / INVALID["valid"]).read_text())
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(changed(valid, change)))
    with pytest.raises(Invalid):
        policy.load(path)


def test_both_know_the_same_keys() -> None:
    sides = (
        (policy.FIELDS, SCHEMA),
        (policy.FIELDS["preflight"], part("preflight")),
        (policy.FIELDS["data_quality"], part("data_quality")),
    )
    for fields, schema in sides:
        assert set(fields) == set(schema["properties"]) == set(schema["required"])


def part(name: str) -> Any:
    return SCHEMA["properties"][name]


VALUES: list[Any] = [None, True, 0, -1, 2, 0.5, 1.5, "", "x", [], [""], ["a"], [1], {}]
PLACES: list[tuple[str, str]] = [("", "program"), ("", "leftover_seconds"), ("", "schema_version")]
PLACES += [("preflight", name) for name in policy.FIELDS["preflight"]] + [
    ("data_quality", name) for name in policy.FIELDS["data_quality"]
]


@pytest.mark.parametrize(("where", "name"), PLACES)
def test_both_judge_every_kind_of_value_alike(where: str, name: str, tmp_path: Path) -> None:
    """2.0 is an integer to a JSON Schema and not to the launcher.

    Nobody writes that, so it is left out.
    """
    for value in VALUES:
        given = json.loads((PROJECT / "configs/launcher_policy.json").read_text())
        (given[where] if where else given)[name] = value
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(given))
        assert accepted(path) == (json_files.findings(given, "launcher_policy") == []), value


def accepted(path: Path) -> bool:
    try:
        policy.load(path)
    except Invalid:
        return False
    return True


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"preflight": 3}', '"x"'])
def test_what_is_no_policy_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(Invalid, match="expected"):
        policy.load(path)


def test_an_editors_byte_order_mark_is_no_flaw(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text((PROJECT / POLICY_FILE).read_text(), encoding="utf-8-sig")
    assert policy.load(path) == policy.load(PROJECT / POLICY_FILE)


def test_no_end_is_no_number_of_seconds(tmp_path: Path) -> None:
    given = json.loads((PROJECT / POLICY_FILE).read_text()) | {"leftover_seconds": float("inf")}
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(given))
    with pytest.raises(Invalid, match=r"leftover_seconds: expected a number, 0 or more, found inf"):
        policy.load(path)


def test_a_policy_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        policy.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("own", "given", "wanted"),
    [
        (False, None, lambda _: PROJECT / POLICY_FILE),
        (True, None, lambda root: root / POLICY_FILE),
        (True, Path("other.json"), lambda _: Path("other.json")),
    ],
)
def test_which_policy_counts(
    own: bool, given: Path | None, wanted: Callable[[Path], Path], tmp_path: Path
) -> None:
    if own:
        (tmp_path / "configs").mkdir()
        (tmp_path / POLICY_FILE).write_text("{}")
    assert policy.find_file(tmp_path, given) == wanted(tmp_path)
