"""The folder of one run, and what is written there before its workload starts."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from postrun.core import clock, locations, run_names
from postrun.core.errors import Missing
from postrun.launcher import machine
from postrun.launcher.records import write_command, write_json
from postrun.launcher.request import LaunchRequest

DATA_GATE = Path(__file__).parents[2] / "data_quality_gate.py"


def earlier_runs(request: LaunchRequest) -> list[str]:
    """Return the run folders that have this tag already; the audit accepts only one."""
    folders = []
    for path in (request.root / locations.RUNS).glob(f"*_{request.tag}"):
        name = run_names.parse_run_name(path.name)
        # The pattern also finds tags that end like this one.
        if name is not None and name.tag == request.tag:
            folders.append(name.folder)
    return sorted(folders)


def create(request: LaunchRequest) -> Path:
    """Make and return the run folder, named after this second or the next free one.

    Raises Missing.
    """
    while True:
        # The real time, whatever SOURCE_DATE_EPOCH says: a run is no artifact.
        stamp = datetime.now().strftime(clock.RUN_STAMP)
        run = request.root / locations.RUNS / f"{stamp}_{request.workflow}_{request.tag}"
        try:
            run.mkdir(parents=True)
            return run
        except FileExistsError:
            time.sleep(0.2)
        except OSError as error:
            raise Missing(run, "a place that can be written to", str(error.strerror)) from error


def check_data(request: LaunchRequest, run: Path) -> int:
    """Run the data-quality gate and return its exit code; 0 when the gate is skipped."""
    if request.skip_data_quality:
        return 0
    command = _gate_command(request, run)
    write_command(run / "data_quality_command.sh", command)
    # The age of the data is measured today.
    environment = dict(os.environ)
    environment.pop("SOURCE_DATE_EPOCH", None)
    with (run / "data_quality.log").open("wb") as log:
        gate = subprocess.run(
            command,
            cwd=request.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
            # A terminal that is closed stops every process in its session.
            start_new_session=True,
        )
    return gate.returncode


def _gate_command(request: LaunchRequest, run: Path) -> list[str]:
    out_dir = str(run / "data_quality")
    command = [sys.executable, str(DATA_GATE), "--input-csv", request.data, "--out-dir", out_dir]
    for name, value in asdict(request.policy.data_quality).items():
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        command += [f"--{name.replace('_', '-')}", text]
    return command


def write_context(request: LaunchRequest, run: Path, preflight: Mapping[str, Any]) -> None:
    """Write context.json: who runs what, and why. Raises Missing."""
    reports = sorted(run.glob("data_quality/*/data_quality_report.json"))
    report = str(reports[-1].relative_to(request.root)) if reports else ""
    stamp, _, _ = run.name.partition(f"_{request.workflow}_")
    content = {
        "timestamp": stamp,
        "hostname": preflight["hostname"],
        "git_branch": preflight["git_branch"],
        "git_commit": preflight["git_commit"],
        "workflow": request.workflow,
        "decision_tag": request.tag,
        "owner": request.owner,
        "notes": request.notes,
        "threads": request.threads,
        "skip_data_quality_check": int(request.skip_data_quality),
        "data_quality_input_csv": request.data,
        "data_quality_report_json": report,
    }
    job = machine.scheduler_job()
    if job:
        content["scheduler"] = job
    write_json(run / "context.json", content)
