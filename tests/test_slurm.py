"""Runs that are jobs of a real Slurm: submitted, found, watched and closed.

Each state of a job is provoked and seen by the monitor. The workstation's folder is this machine's,
so `ps` would see a job's processes; runs that other launchers made show that it is not asked alone.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_workstation
import pytest

import execute_next_run_plan
import monitor_then_finalize
import post_run_sync_and_finalize as conductor
import start_official_run
import watch_runs
from harness import factory
from harness.programs import SCRIPTS, run_script, wait_for
from harness.sample import DATA, gate_words
from harness.slurm import Slurm
from harness.sshd import Sshd
from harness.workspace import decisions, location_flags
from postrun.core.locations import PROJECT

TAG = f"slurm_{os.getpid()}"
RUNS = "audit/workstation_runs"
FAST = ["--interval", "0.2", "--grace", "0.5"]
ENDLESS = "sleep 300"
Look = Callable[..., dict[str, Any]]


def flags(remote: Path, local: Path, *more: str) -> list[str]:
    return [*location_flags(remote, local), "--scheduler", "slurm", *more]


@pytest.fixture
def look(remote: Path, local: Path) -> Look:
    """Return what polls once and gives state, words and exit code of the run of a tag."""

    def poll(*more: str, tag: str = TAG) -> dict[str, Any]:
        words = flags(remote, local, "--tag", tag, *FAST, "--once", "--json", *more)
        done = run_script("monitor_then_finalize", *words)
        assert done.out, done.err
        answer: dict[str, Any] = json.loads(done.out)
        return answer

    return poll


def submit(slurm: Slurm, remote: Path, command: str = ENDLESS, *more: str, tag: str = TAG) -> str:
    """Submit a job from the root as another launcher does, with the comment."""
    usual = ["--no-requeue", f"--chdir={remote}", f"--comment=postrun:{tag}"]
    return slurm.submit(*usual, *more, "--wrap", command)


def make_folder(remote: Path, job: str | None = None, **changes: Any) -> Path:
    """Make the run folder of a run that goes on; with a job, run.pid names it."""
    made = factory.documents(tag=TAG)
    made.result = made.report = None
    made.context["hostname"] = made.preflight["hostname"] = socket.gethostname()
    made.write(remote)
    folder = made.run_dir(remote)
    if job:
        named = {"kind": "slurm", "cluster": "tests", "job_id": job, "restart_count": 0}
        factory.put(folder / "run.pid", {"pid": 1, "scheduler": {**named, **changes}})
    return folder


def end_well(remote: Path) -> None:
    """Give the run its result and its report."""
    factory.documents(tag=TAG).write(remote)


def start(remote: Path, local: Path, *more: str, tag: str = TAG) -> int:
    gate = " ".join(gate_words("momentum_12_1"))
    run = ["--tag", tag, "--data", DATA, "--threads", "1", "--gate", gate]
    return start_official_run.main(flags(remote, local, *run, *more))


def test_a_run_is_submitted_watched_and_closed(
    slurm: Slurm, remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workstation.lay_out(remote)
    assert start(remote, local, "--dry-run") == 0
    assert not (remote / RUNS).exists()
    assert start(remote, local) == 0
    shown = capsys.readouterr()
    assert f"sbatch --no-requeue --comment postrun:{TAG} --output {RUNS}/slurm-%j.out" in shown.out
    assert "Submitted batch job 1" in shown.err
    assert "sbatch ended with exit code 0" in shown.err

    assert monitor_then_finalize.main(flags(remote, local, "--tag", TAG, *FAST)) == 0
    assert [row["decision_tag"] for row in decisions(local)] == [TAG]
    [run] = local.glob(f"{RUNS}/*_production_gates_{TAG}")
    named = {"kind": "slurm", "cluster": "tests", "job_id": "1", "restart_count": 0}
    for name in ("run.pid", "context.json"):
        assert json.loads((run / name).read_text())["scheduler"] == named
    [output] = remote.glob(f"{RUNS}/slurm-1.out")
    assert str(run.name) in output.read_text()
    assert slurm.state("1") == "COMPLETED"


@pytest.mark.nightly
def test_a_queued_run_has_appeared_and_its_tag_is_taken(
    slurm: Slurm, remote: Path, local: Path, look: Look, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workstation.lay_out(remote)
    job = submit(slurm, remote, ENDLESS, "--hold")
    held = f"Slurm job {job} is PENDING (JobHeldUser); there is no run folder yet"
    answer = look()
    assert (answer["state"], answer["words"], answer["exit_code"]) == ("waiting", held, 10)
    patient = [*FAST, "--appear-timeout", "0.5", "--deadline", "2"]
    monitor = flags(remote, local, "--tag", TAG, *patient)
    assert monitor_then_finalize.main(monitor) == 8
    assert watch_runs.main(flags(remote, local, *FAST, "--once")) == 10
    assert f"10 waiting local {TAG}: {held}" in capsys.readouterr().out
    assert start(remote, local) == 5
    assert "a run that has it" in capsys.readouterr().err
    slurm.cancel(job)
    answer = look()
    assert (answer["state"], answer["exit_code"]) == ("dead", 7)
    assert f"Slurm job {job} is CANCELLED" in answer["words"]
    assert answer["words"].endswith("and there is no run folder")


@pytest.mark.nightly
def test_a_raw_tag_is_found_by_its_comment(slurm: Slurm, remote: Path, look: Look) -> None:
    submit(slurm, remote, ENDLESS, "--hold", tag="desk run/2")
    assert look(tag="desk run/2")["words"].startswith("Slurm job 1 is PENDING")
    assert look(tag="desk_run_2")["words"].startswith("Slurm job 1 is PENDING")
    assert look(tag="desk_run")["words"].startswith("no run folder has this tag yet")


@pytest.mark.nightly
def test_what_runs_elsewhere_is_not_dead(
    slurm: Slurm, remote: Path, local: Path, look: Look
) -> None:
    """No process names the run here, and its files have this host's name: today's rule is dead."""
    job = submit(slurm, remote)
    slurm.await_state(job, "RUNNING")
    make_folder(remote)
    plain = ["--tag", TAG, *location_flags(remote, local), *FAST, "--scheduler", "none"]
    assert monitor_then_finalize.main([*plain, "--dry-run"]) == 10
    assert monitor_then_finalize.main(plain) == 7
    answer = look()
    assert (answer["state"], answer["words"]) == ("running", f"Slurm job {job} is RUNNING")
    abandoned = flags(remote, local, "--tag", TAG, "--abandoned", "too slow")
    done = run_script("post_run_sync_and_finalize", *abandoned)
    assert done.code == 10
    assert f"expected no job at work on it, found Slurm job {job} is RUNNING" in done.err


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("command", "more", "word"),
    [
        ("true", (), "COMPLETED"),
        ("exit 3", (), "FAILED (NonZeroExitCode)"),
        pytest.param(ENDLESS, ("--time=0:01",), "TIMEOUT (TimeLimit)", id="a minute"),
    ],
)
def test_what_ends_without_a_result_is_dead(
    slurm: Slurm, remote: Path, look: Look, command: str, more: tuple[str, ...], word: str
) -> None:
    job = submit(slurm, remote, command, *more)
    make_folder(remote)
    state = word.partition(" ")[0]
    slurm.await_state(job, state, seconds=120)
    answer = look()
    words = f"Slurm job {job} is {word} and there is no result.json"
    assert (answer["state"], answer["words"], answer["exit_code"]) == ("dead", words, 7)
    # What a result says is what counts, whatever became of the job.
    end_well(remote)
    answer = look("--until", "complete")
    words = f"result.json is valid, Slurm job {job} is {word} and files have stopped changing"
    assert (answer["state"], answer["words"]) == ("complete", words)


@pytest.mark.nightly
def test_a_job_that_wants_too_much_memory_is_dead(
    limited_slurm: Slurm, remote: Path, look: Look
) -> None:
    greedy = f"{sys.executable} -c 'x = bytearray(300 << 20); input()'; sleep 1"
    job = submit(limited_slurm, remote, greedy, "--mem=50")
    make_folder(remote)
    limited_slurm.await_state(job, "OUT_OF_MEMORY")
    answer = look()
    assert answer["state"] == "dead"
    assert answer["words"].startswith(f"Slurm job {job} is OUT_OF_MEMORY (OutOfMemory)")


@pytest.mark.nightly
def test_a_job_that_moves_among_states_is_followed(slurm: Slurm, remote: Path, look: Look) -> None:
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    job = submit(slurm, remote, deaf, "--requeue", "-n", "8")
    slurm.await_state(job, "RUNNING")
    make_folder(remote, job)

    slurm.control("suspend", job)
    answer = look()
    assert (answer["state"], answer["words"]) == ("stalled", f"Slurm job {job} is SUSPENDED")
    slurm.control("resume", job)
    assert look()["state"] == "running"

    urgent = slurm.submit("--partition=urgent", "-n", "8", "--wrap", "sleep 3")
    slurm.await_state(job, "COMPLETING")
    assert look()["words"] == f"Slurm job {job} is COMPLETING"
    slurm.await_state(job, "PENDING")
    answer = look()
    assert answer["state"] == "waiting"
    assert answer["words"].startswith(f"Slurm job {job} is PENDING (")
    assert answer["words"].endswith("), and starts the run again")
    slurm.cancel(urgent)

    # Slurm keeps a requeued job from its next start for two minutes.
    slurm.control("update", f"jobid={job}", "starttime=now")
    slurm.await_state(job, "RUNNING")
    slurm.control("requeuehold", job)
    slurm.await_state(job, "PENDING")
    answer = look()
    assert answer["state"] == "waiting"
    assert "job requeued in held state" in answer["words"]
    slurm.cancel(job)
    slurm.await_state(job, "CANCELLED")
    answer = look()
    assert (answer["state"], answer["exit_code"]) == ("dead", 7)


@pytest.mark.nightly
def test_a_preempted_job_that_does_not_come_back_is_dead(
    slurm: Slurm, remote: Path, look: Look
) -> None:
    job = submit(slurm, remote, ENDLESS, "-n", "8")
    slurm.await_state(job, "RUNNING")
    make_folder(remote, job)
    slurm.submit("--partition=urgent", "-n", "8", "--wrap", "sleep 1")
    slurm.await_state(job, "PREEMPTED")
    answer = look()
    assert answer["state"] == "dead"
    assert answer["words"].startswith(f"Slurm job {job} is PREEMPTED")


@pytest.mark.nightly
def test_a_job_whose_dependency_failed_never_starts(slurm: Slurm, remote: Path, look: Look) -> None:
    first = slurm.submit("--wrap", "exit 1")
    job = submit(slurm, remote, ENDLESS, f"--dependency=afterok:{first}")
    words = f"Slurm job {job} is PENDING (DependencyNeverSatisfied) and there is no run folder"
    wait_for(lambda: look()["words"] == words, 30)
    answer = look()
    assert (answer["state"], answer["exit_code"]) == ("dead", 7)


@pytest.mark.nightly
def test_a_controller_that_is_away_is_no_answer(
    slurm: Slurm, remote: Path, local: Path, look: Look
) -> None:
    job = submit(slurm, remote)
    slurm.await_state(job, "RUNNING")
    make_folder(remote, job)
    assert look()["state"] == "running"
    slurm.stop_controller()
    outage = flags(remote, local, "--tag", TAG, *FAST, "--outage-budget", "1")
    done = run_script("monitor_then_finalize", *outage)
    assert done.code == 6
    assert "Slurm's queue on the workstation: expected an answer of squeue, found" in done.err
    assert "Unable to contact slurm controller" in done.err
    assert "dead" not in done.err
    # Nor is a run complete for whose job nobody can answer.
    end_well(remote)
    assert look("--until", "complete")["state"] == "unreachable"
    slurm.start_controller()
    wait_for(lambda: slurm.state(job) == "RUNNING")
    answer = look("--until", "complete")
    assert answer["state"] == "settling"
    assert answer["words"] == f"result.json is present, but Slurm job {job} is RUNNING"


@pytest.mark.nightly
def test_a_node_that_fails_is_dead_only_without_its_processes(
    slurm: Slurm, remote: Path, local: Path, look: Look
) -> None:
    """The controller gives the node up; what runs there does not know that."""
    command = f"exec {sys.executable} -c 'import time; time.sleep(300)' --decision-tag {TAG}"
    job = submit(slurm, remote, command)
    slurm.await_state(job, "RUNNING")
    make_folder(remote, job)
    slurm.kill_node_daemon()
    slurm.await_state(job, "NODE_FAIL", seconds=120)
    answer = look()
    assert (answer["state"], answer["words"]) == ("running", "1 process is running")
    # Slurm ends what is left there when it is back.
    slurm.start_node_daemon()
    lost = f"Slurm job {job} is NODE_FAIL (NodeDown)"
    wait_for(lambda: look()["words"] == lost, 60)
    brief = ["--interval", "0.2", "--grace", "0.5", "--stall-after", "2"]
    done = run_script("monitor_then_finalize", *flags(remote, local, "--tag", TAG, *brief))
    assert done.code == 7
    assert f"{lost} and there is no result.json" in done.err


@pytest.mark.nightly
def test_a_purged_job_is_dead_without_a_result_and_complete_with_one(
    forgetful_slurm: Slurm, remote: Path, look: Look
) -> None:
    job = submit(forgetful_slurm, remote, "true")
    make_folder(remote, job)
    forgetful_slurm.await_state(job, "")
    answer = look()
    words = f"Slurm job {job} is not in the queue any more and there is no result.json"
    assert (answer["state"], answer["words"], answer["exit_code"]) == ("dead", words, 7)
    # A job of another cluster is not looked for here.
    make_folder(remote, job, cluster="another")
    answer = look()
    assert (answer["state"], answer["exit_code"]) == ("running", 10)
    assert f"Slurm's queue does not say what became of job {job}" in answer["words"]
    # A run that names no job may be on any node, unless it is of this host.
    end_well(remote)
    assert look("--until", "complete")["state"] == "complete"


@pytest.mark.nightly
def test_a_purged_job_that_was_seen_is_dead(
    forgetful_slurm: Slurm, remote: Path, local: Path
) -> None:
    """Its launcher names no job; the monitor saw it before it left the queue."""
    job = submit(forgetful_slurm, remote, "sleep 1")
    forgetful_slurm.await_state(job, "RUNNING")
    make_folder(remote)
    done = run_script("monitor_then_finalize", *flags(remote, local, "--tag", TAG, *FAST))
    assert done.code == 7
    queued = submit(forgetful_slurm, remote, ENDLESS, "--hold", tag="never")
    patient = ["--interval", "0.2", "--grace", "15", "--tag", "never"]
    monitor = flags(remote, local, *patient)
    forgetful_slurm.cancel(queued)
    done = run_script("monitor_then_finalize", *monitor)
    assert done.code == 7
    assert "is not in the queue any more and there is no run folder; start it again" in done.err


@pytest.mark.nightly
def test_jobs_of_others_are_not_taken_for_the_runs_own(
    slurm: Slurm, remote: Path, local: Path, look: Look, tmp_path: Path
) -> None:
    """Another root has the same tag; a comment has a line that looks like one of the queue's."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    submit(slurm, elsewhere, ENDLESS, "--hold")
    forged = f"x\n{'0' * 32}|99|RUNNING|None|{remote}|postrun:{TAG}"
    slurm.submit(f"--comment={forged}", "--hold", "--wrap", ENDLESS)
    assert look()["words"].startswith("no run folder has this tag yet")
    assert watch_runs.main(flags(remote, local, *FAST, "--once")) == 0


