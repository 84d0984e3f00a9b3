"""What a machine and its data must offer before an official run starts.

The workstation need not have jsonschema, so the policy is checked here by hand. The schema of the
same name says the same to editors and to `make validate`; a test checks one against the other.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from postrun.core import disk
from postrun.core.errors import Invalid, Missing, Usage
from postrun.core.locations import PROJECT
from postrun.decide import data_settings
from postrun.launcher import POLICY_FILE


@dataclass(frozen=True)
class Thresholds:
    """What the data-quality gate demands. Ratios are 0-1, staleness is in days."""

    required_columns: tuple[str, ...]
    numeric_columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    date_column: str
    min_rows: int
    max_missing_ratio: float
    max_duplicate_ratio: float
    max_staleness_days: float


@dataclass(frozen=True)
class Policy:
    """The whole policy. `program` is relative to the workstation's root."""

    program: str
    min_cores: int
    min_memory_gb: int
    leftover_seconds: float
    data_quality: Thresholds


# What a field must hold, in the words of the message when it does not.
VERSION = "1"
COUNT = "a whole number, 0 or more"
NUMBER = "a number, 0 or more"
RATIO = "a ratio between 0 and 1"
TEXT = "some text"
COLUMNS = "a list of column names"

FIELDS: dict[str, Any] = {
    "schema_version": VERSION,
    "program": TEXT,
    "leftover_seconds": NUMBER,
    "preflight": {"min_cores": COUNT, "min_memory_gb": COUNT},
    "data_quality": {
        "required_columns": COLUMNS,
        "numeric_columns": COLUMNS,
        "key_columns": COLUMNS,
        "date_column": TEXT,
        "min_rows": COUNT,
        "max_missing_ratio": RATIO,
        "max_duplicate_ratio": RATIO,
        "max_staleness_days": NUMBER,
    },
}


def _is_valid(value: Any, expected: str) -> bool:
    """Return whether a JSON value is what a field must hold."""
    if expected == TEXT:
        return isinstance(value, str) and value != ""
    if expected == COLUMNS:
        return isinstance(value, list) and all(_is_valid(name, TEXT) for name in value)
    # JSON's true is an int to Python, and Infinity is a number to its JSON reader.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if expected == VERSION:
        return value == 1
    if expected == RATIO:
        return 0 <= value <= 1
    if expected == COUNT and not isinstance(value, int):
        return False
    return 0 <= value < math.inf


def find_file(root: Path, named: Path | None) -> Path:
    """Return the policy file: the one named, else the workstation's own, else the project's."""
    if named is not None:
        return named
    of_workstation = root / POLICY_FILE
    if disk.is_file(of_workstation):
        return of_workstation
    return PROJECT / POLICY_FILE


def load(path: Path) -> Policy:
    """Return the policy in a file. Raises Missing, Invalid."""
    if not disk.is_file(path):
        raise Missing("launcher policy", f"a file at {path}", "nothing")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise Invalid(path, "JSON", str(error)) from None
    _check(f"{path} policy", document, FIELDS)
    data_quality = document["data_quality"]
    for name, value in data_quality.items():
        if isinstance(value, list):
            data_quality[name] = tuple(value)
    return Policy(
        program=document["program"],
        leftover_seconds=document["leftover_seconds"],
        data_quality=Thresholds(**data_quality),
        **document["preflight"],
    )


def with_environment(thresholds: Thresholds, environment: Mapping[str, str]) -> Thresholds:
    """Return the thresholds with those of the environment (DQ_MIN_ROWS and so on) over them.

    An empty variable counts as none. Raises Usage.
    """
    given = {}
    for setting, expected in FIELDS["data_quality"].items():
        name = data_settings.variable(setting)
        text = environment.get(name)
        if not text:
            continue
        value = _parse(text, expected)
        if not _is_valid(value, expected):
            raise Usage(name, expected, repr(text))
        if isinstance(value, list):
            value = tuple(value)
        given[setting] = value
    return replace(thresholds, **given)


def _parse(text: str, expected: str) -> Any:
    """Return the value that a text stands for; None when it is no such value."""
    if expected == TEXT:
        return text
    if expected == COLUMNS:
        return list(data_settings.parse_columns(text))
    kind = int if expected == COUNT else float
    try:
        return kind(text)
    except ValueError:
        return None


def _check(where: str, content: Any, fields: Mapping[str, Any]) -> None:
    """Raise Invalid unless an object has exactly these fields, each with what it must hold."""
    expected_keys = f"exactly the keys {', '.join(sorted(fields))}"
    if not isinstance(content, dict):
        raise Invalid(where, expected_keys, type(content).__name__)
    if set(content) != set(fields):
        raise Invalid(where, expected_keys, ", ".join(sorted(content)))
    for key, expected in fields.items():
        value, name = content[key], f"{where}.{key}"
        if isinstance(expected, dict):
            _check(name, value, expected)
        elif not _is_valid(value, expected):
            raise Invalid(name, expected, repr(value))
