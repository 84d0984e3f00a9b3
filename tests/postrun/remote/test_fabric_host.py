"""Fabric is told what OpenSSH makes of the configuration. See also test_workstation.py."""

import sys
from pathlib import Path

import pytest

from harness.factory import TAG, make_run
from harness.sshd import Sshd
from postrun.core.errors import HostRejected
from postrun.remote import workstation
from postrun.remote.workstation import Workstation

SETTINGS = {"connect_timeout_s": 5, "probe_timeout_s": 30, "transport": "fabric"}


def connect(name: str, root: Path) -> Workstation:
    return workstation.connect(name, str(root), SETTINGS)


def test_an_included_file_and_a_jump_host_are_reached(sshd: Sshd, remote: Path) -> None:
    make_run(remote)
    sshd.alias("hop")
    sshd.alias("behind", ProxyJump="hop")
    outer = sshd.folder / "outer"
    outer.write_text(f"Include {sshd.client_config}\nMatch final all\n    Compression yes\n")
    sshd.client_config.rename(sshd.folder / "inner")
    sshd.client_config.write_text(f"Include {sshd.folder}/inner\nMatch final all\n")
    assert connect("behind", remote).list_run(TAG).folders


def test_an_unknown_key_is_refused(sshd: Sshd, remote: Path) -> None:
    sshd.forget_host_key()
    with pytest.raises(HostRejected, match="an unknown host"):
        connect(sshd.host, remote).list_run(TAG)


def test_a_revoked_key_is_refused(sshd: Sshd, remote: Path) -> None:
    line = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text(f"{line}@revoked {line}")
    with pytest.raises(HostRejected, match="an unknown host"):
        connect(sshd.host, remote).list_run(TAG)


def test_a_broken_configuration_is_refused(sshd: Sshd, remote: Path) -> None:
    with sshd.client_config.open("a") as config:
        config.write("Nonsense yes\n")
    with pytest.raises(HostRejected, match="Bad configuration option: nonsense"):
        connect(sshd.host, remote).list_run(TAG)


def test_its_libraries_are_loaded_when_it_is_asked_for() -> None:
    assert "postrun.remote.fabric_host" in sys.modules
