"""`make pull`: what colleagues pushed is taken over whole, or named and not taken over at all."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.closed_workspace import SCRIPTS
from harness.team import Team
from postrun.core import disk

MEMBERS = "audit/team/members"
OBJECTS = "audit/team/objects"


def read_push(team: Team, member: str, number: int = 1) -> Any:
    path = team.hub / MEMBERS / member / f"{number}.json"
    return json.loads(path.read_bytes())


def write_object(team: Team, content: bytes) -> str:
    digest = disk.content_digest(content)
    path = team.hub / OBJECTS / digest[:2] / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def read_object(team: Team, digest: str) -> bytes:
    return (team.hub / OBJECTS / digest[:2] / digest).read_bytes()


def forge_push(team: Team, member: str, change: Callable[[list[bytes]], object]) -> None:
    """Push, as somebody who may write to the shared root, a changed ledger of a member."""
    number = max(int(path.stem) for path in (team.hub / MEMBERS / member).glob("*.json"))
    push = read_push(team, member, number)
    lines = b"".join(read_object(team, part["sha256"]) for part in push["ledger"])
    rows = lines.splitlines()
    change(rows)
    content = b"".join(line + b"\n" for line in rows)
    push["ledger"] = [
        {
            "rows": len(rows),
            "head_sha256": disk.content_digest(rows[-1]),
            "sha256": write_object(team, content),
        }
    ]
    push["number"] = number + 1
    path = team.hub / MEMBERS / member / f"{number + 1}.json"
    path.write_text(json.dumps(push))


def hashed_again(rows: list[bytes], number: int, **changes: object) -> None:
    """Change a row and make every digest after it again."""
    before = None
    for index, line in enumerate(rows):
        row = json.loads(line)
        if index == number:
            row.update(changes)
        row["previous_sha256"] = before
        rows[index] = json.dumps(row, sort_keys=True, ensure_ascii=False).encode()
        before = disk.content_digest(rows[index])


def run_names(team: Team, member: str) -> list[str]:
    return sorted(path.name for path in (team.root(member) / "audit/workstation_runs").iterdir())


def test_both_have_everything(pair: Team) -> None:
    pair.exchange(1)
    assert run_names(pair, "ann") == run_names(pair, "bob")
    assert len(run_names(pair, "ann")) == 2
    assert pair.shown("ann") == pair.shown("bob")
    assert pair.chains("ann") == pair.chains("bob")
    assert pair.verify("ann") == pair.verify("bob") == 0


def test_a_dry_run_writes_nothing(pair: Team) -> None:
    assert pair.push("ann") == 0
    assert pair.push("bob") == 0
    before = pair.workspace("ann").bytes()
    assert pair.pull("ann", "--dry-run") == 0
    assert pair.workspace("ann").bytes() == before


def test_a_rewritten_ledger_is_refused(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    pair.exchange(1)
    before = pair.shown("ann"), pair.chains("ann")
    forge_push(pair, "bob", lambda rows: hashed_again(rows, 0, result="pass", reasons=[]))
    assert pair.pull("ann") == 4
    said = capfd.readouterr().err
    assert "push 2 of bob: expected a ledger that goes on from the 2 rows that we have" in said
    assert (pair.shown("ann"), pair.chains("ann")) == before
    assert pair.verify("ann") == 0


def test_a_ledger_that_was_cut_is_refused(pair: Team) -> None:
    pair.exchange(1)
    before = pair.chains("ann")
    forge_push(pair, "bob", lambda rows: rows.pop())
    assert pair.pull("ann") == 4
    assert pair.chains("ann") == before


def test_a_forged_result_is_refused_at_the_first_pull(pair: Team) -> None:
    assert pair.push("bob") == 0
    forge_push(pair, "bob", lambda rows: hashed_again(rows, 0, result="pass", reasons=[]))
    # Its record holds the rows as they were.
    assert pair.pull("ann") == 4
    assert "bob" not in pair.chains("ann")
    assert len(run_names(pair, "ann")) == 1


def test_a_broken_chain_is_refused(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    assert pair.push("bob") == 0

    def break_chain(rows: list[bytes]) -> None:
        rows[0] = rows[0].replace(b'"fail"', b'"pass"')

    forge_push(pair, "bob", break_chain)
    assert pair.pull("ann") == 4
    assert "row 2: expected number 2 and the digest of the row before" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["production_gates_report.json", "closing_record.json"])
def test_a_file_that_was_edited_there_is_refused(
    pair: Team, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pair.push("bob") == 0
    (path,) = [*pair.root("bob").rglob(name)]
    digest = disk.digest(path)
    (pair.hub / OBJECTS / digest[:2] / digest).write_bytes(path.read_bytes() + b" ")
    assert pair.pull("ann") == 4
    assert f"object {digest[:12]}: expected its bytes, found others" in capfd.readouterr().err
    assert len(run_names(pair, "ann")) == 1
    assert pair.verify("ann") == 0


def test_a_list_that_was_made_to_fit_is_refused(pair: Team) -> None:
    """Somebody edits a report and every digest that he can reach: the record is in the ledger."""
    assert pair.push("bob") == 0
    push = read_push(pair, "bob")
    (run,) = push["runs"]
    listing = json.loads(read_object(pair, run["sha256"]))
    for row in listing["files"]:
        if row["path"].endswith("/production_gates_report.json"):
            row["sha256"] = write_object(pair, read_object(pair, row["sha256"]) + b"\n")
            row["size"] += 1
    run["sha256"] = write_object(pair, json.dumps(listing).encode())
    push["number"] = 2
    (pair.hub / MEMBERS / "bob/2.json").write_text(json.dumps(push))
    assert pair.pull("ann") == 4
    assert len(run_names(pair, "ann")) == 1


@pytest.mark.parametrize(
    "path",
    ["../escaped", "/etc/escaped", "audit/stage_ledger.jsonl", "configs/x", "gate_results/x/y"],
)
def test_a_path_out_of_the_run_is_refused(pair: Team, path: str) -> None:
    assert pair.push("bob") == 0
    push = read_push(pair, "bob")
    (run,) = push["runs"]
    listing = json.loads(read_object(pair, run["sha256"]))
    listing["files"].append({**listing["files"][0], "path": path})
    run["sha256"] = write_object(pair, json.dumps(listing).encode())
    push["number"] = 2
    (pair.hub / MEMBERS / "bob/2.json").write_text(json.dumps(push))
    before = pair.workspace("ann").bytes()
    assert pair.pull("ann", "--member", "ann") == 4
    ours = {path for path in pair.workspace("ann").bytes() if "/.team/" not in path}
    assert ours - before.keys() == {"audit/ledgers/team.json"}


@pytest.mark.parametrize("name", ["..", "Bob", "stage_ledger", "-rf", "b b", "ü", "x" * 32])
def test_a_hostile_name_of_a_member_is_refused(pair: Team, name: str) -> None:
    folder = pair.hub / MEMBERS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "1.json").write_text("{}")
    codes = {pair.pull("ann"), pair.push("ann")}
    # `..` is no name of a folder: the shell's pattern does not list it.
    assert codes == ({0} if name == ".." else {4})
    assert pair.push("bob", "--member", name) == 2


def test_a_missing_object_is_named(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    assert pair.push("bob") == 0
    (path,) = [*pair.root("bob").rglob("context.json")]
    digest = disk.digest(path)
    (pair.hub / OBJECTS / digest[:2] / digest).unlink()
    assert pair.pull("ann") == 6
    assert digest in capfd.readouterr().err
    assert len(run_names(pair, "ann")) == 1


def test_a_bad_push_of_one_does_not_stop_the_others(pair: Team) -> None:
    pair.exchange(1)
    folder = pair.hub / MEMBERS / "aaron"
    folder.mkdir()
    (folder / "1.json").write_text("half a docu")
    assert pair.close("bob", pair.make(3), "-q") == 0
    assert pair.push("bob") == 0
    assert pair.pull("ann") == 4
    assert len(run_names(pair, "ann")) == 3
    assert pair.verify("ann") == 0


def test_what_a_colleague_closed_is_not_changed_here(
    pair: Team, capfd: pytest.CaptureFixture[str]
) -> None:
    pair.exchange(1)
    before = pair.shown("ann")
    made = pair.make(2, passing=False)
    assert pair.close("ann", made, "-q") == 2
    assert "expected a run that this root closed, found one that bob closed" in (
        capfd.readouterr().err
    )
    for script in ("governance_audit_checker", "package_run", "generate_run_review"):
        assert pair.workspace("ann").run(script, made.tag) == 2
    assert pair.shown("ann") == before
    assert pair.verify("ann") == 0


def test_a_later_push_takes_the_place_of_the_earlier(pair: Team) -> None:
    pair.exchange(1)
    made = pair.make(2, passing=False)
    log = made.run_dir(pair.remote) / "run.log"
    log.write_bytes(log.read_bytes() + b"[repair] complete at last\n")
    reason = ("--accept-changed-evidence", "the log was cut", "-q")
    assert pair.close("bob", made, *reason) == 0
    pair.exchange(1)
    assert pair.shown("ann") == pair.shown("bob")
    assert pair.verify("ann") == 0
    former = [*(pair.root("ann") / "audit/aside/bob.former").rglob("closing_record.json")]
    assert len(former) == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_pull_is_finished_by_the_next(pair: Team, seed: int) -> None:
    assert pair.push("ann") == pair.push("bob") == 0
    flags = ["--from", str(pair.hub), "--local-root", str(pair.root("ann"))]
    command = [sys.executable, str(SCRIPTS / "pull_runs.py"), *flags]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(0.5 + 0.35 * seed)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert pair.pull("ann") == pair.pull("bob") == 0
    assert pair.shown("ann") == pair.shown("bob")
    assert pair.verify("ann") == 0
    assert not (pair.root("ann") / "audit/.team/pull").exists()


def test_a_pull_stopped_between_any_two_moves_is_finished(
    pair: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move of a folder fails at the first, the second, ... time; the next pull goes on."""
    assert pair.push("ann") == pair.push("bob") == 0
    whole = Path.rename
    folder = pair.folder
    for stop in range(1, 5):
        again = Team(folder.with_name(f"again{stop}"), pair.members, str(pair.hub))
        shutil.copytree(folder, again.folder, symlinks=True)
        moves = 0

        def rename(path: Path, target: Path, stop: int = stop) -> Path:
            nonlocal moves
            moves += 1
            if moves == stop:
                raise OSError(28, os.strerror(28))
            return whole(path, target)

        monkeypatch.setattr(Path, "rename", rename)
        assert again.pull("ann") == 3
        monkeypatch.undo()
        assert again.pull("ann") == again.pull("bob") == 0
        assert again.shown("ann") == again.shown("bob")
        assert again.verify("ann") == 0


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_no_permission_is_said(pair: Team) -> None:
    assert pair.push("bob") == 0
    pair.root("ann").chmod(0o500)
    try:
        assert pair.pull("ann") == 3
    finally:
        pair.root("ann").chmod(0o700)


@pytest.mark.parametrize("place", ["hub", "s3:", "", ":/x", "-oProxyCommand=x:/y"])
def test_a_place_that_is_none_is_refused(pair: Team, place: str) -> None:
    assert Team(pair.folder, pair.members, place or "x").pull("ann") == 2


def test_a_root_that_is_not_there_is_named(pair: Team) -> None:
    missing = Team(pair.folder, pair.members, "/no/such/folder")
    assert missing.pull("ann") == missing.push("ann") == 3


def test_alone_nothing_changes(pair: Team) -> None:
    """A root without a team has none of its files."""
    names = {path.name for path in (pair.root("ann") / "audit").iterdir()}
    assert not names & {"ledgers", "aside", ".team", "team"}
