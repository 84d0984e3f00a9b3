"""shellcheck has nothing to say about any shell script of the project."""

import shutil
import subprocess
from pathlib import Path

import pytest

from postrun.core.locations import PROJECT

PROBES = PROJECT / "scripts/postrun/remote/probes"
CI_FILES = [path for path in PROJECT.glob(".ci/*") if path.is_file()]
CI_SCRIPTS = [path for path in CI_FILES if path.read_text().startswith("#!")]
SCRIPTS = sorted([*PROJECT.glob("scripts/*.sh"), *CI_SCRIPTS])
# A probe is sent behind common.sh as one script; none uses everything in it.
UNUSED = "SC2034,SC2154"

needs_shellcheck = pytest.mark.skipif(
    shutil.which("shellcheck") is None, reason="shellcheck is not installed (`make setup-dev`)"
)


def shellcheck(script: str, *flags: str) -> str:
    """Return what shellcheck says about a script, one finding a line."""
    command = ["shellcheck", "--format=gcc", *flags, "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@needs_shellcheck
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_findings(path: Path) -> None:
    assert shellcheck(path.read_text()) == ""


@needs_shellcheck
@pytest.mark.parametrize("path", sorted(PROBES.glob("*.sh")), ids=lambda path: path.name)
def test_a_probe_has_no_findings(path: Path) -> None:
    script = (PROBES / "common.sh").read_text()
    if path.name != "common.sh":
        script += path.read_text()
    assert shellcheck(script, "--shell=sh", f"--exclude={UNUSED}") == ""
