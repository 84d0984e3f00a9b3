"""What a host's name means to ssh."""

import pytest

from postrun.core.errors import Usage
from postrun.remote import ssh_target


@pytest.mark.parametrize(
    ("name", "host", "flags"),
    [
        ("bench", "bench", []),
        ("gpu+2.lab", "gpu+2.lab", []),
        ("hui@bench", "bench", ["-l", "hui"]),
        ("hui@lab.org@bench", "bench", ["-l", "hui@lab.org"]),
        ("LAB\\hui@bench", "bench", ["-l", "LAB\\hui"]),
        ("hui@10.0.0.5:2222", "10.0.0.5", ["-l", "hui", "-p", "2222"]),
        ("::1", "::1", []),
        ("hui@fe80::1%eth0", "fe80::1%eth0", ["-l", "hui"]),
        ("[::1]:22", "::1", ["-p", "22"]),
        ("ssh://hui@bench:22", "bench", ["-l", "hui", "-p", "22"]),
        ("ssh://hui@[::1]:22", "::1", ["-l", "hui", "-p", "22"]),
        ("ssh://bench", "bench", []),
    ],
)
def test_a_name_is_taken_apart_as_ssh_does(name: str, host: str, flags: list[str]) -> None:
    assert ssh_target.parse(name) == (name, host, flags)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-oProxyCommand=x",
        "a b",
        "bench:",
        "bench;x",
        "user@",
        "@x",
        "host:port",
        "[bench]:22",
        "-l@bench",
        "a'b@bench",
        "bench/x",
        "ssh://",
        "ssh://-x",
        "$(id)",
        "a\nb",
        "[:::]",
        "x:1:2",
    ],
)
def test_a_name_that_ssh_could_take_for_another_thing_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="host: expected `local`, or a name like bench"):
        ssh_target.parse(name)


@pytest.mark.parametrize("path", ["/srv/a b", "relative", "/srv/$(x)", "/srv/*"])
def test_a_path_that_rsync_could_change_is_refused(path: str) -> None:
    with pytest.raises(Usage, match="remote root"):
        ssh_target.check_rsync_path(path)


def test_the_configuration_is_the_users_own_or_the_one_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("POSTRUN_SSH_CONFIG", raising=False)
    assert ssh_target.client_config() is None
    monkeypatch.setenv("POSTRUN_SSH_CONFIG", "/a b/config")
    assert ssh_target.client_config() == "/a b/config"
