"""Consistency of what a decision about luck rests on: windows, thresholds, values, significance."""

from collections.abc import Iterator

from postrun.audit import plausible, significance_table
from postrun.audit.answers import Answer, by_faults
from postrun.audit.facts import Facts
from postrun.core import values
from postrun.core.values import Json
from postrun.decide import baseline, gates, ics_by_date, window_years

_SECTIONS = ("wf_stress", "risk_diagnostics", "statistical_gates")
_DIGEST_SHOWN = 12  # characters; the closing record has all of it


def windows_measured(facts: Facts) -> Answer:
    """Return whether enough of the windows that the run's own years ask for have a test IC."""
    rows = facts.windows.required()
    width = window_years.years_each(facts.inputs, rows)
    asked = window_years.asked(facts.inputs, width) or []
    unmeasured = []
    for row in rows:
        ic = row.get("test_ic")
        if values.number(ic) is None:
            name = row.get("test_start")
            unmeasured.append(str(name))
    measured = len(rows) - len(unmeasured)
    share = facts.policy["least_share_of_windows_measured"]
    expected = f"a test IC in at least {share:.0%} of the {len(asked)} windows asked for"
    observed = f"{measured} of {len(asked)} windows"
    if unmeasured:
        observed += f", none in {', '.join(unmeasured)}"
    # 0.9 times a whole number may come out as a little more than it is.
    passed = measured + 1e-9 >= share * len(asked)
    return Answer(passed, expected, observed, facts.windows.path)


def thresholds_not_weakened(facts: Facts) -> Answer:
    """Return whether no threshold, and no range of test years, is weaker than the baseline.

    The answer names the policy, since another one may ask for more.
    """
    policy_version = facts.policy["policy_version"]
    digest = facts.policy_digest[:_DIGEST_SHOWN]
    expected = f"no option weaker than statistics policy {policy_version} ({digest}) allows"
    windows = facts.windows.value or ()
    faults = baseline.weaker(facts.inputs, windows, facts.policy)
    return by_faults(expected, faults, "none weaker", facts.report)


def values_plausible(facts: Facts) -> Answer:
    """Return whether every measured value is one that its name allows."""
    faults = []
    for name, record in _records(facts):
        for fault in plausible.faults(record):
            faults.append(f"{name}: {fault}")
    return by_faults("only possible values", faults, "as expected", facts.report)


def _records(facts: Facts) -> Iterator[tuple[str, Json]]:
    """Yield every record with measured values, and its name; what cannot be read has none."""
    for row in gates.cost_rows(facts.report.value):
        multiplier = row.get("cost_multiplier")
        yield f"cost stress x{multiplier}", row
    for name in _SECTIONS:
        yield name, facts.stage(name)
    focus = facts.statistics.members.get("focus")
    yield "statistical report", values.mapping(focus)
    for row in facts.windows.value or ():
        yield f"window {row.get('test_start')}", row
    for row in facts.significance.value or ():
        yield f"factor {row.get('factor')}", row
    dates = facts.ics_by_date
    if dates is not None:
        for row in dates.value or ():
            yield f"date {row.get('date')}", row


def statistics_table_recomputed(facts: Facts) -> Answer:
    """Return whether q and p of the statistical table follow from it, and the report has its row.

    Without standard deviations p cannot be worked out.
    """
    rows = facts.significance.required()
    faults = significance_table.q_faults(rows)
    observed = "not recomputed: no std"
    if significance_table.has_deviation(rows):
        faults += significance_table.p_faults(rows)
        observed = "as recomputed"
    focus = facts.statistics.members.get("focus")
    claims = values.mapping(focus)
    faults += significance_table.focus_faults(claims, rows)
    expected = "q from the p of the table, p from its mean, std and n, and the report's row in it"
    return by_faults(expected, faults, observed, facts.significance)


def windows_vary(facts: Facts) -> Answer:
    """Return whether the windows are not all equal to the last of twelve digits."""
    ics = set()
    measured = 0
    for row in facts.windows.required():
        ic = values.number(row.get("test_ic"))
        if ic is not None:
            measured += 1
            # As in the digest of a series: a difference in the last bits is none, nor is the sign
            # of zero.
            ics.add(f"{ic + 0.0:.12g}")
    passed = measured < 2 or len(ics) > 1
    observed = f"{len(ics)} different test ICs in {measured} windows"
    return Answer(passed, "windows that differ from each other", observed, facts.windows.path)


def ic_by_date_agrees(facts: Facts) -> Answer:
    """Return whether the ICs of the test dates, where written, give the test IC of each window."""
    expected = "each window's test IC as the mean over its dates, to 1e-9"
    dates = facts.ics_by_date
    if dates is None:
        return Answer(True, expected, "not written", facts.windows.path)
    rows = dates.required()
    windows = facts.windows.required()
    faults = ics_by_date.faults(windows, rows)
    return by_faults(expected, faults, "as expected", dates)


CHECKS = (
    windows_measured,
    thresholds_not_weakened,
    values_plausible,
    statistics_table_recomputed,
    windows_vary,
    ic_by_date_agrees,
)
