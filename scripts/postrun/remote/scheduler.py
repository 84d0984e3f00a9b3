"""The queue of a workstation whose runs are jobs of Slurm: what it says of a run.

The probe `slurm.sh` asks it. A job is the run's own when run.pid names it, or when its comment is
`postrun:<tag>` and it was submitted from the workstation's root. Of an array, whose jobs share one
comment, that is `postrun:<index>=<tag>,<index>=<tag>`.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postrun.core import locations, run_names, values
from postrun.core.errors import Unreachable

COMMENT = "postrun:"
GONE = "gone"  # the state of a job that was in the queue, or must have been, and is not any more
# Slurm's own words. Every other word, also one that a later version adds, is of a job that is at
# work: a run is not given up for a word that nobody knows.
_QUEUED = {
    *("PENDING", "REQUEUED", "REQUEUE_FED"),
    *("REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
}
_PAUSED = {"SUSPENDED", "STOPPED"}
_ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
    *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
}
# Such a job stays in the queue for ever.
_NEVER = "DependencyNeverSatisfied"
_HEADER = "JOBID"
_FIELDS = 5  # of a line: nonce, number, state, reason, and folder with comment


@dataclass(frozen=True)
class Job:
    """One job, as the scheduler speaks of it."""

    id: str  # as it shows it: `12`, or `12_3` in an array
    state: str
    reason: str = ""
    tag: str | None = None  # of its comment, as typed

    @property
    def is_queued(self) -> bool:
        """Return whether it waits for its start, the first one or another."""
        return self.state in _QUEUED and not self.has_ended

    @property
    def is_paused(self) -> bool:
        """Return whether it has started, and nothing of it moves."""
        return self.state in _PAUSED

    @property
    def has_ended(self) -> bool:
        """Return whether nothing of it is at work, nor will be."""
        return self.state == GONE or self.state in _ENDED or self.reason == _NEVER

    @property
    def is_lost(self) -> bool:
        """Return whether it was given up for a node that does not answer, where it may go on."""
        return self.state == "NODE_FAIL"

    def __str__(self) -> str:
        """Return the job with its state and the reason, in the scheduler's words."""
        if self.state == GONE:
            return f"Slurm job {self.id} is not in the queue any more"
        text = f"Slurm job {self.id} is {self.state}"
        if self.reason:
            text += f" ({self.reason})"
        return text


@dataclass(frozen=True)
class Queue:
    """What one query said."""

    jobs: tuple[Job, ...]
    named: frozenset[str] = frozenset()  # jobs that were asked for: they are listed if there
    cluster: str | None = None  # known when one of these is not listed
    hides_jobs: bool = False  # whether accounts see only their own jobs

    @property
    def waiting_tags(self) -> set[str]:
        """Return the tags of the jobs that have not ended, as typed."""
        return {job.tag for job in self.jobs if job.tag and not job.has_ended}


def read_queue(
    code: str,
    listing: str,
    nonce: str,
    root: str,
    details: Mapping[str, str],
) -> Queue:
    """Return what squeue said. Raises Unreachable when it failed: no answer is no empty queue.

    `details` has the texts of the probe's other parts: named, cluster, private.
    """
    rows = []
    for line in listing.split("\n"):
        fields = line.split("|", _FIELDS - 1)
        # A line that does not begin with the nonce is the rest of a comment.
        if fields[0] == nonce and len(fields) == _FIELDS:
            rows.append(fields[1:])
    if code != "0" or not rows or rows[0][0] != _HEADER:
        words = listing.split()
        raise Unreachable(
            "Slurm's queue on the workstation",
            "an answer of squeue",
            " ".join(words) or "nothing",
        )
    jobs = []
    for number, state, reason, place in rows[1:]:
        tag = _tag(place, root, number)
        if reason == "None":
            reason = ""
        jobs.append(Job(number, state, reason, tag))
    named = details["named"].split()
    cluster = details["cluster"].strip()
    return Queue(
        tuple(jobs),
        frozenset(named),
        cluster or None,
        hides_jobs="jobs" in details["private"],
    )


