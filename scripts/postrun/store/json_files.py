"""Read and encode JSON: strict, checked against its schema, encoded sorted."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postrun.core import clock, disk, values, version
from postrun.core.errors import Invalid, Missing
from postrun.core.locations import PROJECT

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema_rs import Draft202012Validator as FastValidator

Document = dict[str, Any]

SCHEMAS = PROJECT / "schemas"
_STYLE: Document = {"sort_keys": True, "ensure_ascii": False, "allow_nan": False}
_NEXT_MEMBER = ",\n    {"  # in a list of objects of a document
_LONGEST_FINDING = 300  # characters
_STAMPS = {"schema_version", "generated_at"}  # of every document of ours
_COLUMN_TYPES = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
}


@dataclass(frozen=True)
class Reading:
    """What came of reading JSON that may be missing or broken."""

    value: Any = None
    problem: str = ""  # why there is no value
    # NaN, Infinity or -Infinity, by the JSON path at which it stood.
    not_finite: Mapping[str, str] = field(default_factory=dict)

    @property
    def members(self) -> Document:
        """Return the members of an object; of anything else, none."""
        return values.mapping(self.value)


def parse(content: bytes, thing: object, schema: str = "") -> Reading:
    """Return one strict JSON document, checked where a schema is named.

    NaN and Infinity become null.

    Raises Invalid: not UTF-8, not JSON, half a file, a key given twice, nested beyond Python's
    depth.
    """
    try:
        reading = _parse(content)
    except UnicodeDecodeError as error:
        found = f"byte {content[error.start]:#04x} at offset {error.start}"
        raise Invalid(thing, "UTF-8 text", found) from None
    except json.JSONDecodeError as error:
        found = f"{error.msg} at line {error.lineno} column {error.colno}"
        if not content.strip():
            found = "an empty file"
        raise Invalid(thing, "a JSON document", found) from None
    except (ValueError, RecursionError) as error:
        raise Invalid(thing, "a JSON document", str(error)) from None
    if schema:
        check(reading.value, schema, thing, reading.not_finite)
    return reading


def _parse(content: bytes) -> Reading:
    has_odd_number = False

    def read_number(text: str) -> float:
        """Return one number. 1e999 is Infinity to Python."""
        nonlocal has_odd_number
        value = float(text)
        if not math.isfinite(value):
            has_odd_number = True
        return value

    document = json.loads(
        content.decode("utf-8-sig"),
        object_pairs_hook=_read_object,
        parse_float=read_number,
        parse_constant=read_number,
    )
    places: dict[str, str] = {}
    # Few documents have such a number: the others need not be walked through.
    if has_odd_number:
        document = _set_to_null(document, "$", places)
    return Reading(document, not_finite=places)


def _read_object(pairs: list[Any]) -> Document:
    members: Document = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"the key {key!r} given twice")
        members[key] = value
    return members


def _set_to_null(value: Any, where: str, places: dict[str, str]) -> Any:
    """Return the value with null for each number that is not finite.

    Add where it was and what it was to `places`.
    """
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        places[where] = json.dumps(value)
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _set_to_null(item, f"{where}.{key}", places)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = _set_to_null(item, f"{where}[{index}]", places)
    return value


def try_parse(content: bytes | str | None, thing: object, schema: str = "") -> Reading:
    """Return what `parse` returns; an error becomes the `problem`."""
    if content is None:
        return Reading(problem="nothing there")
    if isinstance(content, str):
        content = content.encode(errors="surrogateescape")
    try:
        return parse(content, thing, schema)
    except Invalid as error:
        return Reading(problem=str(error))


def try_load(path: Path, schema: str = "") -> Reading:
    """Return the JSON of a file as `try_parse` does. What cannot be opened is a problem, too."""
    try:
        content = disk.read_bytes(path)
    except FileNotFoundError:
        return try_parse(None, path)
    except OSError as error:
        return Reading(problem=f"{path}: {error.strerror}")
    return try_parse(content, path, schema)


def findings(
    document: Any,
    schema: str,
    admitted: bool = True,
    not_finite: Mapping[str, str] | None = None,
) -> list[str]:
    """Return everything that a schema finds wrong, worst first, each line with its JSON path.

    With `admitted=False` leave out what the schema marks `x-admitted`: wrong values in other
    people's files that are accepted all the same, because the audit names them better than an error
    would. `not_finite` says which nulls were NaN or Infinity in the file.
    """
    schema = schema_of(document, schema)
    # A file name that is not UTF-8, or very deep nesting, is more than the compiled one can take.
    with suppress(ValueError):
        if fast_validator(schema).is_valid(document):
            return []
    return explain(document, schema, admitted, not_finite)


def explain(
    document: Any,
    schema: str,
    admitted: bool = True,
    not_finite: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the same by the slow rules alone."""
    from jsonschema.exceptions import relevance

    is_secret = "writeOnly" in _schema_file(schema)
    validator = _validator(schema)
    errors = list(validator.iter_errors(document))
    errors.sort(key=relevance, reverse=True)
    lines = []
    for error in errors:
        mark = values.member(error.schema, "x-admitted")
        if admitted or mark is not True:
            line = _line(error, is_secret)
            number = (not_finite or {}).get(error.json_path, "None")
            lines.append(line.replace("None", number, 1))
    return lines