@pytest.mark.nightly
def test_settings_of_the_account_hide_no_job(
    slurm: Slurm, remote: Path, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(slurm, remote)
    slurm.await_state(job, "RUNNING")
    for name, value in {"STATES": "CANCELLED", "USERS": "nobody", "FORMAT": "%i"}.items():
        monkeypatch.setenv(f"SQUEUE_{name}", value)
    assert look()["words"].startswith(f"Slurm job {job} is RUNNING")


def test_a_workstation_without_slurm_says_so(
    remote: Path, local: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    needed = "awk cat cut date dd env find grep kill ls ps readlink sed sh sort stat tail tr"
    needed += " uname xargs"
    for name in needed.split():
        for folder in ("/bin", "/usr/bin"):
            program = Path(folder) / name
            if program.exists() and not (tools / name).exists():
                (tools / name).symlink_to(program)
    monkeypatch.setenv("PATH", str(tools))
    done = run_script("monitor_then_finalize", *flags(remote, local, "--tag", TAG, "--once"))
    assert done.code == 3
    assert "squeue on workstation local: expected a program, found nothing on its PATH" in done.err


@pytest.mark.nightly
def test_a_run_that_slurm_ends_leaves_its_result(
    slurm: Slurm, remote: Path, local: Path, look: Look
) -> None:
    """Slurm's SIGTERM reaches the launcher, which forwards it and writes the result last."""
    make_workstation.lay_out(remote)
    policy = remote / "configs/launcher_policy.json"
    rules = json.loads(policy.read_text())
    (remote / "gate.sh").write_text("#!/bin/sh\nexec sleep 300\n")
    (remote / "gate.sh").chmod(0o755)
    policy.write_text(json.dumps({**rules, "program": "gate.sh"}))
    assert start(remote, local) == 0
    wait_for(lambda: look()["state"] == "running")
    assert look()["words"] == "Slurm job 1 is RUNNING"
    slurm.cancel("1")
    slurm.await_state("1", "CANCELLED")
    assert look("--until", "complete")["state"] == "complete"
    [result] = remote.glob(f"{RUNS}/*_{TAG}/result.json")
    assert json.loads(result.read_text())["exit_code"] == 128 + 15


@pytest.mark.nightly
def test_over_ssh_the_workstations_own_slurm_is_asked(
    slurm: Slurm,
    sshd: Sshd,
    remote: Path,
    local: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its root is reached through a link; Slurm names the folder itself."""
    make_workstation.lay_out(remote)
    link = remote.with_name("linked")
    link.symlink_to(remote)
    sshd.set_environment(SLURM_CONF=str(slurm.conf))
    monkeypatch.delenv("SLURM_CONF")
    where = [*location_flags(link, local, sshd.host), "--scheduler", "slurm"]
    gate = " ".join(gate_words("momentum_12_1"))
    run = ["--tag", TAG, "--data", DATA, "--threads", "1", "--gate", gate]
    # A node that takes no job for now: the run stays in the queue.
    slurm.control("update", "partitionname=main", "state=down")
    assert start_official_run.main([*where, *run]) == 0
    assert watch_runs.main([*where, *FAST, "--once"]) == 10
    shown = capsys.readouterr()
    assert f"10 waiting {sshd.host} {TAG}: Slurm job 1 is PENDING (" in shown.out
    slurm.control("update", "partitionname=main", "state=up")
    assert watch_runs.main([*where, *FAST]) == 0
    assert [row["decision_tag"] for row in decisions(local)] == [TAG]


# A gate program that writes a whole report of the run that it is started for, at its own second.
GATE_PROGRAM = """\
import shutil, sys, tempfile, time
from pathlib import Path
sys.path[:0] = {places!r}
from harness import factory
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
while True:
    stamp = time.strftime("%Y-%m-%d_%H%M%S")
    folder = Path("gate_results") / f"production_gates_{{stamp}}"
    try:
        folder.mkdir(parents=True)
        break
    except FileExistsError:
        time.sleep(0.3)
made = factory.documents(options["--decision-tag"], stamp, options["--factor"])
made.gate_stamp = stamp
made.report["inputs"].update(owner=options["--owner"], notes=options["--notes"])
with tempfile.TemporaryDirectory() as elsewhere:
    made.write(Path(elsewhere))
    shutil.copytree(made.gate_dir(Path(elsewhere)), folder, dirs_exist_ok=True)
time.sleep(1)
"""


def equip(remote: Path) -> None:
    """Put everything on the workstation that a command of a factory run needs."""
    make_workstation.lay_out(remote)
    today = time.strftime("%Y-%m-%d")
    rows = [f"{today},S{number},1.5" for number in range(2000)]
    factory.put(remote / "data/prices.csv", "\n".join(["date,symbol,close", *rows, ""]))
    for name in ("configs/strategies/base.yaml", "runs/freeze/base.freeze.json"):
        factory.put(remote / name, "x")
    places = [str(PROJECT / "tests"), str(SCRIPTS)]
    factory.put(remote / "gate.py", GATE_PROGRAM.format(places=places))
    policy = remote / "configs/launcher_policy.json"
    factory.put(policy, {**json.loads(policy.read_text()), "program": "gate.py"})
    # Their launcher demands a clean checkout: what Slurm writes must not spoil it.
    factory.put(remote / ".gitignore", "audit/\ngate_results/\n")
    author = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(remote), *words], check=True)


@pytest.mark.nightly
def test_an_array_of_planned_runs_is_watched_and_closed(
    slurm: Slurm, remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    equip(remote)
    for number, factor in enumerate(("value", "size", "quality"), start=1):
        stamp = f"2026-02-2{number}_010101"
        factory.make_run(remote, tag=f"t{number}", stamp=stamp, factor=factor)
        assert conductor.main(flags(remote, local, "--tag", f"t{number}")) == 0
    plan = json.loads((local / "audit/factor_registry/next_run_plan.json").read_text())
    planned = [command["tag"] for command in plan["commands"]]
    assert len(planned) == 3

    capsys.readouterr()
    assert execute_next_run_plan.main(flags(remote, local, "--ranks", "1-3")) == 0
    shown = capsys.readouterr()
    named = ",".join(f"{rank}={tag}" for rank, tag in enumerate(planned, start=1))
    assert f"sbatch --array 1,2,3 --no-requeue --comment postrun:{named}" in shown.out
    assert "rank 1, rank 2, rank 3: sbatch ended with exit code 0" in shown.err
    # None of them can be started once more, though none has a run folder yet.
    assert execute_next_run_plan.main(flags(remote, local, "--ranks", "2-3")) == 5

    # What their audits say is about this gate program, whose tables are of another second.
    assert watch_runs.main(flags(remote, local, *FAST)) in (0, 1)
    results = {row["decision_tag"]: row["result"] for row in decisions(local)}
    assert results == dict.fromkeys(["t1", "t2", "t3", *planned], "pass")
    for index, tag in enumerate(planned, start=1):
        [record] = local.glob(f"{RUNS}/*_production_gates_{tag}/run.pid")
        assert json.loads(record.read_text())["scheduler"]["job_id"] == f"1_{index}"
        assert slurm.state(f"1_{index}") == "COMPLETED"
        assert (remote / RUNS / f"slurm-1_{index}.out").is_file()
