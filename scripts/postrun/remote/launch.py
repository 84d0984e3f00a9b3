"""Start runs on the workstation: look for what they need, then run the launcher that is there."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from postrun.core import disk, terminal
from postrun.core.errors import AmbiguousRun, Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide import planning
from postrun.decide.planning import RemoteFiles
from postrun.remote import scheduler
from postrun.remote.workstation import Workstation, open_workstation
from postrun.store import configuration

Words = Sequence[str]


@dataclass(frozen=True)
class RunStart:
    """One run to start."""

    name: str  # in messages
    tag: str
    command: Words  # the launcher's
    files: Words  # that are needed on the workstation
    environment: Mapping[str, str] = field(default_factory=dict)  # for the launcher alone
    # Raises what speaks against the start once the workstation has answered.
    check: Callable[[RemoteFiles], None] = lambda _: None
    rank: int = 1

    @property
    def full_command(self) -> list[str]:
        """Return the launcher's command with its environment."""
        return planning.with_environment(self.command, self.environment)


def start(request: RunRequest, starts: Sequence[RunStart], hint: str, as_json: bool) -> int:
    """Run the launcher's command of a run; return 0 when it started the run, else 1.

    Several runs become one array of jobs: 0 when the scheduler accepted it. `hint` says what to do
    when a tag is taken. With --dry-run nothing is started. Raises Missing, AmbiguousRun,
    Unreachable.
    """
    name = ", ".join(run.name for run in starts)
    exit_code, messages = 0, [f"{name}: could be started now, nothing was"]
    workstation = open_workstation(request)
    _check(request, starts, workstation, hint)
    program, command = _full_command(request, starts)
    if not as_json:
        print(shlex.join(command), flush=True)
    if not disk.DRY_RUN.get():
        try:
            exit_code, output = workstation.launch(command)
        except Unreachable as error:
            raise _answer_lost(starts, name, error) from None
        ending = f"{name}: {program} ended with exit code {exit_code}"
        messages = [*output.splitlines(), ending]
    exit_code = min(exit_code, 1)
    if not as_json:
        for message in messages:
            terminal.say(message)
        return exit_code
    result = {
        "exit_code": exit_code,
        "argv": command,
        "environment": {},
        "said": messages,
    }
    if len(starts) == 1:
        result["argv"] = starts[0].command
        result["environment"] = starts[0].environment
    print(json.dumps(result))
    return exit_code


def _check(
    request: RunRequest,
    starts: Sequence[RunStart],
    workstation: Workstation,
    hint: str,
) -> None:
    """Raise what speaks against a start: Missing, AmbiguousRun, and what the run's own check does.

    The workstation is asked once.
    """
    files: list[str] = []
    for run in starts:
        files += run.files
    unique_files = sorted(set(files))
    remote_files = workstation.list_files(unique_files)
    for run in starts:
        absent = [path for path in run.files if path not in remote_files.files]
        if absent:
            expected = f"its files on workstation {request.host}"
            raise Missing(run.name, expected, f"no {', no '.join(absent)}")
        check_tag(run.tag, remote_files.tags, hint)
        run.check(remote_files)


def _full_command(request: RunRequest, starts: Sequence[RunStart]) -> tuple[str, list[str]]:
    """Return what is run on the workstation, with the name that its program has in messages.

    Where a scheduler starts jobs, the launcher's command is submitted as it is.
    """
    first = starts[0]
    if request.scheduler is None:
        return "the launcher", first.full_command
    settings = configuration.workstation()
    options = settings.get("scheduler_options", [])
    if len(starts) == 1:
        submission = scheduler.submission(first.full_command, first.tag, options)
    else:
        tasks = {}
        for run in starts:
            tasks[run.rank] = (run.tag, run.full_command)
        submission = scheduler.array_submission(tasks, options)
    return submission[0], submission


def check_tag(tag: str | None, taken: AbstractSet[str], hint: str) -> None:
    """Raise AmbiguousRun when a run has the tag."""
    if tag in taken:
        raise AmbiguousRun(f"decision tag {tag}", "a free one", "a run that has it", hint)


def _answer_lost(starts: Sequence[RunStart], name: str, error: Unreachable) -> Unreachable:
    # A lost answer does not mean that nothing was started.
    monitor = f"make monitor-then-finalize TAG={starts[0].tag}"
    if len(starts) > 1:
        monitor = "make watch"
    hint = f"it may be running all the same: see `{monitor}` before it is started again"
    return Unreachable(name, "the launcher's answer", f"none ({error})", hint)
