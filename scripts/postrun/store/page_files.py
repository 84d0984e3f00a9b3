"""Pages from templates, with every expression escaped, so that no owner, note or factor does harm.

Filters of both kinds of page: `known("text")` names what null means here, `number(digits)`,
`percent(digits)`, `chance(patterns)` (a probability), `metric(name)` (the one format of its kind),
`verdict` (pass, fail, not evaluated), `comparison` (≥ for >=), `listed` (several, with commas),
`counted("file")` (a number with what it counts), `code` (a code span, safe in table cells too),
`href` (a path, as a link needs it), `duration` (of seconds), `short(width)` (a label of a chart).
Null without filter is "not measured". `scale(values, start, end)` places the values of a chart,
`apart(places, least)` its labels. Markdown templates have no `safe`, and do not join text with `~`,
which escapes for HTML only.
"""

import math
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from postrun.core import disk, scales, terminal, values
from postrun.core.artifacts import ARTIFACTS
from postrun.core.locations import PROJECT, RunPaths
from postrun.core.values import Json
from postrun.store import documents, records
from postrun.store.records import Output

if TYPE_CHECKING:
    from jinja2 import Environment, FileSystemBytecodeCache, Template
    from markupsafe import Markup

Paths = tuple[Path, ...]

_TEMPLATES = PROJECT / "templates"

UNMEASURED = "not measured"
UNEVALUATED = "not evaluated"
_SHARES = ("pos_ratio", "overlap", "coverage")
_LONG_PATH = 30  # characters
_PROBABILITIES = ("p_value", "q_value", "q_value_bh", "_student")

# Filters whose text counts as escaped, or that escape for HTML where Markdown is wanted.
_UNSAFE_FILTERS = (
    *("escape", "e", "forceescape", "safe", "striptags", "tojson", "urlize", "xmlattr"),
    *("center", "format", "indent", "join", "pprint", "replace", "wordwrap"),
)

# Control characters, direction and zero width, halves of surrogate pairs.
_HIDDEN = frozenset({"Cc", "Cf", "Cs"})
_LINE_BREAK = re.compile(r"\r\n|[\t\n\x0b\x0c\r\x85\u2028\u2029]")

_HEADING = re.compile(r"^(# |<title>)[^:<\r\n]*", re.MULTILINE)
# A path, a tag, plain words: most cells of any table need no escape.
_HARMLESS = re.compile(r"[A-Za-z0-9]+([ ,;/_-][A-Za-z0-9]+)*")
_ACTIVE = re.compile(r"[\\`*\[\]|~$]")
_ENTITY = re.compile(r"&(?=#?\w+;)")
# After a letter or digit `_` opens nothing: tags stay as they are.
_EMPHASIS = re.compile(r"(?<![^\W_])_")
# What would begin a heading, a quote, a list, a rule.
_LEADING = re.compile(r"^(?=[=#>]|[-+](?:\s|$)|[-:]-)")
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")


def page(template: str, /, **content: Any) -> str:
    """Return `templates/<template>.j2`, filled.

    The suffix of the template (`.md` or `.html`) decides how expressions are escaped.
    """
    return load(template).render(content)


def load(template: str) -> "Template":
    """Return a template, compiled."""
    kind = "html" if template.endswith(".html") else "markdown"
    environment = _environment(kind)
    return environment.get_template(f"{template}.j2")


def template_digest(template: str) -> str:
    """Return the digest of one template, for one that includes no other."""
    return disk.sha256(_TEMPLATES / f"{template}.j2")


def templates_digest() -> str:
    """Return one digest of all templates."""
    contents = [disk.read(path) for path in sorted(_TEMPLATES.glob("*.j2"))]
    return disk.content_digest(b"\n".join(contents))


def write(run_paths: RunPaths, name: str, suffix: str, content: Json) -> Path:
    """Write a page, one format of an artifact; return its path."""
    output = _prepare(run_paths, name, suffix, content)
    records.write(run_paths, name, [output])
    return output.path


def _prepare(run_paths: RunPaths, name: str, suffix: str, content: Json) -> Output:
    """Return a page as a file to be written."""
    return prepare(run_paths.path(name, suffix), f"{name}{suffix}", content)


