"""`make package`: one zip that can be checked without the workspace that it comes from."""

import builtins
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import package_run
from harness.programs import run_script
from harness.sealed import Sealed

CRATE = "ro-crate-metadata.json"


def pack(sealed: Sealed, tag: str = "b", *flags: str) -> int:
    where = ["--tag", tag, "--local-root", str(sealed.root), "--host", "local"]
    return package_run.main([*where, "--remote-root", str(sealed.workspace.remote), *flags])


def packages(sealed: Sealed) -> list[Path]:
    return sorted((sealed.root / "packages").glob("*"))


def unpack(path: Path, folder: Path) -> Path:
    """Unpack with the system's program where there is one: it makes symbolic links again."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def verify(folder: Path) -> tuple[int, list[str]]:
    done = run_script("verify_workspace", "--local-root", str(folder))
    return done.code, done.out.splitlines()


@pytest.fixture
def package(sealed: Sealed, tmp_path: Path) -> Path:
    """Return an unpacked package of a sealed run, of whose workspace nothing is left."""
    sealed.must_seal()
    assert pack(sealed) == 0
    folder = unpack(packages(sealed)[0], tmp_path / "received")
    shutil.rmtree(sealed.root)
    return folder


def test_a_package_has_the_run_its_rows_and_the_seal(package: Path) -> None:
    names = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert {CRATE, "audit/stage_ledger.jsonl", "configs/allowed_signers"} <= names
    assert "audit/seals/1.dsse.json" in names
    folders = {"/".join(name.split("/")[:3]) for name in names if "/" in name}
    (run_folder,) = (package / "audit/workstation_runs").iterdir()
    assert run_folder.name.endswith("_b")
    assert len(folders) == len({folder for folder in folders if "2026" in folder}) + 3
    rows = (package / "audit/stage_ledger.jsonl").read_text().splitlines()
    assert [json.loads(row)["number"] for row in rows] == [3, 4, 5, 6], "up to what was sealed"


def test_it_is_verified_without_the_workspace(package: Path) -> None:
    code, lines = verify(package)
    assert (code, [line for line in lines if line.startswith("broken")]) == (0, [])
    text = "\n".join(lines)
    assert "listed: audit/seals/1.dsse.json: expected a signature of somebody known to" in text
    assert "found hui, SHA256:" in text
    assert "not checked: it is not in the package" in text
    assert run_script("verify_workspace", "--tag", "a", "--local-root", str(package)).code == 5


def test_every_flipped_byte_and_every_lost_file_is_named(package: Path) -> None:
    for path in sorted(package.rglob("*")):
        if not path.is_file() or path.name == CRATE:
            continue
        name = str(path.relative_to(package))
        before = path.read_bytes()
        path.write_bytes(bytes([before[0] ^ 1]) + before[1:] if before else b"x")
        code, lines = verify(package)
        assert code == 4, name
        assert any(line.startswith(f"broken: {name}: ") for line in lines), name
        path.unlink()
        assert verify(package)[0] == 4, name
        path.write_bytes(before)
    assert verify(package)[0] == 0


def test_a_file_that_was_added_is_named(package: Path) -> None:
    (package / "audit/more.txt").write_text("more")
    code, lines = verify(package)
    assert code == 4
    assert "broken: audit/more.txt: expected nothing: the package does not name it" in lines[0]


def drop_row(rows: list[str]) -> list[str]:
    return [rows[0], *rows[2:]]


def edit_row(rows: list[str]) -> list[str]:
    return [rows[0].replace('"result": "pass"', '"result": "fail"'), *rows[1:]]


@pytest.mark.parametrize("change", [drop_row, edit_row])
def test_a_forger_who_describes_the_package_again_meets_the_chain(
    package: Path, change: Callable[[list[str]], list[str]]
) -> None:
    ledger = package / "audit/stage_ledger.jsonl"
    rows = ledger.read_text().splitlines()
    ledger.write_text("\n".join(change(rows)) + "\n")
    document = json.loads((package / CRATE).read_text())
    document["@graph"] = [
        entity for entity in document["@graph"] if entity["@id"] != "audit/stage_ledger.jsonl"
    ]
    (package / CRATE).write_text(json.dumps(document))
    code, lines = verify(package)
    assert code == 4
    assert any("with the digest of row 3" in line for line in lines)


def test_the_same_files_make_the_same_bytes(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed.must_seal()
    capsys.readouterr()
    assert pack(sealed) == 0
    (first,) = packages(sealed)
    before = first.read_bytes()
    shown = capsys.readouterr()
    assert shown.out == f"{first}\n"
    assert shown.err.startswith("package: ")
    assert shown.err.endswith(" files, rows 3 to 6 of the ledger, seal 1\n")
    for path in sealed.root.rglob("*"):
        os.utime(path, (0, 0))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert pack(sealed) == 0
    assert packages(sealed) == [first]
    assert first.read_bytes() == before


def test_another_package_does_not_replace_it(sealed: Sealed) -> None:
    assert pack(sealed) == 0
    before = {path: path.read_bytes() for path in packages(sealed)}
    sealed.must_seal()
    assert pack(sealed) == 0
    assert len(packages(sealed)) == 2
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_that_is_not_sealed_says_so(
    sealed: Sealed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack(sealed) == 0
    assert "rows 3 to 4 of the ledger, no seal yet" in capsys.readouterr().err
    code, lines = verify(unpack(packages(sealed)[0], tmp_path / "received"))
    assert code == 0
    assert any("only the package vouches for it" in line for line in lines)


def test_a_changed_run_is_not_packed(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    audit = sealed.record("b").with_name("governance_audit_check.md")
    audit.write_bytes(audit.read_bytes() + b"\n")
    assert pack(sealed) == 4
    assert "governance_audit_check.md: expected the file that was recorded, found another" in (
        capsys.readouterr().err
    )
    assert packages(sealed) == []


def test_a_dry_run_packs_nothing(sealed: Sealed, capsys: pytest.CaptureFixture[str]) -> None:
    assert pack(sealed, "b", "--dry-run") == 0
    assert "would pack" in capsys.readouterr().err
    assert not (sealed.root / "packages").exists()


def test_the_library_that_is_missing_is_one_line(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("rocrate"):
            raise ModuleNotFoundError("no", name="rocrate")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert pack(sealed) == 3
    assert capsys.readouterr().err == (
        "package rocrate: expected it in this Python, found nothing; run `make setup-package`\n"
    )
    assert not (sealed.root / "packages").exists()


def test_unzip_takes_it(sealed: Sealed, tmp_path: Path) -> None:
    """The user's own program, with links and names that need escaping in addresses."""
    unzip = shutil.which("unzip")
    if unzip is None:
        pytest.skip("unzip is not installed")
    assert pack(sealed) == 0
    command = [unzip, "-q", str(packages(sealed)[0]), "-d", str(tmp_path / "received")]
    subprocess.run(command, check=True)
    assert verify(tmp_path / "received")[0] == 0
