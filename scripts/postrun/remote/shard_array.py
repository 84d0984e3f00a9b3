"""Shards as one array of jobs of the Slurm of this machine, whose nodes share the workspace.

Only shards that are not done are submitted. The number of the job is noted beside the shards: who
asks again while the array is at work waits for it, and submits nothing twice.
"""

import os
import shlex
import sys
import time
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
_POLL = 2.0  # seconds between two looks at the queue
# Seconds until a file that another node wrote is seen here: the longest that NFS keeps names.
_VISIBLE = 60.0
_OPEN = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "STOPPED")
_COMPLETED = "COMPLETED"


@dataclass(frozen=True)
class ShardArray:
    """All shards of some cuts: the commands of a shard lack only its number."""

    root: Path
    purpose: str
    cuts: Sequence[Cut]
    commands: Sequence[Sequence[str]]
    of: int

    @property
    def folder(self) -> Path:
        """Return where the number of the job is, and what the jobs print."""
        return shard_files.own_folder(self.root) / f"{self.purpose}-jobs-{self.of}"

    def complete(self) -> None:
        """Let Slurm do the shards that are not done, and wait.

        Raises Missing when there is no Slurm, and when a shard has no result at the end.
        """
        states: dict[int, str] = {}
        job = self._noted_job()
        if job:
            states = self._await(job, ())
        numbers = self._numbers_to_do()
        terminal.say(f"{self.of - len(numbers)} of {self.of} shards are done")
        if numbers:
            job = self._submit(numbers)
            states = self._await(job, numbers)
        self._check(job, states)

    def _numbers_to_do(self) -> list[int]:
        numbers = []
        for number in range(1, self.of + 1):
            if any(shards.find_done(cut, number) is None for cut in self.cuts):
                numbers.append(number)
        return numbers

    def _noted_job(self) -> str:
        content = disk.read_optional(self.folder / "job")
        job = (content or b"").decode(errors="replace").strip()
        return job if job.isascii() and job.isdecimal() else ""

    def _submit(self, numbers: Sequence[int]) -> str:
        """Submit an array of these shards; return its number. Raises Missing."""
        shard_files.make_folder(self.folder)
        settings = configuration.workstation()
        argv = ["sbatch", *settings.get("scheduler_options", []), "--parsable"]
        argv += ["--job-name", f"postrun-{self.purpose}", "--chdir", str(PROJECT)]
        argv += ["--output", f"{self.folder}/slurm-%A_%a.out"]
        argv += ["--array", ",".join(map(str, numbers))]
        done = commands.run([*argv, "--wrap", self._script()], _TIMEOUT)
        answer = done.stdout.decode(errors="replace").strip()
        # With several clusters: `number;cluster`.
        job = answer.partition(";")[0]
        if done.code or not job.isdecimal():
            found = done.stderr.strip() or answer or "nothing"
            hint = "without Slurm, run each shard by hand: see docs/RUNBOOK.md"
            raise Missing("sbatch", "the number of a job", found, hint)
        disk.replace(self.folder / "job", job.encode())
        terminal.say(f"Slurm job {job}: {terminal.counted(len(numbers), 'shard')} submitted")
        return job

    def _script(self) -> str:
        """Return what each job runs: all commands of its shard; it fails when one of them does."""
        lines = ["code=0"]
        for command in self.commands:
            line = shlex.join([sys.executable, *command])
            lines.append(f'{line} --shard "$SLURM_ARRAY_TASK_ID/{self.of}" || code=$?')
        return "\n".join([*lines, "exit $code"])

    def _await(self, job: str, numbers: Sequence[int]) -> dict[int, str]:
        """Return the last state of each shard of a job, when none is at work any more.

        `numbers` are those of a job that was submitted just now.
        """
        try:
            return self._poll(job, numbers)
        except KeyboardInterrupt:
            again = "the same command waits for it again"
            terminal.error(f"Slurm job {job} goes on: {again}, and `scancel {job}` ends it")
            raise

    def _poll(self, job: str, numbers: Sequence[int]) -> dict[int, str]:
        known = dict.fromkeys(numbers, "PENDING")
        shown = ""
        quiet_since = time.monotonic()
        while True:
            states = _ask(job)
            if states is not None:
                known |= states
                # What has left the queue is not at work.
                for number in known.keys() - states.keys():
                    if known[number] in _OPEN:
                        known[number] = _COMPLETED
            summary = _summary(job, known)
            if states is None:
                summary = f"Slurm job {job}: squeue does not answer"
            if summary != shown:
                terminal.say(summary)
                shown = summary
            if states is None or any(state in _OPEN for state in known.values()):
                quiet_since = time.monotonic()
            elif self._are_seen(known) or time.monotonic() - quiet_since > _VISIBLE:
                return known
            time.sleep(_POLL)

    def _are_seen(self, states: dict[int, str]) -> bool:
        """Return whether the files of the jobs that ended well are here."""
        paths = []
        for number, state in states.items():
            if state == _COMPLETED:
                paths += [cut.path(number) for cut in self.cuts]
        return all(path.exists() for path in paths)

    def _check(self, job: str, states: dict[int, str]) -> None:
        """Raise Missing when a shard cannot be joined; each is shown with what its job printed."""
        failed = []
        # The runs as they are now, and not as they were when the jobs were submitted.
        cuts = [replace(cut) for cut in self.cuts]
        for number in range(1, self.of + 1):
            for cut in cuts:
                try:
                    cut.load(number)
                except PostRunError as error:
                    failed.append(number)
                    state = states.get(number, "not submitted")
                    output = self.folder / f"slurm-{job}_{number}.out"
                    terminal.error(f"{error}; its job is {state}, see {output}")
        if failed:
            number = len(set(failed))
            expected = f"all {self.of} of them done"
            found = f"{number} that cannot be joined"
            which = "this" if number == 1 else "these"
            hint = f"the same command again does only {which}"
            raise Missing("shards", expected, found, hint)


def _ask(job: str) -> dict[int, str] | None:
    """Return the state of each shard of a job in the queue; None when Slurm does not answer."""
    # Of a number that has left the queue, squeue would say that it is invalid.
    own_jobs = ["--user", str(os.geteuid()), "--states", "all"]
    command = ["squeue", "--noheader", "--array", *own_jobs, "--format", "%F %K %T"]
    try:
        done = commands.run(command, _TIMEOUT)
    except TimeoutError:
        return None
    if done.code:
        terminal.detail(done.stderr)
        return None
    states = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        array, number, state = line.split()
        if array == job and number.isdecimal():
            states[int(number)] = state
    return states


def _summary(job: str, states: dict[int, str]) -> str:
    """Return how many shards of a job are in which state."""
    counts: dict[str, int] = {}
    for state in states.values():
        counts[state] = counts.get(state, 0) + 1
    parts = [f"{number} {state}" for state, number in sorted(counts.items())]
    return f"Slurm job {job}: {', '.join(parts) or 'not in the queue'}"
