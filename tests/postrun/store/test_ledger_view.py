"""The view shows one line a decision, with the answer of its audit."""

from pathlib import Path

from harness import factory
from harness.workspace import Workspace
from postrun.store import ledger, ledger_view


def test_each_decision_has_the_answer_of_its_audit(remote: Path, local: Path) -> None:
    workspace = Workspace(remote, local)
    factory.make_run(remote)
    assert workspace.run("detect_run", factory.TAG) == 0
    assert workspace.run("sync_run", factory.TAG) == 0
    assert workspace.run("finalize_gate_run", factory.TAG) == 0
    assert ledger_view.render(local).splitlines()[-1].endswith("| not recorded |")
    assert workspace.run("governance_audit_checker", factory.TAG) == 0
    (line,) = [line for line in ledger_view.render(local).splitlines() if factory.TAG in line]
    assert line.endswith("| pass |")
    view = (local / "docs/production_research/STAGE_AUDIT_LOG.md").read_text()
    assert line in view
    assert ledger.verify(local) == []
