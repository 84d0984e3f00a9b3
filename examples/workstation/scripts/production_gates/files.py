"""How results reach the disk: JSON without NaN, CSV with every digit, and the report in one move."""

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def say(stage: str, words: str) -> None:
    """Print one progress line; shards share the log, so a line leaves in one piece."""
    print(f"[{stage}] {words}\n", end="", flush=True)


def number(value: float) -> float | None:
    """Give a plain float, or None where there is no number: unknown is null in every file."""
    return float(value) if math.isfinite(value) else None


def write_json(path: Path, content: object) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Put the whole text at `path` or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows; None becomes an empty cell, floats keep every digit so that sums can be checked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))