def _line(error: "ValidationError", is_secret: bool = False) -> str:
    from jsonschema.exceptions import best_match

    deepest = best_match(iter([error])) or error
    words = _reason_first(deepest.message, repr(deepest.instance))[:_LONGEST_FINDING]
    if is_secret:
        words = f"`{deepest.validator}` does not hold (values of this file are secret)"
    return f"{deepest.json_path}: {words}"


def _reason_first(message: str, value: str) -> str:
    """Return a finding with the value at its end when it is so long that the reason is cut off."""
    reason = message.removeprefix(value).strip()
    if len(message) <= _LONGEST_FINDING or reason == message:
        return message
    return f"{reason}: {value}"


def schema_of(document: Any, schema: str) -> str:
    """Return the schema that was current when the document was written: `v1/<schema>`, or itself.

    Every version ever released stays in a folder of its own, and is read as long as there are
    files.
    """
    number = values.member(document, "schema_version")
    if not isinstance(number, int):
        return schema
    return earlier_schemas(schema).get(number, schema)


@cache
def earlier_schemas(schema: str) -> dict[int, str]:
    """Return the released versions of a schema that are not current, oldest first, by number."""
    earlier = {}
    for path in SCHEMAS.glob(f"v*/{schema}.schema.json"):
        folder = path.parent.name
        number = int(folder.removeprefix("v"))
        earlier[number] = f"{folder}/{schema}"
    return dict(sorted(earlier.items()))


@cache
def _validator(schema: str) -> "Draft202012Validator":
    """Return the validator that explains what is wrong."""
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    # All of the folder from the start: what is fetched when a `$ref` first needs it is slow.
    registry: Any = Registry()
    folder = (SCHEMAS / schema).parent
    for path in folder.glob("*.schema.json"):
        document = json.loads(path.read_bytes())
        resource = Resource.from_contents(document)
        registry = registry.with_resource(path.name, resource)
    return Draft202012Validator(_schema_file(schema), registry=registry)


@cache
def fast_validator(schema: str) -> "FastValidator":
    """Return the same rules compiled: two hundred times as fast, but it explains nothing.

    Without it every run in a rebuild would cost more to check than to read.
    """
    from jsonschema_rs import Draft202012Validator

    def retrieve(address: str) -> Any:
        name = Path(address).name
        path = (SCHEMAS / schema).with_name(name)
        return json.loads(path.read_bytes())

    document = _schema_file(schema)
    # Without an address of its own it does not follow the names in `$ref`.
    return Draft202012Validator(document, retriever=retrieve, base_uri="file:///schemas/")


@cache
def _schema_file(schema: str) -> Any:
    path = SCHEMAS / f"{schema}.schema.json"
    return json.loads(path.read_bytes())


def columns(schema: str) -> dict[str, type]:
    """Return the columns of a table of ours, in order, from the schema of its row.

    Each name has its type: str, int, float or bool.
    """
    column_types = {}
    for name, member in members(schema).items():
        column_types[name] = _COLUMN_TYPES[member.kind]
    return column_types


@dataclass(frozen=True)
class Member:
    """What a schema says of one member of an object: its type in JSON, null left out, and why."""

    kind: str
    description: str


def members(schema: str, *path: str) -> dict[str, Member]:
    """Return the members of an object of a schema, in order; `path` leads into lists of it."""
    described = _schema_file(schema)
    for name in path:
        described = described["properties"][name]["items"]
    described_members = {}
    for name, member in described["properties"].items():
        kind, description = _describe(member)
        described_members[name] = Member(kind, description)
    return described_members


def _describe(described: Document) -> tuple[str, str]:
    """Return the type and the description of a member, also of one that refers to another."""
    if "anyOf" in described:
        # The second one is null.
        first, *_ = described["anyOf"]
        described = {**first, **described}
    if "$ref" in described:
        file, _, name = described["$ref"].partition("#/$defs/")
        other = file.removesuffix(".schema.json")
        definition = _schema_file(other)["$defs"][name]
        described = {**definition, **described}
    kinds = described.get("type")
    if kinds is None:
        constants = described.get("enum") or [described["const"]]
        kinds = "string"
        if isinstance(constants[0], int):
            kinds = "integer"
    # A member that may be empty is declared as [<type>, "null"].
    if isinstance(kinds, list):
        (kinds,) = set(kinds) - {"null"}
    return kinds, described.get("description", "")


def later_columns(schema: str) -> set[str]:
    """Return the columns of a table of ours that the first release did not have."""
    described = _schema_file(schema)
    return set(described["properties"]) - set(described["required"])


