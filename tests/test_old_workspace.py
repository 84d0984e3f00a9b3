"""A workspace that an earlier program closed: every step works over it, what is proven stays.

The workstation's root in its reports is /srv/desk, a path that no test makes: nothing may need it.
Its README says how it was made.
"""

import csv
import hashlib
import importlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import post_run_sync_and_finalize
import validate_artifacts
import watch_runs
from postrun.store import json_files

Capture = pytest.CaptureFixture[str]

OLD = Path(__file__).resolve().parent / "data/old_workspace"
SHA256 = "b93121240bac834bfbe1917001e03f551d98cb61ef2c12e055c502227f0b689d"
LEDGER = "audit/stage_ledger.jsonl"
REGISTRY = "audit/factor_registry/factor_experiment_registry.csv"
PATTERNS = "audit/failure_patterns/failure_patterns.csv"
IDENTITY = ("decision_tag", "run_folder", "run_folders", "gate_folder", "abandoned", "overrides")
PLAN = "audit/factor_registry/next_run_plan.json"
TAGS = tuple(f"old_2026-02-2{day}_run1" for day in (1, 2, 3, 4, 5))
# The first two passed every check of their time. Their statistical reports name a table outside of
# the gate folder, which is not among the evidence: today's audit asks for it.
PASSED_THEN = TAGS[:2]
ASKED_SINCE = {
    *("windows_measured", "thresholds_not_weakened", "values_plausible", "windows_vary"),
    *("statistics_table_recomputed", "ic_by_date_agrees"),
}
# Version 2 of the scoring policy asks what luck gives.
OF_POLICY = {"policy_version", "policy_sha256", "decision"}
OF_AUDIT = {"audit_passed", "governance", "high_items", "total", "decision"}
VERSIONS = {"generated_at", "schema_version", "program_version"}
SYNCED = ("detect_run", "sync_run")  # the steps that know --no-sync
JOURNALS = ("monitor_events.jsonl", "notifications.json")
REBUILT = ("update_factor_experiment_registry", "update_failure_pattern_db")


class Workspace:
    """A copy of the old workspace, and a workstation that holds the same evidence."""

    def __init__(self, folder: Path) -> None:
        self.root, self.workstation = folder / "workspace", folder / "workstation"
        for copy in (self.root, self.workstation):
            shutil.copytree(OLD, copy, ignore=shutil.ignore_patterns("README.md"))
        for command in self.json(PLAN)["commands"]:
            for name in command["files"]:
                path = self.workstation / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        self.local = ["--local-root", str(self.root)]
        self.synced = ["--host", "local", "--remote-root", str(self.workstation), *self.local]

    def run(self, script: str, *flags: str) -> int:
        code: int = importlib.import_module(script).main(list(flags))
        return code

    def close(self, flags: Sequence[str]) -> dict[str, int]:
        """Close every run; return the exit codes by tag."""
        closing = "post_run_sync_and_finalize"
        return {tag: self.run(closing, "--tag", tag, *flags) for tag in TAGS}

    def json(self, name: str) -> Any:
        return json.loads((self.root / name).read_bytes())

    def table(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((self.root / name).read_text(encoding="utf-8"))))

    def bytes(self) -> dict[str, bytes]:
        return bytes_below(self.root)


def bytes_below(root: Path) -> dict[str, bytes]:
    """Return every file but locks and the README, by its path relative to the root."""
    content = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and ".locks" not in name.parts and str(name) != "README.md":
            content[name.as_posix()] = path.read_bytes()
    return content


def steps(capsys: Capture) -> list[str]:
    """Return the names of the steps' scripts, in the order of work."""
    assert post_run_sync_and_finalize.main(["--list"]) == 0
    words = capsys.readouterr().out.split()
    return [word.removesuffix(".py") for word in words if word.endswith(".py")]


def facts(workspace: Workspace) -> dict[str, Any]:
    """Return what no version of the program may change: all but sentences, times and versions, and
    what is asked since.
    """
    found: dict[str, Any] = {}
    for manifest in workspace.root.glob("audit/workstation_runs/*/evidence_manifest.json"):
        folder = manifest.parent.relative_to(workspace.root)
        found[folder.name] = facts_of_run(workspace, folder)
    found["registry"] = [registered(row) for row in workspace.table(REGISTRY)]
    patterns = [row for row in workspace.table(PATTERNS) if row["check"] not in ASKED_SINCE]
    found["patterns"] = [without(row, {"observed"}) for row in patterns]
    return found


