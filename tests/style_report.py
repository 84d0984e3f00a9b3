"""Measure how dense the code is: `python tests/style_report.py [FILE ...]` prints the figures of
each module.

The limits come from reading well-kept script collections: 5 to 6.5 tokens a line there, 3 to 15
comments per 100 lines.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
COUNTED = (tokenize.NAME, tokenize.OP, tokenize.NUMBER)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Density:
    """What was counted in one module. Lines count when they hold a token."""

    path: Path
    lines: int
    tokens: int
    comments: int
    conditionals: int
    faults: tuple[str, ...]  # nested conditional expressions, two comprehensions in a statement

    @property
    def tokens_per_line(self) -> float:
        """Return the average number of tokens in a line that holds one."""
        return self.tokens / max(self.lines, 1)


def measure(path: Path) -> Density:
    """Return the figures of one Python file."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    tokens = comments = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in COUNTED:
            tokens += 1
            lines.add(token.start[0])
        elif token.type == tokenize.COMMENT:
            comments += 1
    tree = ast.parse(text)
    conditionals = sum(isinstance(node, ast.IfExp) for node in ast.walk(tree))
    return Density(path, len(lines), tokens, comments, conditionals, tuple(find_faults(tree)))


def find_faults(tree: ast.Module) -> Iterator[str]:
    """Yield what is too much for one expression or one statement, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.IfExp, *COMPREHENSIONS)) and has_inner(node, ast.IfExp):
            yield f"line {node.lineno}: a conditional expression inside another expression"
        if isinstance(node, ast.stmt) and len(comprehensions_of(node)) > 1:
            yield f"line {node.lineno}: more than one comprehension in a statement"


def has_inner(node: ast.expr, kind: type[ast.AST]) -> bool:
    """Return whether an expression holds another one of this kind."""
    return any(isinstance(inner, kind) for inner in ast.walk(node) if inner is not node)


def comprehensions_of(statement: ast.stmt) -> list[ast.AST]:
    """Return the comprehensions of a statement itself, not of the statements in its body."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(ast.iter_child_nodes(statement))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
            continue
        if isinstance(node, COMPREHENSIONS):
            found.append(node)
        waiting.extend(ast.iter_child_nodes(node))
    return found


def main() -> None:
    """Print the figures of the files named, else of everything in `scripts/`."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted(SCRIPTS.rglob("*.py"))
    figures = [measure(path) for path in paths]
    for each in figures:
        print(
            f"{each.tokens_per_line:5.2f} tokens a line  {each.lines:4} lines  "
            f"{each.tokens:5} tokens"
            f"  {each.comments:3} comments  {each.conditionals:2} conditionals  {each.path}"
        )
        for fault in each.faults:
            print(f"        {fault}")
    lines = sum(each.lines for each in figures)
    tokens = sum(each.tokens for each in figures)
    comments = sum(each.comments for each in figures)
    conditionals = sum(each.conditionals for each in figures)
    physical = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
    print(f"all: {tokens} tokens in {lines} lines: {tokens / lines:.2f} a line")
    print(f"     {comments / lines * 100:.1f} comments per 100 lines, {physical} physical lines")
    print(f"     {conditionals / lines * 1000:.1f} conditional expressions per 1,000 lines")


if __name__ == "__main__":
    main()
