"""Lay out the sample workstation at a folder of your choice. Does it again without harm.

reads   examples/workstation/
writes  DIR: the same tree, scripts/workstation_official_run.sh (starts this project's launcher with the Python
        that ran this script), and .laid_out.json (digests of what was laid out)
prints  DIR
exit    0 done; 2 wrong usage

A file that you changed stays as it is, and is named on stderr. The others follow the project.

    python examples/make_workstation.py DIR
"""

import argparse
import hashlib
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TREE = PROJECT / "examples" / "workstation"
RECORD = ".laid_out.json"
SHIM = "scripts/workstation_official_run.sh"


def shim(root: Path) -> bytes:
    """Give the launcher's shim; the paths in it are this machine's, known only now."""
    launcher = PROJECT / "scripts" / "workstation_official_run.py"
    words = shlex.join([sys.executable, str(launcher), "--root", str(root)])
    return f'#!/usr/bin/env bash\nexec {words} "$@"\n'.encode()


def wanted(root: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file of the workstation: its path below the root, and its content."""
    for path in sorted(TREE.rglob("*")):
        name = path.relative_to(TREE)
        if path.is_file() and not any(
            part.startswith((".", "__pycache__")) for part in name.parts
        ):  # tools' caches
            yield name.as_posix(), path.read_bytes()
    yield SHIM, shim(root)


def lay_out(root: Path) -> list[str]:
    """Write what is not there yet or follows the project; list the files left alone as changed."""
    record = root / RECORD
    laid: dict[str, str] = (
        json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    )
    kept = []
    for name, content in wanted(root):
        path = root / name
        found = digest(path.read_bytes()) if path.is_file() else None
        if found not in (None, laid.get(name), digest(content)):
            kept.append(name)
            continue
        if found != digest(content):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        laid[name] = digest(content)
    record.write_text(json.dumps(laid, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return kept


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, metavar="DIR")
    root: Path = parser.parse_args(argv).root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    for name in lay_out(root):
        print(f"make_workstation.py: {name} was changed here, it stays as it is", file=sys.stderr)
    print(root)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