def prepare(
    path: Path,
    template: str,
    content: Json,
    inputs: list[Json] | None = None,
) -> Output:
    """Return a page as a file to be written; `inputs` is what it was made from."""
    text = page(template, **content)
    heading = _heading(text)

    def is_ours(before: bytes) -> bool:
        return _heading(before.decode(errors="replace")) == heading

    return Output(path, text.encode(), is_ours, inputs)


def _heading(text: str) -> str:
    """Return what the heading of a page begins with; pages of one kind have it in common."""
    heading = _HEADING.search(text)
    return heading[0] if heading else ""


def write_formats(run_paths: RunPaths, name: str, content: Json) -> tuple[Json, Paths]:
    """Write an artifact as JSON and as pages.

    Return the document as it is on disk, and the files.
    """
    document, output = documents.prepare(run_paths, name, content)
    outputs = [output]
    for suffix in ARTIFACTS[name].suffixes[1:]:
        outputs.append(_prepare(run_paths, name, suffix, document))
    records.write(run_paths, name, outputs)
    return document, tuple(output.path for output in outputs)


def visible(text: str) -> str:
    """Return text on one line, with control, direction and zero-width characters as escapes."""
    if text.isprintable():  # nearly always
        return text
    return "".join(map(_visible_char, _LINE_BREAK.sub(" ", text)))


