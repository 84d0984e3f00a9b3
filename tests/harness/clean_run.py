"""The facts of a clean run, read once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import factory, programs
from postrun.audit.facts import Document, Facts
from postrun.core.locations import RunPaths

# A tag of its own: detection looks at the machine's real processes.
TAG = "observed_2026-02-21_run1"


@pytest.fixture(scope="session")
def clean_run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """Return a clean run that was closed up to the audit. Only read it."""
    folder = tmp_path_factory.mktemp("clean")
    remote, local = folder / "workstation", folder / "workspace"
    made = factory.make_run(remote, tag=TAG, stamp="2026-02-21_051500")
    flags = ["--tag", TAG, "--host", "local", "--remote-root", str(remote)]
    flags += ["--local-root", str(local), "--to", "finalize-gate-run"]
    assert programs.run_script("post_run_sync_and_finalize", *flags).code == 0
    return RunPaths(local, made.run_folder, made.gate_folder)


@pytest.fixture(scope="session")
def clean_facts(clean_run: RunPaths) -> Facts:
    """Return what the audit knows of a clean run."""
    # Not at the top: every test module would wait for it.
    from postrun.audit import observe

    return observe.observe(clean_run, TAG)


@pytest.fixture
def absent_run(tmp_path: Path) -> RunPaths:
    """Return a run of which there is nothing but an empty folder."""
    run = RunPaths(tmp_path, f"2026-02-21_051500_production_gates_{TAG}", None)
    run.path("context").parent.mkdir(parents=True)
    return run


def with_report(facts: Facts, section: str, **members: Any) -> Facts:
    """Return the facts with other members in a section of the gate report."""
    report = facts.report.value
    changed = {**report, section: {**report[section], **members}}
    return replace(facts, report=Document(changed, path=facts.report.path))
