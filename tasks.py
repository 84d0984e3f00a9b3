"""Invoke tasks under the names that `make` has, for those who prefer `inv finalize --tag=…`.

A task runs one command and ends with its exit code, nothing more. `setup` is here too, though it
must have run once before there is an Invoke. A test compares this file with the Makefile and the
steps.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

from invoke import Context, task

PROJECT = Path(__file__).resolve().parent
PYTHON = sys.executable
PYTEST = (PYTHON, "-m", "pytest", "-q", "-n", "2", "-m", "not nightly")

# What the flags are for; each task takes some of them.
WORKSPACE = {
    "host": "the SSH host, or `local` for a folder on this machine",
    "remote_root": "the workstation's root folder on that host",
    "scheduler": "what starts jobs there: slurm or none (default: as the settings say)",
    "local_root": "the workspace, where everything is written (default: the project's folder)",
    "json": "print the result as JSON on stdout",
    "dry_run": "do everything but write nothing",
}
ONE_RUN = {"tag": "the decision tag, exactly", **WORKSPACE}
OBJECTIVE = {"objective": "what the run was to find out, for the ledger (default: the run's notes)"}
INTERVAL = {"interval": "seconds between two polls"}
METRICS = {"prometheus": "a file for Prometheus' node_exporter, which ends in .prom"}
ABANDONED = {"abandoned": "close a dead run without a valid result as failed, for this reason"}
COMPARED = {
    "tags": "decision tags with blanks between them, a tag with blanks in quotes",
    "local_root": WORKSPACE["local_root"],
    "json": WORKSPACE["json"],
    "format": "markdown or html: print a page",
}
ASKED = {
    "sql": "one SELECT, in quotes (default: list the tables with their columns)",
    "format": "table, csv or json: how to print the answer",
    "out": "a new file for the answer: .csv, .json or .parquet",
    "local_root": WORKSPACE["local_root"],
}
TRACKED = {
    "tag": "log the runs of this decision tag only (default: every closed run)",
    "uri": "the server: http://... or https://... (default: MLFLOW_TRACKING_URI)",
    **{name: WORKSPACE[name] for name in ("local_root", "json", "dry_run")},
}
EXPORTED = {
    "tag": ONE_RUN["tag"],
    "out": "the file to write (default: print)",
    "local_root": WORKSPACE["local_root"],
}
SHOWN = {name: WORKSPACE[name] for name in ("local_root", "json")}
SEALED = {name: WORKSPACE[name] for name in ("local_root", "json", "dry_run")}
KEY = {"key": "the SSH key that signs, or its public half (default: signing_key of the settings)"}
SIGNED_NOTES = {"notes": "what is signed with the approval, in your words"}
SHARDED = {
    "shards": "into how many parts the runs are cut: one job of an array each",
    "local_root": WORKSPACE["local_root"],
}
PUSHED = {
    "to": "the team's root: /folder, host:/folder or s3://bucket/prefix",
    "member": "as whom; only needed the first time",
}
PULLED = {"from_": PUSHED["to"], "member": PUSHED["member"]}
CHOSEN = {
    "member": "the member whose closing counts",
    "reason": "why, in your words",
}
SETTLED = {
    "check": "the check that failed",
    "reason": "why nobody needs to repair it, in your words",
}
VERIFIED = {
    "tag": "verify the runs of this tag only",
    "local_root": WORKSPACE["local_root"],
    "json": WORKSPACE["json"],
}
PLANNED = {"tag": "look at the runs of this tag only"}
ARCHIVED = {"tag": "archive the runs of this tag only (default: all of the plan)"}
RANK = {
    "rank": "rank of the planned run",
    "ranks": "ranks of planned runs, such as 1-4: one array of the scheduler's jobs",
}
OFFICIAL = {
    "owner": "who is responsible for the run (default: the user there)",
    "notes": "what the run is to find out",
    "threads": "threads per numerical library (default: all cores)",
    "data": "the data file, relative to the remote root",
    "gate": "the gate program's arguments, in one text",
}
Text = str | None


def run(
    ctx: Context,
    *command: str,
    accepted: tuple[int, ...] = (0,),
    asks: bool = False,
) -> None:
    """Run a command in the project's folder; end with its exit code unless that is accepted.

    One that asks a person gets the terminal itself, not one of Invoke's, where nobody can type.
    """
    terminal = sys.stdout.isatty() and sys.stderr.isatty() and not asks
    with ctx.cd(str(PROJECT)):
        result = ctx.run(shlex.join(command), pty=terminal, in_stream=False, warn=True)
    if result is not None and result.exited not in accepted:
        raise SystemExit(result.exited)


def run_script(
    ctx: Context,
    script: str,
    arguments: dict[str, Any],
    asks: bool = False,
) -> None:
    """Run a script with what its task was given, as flags; what was not given is left out."""
    command = [PYTHON, str(PROJECT / "scripts" / script)]
    for name, value in arguments.items():
        # What Python has as a word of its own, like `from`, ends in an underscore.
        flag = f"--{name.rstrip('_').replace('_', '-')}"
        if isinstance(value, str):
            command.append(f"{flag}={value}")
        elif value is True:
            command.append(flag)
    run(ctx, *command, asks=asks)


# Close a run.
@task(help=ONE_RUN | OBJECTIVE | ABANDONED, auto_shortflags=False)
def finalize(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    objective: Text = None,
    abandoned: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Run every step for a run that has ended."""
    run_script(ctx, "post_run_sync_and_finalize.py", locals())


