"""Invoke tasks under the names that `make` has, for those who prefer `inv finalize --tag=…`.

A task builds one command line and gives back its exit code, nothing more. `setup` is there too, though it must have
run once before Invoke can be had.
"""

import shlex
import sys
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Task

PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT / "scripts"))

from steps import STEPS  # noqa: E402  (the table lies among the scripts)

PYTHON = sys.executable
VALUES = {
    "tag": "the decision tag, matched exactly",
    "host": "an SSH host, or `local` for a directory standing in for it",
    "remote_root": "the workstation's root folder on that host",
    "local_root": "the workspace (default: the project)",
}
WHERE = {name: words for name, words in VALUES.items() if name != "tag"}
SWITCHES = {
    "json": "the outcome as JSON on stdout",
    "dry_run": "work everything out, write nothing",
}
OBJECTIVE = {"objective": "the objective in the ledger row (default: the run's notes)"}
INTERVAL = {"interval": "seconds between two looks"}
RANK = {"rank": "rank of the command in the plan"}
ABANDONED = {"abandoned": "why a run that is dead is closed without a result"}
OFFICIAL = {
    "owner": "who answers for the run (default: the user there)",
    "notes": "what it is to find out",
    "threads": "for each numerical library (default: all cores)",
    "data": "the data file, relative to the remote root",
    "gate": "the gate program's words, in one text",
}

CLOSING = [
    (
        "finalize",
        "post_run_sync_and_finalize.py",
        "every step for a run that has ended",
        OBJECTIVE | ABANDONED,
    ),
    (
        "monitor-then-finalize",
        "monitor_then_finalize.py",
        "wait for the end, then finalize",
        OBJECTIVE | INTERVAL,
    ),
    ("next-run", "execute_next_run_plan.py", "start a planned run on the workstation", RANK),
    ("official-run", "start_official_run.py", "start an official run on the workstation", OFFICIAL),
]
OF_ONE_STEP = {
    "detect-run": ABANDONED,
    "finalize-gate-run": OBJECTIVE,
}  # what a step takes beside the shared values
BENCHMARKS = ("flow_over_ssh", "many_runs", "watch_many_runs")
TESTS = [PYTHON, "-m", "pytest", "-q", "-n", "2"]
HOUSE: list[tuple[str, str, *tuple[list[str], ...]]] = [
    ("setup", "make .venv from the locked requirements", ["sh", ".ci/setup", "run"]),
    ("setup-notify", "what it takes to tell somebody, too", ["sh", ".ci/setup", "notify"]),
    ("demo", "run, monitor and close a small real gate run", [PYTHON, "examples/demo.py"]),
    ("test", "the tests", TESTS),
    (
        "check",
        "the one gate: style, types, generated docs, schemas, tests",
        ["sh", ".ci/check"],
        TESTS,
    ),
    (
        "validate",
        "every JSON artifact against its schema",
        [PYTHON, "scripts/validate_artifacts.py"],
    ),
    ("docs", "write the generated parts of the docs anew", [PYTHON, "scripts/generate_docs.py"]),
    ("lock", "resolve the requirements anew, with hashes", ["sh", ".ci/lock"]),
    (
        "bench",
        "what closing and watching cost",
        *([PYTHON, f"benchmarks/{name}.py"] for name in BENCHMARKS),
    ),
]


def run(ctx: Context, line: list[str], accepted: tuple[int, ...] = (0,)) -> None:
    """Run a command line, on a terminal if there is one; end with its exit code unless that is accepted."""
    terminal = sys.stdout.isatty() and sys.stderr.isatty()
    result = ctx.run(shlex.join(line), pty=terminal, in_stream=False, warn=True)
    if result is not None and result.exited not in accepted:
        raise SystemExit(result.exited)


def command(script: str, values: dict[str, str | bool | None]) -> list[str]:
    """Build a script's command line; what was not given is left out."""
    line = [PYTHON, str(PROJECT / "scripts" / script)]
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, str):
            line.append(f"{flag}={value}")
        elif value:
            line.append(flag)
    return line


def script_task(
    name: str, script: str, words: str, more: dict[str, str], values: dict[str, str] = VALUES
) -> Task[Any]:
    """Make the task of one script, with the shared `values` and `more`."""

    def body(ctx: Context, **values: str | bool | None) -> None:
        run(ctx, command(script, values))

    helps = values | more | SWITCHES
    kind = Parameter.POSITIONAL_OR_KEYWORD
    flags = [Parameter(flag, kind, default=False if flag in SWITCHES else None) for flag in helps]
    # Invoke reads a task's flags from its signature.
    body.__signature__ = Signature([Parameter("ctx", kind), *flags])  # type: ignore[attr-defined]
    body.__doc__ = words
    return Task(body, name=name, help={flag: helps[flag] for flag in helps}, auto_shortflags=False)


def house_task(name: str, words: str, *lines: list[str]) -> Task[Any]:
    """Make the task of command lines that take no values and run in the project's folder, up to the first refusal."""

    def body(ctx: Context) -> None:
        # The demo's verdict may be no; the demo has then done its work all the same.
        accepted = (0, 1) if name == "demo" else (0,)
        with ctx.cd(str(PROJECT)):
            for line in lines:
                run(ctx, line, accepted)

    body.__doc__ = words
    return Task(body, name=name)


ns = Collection(
    *(script_task(*row) for row in CLOSING),
    script_task("watch", "watch_runs.py", "all unfinished runs everywhere", INTERVAL, WHERE),
    *(
        script_task(step.name, step.script, step.description, OF_ONE_STEP.get(step.name, {}))
        for step in STEPS
    ),
    *(house_task(*row) for row in HOUSE),
)
