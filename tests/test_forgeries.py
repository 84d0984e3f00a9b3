"""What somebody edited in a workspace promotes nothing, is named, and is not lost.

Each forgery is then met by every rebuild, every step, and later closings. `REFUSED` says which of
them read the forged file: these end with 4 and name it. The others must leave it as it is, or keep
it beside when they write it anew, and say so.
"""

import contextlib
import csv
import hashlib
import importlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import steps
from harness import factory, tampering
from harness.factory import Documents
from harness.programs import Ended
from harness.workspace import CLOSING, location_flags

# The tags stand on command lines, and other tests look at the same list of processes.
END = os.getpid()
REGISTRY = "audit/factor_registry/factor_experiment_registry.csv"
QUEUE = "audit/factor_registry/factor_candidate_queue.csv"
PLAN = "audit/factor_registry/next_run_plan.json"
PATTERNS = "audit/failure_patterns/failure_patterns.csv"
LEDGER = "audit/stage_ledger.jsonl"
REPORT = "production_gates_report.json"
AUDIT = "governance_audit_check.json"
REMEDIATION = "governance_remediation_plan.json"
TRACE = "forged_command_has_run"
PROMOTED = "promote_candidate"


def fail(made: Documents) -> None:
    """The run is too close to the market, and its gates say so."""
    made.report["risk_diagnostics"]["beta_vs_spy"] = 0.73
    made.report["gates"].update(risk_gate_beta_abs=False, overall_pass=False)


def wrong_deviation(made: Documents) -> None:
    """The gates pass, but a number does not follow from the rows: the audit fails."""
    made.report["wf_stress"]["test_ic_std"] = 0.5


def without_end(made: Documents) -> None:
    """The machine went down."""
    made.result = None


def bad_data(made: Documents) -> None:
    """The data did not pass their gate."""
    made.data_quality["checks"]["freshness"] = False
    made.data_quality.update(overall_pass=False, failures=["stale"])


def crash(made: Documents) -> None:
    """The gate program ended with an error after its report."""
    made.result["exit_code"] = 137


RUNS: dict[str, Callable[[Documents], object]] = {
    "passed": lambda _: None,
    "failed": fail,
    "unsound": wrong_deviation,
    "stopped": without_end,
    "stale": bad_data,
    "crashed": crash,
    "later": lambda _: None,  # closed after the forgery
}
PASSED, LATER = "passed", "later"


@dataclass
class Workspace:
    """A workspace of closed runs, and the workstation they came from."""

    remote: Path
    local: Path
    runs: dict[str, Documents]

    def where(self) -> list[str]:
        """Return the flags that say where."""
        return location_flags(self.remote, self.local)

    def tag(self, name: str) -> str:
        """Return the tag of a run."""
        return self.runs[name].tag

    def run_file(self, name: str, file: str) -> str:
        """Return the path of a file in a run folder."""
        return f"audit/workstation_runs/{self.runs[name].run_folder}/{file}"

    def gate_file(self, name: str, file: str) -> str:
        """Return the path of a file in a gate folder."""
        return f"gate_results/{self.runs[name].gate_folder}/{file}"

    def decisions(self) -> dict[str, str]:
        """Return the decision of every run in the registry, by the run's name here."""
        rows = {}
        with (self.local / REGISTRY).open(newline="", encoding="utf-8") as table:
            for row in csv.DictReader(table):
                rows[row["run"].rpartition("gates_")[2].partition("_")[0]] = row["decision"]
        return rows


def run_script(script: str, *flags: str) -> Ended:
    """Run the `main` of a script in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = importlib.import_module(script).main(list(flags))
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a workspace whose runs but the last are closed. Only copy it."""
    folder = tmp_path_factory.mktemp("forgeries")
    made = Workspace(folder / "workstation", folder / "workspace", {})
    for number, (name, change) in enumerate(RUNS.items()):
        run = factory.documents(
            tag=f"{name}_2026-02-21_run{number}.{END}", stamp=f"2026-02-{number + 11}_031500"
        )
        change(run)
        made.runs[name] = run.write(made.remote)
        if name == "stopped":
            # No readable report may belong to a run that is given up.
            shutil.rmtree(run.gate_dir(made.remote))
    for name in RUNS:
        if name != LATER:
            done = close_again(made, name)
            assert done.code in (0, 1), done.err
    return made


