"""Which run an order means: the folders that are asked for, the tag, and where a run that is here already lies."""

from pathlib import Path

from postrun.core import locations, run_names
from postrun.core.errors import AmbiguousRun, Missing, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.store import json_files

REPORT = "production_gates_report.json"


def requested_run(request: RunRequest) -> str | None:
    """Give the run folder that is asked for, None when there is but a tag. Raises Usage, Unclear.

    A local folder has the same name as the workstation's.
    """
    remote = _between(request.run_dir_remote, locations.RUNS, "--run-dir-remote", "")
    local = request.run_dir.resolve().name if request.run_dir else None
    folder = _one(remote, local, "--run-dir")
    name = run_names.parse_run_name(folder or "")
    if folder is not None and not (name and run_names.TAG.fullmatch(name.tag)):
        raise AmbiguousRun(
            f"run folder {folder!r}", f"a name like <time>_{run_names.WORKFLOW}_<tag>", "another"
        )
    return folder


def requested_gate(request: RunRequest) -> str | None:
    """Give the gate folder that is asked for, None when there is none. Raises Usage, Unclear."""
    remote = _between(
        request.report_json_remote, locations.GATES, "--report-json-remote", f"/{REPORT}"
    )
    local = request.report_json.resolve().parent.name if request.report_json else None
    folder = _one(remote, local, "--report-json")
    if folder is not None and run_names.gate_started(folder) is None:
        raise AmbiguousRun(
            f"gate folder {folder!r}", f"a name like {run_names.WORKFLOW}_<time>", "another"
        )
    return folder


def _between(path: str | None, home: str, flag: str, file: str) -> str | None:
    """Take the folder's name out of `<home>/<folder><file>`. Raises Usage for any other path."""
    if path is None:
        return None
    parts = Path(path).as_posix().removeprefix(f"{home}/").removesuffix(file).split("/")
    if (
        f"{home}/{parts[0]}{file}" != Path(path).as_posix()
        or len(parts) != 1
        or parts[0] in ("", ".", "..")
    ):
        raise Usage(flag, f"{home}/<folder>{file}, relative to the remote root", repr(path))
    return parts[0]


def _one(remote: str | None, local: str | None, flag: str) -> str | None:
    """Give the folder that two flags name, or one of them. Raises Usage when they do not agree."""
    if remote and local and remote != local:
        raise Usage(flag, f"the folder that {flag}-remote names, {remote}", local)
    return remote or local


def requested_tag(request: RunRequest) -> str:
    """Give the decision tag: the one that is named, else that of the folder. Raises Usage, Unclear."""
    if request.tag is not None:
        return request.tag
    name = run_names.parse_run_name(requested_run(request) or "")
    return run_names.check_tag(name.tag if name else "")


def locate(request: RunRequest) -> RunPaths:
    """Find the folders of a run that is here already, from its paths or from what detection wrote. Raises Refusal."""
    if request.run_dir is not None:
        _below(request.run_dir, request.root / locations.RUNS, "--run-dir")
    run_paths = RunPaths(request.root, requested_run(request) or _detected(request), None)
    if request.report_json is not None:
        return RunPaths(
            request.root,
            run_paths.run,
            _below(request.report_json.parent, request.root / locations.GATES, "--report-json"),
        )
    return RunPaths(
        request.root, run_paths.run, json_files.read(run_paths, "run_detection")["gate_folder"]
    )


def _below(path: Path, home: Path, flag: str) -> str:
    """Give the name of a folder that lies here, in its home. Raises Usage for any other."""
    folder = path.resolve()
    if folder.parent != home.resolve():
        raise Usage(
            flag, f"a folder directly below {home} (--local-root names the workspace)", str(folder)
        )
    return folder.name


def _detected(request: RunRequest) -> str:
    """Give the newest detected run of this tag; as in detection, one with a context goes before any without."""
    runs = request.root / locations.RUNS
    found = [
        name
        for name in (run_names.parse_run_name(path.name) for path in runs.glob(f"*_{request.tag}"))
        if name
        and name.tag == request.tag
        and RunPaths(request.root, name.folder, None).path("run_detection").exists()
    ]
    if not found:
        hint = "detect and sync it first: make finalize"
        raise Missing(f"run {request.tag}", f"a detected run in {runs}", "none", hint)
    begun = (
        [name for name in found if _has_context(request.root, name.folder)]
        if len(found) > 1
        else []
    )
    return max(begun or found, key=lambda name: name.started).folder


def _has_context(root: Path, folder: str) -> bool:
    found = json_files.read(RunPaths(root, folder, None), "run_detection")
    return bool(found.get("has_context", True))  # older ones lack it
