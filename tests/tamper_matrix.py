"""Tamper with a workspace of closed runs in every way, and ask `make verify` each time: it must end
with 4 and name the file.

Makes a workspace of closed runs with the scripts alone (or takes a copy of --workspace, which must
be whole), and for each tampering a copy of it. Imports nothing from scripts/: each verify is a
process of its own, forked from one that did nothing but load the program. Prints a table: kind,
number, how many of them were named; then what was not. Exit codes: 0 all named, 1 not all, 2 usage.

    python tests/tamper_matrix.py --seed 7 --shard 1/10
"""

import argparse
import json
import os
import queue
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import closed_workspace, tampering
from harness.closed_workspace import Ended, Made
from harness.tampering import Tampering
from harness.warm_script import WarmScript

BROKEN = 4
VERIFY = "verify_workspace"


@dataclass(frozen=True)
class Answer:
    """What verify said of one tampering."""

    tampering: Tampering
    ended: Ended

    @property
    def problem(self) -> str:
        """Return why the answer is wrong; empty when it is right."""
        if "Traceback (most recent call last)" in self.ended.err:
            return f"a traceback: {self.ended.err.splitlines()[-1]}"
        expected = BROKEN if self.tampering.names else 0
        named = named_files(self.ended.out)
        if self.ended.code != expected:
            lines = [*self.ended.err.splitlines(), ""]
            return f"exit code {self.ended.code}, named {named[:3]}; {lines[0][:200]}"
        if expected and not any(map(self._is_meant, named)):
            return f"named others only: {named[:5]}"
        return ""

    def _is_meant(self, file: str) -> bool:
        return any(f"{file}/".startswith(f"{name}/") for name in self.tampering.names)


def named_files(out: str) -> list[str]:
    """Return the files that verify calls broken, from its JSON."""
    try:
        document = json.loads(out)
    except ValueError:
        return []
    return [row["file"] for row in document["findings"] if row["kind"] == "broken"]


def verify(root: Path, script: WarmScript | None = None) -> Ended:
    """Ask verify about a workspace; without a process that has loaded it, as a program."""
    flags = ("--local-root", str(root), "--json")
    if script is None:
        return closed_workspace.run_script(VERIFY, *flags)
    code, talk = script.run(flags)
    return Ended(code, script.out, talk)


class Copy:
    """A copy of a workspace, to be tampered with and mended again. Unchanged files are links."""

    def __init__(self, base: Path, folder: Path) -> None:
        self.base, self.root = base, folder / "workspace"
        self.root.mkdir(parents=True)
        self.script = WarmScript(VERIFY, folder, os.environ)
        self.mend()

    def mend(self) -> None:
        """Make it the same as the workspace again."""
        right, present = contents(self.base), contents(self.root)
        for name in sorted(present, reverse=True):
            path = self.root / name
            if name in right and present[name] == right[name]:
                continue
            if present[name] is None:
                path.rmdir()
            else:
                path.unlink()
            del present[name]
        for name in sorted(right.keys() - present.keys()):
            if right[name] is None:
                (self.root / name).mkdir()
            else:
                os.link(self.base / name, self.root / name, follow_symlinks=False)

    def ask(self, tampered: Tampering) -> Answer:
        """Tamper with it, return what verify says, mend it."""
        tampered.change(self.root)
        before = contents(self.root)
        ended = verify(self.root, self.script)
        if contents(self.root) != before:
            ended = Ended(-1, ended.out, "verify has written into the workspace")
        self.mend()
        return Answer(tampered, ended)


def contents(root: Path) -> dict[str, tuple[int, ...] | None]:
    """Return every file below a folder with inode, size and time; None for a folder."""
    found: dict[str, tuple[int, ...] | None] = {}
    for folder, folders, files in os.walk(root):
        below = os.path.relpath(folder, root)
        for name in folders:
            found[os.path.normpath(f"{below}/{name}")] = None
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            known = status.st_ino, status.st_size, status.st_mtime_ns
            found[os.path.normpath(f"{below}/{name}")] = known
    return found


def ask_all(made: Made, chosen: Sequence[Tampering]) -> list[Answer]:
    """Return what verify says of each tampering, on all cores."""
    copies: queue.Queue[Copy] = queue.Queue()
    workers = os.cpu_count() or 1
    for number in range(workers):
        copies.put(Copy(made.root, made.folder / "copies" / str(number)))

    def ask(tampered: Tampering) -> Answer:
        copy = copies.get()
        try:
            answer = copy.ask(tampered)
        finally:
            copies.put(copy)
        # At once: who waits for hours wants to see the first of them.
        if answer.problem:
            print(f"not named: {tampered}: {answer.problem}", file=sys.stderr, flush=True)
        return answer

    try:
        with ThreadPoolExecutor(workers) as executor:
            return list(executor.map(ask, chosen))
    finally:
        while not copies.empty():
            copies.get().script.end()


def choose(found: list[Tampering], shard: str, sample: int | None) -> list[Tampering]:
    """Return one shard of what there is to try, or a sample of it that has every kind."""
    part, _, parts = shard.partition("/")
    chosen = found[int(part) - 1 :: int(parts)]
    if sample is None:
        return chosen
    by_kind = Counter[str]()
    ranked = []
    for tampered in chosen:
        ranked.append((by_kind[tampered.kind], tampered))
        by_kind[tampered.kind] += 1
    ranked.sort(key=lambda pair: pair[0])
    return [tampered for _, tampered in ranked[:sample]]


def show(answers: Sequence[Answer], seconds: float) -> int:
    """Print the table and what was not named; return the exit code."""
    number = Counter(answer.tampering.kind for answer in answers)
    wrong = [answer for answer in answers if answer.problem]
    unnamed = Counter(answer.tampering.kind for answer in wrong)
    print(f"{'kind':<28} {'number':>7} {'right':>7}")
    for kind in sorted(number):
        print(f"{kind:<28} {number[kind]:>7} {number[kind] - unnamed[kind]:>7}")
    total = len(answers)
    print(f"{'all':<28} {total:>7} {total - len(wrong):>7}   {seconds:.0f} s")
    for answer in wrong:
        print(f"not named: {answer.tampering}: {answer.problem}")
    return 1 if wrong else 0


def prepare(folder: Path, workspace: Path | None) -> Made:
    """Return a workspace to tamper with. Raises RuntimeError when verify finds it broken."""
    if workspace is None:
        made = closed_workspace.make(folder)
    else:
        made = Made(folder)
        shutil.copytree(workspace, made.root, symlinks=True)
    ended = verify(made.root)
    if ended.code != 0:
        raise RuntimeError(f"verify before any tampering: {ended.code}\n{ended.out}{ended.err}")
    return made


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="which bytes, and in which order")
    parser.add_argument("--shard", default="1/1", metavar="K/N", help="do only the K-th of N parts")
    parser.add_argument("--sample", type=int, metavar="N", help="do only N, of as many kinds")
    parser.add_argument("--workspace", type=Path, help="tamper with copies of this one")
    parser.add_argument("--list", action="store_true", help="print what would be done, and stop")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the workspace, tamper with it, print the table."""
    args = parse(argv)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tamper-") as folder:
        try:
            made = prepare(Path(folder).resolve(), args.workspace)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        chosen = choose(tampering.all_of(made, args.seed), args.shard, args.sample)
        if args.list:
            print(*chosen, sep="\n")
            return 0
        answers = ask_all(made, chosen)
    print(f"seed {args.seed}, part {args.shard}")
    return show(answers, time.monotonic() - started)


if __name__ == "__main__":
    raise SystemExit(main())
