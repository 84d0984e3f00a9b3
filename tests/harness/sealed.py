"""A workspace of three closed runs, and somebody who seals it with a throw-away key.

sealed.must_seal(); sealed.reclose(monkeypatch, "b"); sealed.rewrite_ledger(change)
sealed.findings(), sealed.broken(), sealed.subjects(1)
"""

import copy
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import signers
from harness.factory import make_run
from harness.programs import Ended, run_script
from harness.signers import Signer
from harness.workspace import Workspace
from postrun.core.locations import RUNS
from postrun.store import configuration, json_files, ledger, ledger_view, seals, signed_files

LEDGER = "audit/stage_ledger.jsonl"
TAGS = ("a", "b", "c")


@dataclass
class Sealed:
    """A workspace of three closed runs, and somebody who seals it."""

    workspace: Workspace
    hui: Signer

    @property
    def root(self) -> Path:
        return self.workspace.local

    def seal(self, signer: Signer | None = None, *flags: str) -> Ended:
        key = (signer or self.hui).key
        return run_script("seal_ledger", "--local-root", str(self.root), "--key", str(key), *flags)

    def must_seal(self, signer: Signer | None = None) -> None:
        done = self.seal(signer)
        assert done.code == 0, done.err
        assert "sealed" not in done.err

    def rows(self) -> list[dict[str, Any]]:
        return ledger.read_rows(self.root)

    def findings(self) -> list[tuple[str, str, bool]]:
        found = seals.verify(self.root)
        return [(finding.path, finding.summary, finding.is_broken) for finding in found]

    def broken(self) -> list[tuple[str, str]]:
        return [(path, summary) for path, summary, is_broken in self.findings() if is_broken]

    def seal_file(self, number: int) -> Path:
        return self.root / f"audit/seals/{number}.dsse.json"

    def subjects(self, number: int) -> dict[str, str]:
        return signed_files.read(self.seal_file(number), "seal").subjects

    def record(self, tag: str) -> Path:
        (folder,) = (self.root / RUNS).glob(f"*_{tag}")
        return folder / "closing_record.json"

    def reclose(self, monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
        """Close a run again under another catalogue: its audit is another one."""
        load = configuration.load
        catalogue = copy.deepcopy(load("governance_checks"))
        catalogue["checks"][-1]["question"] += " Really?"
        with monkeypatch.context() as changed:
            changed.setattr(
                configuration,
                "load",
                lambda name: catalogue if name == "governance_checks" else load(name),
            )
            assert self.workspace.close(tag) == 0

    def rewrite_ledger(self, change: Callable[[list[Any]], list[Any]]) -> None:
        """Change rows and hash them again, as somebody does who knows how: the view, too."""
        rows = [json.loads(line) for line in (self.root / LEDGER).read_bytes().splitlines()]
        rows = change(rows)
        lines, before = [], None
        for number, row in enumerate(rows, start=1):
            line = json_files.encode_line({**row, "number": number, "previous_sha256": before})
            before = hashlib.sha256(line.rstrip(b"\n")).hexdigest()
            lines.append(line)
        (self.root / LEDGER).write_bytes(b"".join(lines))
        ledger_view.publish(self.root)
        assert ledger.verify(self.root) == []


@pytest.fixture(scope="session")
def sealed_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Close three runs once; each test has a copy."""
    folder = tmp_path_factory.mktemp("sealed")
    Signer.make(folder / "keys", "hui")
    workspace = Workspace(folder / "remote", folder / "local")
    for day, tag in enumerate(TAGS, start=20):
        make_run(folder / "remote", tag=tag, stamp=f"2026-02-{day}_031500")
        assert workspace.close(tag) == 0
    return folder


@pytest.fixture
def sealed(sealed_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sealed:
    folder = tmp_path / "sealed"
    shutil.copytree(sealed_runs, folder)
    hui = Signer("hui", folder / "keys" / "hui_key")
    signers.allow(monkeypatch, folder, hui.line())
    return Sealed(Workspace(folder / "remote", folder / "local"), hui)
