"""Disturb every file operation of a closing, one at a time, and see that the next closing mends it.

A case is one operation of the program that closes a run (or of its rsync), one fault, and one
workspace: an empty one, or one in which other runs are closed. The process is killed as it begins
the operation, or the operation fails with ENOSPC, EIO, EACCES or EROFS. The disturbed closing must
say nothing false and end without a traceback. The next, undisturbed one must leave what one
undisturbed closing leaves: the same files, bytes and modes, the evidence's times, nothing more. The
clock stands still (SOURCE_DATE_EPOCH). A state that another disturbance left behind already is not
mended a second time. Each closing is a process of its own; all but the first are forked from one
that has imported the program, which saves half the time.

Of rsync's operations, as many are drawn as --rsync says. When rsync is killed, it is killed alone
in one case, and together with the closing in another.

--sample draws some of all cases, --shard K/N takes every N-th one from K on: the shards of one seed
are the whole. --results keeps every case in a file, one JSON object a line; cases that it has are
not run again, and several shards may share it. Needs strace.
Exit codes: 0 all right, 1 a case failed, 3 strace cannot be used.

    make fault-matrix               or: .venv/bin/python tests/fault_matrix.py
    .venv/bin/python tests/fault_matrix.py --shard 1/4 --results faults.jsonl
    .venv/bin/python tests/fault_matrix.py --case 'filled/closing/EIO/031' --verbose
"""

import argparse
import fnmatch
import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "scripts")]

from harness import factory, strace, workspace  # noqa: E402
from harness.strace import ERRORS, KILL, Operation  # noqa: E402
from harness.warm_script import WarmScript  # noqa: E402

FAULTS = (KILL, *ERRORS)
RSYNC_PROGRAM = shutil.which("rsync") or "rsync"
WORKSPACES = ("empty", "filled")
CLOSING, RSYNC, BOTH = "closing", "rsync", "rsync+closing"  # what is disturbed
EVIDENCE = ("audit/workstation_runs", "gate_results")
PASSING = ("audit/.locks", "audit/.cache")  # what may be deleted at any time
# The runs that the filled workspace has closed before.
EARLIER: tuple[dict[str, Any], ...] = (
    {"tag": "earlier_2026-02-18_run1", "stamp": "2026-02-18_031500", "level": 0.03},
    {"tag": "earlier_2026-02-19_run1", "stamp": "2026-02-19_031500", "passing": False},
    {"tag": "other_2026-02-20_run1", "stamp": "2026-02-20_031500", "factor": "reversal_1"},
)
MOMENT = "1772000000"  # after the runs; seconds since 1970
TRIES = 3  # a process may open one file more than the last time
SHOWN = 6  # of what went wrong in one case
# What is said of evidence or files that somebody changed. Nobody did.
FALSE_WORDS = ("changed", "differ", ".edited-", ".foreign-", "superseded", "gone", "other program")
TRACEBACK = "Traceback (most recent call last)"

# It stands before the real rsync on the PATH. The closing calls it once, or once for each disk.
RSYNC_WRAPPER = """#!/bin/sh
call=$(($(cat "$FAULT_FOLDER/calls") + 1))
echo $call >"$FAULT_FOLDER/calls"
. "$FAULT_FOLDER/before-rsync"
exec {rsync} "$@"
"""
# Lines of shell before that: rsync is traced, or in one call disturbed. There the parent is the
# shell of a lifeline, and its parent the closing.
TRACE_RSYNC = '{strace} -f {rsync} "$@"\nexit\n'
DISTURB_RSYNC = (
    '[ $call != {call} ] || {{ {strace} -f {rsync} "$@"; code=$?; {kill}exit $code; }}\n'
)
KILL_CLOSING = "kill -KILL $(ps -o ppid= -p $PPID); "


@dataclass(frozen=True)
class Case:
    """One disturbance of one closing."""

    workspace: str
    target: str
    fault: str
    number: int  # of the operation, among the target's own, from 1
    operation: Operation
    call: int = 0  # which of the closing's calls of rsync it is in

    @property
    def name(self) -> str:
        """Return the name that --case takes."""
        return f"{self.workspace}/{self.target}/{self.fault}/{self.number:03d}"

    def __str__(self) -> str:
        return f"{self.name} {self.operation}"


@dataclass(frozen=True)
class Ended:
    """How one closing ended."""

    code: int
    talk: str

    @property
    def marks(self) -> list[str]:
        """Return step and answer of each line about a step."""
        found = []
        for line in self.talk.splitlines():
            words = line.split()
            if words and words[0].replace("-", "").isdecimal():
                found.append(" ".join(words[:3]))
        return found


