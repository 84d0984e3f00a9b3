"""Close a run that has ended: run every step of the table, in order, in one process.

Reads the workstation, or with --no-sync a run that is in the workspace already. Writes what the
steps write. After a failed check the next steps run all the same; after an error only those that do
not need what was not written. A dead run has no result: --abandoned "reason" closes it as failed,
with the files that exist.
Exit code: the worst of the steps' codes (0 all passed, 1 a check failed; others: docs/steps.md).
The answer of handoff-readiness is about the whole workspace: it is printed and does not count.

    python scripts/post_run_sync_and_finalize.py --tag committee_2026-02-21_run4
"""

import argparse

from postrun import flags


def add_step_range(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose among the steps."""
    parser.add_argument("--from", dest="first", metavar="NAME", help="begin with this step")
    parser.add_argument("--to", dest="last", metavar="NAME", help="end with this step")
    parser.add_argument("--list", action="store_true", help="print the steps and exit; as JSON too")


FLAGS = flags.ScriptFlags(
    __doc__,
    flags.add_target,
    flags.add_evidence,
    flags.add_abandoned,
    flags.add_decision,
    add_step_range,
)
FLAGS.answer_help(__name__)

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from itertools import groupby
from pathlib import Path
from threading import Thread
from typing import Any

from postrun import cli, ending
from postrun.core import disk, locations, step_notes, terminal, version
from postrun.core.artifacts import ARTIFACTS, Artifact, Home
from postrun.core.errors import HostRejected, Invalid, Locked, Missing, PostRunError, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.store import json_files, page_files, records, run_lookup, strays
from postrun.summary import closing_line
from postrun.summary.closing_line import ClosingLine
from steps import STEPS, Step


@dataclass(frozen=True)
class StepReport:
    """What came of one step: ok, no, refused or skipped, and why."""

    step: Step
    mark: str
    summary: str = "skipped"
    exit_code: int | None = None  # None: the step was skipped
    written: tuple[Path, ...] = ()
    error: PostRunError | None = None
    caution: str = ""  # what is said once more at the very end

    def show(self, reason: str) -> None:
        """Print one line to stderr; with --quiet only when the step did not pass."""
        line = f"{self.step.number:>4}  {self.step.name:<18} {self.mark:<8} {reason}"
        if self.mark == "ok":
            terminal.say(line)
        else:
            terminal.error(line)

    def row(self) -> dict[str, Any]:
        """Return what --json shows of it."""
        return {
            "step": self.step.name,
            "words": self.summary,
            "exit_code": self.exit_code,
        }


@dataclass
class Closing:
    """One closing under way: what was asked, where the run is, what could not be written."""

    request: RunRequest
    last_of_run: Step | None = None
    # Known once the run was detected.
    run_paths: RunPaths | None = None
    # By artifact, the step that failed to write it.
    unwritten: dict[str, str] = field(default_factory=dict)
    reports: list[StepReport] = field(default_factory=list)

    def run_step(self, step: Step) -> None:
        """Run one step, unless it needs what an earlier one could not write."""
        cause = self._missing_input(step)
        if cause:
            report = StepReport(step, "skipped")
            report.show(f"needs what {cause} writes")
        else:
            report = self._attempt(step)
            report.show(report.summary)
        if cause or report.error:
            for name in step.writes:
                self.unwritten[name] = cause or step.name
        self.reports.append(report)
        # When a file could not be written, the record stays open, as after a killed process: the
        # next closing continues it.
        if step is not self.last_of_run or self.unwritten:
            return
        if self.run_paths is not None:
            sign_off = partial(cli.sign_off, self.request, self.run_paths)
            self._finish(step, sign_off)

    def settle(self, step: Step) -> None:
        """Settle the workspace's record after the last step under its lock."""
        if _scope(step) == cli.WORKSPACE and not self.unwritten:
            settle = partial(records.settle_workspace, self.request.root)
            self._finish(step, settle)

    def _finish(self, step: Step, work: Callable[[], None]) -> None:
        """Run what follows a step. An error is the step's."""
        try:
            work()
        except PostRunError as error:
            refusal = _refuse(step, error)
            refusal.show(refusal.summary)
            self.reports.append(refusal)
            # The workspace's record stays open, too: it names a row that the ledger lacks.
            self.unwritten[records.CLOSING] = step.name

    def _missing_input(self, step: Step) -> str:
        """Return the step that failed to write what this one reads.

        Empty when nothing is missing.
        """
        for name in step.reads:
            if name in self.unwritten:
                return self.unwritten[name]
        return ""

    def _attempt(self, step: Step) -> StepReport:
        """Return what came of one step. After an error, what does not need this step goes on."""
        try:
            run_paths = self._paths_for(step)
            with step_notes.performing(step.name):
                result = step.run(self.request, run_paths)
        except PostRunError as error:
            return _refuse(step, error)
        mark = "ok"
        if not result.passed:
            mark = "no"
        return StepReport(
            step,
            mark,
            result.summary,
            result.exit_code,
            result.written,
            caution=result.caution,
        )

    def _paths_for(self, step: Step) -> RunPaths:
        """Return where the run is; it is looked up once, by the first step after its detection."""
        if step.needs_run and self.run_paths is None:
            self.run_paths = run_lookup.locate(self.request)
            strays.clear(self.run_paths)
        # Pages on the whole workspace show this run, too.
        return self.run_paths or RunPaths.of_workspace(self.request.root)


def conduct(request: RunRequest, chosen_steps: Sequence[Step], wait: float) -> Closing:
    """Run the steps; return the closing, which has what came of each.

    A lock that another process holds is the error of the first step that needs it.
    """
    closing = Closing(request, _last_of_run(chosen_steps))
    loading = Thread(target=load_steps, args=(chosen_steps,))
    loading.start()
    try:
        for scope, steps in groupby(chosen_steps, key=_scope):
            with cli.locked(request, scope, wait=wait):
                for step in steps:
                    closing.run_step(step)
                closing.settle(step)
    except Locked as error:
        reached = len(closing.reports)
        refused, *not_reached = chosen_steps[reached:]
        closing.reports.append(_refuse(refused, error))
        for step in not_reached:
            closing.reports.append(StepReport(step, "skipped"))
    finally:
        loading.join()
    return closing


def load_steps(steps: Sequence[Step]) -> None:
    """Load what the steps will need, while the workstation is waited for.

    What cannot be loaded fails again where it is needed, and is reported there.
    """
    with suppress(Exception):
        version.program_version()
        names: list[str] = []
        for step in steps:
            import_module(step.script.removesuffix(".py"))
            names += (*step.reads, *step.writes)
        # With it comes numpy, which the statistics import where they are worked out.
        import_module("postrun.decide.sign_flips")
        for name in dict.fromkeys(names):
            _load_formats(ARTIFACTS[name])


def _load_formats(artifact: Artifact) -> None:
    """Load the schema of an artifact, and the templates of its pages; the site has many more."""
    if artifact.schema:
        json_files.fast_validator(artifact.schema)
    if artifact.generated and artifact.name != "site":
        for suffix in artifact.suffixes:
            if suffix in (".md", ".html"):
                page_files.load(f"{artifact.name}{suffix}")


def _refuse(step: Step, error: PostRunError) -> StepReport:
    reason = ending.whole(str(error))
    return StepReport(step, "refused", reason, error.exit_code, error=error)


def _last_of_run(chosen_steps: Sequence[Step]) -> Step | None:
    """Return the step after which the run's record is closed: those after it are about all runs.

    None when the chosen steps only copy the evidence.
    """
    last = None
    for step in chosen_steps:
        homes = {ARTIFACTS[name].home for name in step.writes if name in ARTIFACTS}
        writes_in_run = Home.RUN in homes or Home.GATE in homes
        if writes_in_run and _scope(step) == cli.WORKSPACE:
            last = step
    return last


def _scope(step: Step) -> str:
    """Return which lock a step runs under: the run's, or that of the whole workspace."""
    if step.name in ("detect-run", "sync-run"):
        return cli.RUN
    return cli.WORKSPACE


def choose_steps(first: str | None, last: str | None) -> Sequence[Step]:
    """Return the steps from `first` to `last`, both included. Raises Usage for any other name."""
    names = [step.name for step in STEPS]
    first = first or names[0]
    last = last or names[-1]
    for name in (first, last):
        if name not in names:
            raise Usage("step", f"one of {', '.join(names)}", repr(name))
    end = names.index(last) + 1
    return STEPS[names.index(first) : end]


def close(request: RunRequest, chosen_steps: Sequence[Step], wait: float, as_json: bool) -> int:
    """Run the steps, print what came of them, return the worst exit code.

    The last line is the verdict, or why there is none. Raises after the printing, for a caller
    that waits: Locked, HostRejected, and what refused the run itself, Missing or Invalid of its
    detection.
    """
    closing = conduct(request, chosen_steps, wait)
    reports = closing.reports
    code = 0
    written: list[str] = []
    cautions = []
    for report in reports:
        step_code = report.exit_code or 0
        if report.step.decides_run or report.error:
            code = max(code, step_code)
        written += map(str, report.written)
        if report.caution:
            cautions.append(report.caution)
    line = None
    if code in (0, 1):
        line = _last_line(closing)
    if as_json:
        document = {
            "exit_code": code,
            "wrote": written,
            "steps": [report.row() for report in reports],
            "verdict": line and str(line),
        }
        print(json.dumps(document))
    elif terminal.is_verbose():
        for path in written:
            print(locations.shown_path(Path(path)))
    for caution in cautions:
        terminal.error(caution)
    _raise_refusal(reports)
    _show_end(reports, line, as_json)
    return code


def _last_line(closing: Closing) -> ClosingLine | None:
    """Return the verdict on the run; None before a decision, and where no run is meant."""
    if disk.DRY_RUN.get():
        return None
    try:
        run_paths = closing.run_paths or run_lookup.locate(closing.request)
        return closing_line.describe(closing.request, run_paths)
    except PostRunError as error:
        # Steps about the workspace have no run; of one that was edited, each step said so.
        terminal.detail(str(error))
        return None


def _raise_refusal(reports: Sequence[StepReport]) -> None:
    """Raise what a caller that waits must know: it says so itself."""
    for report in reports:
        error = report.error
        is_detection = report.step is STEPS[0]
        if is_detection and isinstance(error, Missing | Invalid):
            raise error
        if isinstance(error, Locked | HostRejected):
            raise error


def _show_end(
    reports: Sequence[StepReport],
    line: ClosingLine | None,
    as_json: bool,
) -> None:
    """Write the verdict; where a step was refused, the reason once more."""
    refusals = [report for report in reports if report.error]
    if refusals:
        worst = max(refusals, key=lambda report: report.exit_code or 0)
        terminal.error(f"not closed: {worst.step.name}: {worst.summary}")
    elif line is not None and as_json:
        terminal.say(str(line))
    elif line is not None:
        terminal.result(line.verdict, line.rest, line.colour)


def _list_steps(as_json: bool) -> None:
    """Print the table of steps."""
    rows = []
    for step in STEPS:
        row = {
            "number": step.number,
            "step": step.name,
            "script": step.script,
            "words": step.description,
        }
        rows.append(row)
        if not as_json:
            print("{number:>4}  {step:<18} {script:<36} {words}".format_map(row))
    if as_json:
        print(json.dumps({"steps": rows}))


def run(args: argparse.Namespace) -> int:
    """List the steps, or close one run by those asked for; return the exit code. Raises Usage."""
    if args.list:
        _list_steps(args.json)
        return 0
    chosen_steps = choose_steps(args.first, args.last)
    request = cli.parse_request(args)
    detection = STEPS[0]
    if request.abandoned is not None and detection not in chosen_steps:
        expected = f"{detection.name} among the steps, to record it"
        raise Usage("--abandoned", expected, f"--from {args.first}")
    return close(request, chosen_steps, args.lock_wait, args.json)


def main(argv: Sequence[str] | None = None) -> int:
    """Close one run."""
    return cli.script_main(run, FLAGS, argv)


if __name__ == "__main__":
    raise SystemExit(main())
