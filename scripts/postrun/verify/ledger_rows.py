"""The ledger: its chain, its readable view, and that decisions and closed run folders agree."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from postrun.core import locations
from postrun.core.artifacts import ASIDE
from postrun.core.errors import PostRunError
from postrun.core.values import Json
from postrun.store import chains, json_files, ledger
from postrun.verify import files
from postrun.verify.closed_run import AUDIT, DECISION, RETENTION, SETTLEMENT, kind
from postrun.verify.findings import Finding, broken, listed

LEDGER = "audit/stage_ledger.jsonl"
# What tells a row from another that says the same.
_OF_THE_ROW = ("number", "previous_sha256", "program_version", "recorded_at", "writer")
RESTORE = "put the ledger together: make restore-ledger"


@dataclass(frozen=True)
class LedgerLines:
    """The ledger's lines, parsed where they can be, and their digests."""

    lines: Sequence[str]
    rows: Sequence[Json]  # an empty one for a line that cannot be read
    problem: str = ""  # why there are none

    @property
    def digests(self) -> list[str]:
        """Return the digest of each line."""
        return [files.of_bytes(_encoded(line)) for line in self.lines]

    def by_run(self) -> dict[str, tuple[str, ...]]:
        """Return the lines about each run, oldest first."""
        lines = defaultdict(list)
        for row, line in zip(self.rows, self.lines, strict=True):
            run = row.get("run")
            if isinstance(run, str):
                lines[run].append(line)
        return {run: tuple(of_run) for run, of_run in lines.items()}

    def about(self, runs: Collection[str]) -> "LedgerLines":
        """Return only the lines about these runs."""
        pairs = zip(self.rows, self.lines, strict=True)
        rows, lines = [], []
        for row, line in pairs:
            if row.get("run") in runs:
                rows.append(row)
                lines.append(line)
        return LedgerLines(lines, rows)

    @property
    def is_of_first_version(self) -> bool:
        """Return whether an earlier release wrote it all: there were no records yet."""
        return all(row.get("schema_version") == 1 for row in self.rows)

    def decisions(self) -> dict[str, Json]:
        """Return the decision that holds for each run."""
        decisions = {}
        for row in self.rows:
            if kind(row) == DECISION and isinstance(row.get("run"), str):
                decisions[row["run"]] = row
        return decisions


def read(root: Path) -> LedgerLines:
    """Return the ledger as it is, whatever is wrong with it."""
    return read_file(locations.workspace_path(root, "stage_ledger"))


def read_file(path: Path) -> LedgerLines:
    """Return one chain as it is, whatever is wrong with it."""
    try:
        content = files.read(path)
    except files.Unreadable as error:
        return LedgerLines((), (), str(error))
    lines = []
    for line in content.split(b"\n"):
        if line:
            # A checkout by git may have turned line ends into \r\n.
            lines.append(line.removesuffix(b"\r").decode(errors="surrogateescape"))
    rows = [json_files.try_parse(_encoded(line), "a row").members for line in lines]
    return LedgerLines(tuple(lines), tuple(rows))


def with_others(
    root: Path,
    own_chain: LedgerLines,
) -> LedgerLines:
    """Return the lines of all chains, about each run those of the member whose closing counts.

    Without other members these are the own ones.
    """
    others = {member: read_file(path) for member, path in chains.list_others(root).items()}
    if not others or ledger.faults(root):
        return own_chain
    lines: list[str] = []
    rows: list[Json] = []
    for member, known in {"": own_chain, **others}.items():
        for row, line in zip(known.rows, known.lines, strict=True):
            run = row.get("run")
            if isinstance(run, str) and ledger.owner(root, run) == member:
                rows.append(row)
                lines.append(line)
    return LedgerLines(tuple(lines), tuple(rows), own_chain.problem)


