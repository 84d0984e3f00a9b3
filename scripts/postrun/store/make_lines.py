"""Commands for a person to type next, as `make` lines with every value that they need.

A message inside of a step names a target alone, `make finalize TAG=...`: where it is printed, it is
completed with the tag and with where the run is, as far as that is not what the settings say.
"""

import os
import re
import shlex
from pathlib import Path
from typing import Any

from postrun.core import locations
from postrun.core.request import RunRequest
from postrun.store import configuration

# The target that make is about to build: the Makefile sets it, so that answers are in its words.
TARGET_VARIABLE = "POSTRUN_TARGET"
# Targets that ask a workstation.
_REMOTE = (
    "finalize monitor-then-finalize watch detect-run sync-run next-run-plan official-run next-run"
)
_LOCAL = (
    "finalize-gate-run governance-audit remediation-plan run-review factor-registry candidate-queue"
    " failure-patterns handoff-readiness site status compare families ask junit mlflow settle"
    " verify approve seal package restore-ledger retention-plan retention-archive retention-restore"
    " rebuild-on-slurm verify-on-slurm"
)
TARGETS = f"{_REMOTE} {_LOCAL}".split()
_LINE = re.compile(
    rf"\bmake (?P<target>{'|'.join(TARGETS)})(?![\w-])"
    r"""(?P<values>(?: [A-Z_]+=(?:\.\.\.|'[^']*'|"[^"]*"|[\w./-]+))*)"""
)
_PLACE = re.compile(r"\b(?:HOST|REMOTE_ROOT|LOCAL_ROOT)=")
_OPEN_TAG = "TAG=..."
_FLAG = re.compile(r"--(?P<name>[a-z][a-z-]*)")
# What the Makefile hands on: flag and value have the same name. A test compares both.
_VALUES = (
    "tag tags host remote-root scheduler local-root objective interval rank ranks abandoned owner"
    " notes threads data gate key check reason shard shards results format sql out"
    " prometheus uri to from member"
)
VALUES = _VALUES.split()


def make_line(
    target: str,
    request: RunRequest,
    *values: str,
) -> str:
    """Return a line that is typed in the project's folder; `values` like `TAG=x` come first."""
    is_remote = target in _REMOTE.split()
    places = _places(request, is_remote)
    words = ["make", target, *values, *places]
    return " ".join(words)


def page_line(
    target: str,
    root: Path,
    *values: str,
) -> str:
    """Return a line for a page, which is the same on every machine: no place is written out."""
    words = ["make", target, *values, *page_places(root)]
    return " ".join(words)


def page_places(root: Path) -> list[str]:
    """Return where a run is as a page says it: nothing for the project's own workspace."""
    # Not whether it is this program's own folder: a copy of a workspace gives the same page.
    if (root / "scripts" / "steps.py").is_file():
        return []
    return ["LOCAL_ROOT=<this workspace>"]


def source_host(manifest: dict[str, Any] | None) -> list[str]:
    """Return the value HOST, where a run's evidence came from; empty when nothing says that."""
    files = (manifest or {}).get("files")
    if not files:
        return []
    host = files[0]["source"]
    return [value("HOST", host)]


def value(name: str, text: str) -> str:
    """Return a value of make, quoted for a shell."""
    quoted = shlex.quote(text)
    return f"{name}={quoted}"


def _places(request: RunRequest, is_remote: bool) -> list[str]:
    """Return where the run is, as far as it is not what the settings say."""
    places = []
    settings = configuration.workstation()
    if is_remote and not request.no_sync:
        for name in ("host", "remote_root"):
            asked = getattr(request, name)
            if asked != settings[name]:
                # A folder of this machine was named from where one stands, not from the project.
                if request.host == "local" and asked.startswith("."):
                    asked = _typed(Path(asked).resolve())
                place = value(name.upper(), asked)
                places.append(place)
        scheduler = configuration.other_scheduler(request)
        if scheduler:
            place = value("SCHEDULER", scheduler)
            places.append(place)
    if request.root != locations.PROJECT:
        root = local_root(request)
        place = value("LOCAL_ROOT", root)
        places.append(place)
    return places


def local_root(request: RunRequest) -> str:
    """Return the workspace as it is typed in the project's folder."""
    return _typed(request.root)


def _typed(path: Path) -> str:
    """Return a path of this machine as it is typed in the project's folder."""
    if path.is_relative_to(locations.PROJECT):
        inside = path.relative_to(locations.PROJECT)
        return inside.as_posix()
    return str(path)


def complete(message: str, request: RunRequest) -> str:
    """Return a message whose `make` lines have the tag and where the run is."""

    def whole(match: re.Match[str]) -> str:
        target = match["target"]
        values = match["values"].strip()
        if _PLACE.search(values):
            return match[0]  # it is complete
        if request.tag is not None:
            tag = value("TAG", request.tag)
            values = values.replace(_OPEN_TAG, tag)
        if not values:
            return make_line(target, request)
        return make_line(target, request, values)

    return _LINE.sub(whole, message)


def target_typed() -> str:
    """Return the target of make that this script runs for; empty when make did not start it."""
    return os.environ.get(TARGET_VARIABLE, "")


def in_words_of_make(message: str) -> str:
    """Return a message with the values of make in place of the flags that stand for them."""

    def name_of(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in VALUES:
            return match[0]
        return name.replace("-", "_").upper()

    return _FLAG.sub(name_of, message)
