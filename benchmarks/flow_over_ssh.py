"""What closing a run costs, next to the least that anybody could do: copy the folders and load the
libraries.

The run is 5 MB, the workstation a real sshd on 127.0.0.1. Both sides are whole processes, in turn,
each into an empty workspace; the ratio is taken pair by pair.

    make bench    or: .venv/bin/python benchmarks/flow_over_ssh.py [--pairs 7] [--megabytes 5]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory  # noqa: E402
from harness.sshd import Sshd  # noqa: E402

IMPORTS = [sys.executable, "-c", "import pandas, fabric"]


def main() -> int:
    """Measure and print both sides and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = _workstation(root / "remote", args.megabytes)
        server = Sshd(root / "sshd")
        server.start()
        try:
            _measure(root, server, made, args.pairs)
        finally:
            server.stop()
    return 0


def _workstation(remote: Path, megabytes: int) -> factory.Documents:
    made = factory.documents()
    made.log = os.urandom(megabytes * 2**20 // 2)
    made.write(remote)
    shards = made.gate_dir(remote) / "walk_forward_stress/shard_00"
    for number in range(50):
        (shards / f"part_{number:02d}.csv").write_bytes(os.urandom(megabytes * 2**20 // 100))
    return made


def _measure(root: Path, server: Sshd, made: factory.Documents, pairs: int) -> None:
    rows = []
    for number in range(pairs + 1):
        bare = _bare(root / f"bare{number}", root / "remote", server, made)
        flow = _flow(root / f"local{number}", root / "remote", server)
        if number:  # the first pair warms the caches
            rows.append((flow, bare, flow / bare))
    names = ("flow, s", "bare rsync + imports, s", "ratio flow / bare")
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        print(
            f"{name:26} min {min(values):6.2f}  median "
            f"{statistics.median(values):6.2f}  max {max(values):6.2f}"
        )


def _bare(local: Path, remote: Path, server: Sshd, made: factory.Documents) -> float:
    began = time.perf_counter()
    for folder in (made.run_dir, made.gate_dir):
        target = folder(local)
        target.mkdir(parents=True)
        shell = f"ssh -F {server.client_config}"
        subprocess.run(
            ["rsync", "-rt", "-e", shell, f"{server.host}:{folder(remote)}/", f"{target}/"],
            check=True,
        )
    subprocess.run(IMPORTS, check=True)
    return time.perf_counter() - began


def _flow(local: Path, remote: Path, server: Sshd) -> float:
    command = [
        sys.executable,
        str(PROJECT / "scripts/post_run_sync_and_finalize.py"),
        "--tag",
        factory.TAG,
    ]
    command += ["--host", server.host, "--remote-root", str(remote), "--local-root", str(local)]
    environment = {**os.environ, "POSTRUN_SSH_CONFIG": str(server.client_config)}
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main())
