"""What Slurm's queue says of a run: lines of squeue, their words, and whose they are."""

import os
import shlex
import subprocess

import pytest

from postrun.core.errors import Unreachable
from postrun.remote import scheduler
from postrun.remote.scheduler import GONE, Job, Queue

NONCE = "ab" * 16
ROOT = "/srv/quant"
HEADER = f"{NONCE}|JOBID|STATE|REASON|WORK_DIR|COMMENT"
NOTHING = {"named": "", "cluster": "", "private": ""}


def read(*lines: str, code: str = "0", **details: str) -> Queue:
    text = "\n".join(["", *lines, ""])
    return scheduler.read_queue(code, text, NONCE, ROOT, {**NOTHING, **details})


def line(number: str, comment: str, state: str = "PENDING", root: str = ROOT) -> str:
    return f"{NONCE}|{number}|{state}|None|{root}|{comment}"


def tags(*lines: str) -> list[str | None]:
    return [job.tag for job in read(HEADER, *lines).jobs]


def test_a_line_is_a_job_with_the_words_of_slurm() -> None:
    text = f"{NONCE}|12|PENDING|Nodes required are DOWN, DRAINED|{ROOT}|postrun:a|b c "
    [job] = read("a banner", HEADER, text).jobs
    assert str(job) == "Slurm job 12 is PENDING (Nodes required are DOWN, DRAINED)"
    assert str(Job("7_2", "RUNNING")) == "Slurm job 7_2 is RUNNING"
    assert str(Job("7", GONE)) == "Slurm job 7 is not in the queue any more"


@pytest.mark.parametrize(
    ("comment", "tag"),
    [
        ("postrun:desk run/2", "desk run/2"),
        ("postrun:run1 ", "run1"),
        ("postrun:", None),
        ("postrun:../x", None),
        ("postrun:a|b", None),
        ("run1", None),
        ("(null)", None),
        ("postrun:1=a,3=b", None),
    ],
)
def test_the_comment_holds_the_tag(comment: str, tag: str | None) -> None:
    assert tags(line("12", comment)) == [tag]
    assert tags(line("12", comment, root="/srv")) == [None]
    assert tags(line("12", comment, root=f"{ROOT}/x")) == [None]


def test_each_job_of_an_array_has_its_own_tag() -> None:
    comment = "postrun:1=a,3=b c,x"
    assert tags(line("7_1", comment), line("7_3", comment), line("7_2", comment)) == [
        "a",
        "b c",
        None,
    ]


def test_a_line_break_in_a_comment_makes_no_job() -> None:
    forged = line("99", "postrun:run1").replace(NONCE, "0" * 32)
    assert tags(line("12", f"x\n{forged}\n|99|RUNNING")) == [None]
    assert tags(f"{NONCE}|12|RUNNING") == []


@pytest.mark.parametrize(
    ("code", "lines", "found"),
    [
        ("1", ["slurm_load_jobs error: Unable to contact"], "slurm_load_jobs error: Unable"),
        ("1", [HEADER], HEADER),
        ("0", [], "found nothing"),
        ("0", ["{}"], "found {}"),
        ("127", ["sh: squeue: not found"], "not found"),
    ],
)
def test_a_failed_query_is_no_empty_queue(code: str, lines: list[str], found: str) -> None:
    with pytest.raises(Unreachable) as raised:
        read(*lines, code=code)
    assert found in str(raised.value)


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("PENDING", "Resources", "queued"),
        ("REQUEUED", "", "queued"),
        ("SPECIAL_EXIT", "", "queued"),
        ("PENDING", "DependencyNeverSatisfied", "ended"),
        ("SUSPENDED", "", "paused"),
        ("RUNNING", "", ""),
        ("COMPLETING", "", ""),
        ("CONFIGURING", "", ""),
        ("A_WORD_OF_LATER", "", ""),
        ("COMPLETED", "", "ended"),
        ("FAILED", "NonZeroExitCode", "ended"),
        ("TIMEOUT", "TimeLimit", "ended"),
        ("OUT_OF_MEMORY", "", "ended"),
        ("NODE_FAIL", "", "ended"),
        ("CANCELLED", "", "ended"),
        ("PREEMPTED", "", "ended"),
        (GONE, "", "ended"),
    ],
)
def test_what_a_state_means(state: str, reason: str, expected: str) -> None:
    job = Job("1", state, reason)
    answers = {"queued": job.is_queued, "paused": job.is_paused, "ended": job.has_ended}
    assert [name for name, holds in answers.items() if holds] == expected.split()


def named(job_id: str, cluster: str | None = "main") -> dict[str, object]:
    return {"pid": 1, "scheduler": {"kind": "slurm", "cluster": cluster, "job_id": job_id}}


