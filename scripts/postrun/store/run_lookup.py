"""Which run a request means: the folders it asks for, its tag, and where a run is on disk."""

from pathlib import Path

from postrun.core import disk, locations, run_names
from postrun.core.errors import AmbiguousRun, Missing, Usage
from postrun.core.locations import RunPaths
from postrun.core.request import RunRequest
from postrun.store import documents, run_folders

REPORT = "production_gates_report.json"


def requested_run(request: RunRequest) -> str | None:
    """Return the run folder that is asked for; None when there is only a tag.

    A local folder has the same name as the workstation's. Raises Usage, AmbiguousRun.
    """
    remote = _remote_folder(request.run_dir_remote, locations.RUNS, "--run-dir-remote")
    folder = _agreed(remote, request.run_dir, "--run-dir")
    name = run_names.parse_run_name(folder or "")
    if folder is not None and not (name and run_names.FOLDER_TAG.fullmatch(name.tag)):
        expected = f"a name like {run_names.RUN_NAME}"
        raise AmbiguousRun(f"run folder {folder!r}", expected, "another")
    return folder


def requested_gate(request: RunRequest) -> str | None:
    """Return the gate folder that is asked for; None when none is. Raises Usage, AmbiguousRun."""
    path, flag = request.report_json_remote, "--report-json-remote"
    home = _home_of_gate(path)
    remote = _remote_folder(path, home, flag, f"/{REPORT}")
    local = request.report_json and request.report_json.resolve().parent
    folder = _agreed(remote, local, "--report-json")
    if folder is not None and run_names.gate_started(folder) is None:
        raise AmbiguousRun(
            f"gate folder {folder!r}",
            f"a name like {run_names.WORKFLOW}_<time>",
            "another",
        )
    return folder


def requested_report(request: RunRequest) -> str | None:
    """Return the report that is asked for, relative to the remote root. Raises as above."""
    gate = requested_gate(request)
    if gate is None:
        return None
    home = _home_of_gate(request.report_json_remote)
    return f"{home}/{gate}/{REPORT}"


def _home_of_gate(path: str | None) -> str:
    """Return the folder of a report's gate folder: a run's command may lead it anywhere below."""
    if path is None:
        return locations.GATES
    report = Path(path)
    home = report.parent.parent.as_posix()
    if home == "." or report.is_absolute() or ".." in report.parts:
        return locations.GATES
    return home


def _remote_folder(path: str | None, home: str, flag: str, file: str = "") -> str | None:
    """Return the folder's name of a path `<home>/<folder><file>`. Raises Usage for another path."""
    if path is None:
        return None
    posix_path = Path(path).as_posix()
    folder = posix_path.removeprefix(f"{home}/").removesuffix(file)
    is_one_name = folder == Path(folder).name and folder != ".."
    if not is_one_name or posix_path != f"{home}/{folder}{file}":
        raise Usage(flag, f"{home}/<folder>{file}, relative to the remote root", repr(path))
    return folder


def _agreed(remote: str | None, local: Path | None, flag: str) -> str | None:
    """Return the folder that one of two flags names, or both. Raises Usage when they differ."""
    if local is None:
        return remote
    folder = local.resolve().name
    if remote and folder != remote:
        raise Usage(
            flag,
            f"the folder that {flag}-remote names, {remote}",
            folder,
        )
    return folder


def requested_tag(request: RunRequest) -> str:
    """Return the tag that is named, else the folder's. Raises Usage, AmbiguousRun."""
    if request.tag is not None:
        return request.tag
    name = run_names.parse_run_name(requested_run(request) or "")
    if name is None:
        return run_names.check_new_tag("")
    return run_names.check_new_tag(name.tag)


def locate(request: RunRequest) -> RunPaths:
    """Return the folders of a run on disk, from its paths or from what detection wrote.

    Raises PostRunError.
    """
    root = request.root
    if request.run_dir is not None:
        _folder_below(request.run_dir, root / locations.RUNS, "--run-dir")
    run = requested_run(request) or _detected_run(request)
    if request.report_json is not None:
        gate_folder = request.report_json.parent
        gate = _folder_below(gate_folder, root / locations.GATES, "--report-json")
    else:
        detection = documents.read(RunPaths(root, run, None), "run_detection")
        gate = detection["gate_folder"]
    return RunPaths(root, run, gate)


def _folder_below(path: Path, home: Path, flag: str) -> str:
    """Return the name of a folder that is directly in its home. Raises Usage for any other."""
    folder = path.resolve()
    if folder.parent != home.resolve():
        raise Usage(
            flag,
            f"a folder directly below {home} (--local-root names the workspace)",
            str(folder),
        )
    return folder.name


def _detected_run(request: RunRequest) -> str:
    """Return the newest detected run of the tag; as in detection, one with a context goes first.

    Raises Missing, AmbiguousRun.
    """
    runs_folder = request.root / locations.RUNS
    tag = run_names.folder_tag(request.tag)
    detected = []
    raw_tags = {}
    end = f"_{tag}"
    all_folders = run_folders.list_folders(request.root)
    # Of thousands of folders few end so.
    for folder in [folder for folder in all_folders if folder.endswith(end)]:
        name = run_names.parse_run_name(folder)
        run_paths = RunPaths(request.root, folder, None)
        if name is None or name.tag != tag:
            continue  # of a tag that only ends like this one
        if not disk.is_present(run_paths.path("run_detection")):
            continue
        detection = documents.read(run_paths, "run_detection")
        raw_tag = detection["decision_tag"]
        if request.tag not in (tag, raw_tag):
            continue
        raw_tags[folder] = raw_tag
        detected.append(name)
    if not detected:
        raise Missing(
            f"run {request.tag}",
            f"a detected run in {runs_folder}",
            "none",
            "detect and sync it first: make finalize TAG=...",
        )
    if len(detected) > 1:
        with_context = [name for name in detected if _has_context(request.root, name.folder)]
        detected = with_context or detected
        left = [name.folder for name in detected]
        run_names.check_one_tag(tag, {folder: raw_tags[folder] for folder in left})
    newest = max(detected, key=lambda name: name.started)
    return newest.folder


def _has_context(root: Path, folder: str) -> bool:
    run_paths = RunPaths(root, folder, None)
    detection = documents.read(run_paths, "run_detection")
    # Detections of earlier versions lack it.
    return detection.get("has_context") is not False
