"""A real Slurm of one node on 127.0.0.1: its own key, ports and files, ended by its own pids.

def test_it(slurm: Slurm) -> None:
    number = slurm.submit("--comment=postrun:a", "--wrap", "sleep 60")
    slurm.await_state(number, "RUNNING")
    slurm.control("suspend", number); slurm.cancel(number)
    slurm.stop_controller(); slurm.start_controller()      it is away, and comes back
    slurm.kill_node_daemon()                               the node fails, its jobs go on

SLURM_CONF leads every program of Slurm here; the fixtures set it for one test. Needs root, and
Debian's packages: `sh .ci/setup slurm`.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.sshd import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")  # of cgroup v1
CPUS = 8
# No job waits for a turn of the scheduler, and nobody needs more CPUs than it asks for.
_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MpiDefault=none
SwitchType=switch/none
ProctrackType={tracking}
TaskPlugin={tasks}
JobAcctGatherType=jobacct_gather/linux
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerNode=100
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode={preemption}
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
MessageTimeout=10
KillWait=5
MinJobAge={min_job_age}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
"""
# Memory is limited where it can be: then a job that wants too much is OUT_OF_MEMORY.
_GROUPS = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"


class Slurm:
    """Three daemons and one configuration; everything is in `folder`."""

    def __init__(
        self,
        folder: Path,
        min_job_age: int = 300,
        limits_memory: bool = False,
        preemption: str = "REQUEUE",
    ) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("munge", "state", "spool"):
            (folder / name).mkdir(parents=True)
        (folder / "munge").chmod(0o711)
        key = folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        groups = ("proctrack/cgroup", "task/cgroup")
        tracking, tasks = groups if limits_memory else ("proctrack/linuxproc", "task/none")
        text = _CONF.format(
            host=socket.gethostname().partition(".")[0],
            user="root",
            folder=folder,
            controller_port=free_port(),
            node_port=free_port(),
            tracking=tracking,
            tasks=tasks,
            preemption=preemption,
            min_job_age=min_job_age,
            cpus=CPUS,
        )
        self.conf.write_text(text)
        (folder / "cgroup.conf").write_text(_GROUPS)

    def start(self) -> None:
        """Start all three; come back when the node takes jobs."""
        munge = self.folder / "munge"
        command = ["munged", "--foreground", f"--key-file={munge}/key"]
        command += [f"--socket={munge}/socket", f"--pid-file={munge}/pid"]
        command += [f"--log-file={munge}/log", f"--seed-file={munge}/seed", "--force"]
        self._start("munged", command)
        self._wait(lambda: (munge / "socket").exists())
        self.start_controller()
        self.start_node_daemon()
        self._wait(self._has_node)

    def start_controller(self) -> None:
        """Start slurmctld; come back when it answers."""
        self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.conf)])
        self._wait(lambda: self._run("squeue").returncode == 0)

    @property
    def controller_pid(self) -> int:
        """Return the process number of slurmctld."""
        return self._daemons["slurmctld"].pid

    def stop_controller(self) -> None:
        """End slurmctld: its jobs go on, and nobody answers for them."""
        self._end("slurmctld")

    def start_node_daemon(self) -> None:
        """Start slurmd."""
        self._start("slurmd", ["slurmd", "-D", "-f", str(self.conf)])

    def kill_node_daemon(self) -> None:
        """Kill slurmd as a power cut would."""
        self._daemons["slurmd"].kill()
        self._daemons.pop("slurmd").wait()

    def submit(self, *flags: str) -> str:
        """Submit a job without output; return its number."""
        done = self._run("sbatch", "--parsable", "--output=/dev/null", *flags)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def cancel(self, number: str, *flags: str) -> None:
        """Cancel a job."""
        self._run("scancel", *flags, number)

    def control(self, *words: str) -> None:
        """Run scontrol."""
        done = self._run("scontrol", *words)
        assert done.returncode == 0, done.stderr

    def state(self, number: str) -> str:
        """Return a job's state in the queue; empty when it is not there."""
        done = self._run("squeue", "-h", "-r", "-t", "all", "-o", "%i %T")
        states = dict(line.split() for line in done.stdout.splitlines())
        return states.get(number, "")

    def await_state(self, number: str, *states: str, seconds: float = 30) -> str:
        """Wait until a job is in one of these states; return it. "" is: not in the queue."""
        self._wait(lambda: self.state(number) in states, seconds, f"{number}: {states}")
        return self.state(number)

    def stop(self) -> None:
        """End every job, then every daemon."""
        if "slurmctld" not in self._daemons:
            self.start_controller()
        if "slurmd" not in self._daemons:
            self.start_node_daemon()
            self._wait(self._has_node)
        self._run("scancel", "--user=root")
        with suppress(AssertionError):
            self._wait(lambda: not self._run("squeue", "-h").stdout.strip())
        for name in ("slurmd", "slurmctld", "munged"):
            self._end(name)

    def _has_node(self) -> bool:
        done = self._run("sinfo", "-h", "-o", "%T")
        return any(word in done.stdout for word in ("idle", "mixed", "allocated"))

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _wait(self, is_so: Callable[[], bool], seconds: float = 20, what: str = "") -> None:
        end = time.monotonic() + seconds
        while not is_so():
            for name, daemon in self._daemons.items():
                log = self.folder / f"{name}.log"
                assert daemon.poll() is None, f"{name} ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            time.sleep(0.1)


def needs_slurm() -> None:
    """Skip the test on a machine without Slurm, and say so."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no Slurm here ({', '.join(missing)}): sh .ci/setup slurm")
    if os.geteuid() != 0:
        pytest.skip("a Slurm of its own needs root")


def _running(folder: Path, **settings: object) -> Iterator[Slurm]:
    needs_slurm()
    made = Slurm(folder, **settings)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(made.conf))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Slurm]:
    """Give a Slurm of its own to one test."""
    yield from _running(tmp_path / "slurm")


@pytest.fixture
def forgetful_slurm(tmp_path: Path) -> Iterator[Slurm]:
    """Give a Slurm that drops ended jobs from its queue after two seconds."""
    yield from _running(tmp_path / "slurm", min_job_age=2)


@pytest.fixture
def limited_slurm(tmp_path: Path) -> Iterator[Slurm]:
    """Give a Slurm that limits memory, where this machine has cgroup v1 for it."""
    if not (MEMORY_GROUPS / "tasks").is_file():
        pytest.skip("memory is limited through cgroup v1, which this machine has not")
    yield from _running(tmp_path / "slurm", limits_memory=True)
