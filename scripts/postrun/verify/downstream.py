"""What hangs on a file: everything that was computed from it, as the records say."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from postrun.core.values import Json
from postrun.verify.findings import Finding, Kind

Users = dict[str, set[str]]  # by the path of a file, what was computed from it


class Dependencies:
    """Which files were computed from which, by their records' inputs."""

    def __init__(self, records: Iterable[Json]) -> None:
        self._users: Users = defaultdict(set)
        # Of a table a page uses some rows. Which they were is not known, so what hangs on one row
        # does not hang on the whole table.
        self._users_of_rows: Users = defaultdict(set)
        for record in records:
            for row in record["files"]:
                self._add(row)

    def _add(self, row: Json) -> None:
        for source in row["inputs"]:
            users = self._users
            if source["rows"] is not None:
                users = self._users_of_rows
            path = source["path"]
            users[path].add(row["path"])

    def affected_by(self, file: str) -> tuple[str, ...]:
        """Return what was computed from a file, from what was computed from that, and so on."""
        affected: set[str] = set()
        waiting = set(self._users_of_rows[file])
        waiting |= self._users[file]
        while waiting:
            path = waiting.pop()
            affected.add(path)
            waiting |= self._users[path]
            # Files that were made from each other are met again.
            waiting -= affected
        affected.discard(file)
        return tuple(sorted(affected))


def add_affected(
    findings: Sequence[Finding],
    records: Iterable[Json],
) -> list[Finding]:
    """Return the findings, the broken ones with what hangs on them."""
    dependencies = Dependencies(records)
    complete = []
    for finding in findings:
        if finding.kind is not Kind.BROKEN:
            complete.append(finding)
            continue
        affected = dependencies.affected_by(finding.file)
        finding = replace(finding, affects=affected)
        complete.append(finding)
    return complete