@pytest.fixture
def workspace(closed: Workspace, tmp_path: Path) -> Workspace:
    """Return a copy of the workspace."""
    local = tmp_path / "workspace"
    shutil.copytree(closed.local, local)
    return Workspace(closed.remote, local, closed.runs)


# --- forgeries


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Edit a JSON file as its owner would write it."""
    document = json.loads(path.read_bytes())
    change(document)
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Forged:
    """The run that a forgery is about, and the files that were edited, the first above all."""

    name: str
    files: tuple[str, ...]


Forgery = Callable[[Workspace], Forged]


def better_report(workspace: Workspace, name: str = "failed") -> Forged:
    """Put the numbers of a passing run into the gate report of another."""
    source = workspace.local / workspace.gate_file(PASSED, REPORT)
    passed = json.loads(source.read_bytes())
    numbers = ("gates", "risk_diagnostics", "wf_stress", "cost_stress", "statistical_gates")
    file = workspace.gate_file(name, REPORT)
    edit(workspace.local / file, lambda report: report.update({k: passed[k] for k in numbers}))
    return Forged(name, (file,))


def passed_audit(workspace: Workspace, name: str = "unsound") -> Forged:
    """Let every check of an audit pass."""
    file = workspace.run_file(name, AUDIT)

    def change(audit: Any) -> None:
        audit["passed"] = True
        for check in audit["checks"]:
            check["answer"] = "pass"

    edit(workspace.local / file, change)
    return Forged(name, (file,))


def empty_remediation(workspace: Workspace, name: str = "unsound") -> Forged:
    """Leave nothing to repair."""
    file = workspace.run_file(name, REMEDIATION)
    edit(workspace.local / file, lambda plan: plan.update(items=[]))
    return Forged(name, (file,))


def audit_and_remediation(workspace: Workspace) -> Forged:
    """Let the audit pass and leave nothing to repair."""
    files = passed_audit(workspace).files + empty_remediation(workspace).files
    return Forged("unsound", files)


def report_and_manifest(workspace: Workspace) -> Forged:
    """Edit the report, and its digest in the manifest."""
    forged = better_report(workspace)
    file = workspace.run_file(forged.name, "evidence_manifest.json")
    put_digests(workspace, file, forged.files)
    return Forged(forged.name, (*forged.files, file))


def put_digests(workspace: Workspace, list_file: str, files: tuple[str, ...]) -> None:
    """Write the present digests of files into a list of files."""

    def change(document: Any) -> None:
        for row in document["files"]:
            if row["path"] in files:
                row["sha256"] = sha256(workspace.local / row["path"])
                if "size" in row:
                    row["size"] = (workspace.local / row["path"]).stat().st_size
        document.update(tampering.with_own_digest(document))

    edit(workspace.local / list_file, change)


def report_manifest_record(workspace: Workspace) -> Forged:
    """Edit the report, the manifest, and the closing record."""
    forged = report_and_manifest(workspace)
    file = workspace.run_file(forged.name, "closing_record.json")
    put_digests(workspace, file, forged.files)
    return Forged(forged.name, (file, *forged.files))


def audit_and_record(workspace: Workspace) -> Forged:
    """Edit the audit, the remediation plan and the closing record."""
    forged = audit_and_remediation(workspace)
    file = workspace.run_file(forged.name, "closing_record.json")
    put_digests(workspace, file, forged.files)
    return Forged(forged.name, (file, *forged.files))


def edit_table(path: Path, run: str, **members: str) -> None:
    """Edit members of the row about a run."""
    with path.open(newline="", encoding="utf-8") as table:
        reader = csv.DictReader(table)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    for row in rows:
        if row["run"] == run:
            row.update(members)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")


def promoted_row(workspace: Workspace) -> Forged:
    """Promote a run in the registry."""
    run = workspace.runs["failed"].run_folder
    edit_table(workspace.local / REGISTRY, run, decision=PROMOTED, overall_pass="true", total="99")
    return Forged("failed", (REGISTRY,))


def promoted_row_and_record(workspace: Workspace) -> Forged:
    """Promote a run in the registry, and edit the workspace's record with it."""
    promoted_row(workspace)
    put_digests(workspace, "audit/workspace_record.json", (REGISTRY,))
    return Forged("failed", (REGISTRY, "audit/workspace_record.json"))


