"""What the running step has read: these inputs are recorded with everything that it writes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

Input = dict[str, Any]  # path, sha256 and rows of one file


@dataclass
class StepNotes:
    """One running step: its name, and what it has read, by path."""

    step: str = ""
    inputs: dict[str, Input] = field(default_factory=dict)


_NOTES: ContextVar[StepNotes | None] = ContextVar("step_notes", default=None)


def current() -> StepNotes:
    """Return the notes of the running step; empty ones outside of a step."""
    return _NOTES.get() or StepNotes()


@contextmanager
def performing(step: str) -> Iterator[None]:
    """Note what is read inside the block as read by this step."""
    token = _NOTES.set(StepNotes(step))
    try:
        yield
    finally:
        _NOTES.reset(token)


def unnoted() -> AbstractContextManager[None]:
    """Return a block inside which nothing that is read is noted.

    For tables that are made from all run folders: each closing reads others of them.
    """
    return performing("")


def note(path: str, sha256: str, rows: int | None = None) -> None:
    """Note a file that was read, relative to the root; of a table, the number of rows used."""
    notes = _NOTES.get()
    if notes is not None:
        notes.inputs[path] = {"path": path, "sha256": sha256, "rows": rows}
