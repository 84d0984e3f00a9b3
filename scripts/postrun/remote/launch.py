"""Start a run on the workstation: look for what it needs, then run the launcher that is there."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from postrun.core import disk, terminal
from postrun.core.errors import AmbiguousRun, Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide import planning
from postrun.decide.planning import RemoteFiles
from postrun.remote import scheduler
from postrun.remote.workstation import open_workstation

Words = Sequence[str]


def start(
    request: RunRequest,
    run: str,
    command: Words,
    files: Words,
    hint: str,
    as_json: bool,
    environment: Mapping[str, str] | None = None,
    check: Callable[[RemoteFiles], None] = lambda _: None,
) -> int:
    """Run the launcher's command for the request's tag; return 0 when it started a run, else 1.

    `run` is its name in messages, `files` are needed on the workstation, `hint` says what to do
    when the tag is taken, `environment` is set for the launcher, and `check` raises what speaks
    against the start once the workstation has answered. With --dry-run nothing is started.
    Raises Missing, AmbiguousRun, Unreachable.
    """
    variables = environment or {}
    program, full_command = _full_command(request, command, variables)
    exit_code, messages = 0, [f"{run}: could be started now, nothing was"]
    workstation = open_workstation(request)
    remote_files = workstation.list_files(files)
    absent = [path for path in files if path not in remote_files.files]
    if absent:
        expected = f"its files on workstation {request.host}"
        raise Missing(run, expected, f"no {', no '.join(absent)}")
    check_tag(request.tag, remote_files.tags, hint)
    check(remote_files)
    if not as_json:
        print(shlex.join(full_command), flush=True)
    if not disk.DRY_RUN.get():
        try:
            exit_code, output = workstation.launch(full_command)
        except Unreachable as error:
            raise _answer_lost(request, run, error) from None
        ending = f"{run}: {program} ended with exit code {exit_code}"
        messages = [*output.splitlines(), ending]
    exit_code = min(exit_code, 1)
    if not as_json:
        for message in messages:
            terminal.say(message)
        return exit_code
    result = {
        "exit_code": exit_code,
        "argv": command,
        "environment": variables,
        "said": messages,
    }
    print(json.dumps(result))
    return exit_code


def _full_command(
    request: RunRequest,
    command: Words,
    variables: Mapping[str, str],
) -> tuple[str, list[str]]:
    """Return what is run on the workstation, with the name that its program has in messages.

    Where a scheduler starts jobs, the launcher's command is submitted as it is.
    """
    launcher_command = planning.with_environment(command, variables)
    if request.scheduler is None:
        return "the launcher", launcher_command
    submission = scheduler.submission(launcher_command, str(request.tag))
    return submission[0], submission


def check_tag(tag: str | None, taken: AbstractSet[str], hint: str) -> None:
    """Raise AmbiguousRun when a run has the tag."""
    if tag in taken:
        raise AmbiguousRun(f"decision tag {tag}", "a free one", "a run that has it", hint)


def _answer_lost(request: RunRequest, run: str, error: Unreachable) -> Unreachable:
    # A lost answer does not mean that nothing was started.
    monitor = f"make monitor-then-finalize TAG={request.tag}"
    hint = f"it may be running all the same: see `{monitor}` before it is started again"
    return Unreachable(run, "the launcher's answer", f"none ({error})", hint)