def facts_of_run(workspace: Workspace, folder: Path) -> dict[str, Any]:
    detection = workspace.json(f"{folder}/run_detection.json")
    audit = workspace.json(f"{folder}/governance_audit_check.json")
    remediation = workspace.json(f"{folder}/governance_remediation_plan.json")
    items = [item for item in remediation["items"] if item["check"] not in ASKED_SINCE]
    answers = {check["id"]: check["answer"] for check in audit["checks"]}
    manifest = workspace.json(f"{folder}/evidence_manifest.json")
    return {
        "identity": [detection[name] for name in IDENTITY],
        "manifest": without(manifest, VERSIONS),
        "answers": without(answers, ASKED_SINCE),
        "items": [(item["check"], item["severity"]) for item in items],
    }


def registered(row: dict[str, str]) -> dict[str, Any]:
    # The old program counted the report's overall_pass among the gates that failed.
    failed = [gate for gate in row["failed_gates"].split(";") if gate != "overall_pass"]
    lists = {
        name: [check for check in row[name].split(";") if check not in ASKED_SINCE | {""}]
        for name in ("failed_checks", "skipped_checks")
    }
    tag = row["decision_tag"]
    changed = OF_POLICY | OF_AUDIT if tag in PASSED_THEN else OF_POLICY
    changed |= row.keys() - first_columns()
    return {**without(row, changed), **lists, "failed_gates": failed}


def first_columns() -> set[str]:
    """Return the columns that the registry had in the first release."""
    return set((OLD / REGISTRY).read_text().partition("\n")[0].split(","))


