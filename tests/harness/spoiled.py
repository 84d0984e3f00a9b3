"""Ways to spoil a run's documents that more than one test module uses."""

import math

from harness.factory import Documents

# A name of their own: detection looks at the machine's real processes, and other tests start some
# on factory.TAG.
OWN = {"tag": "audited_2026-02-21_run1", "stamp": "2026-02-21_041500"}


def nan_beta(made: Documents) -> None:
    """The beta was not measured, and the gates say so honestly."""
    made.report["risk_diagnostics"]["beta_vs_spy"] = math.nan
    made.report["gates"].update(risk_gate_beta_abs=False, overall_pass=False)


def crash(made: Documents) -> None:
    """The gate program died before it wrote anything."""
    made.report, made.statistics, made.cost_rows, made.windows = None, None, [], []
    made.result["exit_code"] = 137


def in_many_ways(made: Documents) -> None:
    """Four checks fail, in three families; the words of the run try to break a page."""
    nan_beta(made)
    made.report["gates"]["overall_pass"] = True
    made.report["wf_stress"]["test_ic_std"] = 0.5
    made.report["inputs"]["skip_guardrails"] = True
    made.context["skip_data_quality_check"] = 1
    made.context["owner"] = "eve | *x* <b>"
