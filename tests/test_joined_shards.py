"""Rebuild and verify in shards: what the join writes and prints is what it would be without.

Three closed runs, cut into parts; each shard is a call of its own. What is wrong with a shard is
provoked in its file, in a run, or in the workspace.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.programs import Ended, Program, run_script, run_without_root_rights
from harness.verified import ClosedRuns
from postrun.core import disk, version
from postrun.store import shard_files, shards

REGISTRY, PATTERNS = "update_factor_experiment_registry", "update_failure_pattern_db"
VERIFY = "verify_workspace"
READINGS = {REGISTRY: "factor-registry", PATTERNS: "failure-patterns"}
Flags = tuple[str, ...]


def where(closed: ClosedRuns) -> Flags:
    return "--local-root", str(closed.root)


def rebuild(closed: ClosedRuns, *flags: str, script: str = REGISTRY) -> Ended:
    return run_script(script, "--rebuild", *where(closed), *flags)


def read_shards(closed: ClosedRuns, of: int, script: str = REGISTRY) -> None:
    for number in range(1, of + 1):
        done = rebuild(closed, "--shard", f"{number}/{of}", script=script)
        assert done.code == 0, done.err


def file_of(
    closed: ClosedRuns, number: int, of: int, kind: str = "rebuild-factor-registry"
) -> Path:
    return shard_files.own_folder(closed.root) / f"{kind}-{of}" / f"{number}.jsonl"


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of a workspace but locks and caches, by its path from the root."""
    files = {}
    for path in root.rglob("*"):
        if path.is_file() and not {".locks", ".cache"} & {*path.parts}:
            files[str(path.relative_to(root))] = path.read_bytes()
    return files


@pytest.fixture
def rebuilt(closed: ClosedRuns) -> dict[str, bytes]:
    """Return the files of the workspace after a rebuild without shards; spoil its tables."""
    for script in READINGS:
        assert rebuild(closed, script=script).code == 0
    wanted = contents(closed.root)
    for name in ("factor_experiment_registry", "trial_statistics", "failure_patterns"):
        (closed.root / closed.path(name)).unlink()
    return wanted


@pytest.mark.parametrize("of", [1, 2, 3, 8])
def test_a_join_writes_the_bytes_of_a_rebuild(
    closed: ClosedRuns, rebuilt: dict[str, bytes], of: int
) -> None:
    """With more shards than runs some are empty."""
    for script, name in READINGS.items():
        read_shards(closed, of, script)
        done = rebuild(closed, "--join", str(of), script=script)
        assert (done.code, done.err.count(name)) == (0, 1), done.err
    assert contents(closed.root) == rebuilt


@pytest.mark.usefixtures("rebuilt")
def test_nothing_is_published_before_the_join(closed: ClosedRuns) -> None:
    before = contents(closed.root)
    read_shards(closed, 2)
    assert contents(closed.root) == before


def test_a_join_is_verified_like_a_rebuild(closed: ClosedRuns) -> None:
    read_shards(closed, 2)
    assert rebuild(closed, "--join", "2").code == 0
    done = run_script(VERIFY, *where(closed), "-q")
    assert done == Ended(0, "", "")


def test_a_shard_that_is_done_is_not_done_again(closed: ClosedRuns) -> None:
    read_shards(closed, 2)
    path = file_of(closed, 1, 2)
    written = path.stat()
    done = rebuild(closed, "--shard", "1/2")
    assert "factor-registry: shard 1/2 was done already, 1 run" in done.err
    assert path.stat().st_ino == written.st_ino


def test_shards_are_joined_once(closed: ClosedRuns) -> None:
    read_shards(closed, 2)
    content = file_of(closed, 2, 2).read_bytes()
    assert rebuild(closed, "--join", "2").code == 0
    done = rebuild(closed, "--join", "2")
    assert done.code == 3
    for number in (1, 2):
        thing = f"shard {number}/2 of factor-registry ({file_of(closed, number, 2)})"
        assert f"{thing}: expected its result, found none; run it again" in done.err
    assert (file_of(closed, 2, 2).parent / "joined/2.jsonl").read_bytes() == content


def test_a_dry_join_sets_nothing_aside(closed: ClosedRuns, rebuilt: dict[str, bytes]) -> None:
    read_shards(closed, 2)
    assert rebuild(closed, "--join", "2", "--dry-run").code == 0
    assert contents(closed.root) != rebuilt
    assert rebuild(closed, "--join", "2").code == 0
    assert contents(closed.root)[closed.path("trial_statistics")]


