"""A copy under way: killed at any moment, it leaves all that the next one needs, nothing else."""

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.factory import put
from postrun.core.errors import Invalid
from postrun.core.locations import RunPaths
from postrun.store import evidence, incoming

RUN = "2026-02-21_031500_production_gates_run1"
GATE = "production_gates_2026-02-21_031700"
RUN_PATH, GATE_PATH = f"audit/workstation_runs/{RUN}", f"gate_results/{GATE}"
COPIED = [
    f"{RUN_PATH}/result.json",
    f"{RUN_PATH}/sub/deep/new.csv",
    f"{GATE_PATH}/report.json",
]
MANIFEST: dict[str, Any] = {"files": ["as it will be"]}
CHANGES: list[dict[str, Any]] = [
    {"in": None, "kept": []},
    {
        "in": "superseded_evidence/1",
        "kept": [f"{RUN_PATH}/result.json", f"{GATE_PATH}/link", f"{GATE_PATH}/extra.csv"],
    },
]


@pytest.fixture
def run_paths(local: Path) -> RunPaths:
    return lay_out(local)


def lay_out(local: Path) -> RunPaths:
    """Return a run of which all has come, with older files at some of the places."""
    paths = RunPaths(local, RUN, GATE)
    put(local / RUN_PATH / "result.json", b"old")
    put(local / GATE_PATH / "extra.csv", b"extra")
    (local / GATE_PATH / "link").symlink_to("/etc/passwd")
    for path in COPIED:
        put(incoming.path_of(paths, path), path.encode())
    deep = incoming.folder_for(paths, RUN_PATH) / "sub/deep"
    deep.chmod(0o550)
    deep.parent.chmod(0o750)
    return paths


def tree(root: Path) -> dict[str, str]:
    """Return every file and link, with what it holds."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(root).as_posix()] = f"-> {path.readlink()}"
        elif path.is_file():
            found[path.relative_to(root).as_posix()] = path.read_text()
    return found


DONE = {path: path for path in COPIED} | {
    f"{RUN_PATH}/superseded_evidence/1/{RUN_PATH}/result.json": "old",
    f"{RUN_PATH}/superseded_evidence/1/{GATE_PATH}/extra.csv": "extra",
    f"{RUN_PATH}/superseded_evidence/1/{GATE_PATH}/link": "-> /etc/passwd",
}


def test_what_has_come_goes_to_its_place(run_paths: RunPaths) -> None:
    root = run_paths.root
    assert incoming.finish(run_paths) is None, "not all has come"
    assert (root / RUN_PATH / "result.json").read_bytes() == b"old"
    incoming.commit(run_paths, MANIFEST, COPIED, CHANGES)
    assert incoming.finish(run_paths) == MANIFEST
    assert incoming.finish(run_paths) == MANIFEST, "again, for no harm"
    incoming.clear(run_paths)
    assert tree(root) == DONE
    modes = [(root / RUN_PATH / name).stat().st_mode & 0o777 for name in ("sub", "sub/deep")]
    assert modes == [0o750, 0o750], "as on the workstation, and we may write in it"


@pytest.mark.parametrize("other_disk", ["none", "superseded_evidence", "gate_results"])
def test_killed_at_any_moment_it_goes_on(
    local: Path, monkeypatch: pytest.MonkeyPatch, other_disk: str
) -> None:
    """Each call that changes something is the one before which it is killed, in turn."""
    left = [0]  # calls until it is killed

    def limited(name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if name == "rename":
                # A mount of the same file system has its device, too.
                source, target = (f"/{other_disk}/" in str(path) for path in arguments)
                if source != target:
                    raise OSError(errno.EXDEV, "Invalid cross-device link")
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call

    calls = ("rename", "mkdir", "fsync", "unlink")
    fakes = {name: limited(name) for name in calls}
    for number in range(100):
        run_paths = lay_out(local / str(number))
        incoming.commit(run_paths, MANIFEST, COPIED, CHANGES)
        with monkeypatch.context() as limits:
            for name, fake in fakes.items():
                limits.setattr(os, name, fake)
            left[0] = number
            with contextlib.suppress(KeyboardInterrupt):
                incoming.finish(run_paths)
            was_killed = left[0] < 0
            left[0] = 1000
            assert incoming.finish(run_paths) == MANIFEST
        incoming.clear(run_paths)
        assert tree(run_paths.root) == DONE, number
        if not was_killed:
            break
    assert number > 9


def test_a_copy_that_an_earlier_release_began_is_finished(run_paths: RunPaths) -> None:
    """It had a place in each folder, and listed only the paths."""
    root = run_paths.root
    incoming.commit(run_paths, MANIFEST, COPIED, CHANGES)
    record = root / RUN_PATH / ".postrun-copy/copy.json"
    document = json.loads(record.read_bytes())
    for path, come in document["copied"].items():
        folder = RUN_PATH if path.startswith(RUN_PATH) else GATE_PATH
        earlier = root / folder / ".postrun-copy/files" / path.removeprefix(f"{folder}/")
        earlier.parent.mkdir(parents=True, exist_ok=True)
        (root / come).rename(earlier)
    document["copied"] = COPIED
    record.write_text(json.dumps(document))
    assert incoming.finish(run_paths) == MANIFEST
    incoming.clear(run_paths)
    assert tree(root) == DONE


def test_nothing_of_a_copy_under_way_is_evidence(run_paths: RunPaths) -> None:
    paths = [*evidence.digest_local(run_paths).files]
    assert paths == [f"{RUN_PATH}/result.json", f"{GATE_PATH}/extra.csv"]


def test_what_was_put_at_a_place_meanwhile_is_not_overwritten(run_paths: RunPaths) -> None:
    incoming.commit(run_paths, MANIFEST, COPIED, CHANGES)
    put(run_paths.root / GATE_PATH / "report.json", b"a user's")
    message = r"report\.json: expected nothing where a copied file belongs, found a file; move it"
    with pytest.raises(Invalid, match=message):
        incoming.finish(run_paths)
    assert (run_paths.root / GATE_PATH / "report.json").read_bytes() == b"a user's"
    (run_paths.root / GATE_PATH / "report.json").unlink()
    assert incoming.finish(run_paths) == MANIFEST


def test_a_folder_that_another_flow_makes_meanwhile_is_used(
    local: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two first runs share the folder of all gate folders, and hold no lock of each other."""
    paths = RunPaths(local, RUN, GATE)
    put(incoming.path_of(paths, COPIED[-1]), b"report")
    incoming.commit(paths, MANIFEST, COPIED[-1:], [])
    mkdir = Path.mkdir

    def make_after_another(folder: Path, *mode: Any, **options: Any) -> None:
        if folder == local / "gate_results":
            mkdir(folder)
        mkdir(folder, *mode, **options)

    monkeypatch.setattr(Path, "mkdir", make_after_another)
    assert incoming.finish(paths) == MANIFEST
    assert (local / COPIED[-1]).read_bytes() == b"report"


def test_a_copy_that_is_not_wanted_any_more_is_removed(run_paths: RunPaths) -> None:
    incoming.clear(run_paths)
    incoming.clear(run_paths)
    assert sorted(tree(run_paths.root).values()) == ["-> /etc/passwd", "extra", "old"]
