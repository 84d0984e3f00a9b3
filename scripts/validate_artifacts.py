"""Hold artifacts against their schemas: by hand, as a pre-commit hook, in `make validate`.

Reads the files and folders named; without any, every artifact below --local-root, the configs, the schemas.
Which schema belongs to a file follows from where it lies; what is no artifact of this project is left alone.
Writes nothing. Prints every finding on a line of its own: `<path>: <place in it>: <what is wrong>`.
Exit codes: 0 nothing found, 2 wrong usage, 3 a file that was named is missing, 4 findings.

    python scripts/validate_artifacts.py audit/workstation_runs/<run>/context.json
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import locations, terminal
from postrun.core.artifacts import ARTIFACTS, Artifact, Home
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.core.locations import PROJECT
from postrun.store import csv_files, json_files

VALIDATED_HOMES = (
    Home.RUN,
    Home.GATE,
    Home.WORKSPACE,
    Home.REMOTE,
)  # all but this project's own configs
_RUN = f"{locations.RUNS}/*/"
_FOLDERS = {
    Home.RUN: [_RUN],
    Home.GATE: [f"{locations.GATES}/*/", _RUN],
}  # no gate folder: the run folder
_SCHEMAS = r"schemas/(?:v\d+/)?[^/]+\.schema\.json"


@dataclass
class Tally:
    """What came of looking: findings, named files that are missing, remarks that are no fault, and counts."""

    findings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    checked: int = 0
    unknown: int = 0

    @property
    def exit_code(self) -> int:
        """Give 0 when nothing was found; something broken weighs more than something missing."""
        return Invalid.exit_code if self.findings else Missing.exit_code if self.missing else 0

    def words(self) -> str:
        """Sum it up in one line."""
        alone = f"; {self.unknown} other files left alone" if self.unknown else ""
        return f"{self.checked} artifacts checked, {len(self.findings) + len(self.missing)} findings{alone}"


def _hold(content: bytes, where: str, artifact: Artifact, tally: Tally) -> None:
    """Hold one document, or one row, against the schema of its noun."""
    try:
        reading = json_files.parse(content, f"{where}: $")
        document, odd = reading.value, reading.not_finite
    except PostRunError as error:
        tally.findings.append(str(error))
        return
    tally.findings += [
        f"{where}: {line}" for line in json_files.findings(document, str(artifact.schema))
    ]
    lines = (
        tally.findings if artifact.generated else tally.remarks
    )  # other people's programs write NaN; ours must not
    lines += [f"{where}: {place}: NaN or Infinity, read as null" for place in odd]


def _document(path: Path, artifact: Artifact, tally: Tally) -> None:
    _hold(path.read_bytes(), str(path), artifact, tally)


def _rows(path: Path, artifact: Artifact, tally: Tally) -> None:
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        _hold(line, f"{path}:{number}", artifact, tally)
        if not line.endswith(b"\n"):
            tally.findings.append(
                f"{path}:{number}: $: expected a whole line, found half a line at the end"
            )


def _table(path: Path, artifact: Artifact, tally: Tally) -> None:
    schema = str(artifact.schema)
    for number, row in enumerate(csv_files.read_rows(path, json_files.columns(schema)), start=1):
        tally.findings += [
            f"{path}: row {number}: {line}" for line in json_files.findings(row, schema)
        ]


RemoteListing = Callable[[Path, Artifact, Tally], None]
_LOOKS: dict[str, RemoteListing] = {
    ".json": _document,
    ".pid": _document,
    ".jsonl": _rows,
    ".csv": _table,
}


def _patterns(homes: Iterable[Home]) -> Iterator[tuple[str, Artifact]]:
    """Say where each noun that has a schema may lie, as regular expressions over the end of a POSIX path."""
    for artifact in (
        artifact for artifact in ARTIFACTS.values() if artifact.schema and artifact.home in homes
    ):
        endings = [re.escape(suffix) for suffix in artifact.suffixes if suffix in _LOOKS]
        for folder in _FOLDERS.get(artifact.home, [""]):
            stem = re.escape(folder + artifact.file).replace(r"\*", "[^/]+")
            yield from ((stem + ending, artifact) for ending in endings)


def files_pattern(*homes: Home) -> str:
    """Give a pre-commit hook's `files:` for the nouns of these homes; with the project's own, the schemas."""
    own = [_SCHEMAS] if Home.PROJECT in homes else []
    lines = "\n  | ".join([*dict(_patterns(homes)), *own])
    return f"(?x)^(.*/)?(\n  {lines}\n)$"


@cache
def _compiled(own: bool) -> tuple[tuple[re.Pattern[str], Artifact], ...]:
    homes = (Home.PROJECT,) if own else VALIDATED_HOMES
    return tuple(
        (re.compile(f"(?:.*/)?{pattern}"), artifact) for pattern, artifact in _patterns(homes)
    )


def artifact_at(path: Path) -> Artifact | None:
    """Say which artifact lies at a path, None when none with a schema does. Configs count here only."""
    for own in (path.is_relative_to(PROJECT / "configs"), False):
        for pattern, artifact in _compiled(own):
            if pattern.fullmatch(path.as_posix()):
                return artifact
    return None


def examine(path: Path, tally: Tally) -> bool:
    """Look at one file and add to the tally; False when the file is no artifact of this project."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  (`resolve` would follow a link, which is refused)
    artifact = artifact_at(whole)
    if artifact is None and not re.fullmatch(re.escape(f"{PROJECT}/") + _SCHEMAS, str(whole)):
        return False
    tally.checked += 1
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            kind = "a symbolic link" if path.is_symlink() else "something else"
            raise Invalid(f"{path}: $", "a file of its own", kind)
        _LOOKS[path.suffix](path, artifact, tally) if artifact else _schema(path, tally)
    except PostRunError as error:
        tally.findings.append(str(error))
    except OSError as error:
        tally.findings.append(f"{path}: $: expected a readable file, found: {error.strerror}")
    return True


