"""What the audit knows about a run, and what it answers: plain records, no doors, no judgment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from postrun.core import values
from postrun.core.locations import RunPaths
from postrun.core.run_names import RunName
from postrun.decide import gates


@dataclass(frozen=True)
class Document:
    """One JSON file. `value` is None when it could not be read, and `problem` says why; `odd`: where NaN stood."""

    path: str | None
    value: Any = None
    problem: str = ""
    odd: tuple[str, ...] = ()

    @property
    def members(self) -> dict[str, Any]:
        """Give its members; none when it could not be read."""
        return values.mapping(self.value)


@dataclass(frozen=True)
class Table:
    """One CSV file of the evidence. `rows` is None when it could not be read, and `problem` says why."""

    path: str | None
    rows: tuple[dict[str, Any], ...] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Evidence:
    """The files of the evidence as the manifest lists them. Without a manifest every file that is there counts."""

    manifest: Document
    present: frozenset[str] = frozenset()
    changed: tuple[str, ...] = ()  # one line for each file that is not as listed
    digest: str | None = None  # of the whole list; what a ledger row rests on


@dataclass(frozen=True)
class Ledger:
    """What the stage ledger says about this run; `problem` says where its chain is broken."""

    path: str
    rows: tuple[dict[str, Any], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Facts:
    """One run as it lies on disk. A file that is missing or broken is a fact, too."""

    run_paths: RunPaths
    name: RunName
    asked: str | None  # the tag on the command line
    evidence: Evidence
    ledger: Ledger
    detection: Document
    preflight: Document
    context: Document
    result: Document
    result_modified: float | None  # seconds since 1970
    offset_at_end: (
        timedelta | None
    )  # the workstation's, when the result was written; as detection saw it
    data_quality: Document
    report: Document
    statistics: Document
    windows: Table
    costs: Table
    summary: str  # where the final summary belongs
    has_summary: bool
    namesakes: tuple[str, ...]  # other run folders with this tag
    factor_of_command: str | None

    @property
    def inputs(self) -> dict[str, Any]:
        """Give the options of the gate program; none when there is no report."""
        return gates.inputs(self.report.value)

    @property
    def factor(self) -> str | None:
        """Give the factor from the report, else from the command; None when neither says."""
        return values.text(self.inputs.get("factor")) or self.factor_of_command

    @property
    def owner(self) -> str | None:
        """Give the owner from the context, else from the report; None when neither says."""
        of_context = values.text(self.context.members.get("owner"))
        return of_context or values.text(self.inputs.get("owner"))

    def is_skipped(self, option: str) -> bool:
        """Say whether a stage was left out by its option."""
        return self.inputs.get(option) is True


@dataclass(frozen=True)
class Answer:
    """The answer to one question, in words that need no file to be understood. `evidence`: the file to look into."""

    passed: bool
    expected: str
    observed: str
    evidence: str | None


Ask = Callable[[Facts], Answer]

_SHOWN = 6


def several(found: tuple[str, ...] | list[str], none: str) -> str:
    """Write a list of findings as one line; a long one is cut, with the number of the rest."""
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more if found else none


def texts(value: Any) -> list[str]:
    """Give a list of texts as it should be; a value of another shape as one text."""
    return (
        [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []
    )


def unread(document: Document | Table, expected: str) -> Answer:
    """Answer no because the file that the question is about could not be read."""
    return Answer(False, expected, document.problem or "nothing there", document.path)
