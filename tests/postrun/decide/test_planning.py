"""From a closed run to the next command: every option carried on, nothing made up, nothing that a
shell would obey.
"""

import shlex
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import factory
from postrun.decide import planning
from postrun.decide.planning import RemoteFiles, Source


def source(**options: Any) -> Source:
    made = factory.documents()
    made.report["inputs"].update(options)
    return Source(
        run=made.run_folder,
        report=made.report,
        context=made.context,
        preflight=made.preflight,
        remediation=None,
        data_quality=made.data_quality,
    )


def words(found: Source, notes: str = "why") -> list[str]:
    argv, unknown = planning.build_command(found, "run9", notes)
    assert unknown == []
    assert argv
    return argv


def value(argv: list[str], flag: str) -> str:
    assert argv.count(flag) == 1
    return argv[argv.index(flag) + 1]


def test_the_launcher_gets_what_the_run_before_had() -> None:
    argv = words(source())
    cut = argv.index("--")
    launcher, gates = argv[:cut], argv[cut + 1 :]
    assert launcher[:2] == ["bash", planning.LAUNCHER]
    given = {
        flag: value(launcher, flag)
        for flag in ("--tag", "--owner", "--notes", "--threads", "--dq-input-csv")
    }
    assert list(given.values()) == ["run9", "hui", "why", "8", "data/prices.csv"]
    assert "--require-clean" in launcher
    assert gates[:6:2] == ["--strategy", "--protocol", "--factor"]
    assert value(gates, "--wf-train-years") == "3"
    assert value(gates, "--min-pos-ratio") == "0.7"


@pytest.mark.parametrize(
    "name",
    ["skip_risk_diagnostics", "skip_guardrails", "dry_run", "decision_tag", "owner", "notes"],
)
def test_what_is_not_official_or_the_launchers_own_is_left_out(name: str) -> None:
    argv = words(source(**{name: True}))
    assert f"--{name.replace('_', '-')}" not in argv[argv.index("--") :]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (True, ["--extra-one"]),
        (False, []),
        (None, []),
        ("", []),
        (0, ["--extra-one", "0"]),
        (0.25, ["--extra-one", "0.25"]),
        ([1.0, 2.0], ["--extra-one", "1.0,2.0"]),
        ("a b; rm -rf /", ["--extra-one", "a b; rm -rf /"]),
        (-0.5, ["--extra-one=-0.5"]),
        ("--factor", ["--extra-one=--factor"]),
    ],
)
def test_each_kind_of_option_is_written_its_way(given: Any, written: list[str]) -> None:
    assert [
        word for word in words(source(extra_one=given)) if word not in words(source())
    ] == written


def test_a_clean_checkout_is_asked_for_only_when_it_was_before() -> None:
    lax = replace(source(), preflight={"require_clean": 0})
    assert "--require-clean" not in words(lax)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"preflight": None}, "preflight of {run} is missing or broken"),
        (
            {"report": None},
            "gate report of {run} is missing or broken, so unknown: strategy, factor",
        ),
        (
            {"context": {"owner": "hui", "threads": 8, "data_quality_input_csv": ""}},
            "data file of {run} is unknown",
        ),
        (
            {"context": {"owner": "", "data_quality_input_csv": "x.csv"}},
            "owner, number of threads of {run} are unknown",
        ),
        (
            {"context": None},
            "context of {run} is missing or broken, so unknown: number of threads "
            "(owner from the gate report, data file from the data-quality report)",
        ),
        (
            {"data_quality": None},
            "data-quality report of {run} is missing or broken, so unknown: required_columns, "
            "numeric_columns, key_columns, date_column, min_rows, max_missing_ratio, "
            "max_duplicate_ratio, max_staleness_days",
        ),
    ],
)
def test_what_is_unknown_blocks_the_command_in_one_line(
    change: dict[str, Any], reason: str
) -> None:
    found = replace(source(), **change)
    argv, reasons = planning.build_command(found, "run9", "why")
    assert (argv, reasons) == (None, [reason.format(run=found.run)])


def test_every_file_the_command_names_is_needed() -> None:
    assert planning.needed_files(source(wf_freeze_file="runs/wf.json")) == [
        planning.LAUNCHER,
        "data/prices.csv",
        "configs/strategies/base.yaml",
        "runs/freeze/base.freeze.json",
        "runs/wf.json",
    ]
    assert planning.needed_files(Source("run", None, None, None, None, None)) == [planning.LAUNCHER]


def test_a_file_blocks_only_when_it_was_looked_for() -> None:
    remote_files = RemoteFiles(files=frozenset({"a"}), tags=frozenset())
    assert planning.blockers(["a", "b"], remote_files) == (["b is not on the workstation"], [])
    blocked, unchecked = planning.blockers(["a", "b"], None)
    assert blocked == []
    assert [line.partition(" ")[0] for line in unchecked] == ["a", "b"]


def test_free_tags_never_take_one_that_exists() -> None:
    taken = {"committee_2026-02-21_run1", "committee_2026-02-21_run3", "committee_2026-02-20_run2"}
    tags = list(islice(planning.free_tags("2026-02-21_031500", taken), 3))
    assert tags == [f"committee_2026-02-21_run{number}" for number in (2, 4, 5)]


@given(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8")))
def test_a_shell_reads_the_line_back_as_the_same_words(notes: str) -> None:
    argv = words(source(), notes)
    assert shlex.split(shlex.join(argv)) == argv


def test_variables_are_set_for_a_command_without_a_shell() -> None:
    variables = {"DQ_KEY_COLUMNS": "date,my id", "DQ_DATE_COLUMN": "$(touch pwned)"}
    command = planning.with_environment(["bash", "launcher.sh"], variables)
    assert command[:3] == ["env", "DQ_DATE_COLUMN=$(touch pwned)", "DQ_KEY_COLUMNS=date,my id"]
    assert shlex.split(shlex.join(command)) == command
    assert planning.with_environment(["bash", "launcher.sh"], {}) == ["bash", "launcher.sh"]
