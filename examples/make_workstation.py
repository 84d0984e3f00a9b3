"""Make the sample workstation in a folder of your choice. Run it again without harm.

reads   examples/workstation/
writes  DIR: the same tree, scripts/workstation_official_run.sh (starts this project's launcher with
        the Python that ran this script), and .laid_out.json (digests of what was written)
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
    """Return the script that starts the launcher; the paths in it are this machine's."""
    launcher = PROJECT / "scripts" / "workstation_official_run.py"
    command = shlex.join([sys.executable, str(launcher), "--root", str(root)])
    return f'#!/usr/bin/env bash\nexec {command} "$@"\n'.encode()


def files_of(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the workstation: its path below the root, and its content."""
    for path in sorted(TREE.rglob("*")):
        name = path.relative_to(TREE)
        # Tools leave their caches in the tree.
        is_cache = any(part.startswith((".", "__pycache__")) for part in name.parts)
        if path.is_file() and not is_cache:
            yield name.as_posix(), path.read_bytes()
    yield SHIM, shim(root)


def lay_out(root: Path) -> list[str]:
    """Write the files that are missing or older than the project's; return those changed here."""
    record = root / RECORD
    written: dict[str, str] = {}
    if record.is_file():
        written = json.loads(record.read_text(encoding="utf-8"))
    changed_here = []
    for name, content in files_of(root):
        path = root / name
        new_digest = digest(content)
        old_digest = digest(path.read_bytes()) if path.is_file() else None
        if old_digest not in (None, written.get(name), new_digest):
            changed_here.append(name)
            continue
        if old_digest != new_digest:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        written[name] = new_digest
    text = json.dumps(written, indent=2, sort_keys=True)
    record.write_text(f"{text}\n", encoding="utf-8")
    return changed_here


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
