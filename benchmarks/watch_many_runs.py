"""What watching a hundred runs on five workstations costs, next to a loop of plain `ssh` that asks for each run.

The workstations are real sshds on 127.0.0.1, each behind a proxy that counts connections and bytes. Each run has a
live process and grows no further. One poll means one look at all runs. The loop asks the least that tells anything:
is there a result.json, is there a process with the tag, what is the last line of the log.

`watch_runs.py` is run twice, for a short and a long while: the difference between the two is free of what starting
costs. CPU is that of whole processes and all their children: near is the watcher (or ssh), far is sshd and what it
starts.

    make bench            or: .venv/bin/python benchmarks/watch_many_runs.py [--hosts 5] [--runs 100] [--seconds 30]
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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory  # noqa: E402
from harness.sshd import Sshd  # noqa: E402
from postrun.core.errors import DeadlineReached  # noqa: E402

SETTLE = 1.0  # seconds in which sshd buries its sessions
LOOK = "test -f '{run}/result.json' && echo done; pgrep -f -- '--decision-tag {tag}'; tail -n 1 '{run}/run.log'"


@dataclass(frozen=True)
class Cost:
    """What a number of polls took."""

    polls: float
    seconds: float
    connections: float
    kilobytes: float
    cpu_near: float
    cpu_far: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))


class Proxy:
    """A port before another one; it counts what goes through, both ways together."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.connections = self.bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                local, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.connections += 1
            remote = socket.create_connection(("127.0.0.1", self._to))
            for pair in ((local, remote), (remote, local)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.bytes += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # the other side has gone
            source.close()

    def close(self) -> None:
        """Let nobody in any more."""
        self._listener.close()


class Yard:
    """The workstations, with unfinished runs on them."""

    def __init__(self, base: Path, hosts: int, runs: int) -> None:
        self.base = base
        self.servers = [Sshd(base / f"sshd{number}") for number in range(hosts)]
        self.proxies = [Proxy(server.port) for server in self.servers]
        self.roots = [base / f"far{number}" for number in range(hosts)]
        self.config = base / "ssh_config"
        self.config.write_text("".join(map(self._client, range(hosts))))
        self.made = [self._run(number) for number in range(runs)]
        self.workers: list[subprocess.Popen[bytes]] = []

    def _client(self, number: int) -> str:
        server, port = self.servers[number], self.proxies[number].port
        kind, key = (server.folder / "host_key.pub").read_text().split()[:2]
        server.known_hosts.write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
        text = server.client_config.read_text().replace(f"Port {server.port}\n", f"Port {port}\n")
        return text.replace(f"Host {server.host}\n", f"Host host{number}\n")

    def _run(self, number: int) -> tuple[int, str, str]:
        """Put an unfinished run on its workstation; give its host, tag and folder."""
        stamp = (datetime.now(UTC) - timedelta(hours=1, seconds=number)).strftime("%Y-%m-%d_%H%M%S")
        made = factory.documents(tag=f"bench_{os.getpid()}_{number}", stamp=stamp)
        made.result = made.report = None
        host = number % len(self.roots)
        made.write(self.roots[host])
        return (
            host,
            made.tag,
            made.run_dir(self.roots[host]).relative_to(self.roots[host]).as_posix(),
        )

    @contextmanager
    def open(self) -> Iterator[None]:
        """Start servers and processes, and end them."""
        for _, tag, _ in self.made:
            line = ["sh", "-c", "sleep 3600 & wait", "gates", "--decision-tag", tag]
            self.workers.append(subprocess.Popen(line, start_new_session=True))
        try:
            for server in self.servers:
                server.start()
            yield
        finally:
            for server in self.servers:
                server.stop()
            for proxy in self.proxies:
                proxy.close()
            for worker in self.workers:
                os.killpg(worker.pid, 9)
                worker.wait()

    def measure(self, commands: Sequence[Sequence[str]], environment: dict[str, str]) -> Cost:
        """Run these one after another, and give what they and the servers took."""
        for server in self.servers:  # anew, so that their children's time is theirs alone
            server.stop()
            server.start()
        before = self._count(), _children()
        began = time.perf_counter()
        local = sum(_ended(command, environment) for command in commands)
        seconds = time.perf_counter() - began
        time.sleep(SETTLE)
        for server in self.servers:
            server.stop()
        sessions, connections, size = (
            after - then for after, then in zip(self._count(), before[0], strict=True)
        )
        remote = _children() - before[1] - local
        for server in self.servers:
            server.start()
        return Cost(sessions, seconds, connections, size / 1024, local, remote)

    def _count(self) -> tuple[int, int, int]:
        logs = [(server.folder / "sshd.log").read_text() for server in self.servers]
        sessions = sum(text.count("Starting session: command") for text in logs)
        return (
            sessions,
            sum(one.connections for one in self.proxies),
            sum(one.bytes for one in self.proxies),
        )


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ended(command: Sequence[str], environment: dict[str, str]) -> float:
    """Run a program to its end; give the seconds of CPU that it took. RuntimeError when it saw nothing."""
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=words
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, DeadlineReached.exit_code):
            words.seek(0)
            raise RuntimeError(f"exit code {process.returncode}: {words.read().decode()}")
    return used.ru_utime + used.ru_stime


