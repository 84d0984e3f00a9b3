"""Fixtures that more than one test module uses."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if (
        signal.getsignal(number) is signal.SIG_IGN
    ):  # as under nohup or in a shell's background; programs inherit it
        signal.signal(number, usual)

# What a test's workspace leaves in the index is of no use to anybody.
_caches = tempfile.TemporaryDirectory(prefix="caches-")
os.environ["XDG_CACHE_HOME"] = _caches.name

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "scripts"), str(PROJECT / "tests")]

from harness import golden as golden_pages  # noqa: E402
from harness.bucket_server import bucket, start_bucket  # noqa: E402, F401  (fixtures)
from harness.clean_run import absent_run, clean_facts, clean_run  # noqa: E402, F401  (fixtures)
from harness.committee import approvable_run, committee  # noqa: E402, F401  (fixtures)
from harness.golden import Golden  # noqa: E402
from harness.mlflow_server import mlflow_server  # noqa: E402, F401  (fixture)
from harness.retained import retained, retained_once  # noqa: E402, F401  (fixtures)
from harness.sealed import sealed, sealed_runs  # noqa: E402, F401  (fixtures)
from harness.shown import shown  # noqa: E402, F401  (fixture)
from harness.slurm import forgetful_slurm, limited_slurm, slurm  # noqa: E402, F401  (fixtures)
from harness.ssh_setups import ground  # noqa: E402, F401  (fixture)
from harness.sshd import shared_sshd, ssh_host, sshd  # noqa: E402, F401  (fixtures)
from harness.team import pair, pair_once  # noqa: E402, F401  (fixtures)
from harness.verified import closed, closed_once  # noqa: E402, F401  (fixtures)
from postrun.core import disk, terminal  # noqa: E402
from postrun.remote import openssh  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the files in tests/golden")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a run in one worker: it takes seconds to make."""
    for item in items:
        for fixture in ("sample", "clean_run"):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(fixture))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Return the comparison of a text with a golden file, or with --update-golden its writer."""
    updates = request.config.getoption("--update-golden")
    return golden_pages.update if updates else golden_pages.compare


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own environment out of the tests."""
    for variable in ("POSTRUN_HOST", "POSTRUN_REMOTE_ROOT", "POSTRUN_TARGET", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(variable, raising=False)
    # A test's --dry-run, -v and -q end with the test.
    disk.DRY_RUN.set(False)
    terminal.set_level(terminal.Level.NORMAL)
    # The last test may have had a stand-in for ssh.
    openssh._version.cache_clear()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Give an empty workstation root."""
    folder = tmp_path / "workstation"
    folder.mkdir()
    return folder


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Give an empty workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder
