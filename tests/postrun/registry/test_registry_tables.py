"""Registry, trials and families decide together; a run that is closed late is named."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import made_runs
import pytest

import generate_candidate_queue as queue
import update_factor_experiment_registry as registry
import verify_workspace
from harness import factory, tampering
from harness.archive import registry_row, run_folder
from harness.factory import Documents
from harness.workspace import Workspace
from postrun.core import disk, locations, step_notes
from postrun.decide import verdicts, window_series
from postrun.registry import registry_tables, rows, trials
from postrun.store import records, tables
from test_forged_evidence import (
    empty_all_but_one,
    impossible_ic,
    loosen_thresholds,
    one_window,
    repeat_one_window,
    table_denies_report,
    three_years,
)

# What closing in another order may change: the ledger, and what quotes its rows or times.
TABLES = (rows.REGISTRY, trials.TRIALS, trials.FAMILIES)
WRITTEN = (*TABLES, registry.LEADERBOARD)


def table(local: Path, name: str) -> list[dict[str, str]]:
    path = local / f"audit/factor_registry/{name}.csv"
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def row_of(local: Path, tag: str) -> dict[str, str]:
    (row,) = [row for row in table(local, rows.REGISTRY) if row["decision_tag"] == tag]
    return row


@pytest.fixture
def workspace(remote: Path, local: Path) -> Workspace:
    return Workspace(remote, local)


def worth_nothing(made: Documents) -> None:
    """Give a run whose gates pass and whose windows are plain luck."""
    ics = [0.06, 0.05, 0.04, 0.05, 0.06, 0.03, 0.05, 0.04, 0.03, 0.02, -0.12, -0.1, -0.14]
    for window, ic in zip(made.windows, ics, strict=True):
        window["test_ic"] = ic
    made.report["wf_stress"].update(factory.summarise(made.windows), rows=13)


WORTHLESS: list[tuple[Callable[[Documents], object], str, str]] = [
    (empty_all_but_one, "windows_measured", "not_measured"),
    (one_window, "", "not_measured"),
    (three_years, "", "too_few_windows"),
    (loosen_thresholds, "thresholds_not_weakened", "not_comparable"),
    (table_denies_report, "statistics_table_recomputed", ""),
    (impossible_ic, "values_plausible", ""),
    (repeat_one_window, "windows_vary", "not_measured"),
    (worth_nothing, "", "does_not_survive"),
]


@pytest.mark.parametrize(
    ("spoil", "check", "verdict"), WORTHLESS, ids=lambda value: getattr(value, "__name__", "")
)
def test_what_is_worthless_or_forged_is_not_promoted(
    workspace: Workspace, spoil: Callable[[Documents], object], check: str, verdict: str
) -> None:
    factory.make_run(workspace.remote, change=spoil)
    workspace.close()
    row = row_of(workspace.local, factory.TAG)
    assert row["overall_pass"] == "true"
    assert row["decision"] != "promote_candidate"
    assert check in row["failed_checks"]
    assert row["verdict"] in (verdict or row["verdict"])


def test_with_a_verdict_that_always_survives_luck_is_promoted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the test above can fail."""
    monkeypatch.setattr(verdicts, "verdict", lambda *_: verdicts.SURVIVES)
    for number, (spoil, check, _) in enumerate(WORTHLESS):
        if check in ("", "thresholds_not_weakened") and spoil is not one_window:
            tag, stamp = f"t{number}", f"2026-02-2{number}_031500"
            factory.make_run(workspace.remote, change=spoil, tag=tag, stamp=stamp)
            workspace.close(tag)
            if not check:
                assert row_of(workspace.local, tag)["decision"] == "promote_candidate"


def test_a_genuine_good_run_alone_survives(workspace: Workspace) -> None:
    ics = made_runs.good_ics(seed=1)
    made_runs.made_run("good", "2026-01-05_031500", "made_value", ics).write(workspace.remote)
    assert workspace.close("good") == 0
    row = row_of(workspace.local, "good")
    assert (row["verdict"], row["decision"]) == ("survives", "promote_candidate")


STORIES = [
    ("a", "2026-01-05_031500", "made_value", 1),
    ("b", "2026-01-06_031500", "made_value", 2),
    ("c", "2026-01-07_031500", "made_growth", 3),
    ("d", "2026-01-08_031500", "made_value", 1),  # repeats a
]


def close_all(folder: Path, order: str) -> Workspace:
    workspace = Workspace(folder / "remote", folder / "local")
    workspace.local.mkdir(parents=True)
    for tag, stamp, factor, seed in STORIES:
        made_runs.made_run(tag, stamp, factor, made_runs.good_ics(seed)).write(workspace.remote)
    for tag in order:
        workspace.close(tag)
    return workspace