def test_two_joins_at_once(closed: ClosedRuns, rebuilt: dict[str, bytes]) -> None:
    """One waits for the other's lock, and then finds that its shards were joined."""
    read_shards(closed, 3)
    read_shards(closed, 3, PATTERNS)
    flags = ["--rebuild", "--join", "3", *where(closed)]
    joins = [Program(f"{REGISTRY}.py", flags) for _ in range(2)]
    codes = sorted(join.end() for join in joins)
    assert codes == [0, 3]
    assert rebuild(closed, "--join", "3", script=PATTERNS).code == 0
    assert contents(closed.root) == rebuilt


# What is wrong with the file of a shard: how it is made, exit code and line.
def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"is_trial": true', b'"is_trial": false'))


def _of_another_number(path: Path) -> None:
    shutil.copy(path.with_name("1.jsonl"), path)


def _of_other_version(path: Path) -> None:
    own = version.program_version().encode()
    path.write_bytes(path.read_bytes().replace(own, b"0.0.9", 1))


def _writable_by_all(path: Path) -> None:
    path.chmod(0o666)


def _link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _nan(path: Path) -> None:
    first, _, body = path.read_bytes().partition(b"\n")
    rows = [json.loads(line) for line in body.splitlines()]
    rows[0][3]["total"] = float("nan")
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    _with_digest(path, json.loads(first), body)


def _with_digest(path: Path, header: dict[str, object], body: bytes) -> None:
    header["sha256"] = disk.content_digest(body)
    path.write_bytes(json.dumps(header).encode() + b"\n" + body)


def _no_rows(path: Path) -> None:
    first, _, _ = path.read_bytes().partition(b"\n")
    _with_digest(path, json.loads(first), b"[1]\n")


BROKEN: tuple[tuple[Callable[[Path], None], int, str], ...] = (
    (Path.unlink, 3, "expected its result, found none; run it again"),
    (_halve, 4, "expected a whole file, as its first line says, found another; run it again"),
    (_empty, 4, "expected a whole file"),
    (_binary, 4, "expected a whole file"),
    (_edit, 4, "expected a whole file"),
    (_of_another_number, 4, "expected shard 2/3, found '1/3'"),
    (_of_other_version, 4, "expected the program's version "),
    (_writable_by_all, 4, "expected a file and folders that only this account may write"),
    (_link, 4, "expected a file and folders that only this account may write"),
    (_fifo, 3, "expected a file that can be read, found a FIFO"),
    (_nan, 4, "expected rows of runs"),
    (_no_rows, 4, "expected rows of runs"),
)


@pytest.mark.parametrize(("spoil", "code", "line"), BROKEN)
def test_a_broken_shard_is_named_and_done_again(
    closed: ClosedRuns,
    rebuilt: dict[str, bytes],
    spoil: Callable[[Path], None],
    code: int,
    line: str,
) -> None:
    read_shards(closed, 3)
    spoil(file_of(closed, 2, 3))
    before = contents(closed.root)
    done = rebuild(closed, "--join", "3")
    assert (done.code, len(done.err.splitlines())) == (code, 1), done.err
    assert line in done.err
    assert "factor-registry" in done.err
    assert contents(closed.root) == before
    again = rebuild(closed, "--shard", "2/3")
    assert (again.code, "shard 2/3 done" in again.err) == (0, True)
    assert rebuild(closed, "--join", "3").code == 0
    assert (
        contents(closed.root)[closed.path("factor_experiment_registry")]
        == (rebuilt[closed.path("factor_experiment_registry")])
    )


def test_all_broken_shards_are_named(closed: ClosedRuns) -> None:
    read_shards(closed, 3)
    for number in (1, 3):
        file_of(closed, number, 3).unlink()
    done = rebuild(closed, "--join", "3")
    assert done.code == 3
    assert [line[:9] for line in done.err.splitlines()] == ["shard 1/3", "shard 3/3"]


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (("--shard", "4/3"), "'4/3'"),
        (("--shard", "0/3"), "'0/3'"),
        (("--shard", "nan/3"), "'nan/3'"),
        (("--shard=-1/3",), "'-1/3'"),
        (("--shard", "1"), "'1'"),
        (("--shard", ""), "''"),
        (("--shard", "1/1e3"), "'1/1e3'"),
        (("--shard", "\u0661/\u0663"), "'\u0661/\u0663'"),
        (("--join", "0"), "'0'"),
        (("--join", "NaN"), "'NaN'"),
        (("--join", "3", "--shard", "1/3"), "not allowed with"),
    ],
)
@pytest.mark.parametrize("script", [REGISTRY, VERIFY])
def test_wrong_numbers(closed: ClosedRuns, script: str, flags: Flags, found: str) -> None:
    rebuilding = ("--rebuild",) if script == REGISTRY else ()
    done = run_script(script, *rebuilding, *where(closed), *flags)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert found in done.err


