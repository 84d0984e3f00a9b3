"""Every command printed in POST_RUN_OPERATIONS.md works as written, and its checklist is true
afterwards.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.factory import Documents, make_run
from postrun.core.locations import PROJECT
from steps import STEPS

DOCUMENT = "docs/production_research/POST_RUN_OPERATIONS.md"
TEXT = (PROJECT / DOCUMENT).read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
TAG = "committee_2026-02-21_run4"


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def fill(text: str, made: Documents) -> str:
    """Put a run's own names where the document has placeholders; and look every second, not every
    30.
    """
    named = (
        ("audit/workstation_runs/<...>", f"audit/workstation_runs/{made.run_folder}"),
        ("<ts>_production_gates_<decision_tag>", made.run_folder),
        ("production_gates_<ts>", made.gate_folder),
        ("committee_YYYY-MM-DD_runN", made.tag),
        ("--interval 30", "--interval 1"),
    )
    for placeholder, name in named:
        text = text.replace(placeholder, name)
    assert not re.search("<[a-z.]", text), text
    return text


def checklist() -> list[str]:
    """Give each path of the checklist."""
    lines = section("Checklist").splitlines()
    return [
        path[1] or path[2] for line in lines if (path := re.search(r"- `(.+)`|^3\. .*`(.+)`", line))
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy what runs to a folder of its own, so that the commands' default workspace is not this
    checkout.
    """
    for name in ("scripts", "schemas", "templates", "configs"):
        unwanted = shutil.ignore_patterns("__pycache__", "workstation.local.json")
        shutil.copytree(PROJECT / name, tmp_path / "project" / name, ignore=unwanted)
    documents = shutil.ignore_patterns("STAGE_AUDIT_LOG.md")
    shutil.copytree(PROJECT / "docs", tmp_path / "project/docs", ignore=documents)
    shutil.copy(PROJECT / "README.md", tmp_path / "project")
    return tmp_path / "project"


def run(command: str, project: Path, remote: Path) -> subprocess.CompletedProcess[str]:
    # the shims look for .venv, then for python3
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "POSTRUN_HOST": "local", "POSTRUN_REMOTE_ROOT": str(remote)}
    return subprocess.run(
        ["bash", "-ec", command], cwd=project, env=env, capture_output=True, text=True, check=False
    )


def test_the_document_prints_the_commands_of_the_procedure() -> None:
    assert [command.split()[1] for command in COMMANDS] == [
        "scripts/post_run_sync_and_finalize.sh",
        "scripts/monitor_then_finalize.sh",
        "scripts/post_run_sync_and_finalize.sh",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_closes_a_run(command: str, project: Path, remote: Path) -> None:
    made = make_run(remote, tag=TAG)
    done = run(fill(command, made), project, remote)
    assert done.returncode == 0, done.stderr
    assert [path for path in checklist() if not (project / fill(path, made)).is_file()] == []
    ledger = (project / "docs/production_research/STAGE_AUDIT_LOG.md").read_text()
    assert re.search(rf"\| {TAG} \|.*\| pass", ledger)


# The third is the first with paths.
@pytest.mark.parametrize("command", COMMANDS[:2])
def test_a_documented_command_says_no_to_a_broken_run(
    command: str, project: Path, remote: Path
) -> None:
    made = make_run(remote, lambda made: made.report["gates"].update(overall_pass="false"), tag=TAG)
    assert run(fill(command, made), project, remote).returncode == 1


def test_the_checklist_has_every_page_of_the_user() -> None:
    assert len(checklist()) == 18


def test_every_step_of_the_document_is_in_the_table() -> None:
    named = re.findall(
        r"^\d+\. .*\(`scripts/(.+)\.(?:py|sh)`.*$", section("What happens"), re.MULTILINE
    )
    assert len(named) == 9
    assert set(named) <= {step.script.removesuffix(".py") for step in STEPS}