def test_any_order_of_closing_and_a_rebuild_give_the_same_bytes(tmp_path: Path) -> None:
    first = close_all(tmp_path / "1", "abcd")
    second = close_all(tmp_path / "2", "dbca")
    third = close_all(tmp_path / "3", "cdabab")
    for name in TABLES:
        contents = set()
        for workspace in (first, second, third):
            path = workspace.local / f"audit/factor_registry/{name}.csv"
            contents.add(path.read_bytes())
        assert len(contents) == 1, name
    before = first.bytes()
    first.run("update_factor_experiment_registry", "a")
    assert registry.main(["--rebuild", "--local-root", str(first.local)]) == 0
    after = first.bytes()
    for name in TABLES:
        file = f"audit/factor_registry/{name}.csv"
        assert after[file] == before[file]
    assert row_of(first.local, "d")["repeats"].endswith("_a")


def test_a_late_closing_names_the_decisions_that_it_changes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it, the later run was the only trial."""
    good = [0.05, 0.01, 0.04, 0.02, 0.06, -0.01, 0.05, 0.03, 0.02, 0.04, 0.03, -0.02, 0.05]
    # Half of these are about as good under other signs.
    other = [0.05, -0.01, 0.04, -0.02, 0.06, 0.01, 0.05, -0.03, 0.02, -0.04, 0.03, 0.02, 0.05]
    made_runs.made_run("later", "2026-01-09_031500", "made_value", good).write(workspace.remote)
    for day in range(1, 9):
        ics = [ic * (1 - 2 * (window % (day + 1) == 0)) for window, ic in enumerate(other)]
        early = made_runs.made_run(f"early{day}", f"2026-01-0{day}_031500", "made_value", ics)
        early.write(workspace.remote)
    assert workspace.close("later") == 0
    alone = row_of(workspace.local, "later")
    said = []
    for day in range(1, 9):
        workspace.close(f"early{day}")
        said.append(capsys.readouterr().err.splitlines()[-1])
    now = row_of(workspace.local, "later")
    assert (alone["decision"], alone["verdict"]) == ("promote_candidate", "survives")
    assert (now["decision"], now["verdict"]) == ("reject_or_research", "does_not_survive")
    run = now["run"]
    named = [line for line in said if f"{run}: promote_candidate, now reject_or_research" in line]
    assert len(named) == 1
    assert named[0].startswith("decisions that changed: ")


def test_rows_that_are_made_again_changed_no_decision(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for tag, stamp, factor, seed in STORIES[:2]:
        made_runs.made_run(tag, stamp, factor, made_runs.good_ics(seed)).write(workspace.remote)
        workspace.close(tag)
    before = table(workspace.local, rows.REGISTRY)
    # As after a closing whose tables did not reach the disk.
    folder = workspace.local / "audit"
    (folder / f"factor_registry/{rows.REGISTRY}.csv").unlink()
    (folder / "workspace_record.json").unlink()
    capsys.readouterr()
    workspace.close(STORIES[1][0])
    assert "decisions that changed" not in capsys.readouterr().err
    assert table(workspace.local, rows.REGISTRY) == before


def test_a_closing_that_was_interrupted_between_two_tables_is_noticed_by_the_next(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry has a run's new numbers then, and the trials have those before."""
    for tag, stamp, factor, seed in STORIES[:2]:
        made_runs.made_run(tag, stamp, factor, made_runs.good_ics(seed)).write(workspace.remote)
        workspace.close(tag)
    tag, stamp, factor, _ = STORIES[0]
    made_runs.made_run(tag, stamp, factor, made_runs.good_ics(7)).write(workspace.remote)
    write_table = tables.write_table

    def interrupted(root: Path, name: str, *rest: Any, **named: Any) -> Path:
        if name == trials.TRIALS:
            raise KeyboardInterrupt
        return write_table(root, name, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "write_table", interrupted)
        assert workspace.close(tag, "--accept-changed-evidence", "other numbers") == 130
    # Another step closes the record of the workspace, and another run is closed.
    queue.main(["--tag", "b", "--local-root", str(workspace.local)])
    tag, stamp, factor, seed = STORIES[2]
    made_runs.made_run(tag, stamp, factor, made_runs.good_ics(seed)).write(workspace.remote)
    workspace.close(tag)
    policy = rows.load_policy()
    registered = {row["run"]: row for row in tables.read_table(workspace.local, rows.REGISTRY)}
    plain = trials.compute(registered, policy.statistics, {})
    recorded = tables.read_table(workspace.local, trials.TRIALS)
    assert recorded == list(plain.trials.values())


def test_the_same_inputs_with_other_numbers_are_named(workspace: Workspace) -> None:
    for number, level in enumerate((0.02, 0.03)):
        stamp = f"2026-02-2{number}_031500"
        factory.make_run(workspace.remote, tag=f"t{number}", stamp=stamp, level=level)
        assert workspace.close(f"t{number}") == 0
    first, second = table(workspace.local, rows.REGISTRY)
    assert (first["not_reproduced"], second["not_reproduced"]) == ("", first["run"])
    page = workspace.local / "audit/factor_registry/factor_experiment_leaderboard.md"
    assert f"not reproducible: the inputs of {first['run']}" in page.read_text()


