"""This machine as a host."""

import shlex
import time
from pathlib import Path

import pytest

from postrun.core.errors import Unreachable
from postrun.remote import hosts


def test_local_is_this_machine(tmp_path: Path) -> None:
    here = hosts.host("local", 5)
    assert (
        here.run(f"cd {shlex.quote(str(tmp_path))} && pwd", 10).content == f"{tmp_path}\n".encode()
    )
    assert here.rsync_source("/a:b") == ("/a:b", [])
    here.close()


def test_every_byte_comes_back() -> None:
    assert hosts.host("local", 5).run("printf '\\377\\000\\n'", 10).content == b"\xff\x00\n"


def test_a_command_that_takes_too_long_is_no_answer() -> None:
    with pytest.raises(Unreachable, match=r"an answer within 0\.2 s"):
        hosts.host("local", 5).run("exec sleep 20", 0.2)


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    late = tmp_path / "late"
    with pytest.raises(Unreachable):
        hosts.host("local", 5).run(f"(sleep 0.6; touch {late}) & sleep 20", 0.2)
    time.sleep(0.8)
    assert not late.exists()
