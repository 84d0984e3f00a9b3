"""Lines that a person can type as they stand: tag, workstation and workspace are in them."""

from pathlib import Path
from typing import Any

import pytest

from postrun.core.locations import PROJECT
from postrun.core.request import RunRequest
from postrun.store import configuration, make_lines

SETTINGS = configuration.workstation()
USUAL = {"host": SETTINGS["host"], "remote_root": SETTINGS["remote_root"]}


def request(root: Path = PROJECT, tag: str | None = "run1", **more: Any) -> RunRequest:
    return RunRequest(root, tag=tag, **{**USUAL, **more})


@pytest.mark.parametrize(
    ("message", "asked", "expected"),
    [
        ("close it: make finalize TAG=...", request(), "close it: make finalize TAG=run1"),
        ("make finalize TAG=..., or", request(tag="a b"), "make finalize TAG='a b', or"),
        ("make finalize TAG=...", request(tag=None), "make finalize TAG=..."),
        ("make it again: make seal", request(), "make it again: make seal"),
        (
            "make verify TAG='x y'; make seal",
            request(Path("/w")),
            "make verify TAG='x y' LOCAL_ROOT=/w; make seal LOCAL_ROOT=/w",
        ),
        (
            "make next-run-plan",
            request(PROJECT / ".demo/home", host="desk", remote_root="/srv/a b"),
            "make next-run-plan HOST=desk REMOTE_ROOT='/srv/a b' LOCAL_ROOT=.demo/home",
        ),
        ("make finalize", request(scheduler="slurm"), "make finalize SCHEDULER=slurm"),
        (
            "make finalize TAG=x LOCAL_ROOT=/w",
            request(Path("/w")),
            "make finalize TAG=x LOCAL_ROOT=/w",
        ),
        ("make next-run-planner", request(Path("/w")), "make next-run-planner"),
        (
            "make sync-run",
            request(host="local", remote_root="./there"),
            f"make sync-run REMOTE_ROOT={Path('there').absolute()}".replace(f"{PROJECT}/", ""),
        ),
        ("make sync-run", request(host="desk", no_sync=True), "make sync-run"),
    ],
)
def test_a_line_gets_what_it_lacks(message: str, asked: RunRequest, expected: str) -> None:
    assert make_lines.complete(message, asked) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("argument --remote-root: expected one", "argument REMOTE_ROOT: expected one"),
        ("--no-sync and --tag", "--no-sync and TAG"),
    ],
)
def test_flags_become_values_of_make(message: str, expected: str) -> None:
    assert make_lines.in_words_of_make(message) == expected
