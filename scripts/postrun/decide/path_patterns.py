"""Patterns of paths: `*` stands for any part of one name, `**` for names and folders at any depth.

Only those two are special, so that whether two patterns can mean the same file is certain.
"""

import re
from functools import cache

_WILDCARDS = re.compile(r"(\*\*|\*)")
_EXPRESSIONS = {
    "*": "[^/]*",
    "**": ".+",
}
_ANY = "any character"
# Of a pattern: its wildcards, and every other character by itself.
Tokens = tuple[str, ...]


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern means a path; both relative to the same folder."""
    expression = _compile(pattern)
    return expression.fullmatch(path) is not None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    expression = ""
    for part in _WILDCARDS.split(pattern):
        plain = re.escape(part)
        expression += _EXPRESSIONS.get(part, plain)
    # A name may have a line break in it.
    return re.compile(expression, re.DOTALL)


def overlap(first: str, second: str) -> bool:
    """Return whether there can be a path that both patterns mean."""
    first_tokens = _tokens(first)
    second_tokens = _tokens(second)
    return _overlap(first_tokens, second_tokens)


def _tokens(pattern: str) -> Tokens:
    tokens: list[str] = []
    for part in _WILDCARDS.split(pattern):
        if part == "**":
            # It is never empty.
            tokens += [_ANY, part]
        elif part == "*":
            tokens.append(part)
        else:
            tokens += part
    return tuple(tokens)


@cache
def _overlap(first: Tokens, second: Tokens) -> bool:
    """Return whether some text fits both lists of tokens."""
    if not first or not second:
        rest = {*first, *second}
        return rest <= _EXPRESSIONS.keys()
    if first[0] in _EXPRESSIONS:
        return _overlap_wildcard(first, second)
    if second[0] in _EXPRESSIONS:
        return _overlap_wildcard(second, first)
    heads = {first[0], second[0]}
    if len(heads) == 2 and _ANY not in heads:
        return False
    return _overlap(first[1:], second[1:])


def _overlap_wildcard(tokens: Tokens, others: Tokens) -> bool:
    """Return what `_overlap` does for tokens of which the first is a wildcard.

    It ends here, or it stands for what the other list has first.
    """
    if _overlap(tokens[1:], others):
        return True
    if tokens[0] == "*" and others[0] == "/":
        return False
    return _overlap(tokens, others[1:])