def _schema(path: Path, tally: Tally) -> None:
    document = json_files.parse(path.read_bytes(), f"{path}: $").value
    tally.findings += [f"{path}: {line}" for line in json_files.schema_findings(document)]


def look(named: Sequence[Path]) -> Tally:
    """Examine the files and folders named."""
    tally = Tally()
    for path in named:
        if path.is_dir() and not path.is_symlink():
            tally.unknown += sum(not examine(file, tally) for file in _below(path, tally))
        elif not os.path.lexists(path):
            tally.missing.append(f"{path}: $: expected a file, found nothing there")
        elif not examine(path, tally):
            tally.remarks.append(f"{path}: not an artifact of this project")
    return tally


def _below(folder: Path, tally: Tally) -> Iterator[Path]:
    """Give the files below a folder that could be artifacts, sorted; linked folders are named only."""

    def unreadable(error: OSError) -> None:
        tally.findings.append(
            f"{error.filename}: $: expected a readable folder, found: {error.strerror}"
        )

    for where, folders, files in os.walk(folder, onerror=unreadable):
        folders.sort()
        links = [Path(where, name) for name in folders if Path(where, name).is_symlink()]
        tally.remarks += [f"{link}: a linked folder, not entered" for link in links]
        yield from (Path(where, name) for name in sorted(files) if Path(name).suffix in _LOOKS)


def everything(root: Path) -> list[Path]:
    """List where artifacts can lie: the folders of the workspace, the project's configs and schemas."""
    tops = {pattern.partition("/")[0] for pattern, _ in _patterns(VALIDATED_HOMES)}
    folders = [*(root / top for top in sorted(tops)), PROJECT / "configs", PROJECT / "schemas"]
    return [folder for folder in folders if folder.is_dir()]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the validator."""

    def work() -> int:
        parser = cli.Parser(__doc__)
        parser.add_argument(
            "paths", nargs="*", type=Path, help="files or folders (default: everything)"
        )
        parser.add_argument(
            "--local-root", type=Path, default=PROJECT, help="the workspace (the project)"
        )
        parser.add_argument("--json", action="store_true", help="the findings as JSON on stdout")
        args = parser.parse_args(argv)
        if not args.local_root.is_dir():
            raise Missing(args.local_root, "a folder", "none")
        return _tell(look(args.paths or everything(args.local_root)), args.json)

    return cli.guard(work)


def _tell(tally: Tally, as_json: bool) -> int:
    found = [terminal.plain(line) for line in (*tally.findings, *tally.missing)]
    shown: dict[str, Any] = {
        "checked": tally.checked,
        "findings": found,
        "left_alone": tally.unknown,
    }
    for line in [json.dumps(shown)] if as_json else found:
        print(line)
    for line in (*tally.remarks, tally.words()):
        terminal.say(line)
    return tally.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