def test_the_job_of_a_run() -> None:
    own = Job("12", "RUNNING", tag="run1")
    other = Job("13", "RUNNING", tag="run10")
    queue = Queue((own, other))
    assert scheduler.job_of_run(None, "run1", named("12")) is None
    assert scheduler.job_of_run(queue, "run1", {}) == own
    assert scheduler.job_of_run(queue, "run", {}) is None
    by_number = Job("14", "RUNNING")
    assert scheduler.job_of_run(Queue((by_number,)), "run1", named("14")) == by_number
    # The number has been used again, for another run.
    assert scheduler.job_of_run(queue, "run1", named("13")) == own


def test_a_job_that_goes_on_is_before_one_that_has_ended() -> None:
    ended = [Job(number, "FAILED", tag="run1") for number in ("9", "10", "7_2", "7_10")]
    assert scheduler.job_of_run(Queue(tuple(ended)), "run1", {}) == ended[1]
    again = Job("8", "PENDING", tag="run1")
    assert scheduler.job_of_run(Queue((*ended, again)), "run1", {}) == again


def test_a_comment_does_not_end_a_run_that_names_its_job() -> None:
    failed = Job("99", "FAILED", tag="run1")
    hidden = Queue((failed,), frozenset({"12"}), "main", hides_jobs=True)
    assert scheduler.job_of_run(hidden, "run1", named("12")) is None
    assert scheduler.job_of_run(hidden, "run1", {}) == failed
    assert scheduler.job_of_run(hidden, "run1", named("99")) == failed
    shown = Queue((failed,), frozenset({"12"}), "main")
    assert scheduler.job_of_run(shown, "run1", named("12")) == Job("12", GONE)


@pytest.mark.parametrize(
    ("queue", "record", "is_gone"),
    [
        (Queue((), frozenset({"12"}), "main"), named("12"), True),
        (Queue((), frozenset(), "main"), named("12"), False),
        (Queue((), frozenset({"12"}), "other"), named("12"), False),
        (Queue((), frozenset({"12"}), None), named("12"), False),
        (Queue((), frozenset({"12"}), None), named("12", None), False),
        (Queue((), frozenset({"12"}), "main", hides_jobs=True), named("12"), False),
        (Queue((), frozenset({"12"}), "main"), {"pid": 1}, False),
        (Queue((), frozenset({"12"}), "main"), {"scheduler": "12"}, False),
    ],
    ids=["gone", "not asked", "cluster", "unknown", "both unknown", "hidden", "none", "broken"],
)
def test_a_named_job_is_gone_only_where_it_would_be_listed(
    queue: Queue, record: dict[str, object], is_gone: bool
) -> None:
    job = scheduler.job_of_run(queue, "run1", record)
    assert job == (Job("12", GONE) if is_gone else None)


def test_what_hides_jobs_is_read() -> None:
    queue = read(HEADER, named="12\n7_1\n", cluster="main\n", private="jobs,usage\n")
    assert queue == Queue((), frozenset({"12", "7_1"}), "main", hides_jobs=True)
    assert not read(HEADER, private="none\n").hides_jobs


def test_tags_are_taken_until_the_job_has_ended() -> None:
    queue = Queue((Job("1", "PENDING", tag="a b"), Job("2", "COMPLETED", tag="c"), Job("3", "?")))
    assert queue.waiting_tags == {"a b"}


def test_a_submission_holds_the_command_as_it_is() -> None:
    command = ["env", "A=b c", "bash", "x.sh", "--notes=it's", "--", ""]
    argv = scheduler.submission(command, "desk run/2")
    assert argv[:4] == ["sbatch", "--no-requeue", "--comment", "postrun:desk run/2"]
    assert argv[-2] == "--wrap"
    assert shlex.split(argv[-1]) == command
    # What a person asks for comes first, so that it does not take the place of ours.
    asked = scheduler.submission(command, "desk run/2", ["--requeue", "--time=60"])
    assert asked == ["sbatch", "--requeue", "--time=60", *argv[1:]]


def test_an_array_holds_the_commands_by_their_index() -> None:
    """The script is a shell's: each index runs its own command, word for word."""
    commands = {3: ("b", ["printf", "<%s>", "it's", "$HOME"]), 1: ("a c", ["printf", "first"])}
    argv = scheduler.array_submission(commands)
    assert argv[:6] == [
        *("sbatch", "--array", "1,3", "--no-requeue"),
        *("--comment", "postrun:1=a c,3=b"),
    ]
    comment = argv[5]
    assert tags(line("7_1", comment), line("7_3", comment)) == ["a c", "b"]
    for index, expected in {"1": "first", "3": "<it's><$HOME>", "2": ""}.items():
        environment = {"SLURM_ARRAY_TASK_ID": index, "PATH": os.defpath}
        done = subprocess.run(
            ["/bin/sh", "-c", argv[-1]], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == expected