def without(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def evidence(workspace: Workspace) -> dict[str, bytes]:
    """Return the files that the manifests list, those that were set aside, and the journals."""
    kept = {}
    for manifest in workspace.root.glob("audit/workstation_runs/*/evidence_manifest.json"):
        for row in json.loads(manifest.read_bytes())["files"]:
            kept[row["path"]] = (workspace.root / row["path"]).read_bytes()
    for name, content in workspace.bytes().items():
        if "superseded_evidence" in name or name.endswith(JOURNALS):
            kept[name] = content
    return kept


def assert_only_appended(before: bytes, after: bytes) -> None:
    """Fail unless every old ledger row keeps its bytes, and none that was added is a decision."""
    assert after.startswith(before)
    added = [json.loads(line) for line in after[len(before) :].splitlines()]
    assert [row for row in added if row.get("kind", "decision") == "decision"] == []


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_no_byte_of_it_was_ever_edited() -> None:
    """When this fails, take the old workspace back from the first commit that has it."""
    whole = hashlib.sha256()
    for name, content in bytes_below(OLD).items():
        whole.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    assert whole.hexdigest() == SHA256


def test_its_reports_name_the_root_of_its_workstation(workspace: Workspace) -> None:
    named = ("preflight.json", "production_gates_report.json")
    reports = {name: text for name, text in evidence(workspace).items() if name.endswith(named)}
    assert len(reports) == 8
    assert [name for name, text in reports.items() if b'"/srv/desk' not in text] == []


def test_every_artifact_in_it_is_valid(workspace: Workspace) -> None:
    assert validate_artifacts.main([str(OLD)]) == 0
    assert validate_artifacts.main(workspace.local) == 0


def test_its_documents_are_checked_as_their_own_version() -> None:
    for path in sorted(OLD.rglob("*.json*")):
        artifact = validate_artifacts.artifact_at(path)
        if artifact is None or not artifact.generated or artifact.name == "stage_ledger":
            continue
        content = path.read_bytes()
        for piece in content.splitlines() if path.suffix == ".jsonl" else [content]:
            document = json.loads(piece)
            assert json_files.schema_of(document, artifact.name) == f"v1/{artifact.name}"


def test_closing_again_leaves_documents_that_say_the_same(workspace: Workspace) -> None:
    """A new program or schema version alone is no new content: manifests keep their bytes."""
    names = ("evidence_manifest.json", "notifications.json")
    before = {name: content for name, content in workspace.bytes().items() if name.endswith(names)}
    workspace.close(["--no-sync", *workspace.local])
    after = workspace.bytes()
    assert {name for name, content in before.items() if after[name] != content} == set()


def test_every_step_alone_works(workspace: Workspace, capsys: Capture) -> None:
    before, kept, ledger = facts(workspace), evidence(workspace), (OLD / LEDGER).read_bytes()
    for script in steps(capsys):
        for tag in TAGS:
            where = ["--no-sync", *workspace.local] if script in SYNCED else workspace.synced
            expected = int(script == "governance_audit_checker")
            assert workspace.run(script, "--tag", tag, *where) == expected, (script, tag)
    assert facts(workspace) == before
    assert evidence(workspace) == kept
    earlier = workspace.root / REGISTRY.replace(".csv", ".v1.csv")
    assert earlier.read_bytes() == (OLD / REGISTRY).read_bytes()
    assert_only_appended(ledger, (workspace.root / LEDGER).read_bytes())
    assert validate_artifacts.main(workspace.local) == 0


def test_an_audit_done_again_asks_today_s_questions(workspace: Workspace) -> None:
    for tag in PASSED_THEN:
        [folder] = workspace.root.glob(f"audit/workstation_runs/*{tag}")
        path = f"{folder.relative_to(workspace.root)}/governance_audit_check.json"
        then = workspace.json(path)
        assert then["passed"]
        assert ASKED_SINCE.isdisjoint(check["id"] for check in then["checks"])
        assert workspace.run("governance_audit_checker", "--tag", tag, *workspace.local) == 1
        failed = [row for row in workspace.json(path)["checks"] if row["answer"] != "pass"]
        assert [row["id"] for row in failed] == ["statistics_table_recomputed"]
        assert "it names '/srv/desk/table.csv', which is not below" in failed[0]["observed"]


@pytest.mark.parametrize("synced", [False, True], ids=["no-sync", "synced"])
def test_closing_again_changes_no_fact_and_then_no_byte(
    workspace: Workspace, synced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = workspace.synced if synced else ["--no-sync", *workspace.local]
    before, kept, ledger = facts(workspace), evidence(workspace), (OLD / LEDGER).read_bytes()
    assert workspace.close(flags) == dict.fromkeys(TAGS, 1)
    assert facts(workspace) == before
    assert evidence(workspace) == kept
    assert_only_appended(ledger, (workspace.root / LEDGER).read_bytes())
    closed = workspace.bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert workspace.close(flags) == dict.fromkeys(TAGS, 1)
    assert workspace.bytes() == closed


def test_the_monitor_goes_on_with_its_journal(workspace: Workspace) -> None:
    tag = "old_2026-02-21_run1"
    [journal] = workspace.root.glob(f"audit/workstation_runs/*{tag}/monitor_events.jsonl")
    before, ledger = journal.read_bytes(), (OLD / LEDGER).read_bytes()
    flags = ["--tag", tag, "--interval", "0.1", *workspace.synced]
    assert workspace.run("monitor_then_finalize", *flags) == 1
    assert journal.read_bytes().startswith(before)
    assert_only_appended(ledger, (workspace.root / LEDGER).read_bytes())


def test_the_same_commands_are_planned_from_it(workspace: Workspace) -> None:
    before = workspace.json(PLAN)["commands"]
    first = ["--rank", "1", "--dry-run", *workspace.synced]
    # It lacks the data-quality settings of the source runs, so it is made again first.
    assert workspace.run("execute_next_run_plan", *first) == 4
    for script in ("generate_candidate_queue", "generate_next_run_plan"):
        assert workspace.run(script, *workspace.synced) == 0
    assert workspace.run("execute_next_run_plan", *first) == 0
    after = workspace.json(PLAN)["commands"]
    same = ("rank", "factor", "action", "source_run", "tag", "files", "blocked_by")
    assert len(after) == len(before)
    for row, old_row in zip(after, before, strict=True):
        assert [row[name] for name in same] == [old_row[name] for name in same]
        # Notes say that a command repeats a run; earlier releases called it a hypothesis.
        notes = row["argv"].index("--notes") + 1
        assert row["argv"][notes].startswith(f"repeats {row['source_run']} ")
        assert row["argv"][:notes] == old_row["argv"][:notes]
        assert row["argv"][notes + 1 :] == old_row["argv"][notes + 1 :]


def test_its_tables_can_be_rebuilt(workspace: Workspace) -> None:
    before, ledger = facts(workspace), (OLD / LEDGER).read_bytes()
    for script in REBUILT:
        assert workspace.run(script, "--rebuild", *workspace.local) == 0
    assert facts(workspace) == before
    rebuilt = workspace.bytes()
    for script in REBUILT:
        assert workspace.run(script, "--rebuild", *workspace.local) == 0
    assert workspace.bytes() == rebuilt
    assert rebuilt[LEDGER] == ledger


def test_the_watch_finds_nothing_to_close(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.bytes()
    assert watch_runs.main(["--all", "--once", "--json", *workspace.synced]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == []
    assert workspace.bytes() == before
