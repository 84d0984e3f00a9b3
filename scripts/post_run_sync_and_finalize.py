"""Close a run that has ended: run every step of the table, in order, in one process.

Reads the workstation, or with --no-sync a run that already lies in the workspace. Writes what the steps write.
A verdict of no never stops the line; a refusal skips only the steps that need what was not written.
A run that is dead has no result: --abandoned "reason" closes it all the same, as a fail, with what there is.
Exit code: the worst of the steps' codes (0 closed and clean, 1 a verdict is no, else see README).

    python scripts/post_run_sync_and_finalize.py --tag committee_2026-02-21_run4
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from postrun import cli
from postrun.core import terminal
from postrun.core.errors import Locked, PostRunError, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest, StepResult
from postrun.store import run_lookup
from steps import STEPS, Step

_SCOPES = {
    "detect-run": cli.RUN,
    "sync-run": cli.RUN,
}  # every other step works in the whole workspace


StepOutcome = StepResult | PostRunError | None  # None: the step was skipped


@dataclass
class Closing:
    """One closing under way: what was asked, where the run is, what could not be written."""

    request: RunRequest
    run_paths: RunPaths | None = None  # known once the run was detected
    unwritten: dict[str, str] = field(default_factory=dict)  # artifact -> the step that lacks it

    def run_step(self, step: Step) -> StepOutcome:
        """Run one step, unless it needs what an earlier one could not write."""
        lacking = next(
            (self.unwritten[name] for name in step.reads if name in self.unwritten), None
        )
        result = None if lacking else self._attempt(step)
        if not isinstance(result, StepResult):
            self.unwritten |= dict.fromkeys(step.writes, lacking or step.name)
        _tell(step, result, lacking)
        return result

    def _attempt(self, step: Step) -> StepResult | PostRunError:
        """Run one step. An error is returned: the closing goes on with what does not need it."""
        try:
            return step.run(self.request, self._paths_for(step))
        except PostRunError as error:
            return error

    def _paths_for(self, step: Step) -> RunPaths:
        """Return where the run is; it is looked up once, by the first step after its detection."""
        if not step.needs_run:
            return RunPaths.of_workspace(self.request.root)
        if self.run_paths is None:
            self.run_paths = run_lookup.locate(self.request)
        return self.run_paths


def conduct(
    request: RunRequest, chosen_steps: Sequence[Step], wait: float
) -> list[tuple[Step, StepOutcome]]:
    """Run the steps and return what came of each.

    A lock that another process holds is the error of the first step that needs it.
    """
    results: list[tuple[Step, StepOutcome]] = []
    closing = Closing(request)
    for scope in (cli.RUN, cli.WORKSPACE):
        of_scope = [step for step in chosen_steps if _SCOPES.get(step.name, cli.WORKSPACE) == scope]
        if not of_scope:
            continue
        try:
            with cli.locked(request, scope, wait=wait):
                results += [(step, closing.run_step(step)) for step in of_scope]
        except Locked as error:
            left = chosen_steps[len(results) + 1 :]
            return [*results, (of_scope[0], error), *((step, None) for step in left)]
    return results


def _tell(step: Step, result: StepResult | PostRunError | None, lacking: str | None) -> None:
    if result is None:
        mark, words = "skipped", f"needs what {lacking} writes"
    elif isinstance(result, PostRunError):
        mark, words = "refused", str(result)
    else:
        mark, words = "ok" if result.passed else "no", result.summary
    write = terminal.say if mark == "ok" else terminal.error
    write(f"{step.number:>4}  {step.name:<18} {mark:<8} {words}")


def chosen(first: str | None, last: str | None) -> Sequence[Step]:
    """Cut the table to the steps from `first` to `last`, both included. Raises Usage for a name that is no step."""
    names = [step.name for step in STEPS]
    for name in (first, last):
        if name is not None and name not in names:
            raise Usage("step", f"one of {', '.join(names)}", repr(name))
    return STEPS[names.index(first or names[0]) : names.index(last or names[-1]) + 1]


def close(request: RunRequest, chosen_steps: Sequence[Step], wait: float, as_json: bool) -> int:
    """Conduct the steps, give the results, and end with the worst code. Raises Locked, once the results are given."""
    results = conduct(request, chosen_steps, wait)
    written = [
        str(path)
        for _, result in results
        if isinstance(result, StepResult)
        for path in result.written
    ]
    code = max((result.exit_code for _, result in results if result is not None), default=0)
    if as_json:
        print(
            json.dumps(
                {"exit_code": code, "wrote": written, "steps": [_row(*pair) for pair in results]}
            )
        )
    else:
        print("".join(f"{path}\n" for path in written), end="")
    for _, result in results:
        if isinstance(result, Locked):
            raise result
    return code


def _row(step: Step, result: StepResult | PostRunError | None) -> dict[str, object]:
    words = result.summary if isinstance(result, StepResult) else str(result or "skipped")
    return {"step": step.name, "words": words, "exit_code": result.exit_code if result else None}


def listing() -> str:
    """Write the table of steps for reading."""
    return "\n".join(
        f"{step.number:>4}  {step.name:<18} {step.script:<36} {step.description}" for step in STEPS
    )


def add_range(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose among the steps."""
    parser.add_argument("--from", dest="first", metavar="NAME", help="begin with this step")
    parser.add_argument("--to", dest="last", metavar="NAME", help="end with this step")
    parser.add_argument("--list", action="store_true", help="show the steps and stop")


def run(args: argparse.Namespace) -> int:
    """List the steps, or close one run by those that are asked for. Raises Usage."""
    if args.list:
        print(listing())
        return 0
    chosen_steps = chosen(args.first, args.last)
    request = cli.parse_request(args)
    if request.abandoned is not None and STEPS[0] not in chosen_steps:
        raise Usage(
            "--abandoned", f"{STEPS[0].name} among the steps, to record it", f"--from {args.first}"
        )
    return close(request, chosen_steps, args.lock_wait, args.json)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the conductor."""
    flags = (cli.add_target, cli.add_evidence, cli.add_abandoned, cli.add_decision, add_range)
    return cli.script_main(run, __doc__, argv, *flags)


if __name__ == "__main__":
    raise SystemExit(main())
