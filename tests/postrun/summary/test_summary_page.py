"""The final summary says what the audit answered, whichever step writes it."""

from pathlib import Path

from harness import factory
from harness.workspace import Workspace


def test_both_steps_write_one_page(remote: Path, local: Path) -> None:
    workspace = Workspace(remote, local)
    made = factory.make_run(remote)
    for script in ("detect_run", "sync_run", "finalize_gate_run"):
        assert workspace.run(script, factory.TAG) == 0
    page = local / f"gate_results/{made.gate_folder}/production_gates_final_summary.md"
    assert "| audit | not made yet |" in page.read_text()
    assert workspace.run("governance_audit_checker", factory.TAG) == 0
    audited = page.read_text()
    assert "| audit | passed |" in audited
    assert workspace.run("finalize_gate_run", factory.TAG) == 0
    assert page.read_text() == audited
