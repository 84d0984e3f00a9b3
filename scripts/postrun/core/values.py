"""Small readers of values out of other people's JSON and CSV. What is not there, or of another
type, is None.

Each reader takes any value and never raises, so a report of every shape can be read without a
crash.
"""

import math
from typing import Any

Json = dict[str, Any]  # a JSON object


def number(value: Any) -> float | None:
    """Return a finite number as a float; None for everything else, booleans and text included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        as_float = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None
    return as_float if math.isfinite(as_float) else None


def cell_number(cell: Any) -> float | None:
    """Return the finite number in a table cell, which may hold it as text."""
    if not isinstance(cell, str):
        return number(cell)
    try:
        return number(float(cell))
    except ValueError:
        return None


def count(value: Any) -> int | None:
    """Return a whole number; 12.0 is one."""
    as_float = number(value)
    if as_float is None or as_float != int(as_float):
        return None
    return int(as_float)


def boolean(value: Any) -> bool | None:
    """Return true or false; None for everything else, 0 and 1 included."""
    return value if isinstance(value, bool) else None


def text(value: Any) -> str | None:
    """Return a text that is not empty."""
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> Json:
    """Return a JSON object; an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def member(document: Any, *path: str) -> Any:
    """Return the member of nested JSON objects at this path; None where there is none."""
    value = document
    for name in path:
        value = mapping(value).get(name)
    return value
