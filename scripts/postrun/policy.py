"""The door for policies: what a non-programmer may change, complete and checked, never silently defaulted."""

import os
from typing import Any

from postrun import artifacts, layout


def load(name: str) -> Any:
    """Read one policy from `configs/`. Raises Missing, Invalid."""
    return artifacts.read(_PROJECT, name)


def workstation() -> dict[str, Any]:
    """Say where the workstation is: `workstation.json`, then the user's own file, then the environment on top."""
    settings = dict(load("workstation"))
    settings.update(artifacts.seek(_PROJECT, "workstation.local") or {})
    for key, variable in (("host", "POSTRUN_HOST"), ("remote_root", "POSTRUN_REMOTE_ROOT")):
        settings[key] = os.environ.get(variable) or settings[key]
    return settings


_PROJECT = layout.Place(layout.PROJECT, "", None)
