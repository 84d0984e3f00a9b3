"""`make choose-closing`: the same run closed differently by two, and a person decides."""

import json

import pytest

import ask_workspace
import seal_ledger
from harness.factory import Documents
from harness.team import Team
from postrun.store import csv_files, json_files, ledger

REGISTRY = "factor_experiment_registry"


@pytest.fixture
def disputed(pair: Team) -> tuple[Team, Documents]:
    """Give a run that ann closed while it lacked its report, and bob when it was whole."""
    made = pair.make(6)
    gates = made.gate_dir(pair.remote)
    gates.rename(gates.with_name("hidden"))
    reason = ("--abandoned", "the power went", "-q")
    assert pair.close("ann", made, *reason) == 1
    gates.with_name("hidden").rename(gates)
    assert pair.close("bob", made, "-q") == 0
    for member in pair.members:
        assert pair.push(member) == 0
    return pair, made


def decision_on(team: Team, member: str, made: Documents) -> str:
    path = team.root(member) / f"audit/factor_registry/{REGISTRY}.csv"
    for row in csv_files.read_rows(path, json_files.columns(REGISTRY)):
        if row["run"] == made.run_folder:
            return str(row["decision"])
    return ""


def test_until_somebody_chooses_the_worse_counts(
    disputed: tuple[Team, Documents], capfd: pytest.CaptureFixture[str]
) -> None:
    team, made = disputed
    assert decision_on(team, "bob", made) != decision_on(team, "ann", made)
    for member in team.members:
        assert team.pull(member) == 1
        said = capfd.readouterr().err
        assert f"{made.run_folder}: closed differently by several members" in said
        assert ledger.open_runs(team.root(member)) == [made.run_folder]
        assert (ledger.decision(team.root(member), made.run_folder) or {})["result"] == "fail"
        assert team.verify(member) == 0
        assert "expected one decision by all members" in capfd.readouterr().out
    assert team.shown("ann") == team.shown("bob")
    assert decision_on(team, "bob", made) == decision_on(team, "ann", made)
    # Bob's is kept in both roots, whole.
    for member in team.members:
        aside = team.root(member) / "audit/aside/bob/audit/workstation_runs" / made.run_folder
        assert (aside / "closing_record.json").exists()


@pytest.mark.parametrize("chooser", ["ann", "bob"])
@pytest.mark.parametrize("chosen", ["ann", "bob"])
def test_all_roots_follow_a_choice(
    disputed: tuple[Team, Documents], chooser: str, chosen: str
) -> None:
    team, made = disputed
    for member in team.members:
        assert team.pull(member) == 1
    assert team.choose(chooser, made, chosen) == 0
    assert team.verify(chooser) == 0
    team.exchange(1)
    for member in team.members:
        assert team.pull(member) == 0
        assert ledger.open_runs(team.root(member)) == []
        result = (ledger.decision(team.root(member), made.run_folder) or {})["result"]
        assert result == {"ann": "fail", "bob": "pass"}[chosen]
        assert team.verify(member) == 0
    assert team.shown("ann") == team.shown("bob")


def test_the_newest_of_two_choices_counts(
    disputed: tuple[Team, Documents], monkeypatch: pytest.MonkeyPatch
) -> None:
    team, made = disputed
    for member in team.members:
        assert team.pull(member) == 1
    assert team.choose("ann", made, "ann") == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert team.choose("bob", made, "bob") == 0
    monkeypatch.undo()
    team.exchange(1)
    for member in team.members:
        result = (ledger.decision(team.root(member), made.run_folder) or {})["result"]
        assert result == "pass"
    assert team.shown("ann") == team.shown("bob")


def test_there_must_be_something_to_choose(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    pair.exchange(1)
    made = pair.make(1)
    assert pair.choose("ann", made, "bob") == 2
    assert "expected one of several who closed" in capfd.readouterr().err


def test_the_same_decision_by_two_is_one(pair: Team) -> None:
    made = pair.make(6)
    assert pair.close("bob", made, "-q") == pair.close("ann", made, "-q") == 0
    pair.exchange(1)
    for member in pair.members:
        assert ledger.open_runs(pair.root(member)) == []
        assert pair.verify(member) == 0
    assert pair.shown("ann") == pair.shown("bob")


def test_a_seal_names_every_head(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    import subprocess

    pair.exchange(1)
    key = pair.folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True)
    root = pair.root("ann")
    assert seal_ledger.main(["--local-root", str(root), "--key", str(key)]) == 0
    assert pair.verify("ann") == 0
    # Somebody rewrites bob's chain here: the seal has its head.
    path = root / "audit/ledgers/bob.jsonl"
    first, *_ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first)
    capfd.readouterr()
    assert pair.verify("ann") == 4
    assert "audit/ledgers/bob.jsonl" in capfd.readouterr().out


def test_verify_names_a_broken_chain(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    pair.exchange(1)
    path = pair.root("ann") / "audit/ledgers/bob.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"fail"', b'"pass"', 1))
    capfd.readouterr()
    assert pair.verify("ann") == 4
    lines = capfd.readouterr().out.splitlines()
    assert any(line.startswith("broken: audit/ledgers/bob.jsonl") for line in lines)
    assert not any("audit/stage_ledger.jsonl: expected an intact" in line for line in lines)


def test_a_lost_ledger_is_put_together_in_a_team(pair: Team) -> None:
    import restore_ledger

    pair.exchange(1)
    path = pair.root("ann") / "audit/stage_ledger.jsonl"
    before = path.read_bytes()
    path.unlink()
    assert restore_ledger.main(["--local-root", str(pair.root("ann"))]) == 0
    assert path.read_bytes() == before
    assert pair.verify("ann") == 0


def test_a_question_shows_the_member(pair: Team, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("duckdb")
    pair.exchange(1)
    capfd.readouterr()
    sql = "select member, count(*) as n from ledger group by member order by member"
    flags = ["--sql", sql, "--format", "json", "--local-root", str(pair.root("ann"))]
    assert ask_workspace.main(flags) == 0
    rows = json.loads(capfd.readouterr().out)
    assert [(row["member"], row["n"]) for row in rows] == [("ann", 2), ("bob", 2)]


@pytest.mark.parametrize("content", [b"half a line", b"no row\n", b"\xff\xfe\n"])
def test_a_copy_that_is_no_ledger_is_named(
    pair: Team, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    pair.exchange(1)
    (pair.root("ann") / "audit/ledgers/bob.jsonl").write_bytes(content)
    capfd.readouterr()
    assert pair.verify("ann") == 4
    assert "audit/ledgers/bob.jsonl" in capfd.readouterr().out
    # Nothing is added to a ledger as long as a chain is broken.
    assert pair.close("ann", pair.make(9), "-q") == 4
