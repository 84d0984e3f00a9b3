"""The door for pages: templates with every expression escaped, so that no owner, note or factor can do harm.

Filters of both kinds of page: `known("words")` says what null means here, `number(digits)`, `percent(digits)`,
`verdict` (pass, fail, not evaluated), `listed` (several, with commas), `code` (a code span, safe in table cells too).
Null without a filter is "not measured". Markdown templates have no `safe`, and do not join text with `~`, which
escapes for HTML only.
"""

import math
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postrun.core import disk
from postrun.core.locations import PROJECT

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

UNMEASURED = "not measured"
UNEVALUATED = "not evaluated"
# These filters give text that counts as escaped, or escape for HTML where Markdown is wanted.
_BARRED = (
    *("escape", "e", "forceescape", "safe", "striptags", "tojson", "urlize", "xmlattr"),
    *("center", "format", "indent", "join", "pprint", "replace", "wordwrap"),
)
_BREAKS = re.compile(r"\r\n|[\t\n\x0b\x0c\r\x85\u2028\u2029]")
_HIDDEN = frozenset(
    {"Cc", "Cf", "Cs"}
)  # control, direction and zero width, halves of surrogate pairs
_ACTIVE = re.compile(r"[\\`*\[\]|~$]")
_HARMLESS = re.compile(
    r"[A-Za-z0-9]+([ ,;/_-][A-Za-z0-9]+)*"
)  # a path, a tag, plain words: most cells of any table
_ENTITY = re.compile(r"&(?=#?\w+;)")
_EMPHASIS = re.compile(
    r"(?<![^\W_])_"
)  # after a letter or digit `_` opens nothing: tags stay as they are
_LEADING = re.compile(
    r"^(?=[=#>]|[-+](?:\s|$)|[-:]-)"
)  # what would begin a heading, a quote, a list, a rule
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")


def page(template: str, /, **facts: Any) -> str:
    """Fill `templates/<template>.j2`; the suffix (`.md` or `.html`) says how expressions are escaped."""
    kind = "html" if template.endswith(".html") else "markdown"
    return _environment(kind).get_template(f"{template}.j2").render(facts)


def write(path: Path, template: str, /, **facts: Any) -> bool:
    """Put a page at `path`; True when that changes the file."""
    return disk.replace(path, page(template, **facts).encode())


def visible(text: str) -> str:
    """Put text on one line and show what would not be seen: control, direction and zero-width characters."""
    if text.isprintable():  # nearly always
        return text
    line = _BREAKS.sub(" ", text)
    return "".join(_shown(char) if unicodedata.category(char) in _HIDDEN else char for char in line)


def _shown(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def markdown(text: str) -> str:
    """Escape text so that Markdown shows it as it is: in a paragraph, a heading, a list or a table cell."""
    if _HARMLESS.fullmatch(text):
        return text
    line = _ACTIVE.sub(r"\\\g<0>", " ".join(visible(text).split()))
    line = _ENTITY.sub("&amp;", line).replace("<", "&lt;")
    line = _NUMBERED.sub(r"\1\\", _EMPHASIS.sub(r"\\_", line))
    return _LEADING.sub(r"\\", line)


def _code_markdown(value: Any, none: str = UNMEASURED) -> "Markup":
    """Give a code span. A `|` stands between two spans, since no one escape holds inside and outside of tables."""
    from markupsafe import Markup

    if value is None:
        return Markup(markdown(none))
    return Markup(
        r"\|".join(_span(part) if part else "" for part in visible(_plain(value)).split("|"))
        or "` `"
    )


def _span(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _code_html(value: Any, none: str = UNMEASURED) -> "Markup":
    from markupsafe import Markup, escape

    if value is None:
        return escape(none)
    return Markup("<code>{}</code>").format(visible(_plain(value)))


def _plain(value: Any) -> str:
    """Write any value as words: null, yes and no, numbers without loss."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNMEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def known(value: Any, none: str) -> Any:
    """Give the value, or these words for null."""
    return none if value is None else value


def number(value: Any, digits: int = 4, none: str = UNMEASURED, signed: bool = False) -> str:
    """Write a number with so many decimals; what is no finite number is given in words."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return none if value is None or isinstance(value, float) else _plain(value)
    rounded = round(value, digits) + 0  # adding 0 turns -0.0 into 0.0
    if value and not rounded:
        return f"{value:{'+' if signed else ''}.1e}"  # small is not zero: a gate may hang on it
    return f"{rounded:{'+' if signed and rounded else ''},.{digits}f}"


def percent(value: Any, digits: int = 1, none: str = UNMEASURED) -> str:
    """Write a share as a percentage; what is no finite number is given in words."""
    shares = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return f"{number(value * 100, digits)}%" if shares else number(value, digits, none)


def verdict(value: Any, none: str = UNEVALUATED) -> str:
    """Write pass, fail, or that it was not evaluated; what is no boolean is shown for what it is."""
    if value is None:
        return none
    return ("pass" if value else "fail") if isinstance(value, bool) else f"neither: {value}"


def listed(values: Iterable[Any], none: str = "none") -> str:
    """Write several values as one text; `join` would let them through unescaped."""
    return ", ".join(_plain(value) for value in values) or none


def _final_markdown(value: Any) -> Any:
    """Escape what an expression gives, unless it is escaped already or a number."""
    from markupsafe import Markup

    if hasattr(value, "__html__"):
        return value
    text = _plain(value)
    plain_number = isinstance(value, int | float)
    return Markup(text if plain_number else markdown(text))


def _final_html(value: Any) -> Any:
    """Put words for null and show hidden characters; the environment escapes for HTML."""
    return value if hasattr(value, "__html__") else visible(_plain(value))


@cache
def _environment(kind: str) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PROJECT / "templates"),
        undefined=StrictUndefined,
        autoescape=True,  # in Markdown too: macros then give text that is not escaped twice
        finalize=_final_html if kind == "html" else _final_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        known=known, number=number, percent=percent, verdict=verdict, listed=listed
    )
    environment.filters["code"] = _code_html if kind == "html" else _code_markdown
    if kind == "markdown":
        for name in _BARRED:
            del environment.filters[name]
    return environment
