"""Find names and docstrings that the style guide forbids: `python tests/names_report.py [FILE
...]`.

A name counts where it is made: class, function, parameter, field, module, and a local variable that
is used more than six lines after its first line. Whole identifiers count, as the style table writes
them: class `Watch`, not `watch_runs`. A leading underscore or a plural `s` changes nothing.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
LONGEST_LIFE = 6  # lines that a local variable may live under any name

# The private vocabulary, each with the field's own word.
FORBIDDEN = {
    "noun": "artifact",
    "verb": "step",
    "door": "reader, writer, or the format's name",
    "desk": "command line",
    "floor": "layer",
    "room": "package",
    "near": "local",
    "far": "remote",
    "Glance": "RunSnapshot",
    "glance": "snapshot",
    "Sighting": "HostSnapshot",
    "sighting": "snapshot",
    "Look": "RemoteListing",
    "survey": "list_files",
    "Lookout": "RunMonitor",
    "lookout": "monitor",
    "Post": "HostMonitor",
    "patrol": "fleet monitor",
    "Watch": "HostMonitor or MonitorLoop",
    "Herald": "Notifier",
    "herald": "notifier",
    "tell": "notify",
    "told": "reported",
    "Memory": "MonitorState",
    "Suspicion": "PendingVerdict",
    "suspicion": "pending",
    "looks": "polls",
    "sure": "confirmed",
    "Order": "RunRequest",
    "Outcome": "StepResult",
    "outcome": "step_result",
    "Place": "RunPaths",
    "Refusal": "PostRunError",
    "refusal": "error",
    "Unclear": "AmbiguousRun",
    "Rejected": "HostRejected",
    "belonging": "report time window",
    "objection": "why not this run",
    "REHEARSAL": "DRY_RUN",
    "rehearsal": "dry run",
    "Crowd": "ProcessGroup",
    "crowd": "process group",
    "heedless": "ignore_hangup",
    "let_go": "detach",
    "attend": "supervise",
}
# Words that say nothing: the name is what the thing is.
EMPTY = dict.fromkeys(
    ("found", "one", "seen", "own", "more", "its", "wanted", "words"), "what it is"
)
WORDS = FORBIDDEN | EMPTY

# What a docstring may begin with. A function that returns a value says "Return" somewhere.
# A context manager that yields nothing is typed Iterator[None].
_NOT_DESCRIBED = ("None", "NoReturn", "'NoReturn'", "Never", "StepResult", "Iterator[None]")
VERBS = frozenset(
    (SCRIPTS.parent / "tests" / "data" / "docstring_verbs.txt").read_text(encoding="utf-8").split()
)


def forbidden_word(name: str) -> str | None:
    """Return the entry of the table that a name is, or None."""
    bare = name.strip("_")
    for word in (bare, bare.removesuffix("s")):
        if word in WORDS:
            return word
    return None


def made_names(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield line, kind and name of each class, function, parameter, field and lasting variable."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.lineno, "class", node.name
            yield from _assigned(node.body, "field")
        elif isinstance(node, ast.FunctionDef):
            yield node.lineno, "function", node.name
            for argument in _arguments(node.args):
                yield argument.lineno, "parameter", argument.arg
            yield from _lasting_variables(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, "field", node.attr
    yield from _assigned(tree.body, "module variable")


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Return all parameters of a function."""
    all_arguments = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for variadic in (arguments.vararg, arguments.kwarg):
        if variadic is not None:
            all_arguments.append(variadic)
    return all_arguments


def _assigned(body: list[ast.stmt], kind: str) -> Iterator[tuple[int, str, str]]:
    """Yield the names that the statements of a class or module assign."""
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            # The variable of a comprehension is gone at the end of its line.
            short_lived = _comprehension_variables(statement)
            for node in ast.walk(statement):
                if not isinstance(node, ast.Name) or node in short_lived:
                    continue
                if isinstance(node.ctx, ast.Store):
                    yield node.lineno, kind, node.id


def _comprehension_variables(statement: ast.stmt) -> set[ast.AST]:
    """Return the names that the comprehensions of a statement assign."""
    variables: set[ast.AST] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.comprehension):
            variables.update(ast.walk(node.target))
    return variables


def _lasting_variables(function: ast.FunctionDef) -> Iterator[tuple[int, str, str]]:
    """Yield the local variables that are used long after their first line."""
    parameters = {argument.arg for argument in _arguments(function.args)}
    lines: dict[str, list[int]] = {}
    stored: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            lines.setdefault(node.id, []).append(node.lineno)
            if isinstance(node.ctx, ast.Store):
                stored.add(node.id)
    for name in stored - parameters:
        if max(lines[name]) - min(lines[name]) > LONGEST_LIFE:
            yield min(lines[name]), "variable", name


def docstring_faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and fault of each docstring of a function that does not say what it does."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        text = ast.get_docstring(node)
        if not text:
            continue
        verb = text.split()[0].rstrip(",.:;")
        if verb not in VERBS:
            yield (
                node.lineno,
                f"docstring of {node.name} begins with {verb!r}, not with a plain verb",
            )
        elif _returns_value(node) and not _says_return(text):
            yield node.lineno, f"docstring of {node.name} does not say what it returns"


def _returns_value(function: ast.FunctionDef) -> bool:
    """Return whether the caller gets something that the docstring has to describe.

    Every `main` returns the exit code, every step its StepResult: that is said in one place.
    """
    if function.name == "main" or function.returns is None:
        return False
    return ast.unparse(function.returns) not in _NOT_DESCRIBED


def _says_return(docstring: str) -> bool:
    """Return whether a docstring says what is returned, or begins with a verb that says it."""
    first_word = docstring.split()[0].rstrip(",.:;")
    lower = docstring.lower()
    return "return" in lower or "yield" in lower or first_word in ("Write", "Raise")


def find_faults(path: Path) -> list[str]:
    """Return the faults of one Python file as `line name: what to write`."""
    tree = ast.parse(path.read_bytes())
    faults: list[tuple[int, str]] = list(docstring_faults(tree))
    for line, kind, name in {(0, "module", path.stem), *made_names(tree)}:
        word = forbidden_word(name)
        if word is not None:
            faults.append((line, f"{kind} {name}: write {WORDS[word]}"))
    return [f"{line} {fault}" for line, fault in sorted(faults)]


def main() -> int:
    """Print the faults of the files named, else of everything in `scripts/`, and a
    count per file.
    """
    paths = [Path(name) for name in sys.argv[1:]] or sorted(SCRIPTS.rglob("*.py"))
    counts: dict[Path, int] = {}
    for path in paths:
        faults = find_faults(path)
        counts[path] = len(faults)
        for fault in faults:
            print(f"{path}:{fault}")
    for path, count in counts.items():
        if count:
            print(f"{count:4} {path}")
    print(f"{sum(counts.values()):4} in all")
    return 1 if any(counts.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