def test_shards_are_of_a_rebuild_or_of_all_runs(closed: ClosedRuns) -> None:
    done = run_script(REGISTRY, *where(closed), "--tag", "run0", "--shard", "1/3")
    assert (done.code, done.err) == (
        2,
        "--shard: expected --rebuild beside it, found none\n",
    )
    done = run_script(VERIFY, *where(closed), "--tag", "run0", "--join", "3")
    assert (done.code, done.err) == (2, "--join: expected all runs, found --tag run0\n")


def test_a_run_that_changed_since_is_named(closed: ClosedRuns) -> None:
    read_shards(closed, 3)
    path = closed.root / closed.path("production_gates_run_review", 1)
    content = path.read_bytes()
    path.write_bytes(content)
    done = rebuild(closed, "--join", "3")
    run = closed.made[1].run_folder
    assert done.code == 4
    assert f"found 1 run changed since, the first is {run}; run it again" in done.err
    assert rebuild(closed, "--shard", "2/3").err.startswith("factor-registry: shard 2/3 done")
    assert rebuild(closed, "--join", "3").code == 0


@pytest.mark.parametrize("name", ["ledger", "run"])
def test_shards_of_another_cut_are_refused(closed: ClosedRuns, name: str) -> None:
    read_shards(closed, 2)
    if name == "ledger":
        assert run_script("seal_ledger", *where(closed)).code != 0
        closed.edit("audit/stage_ledger.jsonl", lambda content: content.replace(b"\n", b"\r\n"))
    else:
        folder = closed.root / "audit/workstation_runs/2026-03-01_031500_production_gates_new"
        folder.mkdir()
        (folder / "governance_remediation_plan.json").write_text("{}")
    done = rebuild(closed, "--join", "2")
    assert done.code == 4
    for number in (1, 2):
        assert f"shard {number}/2 of factor-registry" in done.err
    assert "expected the cut of today's runs, ledger, program and policies, " in done.err


@pytest.mark.usefixtures("rebuilt")
def test_an_edited_run_is_named_by_its_shard_and_by_the_join(closed: ClosedRuns) -> None:
    path = closed.path("governance_audit_check", 1)
    good = (closed.root / path).read_bytes()
    closed.edit(path, lambda content: content.replace(b'"passed": ', b'"passed":  ', 1))
    before = contents(closed.root)
    local = rebuild(closed)
    one = rebuild(closed, "--shard", "1/2")
    two = rebuild(closed, "--shard", "2/2")
    assert sorted((one.code, two.code)) == [0, 4]
    joined = rebuild(closed, "--join", "2")
    assert (joined.code, joined.err) == (4, local.err)
    assert path in joined.err
    assert contents(closed.root) == before
    (closed.root / path).write_bytes(good)
    done = rebuild(closed, "--join", "2")
    assert (done.code, "changed since" in done.err) == (4, True)
    read_shards(closed, 2)
    assert rebuild(closed, "--join", "2").code == 0


