"""The door for policies: what a non-programmer may change, complete and checked, never silently defaulted."""

import hashlib
import os
import re
from typing import Any

from postrun.core import locations
from postrun.core.errors import Usage
from postrun.store import json_files

_BETWEEN = re.compile(r"\s+|,(?=\s|\w+://|$)")  # addresses; a comma within one stays


def load(name: str) -> Any:
    """Read one policy from `configs/`. Raises Missing, Invalid."""
    return json_files.read(_PROJECT, name)


def digest(rules: Any) -> str:
    """Give the SHA-256 of what a policy says, as `load` gave it; its layout has no say."""
    return hashlib.sha256(json_files.encode(rules)).hexdigest()


def workstation() -> dict[str, Any]:
    """Say where the workstation is: `workstation.json`, then the user's own file, then the environment on top."""
    settings = dict(load("workstation"))
    settings.update(json_files.read_optional(_PROJECT, "workstation.local") or {})
    for key, variable in (("host", "POSTRUN_HOST"), ("remote_root", "POSTRUN_REMOTE_ROOT")):
        settings[key] = os.environ.get(variable) or settings[key]
    return settings


def place(host: str | None, remote_root: str | None) -> tuple[str, str]:
    """Say which host and root a command line means; what it leaves open, the settings say. Raises Usage.

    A host other than the usual one has the root that stands beside it in the list of workstations.
    """
    settings = workstation()
    listed = [
        each["remote_root"] for each in settings.get("workstations", []) if each["host"] == host
    ]
    if (
        host in (None, "", settings["host"])
        or remote_root
        or not listed
        or os.environ.get("POSTRUN_REMOTE_ROOT")
    ):
        return host or settings["host"], remote_root or settings["remote_root"]
    if len(listed) > 1:
        raise Usage("--remote-root", f"one of the roots of {host}: {', '.join(listed)}", "none")
    return str(host), listed[0]


def workstations() -> list[tuple[str, str]]:
    """Name every workstation to watch, host and root: those listed, or the one. The environment names one alone."""
    settings = workstation()
    one = {key: settings[key] for key in ("host", "remote_root")}
    alone = os.environ.get("POSTRUN_HOST") or os.environ.get("POSTRUN_REMOTE_ROOT")
    listed = [one] if alone else settings.get("workstations", [one])
    return [(each["host"], each["remote_root"]) for each in listed]


def notify_urls() -> list[str]:
    """Say where messages go: POSTRUN_NOTIFY_URLS, set apart by spaces or commas, else the user's own file.

    Raises Missing, Invalid.
    """
    given = os.environ.get("POSTRUN_NOTIFY_URLS")
    if given is not None:
        return [url for url in _BETWEEN.split(given) if url]
    return list((json_files.read_optional(_PROJECT, "notify.local") or {"urls": []})["urls"])


_PROJECT = locations.RunPaths(locations.PROJECT, "", None)