def check_others(root: Path) -> Iterator[Finding]:
    """Yield what is wrong with the copies of other members' ledgers."""
    for member, faults in _faults_of_others(root).items():
        path = chains.path_of(root, member)
        name = path.relative_to(root).as_posix()
        for fault in faults:
            yield broken(
                name,
                "an intact chain of rows",
                fault,
                chains.PULL,
            )
        yield from _check_repeated(read_file(path), name)
    for aside in sorted((root / ASIDE).glob(f"*/{locations.RUNS}/*")):
        name = aside.relative_to(root).as_posix()
        yield listed(name, "a closing that counts", "one that does not, kept aside")
    open_runs: list[str] = []
    # A ledger that cannot be read is named by itself.
    with suppress(PostRunError):
        open_runs = ledger.open_runs(root)
    for run in open_runs:
        folder = f"{locations.RUNS}/{run}"
        expected = "one decision by all members"
        hint = "choose one: make choose-closing TAG=... MEMBER=... REASON=..."
        yield listed(
            folder,
            expected,
            "different ones: the worse counts",
            hint,
        )


def _faults_of_others(root: Path) -> dict[str, list[str]]:
    """Return what is wrong with the other chains; nothing where one cannot be read at all.

    Then it is named among the faults of the ledger.
    """
    try:
        return ledger.faults_of_others(root)
    except PostRunError:
        return {}


def _encoded(line: str) -> bytes:
    return line.encode(errors="surrogateescape")


def check_chain(root: Path, known: LedgerLines) -> Iterator[Finding]:
    """Yield what is wrong with the rows and their chain, and rows that say nothing new."""
    if known.problem not in ("", files.NOTHING):
        yield broken(
            LEDGER,
            "a ledger that can be read",
            known.problem,
            RESTORE,
        )
        return
    others = set().union(*_faults_of_others(root).values())
    for fault in ledger.faults(root):
        if any(fault.endswith(text) for text in others):
            continue
        yield broken(
            LEDGER,
            "an intact chain of rows",
            fault.replace(f"{root}/", ""),
            RESTORE,
        )
    yield from _check_repeated(known, LEDGER)


def _check_repeated(known: LedgerLines, file: str) -> Iterator[Finding]:
    """Yield each row that only says again what is said: no program appends one.

    A closing appends an audit row only for another answer than the one before; a file is signed
    once, a failure settled once; a run is archived and restored in turn.
    """
    newest: dict[str, Json] = {}
    retained: dict[str, str] = {}
    once = set()
    for row in known.rows:
        said = {name: value for name, value in row.items() if name not in _OF_THE_ROW}
        run = row.get("run")
        is_repeated = False
        if kind(row) in (DECISION, AUDIT) and isinstance(run, str):
            is_repeated = kind(row) == AUDIT and newest.get(run) == said
            newest[run] = said
        elif kind(row) == RETENTION:
            action = str(row.get("action"))
            is_repeated = retained.get(str(run)) == action
            retained[str(run)] = action
        else:
            thing = _settled_or_signed(row)
            is_repeated = thing in once
            once.add(thing)
        if is_repeated:
            expected = f"in row {row['number']} something that no row before it says"
            yield broken(
                file,
                expected,
                "the same again",
                RESTORE,
            )


def _settled_or_signed(row: Json) -> str:
    """Return what no second row is about: a failed check of a run, or a signed file."""
    if kind(row) == SETTLEMENT:
        return f"{row.get('run')} {row.get('check')}"
    return str(row.get("file", row.get("number")))


def check_folders(known: LedgerLines, run_folders: Collection[str]) -> Iterator[Finding]:
    """Yield each decision whose run folder is gone."""
    for run, row in known.decisions().items():
        if run in run_folders:
            continue
        folder = f"{locations.RUNS}/{run}"
        expected = f"the run of row {row['number']} of the ledger"
        if row["schema_version"] == 1:
            yield listed(
                folder,
                expected,
                "no folder: a decision of an earlier release",
            )
        else:
            yield broken(
                folder,
                expected,
                files.NOTHING,
                "restore it from a backup",
            )
