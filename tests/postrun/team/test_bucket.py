"""A bucket as a team's root: names are created once, and every bad answer is one line."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.bucket_server import NAME, SECRET, WITH_LIBRARY, WITH_SERVER, Bucket, use
from harness.mlflow_server import free_port
from harness.team import race
from postrun.core import disk
from postrun.core.errors import HostRejected, Invalid, Missing, PostRunError, Unreachable, Usage
from postrun.team import bucket as bucket_module
from postrun.team import stores
from postrun.team.bucket import BucketStore

PROBE = "gates/2026/audit/team/create_only"

HOSTILE = [
    "s3:",
    "s3://",
    "s3:///prefix",
    "s3://Bucket/x",
    "s3://x/../y",
    "s3://team-bucket/../other",
    "s3://team-bucket/a/./b",
    "s3://team-bucket//a",
    "s3://team-bucket/a b",
    "s3://team-bucket/a%2e%2e",
    "s3://team-bucket/a?versionId=1",
    "s3://team-bucket/a\n",
    "s3://team-bucket/ü",
    f"s3://key:{SECRET}@team-bucket/a",
]


def write(path: Path, text: str) -> tuple[str, Path]:
    """Return the digest and path of a new file."""
    path.write_text(text)
    return disk.sha256(path), path


@pytest.mark.parametrize("place", HOSTILE)
def test_a_hostile_place_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(Usage) as refused:
        stores.open_store(place)
    assert str(refused.value).startswith("the team's root: expected s3://bucket")
    assert SECRET not in str(refused.value)


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(Missing, match=r"package boto3: .* run `make setup-team`"):
        stores.open_store("s3://team-bucket/gates")


@WITH_LIBRARY
@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("AWS_ENDPOINT_URL", f"ftp//key:{SECRET}@x y", Usage, "AWS_ENDPOINT_URL: expected http"),
        ("AWS_PROFILE", "nobody", Missing, "login: expected one in the settings, found none"),
        ("AWS_ACCESS_KEY_ID", "", Missing, "login: expected one in the settings, found none"),
    ],
)
def test_bad_settings_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str,
    error: type[PostRunError],
    said: str,
) -> None:
    use(f"http://127.0.0.1:{free_port()}", monkeypatch, tmp_path)
    monkeypatch.setenv(name, content)
    if not content:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(error, match=said) as refused:
        stores.open_store("s3://team-bucket").list_pushes()
    assert SECRET not in str(refused.value)


@WITH_LIBRARY
def test_a_server_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(f"http://key:{SECRET}@127.0.0.1:{free_port()}", monkeypatch, tmp_path)
    with pytest.raises(Unreachable, match="expected an answer, found none") as refused:
        stores.open_store("s3://team-bucket/gates").list_pushes()
    assert SECRET not in str(refused.value)


@WITH_LIBRARY
def test_a_server_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch, tmp_path)
        monkeypatch.setitem(bucket_module._SETTINGS, "read_timeout", 0.2)
        with pytest.raises(Unreachable, match=r"found none .ReadTimeoutError."):
            stores.open_store("s3://team-bucket/gates").list_pushes()


@WITH_SERVER
def test_an_object_is_never_written_again(bucket: Bucket, tmp_path: Path) -> None:
    store = stores.open_store(bucket.place)
    digest, first = write(tmp_path / "first", "first")
    key = f"gates/2026/audit/team/objects/{digest[:2]}/{digest}"
    store.add({digest: first}, tmp_path / "work1")
    bucket.s3.put_object(Bucket=NAME, Key=key, Body=b"of another")
    store.add({digest: first}, tmp_path / "work2")
    assert bucket.contents()[key] == b"of another"
    # Also when it comes between the look and the write.
    assert isinstance(store, BucketStore)
    assert not store._create(f"audit/team/objects/{digest[:2]}/{digest}", first, digest)
    assert bucket.contents()[key] == b"of another"


@WITH_SERVER
def test_a_push_is_created_once(bucket: Bucket, tmp_path: Path) -> None:
    store = stores.open_store(f"{bucket.place}/")
    _, first = write(tmp_path / "first", "first")
    _, second = write(tmp_path / "second", "second")
    assert store.create_push("ann", 1, first, tmp_path / "work1")
    again = stores.open_store(bucket.place)
    assert not again.create_push("ann", 1, second, tmp_path / "work2")
    assert again.read_push("ann", 1, tmp_path / "work3") == b"first"
    assert again.list_pushes() == {"ann": 1}
    assert set(bucket.contents()) == {PROBE, "gates/2026/audit/team/members/ann/1.json"}


@WITH_SERVER
def test_of_many_writers_at_once_one_succeeds(bucket: Bucket, tmp_path: Path) -> None:
    def create(number: int) -> bool:
        _, content = write(tmp_path / f"content{number}", str(number))
        store = stores.open_store(bucket.place)
        return store.create_push("ann", 1, content, tmp_path / "work")

    (winner,) = race(create)
    push = bucket.contents()["gates/2026/audit/team/members/ann/1.json"]
    assert push == str(winner).encode()


@WITH_SERVER
def test_a_server_that_writes_over_is_found_out(
    start_bucket: Callable[..., Bucket], tmp_path: Path
) -> None:
    bucket = start_bucket("forgetful")
    digest, content = write(tmp_path / "content", "content")
    expected = "expected a server that refuses to write over .* found the second write was done"
    for _ in range(2):
        store = stores.open_store(bucket.place)
        with pytest.raises(Invalid, match=expected):
            store.add({digest: content}, tmp_path / "work")
        with pytest.raises(Invalid, match=expected):
            store.create_push("ann", 1, content, tmp_path / "work")
    assert set(bucket.contents()) == {PROBE}


@WITH_SERVER
def test_a_bucket_that_is_not_there_is_named(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.contents() == {}
    store = stores.open_store("s3://another-bucket/gates")
    digest, content = write(tmp_path / "content", "content")
    said = "bucket another-bucket: expected one on the server, found none; make it"
    with pytest.raises(Missing, match=said):
        store.list_pushes()
    with pytest.raises(Missing, match=said):
        store.add({digest: content}, tmp_path / "work")


@WITH_SERVER
def test_what_is_gone_is_named(bucket: Bucket, tmp_path: Path) -> None:
    store = stores.open_store(bucket.place)
    with pytest.raises(Invalid, match="expected an object, found nothing"):
        store.fetch(["ab" * 32], tmp_path / "work")
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


@WITH_SERVER
def test_a_bad_name_of_a_push_is_named(bucket: Bucket) -> None:
    key = "gates/2026/audit/team/members/../1.json"
    bucket.s3.put_object(Bucket=NAME, Key=key, Body=b"{}")
    with pytest.raises(Invalid, match="expected <member>/<number>"):
        stores.open_store(bucket.place).list_pushes()


@WITH_SERVER
def test_logins_are_looked_at(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = bucket.client("iam")
    people.create_user(UserName="reader")
    login = people.create_access_key(UserName="reader")["AccessKey"]
    bucket.check_logins()
    with pytest.raises(HostRejected, match="expected a login that the server takes") as refused:
        stores.open_store(bucket.place).list_pushes()
    assert "key-of-a-test" not in str(refused.value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", login["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", login["SecretAccessKey"])
    _, content = write(tmp_path / "content", "content")
    with pytest.raises(Missing, match="expected permission for it, found AccessDenied"):
        stores.open_store(bucket.place).create_push("ann", 1, content, tmp_path / "work")


@WITH_SERVER
def test_a_file_that_is_too_large_is_refused_before_anything_is_sent(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "_LARGEST", 6)
    digest, content = write(tmp_path / "content", "content")
    with pytest.raises(Invalid, match="content: expected at most 6 bytes"):
        stores.open_store(bucket.place).add({digest: content}, tmp_path / "work")
    assert bucket.contents() == {}


@WITH_LIBRARY
@pytest.mark.parametrize(
    ("codes", "error", "said"),
    [
        (["NotImplemented"], Invalid, "found that it is not implemented"),
        (["BadDigest"], Invalid, "expected the bytes that were listed"),
        (["SlowDown"], Unreachable, "expected an answer, found SlowDown"),
        (["ConditionalRequestConflict"] * 4, Unreachable, "found a conflict each time"),
        (["409", "409", "412"], None, ""),
    ],
)
def test_other_answers_of_a_server(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    codes: list[str],
    error: type[PostRunError] | None,
    said: str,
) -> None:
    """The server for the tests gives none of these answers."""
    import botocore.exceptions

    use(f"http://127.0.0.1:{free_port()}", monkeypatch, tmp_path)
    monkeypatch.setattr(bucket_module, "_CONFLICT_PAUSE", 0.0)
    store = BucketStore("s3://team-bucket")
    answers = iter(codes)

    def put_object(**_: Any) -> None:
        answer = {"Error": {"Code": next(answers)}}
        raise botocore.exceptions.ClientError(answer, "PutObject")

    monkeypatch.setattr(store._client, "put_object", put_object)
    digest, content = write(tmp_path / "content", "content")
    if error is None:
        assert not store._create("name", content, digest)
        return
    with pytest.raises(error, match=said):
        store._create("name", content, digest)
