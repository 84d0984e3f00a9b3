"""The monitor against real processes: a directory standing in for the workstation, and a real sshd.

The monitor runs as a program of its own; each test waits for its words before it changes the world.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import monitor_then_finalize
import watch_runs
from harness import factory
from harness.factory import Documents
from harness.programs import Program, on_a_terminal
from harness.sshd import Sshd
from harness.workspace import decisions, location_flags
from postrun.core import locations, locks

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / "scripts/monitor_then_finalize.py"
# of this test process alone: others work on the same machine
TAG = f"committee_2026-02-21_run1.{os.getpid()}"
FAST = ("--interval", "0.2", "--grace", "0.5")


class Bench:
    """A workstation with one run on it, a workspace, and whatever was started for them."""

    def __init__(self, remote: Path, local: Path, host: str = "local") -> None:
        self.remote, self.local, self.host = remote, local, host
        self.made = factory.documents(tag=TAG)
        self.run = self.made.run_dir(remote)
        self._started: list[Program] = []
        self._workers: list[subprocess.Popen[bytes]] = []

    def flags(self, *more: str, tag: str = TAG) -> list[str]:
        where = location_flags(self.remote, self.local, self.host)
        return ["--tag", tag, *where, *FAST, *more]

    def monitor(self, *more: str, path: str | None = None) -> Program:
        environment = {"PATH": path} if path else {}
        self._started.append(Program("monitor_then_finalize.py", self.flags(*more), **environment))
        return self._started[-1]

    def main(self, *more: str) -> int:
        """Run it in this process."""
        return monitor_then_finalize.main(self.flags(*more))

    def work(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a process that does nothing, with these words on its command line."""
        command = [
            sys.executable,
            "-c",
            "import time; time.sleep(120)",
            *(arguments or ("--decision-tag", TAG)),
        ]
        self._workers.append(subprocess.Popen(command, start_new_session=True))
        return self._workers[-1]

    def start(self, *lines: Sequence[str]) -> None:
        """Start other programs, to be ended with the test."""
        for line in lines:
            nowhere = subprocess.DEVNULL
            started = subprocess.Popen(
                line, cwd=PROJECT, start_new_session=True, stdout=nowhere, stderr=nowhere
            )
            self._workers.append(started)

    def begin(self, **left_out: Any) -> Documents:
        """Put the run on the workstation as it is while it goes on: no result, no gate report."""
        going = factory.documents(tag=TAG)
        going.result = going.report = None
        for name, value in left_out.items():
            setattr(going, name, value)
        return going.write(self.remote)

    def finish(self) -> None:
        """Write what ends a run: the report, then the result."""
        whole = self.made.result
        self.made.result = None
        self.made.write(self.remote)
        self.made.result = whole
        self.put_result(json.dumps(whole))

    def put_result(self, text: str) -> None:
        """Put a result in one move, with the time that belongs to it."""
        unfinished = self.run / ".result.tmp"
        unfinished.write_text(text)
        os.utime(unfinished, (self.made.result_modified, self.made.result_modified))
        unfinished.rename(self.run / "result.json")

    def events(self) -> list[dict[str, Any]]:
        path = self.made.run_dir(self.local) / "monitor_events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def states(self) -> str:
        return " ".join(row["state"] for row in self.events())

    def files(self) -> dict[Path, bytes]:
        """Return all bytes of the workspace but the locks."""
        files = [path for path in self.local.rglob("*") if path.is_file()]
        ours = [path for path in files if not {".locks", ".cache"} & set(path.parts)]
        return {path: path.read_bytes() for path in ours}

    def ledger_rows(self) -> int:
        return len(decisions(self.local))

    def stop(self) -> None:
        for monitor in self._started:
            monitor.stop()
        for worker in self._workers:
            end(worker)


