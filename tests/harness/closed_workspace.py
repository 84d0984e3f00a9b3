"""A workspace of closed runs of every kind, made by the scripts alone, each as a program.

    made = closed_workspace.make(folder)
    made.root         the workspace: one run approved, sealed twice, and one run closed since
    made.earlier      the same at earlier times, by name

Nothing is imported from `scripts/`: what judges the programs must not share their mistakes.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import factory
from harness.factory import Documents

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = PROJECT / "scripts"
REGISTRY = "audit/factor_registry/factor_experiment_registry.csv"
STAGE_LOG = "docs/production_research/STAGE_AUDIT_LOG.md"
# Another program's table, and a page of the user's own: both must survive and be checked.
FOREIGN_TABLE = b"generated_at,run_dir,decision_tag\n2026-01-05T10:00:00,/home/a/r1,january\n"
USERS_PAGE = "# Our stages\n\nText of our own above.\n\n## Update Rule\n\nText of our own below.\n"
TIMEOUT = 120.0  # seconds for one program


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str


def run_script(script: str, *flags: str, **environment: str) -> Ended:
    """Run a script of the project as a program."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{script}.py"), *flags],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=TIMEOUT,
        env={**os.environ, **environment},
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Case:
    """One run: how it is spoiled, and how it is closed."""

    change: Callable[[Documents], object] = lambda _: None
    flags: tuple[str, ...] = ()
    code: int = 0  # of its closing
    is_monitored: bool = False
    out_dir: str = ""  # where its gate folder is on the workstation
    factor: str = "momentum_12_1"


def _fail(made: Documents) -> None:
    made.report["gates"].update(risk_gate_beta_abs=False, overall_pass=False)
    made.report["risk_diagnostics"]["beta_vs_spy"] = 0.73


def _wrong_deviation(made: Documents) -> None:
    made.report["wf_stress"]["test_ic_std"] = 0.5


def _without_end(made: Documents) -> None:
    made.result = made.report = made.statistics = None


def _crash(made: Documents) -> None:
    made.report, made.statistics, made.cost_rows, made.windows = None, None, [], []
    made.result["exit_code"] = 137


CASES = {
    "passed": Case(is_monitored=True),
    "failed": Case(_fail, factor="value_book"),
    "audit_failed": Case(_wrong_deviation, code=1),
    "abandoned": Case(_without_end, ("--abandoned", "the power went"), code=1),
    "no_report": Case(_crash, code=1),
    "closed_again": Case(),
    "elsewhere": Case(out_dir="gate_results/desk"),
    "last": Case(factor="value_book"),
}


@dataclass
class Made:
    """A workspace with its earlier states."""

    folder: Path
    runs: dict[str, Documents] = field(default_factory=dict)  # by the name of the case
    earlier: dict[str, Path] = field(default_factory=dict)

    @property
    def remote(self) -> Path:
        return self.folder / "workstation"

    @property
    def root(self) -> Path:
        return self.folder / "workspace"

    def keep(self, name: str) -> None:
        """Keep the workspace as it is now under a name."""
        self.earlier[name] = self.folder / "earlier" / name
        shutil.copytree(self.root, self.earlier[name], symlinks=True)

    def flags(self, name: str) -> list[str]:
        """Return the flags that name a run."""
        where = ["--host", "local", "--remote-root", str(self.remote)]
        return ["--tag", self.runs[name].tag, *where, "--local-root", str(self.root)]


def make(folder: Path) -> Made:
    """Make the runs, close them, sign. Raises RuntimeError when something does not go well."""
    made = Made(folder)
    made.root.mkdir(parents=True)
    factory.put(made.root / REGISTRY, FOREIGN_TABLE)
    factory.put(made.root / STAGE_LOG, USERS_PAGE)
    for number, name in enumerate(CASES):
        _make_run(made, name, number)
    *earlier, last = CASES
    for name in earlier:
        _close(made, name)
    key = _make_key(made)
    _require(run_script("seal_ledger", "--local-root", str(made.root), "--key", key), 0, "seal")
    _close_again(made)
    _require(run_script("approve_run", *made.flags("passed"), "--key", key), 0, "approval")
    _require(run_script("seal_ledger", "--local-root", str(made.root), "--key", key), 0, "seal")
    made.keep("before the last closing")
    _close(made, last)
    return made


def _make_key(made: Made) -> str:
    """Make an SSH key without a passphrase; return its file."""
    key = made.folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return str(key)


def _make_run(made: Made, name: str, number: int) -> None:
    """Write a run onto the workstation; each has a day of its own."""
    case = CASES[name]
    # The tag stands on command lines, and other tests look at the same list of processes.
    tag = f"{name}_2026-02-21_run{number}.{os.getpid()}"
    stamp = f"2026-02-{number + 11:02}_031500"
    run = factory.documents(tag=tag, stamp=stamp, factor=case.factor, level=0.02 + number / 500)
    case.change(run)
    run.write(made.remote)
    if case.out_dir:
        command = run.run_dir(made.remote) / "command.sh"
        command.write_text(f"{command.read_text().rstrip()} --out-dir {case.out_dir}\n")
        moved = made.remote / case.out_dir / run.gate_folder
        moved.parent.mkdir(parents=True)
        shutil.move(run.gate_dir(made.remote), moved)
    made.runs[name] = run


def _close(made: Made, name: str) -> None:
    case = CASES[name]
    if not case.is_monitored:
        done = run_script("post_run_sync_and_finalize", *made.flags(name), *case.flags)
    else:
        with _inbox() as url:
            monitor = ("monitor_then_finalize", *made.flags(name), "--interval", "0.2")
            done = run_script(*monitor, *case.flags, POSTRUN_NOTIFY_URLS=url)
    _require(done, case.code, f"closing {name}")


def _close_again(made: Made) -> None:
    """Change evidence of a closed run on the workstation, and close it again for that reason."""
    made.keep("before it was closed again")
    run = made.runs["closed_again"]
    log = run.run_dir(made.remote) / "run.log"
    log.write_bytes(log.read_bytes() + b"[repair] the log was complete at last\n")
    reason = ("--accept-changed-evidence", "the log was cut")
    done = run_script("post_run_sync_and_finalize", *made.flags("closed_again"), *reason)
    _require(done, 0, "closing closed_again again")


def _require(done: Ended, code: int, what: str) -> None:
    if done.code != code:
        text = f"{what}: expected exit code {code}, found {done.code}\n{done.out}{done.err}"
        raise RuntimeError(text)


class _Accept(BaseHTTPRequestHandler):
    """Accepts every message."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def _inbox() -> Iterator[str]:
    """Give the address of a real server that takes notifications."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Accept)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
