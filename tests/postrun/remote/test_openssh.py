"""One login carries everything, for all threads. See also test_connection.py."""

import os
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.factory import TAG, make_run
from harness.programs import wait_for
from harness.sshd import Sshd
from postrun.core.errors import HostRejected, Unreachable
from postrun.remote import hosts, openssh, workstation
from postrun.remote.workstation import Workstation

RUN = f"audit/workstation_runs/2026-02-21_031500_production_gates_{TAG}"
SETTINGS = {"connect_timeout_s": 5, "probe_timeout_s": 30}


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the folder in which this test's sockets are; its path is short."""
    folder = Path(f"/tmp/{os.getpid()}-{abs(hash(tmp_path)) % 10**6}")
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder / "postrun"
    hosts.close_all()
    (folder / "postrun").rmdir() if (folder / "postrun").is_dir() else None
    folder.rmdir()


def connect(name: str, root: Path) -> Workstation:
    return workstation.connect(name, str(root), SETTINGS)


def use(station: Workstation, local: Path) -> None:
    """Ask and copy, as a flow does."""
    assert station.list_run(TAG).folders
    assert station.digests([RUN]).files
    station.copy_files({RUN: ["result.json"]}, (local / RUN).parent, show_progress=False)
    assert (local / RUN / "result.json").is_file()


def open_users_master(server: Sshd, folder: Path) -> tuple[str, list[str], Path]:
    """Open a control connection as a user does; return the host, ssh for it, and the socket."""
    control = folder / "cm"
    name = server.alias("desk", ControlPath=str(control), ControlMaster="auto", ControlPersist="60")
    ssh = ["ssh", "-F", str(server.client_config)]
    subprocess.run([*ssh, name, "true"], check=True, stderr=subprocess.DEVNULL)
    return name, ssh, control


def logins(server: Sshd) -> int:
    return (server.folder / "sshd.log").read_text().count("Accepted publickey")


def test_one_login_carries_probes_and_copies(
    sshd: Sshd, remote: Path, local: Path, sockets: Path
) -> None:
    make_run(remote)
    before = logins(sshd)
    use(connect(sshd.host, remote), local)
    use(connect(sshd.host, remote), local)
    assert logins(sshd) == before + 1
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert len(list(sockets.iterdir())) == 1
    connect(sshd.host, remote).close()
    assert list(sockets.iterdir()) == []


def test_a_master_of_the_users_is_used_and_left_open(
    sshd: Sshd, remote: Path, local: Path, sockets: Path, tmp_path: Path
) -> None:
    make_run(remote)
    name, ssh, control = open_users_master(sshd, tmp_path)
    try:
        (sshd.folder / "user_key.pub").rename(sshd.folder / "away")  # nobody may log in any more
        station = connect(name, remote)
        use(station, local)
        station.close()
        assert control.exists()
        assert not sockets.exists()
    finally:
        subprocess.run([*ssh, "-O", "exit", name], check=True, stderr=subprocess.DEVNULL)
    with pytest.raises(Unreachable, match="`ssh desk` opens it again") as caught:
        station.list_run(TAG)
    assert type(caught.value) is Unreachable, "a person can open it again, so waiting may help"
    assert "Permission denied" in str(caught.value)


def test_one_login_follows_when_a_master_of_the_users_is_closed(
    sshd: Sshd, remote: Path, local: Path, tmp_path: Path
) -> None:
    make_run(remote)
    name, ssh, _ = open_users_master(sshd, tmp_path)
    station = connect(name, remote)
    use(station, local)
    subprocess.run([*ssh, "-O", "exit", name], check=True, stderr=subprocess.DEVNULL)
    before = logins(sshd)
    use(station, local)
    assert logins(sshd) == before + 1
    station.close()


