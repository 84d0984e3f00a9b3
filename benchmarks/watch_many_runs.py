"""What watching a hundred runs on five workstations costs, next to a plain `ssh` for each run.

The workstations are real sshds on 127.0.0.1, each behind a proxy that counts connections and bytes.
Each run has a live process and does not grow. One poll means: every run once. The plain ssh asks
for the least that is of use: is there a result.json, is there a process with the tag, what is the
last line of the log.

`watch_runs.py` runs twice, for a short and for a long time. The difference is free of what its
start costs. CPU is that of whole processes with all their children: local is the watching program
(or ssh), remote is sshd and what it starts.

    make bench    or: .venv/bin/python benchmarks/watch_many_runs.py [--hosts 5] [--runs 100]
"""

import argparse
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory  # noqa: E402
from harness.sshd import Sshd  # noqa: E402
from postrun.core.errors import DeadlineReached  # noqa: E402

SESSIONS_END = 1.0  # seconds in which sshd ends its sessions
PLAIN_POLL = (
    "cd '{root}' && test -f '{run}/result.json' && echo done; "
    "pgrep -f -- '--decision-tag {tag}'; tail -n 1 '{run}/run.log'"
)


@dataclass(frozen=True)
class Cost:
    """What a number of polls cost."""

    polls: float
    seconds: float
    connections: float
    kilobytes: float
    local_cpu: float  # seconds
    remote_cpu: float  # seconds


def difference(long: Cost, short: Cost) -> Cost:
    """Return what the long measurement cost beyond the short one."""
    return Cost(
        polls=long.polls - short.polls,
        seconds=long.seconds - short.seconds,
        connections=long.connections - short.connections,
        kilobytes=long.kilobytes - short.kilobytes,
        local_cpu=long.local_cpu - short.local_cpu,
        remote_cpu=long.remote_cpu - short.remote_cpu,
    )


class CountingProxy:
    """A port in front of another one; counts connections, and bytes of both directions together."""

    def __init__(self, port: int) -> None:
        self._target_port = port
        self.connections = self.bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the listener was closed
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._target_port))
            for source, target in ((client, server), (server, client)):
                copy = threading.Thread(target=self._copy, args=(source, target), daemon=True)
                copy.start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.bytes += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # the other side has closed the connection
            source.close()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()


@dataclass(frozen=True)
class UnfinishedRun:
    """A run on one of the workstations; `folder` is relative to its root."""

    host: int
    tag: str
    folder: str


class Workstations:
    """Several workstations behind counting proxies, with unfinished runs on them."""

    def __init__(self, base: Path, hosts: int, runs: int) -> None:
        self.base = base
        self.servers = [Sshd(base / f"sshd{number}") for number in range(hosts)]
        self.proxies = [CountingProxy(server.port) for server in self.servers]
        self.roots = [base / f"remote{number}" for number in range(hosts)]
        self.ssh_config = base / "ssh_config"
        blocks = [self._host_block(number) for number in range(hosts)]
        self.ssh_config.write_text("".join(blocks))
        self.runs = [self._make_run(number) for number in range(runs)]
        self._processes: list[subprocess.Popen[bytes]] = []

    def _host_block(self, number: int) -> str:
        """Return the ssh configuration of a workstation, which leads through its proxy."""
        server, port = self.servers[number], self.proxies[number].port
        kind, key = (server.folder / "host_key.pub").read_text().split()[:2]
        server.known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
        block = server.client_config.read_text()
        block = block.replace(f"Port {server.port}\n", f"Port {port}\n")
        return block.replace(f"Host {server.host}\n", f"Host host{number}\n")

    def _make_run(self, number: int) -> UnfinishedRun:
        began = datetime.now(UTC) - timedelta(hours=1, seconds=number)
        tag = f"bench_{os.getpid()}_{number}"
        made = factory.documents(tag=tag, stamp=began.strftime("%Y-%m-%d_%H%M%S"))
        made.result = made.report = None
        host = number % len(self.roots)
        root = self.roots[host]
        made.write(root)
        return UnfinishedRun(host, tag, made.run_dir(root).relative_to(root).as_posix())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the servers and the processes of the runs, and end them."""
        for run in self.runs:
            command = ["sh", "-c", "sleep 3600 & wait", "gates", "--decision-tag", run.tag]
            self._processes.append(subprocess.Popen(command, start_new_session=True))
        try:
            self._start_servers()
            yield
        finally:
            self._stop_servers()
            for proxy in self.proxies:
                proxy.close()
            for process in self._processes:
                os.killpg(process.pid, 9)
                process.wait()

    def _start_servers(self) -> None:
        for server in self.servers:
            server.start()

    def _stop_servers(self) -> None:
        for server in self.servers:
            server.stop()

    def measure(self, commands: Sequence[Sequence[str]], environment: dict[str, str]) -> Cost:
        """Run commands one after another, and return what they and the servers cost.

        `polls` of the result is the number of sessions.
        """
        # The processor time of a child is known when it has ended: the servers start again, so that
        # they measure these commands alone.
        self._stop_servers()
        self._start_servers()
        sessions, connections, size = self._count()
        children_cpu = cpu_of_children()
        began = time.perf_counter()
        local_cpu = 0.0
        for command in commands:
            local_cpu += run_to_end(command, environment)
        seconds = time.perf_counter() - began
        time.sleep(SESSIONS_END)
        self._stop_servers()
        remote_cpu = cpu_of_children() - children_cpu - local_cpu
        new_sessions, new_connections, new_size = self._count()
        self._start_servers()
        return Cost(
            polls=new_sessions - sessions,
            seconds=seconds,
            connections=new_connections - connections,
            kilobytes=(new_size - size) / 1024,
            local_cpu=local_cpu,
            remote_cpu=remote_cpu,
        )

    def _count(self) -> tuple[int, int, int]:
        """Return the sessions, connections and bytes until now."""
        sessions = 0
        for server in self.servers:
            log = (server.folder / "sshd.log").read_text()
            sessions += log.count("Starting session: command")
        connections = sum(proxy.connections for proxy in self.proxies)
        size = sum(proxy.bytes for proxy in self.proxies)
        return sessions, connections, size


def cpu_of_children() -> float:
    """Return the seconds of processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_to_end(command: Sequence[str], environment: dict[str, str]) -> float:
    """Run a program and return its seconds of processor time. Raises RuntimeError if it fails."""
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=messages,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, DeadlineReached.exit_code):
            messages.seek(0)
            text = messages.read().decode()
            raise RuntimeError(f"{command[0]}: exit code {process.returncode}: {text}")
    return used.ru_utime + used.ru_stime