def urgent_queue(workspace: Workspace) -> Forged:
    """Put another action into the queue."""
    path = workspace.local / QUEUE
    path.write_text(path.read_text().replace("rerun", "promote").replace("1,", "9,", 1))
    return Forged(PASSED, (QUEUE,))


def bash_plan(workspace: Workspace) -> Forged:
    """Plan a command of one's own."""

    def change(plan: Any) -> None:
        for command in plan["commands"]:
            command.update(argv=["bash", "-c", f"touch {workspace.local}/{TRACE}"])
            command.update(files=[], blocked_by=[])

    edit(workspace.local / PLAN, change)
    return Forged(PASSED, (PLAN,))


def bash_plan_and_record(workspace: Workspace) -> Forged:
    """Plan a command of one's own, and edit the workspace's record with it."""
    bash_plan(workspace)
    put_digests(workspace, "audit/workspace_record.json", (PLAN,))
    return Forged(PASSED, (PLAN, "audit/workspace_record.json"))


def other_launcher(workspace: Workspace) -> Forged:
    """Plan the launcher of another folder."""

    def change(plan: Any) -> None:
        for command in plan["commands"]:
            command["argv"] = ["bash", f"{workspace.local}/scripts/workstation_official_run.sh"]

    edit(workspace.local / PLAN, change)
    return Forged(PASSED, (PLAN,))


def no_ledger(workspace: Workspace) -> Forged:
    """Delete the ledger."""
    (workspace.local / LEDGER).unlink()
    return Forged("failed", (LEDGER,))


def no_ledger_and_view(workspace: Workspace) -> Forged:
    """Delete the ledger and its readable view."""
    (workspace.local / "docs/production_research/STAGE_AUDIT_LOG.md").unlink()
    return no_ledger(workspace)


def rows_of(workspace: Workspace) -> list[bytes]:
    """Return the lines of the ledger."""
    return (workspace.local / LEDGER).read_bytes().splitlines()


def write_rows(workspace: Workspace, lines: list[bytes]) -> Forged:
    """Write the ledger with its chain computed again, and the view's digest of the last row."""
    chained: list[bytes] = []
    for line in lines:
        row = json.loads(line)
        row["number"] = len(chained) + 1
        row["previous_sha256"] = hashlib.sha256(chained[-1]).hexdigest() if chained else None
        chained.append(json.dumps(row, sort_keys=True, ensure_ascii=False).encode())
    (workspace.local / LEDGER).write_bytes(b"".join(line + b"\n" for line in chained))
    view = workspace.local / "docs/production_research/STAGE_AUDIT_LOG.md"
    last = hashlib.sha256(chained[-1]).hexdigest()
    text = re.sub(r"(last-row sha256=)[0-9a-f]+", rf"\g<1>{last}", view.read_text())
    view.write_text(text)
    return Forged("failed", (LEDGER,))


def shorter_ledger(workspace: Workspace) -> Forged:
    """Drop the last rows of the ledger."""
    return write_rows(workspace, rows_of(workspace)[:-3])


def row_dropped(workspace: Workspace) -> Forged:
    """Drop the rows about one run, and compute the chain again."""
    run = workspace.runs["failed"].run_folder
    lines = rows_of(workspace)
    return write_rows(workspace, [line for line in lines if json.loads(line).get("run") != run])


