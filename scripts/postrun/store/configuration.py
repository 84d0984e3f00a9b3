"""Read what a non-programmer may change: complete and checked, never silently replaced by a
default.
"""

import os
import re
from typing import Any

from postrun.core import disk, locations, step_notes
from postrun.core.errors import Usage
from postrun.core.request import RunRequest
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
    """Return one policy from `configs/`, an input of the running step. Raises Missing, Invalid."""
    path = _PROJECT.path(name)
    policy = json_files.load(path, name)
    step_notes.note(_PROJECT.relative(path), digest(policy))
    return policy


def _load_own(name: str) -> Any | None:
    """Return a file of the user's own; None when there is none. Raises Missing, Invalid."""
    path = _PROJECT.path(name)
    if not disk.is_present(path):
        return None
    return json_files.load(path, name)


def digest(policy: Any) -> str:
    """Return the SHA-256 of what a policy says, however its file is laid out."""
    content = json_files.encode(policy)
    return disk.content_digest(content)


def workstation() -> dict[str, Any]:
    """Return the settings of the workstation. Raises Missing, Invalid.

    The user's own file goes before `workstation.json`, and the environment before both.
    """
    path = _PROJECT.path("workstation")
    shipped = json_files.load(path, "workstation")
    users_own = _load_own("workstation.local") or {}
    return {**shipped, **users_own, **_environment()}


def _environment() -> dict[str, str]:
    """Return the settings that the environment names; an empty variable names nothing."""
    settings = {}
    for key, variable in _VARIABLES.items():
        value = os.environ.get(variable)
        if value:
            settings[key] = value
    return settings


def why_not_configured(host: str, remote_root: str) -> str:
    """Return what to do when nobody said where the workstation is; empty when somebody did."""
    path = _PROJECT.path("workstation")
    shipped = json_files.load(path, "workstation")
    if (host, remote_root) != (shipped["host"], shipped["remote_root"]):
        return ""
    if _load_own("workstation.local") or _environment():
        return ""
    return (
        "no workstation is configured, so this project's own folder stands for it: give "
        "HOST=<as for ssh> REMOTE_ROOT=<its folder>, or write configs/workstation.local.json"
    )


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
    if not roots:
        return host, usual_root
    return host, roots[0]


def scheduler(host: str, remote_root: str, asked: str | None = None) -> str | None:
    """Return what starts jobs on a workstation, `slurm`; None when nothing does.

    What the command line asks for goes before the workstation's entry in the list, and that before
    the setting of the usual host. Raises Missing, Invalid.
    """
    settings = workstation()
    named = None
    if host == settings["host"]:
        named = settings.get("scheduler")
    for entry in settings.get("workstations", []):
        if (entry["host"], entry["remote_root"]) == (host, remote_root):
            named = entry.get("scheduler")
    named = asked or named
    return None if named == "none" else named


def other_scheduler(request: RunRequest) -> str | None:
    """Return what --scheduler must say for this request; None when the settings say so already."""
    usual = scheduler(request.host, request.remote_root)
    if request.scheduler == usual:
        return None
    return request.scheduler or "none"


def workstations() -> list[tuple[str, str]]:
    """Return host and root of every workstation to watch: those listed, else the only one.

    The environment names a single one.
    """
    settings = workstation()
    entries = settings.get("workstations")
    if not entries or _environment():
        entries = [settings]
    hosts_and_roots = []
    for entry in entries:
        host = entry["host"]
        remote_root = entry["remote_root"]
        hosts_and_roots.append((host, remote_root))
    return hosts_and_roots


def notify_urls() -> list[str]:
    """Return where messages go: POSTRUN_NOTIFY_URLS, else the user's own file.

    In the variable, addresses are separated by spaces or commas. Raises Missing, Invalid.
    """
    urls = os.environ.get("POSTRUN_NOTIFY_URLS")
    if urls is not None:
        return [url for url in _SEPARATOR.split(urls) if url]
    users_own = _load_own("notify.local")
    if users_own is None:
        return []
    return list(users_own["urls"])
