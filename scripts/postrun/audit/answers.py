"""What a check returns, and the few ways in which checks word it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from postrun.audit.facts import Document, Facts

_FAULTS_NAMED = 6  # of a longer list, only the number of the rest is given
# JSON's own words for what Python writes otherwise.
_WORDS = {None: "nothing", True: "true", False: "false"}


@dataclass(frozen=True)
class Answer:
    """The answer of one check, in words that can be understood without opening a file.

    `evidence` is the path of the file to look into, from the workspace root.
    """

    passed: bool
    expected: str
    observed: str
    evidence: str | None


CheckFunction = Callable[[Facts], Answer]


def by_faults(
    expected: str,
    faults: Sequence[str],
    otherwise: str,
    document: Document,
) -> Answer:
    """Return a fail that lists the faults; without any, a pass that observes `otherwise`."""
    observed = join(faults) or otherwise
    return Answer(not faults, expected, observed, document.path)


def join(faults: Sequence[str]) -> str:
    """Return the faults in one line; after six only how many more there are."""
    named = list(faults[:_FAULTS_NAMED])
    rest = len(faults) - len(named)
    if rest:
        named.append(f"and {rest} more")
    return "; ".join(named)


def shown(value: Any) -> str:
    """Return a JSON value as text for a line of findings: true, 'text', 1.5, nothing."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    return repr(value)


def texts(value: Any) -> list[str]:
    """Return a list of texts; a value that should be one and is not, as its only item."""
    if not value:
        return []
    items = value if isinstance(value, list) else [value]
    return list(map(str, items))