def row_edited(workspace: Workspace) -> Forged:
    """Let the ledger say that a run has passed, and compute the chain again."""
    run = workspace.runs["failed"].run_folder
    lines = []
    for line in rows_of(workspace):
        row = json.loads(line)
        if row.get("run") == run and "result" in row:
            row.update(result="pass", reasons=[])
        lines.append(json.dumps(row).encode())
    return write_rows(workspace, lines)


def audit_row_edited(workspace: Workspace) -> Forged:
    """Let the ledger say that an audit has passed, and compute the chain again."""
    run = workspace.runs["unsound"].run_folder
    lines = []
    for line in rows_of(workspace):
        row = json.loads(line)
        if row.get("run") == run and row.get("kind") == "audit":
            row["passed"] = True
        lines.append(json.dumps(row).encode())
    write_rows(workspace, lines)
    return Forged("unsound", (LEDGER,))


def not_abandoned(workspace: Workspace) -> Forged:
    """Let the detection say that nobody gave the run up."""
    file = workspace.run_file("stopped", "run_detection.json")
    edit(workspace.local / file, lambda detection: detection.update(abandoned=None))
    return Forged("stopped", (file,))


def good_data(workspace: Workspace) -> Forged:
    """Let the data-quality report pass."""
    (path,) = (workspace.local / workspace.run_file("stale", "data_quality")).rglob("*.json")

    def change(report: Any) -> None:
        report["checks"]["freshness"] = True
        report.update(overall_pass=True, failures=[])

    edit(path, change)
    return Forged("stale", (str(path.relative_to(workspace.local)),))


def other_owner(workspace: Workspace) -> Forged:
    """Give the run another owner."""
    file = workspace.run_file("failed", "context.json")
    edit(workspace.local / file, lambda context: context.update(owner="eve"))
    return Forged("failed", (file,))


def clean_end(workspace: Workspace) -> Forged:
    """Let the run have ended without an error."""
    file = workspace.run_file("crashed", "result.json")
    edit(workspace.local / file, lambda result: result.update(exit_code=0))
    return Forged("crashed", (file,))


FORGERIES: dict[str, Forgery] = {
    function.__name__: function
    for function in (
        *(better_report, passed_audit, empty_remediation, audit_and_remediation),
        *(report_and_manifest, report_manifest_record, audit_and_record),
        *(promoted_row, promoted_row_and_record, urgent_queue),
        *(bash_plan, bash_plan_and_record, other_launcher),
        *(no_ledger, no_ledger_and_view, shorter_ledger, row_dropped, row_edited),
        *(audit_row_edited, not_abandoned, good_data, other_owner, clean_end),
    )
}


# --- what meets them


def flow(workspace: Workspace, name: str, *more: str) -> Ended:
    """Close a run."""
    return run_script(CLOSING, "--tag", workspace.tag(name), *workspace.where(), *more)


def single(step: str) -> Callable[[Workspace, str], Ended]:
    """Return what runs one step."""
    (found,) = [row for row in steps.STEPS if row.name == step]

    def run(workspace: Workspace, name: str) -> Ended:
        flags = workspace.where()
        if found.needs_run or step == "detect-run":
            flags += ["--tag", workspace.tag(name)]
        if step == "detect-run" and name == "stopped":
            flags += ["--abandoned", "the power went"]
        return run_script(found.script.removesuffix(".py"), *flags)

    return run


def rebuild(script: str) -> Callable[[Workspace, str], Ended]:
    """Return what makes a table again from all run folders."""

    def run(workspace: Workspace, _: str) -> Ended:
        return run_script(script, "--rebuild", "--local-root", str(workspace.local))

    return run


def close_again(workspace: Workspace, name: str, *more: str) -> Ended:
    """Close the forged run again."""
    if name == "stopped":
        more = (*more, "--abandoned", "the power went")
    return flow(workspace, name, *more)


