"""Describe a package as an RO-Crate 1.1, profile Process Run Crate 0.5, with the library `rocrate`.

Everything that is described is in the package, by the digest of its bytes. Nothing here depends on
when or where the package is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from postrun.core import values
from postrun.core.errors import Invalid, Missing
from postrun.store import json_files

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

FILE = "ro-crate-metadata.json"
_CRATE = "1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# The context of RO-Crate 1.1 has no word for a digest; the profile's own vocabulary has.
_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
_STATUS = "http://schema.org/{}ActionStatus"
_FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".sh": "application/x-sh",
}
_LICENCE = "Nobody but the owner of the run may say who else may use this package."

Properties = dict[str, Any]


@dataclass(frozen=True)
class PackagedFile:
    """One file of a package, by its path in it."""

    path: str
    size: int
    sha256: str
    description: str


@dataclass(frozen=True)
class Action:
    """What a program did: with which files it began, and which it wrote."""

    identifier: str
    name: str
    program: str
    version: str
    agent: str | None  # who answers for it
    ended: str | None
    has_failed: bool
    inputs: Sequence[str]
    outputs: Sequence[str]


@dataclass(frozen=True)
class Description:
    """What the package is about, in words."""

    name: str
    text: str
    published: str  # a time with zone


def encode(
    about: Description,
    files: Sequence[PackagedFile],
    actions: Sequence[Action],
) -> bytes:
    """Return the file that describes the package. Raises Missing without the library."""
    crate = _new_crate(about)
    for file in files:
        crate.add_file(dest_path=file.path, properties=_describe(file))
    mentioned = []
    for action in actions:
        identifier = _add_action(crate, action)
        mentioned.append({"@id": identifier})
    crate.root_dataset["mentions"] = mentioned
    crate.metadata.extra_terms.update(_TERMS)
    document = crate.metadata.generate()
    return json_files.encode(document)


def read_files(content: bytes, thing: object) -> dict[str, str]:
    """Return the digest of every file that a package describes, by path. Raises Invalid."""
    digests = {}
    document = json_files.parse(content, thing).members
    entities = document.get("@graph")
    if not isinstance(entities, list):
        raise Invalid(thing, "an RO-Crate: an object with a list @graph", "another document")
    for entity in entities:
        sha256 = values.member(entity, "sha256")
        address = values.member(entity, "@id")
        if isinstance(sha256, str) and isinstance(address, str):
            path = unquote(address)
            digests[path] = sha256
    return digests


def _new_crate(about: Description) -> "ROCrate":
    """Return a crate that says what it is about, and that it follows the profile."""
    try:
        from rocrate.rocrate import ROCrate
    except ModuleNotFoundError as error:
        thing = f"package {error.name}"
        hint = "run `make setup-package`"
        raise Missing(thing, "it in this Python", "nothing", hint) from None
    crate = ROCrate(version=_CRATE)
    profile = {"name": "Process Run Crate", "version": "0.5"}
    _add_entity(crate, _PROFILE, "CreativeWork", profile)
    licence = {"name": "No licence", "description": _LICENCE}
    _add_entity(crate, "#licence", "CreativeWork", licence)
    crate.root_dataset["name"] = about.name
    crate.root_dataset["description"] = about.text
    crate.root_dataset["datePublished"] = about.published
    crate.root_dataset["license"] = {"@id": "#licence"}
    crate.root_dataset["conformsTo"] = {"@id": _PROFILE}
    return crate


def _add_entity(crate: "ROCrate", identifier: str, kind: str, properties: Properties) -> None:
    from rocrate.model import ContextEntity

    typed = {"@type": kind, **properties}
    entity = ContextEntity(crate, identifier, properties=typed)
    crate.add(entity)


def _describe(file: PackagedFile) -> Properties:
    path = PurePosixPath(file.path)
    properties = {
        "name": path.name,
        "description": file.description,
        "contentSize": str(file.size),
        "sha256": file.sha256,
    }
    if path.suffix in _FORMATS:
        properties["encodingFormat"] = _FORMATS[path.suffix]
    return properties


def _add_action(crate: "ROCrate", action: Action) -> str:
    """Add what a program did, the program, and who answers for it; return its identifier."""
    identifier = f"#{action.identifier}"
    program = f"{identifier}-program"
    status = "Failed" if action.has_failed else "Completed"
    described = {"name": action.program, "softwareVersion": action.version}
    _add_entity(crate, program, "SoftwareApplication", described)
    properties: Properties = {
        "name": action.name,
        "actionStatus": {"@id": _STATUS.format(status)},
        "instrument": {"@id": program},
        "object": _references(action.inputs),
        "result": _references(action.outputs),
    }
    if action.ended is not None:
        properties["endTime"] = action.ended
    if action.agent is not None:
        agent = f"#{quote(action.agent, safe='')}"
        _add_entity(crate, agent, "Person", {"name": action.agent})
        properties["agent"] = {"@id": agent}
    _add_entity(crate, identifier, "CreateAction", properties)
    return identifier


def _references(paths: Sequence[str]) -> list[Properties]:
    return [{"@id": _address(path)} for path in paths]


def _address(path: str) -> str:
    """Return a path as an address in the package: relative, with what is special in it escaped."""
    return quote(path)
