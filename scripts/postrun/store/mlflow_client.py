"""Log runs to a tracking server of MLflow, so that to do it again changes nothing.

A run of MLflow is found by its tag `postrun.run`. Nothing is deleted there: a metric that is no
longer known becomes NaN. The only module that imports the library.
"""

import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from postrun.core import disk, terminal
from postrun.core.errors import Missing, Unreachable, Usage

_PREFIX = "postrun."  # of our tags
KEY = f"{_PREFIX}run"
_PAGE_DIGEST = f"{_PREFIX}sha256."  # and the name of the page
_FINISHED = "FINISHED"
# The library would try for many minutes, tell its makers of every call, and print addresses.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # What is sent is for the server that was named.
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
}
# The server takes such artifacts and keeps them itself. Any other place would be written to from
# here: a path on the server's disk would be one of this machine.
_PROXIED = "mlflow-artifacts:"
_RUNS_AT_ONCE = 1000
_LONGEST_TAG = 5000  # characters; a server may refuse more
_LONGEST_REASON = 300


@dataclass(frozen=True)
class TrackedRun:
    """What MLflow is to have of one closed run."""

    run: str  # the run folder, which is the key
    name: str
    ended: int  # milliseconds since 1970
    tags: dict[str, str]
    metrics: dict[str, float]
    pages: dict[str, bytes] = field(default_factory=dict)  # file name -> content


@dataclass(frozen=True)
class Changes:
    """What a run of MLflow lacks, or has otherwise."""

    tags: dict[str, str]
    metrics: dict[str, float]
    gone: list[str]  # tags that nothing stands for any more
    pages: dict[str, bytes]
    is_unfinished: bool  # nobody has logged it to the end

    @property
    def names(self) -> list[str]:
        """Return what would change, in words."""
        tags = [name.removeprefix(_PREFIX) for name in (*self.tags, *self.gone)]
        return [*tags, *self.metrics, *self.pages]


@dataclass(frozen=True)
class Address:
    """Where a server is. `shown` is what may be printed: it has neither a name nor a password."""

    uri: str
    shown: str


def parse_address(uri: str) -> Address:
    """Return the address of a server; name and password in it go where the library wants them.

    Raises Usage.
    """
    expected = "http://<server> or https://<server>"
    try:
        parts = urlsplit(uri)
        host = parts.hostname
        port = parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https"):
        # Not the text itself, which may hold a password.
        raise Usage("--uri", expected, "another address")
    if ":" in host:
        host = f"[{host}]"
    place = host if port is None else f"{host}:{port}"
    shown = f"{parts.scheme}://{place}"
    if parts.username is not None:
        # In the address, they would be in every message of the library.
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    path = parts.path.rstrip("/")
    return Address(f"{shown}{path}", shown)


