"""`make mlflow`: closed runs on a real MLflow server, once each, and nothing that was edited."""

import builtins
import http.server
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import export_mlflow
from harness.mlflow_server import WITH_LIBRARY, WITH_SERVER, MlflowServer, free_port
from harness.programs import SCRIPTS
from harness.sealed import TAGS, Sealed
from postrun.core import disk
from postrun.store import mlflow_client
from postrun.store.mlflow_client import TrackedRun, TrackingServer

REVIEW = "production_gates_run_review.html"
SUMMARY = "production_gates_final_summary.md"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def experiment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Give each test an experiment of its own, and keep what the script sets to itself."""
    for variable in [name for name in os.environ if name.startswith("MLFLOW_TRACKING_")]:
        monkeypatch.delenv(variable)
    # What is set here is put back afterwards.
    for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    for variable in (*mlflow_client._QUIET, *mlflow_client._SETTINGS):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
        monkeypatch.delenv(variable)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    return str(request.node.name)


def export(sealed: Sealed, uri: str, *flags: str) -> int:
    return export_mlflow.main(["--local-root", str(sealed.root), "--uri", uri, *flags])


def gate_file(sealed: Sealed, tag: str, name: str) -> Path:
    number = TAGS.index(tag)
    return sorted(sealed.root.glob(f"gate_results/*/{name}"))[number]


@WITH_SERVER
def test_each_closed_run_is_there_once(
    sealed: Sealed,
    mlflow_server: MlflowServer,
    experiment: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    assert export(sealed, mlflow_server.uri) == 0
    said = capsys.readouterr()
    where = f"({mlflow_server.uri}, experiment {experiment})"
    assert (said.out, said.err) == ("", f"mlflow: 3 logged {where}\n")
    runs = mlflow_server.runs(experiment)
    assert [folder[-1] for folder in sorted(runs)] == list(TAGS)
    run = runs[sorted(runs)[1]]
    tags = run.data.tags
    assert (run.info.run_name, run.info.status) == ("b", "FINISHED")
    assert tags["postrun.decision"] in ("promote_candidate", "watchlist_rerun")
    assert (tags["postrun.result"], tags["postrun.audit_passed"]) == ("pass", "true")
    assert tags["postrun.closing_record_sha256"] == sealed.rows()[3]["closing_record_sha256"]
    assert tags["mlflow.user"] == tags["postrun.owner"] == "hui"
    assert not any("series" in name and "sha256" not in name for name in tags)
    assert run.data.metrics["total"] > 0
    assert "beta" in run.data.metrics
    pages = mlflow_server.pages(run.info.run_id)
    assert pages == {name: gate_file(sealed, "b", name).read_bytes() for name in (REVIEW, SUMMARY)}

    before = mlflow_server.contents(experiment)
    for flags in ([], ["--tag", "b"], ["--dry-run"]):
        assert export(sealed, mlflow_server.uri, *flags) == 0
    assert "mlflow: 3 unchanged" in capsys.readouterr().err
    assert mlflow_server.contents(experiment) == before


@WITH_SERVER
def test_a_run_with_another_record_is_updated(
    sealed: Sealed,
    mlflow_server: MlflowServer,
    experiment: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert export(sealed, mlflow_server.uri) == 0
    before = mlflow_server.runs(experiment)
    sealed.reclose(monkeypatch, "b")
    capsys.readouterr()
    assert export(sealed, mlflow_server.uri) == 0
    err = capsys.readouterr().err
    (run_b,) = [folder for folder in before if folder.endswith("_b")]
    assert f"{run_b}: changed: " in err
    assert "closing_record_sha256" in err
    assert "mlflow: 2 unchanged, 1 updated" in err
    after = mlflow_server.runs(experiment)
    assert {folder: run.info.run_id for folder, run in after.items()} == {
        folder: run.info.run_id for folder, run in before.items()
    }
    name = "postrun.closing_record_sha256"
    assert after[run_b].data.tags[name] != before[run_b].data.tags[name]


@WITH_SERVER
@pytest.mark.parametrize("name", [REVIEW, SUMMARY, "governance_audit_check.json"])
def test_an_edited_run_is_not_sent_and_the_others_are(
    sealed: Sealed,
    mlflow_server: MlflowServer,
    experiment: str,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = sealed.record("b").with_name(name)
    if not path.is_file():
        path = gate_file(sealed, "b", name)
    path.write_bytes(path.read_bytes().replace(b"pass", b"PASS", 1))
    capsys.readouterr()
    assert export(sealed, mlflow_server.uri) == 4
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "_b is not sent: " in lines[0]
    assert f"{name}: expected the file that closing_record.json lists" in lines[0]
    assert lines[1].startswith("mlflow: 2 logged, 1 refused")
    assert [run.info.run_name for run in mlflow_server.all_runs(experiment)] == ["c", "a"]
    assert export(sealed, mlflow_server.uri, "--tag", "b") == 4


@WITH_SERVER
def test_what_was_interrupted_or_edited_there_is_put_right(
    sealed: Sealed,
    mlflow_server: MlflowServer,
    experiment: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert export(sealed, mlflow_server.uri) == 0
    whole = mlflow_server.runs(experiment)
    run_a, run_b, _ = sorted(whole)
    client = mlflow_server.client
    # As a process leaves it that is killed right after it made the run.
    client.delete_run(whole[run_a].info.run_id)
    known = client.get_experiment_by_name(experiment)
    client.create_run(known.experiment_id, tags={"postrun.run": run_a}, run_name="a")
    client.set_tag(whole[run_b].info.run_id, "postrun.result", "fail")
    client.set_tag(whole[run_b].info.run_id, "somebody", "note")
    client.log_metric(whole[run_b].info.run_id, "total", 100.0)
    capsys.readouterr()
    assert export(sealed, mlflow_server.uri) == 0
    err = capsys.readouterr().err
    assert f"{run_b}: changed: result, total\n" in err
    assert "mlflow: 2 updated, 1 unchanged" in err
    mended = mlflow_server.runs(experiment)
    assert mended[run_a].info.status == "FINISHED"
    for run in (run_a, run_b):
        assert mended[run].data.metrics == whole[run].data.metrics
        assert mended[run].data.tags.items() >= whole[run].data.tags.items()
    assert mended[run_b].data.tags["somebody"] == "note"


@WITH_SERVER
def test_two_processes_at_once_log_each_run_once(
    sealed: Sealed, mlflow_server: MlflowServer, experiment: str
) -> None:
    program = str(SCRIPTS / "export_mlflow.py")
    command = [sys.executable, program, "--local-root", str(sealed.root)]
    command += ["--uri", mlflow_server.uri]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sorted("3 logged" in text for text in told) == [False, True], told
    assert len(mlflow_server.runs(experiment)) == 3


@WITH_SERVER
def test_a_run_that_is_there_twice_is_named_and_the_first_counts(
    sealed: Sealed,
    mlflow_server: MlflowServer,
    experiment: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two workspaces may log one run at the same moment."""
    assert export(sealed, mlflow_server.uri, "--tag", "b") == 0
    (first,) = mlflow_server.all_runs(experiment)
    folder = first.data.tags["postrun.run"]
    mlflow_server.client.create_run(first.info.experiment_id, tags={"postrun.run": folder})
    capsys.readouterr()
    assert export(sealed, mlflow_server.uri, "--tag", "b") == 0
    err = capsys.readouterr().err
    assert f"{folder} is there 2 times, the first counts: {first.info.run_id}, " in err
    assert "1 unchanged" in err


