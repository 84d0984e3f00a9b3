"""The settings of the data-quality gate, and the variables that hand them to the launcher.

The launcher takes them from its environment: DQ_MIN_ROWS, DQ_KEY_COLUMNS and so on. A run records
them only in its data-quality report.
"""

from collections.abc import Callable
from typing import Any

from postrun.core import values

LIMITS = ("min_rows", "max_missing_ratio", "max_duplicate_ratio", "max_staleness_days")


def parse_columns(text: str) -> tuple[str, ...]:
    """Return the names of columns in a text with commas; empty parts name none."""
    names = (name.strip() for name in text.split(","))
    return tuple(filter(None, names))


# How the text of each setting is read.
TYPES: dict[str, Callable[[str], Any]] = {
    "required_columns": parse_columns,
    "numeric_columns": parse_columns,
    "key_columns": parse_columns,
    "date_column": str,
    "min_rows": int,
    "max_missing_ratio": float,
    "max_duplicate_ratio": float,
    "max_staleness_days": float,
}
SETTINGS = tuple(TYPES)


def variable(setting: str) -> str:
    """Return the name of a setting's variable."""
    return f"DQ_{setting.upper()}"


def variables(report: Any) -> dict[str, str]:
    """Return the variables that set the data-quality gate as a report says it was set.

    A setting that is unknown or empty is left out: no variable can say so to the launcher.
    """
    inputs = values.mapping(values.member(report, "inputs"))
    environment = {}
    for setting in sorted(SETTINGS):
        text = _as_text(setting, inputs.get(setting))
        if text:
            environment[variable(setting)] = text
    return environment


def by_setting(report: Any) -> dict[str, str | None]:
    """Return the text of every setting; None for one that is unknown or empty."""
    environment = variables(report)
    return {setting: environment.get(variable(setting)) for setting in SETTINGS}


def _as_text(setting: str, value: Any) -> str | None:
    """Return a setting as its variable holds it; None when it has no such text."""
    if setting == "min_rows":
        # The gate program wants a whole number, and other programs write 500.0 for it.
        value = values.count(value)
    if setting in LIMITS:
        number = values.number(value)
        if number is None:
            return None
        return str(value)
    if isinstance(value, list):
        return _joined(value)
    return values.text(value)


def _joined(columns: list[Any]) -> str | None:
    """Return columns with commas between them; None when one has a comma in its own name."""
    names = list(map(str, columns))
    text = ",".join(names)
    if text.split(",") != names:
        return None
    return text
