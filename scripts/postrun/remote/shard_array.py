"""Shards as one array of jobs of the Slurm of this machine, whose nodes share the workspace.

Only shards that are not done are submitted. The number of the job is noted beside the shards: who
asks again while the array is at work waits for it, and submits nothing twice.
"""

import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postrun.core import disk, terminal
from postrun.core.errors import Missing, PostRunError
from postrun.core.locations import PROJECT
from postrun.remote import commands
from postrun.store import configuration, shard_files, shards
from postrun.store.shards import Cut

_TIMEOUT = 60.0  # seconds for a program of Slurm
_PAUSE = 2.0  # seconds between two looks at the queue
# Seconds until a file that another node wrote is seen here: the longest that NFS keeps names.
_UNSEEN = 60.0
_COMPLETED, _PENDING = "COMPLETED", "PENDING"
_OPEN = {
    *(_PENDING, "CONFIGURING", "RUNNING", "COMPLETING"),
    *("SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"),
    *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING"),
}
States = dict[int, str]  # of each shard's job, in Slurm's words


@dataclass(frozen=True)
class ShardArray:
    """All shards of some cuts. What a job runs is these commands, with the number of its shard."""

    root: Path
    purpose: str
    cuts: Sequence[Cut]
    commands: Sequence[Sequence[str]]
    of: int

    @property
    def folder(self) -> Path:
        """Return where the number of the job is, and what the jobs print."""
        own_folder = shard_files.own_folder(self.root)
        return own_folder / f"{self.purpose}-jobs-{self.of}"

    @property
    def numbers(self) -> range:
        """Return the numbers of all shards."""
        return range(1, self.of + 1)

    def complete(self) -> None:
        """Run the shards that are not done as jobs of Slurm, and wait.

        Raises Missing when there is no Slurm, and when a shard cannot be joined at the end.
        """
        states: States = {}
        job = self._noted_job()
        if job:
            states = self._await(job, ())
        numbers = list(filter(self._is_to_do, self.numbers))
        done = self.of - len(numbers)
        terminal.say(f"{done} of {self.of} shards are done")
        if numbers:
            job = self._submit(numbers)
            states = self._await(job, numbers)
        self._check(job, states)

    def _is_to_do(self, number: int) -> bool:
        results = [shards.find_done(cut, number) for cut in self.cuts]
        return None in results

    def _noted_job(self) -> str:
        """Return the number of a job that somebody began to wait for; empty when there is none."""
        content = disk.read_optional(self.folder / "job") or b""
        job = content.decode(errors="replace")
        if job.isascii() and job.isdecimal():
            return job
        return ""

    def _note_job(self, job: str) -> None:
        disk.replace(self.folder / "job", job.encode())

    def _submit(self, numbers: Sequence[int]) -> str:
        """Start an array of these shards; return the number of its job. Raises Missing."""
        shard_files.make_folder(self.folder)
        settings = configuration.workstation()
        options = settings.get("scheduler_options", [])
        indices = ",".join(map(str, numbers))
        # Of an option that is given twice the last one counts: these must.
        argv = ["sbatch", *options, "--parsable"]
        argv += ["--job-name", f"postrun-{self.purpose}"]
        argv += ["--chdir", str(PROJECT)]
        argv += ["--output", f"{self.folder}/slurm-%A_%a.out"]
        argv += ["--array", indices]
        argv += ["--wrap", self._script()]
        done = commands.run(argv, _TIMEOUT)
        answer = done.stdout.decode(errors="replace").strip()
        # With several clusters it is `number;cluster`.
        job = answer.partition(";")[0]
        if done.code != 0 or not job.isdecimal():
            found = done.stderr.strip() or answer or "nothing"
            hint = "without Slurm, run each shard by hand: see docs/RUNBOOK.md"
            raise Missing("sbatch", "the number of a job", found, hint)
        self._note_job(job)
        submitted = terminal.counted(len(numbers), "shard")
        terminal.say(f"Slurm job {job}: {submitted} submitted")
        return job

    def _script(self) -> str:
        """Return what each job runs: all commands of its shard; it fails when one of them does."""
        shard = f'"$SLURM_ARRAY_TASK_ID/{self.of}"'
        lines = ["code=0"]
        for command in self.commands:
            line = shlex.join([sys.executable, *command])
            lines.append(f"{line} --shard {shard} || code=$?")
        lines.append("exit $code")
        return "\n".join(lines)

    def _await(self, job: str, numbers: Sequence[int]) -> States:
        """Return the last state of each shard of a job, when none is at work any more.

        `numbers` are those of a job that was submitted just now.
        """
        try:
            states = self._poll(job, numbers)
        except KeyboardInterrupt:
            again = "the same command waits for it again"
            terminal.error(f"Slurm job {job} goes on: {again}, and `scancel {job}` ends it")
            raise
        self._note_job("")
        return states

    def _poll(self, job: str, numbers: Sequence[int]) -> States:
        states = dict.fromkeys(numbers, _PENDING)
        shown = ""
        ended_at = None
        while True:
            queue = _ask(job)
            summary = f"Slurm job {job}: squeue does not answer"
            if queue is not None:
                states = _updated(states, queue)
                summary = _summary(job, states)
            if summary != shown:
                terminal.say(summary)
                shown = summary
            is_open = queue is None or not _OPEN.isdisjoint(states.values())
            if is_open:
                ended_at = None
            elif ended_at is None:
                ended_at = time.monotonic()
            if ended_at is not None:
                waited = time.monotonic() - ended_at
                if waited > _UNSEEN or self._are_seen(states):
                    return states
            time.sleep(_PAUSE)

    def _are_seen(self, states: States) -> bool:
        """Return whether the files of the jobs that ended well are here."""
        paths = []
        for number, state in states.items():
            if state == _COMPLETED:
                paths += [cut.path(number) for cut in self.cuts]
        return all(path.exists() for path in paths)

    def _check(self, job: str, states: States) -> None:
        """Show each shard that cannot be joined, with what its job printed. Raises Missing."""
        failed = set()
        # The runs as they are now, and not as they were when the jobs were submitted.
        cuts = [replace(cut) for cut in self.cuts]
        for number in self.numbers:
            for cut in cuts:
                try:
                    cut.load(number)
                except PostRunError as error:
                    failed.add(number)
                    state = states.get(number, "not submitted")
                    output = self.folder / f"slurm-{job}_{number}.out"
                    terminal.error(f"{error}; its job is {state}, see {output}")
        if not failed:
            return
        number = len(failed)
        which = "this" if number == 1 else "these"
        expected = f"all {self.of} of them done"
        found = f"{number} that cannot be joined"
        hint = f"the same command again does only {which}"
        raise Missing("shards", expected, found, hint)


