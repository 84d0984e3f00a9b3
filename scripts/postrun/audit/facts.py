"""What the audit knows about a run: plain records, no reading and no judgment.

A check that needs a new fact needs a field of `Facts` here, filled in by `observe.observe`.
"""

from dataclasses import dataclass
from datetime import timedelta

from postrun.core import values
from postrun.core.locations import RunPaths
from postrun.core.run_names import RunName
from postrun.core.values import Json
from postrun.decide import gates
from postrun.store.json_files import Reading


@dataclass(frozen=True)
class Document(Reading):
    """One JSON file. `value` is None when it could not be read, and `problem` says why."""

    path: str | None = None  # from the workspace root


@dataclass(frozen=True)
class Table:
    """One CSV file. `rows` is None when it could not be read, and `problem` says why."""

    path: str | None
    rows: tuple[Json, ...] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Evidence:
    """The files of the run as the evidence manifest lists them."""

    manifest: Document
    present: frozenset[str] = frozenset()  # listed and on disk; without a manifest, all on disk
    changed: tuple[str, ...] = ()  # one line for each file that is not as listed
    digest: str | None = None  # of the whole list; a ledger row names it


@dataclass(frozen=True)
class Ledger:
    """What the stage ledger has about this run; `problem` says where its chain is broken."""

    path: str
    rows: tuple[Json, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything the audit knows about one run. A missing or broken file is a fact, too."""

    run_paths: RunPaths
    name: RunName
    requested_tag: str | None  # on the command line
    evidence: Evidence
    ledger: Ledger

    # Files of the run folder.
    detection: Document
    preflight: Document
    context: Document
    result: Document
    data_quality: Document
    result_modified: float | None  # when result.json was written, seconds since 1970
    utc_offset_at_end: timedelta | None  # the workstation's at that moment, as detection saw it
    factor_in_command: str | None  # --factor in command.sh

    # Files of the gate folder.
    report: Document
    statistics: Document
    windows: Table
    costs: Table
    summary_path: str
    has_summary: bool

    other_runs_of_tag: tuple[str, ...]  # folders

    @property
    def inputs(self) -> Json:
        """Return the options of the gate program; none without a report."""
        return gates.inputs(self.report.value)

    @property
    def factor(self) -> str | None:
        """Return the factor that the report names, else the one in the command."""
        return values.text(self.inputs.get("factor")) or self.factor_in_command

    @property
    def owner(self) -> str | None:
        """Return the owner that the context names, else the one in the report."""
        in_context = values.text(self.context.members.get("owner"))
        return in_context or values.text(self.inputs.get("owner"))

    def stage(self, name: str) -> Json:
        """Return what the gate report says of a stage."""
        return gates.section(self.report.value, name)

    def is_skipped(self, option: str) -> bool:
        """Return whether a stage was skipped by this option."""
        return self.inputs.get(option) is True
