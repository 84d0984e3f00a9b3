"""The questions of the audit, in code: one module per family, each function named by the id it has in the catalogue.

facts       what is known about a run           observe     how it becomes known: files and doors, no judgment
recompute   numbers worked out again            timing      which report belongs to which run
artifacts runtime data_quality consistency ledger           the families

A package, because more than twenty questions are more than one script.
"""

from postrun.audit import (
    artifact_checks,
    consistency_checks,
    data_quality_checks,
    ledger_checks,
    runtime_checks,
)
from postrun.audit.facts import Ask

FAMILIES: dict[str, tuple[Ask, ...]] = {
    "Artifacts": artifact_checks.CHECKS,
    "Runtime": runtime_checks.CHECKS,
    "DataQuality": data_quality_checks.CHECKS,
    "Consistency": consistency_checks.CHECKS,
    "Ledger": ledger_checks.CHECKS,
}
QUESTIONS: dict[str, Ask] = {ask.__name__: ask for asks in FAMILIES.values() for ask in asks}
