"""The door for the catalogue of checks: the question, its weight, what it requires, and what to do after a no."""

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
    requires: tuple[str, ...]
    remedy: str
    hypothesis: str


def checks() -> dict[str, Check]:
    """Return the checks by id, in their order: each stands after all that it requires."""
    catalogue: dict[str, Check] = {}
    for row in configuration.load("governance_checks")["checks"]:
        check = Check(**{**row, "requires": tuple(row["requires"])})
        unknown = [needed for needed in check.requires if needed not in catalogue]
        if unknown or check.id in catalogue:
            wrong = f"{unknown[0]!r} not above it" if unknown else "the id twice"
            raise Invalid(
                f"governance_checks.json: {check.id}",
                "an id of its own, below what it requires",
                wrong,
            )
        catalogue[check.id] = check
    return catalogue
