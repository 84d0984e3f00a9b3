"""The plan and its execution, on the sample workstation's layout and over a real sshd."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import execute_next_run_plan
import generate_next_run_plan as planner
import post_run_sync_and_finalize as conductor
from harness import factory, tampering
from harness.factory import Documents
from harness.golden import Golden
from harness.sshd import Sshd
from harness.workspace import location_flags
from postrun.core import disk, locations
from postrun.decide import planning

LAUNCHER = """#!/usr/bin/env bash
env | grep '^DQ_' | sort > variables.txt
printf '%s\\n' "$@" > launched.txt
echo "run folder made"
exit "${LAUNCHER_CODE:-0}"
"""


def equip(remote: Path) -> None:
    """Put everything on the workstation that a command of a factory run needs."""
    files = ("data/prices.csv", "configs/strategies/base.yaml", "runs/freeze/base.freeze.json")
    for name in files:
        factory.put(remote / name, "x")
    factory.put(remote / planning.LAUNCHER, LAUNCHER)


def where(remote: Path, local: Path, host: str = "local") -> list[str]:
    return [*location_flags(remote, local, host)]


def close(remote: Path, local: Path, tag: str) -> None:
    conductor.main(["--tag", tag, *where(remote, local)])


def plan(local: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        locations.workspace_path(local, "next_run_plan").read_text()
    )
    return document


def put_plan(local: Path, text: str, with_record: bool) -> None:
    """Replace the plan; also in the workspace's record, as somebody would who knows of it."""
    path = locations.workspace_path(local, "next_run_plan")
    path.write_text(text)
    if not with_record:
        return
    record = local / "audit/workspace_record.json"
    document = json.loads(record.read_bytes())
    for row in document["files"]:
        if row["path"] == path.relative_to(local).as_posix():
            row["sha256"] = disk.sha256(path)
    record.write_bytes(tampering.encode(tampering.with_own_digest(document)))


def execute(remote: Path, local: Path, *flags: str, rank: int = 1, host: str = "local") -> int:
    return execute_next_run_plan.main(["--rank", str(rank), *where(remote, local, host), *flags])


@pytest.fixture
def closed(remote: Path, local: Path) -> Path:
    """Close one passing run of an equipped workstation; give the workspace."""
    equip(remote)
    factory.make_run(remote)
    close(remote, local, factory.TAG)
    return local


def test_a_command_is_made_of_the_source_runs_inputs(closed: Path) -> None:
    (command,) = plan(closed)["commands"]
    argv = command["argv"]
    assert argv[:6] == [
        "bash",
        planning.LAUNCHER,
        "--workflow",
        "production_gates",
        "--tag",
        command["tag"],
    ]
    assert command["tag"] == "committee_2026-02-21_run1"
    own, program = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    assert own[own.index("--dq-input-csv") + 1] == "data/prices.csv"
    assert "--require-clean" in own
    assert program[:2] == ["--strategy", "configs/strategies/base.yaml"]
    assert program[program.index("--factor") + 1] == "momentum_12_1"
    assert not [
        word
        for word in program
        if word.startswith(("--skip", "--dry", "--decision-tag", "--notes"))
    ]
    assert command["blocked_by"] == command["unchecked"] == []


def test_the_line_on_the_page_reads_back_as_the_arguments(closed: Path) -> None:
    page = locations.workspace_path(closed, "next_run_plan", ".md").read_text()
    (command,) = plan(closed)["commands"]
    line = next(line for line in page.splitlines() if line.startswith("`env "))
    words = planning.with_environment(command["argv"], command["environment"])
    assert shlex.split(line.strip("`")) == words
    assert "Data-quality settings, as in the source run: `DQ_DATE_COLUMN=date DQ_KEY_" in page


