"""Start a run on the workstation: look for what it needs, then run the launcher that is there."""

import json
from collections.abc import Sequence

from postrun.core import disk, terminal
from postrun.core.errors import AmbiguousRun, Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide import planning
from postrun.remote.workstation import Workstation, open_workstation


def start(
    request: RunRequest,
    run: str,
    command: Sequence[str],
    files: Sequence[str],
    hint: str,
    as_json: bool,
) -> int:
    """Run the launcher's command for the request's tag; return 0 when it started a run, else 1.

    `run` is its name in messages, `files` are needed on the workstation, `hint` says what to do
    when the tag is taken. With --dry-run nothing is started.
    Raises Missing, AmbiguousRun, Unreachable.
    """
    exit_code, messages = 0, [f"{run}: could be started now, nothing was"]
    with open_workstation(request) as workstation:
        _check(workstation, request, run, files, hint)
        if not as_json:
            print(planning.quoted(command), flush=True)
        if not disk.DRY_RUN.get():
            exit_code, output = _launch(workstation, command, request.tag, run)
            ending = f"{run}: the launcher ended with exit code {exit_code}"
            messages = [*output.splitlines(), ending]
    exit_code = min(exit_code, 1)
    if as_json:
        result = {"exit_code": exit_code, "argv": list(command), "said": messages}
        print(json.dumps(result))
        return exit_code
    for message in messages:
        terminal.say(message)
    return exit_code


def _check(
    workstation: Workstation, request: RunRequest, run: str, files: Sequence[str], hint: str
) -> None:
    """Raise Missing when a file is not on the workstation, AmbiguousRun when the tag is taken."""
    remote_files = workstation.list_files(files)
    absent = [path for path in files if path not in remote_files.files]
    if absent:
        raise Missing(run, f"its files on workstation {request.host}", f"no {', no '.join(absent)}")
    if request.tag in remote_files.tags:
        raise AmbiguousRun(f"decision tag {request.tag}", "a free one", "a run that has it", hint)


def _launch(
    workstation: Workstation, command: Sequence[str], tag: str | None, run: str
) -> tuple[int, str]:
    """Return exit code and output of the launcher. Raises Unreachable."""
    try:
        return workstation.launch(command)
    except Unreachable as error:
        # A lost answer does not mean that nothing was started.
        monitor = f"make monitor-then-finalize TAG={tag}"
        raise Unreachable(
            run,
            "the launcher's answer",
            f"none ({error})",
            f"it may be running all the same: see `{monitor}` before it is started again",
        ) from None