Action = Callable[[Workspace, str], Ended]
ACTIONS: dict[str, Action] = {
    "rebuild the registry": rebuild("update_factor_experiment_registry"),
    "rebuild the patterns": rebuild("update_failure_pattern_db"),
    "close it again": close_again,
    "close it again without sync": lambda where, name: close_again(where, name, "--no-sync"),
    "close another run": lambda where, _: flow(where, LATER),
    "next run": lambda where, _: run_script("execute_next_run_plan", "--rank", "1", *where.where()),
    **{step.name: single(step.name) for step in steps.STEPS},
}


@dataclass
class Met:
    """What came of one action on one forgery."""

    ended: Ended
    forged: dict[str, bytes]  # the edited files as they were; b"" for one that was deleted
    workspace: Workspace
    run: str  # the run folder that the forgery is about

    def is_named(self) -> bool:
        """Return whether a message or the handoff's page names an edited file.

        Of evidence that was edited with its manifest nobody can say which file it was.
        """
        page = self.workspace.local / "audit/session_handoff/handoff_readiness.json"
        text = self.ended.err + (page.read_text() if page.exists() else "")
        return any(name in text for name in (*self.forged, f"evidence of {self.run}"))

    def is_left(self, file: str) -> bool:
        """Return whether an edited file is as it was."""
        path = self.workspace.local / file
        return (path.read_bytes() if path.exists() else b"") == self.forged[file]

    def is_kept(self, file: str) -> bool:
        """Return whether the edited file is kept, and said to be.

        What is ours is kept beside, evidence below the run folder.
        """
        content = self.forged[file]
        path = self.workspace.local / file
        name = f"{path.stem}.edited-{hashlib.sha256(content).hexdigest()[:8]}{path.suffix}"
        kept = path.with_name(name)
        if not kept.is_file():
            name = "superseded_evidence/1"
            kept = self.workspace.local / "audit/workstation_runs" / self.run / name / file
        return kept.is_file() and kept.read_bytes() == content and name in self.ended.err


def meet(workspace: Workspace, forgery: str, action: str) -> Met:
    """Forge, act, and return what came of it."""
    forged = FORGERIES[forgery](workspace)
    contents = {}
    for file in forged.files:
        path = workspace.local / file
        contents[file] = path.read_bytes() if path.exists() else b""
    ended = ACTIONS[action](workspace, forged.name)
    return Met(ended, contents, workspace, workspace.runs[forged.name].run_folder)


REBUILDS = ("rebuild the registry", "rebuild the patterns")
CLOSINGS = ("close it again", "close it again without sync")
OF_EVIDENCE = (
    *("rebuild the registry", *CLOSINGS, "sync-run", "finalize-gate-run"),
    *("governance-audit", "run-review", "factor-registry"),
)
OF_AUDIT = (*REBUILDS, "remediation-plan", "run-review", "factor-registry", "failure-patterns")
OF_RECORD = (
    *(*OF_AUDIT, "sync-run", "finalize-gate-run", "governance-audit"),
    *("remediation-plan", "run-review", "factor-registry"),
)
OF_REGISTRY = ("candidate-queue", "next-run-plan", "failure-patterns")
OF_LEDGER = (
    *(*REBUILDS, *CLOSINGS, "close another run", "next run", "finalize-gate-run"),
    *("factor-registry", *OF_REGISTRY),
)
# Who reads a forged file: these end with 4 and name it, all others leave it or keep it.
REFUSED: dict[str, tuple[str, ...]] = {
    "better_report": OF_EVIDENCE,
    "passed_audit": OF_AUDIT,
    "empty_remediation": ("rebuild the registry", "run-review", "factor-registry"),
    "audit_and_remediation": OF_AUDIT,
    "report_and_manifest": (
        *("rebuild the registry", "close it again without sync", "finalize-gate-run"),
        *("governance-audit", "run-review", "factor-registry"),
    ),
    "report_manifest_record": (*OF_RECORD, "close it again without sync"),
    "audit_and_record": OF_RECORD,
    "promoted_row": OF_REGISTRY,
    "urgent_queue": ("next-run-plan", "next run"),
    "bash_plan": ("next run",),
    "bash_plan_and_record": ("next run",),
    "other_launcher": ("next run",),
    "no_ledger": OF_LEDGER,
    "no_ledger_and_view": OF_LEDGER,
    "shorter_ledger": OF_LEDGER,
    "row_dropped": OF_LEDGER,
    "row_edited": OF_LEDGER,
    "audit_row_edited": OF_LEDGER,
    "not_abandoned": ("rebuild the registry", "finalize-gate-run", "factor-registry"),
    "good_data": ("sync-run", *CLOSINGS, "governance-audit"),
    "other_owner": ("sync-run", *CLOSINGS, "finalize-gate-run", "governance-audit"),
    "clean_end": ("sync-run", *CLOSINGS, "finalize-gate-run", "governance-audit"),
}
# The record of the workspace's tables is in no chain: only `make verify` can tell that it was
# edited together with a table, since that computes the tables again.
UNPROVEN = ("promoted_row_and_record", "bash_plan_and_record")