def table_version(schema: str, header: Collection[str]) -> int | None:
    """Return the version of a table of ours by its columns; None for the present one.

    `x-since` in the schema of its row says which version first had a column.
    """
    described = _schema_file(schema)["properties"]
    versions = []
    for name in later_columns(schema):
        if name not in header:
            versions.append(described[name]["x-since"])
    if not versions:
        return None
    return int(min(versions)) - 1


def schema_findings(schema: Any) -> list[str]:
    """Return everything that is wrong in a schema itself (JSON Schema, draft 2020-12)."""
    from jsonschema import Draft202012Validator

    rules = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    errors = rules.iter_errors(schema)
    return [_line(error) for error in errors]


def check(
    document: Any,
    schema: str,
    thing: object,
    not_finite: Mapping[str, str] | None = None,
) -> Any:
    """Return the document when it fits its schema, but for what that admits.

    Raises Invalid with the worst finding and the number of the others.
    """
    schema = schema_of(document, schema)
    expected = f"a document that fits schemas/{schema}.schema.json"
    try:
        lines = findings(document, schema, admitted=False, not_finite=not_finite)
    except RecursionError:
        raise Invalid(thing, expected, "values that are nested too deeply") from None
    if not lines:
        return document
    worst, *others = lines
    if others:
        worst += f" (and {len(others)} more)"
    raise Invalid(thing, expected, worst)


def load(path: Path, schema: str, hint: str = "") -> Any:
    """Return one JSON file, checked. Raises Missing with the hint, Invalid."""
    try:
        content = disk.read_bytes(path)
    except FileNotFoundError:
        raise Missing(path, "a file", "nothing there", hint) from None
    except OSError as error:
        reason = str(error.strerror)
        raise Missing(path, "a file that can be read", reason) from None
    return parse(content, path, schema).value


def is_ours(content: bytes, schema: str) -> bool:
    """Return whether a document is of this project, whole or broken."""
    properties = _schema_file(schema)["properties"]
    reading = try_parse(content, schema)
    if not reading.problem:
        names = reading.members.keys()
        if not names >= _STAMPS:
            return False
        others = names - properties.keys()
        return len(others) < len(names) / 2
    # Half a file still begins with one of our properties.
    for name in content.split(b'"')[1:2]:
        text = name.decode(errors="replace")
        return text in properties
    return False


def stamped(document: Document, schema: str) -> Document:
    """Return the document with what every one of ours carries: schema, program, and time (UTC)."""
    described = _schema_file(schema)["properties"]
    return {
        **document,
        "schema_version": described["schema_version"]["const"],
        "program_version": version.program_version(),
        "generated_at": clock.stamp(clock.now()),
    }


def encode(document: Any, indent: int | None = 2) -> bytes:
    """Return the bytes of a JSON file of ours: sorted keys, two spaces, a final newline.

    ValueError for NaN and Infinity.
    """
    text = json.dumps(document, indent=indent, **_STYLE)
    # Lone surrogates (a file name that is not UTF-8) are written as JSON escapes.
    return f"{text}\n".encode(errors="backslashreplace")


def encode_member(value: Any) -> str:
    """Return one member of a list of a document, as `encode` writes it. ValueError as there."""
    text = json.dumps(value, indent=2, **_STYLE)
    # No text of JSON has a line break in it.
    return "    " + text.replace("\n", "\n    ")


def encode_around(
    document: Document,
    name: str,
    members: Sequence[str],
) -> bytes:
    """Return the bytes of a document as `encode` does, with these members of its list `name`.

    For a long list of which few members changed: `encode_member` has given them before.
    """
    frame = encode({**document, name: []}).decode()
    if not members:
        return frame.encode()
    empty = f'\n  "{name}": []'
    inside = ",\n".join(members)
    whole = frame.replace(empty, f'\n  "{name}": [\n{inside}\n  ]', 1)
    return whole.encode(errors="backslashreplace")


def without_member(content: bytes, name: str, value: Any) -> bytes:
    """Return a document in a file of `encode` without a member of this value, not the last one.

    A file that another program wrote may be returned as it is.
    """
    text = json.dumps(value, indent=2, **_STYLE)
    inside = text.replace("\n", "\n  ")
    line = f'  "{name}": {inside},\n'
    member = line.encode(errors="backslashreplace")
    return content.replace(member, b"", 1)


def split_members(content: bytes, name: str) -> list[str]:
    """Return the members of a list `name` of objects as they stand in a file of `encode`.

    Of a file that another program wrote they are others, or another number.
    """
    text = content.decode(errors="replace")
    begin = f'\n  "{name}": [\n'
    _, _, after = text.partition(begin)
    inside, _, _ = after.partition("\n  ]")
    # No text of JSON has a line break in it, and what is inside of a member stands further in.
    first, *others = inside.split(_NEXT_MEMBER)
    members = [first]
    for member in others:
        members.append(f"    {{{member}")
    return members


def encode_line(document: Any) -> bytes:
    """Return one line of a `.jsonl` file. ValueError for NaN and Infinity."""
    return encode(document, indent=None)
