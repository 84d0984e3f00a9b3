"""What a check found: where, what was expected, what there is, and what to do."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from postrun.core.errors import PostRunError


class Kind(StrEnum):
    """How much a finding weighs. Only a broken link changes the exit code."""

    BROKEN = "broken"
    STALE = "stale"  # made from what is no longer there: run its step again
    LISTED = "listed"  # allowed, and said


@dataclass(frozen=True)
class Finding:
    """One finding about one file, by its path relative to the workspace root."""

    kind: Kind
    file: str
    expected: str
    actual: str
    hint: str = ""
    affects: tuple[str, ...] = ()  # files that were computed from this one

    def __str__(self) -> str:
        """Return it as one line."""
        line = f"{self.kind}: {self.file}: expected {self.expected}, found {self.actual}"
        if self.hint:
            line += f"; {self.hint}"
        return line


def broken(file: str, expected: str, actual: str, hint: str = "") -> Finding:
    """Return a broken link."""
    return Finding(Kind.BROKEN, file, expected, actual, hint)


def of_error(file: str, error: PostRunError) -> Finding:
    """Return an error of a reader as a broken link."""
    return broken(
        file,
        error.expected,
        error.actual,
        error.hint,
    )


def stale(
    file: str,
    expected: str,
    actual: str,
    hint: str,
) -> Finding:
    """Return what must be made again."""
    return Finding(Kind.STALE, file, expected, actual, hint)


def listed(file: str, expected: str, actual: str, hint: str = "") -> Finding:
    """Return what is allowed, and said."""
    return Finding(Kind.LISTED, file, expected, actual, hint)


def broken_files(findings: Iterable[Finding]) -> set[str]:
    """Return the files that are a broken link."""
    return {finding.file for finding in findings if finding.kind is Kind.BROKEN}


def without_known(findings: Iterable[Finding], known: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings about files that are not known to be broken: one line a file is enough."""
    files = broken_files(known)
    for finding in findings:
        if finding.file not in files:
            yield finding
