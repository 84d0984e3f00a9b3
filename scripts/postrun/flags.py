"""The flags that scripts share, and `--help`, for which nothing else need be imported.

A script names its flags before it imports what its work needs, and answers `--help` in between.
"""

import argparse
import math
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from postrun.core.errors import Usage

# Type checkers take it for true. To import `typing` or `pathlib` takes a tenth of a --help.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, NoReturn

AddFlags = Callable[[argparse.ArgumentParser], None]
Argv = Sequence[str] | None  # None: what this process was called with

_HELP = {"-h", "--help"}
_LEVELS = (
    ("-v", "VERBOSE", "write details, each line with the time (UTC), to stderr"),
    ("-q", "QUIET", "write only results and errors, as for cron"),
)


class _SetLevel(argparse.Action):
    """Change at once how much is written: an error in a later flag follows it already."""

    def __call__(self, *_: object) -> None:
        """Set the level that the flag stands for."""
        from postrun.core import terminal

        terminal.set_level(terminal.Level[self.const])


class _ShowVersion(argparse.Action):
    """Print the version. It is worked out only when asked for: `--help` costs nothing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> "NoReturn":
        """Print it and end the program."""
        from postrun.core import version

        print(parser.prog, version.program_version())
        parser.exit()


class Parser(argparse.ArgumentParser):
    """Show a script's docstring as its help, and what is wrong in one line."""

    def __init__(self, doc: str | None) -> None:
        super().__init__(
            prog=sys.argv[0].rpartition("/")[2],
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        meaning = "print the program's version and exit"
        self.add_argument("--version", nargs=0, action=_ShowVersion, help=meaning)
        levels = self.add_mutually_exclusive_group()
        how: dict[str, Any] = {"action": _SetLevel, "nargs": 0, "dest": argparse.SUPPRESS}
        for flag, level, meaning in _LEVELS:
            name = f"--{level.lower()}"
            levels.add_argument(flag, name, const=level, help=meaning, **how)

    def error(self, message: str) -> "NoReturn":
        """Raise Usage for a command line that does not fit."""
        from postrun.store import make_lines

        target = make_lines.target_typed()
        if target:
            message = make_lines.in_words_of_make(message)
            raise Usage(f"make {target}", "values as in `make help`", message)
        raise Usage(self.prog, "arguments as in --help", message)


class ScriptFlags:
    """The flags of one script, and its docstring, which is its help."""

    def __init__(self, doc: str | None, *add_flags: AddFlags) -> None:
        self._doc = doc
        self._add_flags = add_flags

    def parse(self, argv: Argv) -> argparse.Namespace:
        """Return what a command line says. Raises Usage."""
        parser = Parser(self._doc)
        for add_flags in self._add_flags:
            add_flags(parser)
        return parser.parse_args(argv)

    def answer_help(self, module: str) -> None:
        """Print the help and end, in a script that was started with --help.

        Else return: what the command line says is for the script's `main`.
        """
        if module == "__main__" and not _HELP.isdisjoint(sys.argv):
            with suppress(Usage):
                self.parse(None)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every script that works on one run."""
    group = parser.add_argument_group("which run")
    remote = "on the workstation, relative to --remote-root"
    group.add_argument("--tag", help="its decision tag, exactly")
    group.add_argument("--run-dir", type=path, help="its local run folder")
    group.add_argument("--report-json", type=path, help="its local gate report")
    group.add_argument("--run-dir-remote", help=f"its run folder {remote}")
    group.add_argument("--report-json-remote", help=f"its gate report {remote}")
    add_location(parser)


def add_location(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every script that may ask a workstation: where from, where to, and how."""
    where = parser.add_argument_group("workstation")
    where.add_argument("--host", help="the SSH host, or `local` for a folder on this machine")
    where.add_argument("--remote-root", help="the workstation's root folder on that host")
    scheduler = "what starts jobs there (default: as the settings say)"
    where.add_argument("--scheduler", choices=("slurm", "none"), help=scheduler)
    add_workspace(parser)


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add the flag of a script that only reads a workspace."""
    parser.add_argument(
        "--local-root",
        type=workspace,
        default="",
        help="the workspace (default: the project)",
    )


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every script that writes: where to, and how."""
    where = parser.add_argument_group("where")
    where.add_argument(
        "--local-root",
        type=workspace,
        default="",
        help="the workspace, where everything is written (default: the project's folder)",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    how.add_argument("--dry-run", action="store_true", help="do everything but write nothing")
    how.add_argument(
        "--lock-wait",
        type=_wait,
        default=600.0,
        metavar="S",
        help="seconds to wait for a lock while one process holds it (default: 600)",
    )


def path(text: str) -> "Path":
    """Return a path; a type for argparse."""
    from pathlib import Path

    return Path(text)


def workspace(text: str) -> "Path":
    """Return the workspace, by default the project; a type for argparse, which reads defaults."""
    from postrun.core.locations import PROJECT

    return path(text) if text else PROJECT


def _wait(text: str) -> float:
    """Return a number of seconds, zero too; a type for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        expected = "expected a number of seconds, 0 or more"
        raise argparse.ArgumentTypeError(f"{expected}, found {text!r}")
    return number


def add_member(parser: argparse.ArgumentParser) -> None:
    """Add the flag of a script that takes part in a team."""
    parser.add_argument("--member", metavar="NAME", help="as whom; only needed the first time")


def add_key(parser: argparse.ArgumentParser) -> None:
    """Add the flag that chooses the key of a person who signs."""
    parser.add_argument(
        "--key",
        type=path,
        metavar="FILE",
        help="the SSH key that signs, or its public half (default: signing_key of the settings)",
    )


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the sync."""
    parser.add_argument(
        "--no-sync",
        action="store_true",
        help="copy nothing: the run is in the workspace already",
    )
    parser.add_argument(
        "--accept-changed-evidence",
        metavar="REASON",
        help="accept files that have changed, for this reason; the earlier ones are kept",
    )


def add_abandoned(parser: argparse.ArgumentParser) -> None:
    """Add the flag that closes a run which has no result, or no report that can be read."""
    parser.add_argument(
        "--abandoned",
        metavar="REASON",
        help="close a run without a valid result or a readable report as failed, for this reason",
    )


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the ledger row."""
    parser.add_argument(
        "--objective",
        help="what the run was to find out, for the ledger (default: the run's notes)",
    )


def add_rebuild(parser: argparse.ArgumentParser) -> None:
    """Add the flag of a table that can be made again."""
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="make the table again from all run folders; no run is named then",
    )
    add_shards(parser)


def add_shards(parser: argparse.ArgumentParser) -> None:
    """Add the flags that read one part of all runs, and put the parts together."""
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument(
        "--shard",
        type=shard,
        metavar="K/N",
        help="only read the K-th of N parts of the runs, and keep what it gives for --join",
    )
    parts.add_argument(
        "--join",
        type=_number,
        metavar="N",
        help="take what was read from N shards instead of reading the runs",
    )


def add_number_of_shards(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says into how many parts the runs are cut."""
    parser.add_argument(
        "--shards",
        type=_number,
        required=True,
        metavar="N",
        help="into how many parts the runs are cut: one job of an array each",
    )


def shard(text: str) -> "tuple[int, int]":
    """Return number and count of a shard; a type for argparse."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match:
        number, of = int(match[1]), int(match[2])
        if 1 <= number <= of:
            return number, of
    expected = "expected K/N with K from 1 to N, such as 3/8"
    raise argparse.ArgumentTypeError(f"{expected}, found {text!r}")


def _number(text: str) -> int:
    """Return a number of shards; a type for argparse."""
    if re.fullmatch(r"0*[1-9][0-9]{0,5}", text) is None:
        expected = "expected a number of shards, such as 8"
        raise argparse.ArgumentTypeError(f"{expected}, found {text!r}")
    return int(text)
