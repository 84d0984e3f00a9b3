"""Check artifacts against their schemas: by hand, as a pre-commit hook, in `make validate`.

Reads the files and folders that are named; when none is, every artifact below --local-root, configs
and schemas. The place and name of a file decide its schema; other files are not checked.
Writes nothing. Prints every finding on a line of its own: `<path>: <place in it>: <what is wrong>`.
Exit codes: 0 nothing found, 2 wrong usage, 3 a file that was named is missing, 4 findings.

    python scripts/validate_artifacts.py audit/workstation_runs/<run>/context.json
"""

import argparse

from postrun import flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says where the artifacts are."""
    paths = "files or folders (default: every artifact)"
    parser.add_argument(
        "paths",
        nargs="*",
        type=flags.path,
        help=paths,
    )
    flags.add_root(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the findings as JSON",
    )


FLAGS = flags.ScriptFlags(__doc__, add_flags)
FLAGS.answer_help(__name__)

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from postrun import ending
from postrun.core import locations, terminal
from postrun.core.artifacts import ARTIFACTS, SIGNED_SUFFIX, Artifact, Home
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.core.locations import PROJECT
from postrun.store import json_files

# All but this project's own configs.
VALIDATED_HOMES = tuple(home for home in Home if home is not Home.PROJECT)
_RUN = f"{locations.RUNS}/*/"
# A run without a gate folder has the gate folder's artifacts in its run folder.
_FOLDERS = {
    Home.RUN: [_RUN],
    Home.GATE: [f"{locations.GATES}/*/", _RUN],
}
_SCHEMAS = r"schemas/(?:v\d+/)?[^/]+\.schema\.json"
_SUFFIXES = (".json", ".pid", ".jsonl", ".csv")


@dataclass
class Validation:
    """What was found: findings, named files that are missing, remarks that are no fault, counts."""

    findings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    checked: int = 0
    left_alone: int = 0

    def check_all(self, paths: Sequence[Path]) -> None:
        """Check the files and folders named."""
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                for file in self._files_below(path):
                    self.left_alone += not self.check_file(file)
            elif not os.path.lexists(path):
                self.missing.append(f"{path}: $: expected a file, found nothing there")
            elif not self.check_file(path):
                self.remarks.append(f"{path}: not an artifact of this project")

    def _files_below(self, folder: Path) -> Iterator[Path]:
        """Yield the files that could be artifacts, sorted.

        A linked folder is named, not entered.
        """

        def unreadable(error: OSError) -> None:
            problem = f"expected a readable folder, found: {error.strerror}"
            self.findings.append(f"{error.filename}: $: {problem}")

        for parent, folders, files in os.walk(folder, onerror=unreadable):
            folders.sort()
            for name in folders:
                if Path(parent, name).is_symlink():
                    self.remarks.append(f"{parent}/{name}: a linked folder, not entered")
            for name in sorted(files):
                if name.endswith(_SUFFIXES):
                    yield Path(parent, name)

    def check_file(self, path: Path) -> bool:
        """Check one file. Return false when it is no artifact of this project."""
        # `resolve` would follow a link, which is refused.
        absolute = Path(os.path.abspath(path))  # noqa: PTH100
        artifact = artifact_at(absolute)
        if artifact is None and not _is_schema(absolute):
            return False
        self.checked += 1
        try:
            if path.is_symlink():
                raise Invalid(f"{path}: $", "a file of its own", "a symbolic link")
            if not path.is_file():
                raise Invalid(f"{path}: $", "a file of its own", "something else")
            self._check_content(path, artifact)
        except PostRunError as error:
            self.findings.append(str(error))
        except OSError as error:
            problem = f"expected a readable file, found: {error.strerror}"
            self.findings.append(f"{path}: $: {problem}")
        return True

    def _check_content(self, path: Path, artifact: Artifact | None) -> None:
        content = path.read_bytes()
        if artifact is None:
            schema = json_files.parse(content, f"{path}: $")
            problems = json_files.schema_findings(schema.value)
            self._add(path, problems)
        elif path.name.endswith(SIGNED_SUFFIX):
            from postrun.store import signatures

            # Reading it checks envelope and statement.
            signatures.read(content, f"{path}: $", artifact.name)
        elif path.suffix == ".csv":
            rows = _read_table(path, artifact)
            for number, row in enumerate(rows, start=1):
                problems = json_files.findings(row, artifact.name)
                self._add(f"{path}: row {number}", problems)
        elif path.suffix == ".jsonl":
            lines = content.splitlines(keepends=True)
            for number, line in enumerate(lines, start=1):
                self._check_document(line, f"{path}:{number}", artifact)
                if not line.endswith(b"\n"):
                    problem = "expected a whole line, found half a line at the end"
                    self.findings.append(f"{path}:{number}: $: {problem}")
        else:
            self._check_document(content, str(path), artifact)

    def _check_document(self, content: bytes, where: str, artifact: Artifact) -> None:
        """Check one document, or one row, against the schema of its artifact."""
        reading = json_files.try_parse(content, f"{where}: $")
        if reading.problem:
            self.findings.append(reading.problem)
            return
        not_finite = reading.not_finite
        problems = json_files.findings(reading.value, artifact.name, not_finite=not_finite)
        self._add(where, problems)
        # Other people's programs write NaN; ours must not.
        lines = self.remarks
        if artifact.generated:
            lines = self.findings
        for place, number in not_finite.items():
            lines.append(f"{where}: {place}: {number}, read as not measured (null)")

    def _add(self, where: object, problems: list[str]) -> None:
        for problem in problems:
            self.findings.append(f"{where}: {problem}")

    def report(self, as_json: bool) -> int:
        """Print what was found, and return the exit code."""
        lines = self.findings + self.missing
        problems = [terminal.plain(line) for line in lines]
        summary = f"{self.checked} artifacts checked, {len(problems)} findings"
        if self.left_alone:
            summary += f"; {self.left_alone} other files left alone"
        if as_json:
            document = {
                "checked": self.checked,
                "findings": problems,
                "left_alone": self.left_alone,
            }
            problems = [json.dumps(document)]
        for problem in problems:
            print(problem)
        for remark in self.remarks:
            terminal.say(remark)
        terminal.say(summary)
        # Something broken weighs more than something missing.
        if self.findings:
            return Invalid.exit_code
        if self.missing:
            return Missing.exit_code
        return 0


def _read_table(
    path: Path,
    artifact: Artifact,
) -> list[dict[str, Any]]:
    """Return the rows of a table; of one of another program, only what is read must be there."""
    from postrun.store import csv_files

    columns = json_files.columns(artifact.name)
    optional = json_files.later_columns(artifact.name)
    if artifact.generated:
        return csv_files.read_rows(path, columns, optional)
    required = []
    numbers = []
    for name, kind in columns.items():
        if name in optional:
            continue
        required.append(name)
        if kind is float:
            numbers.append(name)
    return csv_files.read_external(path, required, numbers)


@cache
def _patterns(*homes: Home) -> dict[str, Artifact]:
    """Return where each artifact with a schema may lie: regular expressions for the end
    of a path.
    """
    patterns = {}
    for artifact in ARTIFACTS.values():
        if not artifact.schema or artifact.home not in homes:
            continue
        folders = _FOLDERS.get(artifact.home, [""])
        for folder, file in product(folders, artifact.files):
            if file.endswith(_SUFFIXES):
                pattern = re.escape(folder + file)
                pattern = pattern.replace(r"\*", "[^/]+")
                patterns[pattern] = artifact
    return patterns


def files_pattern(*homes: Home) -> str:
    """Return a pre-commit hook's `files:` for these homes; with the project's own, the schemas."""
    patterns = [*_patterns(*homes)]
    if Home.PROJECT in homes:
        patterns.append(_SCHEMAS)
    lines = "\n  | ".join(patterns)
    return f"(?x)^(.*/)?(\n  {lines}\n)$"


def artifact_at(path: Path) -> Artifact | None:
    """Return the artifact with a schema that is at a path.

    Configs are known in this project only.
    """
    homes = VALIDATED_HOMES
    if path.is_relative_to(PROJECT / "configs"):
        homes = tuple(Home)
    patterns = _patterns(*homes)
    place = path.as_posix()
    escaped = re.escape(place)
    for pattern, artifact in patterns.items():
        # To compile all of them takes longer than to check a file.
        ending = pattern.rpartition("[^/]+")[2]
        if escaped.endswith(ending) and re.fullmatch(f"(?:.*/)?{pattern}", place):
            return artifact
    return None


def _is_schema(path: Path) -> bool:
    folder = PROJECT / "schemas"
    return path.is_relative_to(folder) and path.name.endswith(".schema.json")


def everything(root: Path) -> list[Path]:
    """Return where artifacts can be: folders of the workspace, the project's configs
    and schemas.
    """
    names = {pattern.partition("/")[0] for pattern in _patterns(*VALIDATED_HOMES)}
    folders = [root / name for name in sorted(names)]
    folders += [PROJECT / "configs", PROJECT / "schemas"]
    return list(filter(Path.is_dir, folders))


def main(argv: Sequence[str] | None = None) -> int:
    """Check what is named, else everything."""

    def work() -> int:
        args = FLAGS.parse(argv)
        if not args.local_root.is_dir():
            raise Missing(args.local_root, "a folder", "none")
        validation = Validation()
        validation.check_all(args.paths or everything(args.local_root))
        return validation.report(args.json)

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
