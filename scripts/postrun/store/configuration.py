"""Read what a non-programmer may change: complete and checked, never silently replaced by a
default.
"""

import hashlib
import os
import re
from typing import Any

from postrun.core import locations, step_notes
from postrun.core.errors import Usage
from postrun.store import json_files

# Between two addresses. A comma inside one belongs to it.
_SEPARATOR = re.compile(r"\s+|,(?=\s|\w+://|$)")
# These go before every file.
_VARIABLES = {
    "host": "POSTRUN_HOST",
    "remote_root": "POSTRUN_REMOTE_ROOT",
}
_PROJECT = locations.RunPaths(locations.PROJECT, "", None)


def load(name: str) -> Any:
    """Return one policy from `configs/`, an input of the step at work. Raises Missing, Invalid."""
    path = _PROJECT.path(name)
    policy = json_files.load(path, name)
    step_notes.note(_PROJECT.relative(path), digest(policy))
    return policy


def _load_own(name: str) -> Any | None:
    """Return a file of the user's own; None when there is none. Raises Missing, Invalid."""
    path = _PROJECT.path(name)
    return json_files.load(path, name) if path.exists() else None


def digest(policy: Any) -> str:
    """Return the SHA-256 of what a policy says, however its file is laid out."""
    content = json_files.encode(policy)
    return hashlib.sha256(content).hexdigest()


def workstation() -> dict[str, Any]:
    """Return the settings of the workstation. Raises Missing, Invalid.

    The user's own file goes before `workstation.json`, and the environment before both.
    """
    settings = dict(json_files.load(_PROJECT.path("workstation"), "workstation"))
    users_own = _load_own("workstation.local")
    settings.update(users_own or {})
    settings.update(_environment())
    return settings


def _environment() -> dict[str, str]:
    """Return the settings that the environment names; an empty variable names nothing."""
    settings = {}
    for key, variable in _VARIABLES.items():
        value = os.environ.get(variable)
        if value:
            settings[key] = value
    return settings


def choose_workstation(host: str | None, remote_root: str | None) -> tuple[str, str]:
    """Return the host and root that a command line means; the settings fill in what it leaves open.

    A host other than the usual one has the root that its entry in the list of workstations names.
    Raises Usage when it has several.
    """
    settings = workstation()
    host = host or settings["host"]
    remote_root = remote_root or _environment().get("remote_root")
    usual_root = settings["remote_root"]
    if remote_root or host == settings["host"]:
        return host, remote_root or usual_root
    roots = []
    for entry in settings.get("workstations", []):
        if entry["host"] == host:
            roots.append(entry["remote_root"])
    if len(roots) > 1:
        expected = f"one of the roots of {host}: {', '.join(roots)}"
        raise Usage("--remote-root", expected, "none")
    return host, roots[0] if roots else usual_root


def workstations() -> list[tuple[str, str]]:
    """Return host and root of every workstation to watch: those listed, else the only one.

    The environment names a single one.
    """
    settings = workstation()
    entries = settings.get("workstations")
    if not entries or _environment():
        entries = [settings]
    return [(entry["host"], entry["remote_root"]) for entry in entries]


def notify_urls() -> list[str]:
    """Return where messages go: POSTRUN_NOTIFY_URLS, else the user's own file.

    Raises Missing, Invalid.

    In the variable, addresses are separated by spaces or commas.
    """
    urls = os.environ.get("POSTRUN_NOTIFY_URLS")
    if urls is not None:
        return [url for url in _SEPARATOR.split(urls) if url]
    users_own = _load_own("notify.local")
    if users_own is None:
        return []
    return list(users_own["urls"])
