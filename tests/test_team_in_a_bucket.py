"""A team that shares a bucket: the scripts against a real server with the S3 interface."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from harness.bucket_server import NAME, WITH_SERVER, Bucket
from harness.closed_workspace import SCRIPTS
from harness.team import Team

pytestmark = WITH_SERVER
OBJECTS = "gates/2026/audit/team/objects/"
MEMBERS = "gates/2026/audit/team/members/"


def start_push(team: Team, member: str) -> subprocess.Popen[bytes]:
    """Start a push as a program of its own."""
    flags = ["--to", team.place, "--local-root", str(team.root(member)), "--member", member, "-q"]
    command = [sys.executable, str(SCRIPTS / "push_runs.py"), *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def in_bucket(pair: Team, bucket: Bucket) -> Team:
    return Team(pair.folder, pair.members, bucket.place)


def test_two_roots_end_equal(pair: Team, bucket: Bucket) -> None:
    team = in_bucket(pair, bucket)
    team.exchange(1)
    assert team.shown("ann") == team.shown("bob")
    assert team.chains("ann") == team.chains("bob")
    assert team.verify("ann") == team.verify("bob") == 0
    # A later run goes the same way, and what is there is not written again.
    before = bucket.contents()
    assert team.close("ann", team.make(5), "-q") == 0
    team.exchange(1)
    assert team.shown("ann") == team.shown("bob")
    after = bucket.contents()
    assert before.items() < after.items()
    team.exchange(1)
    assert bucket.contents() == after


def test_it_has_the_layout_of_a_folder(pair: Team, bucket: Bucket) -> None:
    """A bucket that is copied to a folder is a team's root."""
    team = in_bucket(pair, bucket)
    assert team.push("ann", "--dry-run") == 0
    assert bucket.keys() == []
    assert team.push("ann") == 0
    assert team.pull("bob", "--dry-run") == 0
    for key, content in bucket.contents().items():
        path = pair.hub / key.removeprefix("gates/2026/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert pair.pull("bob") == 0
    assert pair.verify("bob") == 0


def test_of_two_roots_with_one_name_one_pushes(pair: Team, bucket: Bucket) -> None:
    """Both start at once, as processes; the other is refused and nothing is written over."""
    team = in_bucket(pair, bucket)
    copy = Team(pair.folder / "copy", pair.members, bucket.place)
    shutil.copytree(pair.folder / "ann", copy.root("ann"))
    shutil.copytree(pair.remote, copy.remote)
    assert team.close("ann", team.make(4), "-q") == 0
    assert copy.close("ann", copy.make(5), "-q") == 0
    pushes = [start_push(each, "ann") for each in (team, copy)]
    errors = [push.communicate(timeout=120)[1].decode() for push in pushes]
    assert sorted(push.returncode for push in pushes) == [0, 4]
    assert sum("another root pushes under this name" in error for error in errors) == 1
    pushed = [key for key in bucket.contents() if key.startswith(MEMBERS)]
    assert pushed == [f"{MEMBERS}ann/1.json"]
    assert team.pull("bob") == 0
    assert team.verify("bob") == 0


def test_an_object_that_was_changed_there_is_refused(
    pair: Team, bucket: Bucket, capfd: pytest.CaptureFixture[str]
) -> None:
    team = in_bucket(pair, bucket)
    assert team.push("bob") == 0
    contents = bucket.contents()
    push = json.loads(contents[f"{MEMBERS}bob/1.json"])
    digest = push["runs"][0]["sha256"]
    listed = f"{OBJECTS}{digest[:2]}/{digest}"
    (report,) = [*team.root("bob").rglob("production_gates_report.json")]
    (stored,) = [name for name, content in contents.items() if content == report.read_bytes()]
    for changed in (listed, stored):
        bucket.s3.put_object(Bucket=NAME, Key=changed, Body=contents[changed] + b" ")
        capfd.readouterr()
        assert team.pull("ann") == 4
        assert "expected its bytes, found others" in capfd.readouterr().err
        assert not [*team.root("ann").rglob("*run2*")]
        bucket.s3.put_object(Bucket=NAME, Key=changed, Body=contents[changed])
    assert team.pull("ann") == 0
    assert team.verify("ann") == 0


@pytest.mark.parametrize("seen", [1, 20])
def test_a_killed_push_goes_on(pair: Team, bucket: Bucket, seen: int) -> None:
    """Half a push is seen by nobody, and the next one adds only what is missing."""
    team = in_bucket(pair, bucket)
    push = start_push(team, "ann")
    end = time.monotonic() + 60
    while len(bucket.keys()) <= seen and push.poll() is None and time.monotonic() < end:
        pass
    push.send_signal(signal.SIGKILL)
    push.communicate()
    assert push.returncode == -signal.SIGKILL
    before = bucket.contents()
    assert len(before) > seen
    assert [key for key in before if key.startswith(MEMBERS)] == []
    assert team.pull("bob") == 0
    assert team.push("ann") == 0
    assert before.items() <= bucket.contents().items()
    assert team.pull("bob") == 0
    assert team.verify("bob") == 0
    assert any(team.root("bob").glob("audit/workstation_runs/*run1"))


def test_a_server_that_is_away(
    pair: Team, bucket: Bucket, capfd: pytest.CaptureFixture[str]
) -> None:
    team = in_bucket(pair, bucket)
    assert team.push("bob") == 0
    bucket.stop()
    for act in (team.push, team.pull):
        capfd.readouterr()
        assert act("ann") == 6
        (line,) = capfd.readouterr().err.splitlines()
        assert "expected an answer, found none" in line


def test_a_bucket_that_is_not_there(
    pair: Team, bucket: Bucket, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bucket.contents() == {}
    team = Team(pair.folder, pair.members, "s3://another-bucket")
    for act in (team.push, team.pull):
        capfd.readouterr()
        assert act("ann") == 3
        (line,) = capfd.readouterr().err.splitlines()
        assert "bucket another-bucket: expected one on the server, found none" in line


def test_a_server_that_writes_over_is_refused(
    pair: Team, start_bucket: Callable[..., Bucket], capfd: pytest.CaptureFixture[str]
) -> None:
    bucket = start_bucket("forgetful")
    team = in_bucket(pair, bucket)
    capfd.readouterr()
    assert team.push("ann") == 4
    (line,) = capfd.readouterr().err.splitlines()
    assert "expected a server that refuses to write over an object" in line
    assert set(bucket.contents()) == {"gates/2026/audit/team/create_only"}