def forge(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change each row of a shard, and put its digest right."""
    first, _, body = path.read_bytes().partition(b"\n")
    rows = [json.loads(line) for line in body.splitlines()]
    for row in rows:
        change(row[3])
    body = b"".join(json.dumps(row, sort_keys=True).encode() + b"\n" for row in rows)
    _with_digest(path, json.loads(first), body)


@pytest.mark.usefixtures("rebuilt")
def test_a_forged_row_is_not_published(closed: ClosedRuns) -> None:
    read_shards(closed, 3)
    forge(file_of(closed, 2, 3), lambda row: row.update(overall_pass=True, total=99.0))
    before = contents(closed.root)
    done = rebuild(closed, "--join", "3")
    run = closed.made[1].run_folder
    assert done.code == 4
    assert f"expected of run {run} what its folders give, found something else" in done.err
    assert contents(closed.root) == before


def test_a_forged_promotion_is_read_again_whatever_chance_chose(
    closed: ClosedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "READ_AGAIN", 0)
    assert rebuild(closed).code == 0
    read_shards(closed, 3)
    forge(file_of(closed, 1, 3), lambda row: row.update(owner="nobody"))
    promoted = closed.made[0].run_folder
    monkeypatch.setattr("update_factor_experiment_registry._promoted", lambda _: [promoted])
    before = contents(closed.root)
    done = rebuild(closed, "--join", "3")
    assert (done.code, f"of run {promoted}" in done.err) == (4, True)
    assert contents(closed.root) == before


def test_no_permission(closed: ClosedRuns) -> None:
    caches = closed.root / "audit/.cache"
    caches.mkdir(exist_ok=True)
    caches.chmod(0o500)
    done = run_without_root_rights(REGISTRY, "--rebuild", *where(closed), "--shard", "1/2")
    assert (done.code, len(done.err.splitlines())) == (3, 1)
    assert "expected a place that can be written to" in done.err


def verify_shards(closed: ClosedRuns, of: int) -> list[Ended]:
    flags = where(closed)
    return [run_script(VERIFY, *flags, "--shard", f"{n}/{of}") for n in range(1, of + 1)]


def _whole(_: ClosedRuns) -> None:
    pass


def _edit_audit(closed: ClosedRuns) -> None:
    path = closed.path("governance_audit_check")
    closed.edit(path, lambda content: content.replace(b'"passed": true', b'"passed": false', 1))


def _edit_table(closed: ClosedRuns) -> None:
    closed.edit(closed.path("trial_statistics"), lambda content: content.replace(b"0.", b"1.", 1))


def _add_stray(closed: ClosedRuns) -> None:
    (closed.root / "audit/workstation_runs" / closed.made[1].run_folder / "governance").touch()


def _edit_ledger(closed: ClosedRuns) -> None:
    closed.edit("audit/stage_ledger.jsonl", lambda content: content.replace(b'"fail"', b'"pass"'))


def _lose_run(closed: ClosedRuns) -> None:
    shutil.rmtree(closed.root / "audit/workstation_runs" / closed.made[2].run_folder)


SPOILED = (_whole, _edit_audit, _edit_table, _add_stray, _edit_ledger, _lose_run)


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_joined_verification_prints_the_same(
    closed: ClosedRuns, spoil: Callable[[ClosedRuns], None]
) -> None:
    spoil(closed)
    alone = run_script(VERIFY, *where(closed))
    as_json = run_script(VERIFY, *where(closed), "--json")
    assert (alone.code == 0) == (spoil is _whole)
    before = contents(closed.root)
    codes = [done.code for done in verify_shards(closed, 2)]
    assert set(codes) <= {0, 4}
    joined = run_script(VERIFY, *where(closed), "--join", "2")
    assert joined == alone
    verify_shards(closed, 2)
    again = run_script(VERIFY, *where(closed), "--join", "2", "--json")
    documents = [json.loads(done.out) for done in (again, as_json)]
    for document in documents:
        del document["generated_at"]
    assert documents[0] == documents[1]
    assert contents(closed.root) == before


def test_a_shard_of_a_verification_names_what_is_broken(closed: ClosedRuns) -> None:
    _edit_audit(closed)
    one, *others = verify_shards(closed, 3)
    path = closed.path("governance_audit_check")
    assert (one.code, f"broken: {path}: expected " in one.out) == (4, True)
    assert [done.code for done in others] == [0, 0]
    # What is broken is looked at again, what is whole is not.
    one, two, _ = verify_shards(closed, 3)
    assert "was done already" not in one.err
    assert "shard 2/3 was done already" in two.err


def test_a_verification_does_not_believe_the_shards_of_a_rebuild(closed: ClosedRuns) -> None:
    read_shards(closed, 2)
    done = run_script(VERIFY, *where(closed), "--join", "2")
    assert (done.code, "shard 1/2 of runs" in done.err) == (3, True)


@pytest.mark.parametrize("name", ["trial_statistics", "workspace_record"])
def test_a_table_that_changed_since_is_another_cut_of_a_verification(
    closed: ClosedRuns, name: str
) -> None:
    """The checks of a run read the tables."""
    verify_shards(closed, 2)
    read_shards(closed, 2)
    closed.edit(closed.path(name), lambda content: content + b" ")
    done = run_script(VERIFY, *where(closed), "--join", "2")
    assert (done.code, "expected the cut of today's runs" in done.err) == (4, True)
    # What a rebuild makes again is no input of it.
    assert rebuild(closed, "--join", "2").code == 0


def test_a_forged_finding_is_noticed(closed: ClosedRuns) -> None:
    _edit_audit(closed)
    verify_shards(closed, 3)
    path = file_of(closed, 1, 3, "verify-runs")
    forge(path, lambda result: result.update(findings=[]))
    done = run_script(VERIFY, *where(closed), "--join", "3")
    assert (done.code, "what its folders give" in done.err) == (4, True)


def test_a_killed_shard_leaves_nothing_that_counts(closed: ClosedRuns) -> None:
    """An unfinished file is no shard; the next one clears it away once it is old."""
    read_shards(closed, 2)
    path = file_of(closed, 1, 2)
    unfinished = path.with_name(f".{path.name}.99999999.0123abcd.tmp")
    path.rename(unfinished)
    os.utime(unfinished, (1e9, 1e9))
    assert rebuild(closed, "--join", "2").code == 3
    assert rebuild(closed, "--shard", "1/2").code == 0
    assert not unfinished.exists()
    assert rebuild(closed, "--join", "2").code == 0