def watch(workstations: Workstations, project: Path, seconds: float) -> Cost:
    """Watch all runs for so long. Return what that cost, with the number of whole polls."""
    workspace = workstations.base / f"workspace{seconds:g}"
    workspace.mkdir()
    script = project / "scripts/watch_runs.py"
    command = [sys.executable, str(script), "--local-root", str(workspace)]
    command += ["--interval", "1", "--deadline", str(seconds)]
    environment = {"POSTRUN_SSH_CONFIG": str(workstations.ssh_config)}
    cost = workstations.measure([command], environment)
    return replace(cost, polls=cost.polls / len(workstations.servers))


def poll_with_plain_ssh(workstations: Workstations) -> Cost:
    """Ask for every run once with an ssh of its own, one after another."""
    ssh = ["ssh", "-q", "-F", str(workstations.ssh_config)]
    commands = []
    for run in workstations.runs:
        root = workstations.roots[run.host]
        question = PLAIN_POLL.format(root=root, run=run.folder, tag=run.tag)
        commands.append([*ssh, f"host{run.host}", question])
    return replace(workstations.measure(commands, {}), polls=1)


def copy_project(workstations: Workstations) -> Path:
    """Return a copy of the scripts whose own settings name these workstations."""
    project = workstations.base / "project"
    ignored = shutil.ignore_patterns("*.local.json", "__pycache__")
    for name in ("scripts", "schemas", "configs", "templates"):
        shutil.copytree(PROJECT / name, project / name, ignore=ignored)
    listed = []
    for number, root in enumerate(workstations.roots):
        listed.append({"host": f"host{number}", "remote_root": str(root)})
    settings = project / "configs/workstation.local.json"
    settings.write_text(json.dumps({"workstations": listed}))
    return project


def main() -> int:
    """Measure and print both ways to poll."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workstations = Workstations(Path(folder), args.hosts, args.runs)
        with workstations.running():
            project = copy_project(workstations)
            short = watch(workstations, project, args.seconds / 3)
            long = watch(workstations, project, args.seconds)
            plain = poll_with_plain_ssh(workstations)
    print_costs(args, short, long, plain)
    return 0


def print_costs(args: argparse.Namespace, short: Cost, long: Cost, plain: Cost) -> None:
    """Write what one poll costs either way, and how many connections there were."""
    steady = difference(long, short)
    print(f"{args.runs} runs on {args.hosts} workstations")
    watched = f"{long.polls:.0f} polls in {args.seconds:g} s at --interval 1"
    print(f"watch: {long.connections:.0f} connections for {watched}")
    print(f"plain ssh: {plain.connections:.0f} connections for one poll, {plain.seconds:.1f} s")
    print(f"{'per poll of all runs':26}{'watch':>10}{'plain ssh':>12}{'ratio':>8}")
    rows = (
        ("KiB", steady.kilobytes, plain.kilobytes),
        ("local CPU, s", steady.local_cpu, plain.local_cpu),
        ("remote CPU, s", steady.remote_cpu, plain.remote_cpu),
    )
    for name, watch_total, plain_total in rows:
        per_poll = watch_total / steady.polls
        print(f"{name:26}{per_poll:10.3f}{plain_total:12.3f}{per_poll / plain_total:8.3f}")


if __name__ == "__main__":
    raise SystemExit(main())