def test_a_table_of_trials_that_was_changed_is_no_help(workspace: Workspace) -> None:
    for number in (1, 2):
        stamp = f"2026-02-2{number}_031500"
        factory.make_run(workspace.remote, tag=f"t{number}", stamp=stamp, level=0.02)
        workspace.close(f"t{number}")
    registered: dict[str, Any] = {}
    for row in tables.read_table(workspace.local, rows.REGISTRY):
        registered[row["run"]] = row
    policy = rows.load_policy()
    recorded = list(registered.values())
    before = registry_tables.decide(workspace.local, registered, policy, recorded)
    path = workspace.local / "audit/factor_registry/trial_statistics.csv"
    path.write_text(path.read_text().replace("survives", "not_measured"))
    assert registry_tables.decide(workspace.local, registered, policy, recorded) == before


@pytest.mark.parametrize(
    ("name", "column"),
    [
        (rows.REGISTRY, "total"),
        (trials.TRIALS, "p_raw"),
        (trials.TRIALS, "p_family"),
        (trials.FAMILIES, "p"),
        (trials.FAMILIES, "windows"),
    ],
)
def test_a_rebuild_believes_no_table_that_was_edited_with_its_record(
    workspace: Workspace,
    name: str,
    column: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What verify computes again is what a rebuild writes: it names the table."""
    factory.make_run(workspace.remote, tag="t1", stamp="2026-02-21_031500")
    workspace.close("t1")
    path = locations.workspace_path(workspace.local, name)
    before = path.read_bytes()
    row = table(workspace.local, name)[0]
    other = row[column].translate(str.maketrans("123456789", "234567891"))
    _, line, *_ = before.split(b"\n")
    cells = line.split(b",")
    # No cell of this run has a comma in it.
    assert len(cells) == len(row)
    cells[list(row).index(column)] = other.encode()
    edited = before.replace(line, b",".join(cells))
    assert edited != before
    path.write_bytes(edited)
    record = workspace.local / tampering.WORKSPACE_RECORD
    text = record.read_text()
    text = text.replace(disk.content_digest(before), disk.content_digest(edited))
    record.write_bytes(tampering.encode(tampering.with_own_digest(json.loads(text))))
    where = ["--local-root", str(workspace.local)]
    capsys.readouterr()
    assert verify_workspace.main([*where, "--json"]) == 4
    findings = json.loads(capsys.readouterr().out)["findings"]
    broken = [finding["file"] for finding in findings if finding["kind"] == "broken"]
    assert path.relative_to(workspace.local).as_posix() in broken
    assert registry.main(["--rebuild", *where]) == 0
    assert path.read_bytes() == before


def made_row(number: int, draw: random.Random, policy: rows.Policy) -> dict[str, Any]:
    """Return a run's row before its decision: of one of four factors, and any kind of trial."""
    run = run_folder(f"2026-01-{number + 1:02}_031500", f"t{number}")
    row = registry_row(run, draw.choice("abcd"), is_trial=True, windows_asked=13, wf_n=0)
    row["total"] = float(draw.choice((40, 55, 70, 90)))
    if draw.random() < 0.8:
        years = range(2013, 2026)
        # Some have the series of another run: they count once.
        ics = [draw.gauss(0.02, 0.03) for _ in years]
        if draw.random() < 0.2:
            ics = [0.01 * (year % 3) for year in years]
        series = {f"{y}-01-01|{y}-12-31": ic for y, ic in zip(years, ics, strict=True)}
        t = fmean(ics) / stdev(ics) * len(ics) ** 0.5
        row |= {"wf_n": 13, "wf_mean": fmean(ics), "wf_std": stdev(ics), "wf_t": t}
        row |= {"series": window_series.encode(series)}
        row |= {"series_sha256": window_series.digest(series)}
    row["inputs_sha256"] = draw.choice("ab") * 64
    row["is_trial"] = draw.random() < 0.9
    return rows.score_row(row, policy) | {"total": row["total"]}


@pytest.mark.parametrize("seed", range(6))
def test_run_by_run_gives_what_all_runs_give_at_once(local: Path, seed: int) -> None:
    draw = random.Random(seed)
    policy = rows.load_policy()
    known: dict[str, Any] = {}
    extended = 0
    for number in range(14):
        row = made_row(number, draw, policy)
        known[row["run"]] = row
        with step_notes.performing("factor-registry"):
            recorded = registry_tables.open_recorded(local)
            if recorded is not None and recorded.is_extended_by(row, policy):
                extended += 1
                decided = registry_tables.decide_newest(local, row, policy, recorded)
                registry._add(local, decided, recorded, policy, row["run"])
            else:
                decided = registry_tables.decide(local, known, policy)
                registry._write(local, decided, (), policy)
        records.settle_workspace(local)
        written = {name: locations.workspace_path(local, name).read_bytes() for name in WRITTEN}
        with records.captured() as computed, step_notes.performing("factor-registry"):
            whole = registry_tables.decide(local, known, policy)
            registry._write(local, whole, (), policy)
        again = {Path(path).stem: output.content for path, output in computed.items()}
        assert again == written
    assert extended == 13
