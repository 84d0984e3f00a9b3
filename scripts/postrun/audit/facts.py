"""What the audit knows about a run: plain records, no reading and no judgment.

A check that needs a new fact needs a field of `Facts` here, filled in by `observe.observe`.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from postrun.core import run_names, values
from postrun.core.locations import RunPaths
from postrun.core.run_names import RunName
from postrun.core.values import Json
from postrun.decide import gates
from postrun.store.json_files import Reading


class Unreadable(Exception):
    """A check needs a file that could not be read: it fails with the file's problem."""

    def __init__(self, document: "Document") -> None:
        super().__init__(document.problem)
        self.path = document.path


@dataclass(frozen=True)
class Document(Reading):
    """One file. `value` (a JSON document or a table's rows) is None when it could not be read.

    `problem` says why, `path` is relative to the workspace root.
    """

    path: str | None = None

    def required(self) -> Any:
        """Return the value. Raises Unreadable."""
        if self.value is None:
            raise Unreadable(self)
        return self.value


def unread(problem: str, path: str | None = None) -> Document:
    """Return a file that could not be read."""
    return Document(problem=problem, path=path)


def unreadable_at(path: str, unreadable: Mapping[str, str]) -> str | None:
    """Return why a file, or a folder above it, cannot be read; None when it can."""
    for name, reason in unreadable.items():
        if path == name or path.startswith(f"{name}/"):
            return f"not readable: {reason}"
    return None


@dataclass(frozen=True)
class Evidence:
    """The files of the run as the evidence manifest lists them."""

    manifest: Document
    present: Set[str] = frozenset()  # listed and on disk; without a manifest, all on disk
    changed: Sequence[str] = ()  # one line for each file that is not as listed
    digest: str | None = None  # of the whole list; a ledger row names it
    # Files and folders that cannot be read, with the reason.
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def absence(self, path: str) -> str:
        """Return why a file is not among the evidence that can be read."""
        problem = unreadable_at(path, self.unreadable)
        return problem or "not among the evidence"


@dataclass(frozen=True)
class Facts:
    """Everything the audit knows about one run. A missing or broken file is a fact, too."""

    run_paths: RunPaths
    name: RunName
    requested_tag: str | None  # on the command line
    evidence: Evidence
    ledger: Document  # the rows about this run, while the chain is unbroken

    # Files of the run folder.
    detection: Document
    preflight: Document
    context: Document
    result: Document
    data_quality: Document
    preflight_written: float | None  # file times, seconds since 1970; the copy keeps them
    result_written: float | None
    report_written: float | None
    utc_offset_at_end: timedelta | None  # the workstation's at that moment, as detection saw it
    factor_in_command: str | None  # --factor in command.sh

    # Files of the gate folder.
    report: Document
    statistics: Document
    windows: Document
    costs: Document
    significance: Document  # the statistical table
    ics_by_date: Document | None  # None: not written
    summary_path: str
    has_summary: bool

    other_runs_of_tag: Sequence[str]  # folders

    policy: Json  # the statistics policy
    policy_digest: str

    @property
    def tag(self) -> str:
        """Return the run's tag as it was typed."""
        return run_names.raw_tag(self.name, self.context.members, self.result.members, self.inputs)

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

    @property
    def unofficial_options(self) -> set[str]:
        """Return the skip options that were used, and `dry_run`."""
        return set(gates.unofficial(self.report.value))

    def stage(self, name: str) -> Json:
        """Return what the gate report says of a stage."""
        return gates.section(self.report.value, name)

    def not_finite(self, stage: str) -> dict[str, str]:
        """Return which numbers of a stage are NaN or Infinity, by name."""
        prefix = f"$.{stage}."
        numbers = {}
        for where, number in self.report.not_finite.items():
            name = where.removeprefix(prefix)
            numbers[name] = number
        return numbers

    @property
    def not_finite_metrics(self) -> dict[str, str]:
        """Return which metrics of gates are NaN or Infinity, by the gates' names for them."""
        metrics = {}
        for where, number in self.report.not_finite.items():
            name = where.removeprefix("$.")
            metrics[name] = number
        # The gates name a row of the cost stress by its multiplier.
        cost_rows = gates.cost_rows(self.report.value)
        for index, row in enumerate(cost_rows):
            multiplier = values.number(row.get("cost_multiplier"))
            number = metrics.get(f"cost_stress[{index}].test_ic", "")
            if number and multiplier is not None:
                metrics[f"cost_stress[x{multiplier:.1f}].test_ic"] = number
        return metrics

    def is_skipped(self, option: str) -> bool:
        """Return whether a stage was skipped by this option."""
        return self.inputs.get(option) is True
