"""What became of each run: report rows, printed when a monitor ends."""

import json
from dataclasses import asdict, dataclass

from postrun.core import terminal


@dataclass(frozen=True)
class ReportRow:
    """What became of one run; without a run, of a workstation that was given up."""

    host: str
    state: str
    message: str
    exit_code: int
    tag: str | None = None
    run: str | None = None
    next_line: str = ""  # what to type, where only a person can end it

    def __str__(self) -> str:
        """Return the row as one line."""
        name = self.run or self.tag or "-"
        line = f"{self.exit_code} {self.state} {self.host} {name}: {self.message}"
        if self.next_line:
            line += f"; close it with: {self.next_line}"
        return line


def print_rows(rows: list[ReportRow], as_json: bool) -> int:
    """Write a line for each row, the worst last, or JSON. Return the worst exit code."""
    rows = sorted(rows, key=lambda row: (row.exit_code, row.host, row.run or ""))
    code = rows[-1].exit_code if rows else 0
    documents = []
    for row in rows:
        document = asdict(row)
        document["words"] = document.pop("message")  # its key in the JSON of every release
        del document["next_line"]
        documents.append(document)
        if not as_json:
            print(terminal.plain(str(row)))
    if as_json:
        print(json.dumps({"exit_code": code, "runs": documents}))
    return code
