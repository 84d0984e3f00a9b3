"""The folder of one run, and what is written there before its workload starts."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from postrun.core import clock, locations, run_names
from postrun.core.errors import Missing
from postrun.launcher.policy import Thresholds
from postrun.launcher.records import write_command, write_json

DATA_GATE = Path(__file__).parents[2] / "data_quality_gate.py"


@dataclass(frozen=True)
class Asked:
    """What the person at the terminal said about a run. `data` is empty where no data file was named."""

    workflow: str
    tag: str
    owner: str
    notes: str
    threads: int
    data: str
    skip_data_quality: bool


def used_before(root: Path, tag: str) -> list[str]:
    """List the runs that have this tag already; the audit will not like a second one."""
    names = (
        run_names.parse_run_name(path.name) for path in (root / locations.RUNS).glob(f"*_{tag}")
    )
    return sorted(name.folder for name in names if name and name.tag == tag)


def create(root: Path, asked: Asked) -> Path:
    """Make the run folder of this second; where there is one of that name, wait for the next. Raises Missing."""
    while True:
        stamp = datetime.now().strftime(
            clock.RUN_STAMP
        )  # real, whatever SOURCE_DATE_EPOCH says: a run is no artifact
        run = root / locations.RUNS / f"{stamp}_{asked.workflow}_{asked.tag}"
        try:
            run.mkdir(parents=True)
            return run
        except FileExistsError:
            time.sleep(0.2)
        except OSError as error:
            raise Missing(run, "a place that can be written to", str(error.strerror)) from error


def check_data(root: Path, run: Path, asked: Asked, thresholds: Thresholds) -> int:
    """Put the data file through the data-quality gate; give its exit code, 0 also when it was not asked."""
    if asked.skip_data_quality:
        return 0
    command = [
        sys.executable,
        str(DATA_GATE),
        "--input-csv",
        asked.data,
        "--out-dir",
        str(run / "data_quality"),
    ]
    for name, value in vars(thresholds).items():
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        command += [f"--{name.replace('_', '-')}", text]
    write_command(run / "data_quality_command.sh", command)
    today = {
        key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"
    }  # freshness is of today
    with (run / "data_quality.log").open("wb") as log:
        gate = subprocess.run(
            command,
            cwd=root,
            env=today,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
            start_new_session=True,  # a terminal that is closed stops all that belongs to it
        )
    return gate.returncode


def write_context(root: Path, run: Path, asked: Asked, preflight: Mapping[str, Any]) -> None:
    """Write context.json: who runs what, and why. Notes are data, so nothing in them can break it."""
    reports = sorted(run.glob("data_quality/*/data_quality_report.json"))
    content = {
        "timestamp": run.name.partition(f"_{asked.workflow}_")[0],
        "hostname": preflight["hostname"],
        "git_branch": preflight["git_branch"],
        "git_commit": preflight["git_commit"],
        "workflow": asked.workflow,
        "decision_tag": asked.tag,
        "owner": asked.owner,
        "notes": asked.notes,
        "threads": asked.threads,
        "skip_data_quality_check": int(asked.skip_data_quality),
        "data_quality_input_csv": asked.data,
        "data_quality_report_json": str(reports[-1].relative_to(root)) if reports else "",
    }
    write_json(run / "context.json", content)