def test_a_server_with_one_session_is_logged_into_each_time(
    sshd: Sshd, remote: Path, local: Path, sockets: Path
) -> None:
    make_run(remote)
    sshd.stop()
    config = sshd.folder / "sshd_config"
    config.write_text(config.read_text().replace("MaxSessions 100", "MaxSessions 1"))
    sshd.start()
    use(connect(sshd.host, remote), local)
    assert list(sockets.iterdir()) == []


def test_without_a_place_for_a_socket_all_works(
    sshd: Sshd, remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(remote)
    monkeypatch.setattr(openssh, "_socket_folder", lambda: None)
    use(connect(sshd.host, remote), local)


@pytest.mark.parametrize("kind", ["link", "open"])
def test_a_folder_of_somebody_else_holds_no_socket(
    kind: str, sockets: Path, tmp_path: Path
) -> None:
    usual = openssh._socket_folder()
    assert usual == sockets
    sockets.rmdir()
    if kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        sockets.symlink_to(tmp_path / "elsewhere")
    else:
        sockets.mkdir(mode=0o777)
        sockets.chmod(0o777)
    try:
        assert openssh._socket_folder() != sockets
    finally:
        sockets.unlink() if kind == "link" else sockets.rmdir()


def test_a_login_that_takes_too_long_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program over there ends well when we give up; its shell did not end by itself."""
    stub = tmp_path / "ssh"
    stub.write_text("#!/bin/sh\ncase $* in *'-O check'*) exit 255;; esac\ncat >/dev/null\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    station = workstation.connect("slow", "/", {"connect_timeout_s": 0.1, "probe_timeout_s": 5})
    with pytest.raises(Unreachable, match=r"no login within 0\.4 s") as caught:
        station.list_run(TAG)
    assert type(caught.value) is Unreachable


def run_in_thread(pool: ThreadPoolExecutor, host: str, command: str) -> Any:
    reached = hosts.host(host, 5)
    return pool.submit(reached.run, command, 20, "true")


def test_a_command_that_takes_too_long_leaves_those_of_other_threads(
    sshd: Sshd, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    with ThreadPoolExecutor(1) as pool:
        other = run_in_thread(pool, sshd.host, f"touch {begun}; sleep 1.5; echo here")
        wait_for(begun.exists)
        with pytest.raises(Unreachable, match=r"an answer within 0\.3 s"):
            hosts.host(sshd.host, 5).run("exec sleep 3", 0.3, "true")
        assert other.result() == (b"here\n", None)
    assert logins(sshd) == 1
    hosts.host(sshd.host, 5).close()


def test_words_of_a_login_profile_are_not_those_of_ssh(sshd: Sshd, tmp_path: Path) -> None:
    sshd.set_profile("echo 'Permission denied (publickey)' >&2\n")
    begun = tmp_path / "begun"
    with ThreadPoolExecutor(1) as pool:
        other = run_in_thread(pool, sshd.host, f"exec 2>&-; touch {begun}; sleep 20")
        wait_for(begun.exists)
        sshd.drop()
        failure = other.result().failure
    assert type(failure) is Unreachable


def test_a_connection_that_another_thread_closes_is_an_outage(sshd: Sshd, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with ThreadPoolExecutor(1) as pool:
        other = run_in_thread(pool, sshd.host, f"touch {begun}; sleep 3; echo here")
        wait_for(begun.exists)
        hosts.host(sshd.host, 5).close()
        failure = other.result().failure
    assert type(failure) is Unreachable


def test_a_jump_host_opens_no_window_to_ask(
    sshd: Sshd, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "askpass"
    program.write_text(f"#!/bin/sh\ntouch {asked}\necho no\n")
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    monkeypatch.setenv("DISPLAY", ":9")
    sshd.alias("hop", UserKnownHostsFile="/dev/null", StrictHostKeyChecking="ask")
    name = sshd.alias("behind", ProxyJump="hop")
    with pytest.raises(HostRejected, match="Host key verification failed"):
        connect(name, remote).list_run(TAG)
    assert not asked.exists()
