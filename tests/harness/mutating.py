"""Change a file in some way that a program must survive, chosen by a seeded random generator.

    what = mutate(path, random, folder_outside)

Returns what was done, in words. Content is changed as bytes, as JSON at a random path, as a CSV
cell or as a line of text; or something that is no regular file is put in its place.
"""

import csv
import io
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

MARK = "SECOND-LINE-OF-A-HOSTILE-TEXT"  # no line of a program's output may begin with it
BAIT = "HOSTILE-COMMAND-WAS-RUN"  # no file may get this name
LONG = 300_000
DEEP = 100_000

# What is no number, and what is more than a computer's numbers can hold.
RAW_NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1E400", "9" * 400, "-0", "0.0"),
    *("-1", "1e308", "4.9e-324", "18446744073709551616", "2147483648", "1e5", "0.1" + "0" * 300),
)
RAW_VALUES = ("null", "true", "false", "[]", "{}", '""', '"x"', "[[[]]]", '{"a": {"b": [1]}}')


def hostile_texts(victim: Path) -> tuple[str, ...]:
    """Return texts that harm whoever believes them. `victim` is a file outside the workspace."""
    return (
        *("../../../outside/victim", str(victim), f"{victim}/..", "/etc/passwd", "/dev/zero"),
        *("..", ".", "", " ", "~", "-rf", "a/b/../c", "x" * 300, "é" * 300, "\x00", "a\x00b"),
        *(f"a\n{MARK}", f"a\r\n{MARK}", f"\x1b[2J\x1b[31m{MARK}", "\u202eabc", "\ud800", "\ufeff"),
        *("%s%n%d", "{0}{x.__class__}", "{{ 7 * 7 }}", "{% for %}", "<script>alert(1)</script>"),
        *("=cmd|' /C calc'!A1", "@SUM(1)", "+1", "-2+3", "\t=1", "|a|b|", "`a`", "](x)"),
        *(f"$(touch {BAIT})", f"`touch {BAIT}`", f"'; touch {BAIT}; '", f"a b; touch {BAIT}"),
        *("NaN", "null", "2026-13-45T99:99:99Z", "0000-00-00_000000", "9" * 5000, "١٢٣", "1_000"),
        *(f"-oProxyCommand=touch {BAIT}", "local", "a" * 5000, "2026-02-21_030000_x_y", "run1 "),
    )


Change = Callable[[bytes, Random, Path], bytes | None]


def mutate(path: Path, random: Random, victim: Path) -> str:
    """Change what is at a path; return what was done."""
    kinds = list(KINDS)
    if path.is_dir():
        kind = random.choice(
            [name for name in kinds if name not in ("folder", "another's content")]
        )
        KINDS[kind](path, victim)
        return kind
    if random.random() < 0.15:
        kind = random.choice(kinds)
        KINDS[kind](path, victim)
        return kind
    content = path.read_bytes()
    changes = changes_for(path)
    name = random.choice(list(changes))
    changed = changes[name](content, random, victim)
    if changed is None or changed == content:
        name, changed = "a byte more", content + b"\x80"
    path.write_bytes(changed)
    return name


def changes_for(path: Path) -> dict[str, Change]:
    """Return the changes that make sense for a file; those of its format three times as often."""
    of_format: dict[str, Change] = TEXT
    if path.suffix in (".json", ".jsonl", ".pid"):
        of_format = JSON
    elif path.suffix == ".csv":
        of_format = CSV
    chosen = dict(BYTES)
    for times in ("", " (2)", " (3)"):
        chosen.update({f"{name}{times}": change for name, change in of_format.items()})
    return chosen


# --- something else in its place


def _away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _socket(path: Path) -> None:
    # The name of a socket may have 107 bytes only.
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/socket")
    os.rename("socket", path.name, src_dir_fd=folder, dst_dir_fd=folder)
    os.close(folder)


def _instead(make: Callable[[Path, Path], object]) -> Callable[[Path, Path], None]:
    def replace(path: Path, victim: Path) -> None:
        _away(path)
        make(path, victim)

    return replace


