"""The door for JSON: read strictly, checked against its schema; written sorted, whole, and only when it changed."""

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postrun import clock, disk
from postrun.errors import Invalid, Missing
from postrun.layout import NOUNS, PROJECT, Place

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

SCHEMA_VERSION = 1
_UNCOUNTED = ("generated_at",)  # a new time alone is no new content


def parse(content: bytes, thing: object) -> tuple[Any, tuple[str, ...]]:
    """Read one strict JSON document; give it with the JSON paths at which NaN or Infinity stood (null now).

    Refused (Invalid): not UTF-8, not JSON, half a file, a key given twice, nested beyond Python's depth.
    """
    try:
        raw = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise Invalid(thing, "UTF-8 text", f"byte {content[error.start]:#04x} at offset {error.start}") from None
    except json.JSONDecodeError as error:
        found = f"{error.msg} at line {error.lineno} column {error.colno}" if content.strip() else "an empty file"
        raise Invalid(thing, "a JSON document", found) from None
    except (ValueError, RecursionError) as error:
        raise Invalid(thing, "a JSON document", str(error)) from None
    odd: list[str] = []
    return _finite(raw, "$", odd), tuple(odd)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} given twice")
    return found


def _finite(value: Any, where: str, odd: list[str]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        odd.append(where)
        return None
    if isinstance(value, dict):
        return {key: _finite(item, f"{where}.{key}", odd) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item, f"{where}[{index}]", odd) for index, item in enumerate(value)]
    return value


def findings(document: Any, schema: str) -> list[str]:
    """Hold a document against a schema; give everything found, worst first, each line with its JSON path."""
    from jsonschema.exceptions import relevance

    errors = sorted(_validator(schema).iter_errors(document), key=relevance, reverse=True)
    return [_line(error) for error in errors]


def _line(error: "ValidationError") -> str:
    from jsonschema.exceptions import best_match

    deepest = best_match(iter([error])) or error
    return f"{deepest.json_path}: {deepest.message[:300]}"


@cache
def _validator(schema: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    folder = PROJECT / "schemas"
    common: Any = json.loads((folder / "common.schema.json").read_bytes())
    registry: Any = Registry().with_resource(common["$id"], Resource.from_contents(common))
    return Draft202012Validator(json.loads((folder / f"{schema}.schema.json").read_bytes()), registry=registry)


def check(document: Any, schema: str, thing: object) -> Any:
    """Let a document through that fits its schema. Raises Invalid with the worst finding and the number of others."""
    found = findings(document, schema)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Invalid(thing, f"a document that fits schemas/{schema}.schema.json", found[0] + more)
    return document


def load(path: Path, schema: str) -> Any:
    """Read and check one JSON file. Raises Missing, Invalid."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Missing(path, "a file", "nothing there") from None
    except OSError as error:
        raise Missing(path, "a file that can be read", str(error.strerror)) from None
    return check(parse(content, path)[0], schema, path)


def read(place: Place, name: str) -> Any:
    """Read and check a noun of a run or of the workspace. Raises Missing, Invalid."""
    return load(place.path(name), _schema(name))


def seek(place: Place, name: str) -> Any | None:
    """Like `read`, but None when there is no such file."""
    return read(place, name) if place.path(name).exists() else None


def write(place: Place, name: str, document: dict[str, Any]) -> dict[str, Any]:
    """Check and write a noun of ours; give the document as it now lies on disk.

    `schema_version` and `generated_at` are added here. When nothing else changed, the file keeps its bytes, its old
    `generated_at` included, so that closing a run twice changes nothing.
    """
    path = place.path(name)
    stamped = {**document, "schema_version": SCHEMA_VERSION, "generated_at": clock.stamp(clock.now())}
    before = _lying(path)
    if before is not None and _counted(before) == _counted(stamped):
        stamped = before
    check(stamped, _schema(name), path)
    disk.replace(path, encode(stamped))
    return stamped


def _lying(path: Path) -> dict[str, Any] | None:
    """What lies there now; what cannot be read counts as nothing and is written anew."""
    try:
        found = parse(path.read_bytes(), path)[0]
    except (OSError, Invalid):
        return None
    return found if isinstance(found, dict) else None


def _counted(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _UNCOUNTED}


def encode(document: Any) -> bytes:
    """Write JSON the one way of this house: sorted keys, two spaces, no NaN, a final newline. ValueError on NaN."""
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode(errors="backslashreplace")


def encode_line(document: Any) -> bytes:
    """Write JSON as one line of a `.jsonl` file."""
    return (json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode(errors="backslashreplace")


def lines(path: Path, schema: str) -> Iterator[Any]:
    """Read and check a `.jsonl` file, row by row. A file that is not there has no rows. Raises Invalid."""
    if not path.exists():
        return
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        thing = f"{path}:{number}"
        if not line.endswith(b"\n"):
            raise Invalid(thing, "a whole line", "half a line at the end of the file")
        yield check(parse(line, thing)[0], schema, thing)


def _schema(name: str) -> str:
    schema = NOUNS[name].schema
    assert schema is not None, f"{name} is not JSON"
    return schema
