"""Addresses of MLflow servers, and what a run of MLflow lacks: without a server."""

import math
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from postrun.core import disk
from postrun.core.errors import Usage
from postrun.store import mlflow_client
from postrun.store.mlflow_client import TrackedRun

RUN = TrackedRun("r", "x", 0, {"postrun.run": "r", "postrun.a": "1"}, {"m": 1.0}, {"p.md": b"p"})
DIGEST = disk.content_digest(b"p")


@pytest.mark.parametrize(
    ("uri", "address", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://Bench.Example/", "https://bench.example", "https://bench.example"),
        ("https://bench/base/path/", "https://bench/base/path", "https://bench"),
        ("http://[::1]:5000", "http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_an_address_is_taken_apart(uri: str, address: str, shown: str) -> None:
    parsed = mlflow_client.parse_address(uri)
    assert (parsed.uri, parsed.shown) == (address, shown)


def test_a_password_leaves_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "before")
    parsed = mlflow_client.parse_address("https://hui%40desk:p%3Aw@bench:1/x?token=t#f")
    assert (parsed.uri, parsed.shown) == ("https://bench:1/x", "https://bench:1")
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "hui@desk"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "p:w"


@pytest.mark.parametrize("uri", ["http:/x", "ftp://x", "http://x:99999", "//x", "http://u:p@", "é"])
def test_what_is_no_address_is_not_repeated(uri: str) -> None:
    with pytest.raises(Usage, match=r"found another address$"):
        mlflow_client.parse_address(uri)


def existing(**changes: Any) -> Any:
    """Return a run of MLflow that has everything, but for the changes."""
    values: dict[str, Any] = {
        "tags": {**RUN.tags, "postrun.sha256.p.md": DIGEST, "other": "x"},
        "metrics": {"m": 1.0},
        "status": "FINISHED",
        "artifact_uri": "mlflow-artifacts:/1",
        **changes,
    }
    data = SimpleNamespace(tags=values["tags"], metrics=values["metrics"])
    info = SimpleNamespace(status=values["status"], artifact_uri=values["artifact_uri"])
    return SimpleNamespace(data=data, info=info)


def test_a_run_that_has_everything_lacks_nothing() -> None:
    changes = mlflow_client.compare(RUN, existing())
    assert (changes.names, changes.is_unfinished) == ([], False)


def test_a_run_that_is_not_there_lacks_everything() -> None:
    changes = mlflow_client.compare(RUN, None)
    assert changes.names == ["run", "a", "m", "p.md"]
    assert changes.is_unfinished


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"tags": {**RUN.tags, "postrun.a": "2", "postrun.sha256.p.md": DIGEST}}, ["a"]),
        ({"tags": RUN.tags}, ["p.md"]),
        ({"tags": {**RUN.tags, "postrun.sha256.p.md": DIGEST, "postrun.b": "x"}}, ["b"]),
        ({"metrics": {}}, ["m"]),
        ({"metrics": {"m": math.nan}}, ["m"]),
        ({"metrics": {"m": 1.0, "old": 2.0}}, ["old"]),
        ({"metrics": {"m": 1.0, "old": math.nan}}, []),
        ({"tags": RUN.tags, "artifact_uri": "/srv/mlruns/1"}, []),
        ({"status": "RUNNING"}, []),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], names: list[str]) -> None:
    compared = mlflow_client.compare(RUN, existing(**changes))
    assert compared.names == names
    assert compared.is_unfinished == ("status" in changes)


def test_a_metric_that_is_gone_is_no_number() -> None:
    changes = mlflow_client.compare(replace(RUN, metrics={}), existing())
    assert list(changes.metrics) == ["m"]
    assert math.isnan(changes.metrics["m"])
