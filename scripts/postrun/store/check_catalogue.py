"""The catalogue of checks: the question, its severity, what it requires, and what to do."""

from dataclasses import dataclass

from postrun.core.errors import Invalid
from postrun.store import configuration

SEVERITIES = ("High", "Medium", "Low")  # most severe first


@dataclass(frozen=True)
class Check:
    """One yes-question that the audit asks of a run."""

    id: str
    question: str
    family: str
    severity: str
    requires: tuple[str, ...]  # ids of checks; it is skipped unless they all passed
    remedy: str
    hypothesis: str


def checks() -> dict[str, Check]:
    """Return the checks by id, in the order in which they are asked.

    Raises Invalid unless a check stands below all that it requires.
    """
    catalogue: dict[str, Check] = {}
    for row in configuration.load("governance_checks")["checks"]:
        check = Check(**{**row, "requires": tuple(row["requires"])})
        faults = [f"{name!r} not above it" for name in check.requires if name not in catalogue]
        if check.id in catalogue:
            faults = ["the id twice"]
        if faults:
            thing = f"governance_checks.json: {check.id}"
            raise Invalid(thing, "an id of its own, below what it requires", faults[0])
        catalogue[check.id] = check
    return catalogue
