"""Fabric is told what OpenSSH makes of the configuration. See also test_workstation.py."""

import os
import pwd
from concurrent.futures import ThreadPoolExecutor
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


def test_a_jump_host_with_user_and_port_is_reached(sshd: Sshd, remote: Path) -> None:
    make_run(remote)
    sshd.alias("hop", User="nobody", Port="1")
    user = pwd.getpwuid(os.getuid()).pw_name
    host = sshd.alias("behind", ProxyJump=f"{user}@hop:{sshd.port}")
    assert connect(host, remote).list_run(TAG).folders


def test_what_a_host_block_has_for_people_does_no_harm(
    sshd: Sshd, remote: Path, local: Path
) -> None:
    make_run(remote)
    (remote / "prices.csv").write_text("date\n")
    forward = f"127.0.0.1:{sshd.port} 127.0.0.1:1"
    options = {"RemoteCommand": "sleep 30", "RequestTTY": "force", "LocalForward": forward}
    host = sshd.alias("desk", ExitOnForwardFailure="yes", **options)
    connect(host, remote).copy_files({".": ["prices.csv"]}, local, show_progress=False)
    assert (local / remote.name / "prices.csv").is_file()


def test_threads_share_one_login(sshd: Sshd, remote: Path) -> None:
    make_run(remote)
    stations = [connect(sshd.host, remote) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        listings = list(pool.map(lambda station: station.list_run(TAG), stations))
    assert all(listing.folders for listing in listings)
    assert (sshd.folder / "sshd.log").read_text().count("Accepted publickey") == 1


def test_an_unknown_key_is_refused(sshd: Sshd, remote: Path) -> None:
    sshd.forget_host_key()
    with pytest.raises(HostRejected, match="an unknown host"):
        connect(sshd.host, remote).list_run(TAG)


def test_a_revoked_key_is_refused(sshd: Sshd, remote: Path) -> None:
    line = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text(f"{line}@revoked {line}")
    with pytest.raises(HostRejected, match="an unknown host"):
        connect(sshd.host, remote).list_run(TAG)


@pytest.mark.parametrize(
    ("option", "value", "found"),
    [
        ("HostName", "nobody.knows.invalid", "a host name that is known"),
        ("IdentityFile", "/no/such/key", "No authentication methods available"),
    ],
)
def test_what_no_waiting_mends_is_refused(
    option: str, value: str, found: str, sshd: Sshd, remote: Path
) -> None:
    host = sshd.alias("mistaken", **{option: value})
    with pytest.raises(HostRejected, match=found):
        connect(host, remote).list_run(TAG)


def test_a_broken_configuration_is_refused(sshd: Sshd, remote: Path) -> None:
    with sshd.client_config.open("a") as config:
        config.write("Nonsense yes\n")
    with pytest.raises(HostRejected, match="Bad configuration option: nonsense"):
        connect(sshd.host, remote).list_run(TAG)


def test_a_list_of_revoked_keys_is_not_passed_over(sshd: Sshd, remote: Path) -> None:
    revoked = (sshd.folder / "host_key.pub").rename(sshd.folder / "revoked")
    name = sshd.alias("revoked", RevokedHostKeys=str(revoked))
    with pytest.raises(HostRejected, match="RevokedHostKeys, which Fabric cannot check"):
        connect(name, remote).list_run(TAG)


def test_a_key_file_that_is_missing_is_passed_over(sshd: Sshd, remote: Path) -> None:
    make_run(remote)
    key = sshd.folder / "user_key"
    name = sshd.alias("two-keys", IdentityFile=f"/no/such/key\n    IdentityFile {key}")
    assert connect(name, remote).list_run(TAG).folders
