"""Why a run has no gate report, by what its detection looked at: the same words everywhere."""

from typing import Any

from postrun.core import values

NOTHING_THERE = "nothing there"  # in a gate folder
NONE = "no gate report belongs to this run"


def explain(detection: Any) -> str:
    """Return why no report could be used, with the path of each that was looked at."""
    looked_at = []
    unusable = []
    for row in values.member(detection, "report_candidates") or []:
        if not row["objection"]:
            continue
        # Detections of earlier versions name the folder only.
        path = row.get("report") or row["gate_folder"]
        reason = f"{path}: {row['objection']}"
        looked_at.append(reason)
        if row.get("unusable"):
            unusable.append(reason)
    if unusable:
        return f"gate report cannot be used: {'; '.join(unusable)}"
    if looked_at:
        return f"{NONE}: {'; '.join(looked_at)}"
    return NONE
