"""Which names are hosts, and how long one lives."""

import pytest

from postrun.core.errors import Usage
from postrun.remote import hosts


@pytest.mark.parametrize("name", ["", "-oProxyCommand=x", "a b", "bench:", "bench;x", "user@"])
def test_a_name_that_ssh_could_take_for_another_thing_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="host: expected"):
        hosts.host(name, 5)


def test_a_host_is_connected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = hosts.host("bench", 5)
    assert hosts.host("bench", 5) is bench
    assert hosts.host("hui@bench", 5) is not bench
    assert hosts.host("bench", 5, "fabric") is not bench
    monkeypatch.setenv("POSTRUN_SSH_CONFIG", "/a b/config")
    assert hosts.host("bench", 5) is not bench