def check(workspace: Workspace, closed: Workspace, forgery: str, action: str) -> None:
    """Raise AssertionError when something was promoted, healed in silence, or lost."""
    met = meet(workspace, forgery, action)
    text = met.ended.err
    if action in REFUSED.get(forgery, ()):
        assert met.ended.code == 4, text
        assert met.is_named(), text
    elif action == "close another run":
        assert met.ended.code == 0, text
    for file in met.forged:
        assert met.is_left(file) or met.is_kept(file) or forgery in UNPROVEN, (file, text)
    assert not (workspace.local / TRACE).exists(), text
    if REGISTRY in met.forged and met.is_left(REGISTRY):
        return
    honest = closed.decisions()
    for name, decision in workspace.decisions().items():
        assert decision != PROMOTED or honest.get(name, PROMOTED) == PROMOTED, (name, text)


def pairs(actions: Iterable[str]) -> list[tuple[str, str]]:
    """Return each forgery with each of these actions."""
    return [(forgery, action) for forgery in FORGERIES for action in actions]


def telling() -> list[tuple[str, str]]:
    """Return each forgery with one action, for every commit; the night tries them all."""
    others = "close another run"
    return [(forgery, REFUSED.get(forgery, (others,))[0]) for forgery in FORGERIES]


@pytest.mark.parametrize(("forgery", "action"), telling())
def test_a_forgery_gets_nowhere(
    forgery: str, action: str, workspace: Workspace, closed: Workspace
) -> None:
    check(workspace, closed, forgery, action)


@pytest.mark.nightly
@pytest.mark.parametrize(("forgery", "action"), pairs(ACTIONS))
def test_no_forgery_gets_anywhere(
    forgery: str, action: str, workspace: Workspace, closed: Workspace
) -> None:
    check(workspace, closed, forgery, action)


UNCHANGING = ("close it again", "rebuild the registry", "remediation-plan", "failure-patterns")


@pytest.mark.parametrize("action", UNCHANGING)
def test_nothing_changes_where_nothing_was_forged(workspace: Workspace, action: str) -> None:
    before = contents(workspace.local)
    assert ACTIONS[action](workspace, "failed").code == 0
    assert contents(workspace.local) == before


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of a workspace but locks and caches."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file() and not {".locks", ".cache"} & set(path.parts):
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


@pytest.mark.parametrize("forgery", ["shorter_ledger", "row_edited"])
@pytest.mark.parametrize("action", ["close it again", "factor-registry", "handoff-readiness"])
def test_a_forged_ledger_moves_no_record_aside(
    workspace: Workspace, forgery: str, action: str
) -> None:
    """The records hold the rows from which the ledger can be put together again."""
    name = FORGERIES[forgery](workspace).name
    before = contents(workspace.local)
    ended = ACTIONS[action](workspace, name)
    assert ended.code in (1, 4)
    assert LEDGER in ended.err or action == "handoff-readiness"
    after = contents(workspace.local)
    for file in before:
        if file.endswith("_record.json"):
            assert after[file] == before[file]
    assert [file for file in after if ".edited-" in file] == []
