"""What the leaderboard says of runs and families, beside the columns of the tables."""

from collections.abc import Set as AbstractSet
from operator import itemgetter

from postrun.decide import scoring, verdicts
from postrun.registry import trials
from postrun.registry.registry_tables import Decided
from postrun.registry.rows import Policy
from postrun.store.tables import Row, Rows

# What stands where a number is left out.
NOT_MEASURED = "not measured"
ABANDONED = "not counted: abandoned"
FAMILIES = 100  # on the page


def describe(
    rows: Rows,
    decided: Decided,
    policy: Policy,
    abandoned: AbstractSet[str],
) -> Row:
    """Return the content of the page: these runs of the registry, and the families.

    Of more than FAMILIES families those with the least p, in the order of their names. The numbers
    of abandoned runs do not count.
    """
    shown = decided.families
    if len(shown) > FAMILIES:
        best = sorted(shown, key=itemgetter("p", "family"))[:FAMILIES]
        shown = sorted(best, key=itemgetter("family"))
    families = [describe_family(row, policy) for row in shown]
    described = []
    for row in rows:
        run = row["run"]
        of_run = describe_run(
            row,
            decided.luck(run),
            decided.latest(row["factor"]),
            run in abandoned,
        )
        described.append(of_run)
    return {
        "rows": described,
        "families": families,
        "more_families": len(decided.families) - len(families),
        "unknown": families[0]["of_unknown_factor"] if families else 0,
        "count": decided.count,
        "version": policy.rules["policy_version"],
        "statistics": policy.statistics,
    }


def describe_run(
    row: Row,
    luck: Row,
    latest: str,
    is_abandoned: bool,
) -> Row:
    """Return a row of the registry with what is said of it; `latest` is the run of its factor."""
    place = "none"
    if luck["rank"] is not None:
        rank = verdicts.ordinal(luck["rank"])
        place = f"{rank} of {luck['trials']}"
    left_out = NOT_MEASURED
    if is_abandoned:
        left_out = ABANDONED
    return {
        **row,
        "luck": luck,
        "place": place,
        "patterns": verdicts.patterns(row["wf_n"] or 0),
        "is_latest": latest == row["run"],
        "notes": _notes(row, latest),
        "left_out": left_out,
    }


def _notes(row: Row, latest: str) -> list[str]:
    """Return what there is to say of a run: how it counts, why the queue does not have it."""
    notes = []
    if row["repeats"]:
        notes.append(f"repeats {row['repeats']}: both count as one trial")
    if row["not_reproduced"]:
        first = row["not_reproduced"]
        notes.append(f"not reproducible: the inputs of {first}, and other results")
    if row["weaker_than_baseline"]:
        notes.append(row["weaker_than_baseline"])
    # The queue takes the latest run of each factor.
    is_good = row["decision"] != scoring.RESEARCH
    if is_good and row["factor"] and latest != row["run"]:
        notes.append(f"not in the queue: {latest} is later")
    return notes


def describe_family(row: Row, policy: Policy) -> Row:
    """Return a row of the family statistics with what the policy declares of the family."""
    return {
        **row,
        "patterns": verdicts.patterns(row["windows"] or 0),
        "declared": trials.declared(row["family"], policy.statistics),
    }
