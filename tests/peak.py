"""The memory that a script of this project needs at its most, as the kernel counted it for that process alone."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
STATUS = Path("/proc/self/status")
_CODE = """
import importlib, sys
code = importlib.import_module(sys.argv[1]).main(sys.argv[2:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("peak", peak.split()[1])
raise SystemExit(code)
"""


def run(script: str, *flags: str) -> tuple[int, int]:
    """Run a script's `main` in a process of its own; give exit code and peak in KiB (Linux only)."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "scripts")}
    command = [sys.executable, "-c", _CODE, script, *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.returncode, int(done.stdout.rpartition("peak ")[2] or 0)
