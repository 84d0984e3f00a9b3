"""Change one file that the project reads, run one of its programs, and see that it takes it well.

A case is a file (of the workstation, of the workspace, a config or a document), a change (bytes,
JSON values, CSV cells, encodings, or something else in its place, such as a FIFO) and a program.
The program must end within --seconds, with a documented exit code and without a traceback; each
message must be one line without control characters; no file outside the workspace may change, and
no unfinished file may be left. In every second case of a workspace the program takes the file for
unchanged, as if whoever changed it had changed the records, too. Programs run with a copy of the
project, in processes of their own; as root they get no right to read and write what modes forbid.

Cases of one --seed are always the same; --shard K/N runs every N-th from K on in this process.
Exit codes: 0 all right, 1 a case failed, 2 usage.

    .venv/bin/python tests/mutations.py --count 3000
    .venv/bin/python tests/mutations.py --case 1234 --verbose
"""

import argparse
import importlib
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from random import Random
from typing import TextIO

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests"))

from harness import factory, mutating  # noqa: E402

COPIED = ("scripts", "schemas", "templates", "configs", "docs", "README.md")
CODES = {*range(11), 130}
FIRST, SECOND, OPEN = "first", "second", "open"  # the runs; the last is not closed yet
CLOSING = "post_run_sync_and_finalize"
# What a script of each step is called with; those of the workspace take no tag.
OF_A_RUN = (
    CLOSING,
    "detect_run",
    "sync_run",
    "finalize_gate_run",
    "governance_audit_checker",
    "governance_remediation_plan",
    "generate_run_review",
    "update_factor_experiment_registry",
    "update_failure_pattern_db",
)
OF_THE_WORKSPACE = (
    "generate_candidate_queue",
    "generate_next_run_plan",
    "check_session_handoff_readiness",
)
# Not all of them are there yet.
OF_SIGNATURES = ("verify_workspace", "seal_ledger", "restore_ledger", "package_run", "approve_run")
OF_RETENTION = ("retention_plan", "retention_archive", "retention_restore")
REBUILT = ("update_factor_experiment_registry", "update_failure_pattern_db")
NEW_RUN = ("--tag", "new", "--data", "data/prices.csv", "--gate=x")
POLLS = ("--once", "--interval", "0.1", "--grace", "0.1", "--outage-budget", "1")
HEAVY = ("jsonschema", "jsonschema_rs", "referencing", "jinja2", "markupsafe")
MOST_MEMORY = 8 << 30
LONGEST_MESSAGE = 8100  # characters
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
UNFINISHED = re.compile(r"\.tmp$|^\..*\.[A-Za-z0-9]{6}$|^rsync")
DROPPED = "--bounding-set=-dac_override,-dac_read_search"
AUDIT, REVIEW, REGISTRY, PATTERNS_STEP = (
    "governance_audit_checker",
    "generate_run_review",
    "update_factor_experiment_registry",
    "update_failure_pattern_db",
)
QUEUE, PLAN, HANDOFF = OF_THE_WORKSPACE
EXECUTE, MONITORS = "execute_next_run_plan", ("monitor_then_finalize", "watch_runs")
# Who reads a file: by a part of its name, the first that fits. Any other program reads none of it.
READERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("retention_policy", OF_RETENTION[:2]),
    ("audit/archive/", (*OF_RETENTION, "verify_workspace", CLOSING)),
    ("run_detection", OF_A_RUN),
    ("evidence_manifest", (*OF_A_RUN, HANDOFF, "verify_workspace")),
    ("closing_record", (*OF_A_RUN, "verify_workspace", "restore_ledger", "seal_ledger")),
    ("workspace_record", (*OF_A_RUN, *OF_THE_WORKSPACE, EXECUTE, "verify_workspace")),
    ("governance_audit_check", ("governance_remediation_plan", REVIEW, REGISTRY, PATTERNS_STEP)),
    ("governance_remediation_plan", (REVIEW, REGISTRY, PLAN, HANDOFF, EXECUTE)),
    ("factor_experiment_registry", (REGISTRY, QUEUE, PLAN, PATTERNS_STEP, EXECUTE, "compare_runs")),
    ("trial_statistics", (REGISTRY, REVIEW, HANDOFF, "list_families")),
    ("factor_statistics", (REGISTRY, QUEUE, HANDOFF, "list_families")),
    ("factor_candidate_queue.csv", (QUEUE, PLAN, HANDOFF, EXECUTE)),
    ("next_run_plan.json", (PLAN, HANDOFF, EXECUTE)),
    ("failure_patterns", (PATTERNS_STEP, HANDOFF, CLOSING)),
    ("stage_ledger", ("finalize_gate_run", AUDIT, REVIEW, HANDOFF, "verify_workspace", CLOSING)),
    ("STAGE_AUDIT_LOG", ("finalize_gate_run", AUDIT, HANDOFF)),
    ("unchanged_runs", (CLOSING, REGISTRY, "verify_workspace")),
    ("monitor_events", MONITORS),
    ("notif", MONITORS),
    ("governance_checks", (AUDIT, "governance_remediation_plan", QUEUE, PLAN, CLOSING)),
    ("gate_hypotheses", (PLAN, EXECUTE, "generate_run_review")),
    ("scoring_policy", (REGISTRY, QUEUE, CLOSING)),
    ("statistics_policy", (AUDIT, REGISTRY, CLOSING)),
    ("candidate_queue_policy", (QUEUE, HANDOFF)),
    ("handoff", (HANDOFF,)),
    ("launcher_policy", ("data_quality_gate",)),
    ("allowed_signers", ("seal_ledger", "approve_run", "verify_workspace")),
    ("project/configs/workstation", (CLOSING, *MONITORS, "detect_run", "start_official_run")),
    ("project/docs", (HANDOFF,)),
    ("project/README", (HANDOFF,)),
    ("walk_forward_stress/", (AUDIT, REVIEW, CLOSING)),
    ("statistical/", (AUDIT, CLOSING)),
    ("data_quality/", (AUDIT, PLAN, EXECUTE, CLOSING)),
    ("result.json", ("finalize_gate_run", AUDIT, REGISTRY, CLOSING, *MONITORS)),
    ("context.json", ("finalize_gate_run", AUDIT, REGISTRY, PLAN, CLOSING, "detect_run")),
    ("command.sh", ("finalize_gate_run", AUDIT, REVIEW, CLOSING, "detect_run")),
    ("production_gates_report.json", ("finalize_gate_run", AUDIT, REVIEW, REGISTRY, PLAN, CLOSING)),
)
# Programs that write one finding a line, whatever they find.
LISTS = ("validate_artifacts", "verify_workspace", "retention_plan", "retention_archive")