def _visible_char(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    return char.encode("unicode_escape").decode("ascii")


def markdown(text: str) -> str:
    """Return text escaped, so that Markdown shows it as it is.

    It holds in a paragraph, a heading, a list and a table cell.
    """
    if _HARMLESS.fullmatch(text):
        return text
    line = " ".join(visible(text).split())
    line = _ACTIVE.sub(r"\\\g<0>", line)
    line = _ENTITY.sub("&amp;", line).replace("<", "&lt;")
    line = _EMPHASIS.sub(r"\\_", line)
    line = _NUMBERED.sub(r"\1\\", line)
    return _LEADING.sub(r"\\", line)


def _code_markdown(value: Any, none: str = UNMEASURED) -> "Markup":
    """Return a code span."""
    from markupsafe import Markup

    if value is None:
        return Markup(markdown(none))
    # A `|` goes between two spans: no one escape holds inside and outside of tables.
    spans = map(_code_span, visible(_plain(value)).split("|"))
    return Markup(r"\|".join(spans) or "` `")


def _code_span(text: str) -> str:
    if not text:
        return text
    # The fence must be longer than any run of backticks inside.
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _code_html(value: Any, none: str = UNMEASURED) -> "Markup":
    from markupsafe import Markup, escape

    if value is None:
        return escape(none)
    text = escape(visible(_plain(value)))
    # A long path is broken between its folders, and not within a name.
    if len(text) > _LONG_PATH:
        text = text.replace("/", Markup("/<wbr>"))
    return Markup("<code>{}</code>").format(text)


def _plain(value: Any) -> str:
    """Return any value as text: null and NaN, yes and no, numbers without loss."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNMEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def known(value: Any, none: str) -> Any:
    """Return the value, or this text for null."""
    return none if value is None else value


def number(
    value: Any,
    digits: int = 4,
    none: str = UNMEASURED,
    sign: str = "",
) -> str:
    """Return a number with so many decimals; what is no finite number is given as text."""
    if value is None:
        return none
    if values.number(value) is None:
        return none if isinstance(value, float) else _plain(value)
    rounded = round(value, digits)
    if value and not rounded:
        return f"{value:{sign}.1e}"  # small is not zero: a gate may depend on it
    if not rounded:
        return f"{0:.{digits}f}"  # without a sign, also for -0.0
    return f"{rounded:{sign},.{digits}f}"


def percent(
    value: Any,
    digits: int = 1,
    none: str = UNMEASURED,
    sign: str = "",
) -> str:
    """Return a share as a percentage; what is no finite number is given as text."""
    share = values.number(value)
    if share is None:
        return number(value, digits, none)
    return f"{number(share * 100, digits, sign=sign)}%"


def metric(
    value: Any,
    name: str,
    none: str = UNMEASURED,
    sign: str = "",
) -> str:
    """Return a measured value in the one format of its kind, which its name ends in.

    Shares are percentages, p- and q-values have three significant digits, counts are whole, and
    everything else (ICs, correlations, betas) has four decimals.
    """
    if isinstance(value, int):
        return number(value, 0, none, sign)
    if name.endswith(_SHARES):
        return percent(value, none=none, sign=sign)
    if name.endswith(_PROBABILITIES) and values.number(value):
        return f"{value:{sign}#.3g}"
    return number(value, none=none, sign=sign)


def verdict(value: Any, none: str = UNEVALUATED) -> str:
    """Return pass, fail, or that it was not evaluated.

    What is no boolean is shown for what it is.
    """
    if value is None:
        return none
    if not isinstance(value, bool):
        return f"neither: {value}"
    return "pass" if value else "fail"


def comparison(sign: str) -> str:
    """Return how a gate compares, in the signs of a reader."""
    return sign.replace("<=", "≤").replace(">=", "≥")


def listed(items: Iterable[Any], none: str = "none") -> str:
    """Return several values as one text; `join` would let them through unescaped."""
    return ", ".join(map(_plain, items)) or none


def short(text: str, width: int) -> str:
    """Return text in at most so many columns: the whole stands in the table beside."""
    return terminal.cut(visible(text), width)


def duration(seconds: float | None, none: str = UNMEASURED) -> str:
    """Return a time span in its two largest units: 2 h 5 min."""
    if seconds is None:
        return none
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"


def _href(path: str) -> "Markup":
    """Return a path as a link needs it; no character of it ends the link."""
    from markupsafe import Markup

    return Markup(quote(path, errors="surrogateescape"))


def _final_markdown(value: Any) -> Any:
    """Return what an expression gives, escaped unless it is escaped already or a number."""
    from markupsafe import Markup

    if hasattr(value, "__html__"):
        return value
    text = _plain(value)
    if isinstance(value, int | float):
        return Markup(text)
    return Markup(markdown(text))


def _final_html(value: Any) -> Any:
    """Return text for null and for hidden characters; the environment escapes for HTML."""
    if hasattr(value, "__html__"):
        return value
    return visible(_plain(value))


def _bytecode_cache() -> "FileSystemBytecodeCache | None":
    """Return where compiled templates are kept, as Python keeps modules; None where it may not.

    To compile them takes a third of a closing.
    """
    from jinja2 import FileSystemBytecodeCache
    from jinja2.bccache import Bucket

    class Cache(FileSystemBytecodeCache):
        """Compile again what cannot be read, and keep nothing where there is no room."""

        def load_bytecode(self, bucket: Bucket) -> None:
            """Read a compiled template, when there is a whole one."""
            try:
                super().load_bytecode(bucket)
            except (OSError, EOFError, ValueError, TypeError, UnpicklingError):
                bucket.reset()

        def dump_bytecode(self, bucket: Bucket) -> None:
            """Keep a compiled template."""
            with suppress(OSError):
                super().dump_bytecode(bucket)

    folder = _TEMPLATES / "__pycache__"
    if sys.dont_write_bytecode:
        return None
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
    if not os.access(folder, os.W_OK):
        return None
    return Cache(str(folder))


@cache
def _environment(kind: str) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    is_html = kind == "html"
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        bytecode_cache=_bytecode_cache(),
        undefined=StrictUndefined,
        autoescape=True,  # in Markdown too: macros then give text that is not escaped twice
        finalize=_final_html if is_html else _final_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["scale"] = scales.make_scale
    environment.globals["apart"] = scales.apart
    filters = environment.filters
    for function in (
        known,
        number,
        percent,
        metric,
        verdict,
        comparison,
        listed,
        duration,
        terminal.chance,
        terminal.counted,
        short,
    ):
        filters[function.__name__] = function
    filters["href"] = _href
    filters["code"] = _code_html if is_html else _code_markdown
    if not is_html:
        for name in _UNSAFE_FILTERS:
            del filters[name]
    return environment
