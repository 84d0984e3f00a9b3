"""The site of a workspace: made by a closing, the same bytes again, an edited page is named."""

import json
from pathlib import Path

import pytest

import build_site
from harness.verified import ClosedRuns
from postrun.core import disk
from postrun.core.artifacts import SITE
from postrun.registry import trials
from postrun.store import json_files, site_files, tables
from postrun.store.table_index import IndexedTable


def bytes_of(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / SITE).iterdir()}


def test_a_closing_leaves_the_site(closed: ClosedRuns) -> None:
    pages = bytes_of(closed.root)
    family = site_files.family_page("momentum_12_1")
    names = {"index", "leaderboard", "families", "queue", "patterns", "ledger", "handoff"}
    assert pages.keys() == {family, *(f"{name}.html" for name in names)}
    index = pages["index.html"].decode()
    assert ">run2</a>" in index
    assert "repairs: the audit failed (1 High item)" in index


def test_building_again_changes_no_byte(
    closed: ClosedRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(closed.root)
    times = {path.name: path.stat().st_mtime_ns for path in (closed.root / SITE).iterdir()}
    assert build_site.main(["--local-root", str(closed.root)]) == 0
    out, err = capsys.readouterr()
    assert (out.strip(), err) == (str(closed.root / SITE / "index.html"), "site: 8 pages\n")
    assert bytes_of(closed.root) == before
    for path in (closed.root / SITE).iterdir():
        assert path.stat().st_mtime_ns == times[path.name]
    assert closed.broken() == set()


def test_an_edited_page_is_named_and_kept_beside(closed: ClosedRuns) -> None:
    name = f"{SITE}/leaderboard.html"
    before = (closed.root / name).read_bytes()
    closed.edit(name, lambda content: content.replace(b"run0", b"run9"))
    assert closed.broken() == {name}
    assert build_site.main(["--local-root", str(closed.root)]) == 0
    assert (closed.root / name).read_bytes() == before
    assert len(list((closed.root / SITE).glob("leaderboard.edited-*.html"))) == 1
    assert closed.broken() == set()
    # The copy stays what it is.
    assert build_site.main(["--local-root", str(closed.root)]) == 0
    assert closed.broken() == set()


@pytest.mark.parametrize("name", ["own.html", "notes.txt"])
def test_what_nobody_wrote_is_named(closed: ClosedRuns, name: str) -> None:
    path = closed.root / SITE / name
    path.write_text("<title>Post-run site: mine</title>")
    assert closed.broken() == {f"{SITE}/{name}"}


def test_a_link_that_leads_nowhere_is_named(closed: ClosedRuns) -> None:
    review = closed.path("production_gates_run_review", 0, ".html")
    (closed.root / review).unlink()
    files = closed.broken()
    assert review in files
    assert f"{SITE}/leaderboard.html" in files


def test_a_table_that_was_edited_is_refused(
    closed: ClosedRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    closed.edit(closed.path("factor_experiment_registry"), lambda content: content + b"\n")
    before = bytes_of(closed.root)
    assert build_site.main(["--local-root", str(closed.root)]) == 4
    assert "make factor-registry" in capsys.readouterr().err
    assert bytes_of(closed.root) == before


def test_a_page_of_a_family_that_was_renamed_says_so(
    closed: ClosedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = site_files.family_page("momentum_12_1")
    read = tables.open_table

    def renamed(root: Path, name: str) -> IndexedTable:
        table = read(root, name)
        if name == trials.FAMILIES:
            rows = [{**row, "family": "renamed"} for row in table.select()]
            table = tables.of_rows(root, name, rows)
        return table

    with monkeypatch.context() as patched:
        patched.setattr(tables, "open_table", renamed)
        assert build_site.main(["--local-root", str(closed.root)]) == 0
    assert b"This page is not made any more" in (closed.root / SITE / old).read_bytes()
    assert build_site.main(["--local-root", str(closed.root)]) == 0
    assert b"This page is not made any more" not in (closed.root / SITE / old).read_bytes()


def test_an_empty_workspace_has_pages_too(tmp_path: Path) -> None:
    assert build_site.main(["--local-root", str(tmp_path)]) == 0
    index = (tmp_path / SITE / "index.html").read_text()
    assert "Nothing has been closed yet" in index
    assert "Nothing waits." in index


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    assert build_site.main(["--local-root", str(tmp_path), "--dry-run"]) == 0
    assert not (tmp_path / SITE).exists()


def test_a_row_of_the_ledger_of_another_form_is_refused(
    closed: ClosedRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    path = closed.path("stage_ledger")
    lines = (closed.root / path).read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    rows[-2]["recorded_at"] = True
    # Whoever changed it has made the next row again.
    content = json_files.encode_line(rows[-2])
    rows[-1]["previous_sha256"] = disk.content_digest(content.removesuffix(b"\n"))
    lines[-2:] = [json_files.encode_line(row).removesuffix(b"\n") for row in rows[-2:]]
    (closed.root / path).write_bytes(b"\n".join([*lines, b""]))
    assert build_site.main(["--local-root", str(closed.root)]) == 4
    assert f"{path}:{len(rows) - 1}: expected a document that fits" in capsys.readouterr().err
    assert path in closed.broken()