@dataclass(frozen=True)
class Target:
    """One file or folder, relative to the ground."""

    name: str

    @property
    def tree(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Ended:
    """How a program ended; no code when it had to be ended."""

    code: int | None
    out: str
    err: str


@dataclass
class Ground:
    """A folder with a workstation, a workspace, a copy of the project, and what is outside."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "deep/ground/workspace"

    @property
    def remote(self) -> Path:
        return self.folder / "deep/ground/workstation"

    @property
    def project(self) -> Path:
        return self.folder / "deep/ground/project"

    @property
    def victim(self) -> Path:
        return self.folder / "outside/victim"

    def tag(self, name: str) -> str:
        # Tags stand on command lines, and others look at the same list of processes.
        return f"{name}.{os.getpid()}"

    def lay_out(self) -> None:
        """Write everything, and close the runs that are to be closed."""
        factory.put(self.victim, "nobody writes here")
        for name in ("home", "tmp"):
            (self.folder / "outside" / name).mkdir()
        for name in COPIED:
            source = PROJECT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, self.project / name, ignore=ignored)
            else:
                shutil.copy(source, self.project / name)
        self._write_settings()
        self._write_key()
        days = {FIRST: 12, SECOND: 13, OPEN: 14}
        for number, (name, day) in enumerate(days.items()):
            factory.make_run(
                self.remote,
                tag=self.tag(name),
                stamp=f"2026-02-{day}_031500",
                passing=name != SECOND,
                factor=f"factor{number % 2}",
                level=0.02 + number / 100,
            )
        rows = "".join(f"2026-02-{day:02},A{day},1.5\n" for day in range(1, 21))
        factory.put(self.remote / "data/prices.csv", f"date,ticker,close\n{rows}")
        for name in ("scripts/workstation_official_run.sh", "configs/strategies/base.yaml"):
            factory.put(self.remote / name, "exit 0\n")
        factory.put(self.remote / "runs/freeze/base.freeze.json", "{}\n")
        self.root.mkdir()
        self._load()
        for name in (FIRST, SECOND):
            command = (CLOSING, *self.where(), "--tag", self.tag(name))
            if name == FIRST:
                command = ("monitor_then_finalize", *command[1:], *POLLS)
            ended = self.run(command, seconds=300)
            assert ended.code == 0, ended
        for signing in (("approve_run", "--tag", self.tag(FIRST)), ("seal_ledger",)):
            ended = self.run((*signing, *self.here()), seconds=300)
            assert ended.code == 0, ended
        # One run is archived, and one may be.
        archived = ("retention_archive", "--tag", self.tag(SECOND), *self.here())
        ended = self.run(archived, seconds=300)
        assert ended.code == 0, ended
        for tree in ("workspace", "workstation", "project"):
            self._keep(tree)

    def _write_settings(self) -> None:
        """Write the user's own configs, which are not in git."""
        own: dict[str, object] = {
            "workstation.local": {"host": "local", "remote_root": str(self.remote)},
            "notify.local": {"urls": ["json://127.0.0.1:9/"]},
        }
        for name, document in own.items():
            factory.put(self.project / f"configs/{name}.json", json.dumps(document))

    def _write_key(self) -> None:
        """Write the user's own key, and who he is."""
        key = self.folder / "outside/home/.ssh/id_ed25519"
        key.parent.mkdir(mode=0o700)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hui", "-f", str(key)]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        public = key.with_suffix(".pub").read_text()
        factory.put(self.project / "configs/allowed_signers", f'hui namespaces="postrun" {public}')

    def _load(self) -> None:
        """Import what programs need once, from the copy of the project."""
        sys.path.insert(0, str(self.project / "scripts"))
        for path in sorted((self.project / "scripts").glob("*.py")):
            importlib.import_module(path.stem)
        for name in HEAVY:
            importlib.import_module(name)

    def where(self) -> list[str]:
        return ["--host", "local", "--remote-root", str(self.remote), *self.here()]

    def here(self) -> list[str]:
        return ["--local-root", str(self.root)]

    # --- one case

    def _keep(self, tree: str) -> None:
        shutil.copytree(self.root.parent / tree, self.folder / "kept" / tree, symlinks=True)

    def reset(self, trees: Collection[str]) -> None:
        """Make these trees again what they were at the beginning."""
        for tree in trees:
            path = self.root.parent / tree
            for folder in [path, *path.rglob("*")]:
                if folder.is_dir() and not folder.is_symlink():
                    folder.chmod(0o755)
            shutil.rmtree(path)
            shutil.copytree(self.folder / "kept" / tree, path, symlinks=True)

    def outside(self) -> dict[str, tuple[int, ...]]:
        """Return what is known of every file that no program may write."""
        found: dict[str, tuple[int, ...]] = {}
        for folder, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if Path(folder, name) != self.root]
            for name in [*folders, *names]:
                path = f"{folder}/{name}"
                status = os.lstat(path)
                is_own = path == f"{self.folder}/outside/tmp"
                # The index of the account is in its cache.
                is_own = is_own or path.startswith((f"{self.folder}/said", f"{self.folder}/cache"))
                if "__pycache__" not in path and not is_own:
                    found[path] = status.st_mode, status.st_size, status.st_mtime_ns
        return found

    def run(self, command: Sequence[str], seconds: float, believes: bool = False) -> Ended:
        """Run a script in a process of its own, with all its children."""
        said = [self.folder / f"said.{stream}" for stream in ("out", "err")]
        for path in said:
            path.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            _be_the_program(command, said, self, believes)
        code = wait(child, seconds)
        return Ended(code, *(path.read_text(errors="replace") for path in said))


