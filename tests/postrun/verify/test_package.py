"""What cannot be checked in a package is listed. See also tests/scripts/test_package_run.py."""

from pathlib import Path

from postrun.store import crate
from postrun.store.crate import Description, PackagedFile
from postrun.verify import files, ledger_rows, package
from postrun.verify.findings import Kind

ABOUT = Description("Run a", "Result pass.", "2026-02-21T10:00:00Z")


def make(root: Path, *described: PackagedFile) -> None:
    (root / crate.FILE).write_bytes(crate.encode(ABOUT, described, []))


def broken(root: Path) -> list[tuple[str, str]]:
    findings = package.check(root, ledger_rows.read(root))
    return [(found.file, found.actual) for found in findings if found.kind is Kind.BROKEN]


def test_its_description_tells_a_package_from_a_workspace(tmp_path: Path) -> None:
    assert not package.is_package(tmp_path)
    make(tmp_path)
    assert package.is_package(tmp_path)
    table = tmp_path / "audit/factor_registry/factor_experiment_registry.csv"
    table.parent.mkdir(parents=True)
    table.touch()
    assert not package.is_package(tmp_path)


def test_files_are_compared_with_the_description(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    make(
        tmp_path,
        PackagedFile("a", 1, files.of_bytes(b"a"), "right"),
        PackagedFile("b", 1, files.of_bytes(b"c"), "changed"),
        PackagedFile("c", 1, files.of_bytes(b"c"), "gone"),
    )
    (tmp_path / "d").write_text("d")
    assert broken(tmp_path) == [
        ("b", files.shown(files.of_bytes(b"b"))),
        ("c", "nothing there"),
        ("d", "a file"),
        ("audit/stage_ledger.jsonl", "nothing there"),
    ]


def test_a_broken_description_is_named(tmp_path: Path) -> None:
    (tmp_path / crate.FILE).write_text("{")
    (first, *_) = broken(tmp_path)
    assert first[0] == crate.FILE


def test_what_is_elsewhere_is_listed(tmp_path: Path) -> None:
    make(tmp_path)
    findings = list(package.check(tmp_path, ledger_rows.read(tmp_path)))
    shown = "\n".join(map(str, findings))
    assert "no row was added, dropped or changed before the first" in shown
    assert "only the package vouches for it" in shown
