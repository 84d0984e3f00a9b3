"""Sealed runs of which files may be archived, and the three commands about them.

retained.archive(), retained.restore("loser"), retained.plan()["loser"]["state"], retained.verify()

loser     its gates fail; run.log and the shards' copies may go
crashed   no report: its review shows the end of run.log
changed   closed again with changed evidence: the former file is in superseded_evidence/
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import signers, spoiled
from harness.factory import make_run
from harness.programs import Ended, run_script
from harness.signers import Signer
from harness.workspace import Workspace
from postrun.core import disk
from postrun.core.locations import RUNS, RunPaths
from postrun.store import json_files, ledger

TAGS = ("loser", "crashed", "changed")
ARCHIVE = "audit/archive"
ORIGINALS = f"{ARCHIVE}/originals"


@dataclass
class Retained:
    """A workspace of three closed runs under a seal."""

    workspace: Workspace
    hui: Signer

    @property
    def root(self) -> Path:
        return self.workspace.local

    def run(self, script: str, *flags: str) -> Ended:
        return run_script(script, *flags, "--local-root", str(self.root))

    def archive(self, *flags: str) -> Ended:
        return self.run("retention_archive", *flags)

    def must_archive(self, tag: str = "loser") -> Path:
        """Archive a run; return its archive."""
        done = self.archive("--tag", tag)
        assert done.code == 0, done.err
        archive: str = self.row()["archive"]
        return self.root / archive

    def restore(self, tag: str = "loser", *flags: str) -> Ended:
        return self.run("retention_restore", "--tag", tag, *flags)

    def plan(self) -> dict[str, Any]:
        """Return the plan of each run, by tag."""
        done = self.run("retention_plan", "--json")
        assert done.code == 0, done.err
        document = json.loads(done.out)
        assert json_files.findings(document, "retention_plan") == []
        return {row["tag"]: row for row in document["runs"]}

    def names(self, tag: str = "loser") -> list[str]:
        """Return the files of a run that may be archived."""
        return [file["path"] for file in self.plan()[tag]["files"]]

    def verify(self, *flags: str) -> Ended:
        return self.run("verify_workspace", *flags)

    def broken(self) -> set[str]:
        document = json.loads(self.verify("--json").out)
        return {row["file"] for row in document["findings"] if row["kind"] == "broken"}

    def seal(self) -> None:
        key = str(self.hui.key)
        assert self.run("seal_ledger", "--key", key).code == 0

    def rows(self) -> list[dict[str, Any]]:
        return ledger.rows_of_kind(self.root, ledger.RETENTION)

    def row(self) -> dict[str, Any]:
        """Return the newest row of kind retention."""
        return self.rows()[-1]

    def run_paths(self, tag: str = "loser") -> RunPaths:
        (folder,) = (self.root / RUNS).glob(f"*_{tag}")
        manifest = json.loads((folder / "evidence_manifest.json").read_text())
        return RunPaths(self.root, folder.name, manifest["gate_folder"])

    def log(self, tag: str = "loser") -> Path:
        return self.run_paths(tag).path("run_log")

    def original(self, path: Path) -> Path:
        """Return where a file of the run `loser` is moved to."""
        place = path.relative_to(self.root)
        return self.root / ORIGINALS / self.run_paths().run / place

    def free(self, tag: str = "loser") -> None:
        """Do what the printed command does."""
        shutil.rmtree(self.root / ORIGINALS / self.run_paths(tag).run)

    def bytes(self) -> dict[str, bytes]:
        return self.workspace.bytes()


def change_log(workspace: Workspace, tag: str) -> None:
    """Change evidence on the workstation, and accept that."""
    (log,) = (workspace.remote / RUNS).glob(f"*_{tag}/run.log")
    log.write_text("another text\n")
    assert workspace.close(tag, "--accept-changed-evidence", "the log was cut") == 0


@pytest.fixture(scope="session")
def retained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retained")
    hui = Signer.make(folder / "keys", "hui")
    workspace = Workspace(folder / "remote", folder / "local")
    make_run(workspace.remote, tag="loser", stamp="2026-02-20_031500", passing=False)
    make_run(workspace.remote, spoiled.crash, tag="crashed", stamp="2026-02-21_031500")
    make_run(workspace.remote, tag="changed", stamp="2026-02-22_031500")
    for tag in TAGS:
        assert workspace.close(tag) in (0, 1)
    change_log(workspace, "changed")
    retained = Retained(workspace, hui)
    retained.seal()
    return folder


@pytest.fixture
def retained(
    retained_once: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Retained:
    disk.DRY_RUN.set(False)  # a --dry-run before this would go on in the same process
    folder = tmp_path / "retained"
    shutil.copytree(retained_once, folder, symlinks=True)
    hui = Signer("hui", folder / "keys" / "hui_key")
    signers.allow(monkeypatch, folder, hui.line())
    return Retained(Workspace(folder / "remote", folder / "local"), hui)


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