def _be_the_program(
    command: Sequence[str], said: Sequence[Path], ground: Ground, believes: bool
) -> None:
    """Run a script and end the process."""
    code = 99
    try:
        os.setsid()
        for number, path in enumerate((Path(os.devnull), *said)):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            descriptor = os.open(path, flags, 0o600)
            os.dup2(descriptor, number)
        sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3), "rww")
        os.chdir(ground.root.parent)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if believes:
            _believe_everything()
        script, *flags_of_script = command
        sys.argv = [f"scripts/{script}.py", *flags_of_script]
        code = importlib.import_module(script).main(flags_of_script)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  (shown as Python shows it)
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 1
        os._exit(code)


def _stream(descriptor: int, mode: str) -> TextIO:
    return io.TextIOWrapper(
        io.FileIO(descriptor, mode, closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def _believe_everything() -> None:
    """Take every file for the one that was recorded."""
    from postrun.store import checked_files, records

    for module, names in (
        (records, ("check", "prove", "check_ledger")),
        (checked_files, ("check_evidence", "_check_decision")),
    ):
        for name in names:
            setattr(module, name, lambda *_: None)


def wait(child: int, seconds: float) -> int | None:
    """Return the exit code of a process, negative for a signal; end it after so many seconds."""
    end = time.monotonic() + seconds
    pause = 0.002
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


# --- cases


def targets(ground: Ground) -> list[Target]:
    """Return what is changed: every file that a program reads, and the folders they are in."""
    kept = ground.folder / "kept"
    names = []
    for path in sorted(kept.rglob("*")):
        name = path.relative_to(kept).as_posix()
        is_ours = name.startswith("project/")
        if "/" not in name or any(fnmatch(name, pattern) for pattern in LEFT_OUT):
            continue
        if is_ours and not name.startswith(("project/configs", "project/README", "project/docs")):
            continue
        names.append(name)
    return list(map(Target, names))


# The second run is like the first; those who read text of ours only look for its links.
LEFT_OUT = (
    f"*/workstation_runs/*_{SECOND}.*/*",
    f"workstation/*_{FIRST}.*/data_quality/*",
    "workstation/gate_results/*2026-02-13*",
    "workspace/gate_results/*2026-02-13*",
    "project/docs/*/*",
    "project/docs/*.md",
)


def programs(ground: Ground, target: Target) -> list[tuple[str, ...]]:
    """Return the programs that read a file, with their flags."""
    data = str(ground.remote / "data/prices.csv")
    out = str(ground.root / "audit/data_quality")
    gate = ("data_quality_gate", "--input-csv", data, "--key-columns", "date", "--out-dir", out)
    if target.name == "workstation/data/prices.csv":
        return [gate]
    where, here = ground.where(), ground.here()
    run = OPEN if f"_{OPEN}." in target.name or "2026-02-14" in target.name else FIRST
    tag = ("--tag", ground.tag(run))
    found: list[tuple[str, ...]] = [
        (CLOSING, *where, *tag),
        ("monitor_then_finalize", *where, *tag, *POLLS, "--appear-timeout", "1"),
        ("watch_runs", *where, *POLLS, "--all"),
        ("detect_run", *where, *tag),
        ("start_official_run", *where, "--dry-run", *NEW_RUN),
        ("generate_next_run_plan", *where),
        ("execute_next_run_plan", *where, "--rank", "1", "--dry-run"),
    ]
    if target.tree == "workstation":
        return found
    found += [(script, *where, *tag, "--lock-wait", "1") for script in OF_A_RUN]
    found += [(script, *where, "--lock-wait", "1") for script in OF_THE_WORKSPACE]
    found += [(script, *here, "--rebuild") for script in REBUILT]
    tags = f"{ground.tag(FIRST)} {ground.tag(SECOND)}"
    found += [
        (CLOSING, *where, "--tag", ground.tag(OPEN)),
        ("compare_runs", *here, "--tags", tags),
        ("compare_runs", *here, "--json", "--tags", tags),
        ("list_families", *here),
        ("list_families", *here, "--json"),
        ("validate_artifacts", *here),
        ("validate_artifacts", *here, "--json"),
        (CLOSING, *here, *tag, "--no-sync", "--json"),
    ]
    for script in OF_SIGNATURES:
        if (ground.project / f"scripts/{script}.py").exists():
            takes_tag = script in ("package_run", "approve_run")
            found.append((script, *here, *(tag if takes_tag else ())))
    archived = ("--tag", ground.tag(SECOND))
    found += [
        ("retention_plan", *here),
        ("retention_plan", *here, "--json"),
        ("retention_archive", *here, "--lock-wait", "1"),
        ("retention_restore", *here, *archived, "--lock-wait", "1"),
        (CLOSING, *where, *archived),
    ]
    if target.tree == "project":
        found.append(gate)
        # The settings count only where no flag goes before them.
        found += [tuple(_without_place(command)) for command in found]
    return found


def _choose(found: list[tuple[str, ...]], target: Target, random: Random) -> tuple[str, ...]:
    """Return one of the programs; in four of five cases one that reads the file itself."""
    for part, scripts in READERS:
        if part in target.name and random.random() < 0.8:
            readers = [command for command in found if command[0] in scripts]
            return random.choice(readers or found)
    return random.choice(found)


def _without_place(command: Sequence[str]) -> Iterator[str]:
    words = iter(command)
    for word in words:
        if word in ("--host", "--remote-root"):
            next(words)
        else:
            yield word


@dataclass
class Harness:
    """Runs cases on one ground."""

    ground: Ground
    seed: int
    seconds: float
    changed_tree: str = "workspace"  # by the last case

    def run_case(self, number: int, verbose: bool = False) -> tuple[str, list[str]]:
        """Run one case; return what it was, and what went wrong."""
        all_targets = targets(self.ground)
        Random(self.seed).shuffle(all_targets)
        target = all_targets[number % len(all_targets)]
        random = Random(f"{self.seed} {number}")
        path = self.ground.root.parent / target.name
        self.ground.reset({"workspace", "workstation", self.changed_tree})
        self.changed_tree = target.tree
        change = mutating.mutate(path, random, self.ground.victim)
        command = _choose(programs(self.ground, target), target, random)
        believes = target.tree == "workspace" and random.random() < 0.5
        before = self.ground.outside()
        ended = self.ground.run(command, self.seconds, believes)
        case = f"{number}: {target.name}: {change}: {' '.join(command)}"
        case = case.replace(f"{self.ground.root.parent}/", "").replace(f".{os.getpid()}", "")
        if believes:
            case += " (taken for unchanged)"
        if verbose:
            print(f"{case}\nexit code {ended.code}\n{ended.out}{ended.err}")
        problems = list(self.problems(command, ended, before))
        return case, problems

    def problems(
        self, command: Sequence[str], ended: Ended, before: dict[str, tuple[int, ...]]
    ) -> Iterator[str]:
        if ended.code is None:
            yield f"no end within {self.seconds:g} s"
        elif ended.code not in CODES:
            yield f"exit code {ended.code}"
        if "Traceback" in ended.err:
            yield f"a traceback: {ended.err.splitlines()[-1][:300]}"
            return
        yield from _problems_of_messages(ended.err)
        if "--json" in command and ended.out and command[0] not in LISTS:
            yield from _problems_of_json(ended.out)
        elif CONTROL.search(ended.out):
            yield f"control characters on stdout: {CONTROL.search(ended.out)}"
        if ended.code and not ended.err.strip() and command[0] not in LISTS:
            yield f"exit code {ended.code} without a word"
        yield from self._problems_of_files(before)

    def _problems_of_files(self, before: dict[str, tuple[int, ...]]) -> Iterator[str]:
        after = self.ground.outside()
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                short = name.removeprefix(f"{self.ground.folder}/")
                yield f"changed outside of the workspace: {short}"
        for folder, folders, names in os.walk(self.ground.root):
            for name in [*folders, *names]:
                is_bait = mutating.BAIT in name or mutating.MARK in name
                if is_bait or UNFINISHED.search(name):
                    yield f"left in the workspace: {Path(folder, name).name!r}"


def _problems_of_messages(err: str) -> Iterator[str]:
    for line in err.splitlines():
        if line.startswith(mutating.MARK) or CONTROL.search(line):
            yield f"a message of more than one line, or with control characters: {line!r:.300}"
        if len(line) > LONGEST_MESSAGE:
            yield f"a message of {len(line)} characters: {line[:120]!r}"
        if line.startswith(("  File", "    ", "Exception ", "During ")):
            yield f"not a message: {line!r:.200}"


def _problems_of_json(out: str) -> Iterator[str]:
    for line in out.splitlines():
        try:
            json.loads(line)
        except ValueError as error:
            yield f"no JSON on stdout ({error}): {line[:100]!r}"


def run_shard(args: argparse.Namespace) -> int:
    """Run the cases of a shard in this process; return the exit code."""
    first, step = map(int, args.shard.split("/"))
    numbers: Sequence[int] = range(first - 1, args.count, step)
    if args.case is not None:
        numbers = [args.case]
    failed = 0
    codes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        ground = Ground(Path(folder).resolve() / "guard")
        for name in [name for name in os.environ if name.startswith("POSTRUN_")]:
            del os.environ[name]
        outside = ground.folder / "outside"
        os.environ.update(HOME=str(outside / "home"), TMPDIR=str(outside / "tmp"))
        os.environ["XDG_CACHE_HOME"] = str(ground.folder / "cache")
        ground.lay_out()
        harness = Harness(ground, args.seed, args.seconds)
        for number in numbers:
            case, problems = harness.run_case(number, args.verbose)
            codes["cases"] += 1
            for problem in problems:
                print(f"{case}\n    {problem}", flush=True)
            failed += bool(problems)
        ground.reset(("workspace", "workstation", "project"))
    print(f"{codes['cases']} cases, {failed} failed (seed {args.seed}, shard {args.shard})")
    return int(failed > 0)


def run_all(args: argparse.Namespace, argv: Sequence[str]) -> int:
    """Run all cases, in several processes; return the exit code."""

    def run_one(number: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, __file__, *argv, "--shard", f"{number}/{args.jobs}"]
        return subprocess.run(
            without_rights(command), stdin=subprocess.DEVNULL, text=True, check=False
        )

    with ThreadPoolExecutor(args.jobs) as pool:
        ended = list(pool.map(run_one, range(1, args.jobs + 1)))
    return max(done.returncode for done in ended)


def without_rights(command: list[str]) -> list[str]:
    """Return a command that runs without root's right to read and write everything."""
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0 or setpriv is None:
        return command
    return [setpriv, DROPPED, *command]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program."""
    words = sys.argv[1:] if argv is None else list(argv)
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    add: Callable[..., object] = parser.add_argument
    add("--seed", type=int, default=1, help="of the cases (default: 1)")
    add("--count", type=int, default=3000, help="how many cases (default: 3000)")
    add("--shard", metavar="K/N", help="only every N-th case, from K on, in this process")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    add("--case", type=int, metavar="I", help="only this case")
    add("--seconds", type=float, default=90, help="what a program may take (default: 90)")
    add("--verbose", action="store_true", help="print what every program says")
    args = parser.parse_args(words)
    if args.case is not None:
        args.jobs = 1
    if args.shard is None:
        return run_all(args, words)
    return run_shard(args)


if __name__ == "__main__":
    raise SystemExit(main())
