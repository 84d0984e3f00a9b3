"""Log closed runs to a tracking server of MLflow: tags, metrics, final summary and review.

Reads  the registry, the ledger, and of each run its audit, final summary and run review; each is
       compared with its record, and a run with an edited one is refused and not sent
Writes nothing here; on the server one run of MLflow for each closed run, with the run folder as its
       tag postrun.run
To do it again changes nothing; a run whose record is another one by now is updated, and what
changed is named. Nothing is deleted on the server. The server is MLFLOW_TRACKING_URI or --uri, an
address of http or https; its login is in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or
MLFLOW_TRACKING_TOKEN. The experiment is MLFLOW_EXPERIMENT_NAME, else postrun. Needs the library
mlflow-skinny: `make setup-mlflow`.
Exit codes: 0 done, 2 usage, 3 no library, no registry or no page, 4 a file is not as it was
recorded, 5 no closed run has the tag, 6 the server did not answer, 9 locked.

    python scripts/export_mlflow.py --tag committee_2026-02-21_run4 --uri http://mlflow.example:5000
"""

import argparse

from postrun import flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what is logged, and where to."""
    tag = "log the runs of this decision tag only (default: every closed run)"
    parser.add_argument("--tag", help=tag)
    uri = "the server: http://… or https://… (default: MLFLOW_TRACKING_URI)"
    parser.add_argument("--uri", help=uri)


FLAGS = flags.ScriptFlags(__doc__, add_flags, flags.add_workspace)
FLAGS.answer_help(__name__)

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

from postrun import cli, ending
from postrun.core import disk, locations, locks, run_names, terminal
from postrun.core.errors import AmbiguousRun, Invalid, Missing, Usage
from postrun.core.request import RunRequest, StepResult
from postrun.overview import tracked_runs
from postrun.store import mlflow_client, tables
from postrun.store.mlflow_client import Address, TrackedRun, TrackingServer
from postrun.store.tables import Rows

URI_VARIABLE = "MLFLOW_TRACKING_URI"
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
EXPERIMENT = "postrun"
_LOGGED, _UPDATED, _UNCHANGED = "logged", "updated", "unchanged"
_REFUSED = "refused"
_NAMED = 6  # of what changed in one run


def export(args: cli.Arguments) -> int:
    """Log closed runs; return the exit code. Raises PostRunError."""
    root = args.local_root.resolve()
    if args.tag is not None:
        run_names.check_tag(args.tag)
    request = RunRequest(root, tag=args.tag)
    ending.REQUEST.set(request)
    address = find_address(args.uri)
    rows = find_rows(root, args.tag)
    experiment = os.environ.get(EXPERIMENT_VARIABLE) or EXPERIMENT
    server = TrackingServer(address, experiment)
    with _alone(root, args.lock_wait):
        only = rows[0]["run"] if len(rows) == 1 else ""
        tracked = server.find(only)
        counts: Counter[str] = Counter()
        code = 0
        for row in rows:
            try:
                # Nobody closes the run while its files are read.
                with cli.locked(request, cli.WORKSPACE, args.lock_wait):
                    described = tracked_runs.describe(root, row)
            except (Invalid, Missing) as error:
                message = ending.whole(str(error))
                terminal.error(f"{row['run']} is not sent: {message}")
                code = max(code, error.exit_code)
                counts[_REFUSED] += 1
                continue
            existing = tracked.get(described.run, [])
            word = log(server, described, existing)
            counts[word] += 1
    where = f"{address.shown}, experiment {experiment}"
    result = StepResult(_summary(counts, where), passed=code == 0)
    cli.show(result, "mlflow", args.json)
    if not server.takes_pages:
        terminal.error("pages are not sent: the server keeps no artifacts (--serve-artifacts)")
    return code


def find_address(uri: str | None) -> Address:
    """Return the server's address: the flag's, else the variable's. Raises Usage."""
    uri = uri or os.environ.get(URI_VARIABLE)
    if not uri:
        expected = f"{URI_VARIABLE}, or --uri"
        raise Usage("MLflow server", expected, "neither")
    return mlflow_client.parse_address(uri)


def find_rows(root: Path, tag: str | None) -> Rows:
    """Return the rows of the closed runs, oldest first; only those of a tag where it is named.

    Raises Missing, Invalid, AmbiguousRun.
    """
    rows = tables.read_existing(root, tracked_runs.REGISTRY)
    if tag is not None:
        of_tag = {}
        for row in rows:
            if run_names.is_tag(tag, row["decision_tag"]):
                of_tag[row["run"]] = row["decision_tag"]
        run_names.check_one_tag(tag, of_tag)
        nearest = run_names.nearest_tags(tag, {row["decision_tag"] for row in rows})
        rows = [row for row in rows if row["run"] in of_tag]
        if not rows:
            hint = f"nearest: {nearest}" if nearest else ""
            raise AmbiguousRun(f"tag {tag}", "a closed run", "none", hint)
    return sorted(rows, key=itemgetter("run"))


def log(
    server: TrackingServer,
    described: TrackedRun,
    existing: list[Any],
) -> str:
    """Log one run, and say what changed; return what was done in one word. Raises Unreachable."""
    if len(existing) > 1:
        ids = ", ".join(run.info.run_id for run in existing)
        terminal.error(f"{described.run} is there {len(existing)} times, the first counts: {ids}")
    first = existing[0] if existing else None
    changes = mlflow_client.compare(described, first)
    names = changes.names
    if first is not None and not names and not changes.is_unfinished:
        return _UNCHANGED
    if not disk.DRY_RUN.get():
        server.log(described, first, changes)
    if first is None:
        return _LOGGED
    shown = ", ".join(names[:_NAMED]) or "its end"
    if len(names) > _NAMED:
        shown += f" and {len(names) - _NAMED} more"
    terminal.say(f"{described.run}: changed: {shown}")
    return _UPDATED


def _summary(counts: Counter[str], where: str) -> str:
    parts = [f"{number} {word}" for word, number in counts.items()]
    words = ", ".join(parts) or "no closed run"
    if disk.DRY_RUN.get():
        words += "; a dry run: nothing was sent"
    return f"{words} ({where})"


@contextmanager
def _alone(root: Path, wait: float) -> Iterator[None]:
    """Wait until no other process of this workspace logs: both would find that a run is not there.

    Raises Locked.
    """
    if disk.DRY_RUN.get():
        yield
        return
    path = root / locations.LOCKS / "mlflow.lock"
    with locks.hold(path, wait, "mlflow"):
        yield


def main(argv: flags.Argv = None) -> int:
    """Log closed runs to MLflow."""
    return cli.script_main(
        export,
        FLAGS,
        argv,
    )


if __name__ == "__main__":
    raise SystemExit(main())
