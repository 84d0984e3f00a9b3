"""What a machine and its data must offer before an official run starts.

The workstation need not have jsonschema, so the policy is checked here by hand. The schema of the same name
says the same to editors and to `make validate`, and a test holds the two together.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postrun.core import values
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import PROJECT

FILE = Path("configs") / "launcher_policy.json"


@dataclass(frozen=True)
class Thresholds:
    """What the data-quality gate asks. Ratios are 0-1, staleness is in days."""

    required_columns: tuple[str, ...]
    numeric_columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    date_column: str
    min_rows: int
    max_missing_ratio: float
    max_duplicate_ratio: float
    max_staleness_days: int


@dataclass(frozen=True)
class Policy:
    """The whole policy. `program` is relative to the workstation's root."""

    program: str
    min_cores: int
    min_memory_gb: int
    leftover_seconds: float
    data_quality: Thresholds


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) and word for word in value)


_Kind = tuple[Callable[[Any], bool], str]
WHOLE: _Kind = (_whole, "a whole number, 0 or more")
REAL: _Kind = (_real, "a number, 0 or more")
RATIO: _Kind = (lambda value: _real(value) and value <= 1, "a ratio between 0 and 1")
WORD: _Kind = (lambda value: isinstance(value, str) and bool(value), "some text")
WORDS: _Kind = (_words, "a list of column names")
PART: _Kind = (lambda value: isinstance(value, dict), "an object")

WHOLE_POLICY = {
    "schema_version": (lambda value: _whole(value) and value == 1, "1"),
    "program": WORD,
    "leftover_seconds": REAL,
    "preflight": PART,
    "data_quality": PART,
}
PREFLIGHT = {"min_cores": WHOLE, "min_memory_gb": WHOLE}
DATA_QUALITY = {
    "required_columns": WORDS,
    "numeric_columns": WORDS,
    "key_columns": WORDS,
    "date_column": WORD,
    "min_rows": WHOLE,
    "max_missing_ratio": RATIO,
    "max_duplicate_ratio": RATIO,
    "max_staleness_days": WHOLE,
}


def find(root: Path, given: Path | None) -> Path:
    """Choose the policy file: the one given, else the workstation's own, else the project's."""
    own = root / FILE
    return given or (own if own.is_file() else PROJECT / FILE)


def load(path: Path) -> Policy:
    """Read and check one policy file. Raises Missing, Invalid."""
    if not path.is_file():
        raise Missing("launcher policy", f"a file at {path}", "nothing")
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise Invalid(path, "JSON", str(error)) from None
    for where, content, fields in (
        ("policy", given, WHOLE_POLICY),
        ("preflight", values.member(given, "preflight"), PREFLIGHT),
        ("data_quality", values.member(given, "data_quality"), DATA_QUALITY),
    ):
        _check(f"{path} {where}", content, fields)
    quality = given["data_quality"]
    columns = {key: tuple(value) for key, value in quality.items() if isinstance(value, list)}
    thresholds = Thresholds(**(quality | columns))
    return Policy(
        given["program"],
        **given["preflight"],
        data_quality=thresholds,
        leftover_seconds=given["leftover_seconds"],
    )


def _check(where: str, content: Any, fields: Mapping[str, _Kind]) -> None:
    if not isinstance(content, dict) or set(content) != set(fields):
        found = ", ".join(sorted(content)) if isinstance(content, dict) else type(content).__name__
        raise Invalid(where, f"exactly the keys {', '.join(sorted(fields))}", found)
    for key, (fits, words) in fields.items():
        if not fits(content[key]):
            raise Invalid(f"{where}.{key}", words, repr(content[key]))
