"""Write the generated parts of docs, Makefile and hooks: what is between two marks.

Reads the tables of steps, artifacts and states, the errors, the catalogue of checks and the
policies.
Writes the documents in which a part is out of date; with --check it shows the difference instead.
Exit codes: 0 up to date or written, 1 out of date (--check), 2 wrong usage, 3 a document is
missing, 4 broken marks.

    python scripts/generate_docs.py --check
"""

import argparse

from postrun import flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where, and whether to write."""
    check = "write nothing; exit code 1 when a part is out of date"
    parser.add_argument("--check", action="store_true", help=check)
    root = "the folder with the documents (default: the project's folder)"
    parser.add_argument("--root", type=flags.workspace, default="", help=root)


FLAGS = flags.ScriptFlags(__doc__, add_flags)
FLAGS.answer_help(__name__)

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from postrun import ending
from postrun.core import disk, errors, locations, terminal
from postrun.core.artifacts import ARTIFACTS, Artifact, Home
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.monitor import states
from postrun.monitor.timeouts import TIMEOUTS
from postrun.store import check_catalogue, configuration, json_files, page_files
from steps import STEPS, Step
from validate_artifacts import VALIDATED_HOMES, files_pattern

# In these, marks and parts are comments in Markdown; in the others they are lines with `#`.
DOCUMENTS = (
    "README.md",
    "docs/steps.md",
    "docs/rules.md",
    "Makefile",
    ".pre-commit-config.yaml",
    ".pre-commit-hooks.yaml",
)
PAGE_PARTS = [
    "steps-table",
    "exit-codes",
    "steps",
    "artifacts",
    "states",
    "checks",
    "score",
    "luck",
    "queue",
]
PARTS = (*PAGE_PARTS, "make-steps", "own-hook-files", "offered-hook-files")
_BEGIN = "generated: {name} (`make docs` writes this part; what is written here by hand is lost)"
_END = "end of generated part"
_MARK = re.compile(
    r"^(?P<indent> *)(?P<comment><!--|#) "
    r"(?:generated: (?P<name>[^\s>]*).*|end of generated part.*)$",
    re.MULTILINE,
)
_MOST_LINES = 30  # of a difference
_HOMES = {Home.RUN: f"{locations.RUNS}/<run>/", Home.GATE: f"{locations.GATES}/<gate folder>/"}

Facts = dict[str, Any]


def facts() -> Facts:
    """Return what the pages are made of, each from the only place where it is true."""
    return {
        "steps": STEPS,
        "artifacts": [_artifact_row(artifact) for artifact in ARTIFACTS.values()],
        "errors": sorted(PostRunError.__subclasses__(), key=lambda error: error.exit_code),
        "interrupted": errors.INTERRUPTED,
        "meanings": states.MEANING,
        "ends": states.FINAL_STATES,
        "limits": states.Limits(),
        "timeouts": TIMEOUTS,
        "checks": tuple(check_catalogue.checks().values()),
        "scoring": configuration.load("scoring_policy"),
        "luck": configuration.load("statistics_policy"),
        "queueing": configuration.load("candidate_queue_policy"),
    }


def _artifact_row(artifact: Artifact) -> Facts:
    stem = f"{_HOMES.get(artifact.home, '')}{artifact.file}"
    writer = "this project" if artifact.generated else "the workstation"
    if artifact.home is Home.PROJECT:
        writer = "you"
    schemas = []
    if artifact.schema:
        names = [artifact.schema, *json_files.earlier_schemas(artifact.schema).values()]
        schemas = [f"schemas/{name}.schema.json" for name in names]
    paths = [f"{stem}{suffix}" for suffix in artifact.suffixes]
    return {"artifact": artifact, "paths": paths, "writer": writer, "schemas": schemas}


def render(name: str, about: Facts) -> str:
    """Return the text of a part."""
    if name == "make-steps":
        return "\n\n".join(map(_make_target, STEPS))
    if name == "own-hook-files":
        return _hook_files(*Home)
    if name == "offered-hook-files":
        return _hook_files(*VALIDATED_HOMES)
    page = page_files.page(f"docs_{name.replace('-', '_')}.md", **about)
    return page.strip("\n")


def _make_target(step: Step) -> str:
    """Return the lines of the Makefile that run one step."""
    description = f"{step.number:<4}{step.description}"
    # What belongs to no run is made without one.
    if ARTIFACTS[step.writes[0]].home is Home.WORKSPACE and not step.needs_run:
        description += "; needs no TAG"
    for flag in step.make_values:
        description += f"; [{flag}=…]"
    values = " ".join(["$(WHERE)", *step.make_values])
    command = f"@$(PY) scripts/{step.script} $(call flags,{values})"
    return f".PHONY: {step.name}\n{step.name}: $(RUN) ## {description}\n\t{command}"


def _hook_files(*homes: Home) -> str:
    pattern = indent(files_pattern(*homes), "  ")
    return f"files: |-\n{pattern}"


def renew(text: str, document: str, about: Facts) -> str:
    """Return a document with every part between its marks made again.

    Raises Invalid for broken marks.
    """
    pieces, done = [], 0
    marks = list(_MARK.finditer(text))
    for begin, end in list(_pairs(marks, document)):
        part = render(begin["name"], about)
        first, last = _BEGIN.format(name=begin["name"]), _END
        if begin["comment"] == "#":
            lines = f"# {first}\n{part}\n# {last}"
        else:
            lines = f"<!-- {first} -->\n\n{part}\n\n<!-- {last} -->"
        pieces += [text[done : begin.start()], indent(lines, begin["indent"])]
        done = end.end()
    return "".join([*pieces, text[done:]])


def _pairs(
    marks: list[re.Match[str]], document: str
) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Yield the marks in pairs. Raises Invalid when they do not alternate, or name no part."""
    expected = "a mark for the end after each mark for a beginning"
    while marks:
        begin, *marks = marks
        if begin["name"] is None or not marks or marks[0]["name"] is not None:
            raise Invalid(document, expected, begin[0])
        if begin["name"] not in PARTS:
            expected = f"one of {', '.join(PARTS)}"
            raise Invalid(f"{document}: {begin[0]}", expected, repr(begin["name"]))
        yield begin, marks.pop(0)


def difference(old: str, new: str, document: str) -> list[str]:
    """Return what `make docs` would change, as the first lines of a diff."""
    names = document, f"{document}, generated"
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")
    return list(lines)[:_MOST_LINES]


def run(root: Path, is_check: bool) -> int:
    """Write what is out of date, or show it. Return the exit code. Raises Missing, Invalid."""
    about = facts()
    code = 0
    for document in DOCUMENTS:
        path = root / document
        if not path.is_file():
            raise Missing(path, "a document", "nothing there")
        old = path.read_text(encoding="utf-8")
        new = renew(old, document, about)
        if new == old:
            continue
        if is_check:
            print("\n".join(difference(old, new, document)))
            problem = "expected what the tables say now, found another text; run `make docs`"
            terminal.error(f"{document}: {problem}")
            code = 1
        else:
            disk.replace(path, new.encode())
            print(path)
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Write the generated parts, or check them."""

    def work() -> int:
        args = FLAGS.parse(argv)
        return run(args.root, args.check)

    return ending.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
