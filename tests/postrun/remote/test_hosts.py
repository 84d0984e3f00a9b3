"""Which names are hosts, and how rsync is told of them."""

import shlex
from pathlib import Path

import pytest

from postrun.core.errors import Unreachable, Usage
from postrun.remote import hosts


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "a b", "bench:", "bench;x", "user@"])
def test_a_name_that_ssh_could_take_for_another_thing_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="host: expected"):
        hosts.host(name, 5)


def test_local_is_this_machine(tmp_path: Path) -> None:
    here = hosts.host("local", 5)
    assert here.run(f"cd {shlex.quote(str(tmp_path))} && pwd", 10) == f"{tmp_path}\n".encode()
    assert here.rsync_source("/a:b") == ("/a:b", [])
    here.close()


def test_every_byte_comes_back() -> None:
    assert hosts.host("local", 5).run("printf '\\377\\000\\n'", 10) == b"\xff\x00\n"


def test_a_command_that_takes_too_long_is_no_answer() -> None:
    with pytest.raises(Unreachable, match=r"an answer within 0\.2 s"):
        hosts.host("local", 5).run("exec sleep 20", 0.2)


def test_rsync_connects_as_strictly_as_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTRUN_SSH_CONFIG", "/a b/config")
    source, flags = hosts.host("hui@bench:2222", 7.9).rsync_source("/srv/quant")
    assert source == "hui@bench:/srv/quant"
    words = shlex.split(flags[1])
    assert words[0] == "ssh"
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=7"} <= set(words)
    assert words[-4:] == ["-F", "/a b/config", "-p", "2222"]


@pytest.mark.parametrize("path", ["/srv/a b", "relative", "/srv/$(x)", "/srv/*"])
def test_a_path_that_rsync_could_change_is_refused(path: str) -> None:
    with pytest.raises(Usage, match="remote root"):
        hosts.host("bench", 5).rsync_source(path)