def _tag(place: str, root: str, number: str) -> str | None:
    """Return the tag in a job's comment; None when it has none, or is of another root.

    `place` is the folder it was submitted from and its comment. Any comment is anybody's text.
    """
    comment = place.removeprefix(f"{root}|")
    if comment == place or not comment.startswith(COMMENT):
        return None
    text = comment.removeprefix(COMMENT).strip()
    if "=" in text:
        text = _tag_in_array(text, number)
    return text if run_names.TAG.fullmatch(text) else None


def _tag_in_array(text: str, number: str) -> str:
    """Return the tag of one job of an array; empty when it has none."""
    index = number.partition("_")[2]
    for pair in text.split(","):
        name, _, tag = pair.partition("=")
        if name == index:
            return tag
    return ""


def named_job(record: Mapping[str, Any]) -> str | None:
    """Return the number of the job that run.pid names."""
    return values.text(values.member(record, "scheduler", "job_id"))


def job_of_run(queue: Queue | None, tag: str, record: Mapping[str, Any]) -> Job | None:
    """Return the job of a run; None when none is known, or when the queue is not asked.

    `record` is run.pid. A job that has not ended goes before one that has, and the one in run.pid
    before one that is known by its comment. A job of run.pid that is not listed is gone, unless it
    is of another cluster, or the queue hides jobs of others, or it was not asked for it.
    """
    if queue is None:
        return None
    named = named_job(record)
    run_jobs = []
    for job in queue.jobs:
        # A number may be used again, for a job of another tag.
        is_own = job.id == named
        if job.tag:
            is_own = run_names.is_tag(tag, job.tag)
        # Of a run that names its job, an ended one with its comment only says that it was tried
        # before, or by somebody else.
        if is_own and (named in (job.id, None) or not job.has_ended):
            run_jobs.append(job)

    def place(job: Job) -> tuple[bool, bool, list[int]]:
        parts = job.id.split("_")
        numbers = [int(part) for part in parts if part.isdecimal()]
        return not job.has_ended, job.id == named, numbers

    if run_jobs:
        return max(run_jobs, key=place)
    if named is None or named not in queue.named or queue.hides_jobs:
        return None
    cluster = values.member(record, "scheduler", "cluster")
    if cluster is None or cluster != queue.cluster:
        return None
    return Job(named, GONE)


def submission(command: Sequence[str], tag: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command that submits a command as a job of a tag, with options of sbatch.

    Its output is beside the run folders: there the launcher says which one it made, or why none.
    """
    return _submission(tag, "slurm-%j.out", shlex.join(command), options)


def array_submission(
    tasks: Mapping[int, tuple[str, Sequence[str]]],
    options: Sequence[str] = (),
) -> list[str]:
    """Return the command that submits several commands as one array of jobs.

    `tasks` has the tag and the command of each job, by its index in the array.
    """
    tags = []
    cases = []
    for index, (tag, command) in sorted(tasks.items()):
        tags.append(f"{index}={tag}")
        cases.append(f"{index}) {shlex.join(command)} ;;")
    lines = ["case $SLURM_ARRAY_TASK_ID in", *cases, "esac"]
    indices = map(str, sorted(tasks))
    return _submission(
        ",".join(tags),
        "slurm-%A_%a.out",
        "\n".join(lines),
        [*options, "--array", ",".join(indices)],
    )


def _submission(tags: str, output: str, script: str, options: Sequence[str]) -> list[str]:
    # Of an option that is given twice the last one counts: these must.
    argv = ["sbatch", *options, "--no-requeue"]
    argv += ["--comment", f"{COMMENT}{tags}"]
    argv += ["--output", f"{locations.RUNS}/{output}"]
    return [*argv, "--wrap", script]