@WITH_SERVER
def test_a_dry_run_sends_nothing(
    sealed: Sealed,
    mlflow_server: MlflowServer,
    experiment: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert export(sealed, mlflow_server.uri, "--dry-run") == 0
    assert "3 logged; a dry run: nothing was sent" in capsys.readouterr().err
    assert mlflow_server.client.get_experiment_by_name(experiment) is None


@WITH_SERVER
def test_a_server_that_keeps_no_artifacts_gets_no_pages(
    sealed: Sealed,
    mlflow_server: MlflowServer,
    experiment: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its artifacts are in a folder of its own disk: here, that would be one of this machine."""
    folder = tmp_path / "on_the_server"
    mlflow_server.client.create_experiment(experiment, artifact_location=f"file://{folder}")
    capsys.readouterr()
    assert export(sealed, mlflow_server.uri) == 0
    assert "pages are not sent: the server keeps no artifacts" in capsys.readouterr().err
    assert export(sealed, mlflow_server.uri) == 0
    assert "3 unchanged" in capsys.readouterr().err
    assert not folder.exists()


WANTED = TrackedRun("2026-02-21_031500_production_gates_x", "x", 1_700_000_000_000, {}, {})
HOSTILE = ["<script>", "'; drop table runs --", "\x00\x1b[2J", "ü\ud800", "n" * 9000, "a\nb", ""]


@WITH_SERVER
def test_values_come_and_go(mlflow_server: MlflowServer, experiment: str) -> None:
    """What is not known any more is neither a number nor a text."""
    server = TrackingServer(mlflow_client.parse_address(mlflow_server.uri), experiment)
    tags = {f"postrun.t{number}": text for number, text in enumerate(HOSTILE)}
    first = replace(WANTED, tags={mlflow_client.KEY: WANTED.run, **tags}, metrics={"a": 1, "b": 2})
    second = replace(first, tags={mlflow_client.KEY: WANTED.run}, metrics={"b": math.nan})
    for wanted in (first, second, first):
        existing = server.find(WANTED.run).get(WANTED.run, [None])[0]
        server.log(wanted, existing, mlflow_client.compare(wanted, existing))
        (tracked,) = server.find()[WANTED.run]
        after = mlflow_client.compare(wanted, tracked)
        assert (after.names, after.is_unfinished) == ([], False)
        shown = {name for name in tracked.data.tags if name.startswith("postrun.")}
        assert shown == set(wanted.tags)
        for name, number in tracked.data.metrics.items():
            expected = wanted.metrics.get(name, math.nan)
            assert number == expected or math.isnan(number) == math.isnan(expected)
    assert tracked.data.tags["postrun.t2"] == "\\x00\\x1b[2J"
    assert len(tracked.data.tags["postrun.t4"]) == 5000
    run_id = tracked.info.run_id
    assert len(mlflow_server.history(run_id, "a")) == 3


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Listen on 127.0.0.1, and answer nobody."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def one_line(sealed: Sealed, uri: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    began = time.monotonic()
    assert export(sealed, uri) == 6
    assert time.monotonic() - began < 60
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


@WITH_LIBRARY
def test_a_server_that_is_away_is_one_line(
    sealed: Sealed, silent_port: int, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    uri = f"http://127.0.0.1:{free_port()}"
    line = one_line(sealed, uri, capsys)
    assert line.startswith(f"MLflow server {uri}: expected an answer, found ")
    assert "Connection refused" in line
    line = one_line(sealed, f"http://127.0.0.1:{silent_port}", capsys)
    assert "timed out" in line


class _Answer(http.server.BaseHTTPRequestHandler):
    code = 200
    content = b"<html>welcome</html>"

    def do_GET(self) -> None:
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@WITH_LIBRARY
@pytest.mark.parametrize(
    ("code", "content"),
    [
        (200, b"<html>welcome</html>"),
        (200, b"[]"),
        (200, b'{"experiment": 1}'),
        (200, b"\xff\xfe"),
        (401, b"you are not let in"),
        (403, b"{}"),
        (404, b"nothing"),
        (500, b'{"error_code": "INTERNAL_ERROR", "message": "a\\u001b[2J\\nb"}'),
    ],
)
def test_what_is_no_mlflow_is_one_line_without_a_secret(
    sealed: Sealed, code: int, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = type("Answer", (_Answer,), {"code": code, "content": content})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}"
        line = one_line(sealed, f"http://hui:s3cret%21@{place}/base/", capsys)
        server.shutdown()
    assert line.startswith(f"MLflow server http://{place}: expected an answer, found ")
    assert "s3cret" not in line
    assert "hui" not in line
    assert "\x1b" not in line
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "s3cret!"


@WITH_LIBRARY
def test_a_redirect_is_not_followed(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    """What is sent is for the server that was named."""
    asked: list[str] = []

    class Other(_Answer):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    class Redirect(_Answer):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{other.server_port}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as first,
    ):
        for server in (other, first):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        one_line(sealed, f"http://127.0.0.1:{first.server_port}", capsys)
        first.shutdown()
        other.shutdown()
    assert asked == []


@pytest.mark.parametrize(
    "uri",
    ["sqlite:///runs.sqlite", "file:///tmp/x", "/tmp/x", "databricks", "http://", "http://[x", "x"],
)
def test_another_kind_of_address_is_refused(
    sealed: Sealed, uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(sealed, uri) == 2
    assert capsys.readouterr().err == (
        "--uri: expected http://<server> or https://<server>, found another address\n"
    )


def test_without_a_server_nothing_is_sent(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library itself would make a folder here."""
    assert export_mlflow.main(["--local-root", str(sealed.root)]) == 2
    assert capsys.readouterr().err == (
        "MLflow server: expected MLFLOW_TRACKING_URI, or --uri, found neither\n"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "databricks")
    assert export_mlflow.main(["--local-root", str(sealed.root)]) == 2
    assert "--uri: expected http" in capsys.readouterr().err


def test_a_run_that_is_not_closed_is_one_line(
    sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(sealed, NOWHERE, "--tag", "d") == 5
    assert capsys.readouterr().err.startswith("tag d: expected a closed run, found none")
    assert export(sealed, NOWHERE, "--tag", "../x") == 2
    capsys.readouterr()
    assert export_mlflow.main(["--local-root", str(tmp_path / "none"), "--uri", NOWHERE]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_an_edited_registry_is_refused(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    path = sealed.root / "audit/factor_registry/factor_experiment_registry.csv"
    path.write_bytes(path.read_bytes().replace(b"watchlist_rerun", b"promote_candidate", 1) + b"\n")
    capsys.readouterr()
    assert export(sealed, NOWHERE) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_the_library_that_is_missing_is_one_line(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("mlflow"):
            raise ModuleNotFoundError("no", name="mlflow")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    capsys.readouterr()
    assert export(sealed, NOWHERE) == 3
    assert capsys.readouterr().err == (
        "package mlflow: expected it in this Python, found nothing; run `make setup-mlflow`\n"
    )
    assert not disk.DRY_RUN.get()
