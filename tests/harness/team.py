"""Several roots with one workstation, and the root that they share.

team = Team(folder, ("ann", "bob"))
team.close("ann", made)          ann closes a run of the workstation
team.push("ann"); team.pull("bob")
team.shown("bob")                what must be equal in all roots of a team
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import choose_closing
import pull_runs
import push_runs
import verify_workspace
from harness import factory
from harness.factory import Documents
from harness.workspace import Workspace

VIEW = "docs/production_research/STAGE_AUDIT_LOG.md"
TABLES = (
    "audit/factor_registry/factor_experiment_registry.csv",
    "audit/factor_registry/factor_experiment_leaderboard.md",
    "audit/factor_registry/trial_statistics.csv",
    "audit/factor_registry/factor_statistics.csv",
    "audit/factor_registry/factor_candidate_queue.csv",
    "audit/failure_patterns/failure_patterns.csv",
)


def race(create: Callable[[int], bool]) -> list[int]:
    """Let six writers create one thing at once; return the numbers of those who did."""
    numbers = range(6)
    with ThreadPoolExecutor(len(numbers)) as threads:
        answers = list(threads.map(create, numbers))
    return [number for number in numbers if answers[number]]


@dataclass(frozen=True)
class Team:
    """The folder with all roots, and the members' names."""

    folder: Path
    members: tuple[str, ...]
    place: str = ""  # of the shared root, as it is typed; without one its folder

    @property
    def hub(self) -> Path:
        return self.folder / "hub"

    @property
    def remote(self) -> Path:
        return self.folder / "workstation"

    def root(self, member: str) -> Path:
        return self.folder / member

    def workspace(self, member: str) -> Workspace:
        return Workspace(self.remote, self.root(member))

    def make(self, number: int, **options: Any) -> Documents:
        """Write a run onto the workstation."""
        stamp = f"2026-02-{number + 1:02}_031500"
        return factory.make_run(self.remote, tag=f"run{number}", stamp=stamp, **options)

    def close(self, member: str, made: Documents, *flags: str) -> int:
        return self.workspace(member).close(made.tag, *flags)

    def push(self, member: str, *flags: str) -> int:
        return push_runs.main(["--to", self._place(), *self._flags(member), *flags])

    def pull(self, member: str, *flags: str) -> int:
        return pull_runs.main(["--from", self._place(), *self._flags(member), *flags])

    def choose(self, member: str, made: Documents, chosen: str) -> int:
        root = ["--local-root", str(self.root(member))]
        reason = ["--reason", "the other copy was cut"]
        return choose_closing.main(["--tag", made.tag, "--member", chosen, *reason, *root])

    def verify(self, member: str) -> int:
        return verify_workspace.main(["--local-root", str(self.root(member))])

    def exchange(self, rounds: int = 2) -> None:
        """Let everybody push and pull, until all have everything."""
        for _ in range(rounds):
            for member in self.members:
                assert self.push(member) == 0
            for member in self.members:
                assert self.pull(member) in (0, 1)

    def shown(self, member: str) -> dict[str, bytes]:
        """Return what is equal in all roots: folders of runs, tables, and the ledger's view.

        Not in it are the mark of the own ledger's last row, and where a root's own files differ by
        nature: its ledger, the copies of the others', plan, handoff, site and workspace record.
        """
        root = self.root(member)
        shown = {}
        for folder in ("audit/workstation_runs", "gate_results"):
            for path in (root / folder).rglob("*"):
                if path.is_file():
                    shown[str(path.relative_to(root))] = path.read_bytes()
        for table in TABLES:
            shown[table] = (root / table).read_bytes()
        lines = (root / VIEW).read_bytes().splitlines()
        shown[VIEW] = b"\n".join(line for line in lines if b"stage-ledger:last-row" not in line)
        return shown

    def chains(self, member: str) -> dict[str, bytes]:
        """Return every chain that a root has, by member."""
        root = self.root(member)
        chains = {}
        # Who has closed nothing has no row, and nobody a copy.
        rows = (root / "audit/stage_ledger.jsonl").read_bytes()
        if rows:
            chains[member] = rows
        for path in (root / "audit/ledgers").glob("*.jsonl"):
            chains[path.stem] = path.read_bytes()
        return chains

    def _place(self) -> str:
        return self.place or str(self.hub)

    def _flags(self, member: str) -> list[str]:
        root = self.root(member)
        flags = ["--local-root", str(root), "-q"]
        if not (root / "audit/ledgers/team.json").exists():
            flags += ["--member", member]
        return flags


def make_team(folder: Path, *members: str) -> Team:
    """Make the roots of a team; nothing is closed yet."""
    team = Team(folder, members)
    team.hub.mkdir(parents=True)
    team.remote.mkdir()
    for member in members:
        team.root(member).mkdir()
    return team


@pytest.fixture(scope="session")
def pair_once(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Give ann and bob, who closed one run each and have pushed nothing."""
    team = make_team(tmp_path_factory.mktemp("pair"), "ann", "bob")
    assert team.close("ann", team.make(1), "-q") == 0
    assert team.close("bob", team.make(2, passing=False), "-q") == 0
    return team


@pytest.fixture
def pair(pair_once: Team, tmp_path: Path) -> Team:
    """Give a copy of ann's and bob's roots."""
    folder = tmp_path / "pair"
    shutil.copytree(pair_once.folder, folder, symlinks=True)
    return Team(folder, pair_once.members)
