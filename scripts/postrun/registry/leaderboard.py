"""What the leaderboard says of runs and families, beside the columns of the tables."""

from collections.abc import Set as AbstractSet

from postrun.decide import scoring, verdicts
from postrun.registry import trials
from postrun.registry.registry_tables import Decided
from postrun.registry.rows import Policy
from postrun.store.tables import Row, Rows

# What stands where a number is left out.
NOT_MEASURED = "not measured"
ABANDONED = "not counted: abandoned"


def describe(
    rows: Rows,
    decided: Decided,
    policy: Policy,
    abandoned: AbstractSet[str],
) -> Row:
    """Return the content of the page: these runs of the registry, and every family.

    The numbers of abandoned runs do not count.
    """
    families = [_describe_family(row, policy) for row in decided.families]
    described = []
    for row in rows:
        latest = decided.latest(row["factor"])
        of_run = _describe_run(row, decided, latest)
        of_run["left_out"] = NOT_MEASURED
        if row["run"] in abandoned:
            of_run["left_out"] = ABANDONED
        described.append(of_run)
    return {
        "rows": described,
        "families": families,
        "unknown": families[0]["of_unknown_factor"] if families else 0,
        "count": decided.count,
        "version": policy.rules["policy_version"],
        "statistics": policy.statistics,
    }


def _describe_run(
    row: Row,
    decided: Decided,
    latest: str,
) -> Row:
    run = row["run"]
    luck = decided.luck(run)
    place = "none"
    if luck["rank"] is not None:
        rank = verdicts.ordinal(luck["rank"])
        place = f"{rank} of {luck['trials']}"
    return {
        **row,
        "luck": luck,
        "place": place,
        "patterns": verdicts.patterns(row["wf_n"] or 0),
        "is_latest": latest == run,
        "notes": _notes(row, latest),
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


def _describe_family(row: Row, policy: Policy) -> Row:
    return {
        **row,
        "patterns": verdicts.patterns(row["windows"] or 0),
        "declared": trials.declared(row["family"], policy.statistics),
    }
