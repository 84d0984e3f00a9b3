"""How results are written: JSON without NaN, CSV with every digit, each report in one move."""

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def say(stage: str, message: str) -> None:
    """Print one progress line, in one write: shards share the log."""
    print(f"[{stage}] {message}\n", end="", flush=True)


def number(value: float) -> float | None:
    """Return a plain float, or None when there is no number: unknown is null in every file."""
    if not math.isfinite(value):
        return None
    return float(value)


def write_json(path: Path, content: object) -> None:
    text = json.dumps(content, indent=2, allow_nan=False)
    write_text(path, f"{text}\n")


def write_text(path: Path, text: str) -> None:
    """Write the whole text or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows; None is an empty cell, and floats keep every digit so that others can check."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))
