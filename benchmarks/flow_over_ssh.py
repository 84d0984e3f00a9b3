"""What closing a run costs, next to the least that anybody could do: copy the folders and load the
libraries.

The run is 5 MB, the workstation a real sshd on 127.0.0.1. Both sides are whole processes, in turn,
each into an empty workspace; the ratio is taken pair by pair. Processor time is that of this side:
on a machine that is busy with other work it says more.

    make bench    or: .venv/bin/python benchmarks/flow_over_ssh.py [--pairs 7] [--megabytes 5]

--json FILE writes {"flow": [{"what", "min", "median", "max"}]}.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory  # noqa: E402
from harness.sshd import Sshd  # noqa: E402

Row = dict[str, Any]
IMPORTS = [sys.executable, "-c", "import pandas, fabric"]


def main() -> int:
    """Measure and print both sides and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = _workstation(root / "remote", args.megabytes)
        server = Sshd(root / "sshd")
        server.start()
        try:
            rows = _measure(root, server, made, args.pairs)
        finally:
            server.stop()
    for measured in rows:
        print("{what:34} min {min:6.2f}  median {median:6.2f}  max {max:6.2f}".format_map(measured))
    if args.json:
        args.json.write_text(json.dumps({"flow": rows}))
    return 0


def _workstation(remote: Path, megabytes: int) -> factory.Documents:
    made = factory.documents()
    made.log = os.urandom(megabytes * 2**20 // 2)
    made.write(remote)
    shards = made.gate_dir(remote) / "walk_forward_stress/shard_00"
    for number in range(50):
        (shards / f"part_{number:02d}.csv").write_bytes(os.urandom(megabytes * 2**20 // 100))
    return made


def _measure(root: Path, server: Sshd, made: factory.Documents, pairs: int) -> list[Row]:
    measured: dict[str, list[float]] = defaultdict(list)
    for number in range(pairs + 1):
        bare = partial(_bare, root / f"bare{number}", root / "remote", server, made)
        flow = partial(_flow, root / f"local{number}", root / "remote", server)
        bare_cost = _cost(bare)
        flow_cost = _cost(flow)
        if number == 0:  # the first pair warms the caches
            continue
        for unit, ours, least in zip(("s", "CPU s"), flow_cost, bare_cost, strict=True):
            measured[f"flow, {unit}"].append(ours)
            measured[f"bare rsync + imports, {unit}"].append(least)
            measured[f"ratio flow / bare, {unit}"].append(ours / least)
    return [row(what, values) for what, values in measured.items()]


def row(what: str, values: Sequence[float]) -> Row:
    """Return a line of the table."""
    return {
        "what": what,
        "min": min(values),
        "median": statistics.median(values),
        "max": max(values),
    }


def _cost(work: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds that some processes took, and those of the processor."""
    before = os.times()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    after = os.times()
    user = after.children_user - before.children_user
    system = after.children_system - before.children_system
    return seconds, user + system


def _bare(local: Path, remote: Path, server: Sshd, made: factory.Documents) -> None:
    for folder in (made.run_dir, made.gate_dir):
        target = folder(local)
        target.mkdir(parents=True)
        shell = f"ssh -F {server.client_config}"
        subprocess.run(
            ["rsync", "-rt", "-e", shell, f"{server.host}:{folder(remote)}/", f"{target}/"],
            check=True,
        )
    subprocess.run(IMPORTS, check=True)


def _flow(local: Path, remote: Path, server: Sshd) -> None:
    command = [
        sys.executable,
        str(PROJECT / "scripts/post_run_sync_and_finalize.py"),
        "--tag",
        factory.TAG,
    ]
    command += ["--host", server.host, "--remote-root", str(remote), "--local-root", str(local)]
    environment = {**os.environ, "POSTRUN_SSH_CONFIG": str(server.client_config)}
    # Compiled modules and templates are kept, as for a user.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, check=True, env=environment, capture_output=True)


if __name__ == "__main__":
    raise SystemExit(main())
