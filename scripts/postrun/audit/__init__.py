"""The checks of the audit, one module per family; each function has the id it has in the catalogue.

facts       what is known about a run: plain records
observe     reads a run and returns its facts, without a decision
answers     what a check returns, and how it words what is wrong
recompute   numbers of the gate report, computed again from the tables beside it
plausible   values that cannot be what their name says
rounding    what a number in a table of another program stands for
significance_table  the statistical table, worked out again from its own columns

The checks of `statistics_checks` belong to the family Consistency.

A check takes `Facts` and returns an `Answer`; it opens no file. To add one, see CONTRIBUTING.
"""

from postrun.audit import (
    artifact_checks,
    consistency_checks,
    data_quality_checks,
    ledger_checks,
    runtime_checks,
    statistics_checks,
)
from postrun.audit.answers import CheckFunction

FAMILIES: dict[str, tuple[CheckFunction, ...]] = {
    "Artifacts": artifact_checks.CHECKS,
    "Runtime": runtime_checks.CHECKS,
    "DataQuality": data_quality_checks.CHECKS,
    "Consistency": consistency_checks.CHECKS + statistics_checks.CHECKS,
    "Ledger": ledger_checks.CHECKS,
}
CHECKS: dict[str, CheckFunction] = {
    check.__name__: check for checks in FAMILIES.values() for check in checks
}