def _ask(job: str) -> States | None:
    """Return the state of each shard of a job in the queue; None when Slurm does not answer."""
    # Asked for a number that has left the queue, squeue would say that it is invalid.
    account = str(os.geteuid())
    command = ["squeue", "--noheader", "--array"]
    command += ["--user", account, "--states", "all"]
    command += ["--format", "%F %K %T"]
    try:
        done = commands.run(command, _TIMEOUT)
    except TimeoutError:
        return None
    if done.code != 0:
        terminal.detail(done.stderr)
        return None
    states = {}
    listing = done.stdout.decode(errors="replace")
    for line in listing.splitlines():
        array, number, state = line.split()
        if array == job and number.isdecimal():
            states[int(number)] = state
    return states


def _updated(states: States, queue: States) -> States:
    """Return the states that are known after the queue was asked."""
    known = states | queue
    for number in states.keys() - queue.keys():
        # What has left the queue is not at work; whether it went well, its file says.
        if known[number] in _OPEN:
            known[number] = _COMPLETED
    return known


def _summary(job: str, states: States) -> str:
    """Return how many shards of a job are in which state."""
    counts = Counter(states.values())
    parts = [f"{counts[state]} {state}" for state in sorted(counts)]
    listed = ", ".join(parts) or "not in the queue"
    return f"Slurm job {job}: {listed}"