KINDS: dict[str, Callable[[Path, Path], object]] = {
    "gone": lambda path, _: _away(path),
    "folder": _instead(lambda path, _: path.mkdir()),
    "FIFO": _instead(lambda path, _: os.mkfifo(path)),
    "socket": _instead(lambda path, _: _socket(path)),
    "dangling link": _instead(lambda path, _: path.symlink_to("nothing/here")),
    "link to itself": _instead(lambda path, _: path.symlink_to(path.name)),
    "link to a device": _instead(lambda path, _: path.symlink_to("/dev/zero")),
    "link to its folder": _instead(lambda path, _: path.symlink_to(".")),
    "another's content": _instead(lambda path, _: path.write_bytes(b"\x7fELF another program's")),
    "mode 000": lambda path, _: path.chmod(0),
    "empty": _instead(lambda path, _: path.touch()),
}


# --- bytes


def _flip(content: bytes, random: Random, _: Path) -> bytes | None:
    if not content:
        return None
    changed = bytearray(content)
    for _time in range(random.choice((1, 1, 1, 8))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(content: bytes, random: Random, _: Path) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _twice(content: bytes, random: Random, _: Path) -> bytes:
    first = random.randrange(len(content) + 1)
    end = min(first + random.randrange(1, 400), len(content))
    return content[:end] + content[first:]


def _insert(piece: bytes) -> Change:
    def change(content: bytes, random: Random, _: Path) -> bytes:
        place = random.choice((0, random.randrange(len(content) + 1), len(content)))
        return content[:place] + piece + content[place:]

    return change


def _encoded(encoding: str) -> Change:
    def change(content: bytes, _: Random, __: Path) -> bytes:
        return content.decode("utf-8", "replace").encode(encoding, "replace")

    return change


def _latin(content: bytes, random: Random, _: Path) -> bytes | None:
    return _insert("\xe9\xff\xa0".encode("latin-1"))(content, random, _)


BYTES: dict[str, Change] = {
    "bytes flipped": _flip,
    "cut": _cut,
    "a part twice": _twice,
    "emptied": lambda *_: b"",
    "blanks only": lambda *_: b" \n\t\n",
    "NUL bytes": _insert(b"\x00" * 5),
    "UTF-16": _encoded("utf-16"),
    "UTF-32": _encoded("utf-32"),
    "with a byte-order mark": lambda content, *_: b"\xef\xbb\xbf" + content,
    "latin-1": _latin,
    "a long line": _insert(b"x" * LONG),
    "many lines": _insert(b"\n" * 20_000),
    "CRLF": lambda content, *_: content.replace(b"\n", b"\r\n"),
    "deep brackets": lambda *_: b"[" * DEEP,
    "deep members": lambda *_: b'{"a":' * DEEP,
    "another document": lambda *_: b'{"schema_version": 1}',
    "a list": lambda *_: b"[1, 2, 3]\n",
    "a number": lambda *_: b"7\n",
}


# --- JSON


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document."""
    found = [place]
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        found += _places(item, (*place, key))
    return found


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        document = document[key]
    return document


def _in_json(edit: Callable[[Any, Random, Path], str | None]) -> Change:
    """Return a change of a JSON document, or of one line of several."""

    def change(content: bytes, random: Random, victim: Path) -> bytes | None:
        lines = [content]
        if content.count(b"\n") > 1 and content.startswith(b"{") and b"\n{" in content:
            lines = content.splitlines(keepends=True)
        number = random.randrange(len(lines))
        try:
            document = json.loads(lines[number])
        except ValueError:
            return None
        text = edit(document, random, victim)
        if text is None:
            return None
        lines[number] = f"{text}\n".encode("utf-8", "surrogatepass")
        return b"".join(lines)

    return change


def _put(document: Any, place: tuple[Any, ...], raw: str) -> str:
    """Return the text of a document with raw JSON at a place."""
    sentinel = "@@ the place @@"
    if not place:
        return raw
    _at(document, place[:-1])[place[-1]] = sentinel
    return json.dumps(document).replace(json.dumps(sentinel), raw)


def _raw(values: Callable[[Random], str]) -> Callable[[Any, Random, Path], str]:
    def edit(document: Any, random: Random, _: Path) -> str:
        return _put(document, random.choice(_places(document)), values(random))

    return edit


def _hostile(document: Any, random: Random, victim: Path) -> str:
    leaves = [place for place in _places(document) if isinstance(_at(document, place), str)]
    place = random.choice(leaves or _places(document))
    return _put(document, place, json.dumps(random.choice(hostile_texts(victim))))


def _hostile_key(document: Any, random: Random, victim: Path) -> str | None:
    objects = [place for place in _places(document) if isinstance(_at(document, place), dict)]
    if not objects:
        return None
    _at(document, random.choice(objects))[random.choice(hostile_texts(victim))] = 1
    return json.dumps(document)


def _without(document: Any, random: Random, _: Path) -> str | None:
    places = _places(document)[1:]
    if not places:
        return None
    place = random.choice(places)
    del _at(document, place[:-1])[place[-1]]
    return json.dumps(document)


def _key_twice(document: Any, random: Random, _: Path) -> str | None:
    objects = [place for place in _places(document) if _at(document, place)]
    objects = [place for place in objects if isinstance(_at(document, place), dict)]
    if not objects:
        return None
    members = _at(document, random.choice(objects))
    key = random.choice(list(members))
    members["@@ again @@"] = members[key]
    return json.dumps(document).replace('"@@ again @@"', json.dumps(key))


def _row_twice(document: Any, random: Random, _: Path) -> str | None:
    lists = [place for place in _places(document) if isinstance(_at(document, place), list)]
    lists = [place for place in lists if _at(document, place)]
    if not lists:
        return None
    rows = _at(document, random.choice(lists))
    rows.append(random.choice(rows))
    return json.dumps(document)


JSON: dict[str, Change] = {
    "another type": _in_json(_raw(lambda random: random.choice(RAW_VALUES))),
    "an odd number": _in_json(_raw(lambda random: random.choice(RAW_NUMBERS))),
    "a deep value": _in_json(_raw(lambda _: "[" * 400 + "]" * 400)),
    "a long text": _in_json(_raw(lambda _: json.dumps("x" * LONG))),
    "a hostile text": _in_json(_hostile),
    "a hostile text too": _in_json(_hostile),
    "a hostile key": _in_json(_hostile_key),
    "a member gone": _in_json(_without),
    "a key twice": _in_json(_key_twice),
    "a row twice": _in_json(_row_twice),
}


# --- tables


def _in_csv(edit: Callable[[list[list[str]], Random, Path], object]) -> Change:
    def change(content: bytes, random: Random, victim: Path) -> bytes | None:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline="")))
        if len(rows) < 2:
            return None
        edit(rows, random, victim)
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(rows)
        return out.getvalue().encode("utf-8", "surrogatepass")

    return change


def _cell(rows: list[list[str]], random: Random, victim: Path) -> None:
    row = random.choice(rows[random.choice((0, 1, 1, 1)) :])
    texts = (*hostile_texts(victim), *RAW_NUMBERS, "x" * LONG)
    if row:
        row[random.randrange(len(row))] = random.choice(texts)


def _column_gone(rows: list[list[str]], random: Random, _: Path) -> None:
    place = random.randrange(len(rows[0]))
    for row in rows:
        del row[place]


CSV: dict[str, Change] = {
    "a cell": _in_csv(_cell),
    "a cell too": _in_csv(_cell),
    "a column gone": _in_csv(_column_gone),
    "a column twice": _in_csv(lambda rows, *_: [row.append(row[0]) for row in rows]),
    "a cell less": _in_csv(lambda rows, random, _: random.choice(rows).pop()),
    "a cell more": _in_csv(lambda rows, random, _: random.choice(rows).append("more")),
    "a row twice": _in_csv(lambda rows, random, _: rows.append(random.choice(rows))),
    "no header": _in_csv(lambda rows, *_: rows.pop(0)),
    "only the header": _in_csv(lambda rows, *_: rows.__delitem__(slice(1, None))),
    "an open quote": _insert(b'"'),
}


# --- text


def _line(content: bytes, random: Random, victim: Path) -> bytes | None:
    text = random.choice(hostile_texts(victim)).encode("utf-8", "surrogatepass")
    return _insert(text)(content, random, victim)


def _mark(content: bytes, random: Random, _: Path) -> bytes | None:
    marks = [b"<!--", b"-->", b"|", b"## ", b"--", b"'"]
    found = [mark for mark in marks if mark in content]
    return content.replace(random.choice(found), b"", 1) if found else None


TEXT: dict[str, Change] = {"a hostile line": _line, "a mark gone": _mark}
