"""Write the generated parts of the docs: they stand between two marks, and what is around them is by hand.

Reads the tables of steps, artifacts and states, the refusals, the catalogue of checks, the policies, the documents.
Writes README.md, docs/steps.md and docs/rules.md where a part is out of date; with --check it shows the difference.
Exit codes: 0 up to date or written, 1 out of date (--check), 2 wrong usage, 3 a document is missing, 4 broken marks.

    python scripts/generate_docs.py --check
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from postrun import cli
from postrun.core import artifacts, disk, errors, locations, terminal
from postrun.core.errors import Invalid, Missing, PostRunError
from postrun.monitor import states
from postrun.monitor.run_monitor import PATIENCE
from postrun.store import check_catalogue, configuration, page_files
from steps import STEPS

DOCUMENTS = ("README.md", "docs/steps.md", "docs/rules.md")
PARTS = ("steps-table", "exit-codes", "steps", "artifacts", "states", "checks", "score", "queue")
_BEGIN = "<!-- generated: {name} (`make docs` writes this part; what is written here by hand is lost) -->"
_END = "<!-- end of generated part -->"
_MARK = re.compile(
    r"^<!-- (?:generated: (?P<name>[^\s>]*).*|end of generated part) -->$", re.MULTILINE
)
_SHOWN = 30  # lines of a difference


def facts() -> dict[str, Any]:
    """Gather what the parts are made of, each from the one place where it is true."""
    refusals: list[type[PostRunError]] = sorted(
        PostRunError.__subclasses__(), key=lambda error: error.exit_code
    )
    return {
        "verbs": STEPS,
        "nouns": [
            (artifact, _paths(artifact), _writer(artifact))
            for artifact in artifacts.ARTIFACTS.values()
        ],
        "codes": [(error.exit_code, str(error.__doc__).partition("\n")[0]) for error in refusals],
        "interrupted": errors.INTERRUPTED,
        "states": [
            (state, words, states.ENDS.get(state)) for state, words in states.MEANING.items()
        ],
        "patience": [
            (flag, getattr(states.Limits(), name), words) for flag, name, words in PATIENCE
        ],
        "checks": tuple(check_catalogue.checks().values()),
        "scoring": configuration.load("scoring_policy"),
        "queueing": configuration.load("candidate_queue_policy"),
    }


def _paths(artifact: artifacts.Artifact) -> list[str]:
    folders = {
        artifacts.Home.RUN: f"{locations.RUNS}/<run>/",
        artifacts.Home.GATE: f"{locations.GATES}/<gate folder>/",
    }
    return [
        f"{folders.get(artifact.home, '')}{artifact.file}{suffix}" for suffix in artifact.suffixes
    ]


def _writer(artifact: artifacts.Artifact) -> str:
    if artifact.home is artifacts.Home.PROJECT:
        return "you"
    return "this project" if artifact.generated else "the workstation"


def renew(text: str, document: str, about: dict[str, Any]) -> str:
    """Give a document's text with every part between its marks made anew. Raises Invalid when marks do not pair."""
    marks = list(_MARK.finditer(text))
    pieces, done = [], 0
    for begin, end in _pairs(marks, document):
        name = begin["name"]
        part = page_files.page(f"docs_{name.replace('-', '_')}.md", **about).strip("\n")
        pieces += [text[done : begin.start()], f"{_BEGIN.format(name=name)}\n\n{part}\n\n{_END}"]
        done = end.end()
    return "".join([*pieces, text[done:]])


def _pairs(
    marks: list[re.Match[str]], document: str
) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    odd = [
        mark[0] for index, mark in enumerate(marks) if (mark["name"] is None) is (index % 2 == 0)
    ]
    if odd or len(marks) % 2:
        raise Invalid(
            document,
            "a mark for the end after each mark for a beginning",
            (odd or [marks[-1][0]])[0],
        )
    for begin, end in zip(marks[::2], marks[1::2], strict=True):
        if begin["name"] not in PARTS:
            raise Invalid(
                f"{document}: {begin[0]}", f"one of {', '.join(PARTS)}", repr(begin["name"])
            )
        yield begin, end


def difference(old: str, new: str, document: str) -> list[str]:
    """Show what `make docs` would change, as the first lines of a diff."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), document, f"{document}, generated", lineterm=""
    )
    return list(islice(lines, _SHOWN))


def drifted(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Give each document that is out of date: its path, its text as it is, and as it should be."""
    about = facts()
    for document in DOCUMENTS:
        path = root / document
        if not path.is_file():
            raise Missing(path, "a document", "nothing there")
        old = path.read_text(encoding="utf-8")
        new = renew(old, document, about)
        if new != old:
            yield path, old, new


def _check(found: list[tuple[Path, str, str]], root: Path) -> int:
    for path, old, new in found:
        document = path.relative_to(root).as_posix()
        print("\n".join(difference(old, new, document)))
        terminal.error(
            f"{document}: expected what the tables say now, found another text; run `make docs`"
        )
    return 1 if found else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Write the generated parts, or check them."""

    def work() -> int:
        parser = cli.Parser(__doc__)
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit 1 when a part is out of date"
        )
        parser.add_argument(
            "--root",
            type=Path,
            default=locations.PROJECT,
            help="where the documents are (the project)",
        )
        args = parser.parse_args(argv)
        found = list(drifted(args.root))
        if args.check:
            return _check(found, args.root)
        for path, _, new in found:
            disk.replace(path, new.encode())
            print(path)
        return 0

    return cli.guard(work)


if __name__ == "__main__":
    raise SystemExit(main())