def watching(yard: Yard, project: Path, seconds: float) -> Cost:
    """Watch for so long; a poll is a look at every workstation."""
    local = yard.base / f"near{seconds:g}"
    local.mkdir()
    command = [sys.executable, str(project / "scripts/watch_runs.py"), "--local-root", str(local)]
    command += ["--interval", "1", "--deadline", str(seconds)]
    cost = yard.measure([command], {"POSTRUN_SSH_CONFIG": str(yard.config)})
    return replace(cost, polls=cost.polls / len(yard.servers))


def asking(yard: Yard) -> Cost:
    """Ask for every run once with a plain ssh, one after another."""
    commands = [
        [
            "ssh",
            "-q",
            "-F",
            str(yard.config),
            f"host{host}",
            f"cd '{yard.roots[host]}' && " + LOOK.format(run=run, tag=tag),
        ]
        for host, tag, run in yard.made
    ]
    return replace(yard.measure(commands, {}), polls=1)


def configured(yard: Yard) -> Path:
    """Copy the scripts to where their own settings name these workstations."""
    project = yard.base / "project"
    for name in ("scripts", "schemas", "configs", "templates"):
        shutil.copytree(
            PROJECT / name,
            project / name,
            ignore=shutil.ignore_patterns("*.local.json", "__pycache__"),
        )
    listed = [
        {"host": f"host{number}", "remote_root": str(root)}
        for number, root in enumerate(yard.roots)
    ]
    (project / "configs/workstation.local.json").write_text(json.dumps({"workstations": listed}))
    return project


def main() -> int:
    """Measure and print both ways to ask."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    args = parser.parse_args()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yard = Yard(base, args.hosts, args.runs)
        stack.enter_context(yard.open())
        project = configured(yard)
        short, long = (
            watching(yard, project, args.seconds / 3),
            watching(yard, project, args.seconds),
        )
        plain = asking(yard)
    tell(args, short, long, plain)
    return 0


def tell(args: argparse.Namespace, short: Cost, long: Cost, plain: Cost) -> None:
    """Print what one poll costs either way, and how many connections there were."""
    steady = long - short
    print(f"{args.runs} runs on {args.hosts} workstations")
    print(
        f"watch: {long.connections:.0f} connections for {long.polls:.0f} polls in {args.seconds:g} s at --interval 1"
    )
    print(f"plain ssh: {plain.connections:.0f} connections for one poll, {plain.seconds:.1f} s")
    print(f"{'per poll of all runs':26}{'watch':>10}{'plain ssh':>12}{'ratio':>8}")
    for name, words in (
        ("kilobytes", "KiB"),
        ("cpu_near", "CPU near, s"),
        ("cpu_far", "CPU far, s"),
    ):
        ours, external = getattr(steady, name) / steady.polls, getattr(plain, name)
        print(f"{words:26}{ours:10.3f}{external:12.3f}{ours / external:8.3f}")


if __name__ == "__main__":
    raise SystemExit(main())