def end(worker: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it started."""
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def await_file(path: Path, seconds: float = 15) -> None:
    patience = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < patience, f"{path} never appeared"
        time.sleep(0.02)


@pytest.fixture
def bench(remote: Path, local: Path) -> Iterator[Bench]:
    made = Bench(remote, local)
    yield made
    made.stop()


@pytest.fixture
def stand_ins(tmp_path: Path) -> Callable[..., str]:
    """Return a PATH on which some programs of the workstation are replaced by scripts."""

    def make(**programs: str) -> str:
        folder = tmp_path / "stand_ins"
        folder.mkdir()
        for name, script in programs.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    return make


# --- a whole run
# --------------------------------------------------------------------------------------------------


def test_a_run_is_followed_from_nothing_to_its_ledger_row(bench: Bench) -> None:
    monitor = bench.monitor()
    monitor.await_line("waiting: no run folder has this tag yet")
    worker = bench.work()
    bench.begin(context=None)
    monitor.await_line("starting: ")
    bench.begin(log=b"[walk_forward] shard 0/2 window 2014 done 1/3\n")
    monitor.await_line("running: 1 process is running")
    monitor.await_line("walk_forward, shard 0 1/3")
    bench.finish()
    monitor.await_line("settling: ")
    end(worker)
    quiet = time.monotonic()
    monitor.await_line("complete: ")
    assert time.monotonic() - quiet < 2.5, (
        "two intervals of 0.2 s, and what two looks take on a busy machine"
    )
    assert monitor.end() == 0, monitor.talk
    assert bench.states() == "waiting starting running settling complete"
    assert bench.ledger_rows() == 1
    assert monitor.out.startswith("closed: PASS, ")
    assert "\x1b" not in monitor.talk


def test_closing_again_changes_no_byte_and_no_decision(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.finish()
    assert bench.main() == 0
    before = bench.files()
    assert bench.main() == 0
    assert bench.files() == before
    assert bench.states() == "settling complete"
    bench.put_result(json.dumps({**bench.made.result, "exit_code": 1}))
    capsys.readouterr()
    assert bench.main() == 4, "the result was replaced after the decision"
    assert "--accept-changed-evidence" in capsys.readouterr().err
    result = bench.made.run_dir(bench.local) / "result.json"
    assert (bench.ledger_rows(), result.read_bytes()) == (1, before[result])


def test_until_complete_stops_there(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.finish()
    assert bench.main("--until", "complete") == 0
    assert capsys.readouterr().out == "complete\n"
    assert not (bench.local / "audit/stage_ledger.jsonl").exists()
    assert bench.main("--until", "complete", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["state"], row["run"], row["exit_code"]) == ("complete", bench.run.name, 0)


@pytest.mark.parametrize("how", ["--run-dir-remote", "--run-dir"])
def test_a_run_may_be_named_by_its_folder(
    bench: Bench, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.finish()
    folder = f"audit/workstation_runs/{bench.run.name}"
    path = folder if how == "--run-dir-remote" else str(bench.local / folder)
    assert monitor_then_finalize.main([how, path, *bench.flags("--until", "complete")[2:]]) == 0
    assert capsys.readouterr().out == "complete\n"


def test_a_folder_that_is_no_runs_is_unclear(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        monitor_then_finalize.main(
            ["--run-dir-remote", "audit/workstation_runs/notes", *bench.flags()[2:]]
        )
        == 5
    )
    assert "a name like <time>_production_gates_<tag>" in capsys.readouterr().err


def test_a_run_that_lies_here_already_is_watched_here(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.made.write(bench.local)
    flags = [
        "--tag",
        TAG,
        "--local-root",
        str(bench.local),
        "--no-sync",
        *FAST,
        "--until",
        "complete",
    ]
    assert monitor_then_finalize.main(flags) == 0
    assert capsys.readouterr().out == "complete\n"


# --- death
# --------------------------------------------------------------------------------------------------


def test_a_dead_run_ends_with_the_last_lines_of_its_log(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    log = b"".join(b"line %d\n" % number for number in range(40)) + b"\x1b[31mlast\xff words\n"
    bench.begin(log=log)
    assert bench.main() == 7
    shown = capsys.readouterr()
    assert "  | line 31\n" in shown.err
    assert "line 30\n" not in shown.err
    assert "\\x1b[31mlast" in shown.err, "control characters are shown, not obeyed"
    error = f"run {TAG}: expected a result.json, found no process is left"
    assert error in shown.err.splitlines()[-1]
    assert (shown.out, bench.states()) == ("dead\n", "running dead")


def test_processes_of_others_keep_no_run_alive(bench: Bench) -> None:
    bench.begin()
    bench.work("--decision-tag", f"{TAG}0")
    bench.work("--decision-tag", f"{TAG}_rerun4")
    bench.work("--notes", f"after {TAG}x, --tag {TAG}0")
    bench.work("--out-dir", f"gate_results/2026-02-21_031500_production_gates_{TAG}0")
    assert bench.main() == 7


def test_a_shard_outlives_its_parent(bench: Bench) -> None:
    bench.begin()
    parent = bench.work()
    shard = bench.work("--shard", "1", "--decision-tag", TAG)
    end(parent)
    assert bench.main("--once") == 10
    end(shard)
    assert bench.main("--once") == 7


def test_a_shells_child_is_of_the_run_and_a_pattern_adds_to_the_rules(bench: Bench) -> None:
    bench.begin()
    bench.work("a_word_of_its_own")
    assert bench.main("--once", "--process-pattern", "a_word_of_its_own") == 10
    assert bench.main("--once") == 7


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        (
            {
                "context": None,
                "data_quality": None,
                "preflight": {"status": "fail", "reasons": ["cores 2 < 8"]},
            },
            "the preflight failed: cores 2 < 8",
        ),
    ],
)
def test_a_run_stopped_before_it_began_is_dead_for_that_reason(
    bench: Bench, left_out: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.begin(**left_out)
    assert bench.main() == 7
    assert f"run {TAG}: expected a result.json, found {reason}" in capsys.readouterr().err
    assert bench.states() == "starting dead"


# --- the result
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", '{"decision_tag": "x", "exit_code": null}'])
def test_a_result_that_stays_broken_is_corrupt(
    bench: Bench, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.begin()
    bench.put_result(text)
    assert bench.main() == 4
    told = capsys.readouterr()
    assert (
        f"run {TAG}: expected a result.json that can be read, found result.json: expected a "
        in told.err
    )
    assert (told.out, bench.states()) == ("corrupt\n", "writing corrupt")


def test_a_gate_folder_that_still_grows_is_waited_for(bench: Bench) -> None:
    bench.finish()
    monitor = bench.monitor("--until", "complete")
    growing = bench.made.gate_dir(bench.remote) / "late.csv"
    for number in range(12):
        growing.write_text("x" * number)
        time.sleep(0.1)
    assert "complete" not in monitor.talk
    assert monitor.end() == 0


def test_what_is_closed_is_the_result_of_that_moment(bench: Bench) -> None:
    """Between `complete` and the closing another process holds the lock; the result is replaced."""
    bench.finish()
    with locks.hold(bench.local / locations.LOCKS / f"run-{TAG}.lock", 1, "another flow"):
        monitor = bench.monitor()
        monitor.await_line("complete: ")
        monitor.await_line("waiting for another flow")
        bench.put_result(json.dumps({**bench.made.result, "exit_code": 1}))
    assert monitor.end() == 1, monitor.talk
    (row,) = decisions(bench.local)
    assert row["result"] == "fail"


def test_a_copy_that_is_cut_off_is_tried_again(
    bench: Bench, stand_ins: Callable[..., str], tmp_path: Path
) -> None:
    """Here rsync fails as it does when a connection is cut, until a file is there."""
    bench.finish()
    whole = tmp_path / "whole"
    broken = "echo 'rsync error: error in rsync protocol data stream' >&2; exit 12"
    rsync = f'[ -e {whole} ] || {{ {broken}; }}; exec {shutil.which("rsync")} "$@"'
    monitor = bench.monitor(path=stand_ins(rsync=rsync))
    monitor.await_line("not closed yet (exit code 6); next attempt in ")
    whole.touch()
    assert monitor.end() == 0, monitor.talk
    assert (bench.ledger_rows(), bench.states()) == (1, "settling complete")


# --- folders
# --------------------------------------------------------------------------------------------------


def test_of_two_folders_the_newest_counts(bench: Bench) -> None:
    bench.finish()
    newer = factory.documents(tag=TAG, stamp="2026-02-22_031500")
    newer.result = newer.report = None
    newer.write(bench.remote)
    bench.work()
    monitor = bench.monitor("--once")
    assert monitor.end() == 10
    assert (
        "running: 1 process is running; 2 folders have this tag, the newest counts" in monitor.talk
    )
    assert (newer.run_dir(bench.local) / "monitor_events.jsonl").is_file()


def test_of_two_folders_the_one_that_was_watched_is_closed(bench: Bench) -> None:
    """The newer run failed before it had a context; the older one passed.

    A pass would be the wrong answer.
    """
    bench.finish()
    newer = factory.documents(tag=TAG, stamp="2026-02-22_031500")
    newer.result["exit_code"] = 1
    newer.context = newer.report = None
    newer.write(bench.remote)
    monitor = bench.monitor()
    assert monitor.end() != 0
    assert f"detect-run         ok       {newer.run_folder}; " in monitor.talk
    assert not (bench.local / "audit/workstation_runs" / bench.run.name).exists()
    (newer.run_dir(bench.remote) / "result.json").unlink()
    newer.result = None
    newer.write(bench.remote)
    shutil.rmtree(bench.local / "audit")
    dead = bench.monitor()
    assert dead.end() == 7
    assert (
        f"--tag {TAG} --run-dir-remote audit/workstation_runs/{newer.run_folder} " in dead.lines[-1]
    )


def test_other_runs_folders_are_not_this_run(bench: Bench) -> None:
    factory.make_run(bench.remote, tag=f"{TAG}0")
    factory.make_run(bench.remote, tag=f"{TAG}_rerun4")
    assert bench.main("--once") == 10


# --- patience
# --------------------------------------------------------------------------------------------------


def _nothing(bench: Bench) -> None:
    assert not bench.run.exists()


def _going(bench: Bench) -> None:
    bench.begin()
    bench.work()


def _dead(bench: Bench) -> None:
    bench.begin()


def _complete(bench: Bench) -> None:
    bench.finish()


def _corrupt(bench: Bench) -> None:
    bench.begin()
    bench.put_result("{")


def _growing(bench: Bench) -> None:
    bench.finish()
    shard = f"gate_results/{bench.made.gate_folder}/walk_forward_stress/shard_00"
    bench.work("--out", shard)


@pytest.mark.parametrize(
    ("world", "code", "state"),
    [
        (_nothing, 10, "waiting"),
        (_going, 10, "running"),
        (_growing, 10, "settling"),
        (_dead, 7, "dead"),
        (_corrupt, 4, "corrupt"),
        (_complete, 0, "complete"),
    ],
)
def test_once_reports_the_state_by_its_code(
    bench: Bench,
    world: Callable[[Bench], None],
    code: int,
    state: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world(bench)
    assert bench.main("--once", "--until", "complete") == code
    assert capsys.readouterr().out == f"{state}\n"


def test_once_closes_a_complete_run(bench: Bench) -> None:
    bench.finish()
    assert bench.main("--once") == 0
    assert bench.ledger_rows() == 1


@pytest.mark.parametrize(
    ("world", "state"),
    [(_nothing, "waiting"), (_complete, "settling")],
)
def test_a_dry_run_polls_once_and_writes_nothing(
    bench: Bench, world: Callable[[Bench], None], state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world(bench)
    assert bench.main("--dry-run") == 10
    assert capsys.readouterr().out == f"{state}\n"
    assert list(bench.local.iterdir()) == []


def test_a_deadline_ends_it(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    _going(bench)
    began = time.monotonic()
    assert bench.main("--deadline", "1", "--interval", "30") == 8
    assert 1 <= time.monotonic() - began < 4
    told = capsys.readouterr()
    assert told.out == "running\n"
    assert f"run {TAG}: expected its end within 1 s, found running: " in told.err
    assert "resume with: .venv/bin/python scripts/monitor_then_finalize.py --tag" in told.err


def test_a_deadline_does_not_wait_for_a_poll_that_hangs(
    bench: Bench, stand_ins: Callable[..., str]
) -> None:
    bench.begin()
    monitor = bench.monitor("--deadline", "2", path=stand_ins(ps="sleep 20"))
    assert monitor.end(15) == 8
    assert (
        "unreachable: the workstation does not answer (workstation local: expected "
        "an answer, found no answer in time)" in monitor.talk
    )


def test_a_folder_that_never_appears_is_missing(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main("--appear-timeout", "0.5") == 3
    assert (
        "expected a run folder within 0.5 s, found no run folder has this tag yet"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--interval", "0"], "a positive number of seconds, found '0'"),
        (["--process-pattern", "("], "--process-pattern: expected a regular expression"),
        (["--until", "dawn"], "--until"),
        (["--tag", "../x"], "decision tag"),
        (["--tag", "x;touch pwned"], "decision tag"),
    ],
)
def test_wrong_usage_is_reported(
    bench: Bench, flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.begin()
    assert bench.main("--once", *flags) == 2
    assert words in capsys.readouterr().err


def test_a_root_that_is_not_there_is_missing_at_once(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(bench.remote)
    assert bench.main() == 3
    assert "--remote-root" in capsys.readouterr().err


# --- the machine
# --------------------------------------------------------------------------------------------------


def test_ps_that_tells_nothing_is_no_death(
    bench: Bench, stand_ins: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.begin()
    monkeypatch.setenv("PATH", stand_ins(ps="exit 1"))
    assert bench.main("--outage-budget", "1") == 6


@pytest.mark.parametrize("shift", [-3600, 3600])
def test_a_workstation_with_a_broken_clock_is_judged_alike(
    bench: Bench,
    stand_ins: Callable[..., str],
    shift: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = shutil.which("date")
    skewed = f'case "$*" in +%s) echo $(( $({real} +%s) + {shift} )) ;; *) exec {real} "$@" ;; esac'
    bench.begin()
    worker = bench.work("no_word_of_the_tag")
    pid_file = {"pid": worker.pid, "start_time": time.time() + shift, "boot_id": None}
    (bench.run / "run.pid").write_text(json.dumps(pid_file))
    monkeypatch.setenv("PATH", stand_ins(date=skewed))
    assert bench.main("--once") == 10
    end(worker)
    assert bench.main("--once") == 7


def test_the_command_line_is_not_its_own_run(bench: Bench) -> None:
    """A shell, make and the monitor itself carry the tag; none of them is the run."""
    bench.begin()
    command = f"{sys.executable} {SCRIPT} --once {' '.join(bench.flags())}; exit $?"
    assert subprocess.run(["bash", "-c", command], check=False, capture_output=True).returncode == 7


def test_nobody_who_only_waits_for_a_run_keeps_it_alive(bench: Bench, tmp_path: Path) -> None:
    bench.begin()
    (tmp_path / "inv").write_text("import time; time.sleep(120)")
    (tmp_path / "Makefile").write_text("all:\n\t@sleep 120\n")
    lines = (
        ("bash", "-c", f"make -f {tmp_path}/Makefile ARGS='--json --tag {TAG}'; exit $?"),
        (sys.executable, str(tmp_path / "inv"), "finalize", "--tag", TAG),
        ("sh", "-c", f"sleep 120; bash scripts/monitor_then_finalize.sh --tag {TAG}"),
        (
            sys.executable,
            str(SCRIPT.with_name("post_run_sync_and_finalize.py")),
            *bench.flags()[:8],
        ),
    )
    with locks.hold(bench.local / locations.LOCKS / f"run-{TAG}.lock", 1, "another flow"):
        bench.start(*lines)
        other = bench.monitor("--interval", "60")
        other.await_line("running: no process was found")
        assert bench.main() == 7


def test_a_reader_that_leaves_changes_no_code(bench: Bench) -> None:
    bench.finish()
    line = f"{sys.executable} {SCRIPT} {' '.join(bench.flags())} | true; exit ${{PIPESTATUS[0]}}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", line], check=False, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, bench.ledger_rows()) == (0, 1)
    assert "Broken" not in done.stderr


@pytest.mark.parametrize(
    ("streams", "code", "words"),
    [
        (">&- 2>&-", 0, None),
        ("2>/dev/full", 0, None),
        (
            ">/dev/full",
            3,
            "stdout: expected a place that can be written to, found No space left on device",
        ),
    ],
)
def test_a_run_is_closed_whatever_becomes_of_the_words(
    bench: Bench, streams: str, code: int, words: str | None
) -> None:
    bench.finish()
    line = f"{sys.executable} {SCRIPT} {' '.join(bench.flags())} {streams}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", line], check=False, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, bench.ledger_rows()) == (code, 1)
    assert "Traceback" not in done.stderr
    assert done.stderr == "" if words is None else words in done.stderr


@pytest.mark.parametrize(
    ("world", "flags"),
    [
        (_nothing, ["--appear-timeout", "0.4"]),
        (_nothing, ["--deadline", "0.4"]),
        (_nothing, ["--host", "127.0.0.1:1"]),
        (_going, []),
        (_dead, []),
        (_corrupt, []),
        (_complete, ["--until", "complete"]),
    ],
)
def test_json_tells_every_end(
    bench: Bench,
    world: Callable[[Bench], None],
    flags: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    world(bench)
    once = [] if "--appear-timeout" in flags or "--deadline" in flags else ["--once"]
    code = bench.main("--json", *once, *flags)
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], sorted(told)) == (code, ["exit_code", "run", "state", "words"])


def test_the_shim_runs_as_written_in_the_document(bench: Bench) -> None:
    bench.finish()
    command = ["bash", "scripts/monitor_then_finalize.sh", *bench.flags("--until", "complete")]
    done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "complete\n")


# --- people
# --------------------------------------------------------------------------------------------------


def test_ctrl_c_detaches_and_the_same_command_resumes(bench: Bench) -> None:
    bench.begin()
    worker = bench.work()
    first = bench.monitor("--until", "complete")
    first.await_line("running: ")
    first.interrupt()
    assert first.end(10) == 130
    assert (
        "detached: 1 run not closed yet; resume with: .venv/bin/python scripts/" in first.lines[-1]
    )
    assert f"--tag {TAG}" in first.lines[-1]
    assert "Traceback" not in first.talk
    assert worker.poll() is None
    second = bench.monitor("--until", "complete")
    second.await_line("running: ")
    bench.finish()
    end(worker)
    assert second.end() == 0
    assert bench.states() == "running settling complete"


def test_ctrl_c_does_not_wait_for_a_poll_that_hangs(
    bench: Bench, stand_ins: Callable[..., str], tmp_path: Path
) -> None:
    bench.begin()
    called = tmp_path / "called"
    monitor = bench.monitor(path=stand_ins(ps=f"touch {called}; exec sleep 20"))
    await_file(called)
    monitor.interrupt()
    assert monitor.end(5) == 130
    assert "detached" in monitor.talk
    assert "Traceback" not in monitor.talk


def watch_on_terminal(bench: Bench, words: str, **environment: str) -> str:
    """Run the monitor on a terminal of its own until it shows these words.

    Give all that it wrote.
    """
    flags = bench.flags("--interval", "2")
    return on_a_terminal(
        "monitor_then_finalize.py", flags, words, size=(30, 100), environment=environment
    )


def test_a_terminal_gets_a_live_view(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    bench.begin(log=b"[walk_forward] shard 0/2 window 2014 done 1/3\n")
    bench.work()
    shown = watch_on_terminal(bench, "next poll in 1 s")
    assert f"run {TAG}: running for 0:00:0" in shown
    assert "  walk_forward, shard 0 1/3" in shown
    assert "  | [walk_forward] shard 0/2 window 2014 done 1/3" in shown
    assert "Ctrl-C detaches" in shown


# --- the real launcher
# ----------------------------------------------------------------------------------------------

GATE_PROGRAM = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); time.sleep(60)\n"


@pytest.fixture
def launched(bench: Bench) -> Iterator[Path]:
    """Launch an official run on the bench that would take a minute; give its run folder."""
    policy = json.loads((PROJECT / "configs/launcher_policy.json").read_text())
    policy |= {
        "preflight": {"min_cores": 1, "min_memory_gb": 0},
        "program": "gate.py",
        "leftover_seconds": 1,
    }
    (bench.remote / "configs").mkdir()
    (bench.remote / "configs/launcher_policy.json").write_text(json.dumps(policy))
    (bench.remote / "gate.py").write_text(GATE_PROGRAM)
    launcher = [
        sys.executable,
        str(PROJECT / "scripts/workstation_official_run.py"),
        "--skip-data-quality-check",
    ]
    words = [*launcher, "--root", str(bench.remote), "--tag", TAG, "--"]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=bench.remote)
    yield Path(done.stdout.strip())
    kill_groups(TAG)


def kill_groups(tag: str) -> None:
    """Kill each process group in which something runs under this tag, the launcher's first."""
    for pid in pids_of(tag):
        signal_to(pid, signal.SIGKILL, group=True)


def pids_of(tag: str) -> list[int]:
    """Find what runs under this tag: the launcher's supervisor first, then the gate program."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], check=True, capture_output=True, text=True
    ).stdout
    lines = [line.split(None, 1) for line in listing.splitlines()]
    named = [
        (int(pid), args.strip())
        for pid, args in lines
        if f"tag {tag}" in args and "monitor_then_finalize" not in args
    ]
    return [
        pid for pid, args in sorted(named, key=lambda one: "workstation_official_run" not in one[1])
    ]


def signal_to(pid: int, what: signal.Signals, group: bool = False) -> None:
    try:
        os.killpg(os.getpgid(pid), what) if group else os.kill(pid, what)
    except ProcessLookupError:
        return  # it went with another


def test_a_launcher_that_is_killed_leaves_its_workload_running(
    bench: Bench, launched: Path
) -> None:
    supervisor = json.loads((launched / "run.pid").read_text())["pid"]
    monitor = bench.monitor()
    monitor.await_line("running: ")
    signal_to(supervisor, signal.SIGKILL)
    with pytest.raises(AssertionError, match="no line"):
        monitor.await_line("dead", seconds=1.5)
    kill_groups(TAG)
    assert monitor.end() == 7
    assert not (launched / "result.json").exists()


def test_a_launcher_that_is_told_to_stop_leaves_a_result(bench: Bench, launched: Path) -> None:
    supervisor = json.loads((launched / "run.pid").read_text())["pid"]
    monitor = bench.monitor("--until", "complete")
    monitor.await_line("running: ")
    signal_to(supervisor, signal.SIGTERM)
    assert monitor.end() == 0
    assert json.loads((launched / "result.json").read_text())["exit_code"] == 128 + signal.SIGTERM


# --- over SSH
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def ssh_bench(remote: Path, local: Path, sshd: Sshd) -> Iterator[Bench]:
    made = Bench(remote, local, sshd.host)
    yield made
    made.stop()


def test_an_sshd_that_is_away_for_a_while(ssh_bench: Bench, sshd: Sshd) -> None:
    ssh_bench.begin()
    worker = ssh_bench.work()
    monitor = ssh_bench.monitor()
    monitor.await_line("running: 1 process is running")
    sshd.stop()
    monitor.await_line(
        "unreachable: the workstation does not answer; the run was running at the last answer"
    )
    time.sleep(1)
    sshd.start()
    monitor.await_line("running: 1 process is running")
    ssh_bench.finish()
    end(worker)
    assert monitor.end() == 0, monitor.talk
    assert ssh_bench.states() == "running unreachable running settling complete"
    assert ssh_bench.ledger_rows() == 1


def test_an_outage_between_complete_and_the_closing_is_waited_out(
    ssh_bench: Bench, sshd: Sshd
) -> None:
    ssh_bench.finish()
    with locks.hold(ssh_bench.local / locations.LOCKS / f"run-{TAG}.lock", 1, "another flow"):
        monitor = ssh_bench.monitor()
        monitor.await_line("waiting for another flow")
        sshd.stop()
    monitor.await_line("not closed yet (exit code 6); next attempt in ")
    sshd.start()
    assert monitor.end() == 0, monitor.talk
    assert ssh_bench.ledger_rows() == 1


def test_a_connection_cut_in_the_middle_of_a_poll_is_made_anew(
    ssh_bench: Bench, sshd: Sshd, stand_ins: Callable[..., str], tmp_path: Path
) -> None:
    slow, called = tmp_path / "slow", tmp_path / "called"
    ps = f'[ ! -e {slow} ] || {{ touch {called}; sleep 20; }}; exec {shutil.which("ps")} "$@"'
    sshd.set_environment(PATH=stand_ins(ps=ps))
    ssh_bench.begin()
    ssh_bench.work()
    monitor = ssh_bench.monitor()
    monitor.await_line("running: 1 process is running")
    slow.touch()
    await_file(called)
    sshd.cut()
    monitor.await_line("unreachable: ")
    slow.unlink()
    monitor.await_line("running: 1 process is running")


def test_an_outage_past_its_budget_ends_and_can_be_resumed(
    ssh_bench: Bench, sshd: Sshd, capsys: pytest.CaptureFixture[str]
) -> None:
    ssh_bench.finish()
    sshd.stop()
    assert ssh_bench.main("--outage-budget", "1") == 6
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"workstation {sshd.host}: expected an answer, found " in error
    assert "resume with: " in error
    sshd.start()
    assert ssh_bench.main("--until", "complete") == 0


def test_once_without_an_answer_is_unreachable(ssh_bench: Bench, sshd: Sshd) -> None:
    sshd.stop()
    assert ssh_bench.main("--once") == 6


def test_a_stranger_is_refused_at_once(
    ssh_bench: Bench, sshd: Sshd, capsys: pytest.CaptureFixture[str]
) -> None:
    sshd.forget_host_key()
    assert ssh_bench.main() == 6
    assert "found No ED25519 host key is known for " in capsys.readouterr().err


def test_a_root_that_rsync_could_not_be_given_is_refused_before_anybody_waits(
    ssh_bench: Bench, remote: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ssh_bench.remote = remote.rename(remote.with_name("a root"))
    assert ssh_bench.main() == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "remote root: expected a path of letters, digits and . / _ + , = @ : ~ - (rsync), found "
    )
    assert len(told.splitlines()) == 1


def test_a_wrong_user_is_refused_at_once(
    ssh_bench: Bench, sshd: Sshd, capsys: pytest.CaptureFixture[str]
) -> None:
    ssh_bench.host = sshd.alias("stranger", User="nobody-here")
    assert ssh_bench.main() == 6
    assert "Permission denied (publickey)" in capsys.readouterr().err


def test_a_host_key_that_changes_on_the_way_is_never_trusted(ssh_bench: Bench, sshd: Sshd) -> None:
    ssh_bench.begin()
    ssh_bench.work()
    monitor = ssh_bench.monitor("--outage-budget", "1.5")
    monitor.await_line("running: ")
    sshd.change_host_key()
    assert monitor.end() == 6
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in monitor.lines[-1]


def test_a_shell_that_rsync_refuses_ends_the_monitor_with_rsyncs_own_line(
    ssh_bench: Bench, sshd: Sshd, capsys: pytest.CaptureFixture[str]
) -> None:
    sshd.set_profile("echo welcome\n")
    ssh_bench.finish()
    assert ssh_bench.main() == 6
    told = capsys.readouterr().err
    assert "is your shell clean" in told
    assert "next attempt" not in told


def test_a_name_that_nobody_knows_is_refused_at_once(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.host = "bench..invalid"  # no name at all: no name server is asked
    assert bench.main() == 6
    assert "ould not resolve hostname bench..invalid" in capsys.readouterr().err
    where = location_flags(bench.remote, bench.local, bench.host)
    assert watch_runs.main([*where, *FAST]) == 6
    told = capsys.readouterr()
    assert "bench..invalid: given up (workstation bench..invalid: expected a host name" in told.err
    assert "does not answer" not in told.err
    assert told.out.startswith("6 given up bench..invalid -: workstation bench..invalid: ")


def test_a_noisy_profile_is_not_an_answer(ssh_bench: Bench, sshd: Sshd) -> None:
    sshd.set_profile("echo welcome; echo running; echo '{\"exit_code\": 0}'\n")
    ssh_bench.begin()
    ssh_bench.work()
    assert ssh_bench.main("--once") == 10
    assert ssh_bench.states() == "running"