@task(help=ONE_RUN | OBJECTIVE | INTERVAL, auto_shortflags=False)
def monitor_then_finalize(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    objective: Text = None,
    interval: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Wait for the run to end, then finalize it."""
    run_script(ctx, "monitor_then_finalize.py", locals())


@task(help=WORKSPACE | INTERVAL | METRICS, auto_shortflags=False)
def watch(
    ctx: Context,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    interval: Text = None,
    prometheus: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Monitor all unfinished runs, and close each as it ends."""
    run_script(ctx, "watch_runs.py", locals())


# One step.
@task(help=ONE_RUN | ABANDONED, auto_shortflags=False)
def detect_run(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    abandoned: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Find the run and its gate report on the workstation."""
    run_script(ctx, "detect_run.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def sync_run(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Copy both folders and verify every file."""
    run_script(ctx, "sync_run.py", locals())


@task(help=ONE_RUN | OBJECTIVE, auto_shortflags=False)
def finalize_gate_run(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    objective: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Write the decision into the ledger and on one page."""
    run_script(ctx, "finalize_gate_run.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def governance_audit(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Answer every check of the catalogue."""
    run_script(ctx, "governance_audit_checker.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def remediation_plan(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """List what to repair, most severe first."""
    run_script(ctx, "governance_remediation_plan.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def run_review(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Write the page for the committee."""
    run_script(ctx, "generate_run_review.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def factor_registry(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Score the run and put it into the registry."""
    run_script(ctx, "update_factor_experiment_registry.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def candidate_queue(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Rank what deserves the next run."""
    run_script(ctx, "generate_candidate_queue.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def next_run_plan(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Turn the queue into commands that can be run."""
    run_script(ctx, "generate_next_run_plan.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def failure_patterns(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Record which checks failed, and which came back."""
    run_script(ctx, "update_failure_pattern_db.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def handoff_readiness(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Check whether the work can be handed over."""
    run_script(ctx, "check_session_handoff_readiness.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def site(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Write the pages to start from: audit/site/index.html."""
    run_script(ctx, "build_site.py", locals())


# Start a run on the workstation.
@task(help=ONE_RUN | OFFICIAL, auto_shortflags=False)
def official_run(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    owner: Text = None,
    notes: Text = None,
    threads: Text = None,
    data: Text = None,
    gate: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Start an official run on the workstation."""
    run_script(ctx, "start_official_run.py", locals())


@task(help=ONE_RUN | RANK, auto_shortflags=False)
def next_run(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    rank: Text = None,
    ranks: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Start a planned run on the workstation."""
    run_script(ctx, "execute_next_run_plan.py", locals())


@task(help=ONE_RUN | SETTLED, auto_shortflags=False)
def settle(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    check: Text = None,
    reason: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Say why a failure of a run without factor needs no repair."""
    run_script(ctx, "settle_failure.py", locals())


@task(help=SHOWN, auto_shortflags=False)
def status(ctx: Context, local_root: Text = None, json: bool = False) -> None:
    """Show where every run stands, and what waits for whom."""
    run_script(ctx, "show_status.py", locals())


@task(help=COMPARED, auto_shortflags=False)
def compare(
    ctx: Context,
    tags: Text = None,
    local_root: Text = None,
    json: bool = False,
    format: Text = None,
) -> None:
    """Show what differs between closed runs, better or worse."""
    run_script(ctx, "compare_runs.py", locals())


@task(help=SHOWN, auto_shortflags=False)
def families(ctx: Context, local_root: Text = None, json: bool = False) -> None:
    """Show how often each family was tried, and what its best is worth."""
    run_script(ctx, "list_families.py", locals())


@task(help=ASKED, auto_shortflags=False)
def ask(
    ctx: Context,
    sql: Text = None,
    format: Text = None,
    out: Text = None,
    local_root: Text = None,
) -> None:
    """Answer a question in SQL about the workspace, or list its tables."""
    run_script(ctx, "ask_workspace.py", locals())


@task(help=EXPORTED, auto_shortflags=False)
def junit(
    ctx: Context,
    tag: Text = None,
    out: Text = None,
    local_root: Text = None,
) -> None:
    """Write a run's checks as JUnit XML, for Jenkins and GitLab."""
    run_script(ctx, "export_junit.py", locals())


@task(help=TRACKED, auto_shortflags=False)
def mlflow(
    ctx: Context,
    tag: Text = None,
    uri: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Log closed runs to an MLflow server."""
    run_script(ctx, "export_mlflow.py", locals())


@task(help=VERIFIED, auto_shortflags=False)
def verify(ctx: Context, tag: Text = None, local_root: Text = None, json: bool = False) -> None:
    """Prove that everything is what was written; name what was edited."""
    run_script(ctx, "verify_workspace.py", locals())


# Sign what was closed.
@task(help=ONE_RUN | SIGNED_NOTES | KEY, auto_shortflags=False)
def approve(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    notes: Text = None,
    key: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Approve a closed run, and decide on it again."""
    run_script(ctx, "approve_run.py", locals(), asks=True)


@task(help=SEALED | KEY, auto_shortflags=False)
def seal(
    ctx: Context,
    local_root: Text = None,
    key: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Seal the ledger and every closing record."""
    run_script(ctx, "seal_ledger.py", locals(), asks=True)


# Work in a team.
@task(help=SEALED | PUSHED, auto_shortflags=False)
def push(
    ctx: Context,
    to: Text = None,
    member: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Add what this root has to the one that a team shares."""
    run_script(ctx, "push_runs.py", locals())


@task(help=SEALED | PULLED, auto_shortflags=False)
def pull(
    ctx: Context,
    from_: Text = None,
    member: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Take over what the other members of a team pushed."""
    run_script(ctx, "pull_runs.py", locals())


@task(help=ONE_RUN | CHOSEN, auto_shortflags=False)
def choose_closing(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    member: Text = None,
    reason: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Choose which of several members' closings of a run counts."""
    run_script(ctx, "choose_closing.py", locals())


# Keep what was closed.
@task(help=ONE_RUN, auto_shortflags=False)
def package(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Pack a closed run into one zip, to hand it over."""
    run_script(ctx, "package_run.py", locals())


@task(help=SEALED, auto_shortflags=False)
def restore_ledger(
    ctx: Context,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Put the ledger together again after rows of it were lost."""
    run_script(ctx, "restore_ledger.py", locals())


@task(help=VERIFIED | PLANNED, auto_shortflags=False)
def retention_plan(
    ctx: Context,
    tag: Text = None,
    local_root: Text = None,
    json: bool = False,
) -> None:
    """List what may be archived and why, and which runs may not."""
    run_script(ctx, "retention_plan.py", locals())


@task(help=SEALED | ARCHIVED, auto_shortflags=False)
def retention_archive(
    ctx: Context,
    tag: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Archive that, and move the originals away; nothing is deleted."""
    run_script(ctx, "retention_archive.py", locals())


@task(help=ONE_RUN, auto_shortflags=False)
def retention_restore(
    ctx: Context,
    tag: Text = None,
    host: Text = None,
    remote_root: Text = None,
    scheduler: Text = None,
    local_root: Text = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Bring the archived files of a run back to their places."""
    run_script(ctx, "retention_restore.py", locals())


# All runs on a cluster, as jobs of Slurm.
@task(help=SHARDED, auto_shortflags=False)
def rebuild_on_slurm(ctx: Context, shards: Text = None, local_root: Text = None) -> None:
    """Make registry and failure patterns again from all run folders."""
    run_script(ctx, "rebuild_on_slurm.py", locals())


@task(help=SHARDED, auto_shortflags=False)
def verify_on_slurm(ctx: Context, shards: Text = None, local_root: Text = None) -> None:
    """Do what `verify` does, its runs in parallel."""
    run_script(ctx, "verify_on_slurm.py", locals())


# Look after the project.
@task
def setup(ctx: Context) -> None:
    """Make .venv from the locked requirements."""
    run(ctx, "sh", ".ci/setup", "run")


@task
def setup_notify(ctx: Context) -> None:
    """Install what notifications need."""
    run(ctx, "sh", ".ci/setup", "notify")


@task
def setup_package(ctx: Context) -> None:
    """Install what `make package` needs."""
    run(ctx, "sh", ".ci/setup", "package")


@task
def setup_ask(ctx: Context) -> None:
    """Install what `make ask` needs."""
    run(ctx, "sh", ".ci/setup", "ask")


@task
def setup_mlflow(ctx: Context) -> None:
    """Install what `make mlflow` needs."""
    run(ctx, "sh", ".ci/setup", "mlflow")


@task
def setup_team(ctx: Context) -> None:
    """Install what a bucket as a team's root needs."""
    run(ctx, "sh", ".ci/setup", "team")


@task
def demo(ctx: Context) -> None:
    """Run, monitor and close a small real gate run, in a new folder."""
    # Its checks may fail; the demo has then done its work all the same.
    run(ctx, PYTHON, "examples/demo.py", accepted=(0, 1))


@task
def demo_trials(ctx: Context) -> None:
    """Show what many trials do to a good result."""
    run(ctx, PYTHON, "examples/demo_trials.py")


@task
def test(ctx: Context) -> None:
    """Run the tests."""
    run(ctx, *PYTEST)


@task
def check(ctx: Context) -> None:
    """Check everything: style, types, generated docs, schemas, tests."""
    run(ctx, "sh", ".ci/check")
    run(ctx, *PYTEST)


@task
def check_fast(ctx: Context) -> None:
    """Check style, types, docs, schemas and structure, in under a minute."""
    run(ctx, "sh", ".ci/check", "fast")


@task
def nightly(ctx: Context) -> None:
    """Check everything, with the slow tests and the cases beside the checkout."""
    run(ctx, PYTHON, ".ci/nightly.py")


@task
def fault_matrix(ctx: Context, shard: Text = None, results: Text = None) -> None:
    """Disturb each file operation of a closing, in about an hour."""
    flags = {"--shard": shard, "--results": results}
    given = [f"{flag}={value}" for flag, value in flags.items() if value is not None]
    run(ctx, PYTHON, "tests/fault_matrix.py", *given)


@task
def validate(ctx: Context) -> None:
    """Check every JSON artifact against its schema."""
    run(ctx, PYTHON, "scripts/validate_artifacts.py")


@task
def docs(ctx: Context) -> None:
    """Write the generated parts of docs, Makefile and hooks."""
    run(ctx, PYTHON, "scripts/generate_docs.py")


@task
def lock(ctx: Context) -> None:
    """Resolve the requirements again, with hashes."""
    run(ctx, "sh", ".ci/lock")


@task(help={"sizes": "numbers of closed runs, in quotes (default: 1 to 10,000)"})
def bench(ctx: Context, sizes: str = "") -> None:
    """Measure what closing and watching cost, and how often luck is promoted."""
    of_sizes = ["--sizes", *sizes.split()] if sizes else []
    run(ctx, PYTHON, "benchmarks/flow_over_ssh.py")
    run(ctx, PYTHON, "benchmarks/startup.py")
    run(ctx, PYTHON, "benchmarks/growth.py", "--all", *of_sizes)
    run(ctx, PYTHON, "benchmarks/large_runs.py")
    run(ctx, PYTHON, "benchmarks/watch_many_runs.py")
    run(ctx, PYTHON, "benchmarks/watch_slurm_jobs.py")
    run(ctx, PYTHON, "benchmarks/trial_statistics.py")
    run(ctx, PYTHON, "benchmarks/false_promotion.py")
