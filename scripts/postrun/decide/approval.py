"""Whether a promotion has the approval that the scoring policy asks for. Pure functions."""

from collections.abc import Sequence
from typing import Any

from postrun.decide import scoring

AWAITING = "awaiting_approval"

Json = dict[str, Any]


def is_asked(decision: str, rule: Json) -> bool:
    """Return whether a decision needs an approval: only a promotion ever does."""
    return decision == scoring.PROMOTE and bool(rule["asked"])


def decide(
    rule: Json,
    owner: Json,
    approvals: Sequence[Json],
) -> tuple[str, str]:
    """Return the decision on a run that would be promoted, and what there is to say of it.

    An owner has `name` and `is_named`: whether a line of the allowed signers is for that name. An
    approval has `number`, `principals`, `is_by_owner`, and the `problem` why it does not count.
    """
    must_be_other = rule["by_other_than_owner"]
    # Without a key of that name nobody can be told apart from the owner.
    if must_be_other and not owner["is_named"]:
        name = owner["name"] or "unknown"
        return AWAITING, f"no allowed signer has the name of the owner ({name})"
    reasons = []
    for approval in approvals:
        number = approval["number"]
        if approval["problem"]:
            reasons.append(f"approval {number} does not count: {approval['problem']}")
        elif must_be_other and approval["is_by_owner"]:
            reasons.append(f"approval {number} is by the owner")
        else:
            signers = ", ".join(approval["principals"])
            return scoring.PROMOTE, f"approval {number} by {signers}"
    return AWAITING, "; ".join(reasons) or "no approval yet"
