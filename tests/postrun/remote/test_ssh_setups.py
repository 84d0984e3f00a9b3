"""Where `ssh` reaches a workstation, this project does, and where ssh is refused, its words are
shown: on set-ups that people really have, over a real sshd.
"""

import re
from collections.abc import Iterator

import pytest

from harness import ssh_setups
from harness.ssh_setups import SETUPS, Client, Ending, Ground, Setup

each_setup = pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("ground"))
    made.server.start()
    try:
        yield made
    finally:
        made.server.stop()


@pytest.fixture
def client(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with ssh_setups.client(ground, monkeypatch) as made:
        yield made


@pytest.mark.nightly
@each_setup
def test_plain_ssh(setup: Setup, client: Client) -> None:
    """The control: the set-up is what it says."""
    setup.skip_where_impossible()
    host = setup.build(client)
    if not setup.has_control:
        pytest.skip("plain ssh does not take this name")
    done = client.plain_ssh(host, *setup.control)
    if setup.ending in (Ending.REACHED, Ending.COPY_REFUSED) or setup.name == "shell_that_ends":
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode != 0
        assert re.search(setup.words, done.stderr)