class TrackingServer:
    """One experiment on a server of MLflow. Every method raises Unreachable."""

    def __init__(self, address: Address, experiment: str) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        os.environ.update(_QUIET)
        try:
            import mlflow.entities
            import mlflow.exceptions
            from mlflow.tracking import MlflowClient
        except ModuleNotFoundError as error:
            thing = f"package {error.name}"
            hint = "run `make setup-mlflow`"
            raise Missing(thing, "it in this Python", "nothing", hint) from None
        # Retries are warnings with whole addresses.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._address = address
        self._entities: Any = mlflow.entities
        self._error: Any = mlflow.exceptions.MlflowException
        self._experiment = experiment
        self._experiment_id = ""
        self.takes_pages = True  # false once a run was met whose pages the server does not take
        # MLflow's own registry of models is not used, but asked for if it is not named.
        self._client: Any = MlflowClient(address.uri, registry_uri=address.uri)

    def find(self, run: str = "") -> dict[str, list[Any]]:
        """Return the runs of MLflow by run folder, the first one logged first; only those of one
        run where it is named.
        """
        with self._reported():
            experiment = self._client.get_experiment_by_name(self._experiment)
            if experiment is None:
                return {}
            self._experiment_id = experiment.experiment_id
            query = f"tags.`{KEY}` = '{run}'" if run else f"tags.`{KEY}` LIKE '%'"
            tracked: dict[str, list[Any]] = {}
            for tracked_run in self._search(query):
                folder = tracked_run.data.tags[KEY]
                tracked.setdefault(folder, []).append(tracked_run)
        for runs in tracked.values():
            runs.sort(key=attrgetter("info.start_time", "info.run_id"))
        return tracked

    def _search(self, query: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                query,
                max_results=_RUNS_AT_ONCE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def log(
        self,
        described: TrackedRun,
        existing: Any | None,
        changes: Changes,
    ) -> None:
        """Make a run of MLflow, or bring it up to date."""
        with self._reported():
            if existing is None:
                existing = self._create(described)
            run_id = existing.info.run_id
            self._log_values(run_id, changes)
            if existing.info.artifact_uri.startswith(_PROXIED):
                self._log_pages(run_id, changes)
            elif described.pages:
                self.takes_pages = False
            # Last: until then it is seen to be unfinished, and the next time goes on.
            if changes.is_unfinished:
                self._client.set_terminated(run_id, _FINISHED, described.ended)

    def _create(self, described: TrackedRun) -> Any:
        if not self._experiment_id:
            self._experiment_id = self._make_experiment()
        return self._client.create_run(
            self._experiment_id,
            start_time=described.ended,
            tags={KEY: described.run},
            run_name=described.name,
        )

    def _make_experiment(self) -> str:
        """Return the id of a new experiment, or of one that somebody has just made."""
        try:
            made: str = self._client.create_experiment(self._experiment)
        except self._error:
            experiment = self._client.get_experiment_by_name(self._experiment)
            if experiment is None:
                raise
            made = experiment.experiment_id
        return made

    def _log_values(self, run_id: str, changes: Changes) -> None:
        now = int(time.time() * 1000)
        metrics = []
        for name, number in changes.metrics.items():
            metric = self._entities.Metric(name, number, now, 0)
            metrics.append(metric)
        tags = []
        for name, text in changes.tags.items():
            tag = self._entities.RunTag(name, text)
            tags.append(tag)
        if metrics or tags:
            self._client.log_batch(run_id, metrics=metrics, tags=tags)
        for name in changes.gone:
            self._client.delete_tag(run_id, name)

    def _log_pages(self, run_id: str, changes: Changes) -> None:
        for name, content in changes.pages.items():
            # The bytes that were checked, not what is on disk by now.
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, name)
                path.write_bytes(content)
                self._client.log_artifact(run_id, str(path))
            digest = disk.content_digest(content)
            self._client.set_tag(run_id, f"{_PAGE_DIGEST}{name}", digest)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Raise Unreachable in place of what the library raises."""
        import requests
        from google.protobuf import json_format

        # ValueError and the last: it answered, but not as a server of MLflow.
        expected = (self._error, requests.RequestException, ValueError, json_format.Error)
        try:
            yield
        except expected as error:
            text = terminal.plain(str(error))
            # Before that, the library writes the whole address.
            _, _, cause = text.rpartition("(Caused by ")
            reason = terminal.cut(cause or text, _LONGEST_REASON)
            thing = f"MLflow server {self._address.shown}"
            raise Unreachable(thing, "an answer", reason) from None


def compare(described: TrackedRun, existing: Any | None) -> Changes:
    """Return what a run of MLflow lacks, or has otherwise; all of it where there is no such run."""
    before: dict[str, str] = {}
    numbers: dict[str, float] = {}
    takes_pages = True
    is_unfinished = True
    if existing is not None:
        before = existing.data.tags
        numbers = existing.data.metrics
        takes_pages = existing.info.artifact_uri.startswith(_PROXIED)
        is_unfinished = existing.info.status != _FINISHED
    tags = {}
    for name, text in described.tags.items():
        shown = terminal.cut(terminal.plain(text), _LONGEST_TAG)
        if before.get(name) != shown:
            tags[name] = shown
    metrics = {}
    # What is not known any more is not a number.
    for name, number in {**dict.fromkeys(numbers, math.nan), **described.metrics}.items():
        if not _is_same(numbers.get(name), number):
            metrics[name] = number
    ours = [name for name in before if name.startswith(_PREFIX) and name not in described.tags]
    gone = [name for name in ours if not name.startswith(_PAGE_DIGEST)]
    pages = {}
    for name, content in described.pages.items():
        digest = disk.content_digest(content)
        if takes_pages and before.get(f"{_PAGE_DIGEST}{name}") != digest:
            pages[name] = content
    return Changes(tags, metrics, gone, pages, is_unfinished)


def _is_same(before: float | None, number: float) -> bool:
    """Return whether a metric has this value already; NaN is NaN."""
    if before is None:
        return False
    return before == number or (math.isnan(before) and math.isnan(number))
