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

from postrun import cli
from postrun.core import terminal
from postrun.core.errors import Locked, PostRunError, Usage
from postrun.core.request import RunRequest, StepResult
from steps import STEPS, Step

_SCOPES = {
    "detect-run": cli.RUN,
    "sync-run": cli.RUN,
}  # every other step works in the whole workspace


def conduct(
    order: RunRequest, verbs: Sequence[Step], wait: float
) -> list[tuple[Step, StepResult | PostRunError | None]]:
    """Run the steps and give what came of each: an outcome, a refusal, or None for a step that was skipped.

    A lock that another process holds is the refusal of the first step that needs it; it is told by whoever asked.
    """
    results: list[tuple[Step, StepResult | PostRunError | None]] = []
    unwritten: dict[str, str] = {}  # noun -> the step that should have written it
    for scope in (cli.RUN, cli.WORKSPACE):
        mine = [verb for verb in verbs if _SCOPES.get(verb.name, cli.WORKSPACE) == scope]
        if not mine:
            continue
        try:
            with cli.locked(order, scope, wait=wait):
                results += [(verb, _step(verb, order, unwritten)) for verb in mine]
        except Locked as refusal:
            left = verbs[len(results) + 1 :]
            return [*results, (mine[0], refusal), *((verb, None) for verb in left)]
    return results


def _step(
    verb: Step, order: RunRequest, unwritten: dict[str, str]
) -> StepResult | PostRunError | None:
    """Run one step unless it needs what is `unwritten`; note there what this one leaves unwritten."""
    lacking = next((unwritten[noun] for noun in verb.reads if noun in unwritten), None)
    result = None if lacking else cli.attempt(verb.do, order)
    if not isinstance(result, StepResult):
        unwritten |= dict.fromkeys(verb.writes, lacking or verb.name)
    _tell(verb, result, lacking)
    return result


def _tell(verb: Step, result: StepResult | PostRunError | None, lacking: str | None) -> None:
    if result is None:
        mark, words = "skipped", f"needs what {lacking} writes"
    elif isinstance(result, PostRunError):
        mark, words = "refused", str(result)
    else:
        mark, words = "ok" if result.yes else "no", result.words
    terminal.say(f"{verb.number:>4}  {verb.name:<18} {mark:<8} {words}")


def chosen(first: str | None, last: str | None) -> Sequence[Step]:
    """Cut the table to the steps from `first` to `last`, both included. Raises Usage for a name that is no step."""
    names = [verb.name for verb in STEPS]
    for name in (first, last):
        if name is not None and name not in names:
            raise Usage("step", f"one of {', '.join(names)}", repr(name))
    return STEPS[names.index(first or names[0]) : names.index(last or names[-1]) + 1]


def close(order: RunRequest, verbs: Sequence[Step], wait: float, as_json: bool) -> int:
    """Conduct the steps, give the results, and end with the worst code. Raises Locked, once the results are given."""
    results = conduct(order, verbs, wait)
    wrote = [
        str(path)
        for _, result in results
        if isinstance(result, StepResult)
        for path in result.wrote
    ]
    code = max((result.exit_code for _, result in results if result is not None), default=0)
    if as_json:
        print(
            json.dumps(
                {"exit_code": code, "wrote": wrote, "steps": [_row(*pair) for pair in results]}
            )
        )
    else:
        print("".join(f"{path}\n" for path in wrote), end="")
    for _, result in results:
        if isinstance(result, Locked):
            raise result
    return code


def _row(verb: Step, result: StepResult | PostRunError | None) -> dict[str, object]:
    words = result.words if isinstance(result, StepResult) else str(result or "skipped")
    return {"step": verb.name, "words": words, "exit_code": result.exit_code if result else None}


def listing() -> str:
    """Write the table of steps for reading."""
    return "\n".join(
        f"{verb.number:>4}  {verb.name:<18} {verb.script:<36} {verb.words}" for verb in STEPS
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
    verbs = chosen(args.first, args.last)
    order = cli.order(args)
    if order.abandoned is not None and STEPS[0] not in verbs:
        raise Usage(
            "--abandoned", f"{STEPS[0].name} among the steps, to record it", f"--from {args.first}"
        )
    return close(order, verbs, args.lock_wait, args.json)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the conductor."""
    flags = (cli.add_target, cli.add_evidence, cli.add_abandoned, cli.add_decision, add_range)
    return cli.script_main(run, __doc__, argv, *flags)


if __name__ == "__main__":
    raise SystemExit(main())
