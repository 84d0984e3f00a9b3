"""Patterns of paths: `*` stands for any part of one name, `**` for names and folders at any depth.

Only those two are special, so that whether two patterns can mean the same file is certain.
"""

import re
from functools import cache

_WILDCARDS = re.compile(r"(\*\*|\*)")
_EXPRESSIONS = {"*": "[^/]*", "**": ".+"}
_ANY = "any character"
Tokens = tuple[str, ...]  # wildcards, and single characters


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern means a path; both relative to the same folder."""
    return _compile(pattern).fullmatch(path) is not None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    expression = ""
    for part in _WILDCARDS.split(pattern):
        expression += _EXPRESSIONS.get(part, re.escape(part))
    # A name may have a line break in it.
    return re.compile(expression, re.DOTALL)


def overlap(first: str, second: str) -> bool:
    """Return whether there can be a path that both patterns mean."""
    return _overlap(_tokens(first), _tokens(second))


def _tokens(pattern: str) -> Tokens:
    tokens: list[str] = []
    for part in _WILDCARDS.split(pattern):
        if part in _EXPRESSIONS:
            # At least one name: any character, then any others.
            tokens += [_ANY, part] if part == "**" else [part]
        else:
            tokens += part
    return tuple(tokens)


@cache
def _overlap(first: Tokens, second: Tokens) -> bool:
    """Return whether some text fits both lists of tokens."""
    if not first or not second:
        return all(token in _EXPRESSIONS for token in first + second)
    for one, other in ((first, second), (second, first)):
        if one[0] in _EXPRESSIONS:
            # It ends here, or takes what the other one has here.
            takes_it = _takes(one[0], other[0])
            return _overlap(one[1:], other) or (takes_it and _overlap(one, other[1:]))
    return _fit(first[0], second[0]) and _overlap(first[1:], second[1:])


def _takes(wildcard: str, token: str) -> bool:
    """Return whether a wildcard can stand for what is at one place of the other pattern."""
    if wildcard == "**":
        return True
    return token != "/"


def _fit(one: str, other: str) -> bool:
    return one == other or _ANY in (one, other)
