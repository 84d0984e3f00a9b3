"""Where `ssh` reaches a workstation, this project does, and where ssh is refused, its words are
shown: on set-ups that people really have, over a real sshd.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import factory, ssh_setups
from harness.programs import Program, run_script
from harness.ssh_setups import SETUPS, Client, Ending, Ground, Setup
from harness.workspace import location_flags
from postrun.core.errors import HostRejected, NotFinished, Unreachable
from postrun.remote import hosts, workstation
from postrun.remote.workstation import Workstation

SETTINGS = {"connect_timeout_s": 10, "probe_timeout_s": 30}
TAG = f"setups{os.getpid()}"  # tests side by side must not see each other's processes
each_setup = pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a workstation with one small run."""
    folder = tmp_path_factory.mktemp("workstation")
    factory.make_run(folder, tag=TAG)
    factory.put(folder / "scripts/workstation_official_run.sh", "echo launched\n")
    factory.put(folder / "prices.csv", "date\n")
    return folder


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


def refusal(opened: Workstation, destination: Path) -> Unreachable | None:
    """Ask a workstation and copy from it; return the error."""
    try:
        assert opened.list_run(TAG).folders
        opened.copy_files({".": ["prices.csv"]}, destination, show_progress=False)
    except Unreachable as error:
        return error
    finally:
        opened.close()
    return None


@each_setup
def test_every_setup(setup: Setup, client: Client, root: Path, local: Path) -> None:
    setup.skip_where_impossible()
    host = setup.build(client)
    opened = workstation.connect(host, str(root), SETTINGS)
    error = refusal(opened, local)
    client.check()
    if setup.ending is Ending.REACHED:
        assert error is None
        assert len(list(local.iterdir())) == 1
        return
    assert error is not None
    assert re.search(setup.words, str(error))
    assert isinstance(error, HostRejected) == (setup.ending is not Ending.OUTAGE)
    assert (opened.round_trips > 0) == (setup.ending is Ending.COPY_REFUSED)


LAUNCH = ("--data", "prices.csv", "--gate", "--factor f")
FLOWS = {
    "start_official_run": ("--tag", "another", *LAUNCH),
    "watch_runs": ("--once", "--all", "--grace", "0.1", "--interval", "0.1"),
    "detect_run": ("--tag", TAG),
    "sync_run": ("--tag", TAG),
}


@pytest.mark.nightly
@each_setup
def test_every_command_on_every_setup(
    setup: Setup, client: Client, root: Path, local: Path
) -> None:
    setup.skip_where_impossible()
    where = location_flags(root, local, setup.build(client))
    reached = dict.fromkeys(FLOWS, setup.ending is Ending.REACHED)
    if setup.ending is Ending.COPY_REFUSED:
        reached |= {"start_official_run": True, "detect_run": True}
    for script, flags in FLOWS.items():
        done = run_script(script, *flags, *where)
        for _ in range(5):  # as cron does
            if done.code == NotFinished.exit_code:
                done = run_script(script, *flags, *where)
        if reached[script]:
            assert done.code == 0, done.err
        else:
            assert done.code not in (0, 1), done.err
            assert "Traceback" not in done.err
    hosts.close_all()
    client.check()
    if setup.ending is Ending.REACHED:
        ledger = (local / "audit/stage_ledger.jsonl").read_text()
        assert TAG in ledger
    else:
        assert not (local / "audit/stage_ledger.jsonl").exists()


ENDLESS = {  # without --once: an outage would be waited out
    "watch_runs": ("--all",),
    "monitor_then_finalize": ("--tag", TAG),
}


@pytest.mark.nightly
@pytest.mark.parametrize("script", ENDLESS)
@pytest.mark.parametrize("name", [name for name in SETUPS if SETUPS[name].is_refused])
def test_a_monitor_ends_at_once_on_what_no_waiting_mends(
    name: str, script: str, client: Client, root: Path, local: Path
) -> None:
    setup = SETUPS[name]
    host = setup.build(client)
    flags = [*ENDLESS[script], *location_flags(root, local, host)]
    program = Program(f"{script}.py", [*flags, "--interval", "1", "--grace", "0.1"])
    try:
        assert program.end(20) not in (0, 1)
    finally:
        program.stop()
    assert re.search(setup.words, program.talk), program.talk
