"""Starting a run on the workstation: a look at what it needs, then the launcher that lies there."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from postrun.core import disk, terminal
from postrun.core.errors import AmbiguousRun, Missing, Unreachable
from postrun.core.request import RunRequest
from postrun.decide import planning
from postrun.remote.workstation import open_workstation

if TYPE_CHECKING:
    from postrun.remote.workstation import Workstation


def start(
    request: RunRequest,
    run: str,
    words: Sequence[str],
    files: Sequence[str],
    hint: str,
    as_json: bool,
) -> int:
    """Run the launcher's command for the order's tag, after a look at what it needs; give its verdict as 0 or 1.

    `run` names it in messages. In a rehearsal nothing is started. Raises Missing, Unclear, Unreachable.
    """
    code, said = 0, [f"{run}: could be started now, nothing was"]
    with open_workstation(request) as door:
        remote_files = door.list_files(files)
        absent = [path for path in files if path not in remote_files.files]
        if absent:
            raise Missing(
                run, f"its files on workstation {request.host}", f"no {', no '.join(absent)}"
            )
        if request.tag in remote_files.tags:
            raise AmbiguousRun(
                f"decision tag {request.tag}", "a free one", "a run that has it", hint
            )
        if not as_json:
            print(planning.quoted(words), flush=True)
        if not disk.DRY_RUN.get():
            code, output = _launched(door, words, request.tag, run)
            said = [*output.splitlines(), f"{run}: the launcher ended with exit code {code}"]
    verdict = min(code, 1)
    if as_json:
        print(json.dumps({"exit_code": verdict, "argv": list(words), "said": said}))
    for told in said if not as_json else ():
        terminal.say(told)
    return verdict


def _launched(
    door: "Workstation", words: Sequence[str], tag: str | None, run: str
) -> tuple[int, str]:
    """Run the launcher. An answer that is lost does not say that nothing was started. Raises Unreachable."""
    try:
        return door.launch(words)
    except Unreachable as error:
        look = f"make monitor-then-finalize TAG={tag}"
        hint = f"it may be under way all the same: see `{look}` before it is started again"
        raise Unreachable(run, "the launcher's own word", f"none ({error})", hint) from None
