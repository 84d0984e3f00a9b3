"""A real server of MLflow on 127.0.0.1, where `sh .ci/setup mlflow-server` has installed one.

server.uri; server.runs("postrun") -> what it has, by run folder; server.history(run_id, "total")
"""

import importlib.util
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from postrun.core.locations import PROJECT

# MLFLOW_ENVIRONMENT names another one.
ENVIRONMENT = Path(os.environ.get("MLFLOW_ENVIRONMENT") or PROJECT / ".venv/mlflow")
PROGRAM = ENVIRONMENT / "bin/mlflow"
HAS_LIBRARY = importlib.util.find_spec("mlflow") is not None
WITH_LIBRARY = pytest.mark.skipif(
    not HAS_LIBRARY, reason="mlflow-skinny is not installed: make setup-mlflow"
)
WITH_SERVER = pytest.mark.skipif(
    not (HAS_LIBRARY and PROGRAM.is_file()), reason="no MLflow here: sh .ci/setup mlflow-server"
)
SECONDS = 120.0  # to start: the machine may be busy


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class MlflowServer:
    """The server, and what a client of its own sees there."""

    uri: str

    @cached_property
    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        return MlflowClient(self.uri, registry_uri=self.uri)

    def runs(self, experiment: str) -> dict[str, Any]:
        """Return the runs of an experiment by run folder; fails for two of one."""
        runs: dict[str, Any] = {}
        for run in self.all_runs(experiment):
            folder = run.data.tags["postrun.run"]
            assert folder not in runs, f"{folder} twice"
            runs[folder] = run
        return runs

    def all_runs(self, experiment: str) -> list[Any]:
        known = self.client.get_experiment_by_name(experiment)
        return list(self.client.search_runs([known.experiment_id])) if known else []

    def contents(self, experiment: str) -> list[Any]:
        """Return all that can change: values with their history, status, names of artifacts."""
        contents = []
        for run in self.all_runs(experiment):
            run_id = run.info.run_id
            history = {name: len(self.history(run_id, name)) for name in run.data.metrics}
            times = run.info.status, run.info.start_time, run.info.end_time
            contents.append((run_id, times, dict(run.data.tags), history, self.pages(run_id)))
        return contents

    def history(self, run_id: str, metric: str) -> list[float]:
        return [point.value for point in self.client.get_metric_history(run_id, metric)]

    def pages(self, run_id: str) -> dict[str, bytes]:
        pages = {}
        for item in self.client.list_artifacts(run_id):
            path = self.client.download_artifacts(run_id, item.path)
            pages[item.path] = Path(path).read_bytes()
        return pages


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [str(PROGRAM), "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/runs.sqlite"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **quiet},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, folder / "log")
        yield MlflowServer(f"http://127.0.0.1:{port}")
    finally:
        # It has workers: all of its own group, which is no other's.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no MLflow server:\n{log.read_text()[-2000:]}")
