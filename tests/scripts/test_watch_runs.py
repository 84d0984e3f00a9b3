"""Many runs watched together: real processes, directories standing in for workstations, and real sshds."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import factory
import post_run_sync_and_finalize
import watch_runs
from factory import Documents
from postrun.core import locations, locks
from postrun.store import configuration
from program import Program, on_a_terminal, wait_for
from sshd import Sshd

MINE = f"w{os.getpid()}"  # tags of this test process alone: others work on the same machine
FAST = ("--interval", "0.2", "--grace", "0.5", "--lock-wait", "20")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Yard:
    """Some workstations' roots, runs on them, and whatever was started for them."""

    def __init__(self, tmp_path: Path, local: Path) -> None:
        self.base, self.local = tmp_path, local
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._programs: list[Program] = []

    def root(self, name: str = "far") -> Path:
        folder = self.base / name
        folder.mkdir(exist_ok=True)
        return folder

    def make(
        self, name: str, on: str = "far", ago: float = 1, whole: bool = True, work: bool = False
    ) -> Documents:
        """Put a run on a workstation, begun so many days ago; with a process at work on it if wanted."""
        stamp = (datetime.now(UTC) - timedelta(days=ago)).strftime("%Y-%m-%d_%H%M%S")
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
            "--host",
            host,
            "--remote-root",
            str(self.root()),
            "--local-root",
            str(self.local),
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
        """Give a PATH on which some programs are replaced by scripts."""
        folder = self.base / "tools"
        for name, script in programs.items():
            factory.put(folder / name, f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        return f"{folder}:{os.environ['PATH']}"

    def evidence(self) -> dict[Path, bytes]:
        """Give all bytes of the workspace but the locks and the monitors' own words."""
        files = (
            path for path in self.local.rglob("*") if path.is_file() and ".locks" not in path.parts
        )
        return {path: path.read_bytes() for path in files if path.name != "monitor_events.jsonl"}

    def closed(self) -> list[str]:
        """List the tags in the ledger, oldest row first, without what is this process's own of them."""
        path = self.local / "audit/stage_ledger.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
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
    """Give the lines of what became of the runs, from stdout: `<code> <state>` and the run's name."""
    lines = [line.partition(": ")[0].split() for line in told.splitlines() if line[:1].isdigit()]
    return [f"{line[0]} {line[1]} {line[-1].partition(f'{MINE}_')[2]}" for line in lines]


def words(told: str, name: str) -> str:
    """Give what stdout says of a run behind its name."""
    ends = (line.partition(": ") for line in told.splitlines() if line[:1].isdigit())
    return next(end for run, _, end in ends if run.endswith(f"{MINE}_{name}"))


# --- what becomes of runs -------------------------------------------------------------------------------------------


def test_complete_runs_are_closed_and_dead_ones_told(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    second, first, dead = yard.make("b", ago=1), yard.make("a", ago=2), yard.make("c", whole=False)
    assert yard.main() == 7
    told = capsys.readouterr()
    assert rows(told.out) == ["0 closed a", "0 closed b", "7 dead c"]
    assert words(told.out, "a") == "pass, audit passed"
    assert words(told.out, "c") == "no process of it is left and there is no result.json"
    assert yard.closed() == ["a", "b"], "in the order in which they began"
    assert [yard.states(made) for made in (first, second, dead)] == ["settling complete"] * 2 + [
        "running dead"
    ]
    assert "  | [cost_stress] x1.0 done" in told.err
    assert not (dead.run_dir(yard.local) / "result.json").exists(), (
        "a dead run is never closed by itself"
    )


def test_what_is_closed_is_not_watched_again(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("a")
    assert yard.main() == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in yard.local.rglob("*") if path.is_file()}
    assert yard.main() == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "local: 0 unfinished runs to watch\n" in told.err
    assert {path: path.read_bytes() for path in yard.local.rglob("*") if path.is_file()} == before


def test_half_a_closing_is_none(yard: Yard) -> None:
    made = yard.make("a")
    assert yard.main() == 0
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
    watch.await_line("running: 2 processes of it")
    yard.finish(one)
    watch.await_line(f"{one.tag}: closing")
    late = yard.make("late", ago=0, whole=False, work=True)
    watch.await_line(f"{late.tag} running: 2 processes of it")
    assert yard.closed() == ["one"]
    yard.finish(late)
    yard.finish(two)
    assert watch.end() == 0, watch.talk
    assert sorted(yard.closed()) == ["late", "one", "two"]
    assert yard.states(two) == "running settling complete"
    assert sorted(rows(watch.out)) == ["0 closed late", "0 closed one", "0 closed two"]
    assert "\x1b" not in watch.talk


def test_a_corrupt_result_is_told_and_the_others_are_closed(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = yard.make("broken", whole=False)
    (broken.run_dir(yard.root()) / "result.json").write_text("{")
    yard.make("sound")
    assert yard.main() == 4
    assert rows(capsys.readouterr().out) == ["0 closed sound", "4 corrupt broken"]


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


def test_a_run_folder_that_vanishes_is_missing_in_the_end(yard: Yard) -> None:
    made = yard.make("a", whole=False, work=True)
    watch = yard.watch("--appear-timeout", "0.6")
    watch.await_line("running: ")
    shutil.rmtree(made.run_dir(yard.root()))
    assert watch.end() == 3
    assert "is gone" in watch.talk


def test_a_run_begun_anew_under_its_tag_is_another_run(yard: Yard) -> None:
    dead, other = yard.make("a", whole=False), yard.make("b", whole=False, work=True)
    watch = yard.watch()
    watch.await_line(f"{dead.tag} dead: ")
    again = yard.make("a", ago=0)
    watch.await_line(f"{again.tag}: closing")
    yard.finish(other)
    assert watch.end() == 7
    assert rows(watch.out) == ["0 closed b", "1 closed a", "7 dead a"], (
        "one tag, two runs: the audit says no"
    )


def test_a_damaged_log_of_one_run_is_told_and_the_others_are_closed(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = yard.make("damaged", ago=2)
    yard.make("sound")
    factory.put(damaged.run_dir(yard.local) / "monitor_events.jsonl", '{"state": "sett')
    assert yard.main() == 4
    told = capsys.readouterr()
    assert rows(told.out) == ["0 closed sound", "4 settling damaged"]
    assert "monitor_events.jsonl:1: expected a whole line" in told.err


def test_a_closing_that_is_refused_does_not_stop_the_others(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = yard.make("changed", ago=2)
    yard.make("sound")
    factory.put(changed.run_dir(yard.local) / "evidence_manifest.json", "{")
    assert yard.main() == 4
    told = capsys.readouterr().out
    assert rows(told)[-1] == "4 complete changed"
    assert words(told, "changed") == "its closing ended with exit code 4; no result, audit not made"
    assert yard.closed() == ["sound"]


def test_a_run_that_somebody_else_closes_meanwhile_is_closed_once(yard: Yard) -> None:
    made = yard.make("a", whole=False, work=True)
    watch = yard.watch("--interval", "1.5")
    watch.await_line("running: ")
    yard.finish(made)
    assert post_run_sync_and_finalize.main(["--tag", made.tag, *yard.flags()[:6]]) == 0
    before = yard.evidence()
    watch.await_line("closing")
    assert watch.end() == 0
    assert yard.evidence() == before
    assert yard.closed() == ["a"]


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


def test_of_two_folders_the_one_that_was_watched_is_closed(yard: Yard) -> None:
    """The newer run failed before it had a context: by the tag alone, detection would take the older one."""
    yard.make("a", ago=2)
    newer = factory.documents(tag=f"{MINE}_a", stamp=f"{YESTERDAY:%Y-%m-%d_%H%M%S}")
    newer.context = newer.report = None
    newer.result["exit_code"] = 1
    newer.write(yard.root())
    assert yard.main() == 1
    rows = [
        json.loads(line)
        for line in (yard.local / "audit/stage_ledger.jsonl").read_text().splitlines()
    ]
    assert [(row["run"], row["result"]) for row in rows] == [(newer.run_folder, "fail")]


# --- locks, signals, cron -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", ["run", "workspace"])
def test_a_lock_of_another_flow_loses_no_run(yard: Yard, lock: str) -> None:
    made = yard.make("a", ago=2)
    yard.make("b")
    with ExitStack() as held:
        yard.lock(f"run-{made.tag}" if lock == "run" else lock, held)
        watch = yard.watch("--lock-wait", "0.1")
        watch.await_line("it held by another flow")
        watch.await_line(f"{MINE}_b: closing")
        watch.await_line(f"{MINE}_a: closing")
    assert watch.end() in (0, 1), "b was handed over while a lay half closed"
    assert sorted(yard.closed()) == ["a", "b"]


@pytest.mark.parametrize("flags", [("--once",), ("--deadline", "2")])
def test_a_lock_that_is_never_free_ends_in_its_own_code(
    yard: Yard, flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("a")
    with ExitStack() as held:
        yard.lock("workspace", held)
        assert yard.main("--lock-wait", "0.1", *flags) == 9
    assert rows(capsys.readouterr().out) == ["9 complete a"]
    assert yard.main() == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
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
        assert "detached from 1 run that is not closed yet; resume with: " in watch.lines[-1]
    assert "Traceback" not in watch.talk
    assert yard.main() == 0
    assert yard.closed() == ["a"]


def test_cron_may_look_as_often_as_it_likes(yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
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


# --- which runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "closed"),
    [
        ((), ["new"]),
        (("--since", (YESTERDAY - timedelta(days=15)).strftime("%Y-%m-%d")), ["old", "new"]),
        (("--since", (YESTERDAY + timedelta(days=1, hours=1)).strftime("%Y-%m-%d_%H%M%S")), []),
        (("--all",), ["ancient", "old", "new"]),
    ],
)
def test_an_archive_is_not_closed_by_surprise(
    yard: Yard, flags: tuple[str, ...], closed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, ago in (("new", 1), ("old", 9), ("ancient", 400)):
        yard.make(name, ago=ago)
    assert yard.main(*flags) == 0
    assert yard.closed() == closed
    left = 3 - len(closed)
    alone = f"; {left} older ones were left alone: --since or --all takes them in" if left else ""
    assert f"local: {len(closed)} unfinished runs to watch{alone}\n" in capsys.readouterr().err


def test_a_run_that_is_still_at_work_counts_however_old(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.make("long", ago=20, whole=False, work=True)
    yard.make("gone", ago=20, whole=False)
    assert yard.main("--once") == 10
    assert rows(capsys.readouterr().out) == ["10 running long"]


def test_a_name_in_the_future_hides_no_new_run(yard: Yard) -> None:
    ahead = yard.make("ahead", ago=-3, whole=False, work=True)
    watch = yard.watch()
    watch.await_line(f"{ahead.tag} running: ")
    late = yard.make("late", ago=0)
    watch.await_line(f"{late.tag}: closing")
    yard.finish(ahead)
    watch.end()
    assert sorted(yard.closed()) == ["ahead", "late"]


@pytest.mark.parametrize("shift", [-3600, 3600])
def test_a_clock_that_is_an_hour_off_changes_nothing(yard: Yard, shift: int) -> None:
    real = shutil.which("date")
    skewed = f'case "$*" in +%s) echo $(( $({real} +%s) + {shift} )) ;; *) exec {real} "$@" ;; esac'
    watch = yard.watch("--deadline", "20", PATH=yard.tools(date=skewed))
    first = yard.make("first", ago=-shift / 86400, whole=False, work=True)
    watch.await_line(f"{first.tag} running: ")
    right = yard.make("right", ago=0, whole=False, work=True)
    watch.await_line(f"{right.tag} running: ")
    for made in (right, first):
        yard.finish(made)
    assert watch.end() == 0, watch.talk
    assert sorted(yard.closed()) == ["first", "right"]


def test_two_hundred_runs_are_two_parts_of_one_poll(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(199):
        (
            yard.root()
            / f"audit/workstation_runs/{YESTERDAY:%Y-%m-%d_%H%M%S}_production_gates_{MINE}_{number}"
        ).mkdir(parents=True)
    yard.make("z")
    assert yard.main("--once") == 7
    assert rows(capsys.readouterr().out) == [
        "0 closed z",
        *sorted(f"7 dead {number}" for number in range(199)),
    ]


def test_a_folder_that_is_a_link_is_followed(yard: Yard) -> None:
    made = yard.make("a", on="elsewhere")
    link = made.run_dir(yard.root())
    link.parent.mkdir(parents=True)
    link.symlink_to(made.run_dir(yard.root("elsewhere")))
    shutil.move(yard.root("elsewhere") / "gate_results", yard.root() / "gate_results")
    assert yard.main() == 0
    assert yard.closed() == ["a"]


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
def test_wrong_usage_is_told(
    yard: Yard, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert yard.main(*flags) == 2
    assert flags[0] in capsys.readouterr().err


# --- patience -------------------------------------------------------------------------------------------------------


def test_once_closes_what_is_complete_and_tells_the_rest(
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


def test_a_rehearsal_looks_once_and_writes_nothing(
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
        "detached from 1 run that is not closed yet; resume with: .venv/bin/python scripts/watch_runs.py --host"
        in first.lines[-1]
    )
    yard.finish(made)
    assert yard.main() == 0
    assert yard.states(made) == "running settling complete"


def test_a_root_that_is_not_there_is_missing(
    yard: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.root().rmdir()
    flags = [
        "--host",
        "local",
        "--remote-root",
        str(yard.base / "nowhere"),
        "--local-root",
        str(yard.local),
        *FAST,
    ]
    assert watch_runs.main(flags) == 3
    assert "--remote-root" in capsys.readouterr().err


def test_a_small_terminal_gets_what_fits(yard: Yard) -> None:
    for number in range(15):
        yard.make(f"n{number}", whole=False, work=True)
    words = "15 running; Ctrl-C detaches, the runs go on"
    shown = on_a_terminal("watch_runs.py", yard.flags("--interval", "5"), words, size=(10, 40))
    drawn = [part.partition("\x1b[?7h")[0].count("\n") for part in shown.split("\x1b[?7l")[1:]]
    assert max(drawn) == 9


def test_a_terminal_gets_a_table(yard: Yard) -> None:
    for number in range(3):
        yard.make(f"n{number}", whole=False, work=True)
    yard.make("over")
    told = on_a_terminal(
        "watch_runs.py", yard.flags("--interval", "0.5"), "1 workstation: 1 closed, 3 running"
    )
    assert "1 workstation: 1 complete, 3 running; Ctrl-C detaches, the runs go on" in told
    assert f"  local  {MINE}_n2    running       0:00:0" in told
    assert re.search(rf"  local  {MINE}_over  complete      0:00:00  its closing is next\r\n", told)
    assert re.search(
        rf"  local  {MINE}_n2    running .*\r\n  local  {MINE}_over  closed  .*  pass, audit passed\r\n",
        told,
    )


# --- several workstations -------------------------------------------------------------------------------------------


@pytest.fixture
def two(yard: Yard, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """Give a yard with two roots behind one sshd, under two names."""
    sshd.alias("other")
    listed = [(sshd.host, str(yard.root("far"))), ("other", str(yard.root("far2")))]
    monkeypatch.setattr(configuration, "workstations", lambda: listed)
    return yard


def everywhere(yard: Yard, *more: str) -> int:
    return watch_runs.main(["--local-root", str(yard.local), *FAST, *more])


def sessions(sshd: Sshd) -> int:
    return (sshd.folder / "sshd.log").read_text().count("Accepted publickey")


def test_runs_everywhere_are_closed(two: Yard, capsys: pytest.CaptureFixture[str]) -> None:
    two.make("a", on="far")
    two.make("b", on="far2", ago=2)
    assert everywhere(two) == 0
    assert sorted(two.closed()) == ["a", "b"]
    hosts = sorted(
        line.split()[2] for line in capsys.readouterr().out.splitlines() if line[:1] == "0"
    )
    assert hosts == ["bench", "other"]


def test_one_connection_a_host_whatever_the_number_of_runs(two: Yard, sshd: Sshd) -> None:
    for number in range(6):
        two.make(f"n{number}", on=("far", "far2")[number % 2], whole=False, work=True)
    assert everywhere(two, "--deadline", "4") == 8
    assert sessions(sshd) == 2


def test_a_tag_on_two_workstations_is_two_runs(two: Yard) -> None:
    newer, older = two.make("same", on="far", ago=1), two.make("same", on="far2", ago=2)
    assert everywhere(two) in (0, 1)
    ledger = [
        json.loads(line)
        for line in (two.local / "audit/stage_ledger.jsonl").read_text().splitlines()
    ]
    assert sorted(row["run"] for row in ledger) == [older.run_folder, newer.run_folder]


def test_a_run_on_two_workstations_is_unclear_and_the_others_are_closed(
    two: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of the two may be the copy: where the run is not at work it would look dead, or complete too soon."""
    made = two.make("a", on="far", whole=False, work=True)
    shutil.copytree(two.root("far"), two.root("far2"), dirs_exist_ok=True)
    two.make("b", on="far")
    two.make("c", on="far2")
    assert everywhere(two, "--grace", "30") == 5
    assert sorted(two.closed()) == ["b", "c"]
    told = capsys.readouterr()
    unclear = f"run folder {made.run_folder}: expected it on one workstation, found it on "
    assert sorted(rows(told.out)[:2]) == ["0 closed b", "0 closed c"]
    ends = [line.split(": ", 1) for line in told.out.splitlines() if line.startswith("5 ")]
    assert [head.split()[-2] for head, _ in ends] == ["bench", "other"]
    assert all(end.startswith(unclear) for _, end in ends)
    assert told.err.count(f" {made.tag} unclear: {unclear}") == 2
    assert {row for row in rows(told.out) if row.endswith(" a")} == {"5 unclear a"}


def test_a_copy_that_comes_later_ends_the_watch_of_its_run_alone(
    two: Yard, capsys: pytest.CaptureFixture[str]
) -> None:
    made, other = two.make("a", whole=False, work=True), two.make("b", whole=False, work=True)
    with ThreadPoolExecutor(1) as apart:
        code = apart.submit(everywhere, two, "--deadline", "40")
        wait_for(lambda: two.states(made) == two.states(other) == "running", 15)
        shutil.copytree(
            two.root(), two.root("far2"), ignore=lambda *_: [other.run_folder], dirs_exist_ok=True
        )
        told = ""
        while told.count("expected it on one workstation") < 2:
            assert not code.done()
            told += capsys.readouterr().err
        two.finish(made)
        two.finish(other)
        assert code.result() == 5
    assert two.closed() == ["b"]


def test_a_workstation_that_is_away_does_not_hold_up_the_others(
    two: Yard, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sshd.alias("away", Port="1")
    listed = [(sshd.host, str(two.root("far"))), ("away", str(two.root("far2")))]
    monkeypatch.setattr(configuration, "workstations", lambda: listed)
    two.make("a", on="far")
    assert everywhere(two, "--outage-budget", "1.5") == 6
    assert two.closed() == ["a"]
    assert "6 given up away -" in capsys.readouterr().out
    assert everywhere(two, "--once") == 6


@pytest.mark.parametrize(
    ("flags", "code"), [(("--deadline", "1"), 8), (("--once", "--deadline", "1"), 6)]
)
def test_a_workstation_that_never_answered_is_told_though_its_first_look_goes_on(
    yard: Yard, flags: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = [
            "--host",
            f"127.0.0.1:{silent.getsockname()[1]}",
            "--remote-root",
            "/x",
            "--local-root",
            str(yard.local),
        ]
        assert watch_runs.main([*place, *FAST, *flags]) == code
    assert f"{code} not seen 127.0.0.1" in capsys.readouterr().out


def test_what_became_of_runs_is_told_whatever_ends_the_watch(yard: Yard) -> None:
    going = yard.make("going", whole=False, work=True)
    yard.make("dead", whole=False, ago=2)
    watch = yard.watch()
    watch.await_line("_dead dead: ")
    factory.put(locations.workspace_path(yard.local, "stage_ledger"), "{")
    yard.make("late", ago=0.5)
    assert watch.end() == 4
    assert rows(watch.out) == ["7 dead dead"]
    assert going.tag in watch.talk


def test_an_outage_in_between_is_waited_out(yard: Yard, sshd: Sshd) -> None:
    made = yard.make("a", whole=False, work=True)
    watch = yard.watch(host=sshd.host)
    watch.await_line("running: ")
    sshd.stop()
    watch.await_line("unreachable: ")
    yard.finish(made)
    sshd.start()
    assert watch.end() == 0
    assert yard.states(made) == "running unreachable settling complete"


def test_an_outage_past_its_budget_gives_up_the_workstation(yard: Yard, sshd: Sshd) -> None:
    yard.make("a", whole=False, work=True)
    watch = yard.watch("--outage-budget", "1", host=sshd.host)
    watch.await_line("running: ")
    sshd.stop()
    assert watch.end() == 6
    assert "bench: given up" in watch.talk
    assert rows(watch.out)[-1] == "6 unreachable a"


def test_a_stranger_is_refused_at_once(yard: Yard, sshd: Sshd) -> None:
    sshd.forget_host_key()
    watch = yard.watch(host=sshd.host)
    assert watch.end(15) == 6
    assert "expected a host key in known_hosts, found an unknown host" in watch.talk


def test_an_outage_between_complete_and_the_closing_is_waited_out(yard: Yard, sshd: Sshd) -> None:
    made = yard.make("a")
    with ExitStack() as held:
        yard.lock(f"run-{made.tag}", held)
        watch = yard.watch(host=sshd.host)
        watch.await_line("waiting for another flow")
        sshd.stop()
    watch.await_line("not closed yet (exit code 6), the next try is in ")
    watch.await_line("not closed yet (exit code 6), the next try is in ")
    sshd.start()
    assert watch.end() == 0, watch.talk
    assert yard.closed() == ["a"]


def test_a_copy_that_is_always_cut_off_ends_in_its_own_code_and_holds_up_no_other(
    yard: Yard,
) -> None:
    """Here rsync fails for one run of two, for longer than an outage may last."""
    cut, sound = yard.make("cut", ago=2), yard.make("sound")
    broken = f'case "$*" in *{cut.tag}*) echo "rsync: connection cut" >&2; exit 12;; esac'
    watch = yard.watch(
        "--outage-budget",
        "1",
        PATH=yard.tools(rsync=f'{broken}; exec {shutil.which("rsync")} "$@"'),
    )
    assert watch.end() == 6
    assert (yard.closed(), rows(watch.out)[-1]) == (["sound"], "6 complete cut")
    assert (
        words(watch.out, "cut") == "its closing ended with exit code 6; no result, audit not made"
    )
    request = [line.split()[2] for line in watch.lines if line.endswith(": closing\n")]
    assert request[:3] == [f"{cut.tag}:", f"{sound.tag}:", f"{cut.tag}:"]


def test_a_connection_cut_in_the_middle_of_a_look_is_made_anew(yard: Yard, sshd: Sshd) -> None:
    made = yard.make("a", whole=False, work=True)
    slow, called = yard.base / "slow", yard.base / "called"
    ps = f'[ ! -e {slow} ] || {{ touch {called}; sleep 20; }}; exec {shutil.which("ps")} "$@"'
    sshd.set_environment(PATH=yard.tools(ps=ps))
    watch = yard.watch(host=sshd.host)
    watch.await_line("running: ")
    slow.touch()
    patience = time.monotonic() + 15
    while not called.exists():
        assert time.monotonic() < patience
        time.sleep(0.02)
    sshd.cut()
    watch.await_line("unreachable: ")
    slow.unlink()
    watch.await_line("running: ")
    yard.finish(made)
    assert watch.end() == 0
    assert yard.states(made) == "running unreachable running settling complete"


def test_a_host_key_that_changes_on_the_way_is_never_trusted(yard: Yard, sshd: Sshd) -> None:
    made = yard.make("a", whole=False, work=True)
    watch = yard.watch("--outage-budget", "2", host=sshd.host)
    watch.await_line("running: ")
    sshd.change_host_key()
    yard.finish(made)
    assert watch.end() == 6
    assert "expected the host key in known_hosts, found another" in watch.talk
    assert rows(watch.out)[-1] == "6 unreachable a"
    assert yard.closed() == []


def test_a_wrong_user_on_one_workstation_does_not_hold_up_the_other(
    two: Yard, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sshd.alias("stranger", User="nobody-here")
    listed = [("stranger", str(two.root("far2"))), (sshd.host, str(two.root("far")))]
    monkeypatch.setattr(configuration, "workstations", lambda: listed)
    two.make("a", on="far")
    two.make("b", on="far2")
    assert everywhere(two) == 6
    told = capsys.readouterr()
    assert two.closed() == ["a"]
    assert "6 given up stranger -" in told.out
    assert "expected a login by key, found refused" in told.err


def test_a_noisy_profile_and_a_banner_are_no_answer(yard: Yard, sshd: Sshd) -> None:
    sshd.set_profile(
        "echo welcome; echo '+2026-01-01_000000_production_gates_x'; echo '{\"exit_code\": 0}' >&2\n"
    )
    made = yard.make("a", whole=False, work=True)
    watch = yard.watch(host=sshd.host)
    watch.await_line("bench: 1 unfinished runs to watch")
    watch.await_line("running: 2 processes of it")
    watch.interrupt()
    assert watch.end() == 130
    assert yard.states(made) == "running"


# --- the settings ---------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr("postrun.store.json_files.seek", lambda *_: own)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert configuration.workstations() == listed