@dataclass(frozen=True)
class File:
    """What must be the same of one file or folder."""

    mode: str
    digest: str
    # The evidence's only: rsync skips what has the right time and size.
    modified: int


State = dict[str, File]


@dataclass
class Ground:
    """A folder with a workstation and a workspace, in which one closing runs at a time."""

    folder: Path
    # By workspace: what an undisturbed closing left and said.
    right: dict[str, tuple[State, Ended]] = field(default_factory=dict)
    mended: dict[str, list[str]] = field(default_factory=dict)

    @property
    def local(self) -> Path:
        """Return the root of the workspace."""
        return self.folder / "local"

    @property
    def remote(self) -> Path:
        """Return the root of the workstation."""
        return self.folder / "remote"

    @property
    def trace(self) -> Path:
        """Return the file that strace writes."""
        return self.folder / "trace"

    def lay_out(self, workspaces: Sequence[str]) -> None:
        """Write the workstation, the workspaces, and what an undisturbed closing leaves in each."""
        for options in EARLIER:
            factory.make_run(self.remote, **options)
        factory.make_run(self.remote)
        wrapper = self.folder / "bin/rsync"
        factory.put(wrapper, RSYNC_WRAPPER.format(rsync=RSYNC_PROGRAM))
        wrapper.chmod(0o755)
        self.script = WarmScript(workspace.CLOSING, self.folder, self._environment())
        for name in workspaces:
            self.local.mkdir()
            if name == "filled":
                for options in EARLIER:
                    done = self.close(tag=options["tag"])
                    assert done.code in (0, 1), done.talk
            # With a cache, what a closing opens depends on how old the files are.
            shutil.rmtree(self.local / "audit/.cache", ignore_errors=True)
            self.local.rename(self.folder / name)
            self.reset(name)
            done = self.close_as_users_do()
            assert done.code == 0, done.talk
            self.right[name] = self.state(), done
            shutil.rmtree(self.local)

    def reset(self, name: str) -> None:
        """Make the workspace one of the two again."""
        shutil.rmtree(self.local, ignore_errors=True)
        # With an index, a closing opens fewer files.
        shutil.rmtree(self.folder / ".cache", ignore_errors=True)
        shutil.copytree(self.folder / name, self.local, symlinks=True)

    def close(
        self,
        tracer: Sequence[str] = (),
        before_rsync: str = "",
        tag: str = factory.TAG,
    ) -> Ended:
        """Close a run, traced by a program, and with lines of shell before each rsync."""
        self._begin(before_rsync)
        return Ended(*self.script.run(self._flags(tag), tracer))

    def close_as_users_do(self) -> Ended:
        """Close the run by starting the script."""
        self._begin()
        command = [sys.executable, str(PROJECT / f"scripts/{workspace.CLOSING}.py")]
        done = subprocess.run(
            [*command, *self._flags(factory.TAG)],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return Ended(done.returncode, done.stderr)

    def _begin(self, before_rsync: str = "") -> None:
        factory.put(self.folder / "before-rsync", before_rsync)
        factory.put(self.folder / "calls", "0")

    def _flags(self, tag: str) -> list[str]:
        return ["--tag", tag, *workspace.location_flags(self.remote, self.local)]

    def _environment(self) -> dict[str, str]:
        """Return variables that make every closing do the same, in the same order."""
        return {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "FAULT_FOLDER": str(self.folder),
            "SOURCE_DATE_EPOCH": MOMENT,
            "PYTHONHASHSEED": "0",
            "LC_ALL": "C.UTF-8",
        }

    def state(self) -> State:
        """Return every file and folder of the workspace but locks and caches."""
        found = {}
        for path in sorted(self.local.rglob("*")):
            name = path.relative_to(self.local).as_posix()
            if not name.startswith(PASSING):
                found[strace.stable_name(name)] = self._file(path, name)
        return found

    def _file(self, path: Path, name: str) -> File:
        status = path.lstat()
        digest = ""
        modified = 0
        if stat.S_ISREG(status.st_mode):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if name.startswith(EVIDENCE) and (self.remote / name).exists():
                modified = status.st_mtime_ns
        return File(stat.filemode(status.st_mode), digest, modified)

    def operations(self, name: str) -> Iterator[tuple[str, int, list[Operation]]]:
        """Yield what an undisturbed closing does: who, in which call of rsync, and the operations.

        The closing is traced alone, rsync with all of its processes.
        """
        self.reset(name)
        # Its last word is the file: each call gets one of its own.
        words = f"{shlex.join(strace.command(self.folder / 'rsync-trace'))}-$call"
        lines = TRACE_RSYNC.format(strace=words, rsync=RSYNC_PROGRAM)
        done = self.close(strace.command(self.trace), lines)
        assert done.code == 0, done.talk
        yield CLOSING, 0, strace.read_trace(self.trace, self.local)
        for trace in sorted(self.folder.glob("rsync-trace-*")):
            call = int(trace.name.rpartition("-")[2])
            yield RSYNC, call, strace.read_trace(trace, self.local)

    def _disturb(self, case: Case) -> Ended:
        """Return how a closing ended in which one operation was disturbed."""
        self.trace.unlink(missing_ok=True)
        before = strace.command(self.trace, case.operation, case.fault)
        if case.target == CLOSING:
            return self.close(before)
        kill = KILL_CLOSING if case.target == BOTH else ""
        words = shlex.join(before)
        lines = DISTURB_RSYNC.format(call=case.call, strace=words, rsync=RSYNC_PROGRAM, kill=kill)
        return self.close(before_rsync=lines)

    def run(self, case: Case, verbose: bool = False) -> list[str]:
        """Return what went wrong in one case."""
        for _ in range(TRIES):
            self.reset(case.workspace)
            done = self._disturb(case)
            hit = strace.find_disturbed(self.trace, self.local)
            # What rsync's three processes do differs a little from call to call.
            if case.target != CLOSING or str(hit) == str(case.operation):
                break
        else:
            return [f"expected {case.operation} to be disturbed, found {hit}"]
        state = self.state()
        found = [f"disturbed: {fault}" for fault in self._judge(case, done, state)]
        key = hashlib.sha256(repr((case.workspace, state)).encode()).hexdigest()
        if verbose or key not in self.mended:
            again, self.mended[key] = self._mend(case.workspace)
            if verbose:
                print(f"-- {case}: {done.code}\n{done.talk}-- again: {again.code}\n{again.talk}")
        return found + [f"again: {fault}" for fault in self.mended[key]]

    def _judge(self, case: Case, done: Ended, state: State) -> Iterator[str]:
        """Yield what is wrong with a disturbed closing."""
        yield from false_words(done)
        is_killed = case.fault == KILL and case.target != RSYNC
        if is_killed != (done.code == -signal.SIGKILL):
            yield f"expected the fault, found exit code {done.code}"
        elif not is_killed and not 0 <= done.code <= 6:
            yield f"expected an exit code of an error, found {done.code}"
        if done.code == 0:
            for difference in differences(self.right[case.workspace][0], state):
                yield f"ended with 0, but {difference}"

    def _mend(self, name: str) -> tuple[Ended, list[str]]:
        """Close the run again; return how that ended and what is not as it should be."""
        done = self.close()
        right, undisturbed = self.right[name]
        found = list(false_words(done))
        if (done.code, done.marks) != (undisturbed.code, undisturbed.marks):
            answers = [mark for mark in done.marks if mark not in undisturbed.marks]
            found.append(f"expected exit code {undisturbed.code}, found {done.code} {answers}")
        found += differences(right, self.state())
        return done, found


def false_words(done: Ended) -> Iterator[str]:
    for line in done.talk.splitlines():
        if any(words in line for words in (*FALSE_WORDS, TRACEBACK)):
            yield f"said {line.strip()}"


def differences(right: State, state: State) -> list[str]:
    """Return how a workspace differs from what an undisturbed closing leaves."""
    found = []
    for name in sorted(right.keys() | state.keys()):
        expected, actual = right.get(name), state.get(name)
        if expected is None or actual is None:
            found.append(f"{'stray' if expected is None else 'missing'} {name}")
        elif expected != actual:
            for attribute in ("mode", "digest", "modified"):
                if getattr(expected, attribute) != getattr(actual, attribute):
                    found.append(f"other {attribute} of {name}")
    return found


def find_cases(ground: Ground, rsync: int, seed: int) -> Iterator[Case]:
    """Yield every case: all of the closing's operations, and so many of rsync's."""
    draw = random.Random(seed)
    for name in ground.right:
        copying = []
        for target, call, operations in ground.operations(name):
            if target == RSYNC:
                copying += [(call, operation) for operation in operations]
                continue
            for number, operation in enumerate(operations, 1):
                for fault in FAULTS:
                    yield Case(name, target, fault, number, operation)
        chosen = sorted(draw.sample(range(len(copying)), min(rsync, len(copying))))
        for index in chosen:
            call, operation = copying[index]
            yield Case(name, BOTH, KILL, index + 1, operation, call)
            for fault in FAULTS:
                yield Case(name, RSYNC, fault, index + 1, operation, call)


def choose(cases: Sequence[Case], args: argparse.Namespace) -> list[Case]:
    """Return the cases that were asked for."""
    chosen = []
    for case in cases:
        if args.only in (None, case.fault) and fnmatch.fnmatch(case.name, args.case):
            chosen.append(case)
    count = round(len(chosen) * args.sample)
    drawn = sorted(random.Random(args.seed).sample(range(len(chosen)), count))
    shard, shards = args.shard
    return [chosen[index] for index in drawn][shard - 1 :: shards]


@dataclass
class Matrix:
    """The cases that were run, and what went wrong in each."""

    results: Path | None
    found: dict[str, list[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.results is not None and self.results.exists():
            for line in self.results.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.found[row["case"]] = row["found"]
        self.earlier = frozenset(self.found)

    def add(self, case: Case, found: list[str]) -> None:
        """Keep a case, and say at once what went wrong in it."""
        with self.lock:
            self.found[case.name] = found
            if found:
                print(case, *found[:SHOWN], sep="\n    ", flush=True)
            if self.results is not None:
                row = {"case": case.name, "operation": str(case.operation), "found": found}
                with self.results.open("a", encoding="utf-8") as out:
                    out.write(f"{json.dumps(row)}\n")

    def table(self) -> str:
        """Return the table, in Markdown: cases and failures of each kind."""
        cases: Counter[tuple[str, str]] = Counter()
        failed: Counter[tuple[str, str]] = Counter()
        for name, found in self.found.items():
            where, target, fault, _ = name.split("/")
            cases[f"{where}, {target}", fault] += 1
            failed[f"{where}, {target}", fault] += bool(found)
        lines = [f"| workspace, disturbed | {' | '.join(FAULTS)} |", f"|---{'|---' * 5}|"]
        for row in dict.fromkeys(row for row, _ in cases):
            cells = [f"{cases[row, fault]} ({failed[row, fault]})" for fault in FAULTS]
            lines.append(f"| {row} | {' | '.join(cells)} |")
        total = f"{cases.total()} cases, {failed.total()} failed"
        return "\n".join([*lines, "", f"{total} (in brackets: failed)"])


def run_part(ground: Ground, number: int, args: argparse.Namespace, matrix: Matrix) -> int:
    """Run the cases of one job that no earlier program ran; return how many.

    Neighbours leave the same states behind, so each job has cases that follow one another. It finds
    them itself: how often a process opens a file before depends on the order of its folders.
    """
    ground.lay_out([args.workspace] if args.workspace else WORKSPACES)
    cases = choose(list(find_cases(ground, args.rsync, args.seed)), args)
    left = [case for case in cases if case.name not in matrix.earlier]
    first = len(left) * number // args.jobs
    last = len(left) * (number + 1) // args.jobs
    part = left[first:last]
    for case in part:
        matrix.add(case, ground.run(case, args.verbose))
    ground.script.end()
    return len(part)


def parse_shard(text: str) -> tuple[int, int]:
    """Return K and N of K/N. Raises ValueError."""
    shard, shards = map(int, text.split("/"))
    if not 1 <= shard <= shards:
        raise ValueError(text)
    return shard, shards


def build_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", choices=FAULTS, help="this fault only")
    parser.add_argument("--workspace", choices=WORKSPACES, help="this workspace only")
    parser.add_argument("--case", default="*", metavar="PATTERN", help="cases of this name only")
    parser.add_argument("--rsync", type=int, default=60, help="operations of rsync (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (%(default)s)")
    parser.add_argument("--sample", type=float, default=1.0, metavar="SHARE", help="of all cases")
    parser.add_argument("--shard", type=parse_shard, default=(1, 1), metavar="K/N")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--results", type=Path, metavar="FILE", help="cases done, and to be kept")
    parser.add_argument("--verbose", action="store_true", help="show what the closings say")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases that are asked for and print the table."""
    args = build_parser().parse_args(argv)
    if strace.why_not():
        print(f"strace: {strace.why_not()}", file=sys.stderr)
        return 3
    started = time.monotonic()
    matrix = Matrix(args.results)
    with tempfile.TemporaryDirectory(prefix="postrun-faults-") as folder:
        grounds = [Ground(Path(folder, str(number))) for number in range(args.jobs)]
        with ThreadPoolExecutor(args.jobs) as pool:
            run = partial(run_part, args=args, matrix=matrix)
            count = sum(pool.map(run, grounds, range(args.jobs)))
    print(matrix.table())
    print(f"seed {args.seed}, {count} cases in {time.monotonic() - started:.0f} s")
    return 1 if any(matrix.found.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
