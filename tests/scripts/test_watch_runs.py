"""Many runs watched together: real processes, directories standing in for workstations, and real
sshds.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import watch_runs
from harness import factory
from harness.factory import Documents
from harness.programs import Program, on_a_terminal, wait_for
from harness.sshd import Sshd
from harness.workspace import decisions, location_flags
from postrun.core import locations, locks
from postrun.core.terminal import counted
from postrun.store import configuration

MINE = f"w{os.getpid()}"  # tags of this test process alone: others work on the same machine
FAST = ("--interval", "0.2", "--grace", "0.5", "--lock-wait", "20")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Yard:
    """Some workstations' roots, runs on them, and whatever was started for them."""

    def __init__(self, tmp_path: Path, local: Path) -> None:
        self.base, self.local = tmp_path, local
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._programs: list[Program] = []
        self._count = 0

    def root(self, name: str = "far") -> Path:
        folder = self.base / name
        folder.mkdir(exist_ok=True)
        return folder

    def make(
        self, name: str, on: str = "far", ago: float = 1, whole: bool = True, work: bool = False
    ) -> Documents:
        """Put a run on a workstation, begun so many days ago; with a process at work on it if
        wanted.
        """
        # No two in one second, or they would share a gate folder.
        self._count += 1
        began = datetime.now(UTC) - timedelta(days=ago, seconds=600 - 10 * self._count)
        stamp = began.strftime("%Y-%m-%d_%H%M%S")
        made = factory.documents(tag=f"{MINE}_{name}", stamp=stamp)
        going = factory.documents(tag=made.tag, stamp=stamp)
        going.result = going.report = None
        if work:
            line = ["sh", "-c", "while :; do sleep 60; done", "gates", "--decision-tag", made.tag]
            self._workers[made.tag] = subprocess.Popen(line, start_new_session=True)
        (made if whole else going).write(self.root(on))
        return made

    def finish(self, made: Documents, on: str = "far") -> None:
        """End a run: the report, its process, the result."""
        result, made.result = made.result, None
        made.write(self.root(on))
        self.end(made)
        unfinished = made.run_dir(self.root(on)) / ".result.tmp"
        unfinished.write_text(json.dumps(result))
        os.utime(unfinished, (made.result_modified, made.result_modified))
        unfinished.rename(unfinished.with_name("result.json"))

    def end(self, made: Documents) -> None:
        worker = self._workers.pop(made.tag, None)
        if worker:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()

    def flags(self, *more: str, host: str = "local") -> list[str]:
        return [
            *location_flags(self.root(), self.local, host),
            *FAST,
            *more,
        ]

    def main(self, *more: str) -> int:
        """Run it in this process."""
        return watch_runs.main(self.flags(*more))

    def program(self, script: str, *more: str, host: str = "local", **environment: str) -> Program:
        self._programs.append(Program(script, self.flags(*more, host=host), **environment))
        return self._programs[-1]

    def watch(self, *more: str, host: str = "local", **environment: str) -> Program:
        return self.program("watch_runs.py", *more, host=host, **environment)

    def lock(self, name: str, held: ExitStack) -> None:
        """Be another process of this workspace that holds a lock."""
        held.enter_context(
            locks.hold(self.local / locations.LOCKS / f"{name}.lock", 1, "another flow")
        )

    def tools(self, **programs: str) -> str:
        """Return a PATH on which some programs are replaced by scripts."""
        folder = self.base / "tools"
        for name, script in programs.items():
            factory.put(folder / name, f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    def evidence(self) -> dict[Path, bytes]:
        """Return all bytes of the workspace but the locks and the monitors' own words."""
        files = (
            path for path in self.local.rglob("*") if path.is_file() and ".locks" not in path.parts
        )
        return {path: path.read_bytes() for path in files if path.name != "monitor_events.jsonl"}

    def closed(self) -> list[str]:
        """List the tags in the ledger, oldest row first, without what is this process's own of
        them.
        """
        path = self.local / "audit/stage_ledger.jsonl"
        rows = decisions(self.local) if path.exists() else []
        return [row["decision_tag"].removeprefix(f"{MINE}_") for row in rows]

    def states(self, made: Documents) -> str:
        path = made.run_dir(self.local) / "monitor_events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return " ".join(json.loads(line)["state"] for line in lines)

    def clear(self) -> None:
        for program in self._programs:
            program.stop()
        for worker in self._workers.values():
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


@pytest.fixture
def yard(tmp_path: Path, local: Path) -> Iterator[Yard]:
    made = Yard(tmp_path, local)
    yield made
    made.clear()


def rows(told: str) -> list[str]:
    """Return the lines of what became of the runs, from stdout: `<code> <state>` and the run's
    name.
    """
    lines = [line.partition(": ")[0].split() for line in told.splitlines() if line[:1].isdigit()]
    return [f"{line[0]} {line[1]} {line[-1].partition(f'{MINE}_')[2]}" for line in lines]


def words(told: str, name: str) -> str:
    """Return what stdout says of a run behind its name."""
    ends = (line.partition(": ") for line in told.splitlines() if line[:1].isdigit())
    return next(end for run, _, end in ends if run.endswith(f"{MINE}_{name}"))


# --- what becomes of runs
# -------------------------------------------------------------------------------------------


def test_complete_runs_are_closed_and_dead_ones_reported(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    second, first, dead = yard.make("b", ago=1), yard.make("a", ago=2), yard.make("c", whole=False)
    assert yard.main() == 7
    told = capsys.readouterr()
    assert rows(told.out) == ["0 closed a", "0 closed b", "7 dead c"]
    assert words(told.out, "a") == "pass, audit passed"
    end, _, line = words(told.out, "c").partition("; close it with: ")
    assert end == "no process is left and there is no result.json"
    assert line.startswith(f"make finalize TAG={dead.tag} REMOTE_ROOT=")
    assert line.endswith('ABANDONED="<reason>"')
    assert yard.closed() == ["a", "b"], "in the order in which they began"
    assert [yard.states(made) for made in (first, second, dead)] == ["settling complete"] * 2 + [
        "running dead"
    ]
    assert "  | [cost_stress] x1.0 done" in told.err
    assert not (dead.run_dir(yard.local) / "result.json").exists(), (
        "a dead run is never closed by itself"
    )


def test_what_is_closed_is_not_watched_again_and_half_a_closing_is(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    made = yard.make("a")
    assert yard.main() == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in yard.local.rglob("*") if path.is_file()}
    assert yard.main() == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "local: 0 unfinished runs to watch\n" in shown.err
    assert {path: path.read_bytes() for path in yard.local.rglob("*") if path.is_file()} == before
    audit = made.run_dir(yard.local) / "governance_audit_check.json"
    audit.unlink()
    assert yard.main() == 0
    assert audit.exists()


def test_a_ledger_that_is_broken_ends_it_at_once(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("a")
    factory.put(yard.local / "audit/stage_ledger.jsonl", "{")
    assert yard.main() == 4
    assert "stage_ledger.jsonl" in capsys.readouterr().err


def test_runs_that_go_on_that_begin_and_that_end(yard: Yard) -> None:
    one = yard.make("one", whole=False, work=True)
    two = yard.make("two", whole=False, work=True)
    watch = yard.watch()
    watch.await_line("local: 2 unfinished runs to watch")
    watch.await_line("running: 2 processes are running")
    yard.finish(one)
    watch.await_line(f"{one.tag} closing")
    late = yard.make("late", ago=0, whole=False, work=True)
    watch.await_line(f"{late.tag} running: 2 processes are running")
    assert yard.closed() == ["one"]
    yard.finish(late)
    yard.finish(two)
    assert watch.end() == 0, watch.talk
    assert sorted(yard.closed()) == ["late", "one", "two"]
    assert yard.states(two) == "running settling complete"
    assert sorted(rows(watch.out)) == ["0 closed late", "0 closed one", "0 closed two"]
    assert "\x1b" not in watch.talk


def test_a_closing_that_says_no_is_the_worst_code(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    made = yard.make("a")
    report = made.gate_dir(yard.root()) / "production_gates_report.json"
    document = json.loads(report.read_text())
    document["gates"]["overall_pass"] = False
    report.write_text(json.dumps(document))
    assert yard.main() == 1
    told = capsys.readouterr().out
    assert (rows(told), words(told, "a")) == (["1 closed a"], "fail, audit failed")


def test_a_watch_and_a_monitor_of_one_run_close_it_once(yard: Yard) -> None:
    made = yard.make("a", whole=False, work=True)
    watch = yard.watch()
    watch.await_line("running: ")
    monitor = yard.program("monitor_then_finalize.py", "--tag", made.tag)
    monitor.await_line("running: ")
    yard.finish(made)
    assert (watch.end(), monitor.end()) == (0, 0)
    assert yard.closed() == ["a"]
    assert yard.states(made) == "running settling complete"


# --- locks, signals, cron
# -------------------------------------------------------------------------------------------


def test_a_lock_of_another_process_loses_no_run(yard: Yard) -> None:
    made = yard.make("a", ago=2)
    yard.make("b")
    with ExitStack() as held:
        yard.lock(f"run-{made.tag}", held)
        watch = yard.watch("--lock-wait", "0.1")
        watch.await_line("it held by another flow")
        watch.await_line(f"{MINE}_b closing")
        watch.await_line(f"{MINE}_a closing")
    assert watch.end() in (0, 1), "b was handed over while a was half closed"
    assert sorted(yard.closed()) == ["a", "b"]


def test_a_lock_that_is_never_free_is_its_own_code(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("a")
    with ExitStack() as held:
        yard.lock("workspace", held)
        assert yard.main("--lock-wait", "0.1", "--once") == 9
    assert rows(capsys.readouterr().out) == ["9 complete a"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_closing_that_is_stopped_is_finished_by_the_same_command(
    yard: Yard, how: signal.Signals
) -> None:
    yard.make("a")
    with ExitStack() as held:
        yard.lock("workspace", held)
        watch = yard.watch()
        watch.await_line("sync-run")
        watch.await_line("waiting for another flow")
        os.kill(watch.pid, how)
        assert watch.end(10) == (130 if how == signal.SIGINT else -how)
    if how == signal.SIGINT:
        assert "detached: 1 run not closed yet; resume with: " in watch.lines[-1]
    assert "Traceback" not in watch.talk
    assert yard.main() == 0
    assert yard.closed() == ["a"]


def test_cron_may_poll_as_often_as_it_likes(yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
    made = yard.make("a", whole=False, work=True)
    assert [yard.main("--once"), yard.main("--once")] == [10, 10]
    assert yard.states(made) == "running"
    yard.finish(made)
    assert yard.main("--once") == 0
    before = yard.evidence()
    capsys.readouterr()
    assert [yard.main("--once"), yard.main("--once", "--json")] == [0, 0]
    assert capsys.readouterr().out == '{"exit_code": 0, "runs": []}\n'
    assert yard.evidence() == before


# --- which runs
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "left_out"),
    [
        ((), 2),
        (("--since", (YESTERDAY - timedelta(days=15)).strftime("%Y-%m-%d")), 1),
        (("--since", (YESTERDAY + timedelta(days=1, hours=1)).strftime("%Y-%m-%d_%H%M%S")), 3),
        (("--all",), 0),
    ],
)
def test_an_archive_is_not_closed_by_surprise(
    yard: Yard, flags: tuple[str, ...], left_out: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, ago in (("new", 1), ("old", 9), ("ancient", 400)):
        yard.make(name, ago=ago)
    assert yard.main("--dry-run", *flags) == (0 if left_out == 3 else 10)
    line = f"local: {counted(3 - left_out, 'unfinished run')} to watch"
    if left_out:
        line += f"; {counted(left_out, 'older run')} left out: use --since or --all"
    assert f"{line}\n" in capsys.readouterr().err


def test_a_run_that_still_has_processes_counts_however_old(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("long", ago=20, whole=False, work=True)
    yard.make("gone", ago=20, whole=False)
    assert yard.main("--once") == 10
    assert rows(capsys.readouterr().out) == ["10 running long"]


def test_thirty_runs_are_one_poll(yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
    runs = yard.root() / "audit/workstation_runs"
    for number in range(29):
        name = f"{YESTERDAY:%Y-%m-%d_%H%M%S}_production_gates_{MINE}_{number}"
        (runs / name).mkdir(parents=True)
    yard.make("z")
    assert yard.main("--once") == 7
    dead = sorted(f"7 dead {number}" for number in range(29))
    assert rows(capsys.readouterr().out) == ["0 closed z", *dead]


def test_a_folder_that_is_a_link_is_followed(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    made = yard.make("a", on="elsewhere")
    link = made.run_dir(yard.root())
    link.parent.mkdir(parents=True)
    link.symlink_to(made.run_dir(yard.root("elsewhere")))
    assert yard.main("--dry-run") == 10
    assert rows(capsys.readouterr().out) == ["10 settling a"]


def test_names_that_are_no_runs_are_passed_by(yard: Yard) -> None:
    runs = yard.root() / "audit/workstation_runs"
    for name in (
        "notes",
        "2026-02-30_000000_production_gates_x",
        "2026-02-21_031500_production_gates_$(touch pwned)",
    ):
        (runs / name).mkdir(parents=True)
    (runs / f"{YESTERDAY:%Y-%m-%d_%H%M%S}_production_gates_file").write_text("")
    assert yard.main("--all") == 0
    assert yard.closed() == []


@pytest.mark.parametrize(
    "flags", [["--since", "soon"], ["--since", "2026-02-30"], ["--interval", "0"], ["--tag", "x"]]
)
def test_wrong_usage_is_reported(
    yard: Yard, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert yard.main(*flags) == 2
    assert flags[0] in capsys.readouterr().err


# --- patience
# --------------------------------------------------------------------------------------------------


def test_once_closes_what_is_complete_and_reports_the_rest(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("done")
    yard.make("going", whole=False, work=True)
    yard.make("dead", whole=False)
    assert yard.main("--once", "--json") == 10
    *closings, told = map(json.loads, capsys.readouterr().out.splitlines())
    assert [closing["exit_code"] for closing in closings] == [0]
    assert [(row["state"], row["exit_code"], row["host"]) for row in told["runs"]] == [
        ("closed", 0, "local"),
        ("dead", 7, "local"),
        ("running", 10, "local"),
    ]
    assert told["exit_code"] == 10


def test_a_dry_run_polls_once_and_writes_nothing(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("done")
    yard.make("going", whole=False, work=True)
    assert yard.main("--dry-run") == 10
    assert rows(capsys.readouterr().out) == ["10 settling done", "10 running going"]
    assert list(yard.local.iterdir()) == []


def test_a_deadline_ends_it(yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
    yard.make("going", whole=False, work=True)
    began = time.monotonic()
    assert yard.main("--deadline", "1", "--interval", "30") == 8
    assert time.monotonic() - began < 5
    assert rows(capsys.readouterr().out) == ["8 running going"]


def test_ctrl_c_detaches_and_the_same_command_resumes(yard: Yard) -> None:
    made = yard.make("a", whole=False, work=True)
    first = yard.watch()
    first.await_line("running: ")
    first.interrupt()
    assert first.end(15) == 130
    assert (
        "detached: 1 run not closed yet; resume with: .venv/bin/python scripts/watch_runs.py --host"
        in first.lines[-1]
    )
    yard.finish(made)
    assert yard.main() == 0
    assert yard.states(made) == "running settling complete"


def test_prometheus_reads_what_a_watch_sees(yard: Yard, tmp_path: Path) -> None:
    """A watch that is killed leaves a file that says since when nobody looked."""
    metrics = tmp_path / "postrun.prom"
    made = yard.make("one", whole=False, work=True)
    watch = yard.watch("--prometheus", str(metrics))
    watch.await_line("running")
    wait_for(lambda: 'state="running"} 1' in metrics.read_text())
    assert 'postrun_watch_active{watch="postrun"} 1\n' in metrics.read_text()
    watch.kill()
    watch.end()
    assert 'postrun_watch_active{watch="postrun"} 1\n' in metrics.read_text()
    yard.finish(made)
    assert yard.main("--prometheus", str(metrics)) == 0
    text = metrics.read_text()
    assert 'postrun_watch_active{watch="postrun"} 0\n' in text
    assert re.search(rf'exit_code{{.*tag="{made.tag}",run="{made.run_folder}"}} 0\n', text)


def test_a_wrong_file_for_prometheus_is_said_at_once(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("one")
    assert yard.main("--prometheus", "postrun.txt") == 2
    assert capsys.readouterr().err == (
        "--prometheus: expected a name that ends in .prom, found postrun.txt\n"
    )
    assert not list(yard.local.rglob("*.json"))


def test_a_root_that_is_not_there_is_missing(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.root().rmdir()
    flags = [
        *location_flags(yard.base / "nowhere", yard.local),
        *FAST,
    ]
    assert watch_runs.main(flags) == 3
    assert "--remote-root" in capsys.readouterr().err


def test_a_terminal_gets_a_table(yard: Yard) -> None:
    for number in range(3):
        yard.make(f"n{number}", whole=False, work=True)
    yard.make("over")
    # The last words of the last table; its heading is written before them.
    last = "pass, audit passed\r\n"
    told = on_a_terminal("watch_runs.py", yard.flags("--interval", "0.5"), last)
    assert "1 workstation: 1 closed, 3 running" in told
    assert "1 workstation: 1 complete, 3 running; Ctrl-C detaches, the runs go on" in told
    assert f"  local  {MINE}_n2    running       0:00:0" in told
    assert re.search(rf"  local  {MINE}_over  complete      0:00:00  its closing is next\r\n", told)
    assert re.search(
        rf"  local  {MINE}_n2    running .*\r\n  local  {MINE}_over  closed  .*  "
        rf"pass, audit passed\r\n",
        told,
    )


# --- several workstations
# -------------------------------------------------------------------------------------------


@pytest.fixture
def two(yard: Yard, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """Return a yard with two roots behind one sshd, under two names."""
    sshd.alias("other")
    listed = [(sshd.host, str(yard.root("far"))), ("other", str(yard.root("far2")))]
    monkeypatch.setattr(configuration, "workstations", lambda: listed)
    return yard


def everywhere(yard: Yard, *more: str) -> int:
    return watch_runs.main(["--local-root", str(yard.local), *FAST, *more])


def sessions(sshd: Sshd) -> int:
    return (sshd.folder / "sshd.log").read_text().count("Accepted publickey")


def test_runs_everywhere_are_closed_also_two_of_one_tag(
    two: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    two.make("a", on="far")
    newer, older = two.make("same", on="far", ago=1), two.make("same", on="far2", ago=2)
    assert everywhere(two) in (0, 1)
    closed = {row["run"] for row in decisions(two.local)}
    assert {older.run_folder, newer.run_folder} < closed
    assert sorted(two.closed()) == ["a", "same", "same"]
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[2] for line in lines if line[:2] in ("0 ", "1 ")} == {"bench", "other"}


def test_one_connection_a_host_whatever_the_number_of_runs(two: Yard, sshd: Sshd) -> None:
    for number in range(6):
        two.make(f"n{number}", on=("far", "far2")[number % 2], whole=False, work=True)
    assert everywhere(two, "--deadline", "2") == 8
    assert sessions(sshd) == 2


def test_a_noisy_profile_and_a_banner_are_no_answer(yard: Yard, sshd: Sshd) -> None:
    sshd.set_profile(
        "echo welcome; echo '+2026-01-01_000000_production_gates_x'; echo "
        "'{\"exit_code\": 0}' >&2\n"
    )
    made = yard.make("a", whole=False, work=True)
    watch = yard.watch(host=sshd.host)
    watch.await_line("bench: 1 unfinished run to watch")
    watch.await_line("running: 2 processes are running")
    watch.interrupt()
    assert watch.end() == 130
    assert yard.states(made) == "running"


# --- the settings
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "environment", "listed"),
    [
        ({}, {}, [("local", ".")]),
        ({"host": "bench"}, {}, [("bench", ".")]),
        (
            {
                "workstations": [
                    {"host": "a", "remote_root": "x"},
                    {"host": "b", "remote_root": "y"},
                ]
            },
            {},
            [("a", "x"), ("b", "y")],
        ),
        (
            {"workstations": [{"host": "a", "remote_root": "x"}]},
            {"POSTRUN_HOST": "c"},
            [("c", ".")],
        ),
    ],
)
def test_the_workstations_to_watch(
    own: dict[str, Any],
    environment: dict[str, str],
    listed: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("postrun.store.configuration._load_own", lambda _: own)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert configuration.workstations() == listed
