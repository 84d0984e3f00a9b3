"""The door for JSON: read strictly, checked against its schema; written sorted, whole, and only when it changed."""

import json
import math
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postrun.core import clock, disk
from postrun.core.artifacts import ARTIFACTS
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import PROJECT, RunPaths

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema_rs import Draft202012Validator as JudgingValidator

SCHEMA_VERSION = 1
_REFERRED = ("common.schema.json", "workstation.schema.json")  # what `$ref` may name
_UNCOUNTED = ("generated_at",)  # a new time alone is no new content


def parse(content: bytes, thing: object) -> tuple[Any, tuple[str, ...]]:
    """Read one strict JSON document; give it with the JSON paths at which NaN or Infinity stood (null now).

    Refused (Invalid): not UTF-8, not JSON, half a file, a key given twice, nested beyond Python's depth.
    """
    odd: list[str] = []
    met: list[str] = []  # numbers that are not finite; without any there is nothing to look for
    try:
        raw = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_float=partial(_number, met),
            parse_constant=partial(_number, met),
        )
        return _finite(raw, "$", odd) if met else raw, tuple(odd)
    except UnicodeDecodeError as error:
        raise Invalid(
            thing, "UTF-8 text", f"byte {content[error.start]:#04x} at offset {error.start}"
        ) from None
    except json.JSONDecodeError as error:
        found = (
            f"{error.msg} at line {error.lineno} column {error.colno}"
            if content.strip()
            else "an empty file"
        )
        raise Invalid(thing, "a JSON document", found) from None
    except (ValueError, RecursionError) as error:
        raise Invalid(thing, "a JSON document", str(error)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(
            f"the key {next(key for key in keys if keys.count(key) > 1)!r} given twice"
        )
    return found


def _number(met: list[str], text: str) -> float:
    """Read one number; 1e999 is Infinity to Python."""
    value = float(text)
    if not math.isfinite(value):
        met.append(text)
    return value


def _finite(value: Any, where: str, odd: list[str]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        odd.append(where)
        return None
    if isinstance(value, dict):
        return {key: _finite(item, f"{where}.{key}", odd) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item, f"{where}[{index}]", odd) for index, item in enumerate(value)]
    return value


def findings(document: Any, schema: str, admitted: bool = True) -> list[str]:
    """Hold a document against a schema; give everything found, worst first, each line with its JSON path.

    With `admitted=False` leave out what the schema marks `x-admitted`: wrong values in other people's files that
    come in all the same, because the audit names them better than a refusal would.
    """
    from jsonschema.exceptions import relevance

    validator = _validator(schema)
    secret = isinstance(validator.schema, dict) and validator.schema.get("writeOnly") is True
    errors = sorted(validator.iter_errors(document), key=relevance, reverse=True)
    return [_line(error, secret) for error in errors if admitted or not _is_admitted(error)]


def _is_admitted(error: "ValidationError") -> bool:
    return isinstance(error.schema, dict) and error.schema.get("x-admitted") is True


def _line(error: "ValidationError", secret: bool = False) -> str:
    from jsonschema.exceptions import best_match

    deepest = best_match(iter([error])) or error
    words = (
        f"`{deepest.validator}` does not hold (values of this file are secret)"
        if secret
        else deepest.message[:300]
    )
    return f"{deepest.json_path}: {words}"


@cache
def _validator(schema: str) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    whole = ((name, Resource.from_contents(_schema_file(name))) for name in _REFERRED)
    registry: Any = Registry().with_resources(whole)  # from the start: what is fetched late is slow
    return Draft202012Validator(_schema_file(f"{schema}.schema.json"), registry=registry)


@cache
def _judge(schema: str) -> "JudgingValidator":
    """The same rules in a compiled validator, two hundred times as fast; what it does not let through, jsonschema
    explains. Without it every run in a rebuild would cost more to check than to read.
    """
    from jsonschema_rs import Draft202012Validator as Judge

    def retrieve(address: str) -> Any:
        return _schema_file(address.rpartition("/")[2])

    # Without an address of its own to stand on, it does not follow the names in `$ref`.
    return Judge(
        _schema_file(f"{schema}.schema.json"), retriever=retrieve, base_uri="file:///schemas/"
    )


def _schema_file(name: str) -> Any:
    return json.loads((PROJECT / "schemas" / name).read_bytes())


def columns(schema: str) -> dict[str, type]:
    """Give the columns of a table of ours, in order, from the schema of its row: name -> str, int, float or bool."""
    kinds = {"string": str, "integer": int, "number": float, "boolean": bool}
    found = {}
    for name, member in _schema_file(f"{schema}.schema.json")["properties"].items():
        declared = member["type"] if isinstance(member["type"], list) else [member["type"]]
        (found[name],) = (kinds[kind] for kind in declared if kind != "null")
    return found


def schema_findings(schema: Any) -> list[str]:
    """Hold a schema itself against the rules of JSON Schema, draft 2020-12; give everything found."""
    from jsonschema import Draft202012Validator

    rules = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    return [_line(error) for error in rules.iter_errors(schema)]


def check(document: Any, schema: str, thing: object) -> Any:
    """Let a document through that fits its schema, but for what that admits.

    Raises Invalid with the worst finding and the number of the others.
    """
    if _fits(document, schema):
        return document
    found = findings(document, schema, admitted=False)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Invalid(thing, f"a document that fits schemas/{schema}.schema.json", found[0] + more)
    return document


def _fits(document: Any, schema: str) -> bool:
    try:
        return _judge(schema).is_valid(document)
    except (
        UnicodeEncodeError
    ):  # a file name that is not UTF-8, which the compiled validator cannot take
        return False


def load(path: Path, schema: str) -> Any:
    """Read and check one JSON file. Raises Missing, Invalid."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Missing(path, "a file", "nothing there") from None
    except OSError as error:
        raise Missing(path, "a file that can be read", str(error.strerror)) from None
    return check(parse(content, path)[0], schema, path)


def read(run_paths: RunPaths, name: str) -> Any:
    """Read and check a noun of a run or of the workspace. Raises Missing, Invalid."""
    return load(run_paths.path(name), _schema(name))


def seek(run_paths: RunPaths, name: str) -> Any | None:
    """Like `read`, but None when there is no such file."""
    return read(run_paths, name) if run_paths.path(name).exists() else None


def write(run_paths: RunPaths, name: str, document: dict[str, Any]) -> dict[str, Any]:
    """Check and write a noun of ours; give the document as it now lies on disk.

    `schema_version` and `generated_at` are added here. When nothing else changed, the file keeps its bytes, its old
    `generated_at` included, so that closing a run twice changes nothing.
    """
    path = run_paths.path(name)
    stamped = {
        **document,
        "schema_version": SCHEMA_VERSION,
        "generated_at": clock.stamp(clock.now()),
    }
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
    return (
        json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode(errors="backslashreplace")


def encode_line(document: Any) -> bytes:
    """Write JSON as one line of a `.jsonl` file."""
    return (
        json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode(errors="backslashreplace")


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
    schema = ARTIFACTS[name].schema
    assert schema is not None, f"{name} is not JSON"
    return schema
