"""A real server with the S3 interface on 127.0.0.1, where `sh .ci/setup team-server` has put one.

bucket.place; bucket.contents() -> what it has, by key; bucket.stop()
"""

import importlib.util
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.mlflow_server import free_port
from postrun.core.locations import PROJECT

# TEAM_ENVIRONMENT names another one.
ENVIRONMENT = Path(os.environ.get("TEAM_ENVIRONMENT") or PROJECT / ".venv/team")
PYTHON = ENVIRONMENT / "bin/python"
HAS_LIBRARY = importlib.util.find_spec("boto3") is not None
WITH_LIBRARY = pytest.mark.skipif(not HAS_LIBRARY, reason="boto3 is not installed: make setup-team")
WITH_SERVER = pytest.mark.skipif(
    not (HAS_LIBRARY and PYTHON.is_file()), reason="no bucket here: sh .ci/setup team-server"
)
SECONDS = 60.0  # to start: the machine may be busy
NAME = "team-bucket"
SECRET = "a-secret-that-no-message-shows"


@dataclass
class Bucket:
    """The server, and what a client of its own sees there."""

    address: str
    process: subprocess.Popen[bytes]
    place: str = f"s3://{NAME}/gates/2026"

    def client(self, service: str) -> Any:
        import boto3

        return boto3.client(service, endpoint_url=self.address)

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    def keys(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=NAME)
        return [row["Key"] for page in pages for row in page.get("Contents", ())]

    def contents(self) -> dict[str, bytes]:
        """Return what the bucket has, by key."""
        contents = {}
        for key in self.keys():
            contents[key] = self.s3.get_object(Bucket=NAME, Key=key)["Body"].read()
        return contents

    def check_logins(self) -> None:
        """Let the server look at logins from now on."""
        text = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.address}/moto-api/reset-auth", b"0", text)
        with urllib.request.urlopen(request, timeout=10):
            pass

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def use(address: str, patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Set the settings of AWS, and none of this machine's own."""
    for name in os.environ:
        if name.startswith("AWS_"):
            patch.delenv(name)
    patch.setenv("AWS_ENDPOINT_URL", address)
    patch.setenv("AWS_ACCESS_KEY_ID", "key-of-a-test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    # Else a missing login is asked for in the network.
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def serve(folder: Path, *flags: str) -> Iterator[Bucket]:
    port = free_port()
    command = [str(PYTHON), str(Path(__file__).with_name("serve_bucket.py")), str(port), *flags]
    with (folder / "bucket.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    bucket = Bucket(f"http://127.0.0.1:{port}", process)
    try:
        _wait_for(bucket, folder / "bucket.log")
        yield bucket
    finally:
        bucket.stop()


@pytest.fixture
def start_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Bucket]]:
    """Give a function that starts a server with an empty bucket, and makes its settings ours."""
    with ExitStack() as running:

        def start(*flags: str) -> Bucket:
            folder = tmp_path / "bucket"
            folder.mkdir()
            bucket = running.enter_context(serve(folder, *flags))
            use(bucket.address, monkeypatch, folder)
            bucket.s3.create_bucket(Bucket=NAME)
            return bucket

        yield start


@pytest.fixture
def bucket(start_bucket: Callable[..., Bucket]) -> Bucket:
    """Give a server with an empty bucket."""
    return start_bucket()


def _wait_for(bucket: Bucket, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and bucket.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{bucket.address}/moto-api/", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no bucket:\n{log.read_text()[-2000:]}")