@pytest.mark.parametrize(
    "gone", ["data/prices.csv", "runs/freeze/base.freeze.json", planning.LAUNCHER]
)
def test_a_file_that_is_not_there_blocks_by_name(
    remote: Path, closed: Path, gone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (remote / gone).rename(remote / "elsewhere")
    assert planner.main(where(remote, closed)) == 0
    (command,) = plan(closed)["commands"]
    assert command["blocked_by"] == [f"{gone} is not on the workstation"]
    assert execute(remote, closed) == 3
    assert gone in capsys.readouterr().err
    assert not (remote / "launched.txt").exists()


def test_a_workstation_that_does_not_answer_blocks_nothing(closed: Path) -> None:
    assert planner.main(where(Path("/nowhere/at/all"), closed)) == 0
    document = plan(closed)
    assert document["workstation_answered"] is False
    (command,) = document["commands"]
    assert command["blocked_by"] == []
    assert "data/prices.csv not checked: the workstation did not answer" in command["unchecked"]


def no_data_file(made: Documents) -> None:
    made.context.update(data_quality_input_csv="")


def no_threads(made: Documents) -> None:
    del made.context["threads"]


@pytest.mark.parametrize(
    ("change", "unknown"), [(no_data_file, "data file"), (no_threads, "number of threads")]
)
def test_what_nobody_recorded_leaves_no_command(
    remote: Path,
    local: Path,
    change: Callable[[Documents], None],
    unknown: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    equip(remote)
    made = factory.make_run(remote, change=change)
    close(remote, local, factory.TAG)
    (command,) = plan(local)["commands"]
    assert command["argv"] is None
    assert command["blocked_by"] == [f"{unknown} of {made.run_folder} is unknown"]
    assert execute(remote, local) == 3
    assert unknown in capsys.readouterr().err


def test_a_tag_that_any_run_has_is_not_proposed(remote: Path, closed: Path) -> None:
    for number, root in ((1, remote), (2, closed), (3, remote)):
        (
            root
            / locations.RUNS
            / f"2026-02-21_09000{number}_production_gates_committee_2026-02-21_run{number}"
        ).mkdir()
    assert planner.main(where(remote, closed)) == 0
    (command,) = plan(closed)["commands"]
    assert command["tag"] == "committee_2026-02-21_run5"  # 4 is the source run's own


def test_failed_gates_come_with_hypotheses(remote: Path, local: Path) -> None:
    factory.make_run(remote, passing=False)
    close(remote, local, factory.TAG)
    (command,) = plan(local)["commands"]
    assert [gate["gate"] for gate in command["failed_gates"]] == [
        "wf_gate_positive_mean",
        "wf_gate_pos_ratio",
    ]
    assert [row["about"] for row in command["hypotheses"]] == [
        "wf_gate_positive_mean",
        "wf_gate_pos_ratio",
    ]


def test_a_gate_that_is_false_is_not_shown_as_unmeasured(remote: Path, local: Path) -> None:
    def insignificant(made: Documents) -> None:
        made.report["statistical_gates"]["factor_gate_pass"] = False

    factory.make_run(remote, insignificant)
    close(remote, local, factory.TAG)
    (command,) = plan(local)["commands"]
    (gate,) = command["failed_gates"]
    assert (gate["observed"], gate["threshold"], gate["margin"]) == (False, True, None)
    page = locations.workspace_path(local, "next_run_plan", ".md").read_text()
    assert "`statistical_gates.factor_gate_pass` is no, threshold is yes" in page


def test_the_page_is_the_golden_one(remote: Path, local: Path, golden: Golden) -> None:
    factory.make_run(remote, passing=False)
    close(remote, local, factory.TAG)
    page = locations.workspace_path(local, "next_run_plan", ".md").read_text()
    golden("next_run_plan.md", page)


def test_a_plan_without_a_queue_is_refused(
    remote: Path, local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planner.main(where(remote, local)) == 3
    assert "factor_candidate_queue.csv: expected a table" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["local", "ssh"])
def test_a_planned_run_is_started_word_for_word(
    remote: Path,
    closed: Path,
    host: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "local" if host == "local" else request.getfixturevalue("sshd").host
    assert execute(remote, closed, "--dry-run", host=name) == 0
    assert not (remote / "launched.txt").exists()
    assert execute(remote, closed, host=name) == 0
    (command,) = plan(closed)["commands"]
    assert (remote / "launched.txt").read_text().splitlines() == command["argv"][2:]
    assert "run folder made" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["local", "ssh"])
def test_the_data_quality_settings_of_the_source_run_are_set_for_the_launcher(
    remote: Path,
    local: Path,
    host: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def others(made: Documents) -> None:
        made.data_quality["inputs"].update(
            min_rows=500, max_staleness_days=90.0, key_columns="asof,$(touch pwned)"
        )

    name = "local" if host == "local" else request.getfixturevalue("sshd").host
    equip(remote)
    factory.make_run(remote, others)
    close(remote, local, factory.TAG)
    (command,) = plan(local)["commands"]
    assert (command["environment"]["DQ_MIN_ROWS"], command["blocked_by"]) == ("500", [])
    assert not [word for word in command["argv"] if "DQ_" in word]
    monkeypatch.setenv("DQ_MIN_ROWS", "1")  # of whoever starts it
    capsys.readouterr()
    assert execute(remote, local, "--dry-run", host=name) == 0
    assert capsys.readouterr().out.startswith("env DQ_")
    assert execute(remote, local, host=name) == 0
    found = dict(line.split("=", 1) for line in (remote / "variables.txt").read_text().splitlines())
    assert found == command["environment"]
    assert found["DQ_KEY_COLUMNS"] == "asof,$(touch pwned)"
    assert not list(remote.rglob("pwned"))


def test_settings_that_cannot_be_read_block_the_command(remote: Path, local: Path) -> None:
    def cut(made: Documents) -> None:
        made.data_quality["inputs"] = {"min_rows": 500}

    equip(remote)
    factory.make_run(remote, cut)
    close(remote, local, factory.TAG)
    (command,) = plan(local)["commands"]
    (reason,) = command["blocked_by"]
    assert reason.startswith("required_columns, numeric_columns, key_columns, date_column, max_")
    assert (command["argv"], command["environment"]) == (None, {"DQ_MIN_ROWS": "500"})


def test_a_broken_context_blocks_in_one_line(remote: Path, local: Path) -> None:
    """The reference launcher pastes the notes in, so a quote in them breaks the file."""
    equip(remote)
    made = factory.make_run(remote)
    context = made.run_dir(remote) / "context.json"
    context.write_text(context.read_text().replace("does momentum", 'does "momentum"'))
    close(remote, local, factory.TAG)
    (command,) = plan(local)["commands"]
    assert command["blocked_by"] == [
        f"context of {made.run_folder} is missing or broken, so unknown: number of threads "
        "(owner from the gate report, data file from the data-quality report)"
    ]
    assert command["environment"]["DQ_MIN_ROWS"] == "1000"
    assert "data/prices.csv" in command["files"]


def test_a_plan_of_an_earlier_release_is_refused(
    remote: Path, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = plan(closed) | {"schema_version": 2}
    for command in document["commands"]:
        del command["environment"]
    put_plan(closed, json.dumps(document), with_record=True)
    assert execute(remote, closed) == 4
    assert "expected a plan of this release" in capsys.readouterr().err


def flag_value(flag: str, value: str) -> Callable[[dict[str, Any]], None]:
    """Return a change of one option's value in the planned command."""

    def change(command: dict[str, Any]) -> None:
        argv = command["argv"]
        argv[argv.index(flag) + 1] = value

    return change


def other_tag(command: dict[str, Any], tag: str = "committee_2026-02-21_run7") -> None:
    flag_value("--tag", tag)(command)
    command["tag"] = tag


EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a shell": (lambda row: row.update(argv=["bash", "-c", "touch launched.txt"]), "scripts/work"),
    "another program": (lambda row: row["argv"].__setitem__(0, "/tmp/bash"), "'bash'"),
    "another script": (lambda row: row["argv"].__setitem__(1, "./x.sh"), "workstation_official"),
    "no launcher": (lambda row: row["argv"].__delitem__(slice(1, None)), "argv"),
    "a flag's value": (flag_value("--threads", "64"), "another argv"),
    "another factor": (flag_value("--factor", "x"), "another argv"),
    "a flag more": (lambda row: row["argv"].append("--skip-costs"), "another argv"),
    "a flag less": (lambda row: row["argv"].remove("--require-clean"), "another argv"),
    "unknown inputs": (lambda row: row.update(argv=None), "another argv"),
    "LD_PRELOAD": (lambda row: row["environment"].update(LD_PRELOAD="x.so"), "'LD_PRELOAD'"),
    "PATH": (lambda row: row["environment"].update(PATH="/tmp"), "'PATH'"),
    "a setting": (lambda row: row["environment"].update(DQ_MIN_ROWS="1"), "another environment"),
    "no settings": (lambda row: row.update(environment={}), "another environment"),
    "fewer files": (lambda row: row["files"].pop(), "another files"),
    "more files": (lambda row: row["files"].append("/etc/passwd"), "another files"),
    "factor": (lambda row: row.update(factor="x"), "another factor"),
    "source run": (
        lambda row: row.update(source_run="2026-02-20_010101_production_gates_x"),
        "another source_run",
    ),
    "priority": (lambda row: row.update(priority=0.125), "another priority"),
    "hypotheses": (lambda row: row.update(hypotheses=[]), "another hypotheses"),
    "tag": (lambda row: row.update(tag="committee_2026-02-21_run7"), "another argv"),
    "tag everywhere": (other_tag, "expected tag committee_2026-02-21_run1"),
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """Give a workstation, a workspace with one planned run, and its plan. Nothing starts it."""
    remote, local = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("local")
    equip(remote)
    factory.make_run(remote, passing=False)
    close(remote, local, factory.TAG)
    assert execute(remote, local, "--dry-run") == 0
    return remote, local, locations.workspace_path(local, "next_run_plan").read_text()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plan_is_refused(
    planned: tuple[Path, Path, str], edit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    remote, local, text = planned
    change, words = EDITS[edit]
    document = json.loads(text)
    change(document["commands"][0])
    for with_record in (False, True):
        put_plan(local, json.dumps(document), with_record)
        assert execute(remote, local) == 4
        output = capsys.readouterr()
        (line,) = output.err.splitlines()
        assert "make next-run-plan" in line
        assert (words in line) is with_record
        assert (output.out, (remote / "launched.txt").exists()) == ("", False)
    put_plan(local, text, with_record=True)
    assert execute(remote, local, "--dry-run") == 0


def test_an_edited_source_is_refused(
    remote: Path, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command is made again from the files of the run, not from the plan."""
    context = next((closed / locations.RUNS).glob("*/context.json"))
    document = json.loads(context.read_text()) | {"threads": 64}
    context.write_text(json.dumps(document))
    assert execute(remote, closed) == 4
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (remote / "launched.txt").exists()


def test_the_ranks_of_one_plan_can_be_started_in_any_order(remote: Path, local: Path) -> None:
    equip(remote)
    for number, factor in enumerate(("value", "size", "quality"), 1):
        factory.make_run(remote, tag=f"t{number}", stamp=f"2026-02-2{number}_010101", factor=factor)
        close(remote, local, f"t{number}")
    first, second, third = plan(local)["commands"]
    for command in (second, third, first):
        assert execute(remote, local, rank=command["rank"]) == 0
        folder = f"2026-02-24_010101_production_gates_{command['tag']}"
        # Each is on its way: there, and here, where it is monitored.
        (remote / locations.RUNS / folder).mkdir()
        (local / locations.RUNS / folder).mkdir()
    assert execute(remote, local, rank=1) == 5


def test_a_tag_that_only_this_workspace_knows_is_taken(
    remote: Path, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = "2026-02-21_090001_production_gates_committee_2026-02-21_run1"
    (closed / locations.RUNS / folder).mkdir()
    assert execute(remote, closed) == 5
    assert "a run that has it" in capsys.readouterr().err


def test_hostile_words_reach_the_launcher_as_they_are(
    remote: Path, local: Path, sshd: Sshd
) -> None:
    evil = "$(touch pwned) `touch pwned`; touch pwned 'a\"b"
    equip(remote)
    factory.make_run(remote, change=lambda made: made.context.update(owner=evil))
    close(remote, local, factory.TAG)
    assert execute(remote, local, host=sshd.host) == 0
    assert evil in (remote / "launched.txt").read_text().splitlines()
    assert not list(remote.rglob("pwned"))


def test_a_launcher_that_says_no_gives_code_one(
    remote: Path, closed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAUNCHER_CODE", "1")
    assert execute(remote, closed) == 1
    assert "exit code 1" in capsys.readouterr().err


def test_a_tag_taken_meanwhile_is_refused(
    remote: Path, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (
        remote / locations.RUNS / "2026-02-21_090001_production_gates_committee_2026-02-21_run1"
    ).mkdir()
    assert execute(remote, closed) == 5
    assert "a run that has it" in capsys.readouterr().err


def test_an_older_plan_is_refused(
    remote: Path, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = locations.workspace_path(closed, "factor_candidate_queue")
    queue.write_bytes(queue.read_bytes() + b"\n")
    assert execute(remote, closed) == 4
    assert "an older one" in capsys.readouterr().err


def test_a_rank_that_is_not_planned_is_refused(
    remote: Path, closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(remote, closed, rank=9) == 3
    assert "ranks: 1" in capsys.readouterr().err
