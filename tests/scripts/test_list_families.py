"""Listing families: how often each was tried, who declared earlier trials, what the best is
worth.
"""

import copy
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

import list_families
from harness.archive import registry_row, run_folder
from postrun.core import disk, locations
from postrun.decide import window_series
from postrun.registry import trials
from postrun.store import configuration, json_files, tables

GOOD = [0.05, 0.02, 0.08, 0.04, 0.06, 0.03, 0.07, 0.045, 0.055, 0.035, 0.065, 0.025, 0.075]
WEAK = [
    0.031,
    -0.012,
    0.044,
    0.018,
    0.027,
    -0.021,
    0.052,
    0.009,
    0.036,
    0.015,
    -0.004,
    0.041,
    0.022,
]
DECLARED = {
    "name": "combo",
    "factors": ["combo_*"],
    "prior_trials": 3,
    "because": "tried in a notebook\x1b[2J",
    "by": "mei",
    "when": "2026-02-01",
}


def trial(day: int, factor: str | None, ics: list[float], **changes: Any) -> dict[str, Any]:
    """Give the row of a run with one window a year, from 2013 on."""
    keys = [f"{2013 + year}-01-01|{2013 + year}-12-31" for year in range(len(ics))]
    series = dict(zip(keys, ics, strict=True))
    measured: dict[str, Any] = {}
    if ics:
        mean, deviation = statistics.mean(ics), statistics.stdev(ics)
        measured = {
            "wf_n": len(ics),
            "wf_mean": mean,
            "wf_std": deviation,
            "wf_t": mean / deviation * len(ics) ** 0.5,
            "series": window_series.encode(series),
        }
    run = run_folder(f"2026-02-{day}_031500", f"run{day}")
    return registry_row(run, factor, is_trial=True, **measured, **changes)


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put a policy into force that declares earlier trials."""
    load = configuration.load
    changed: dict[str, Any] = copy.deepcopy(load(list_families.POLICY))
    changed["families"] = [DECLARED]
    shipped = {list_families.POLICY: changed}
    monkeypatch.setattr(configuration, "load", lambda name: shipped.get(name) or load(name))
    return changed


def write_tables(root: Path, policy: dict[str, Any], *rows: dict[str, Any]) -> None:
    """Leave the tables as step 8 does."""
    disk.DRY_RUN.set(False)
    registry = {}
    for row in rows:
        family = trials.family_of(row["factor"], policy)
        registry[row["run"]] = {**row, "family": family}
    found = trials.compute(registry, policy, {})
    in_order = [found.trials[run] for run in sorted(found.trials)]
    tables.write_table(root, trials.TRIALS, in_order)
    tables.write_table(root, trials.FAMILIES, found.families)


def list_all(root: Path, *flags: str) -> int:
    return list_families.main(["--local-root", str(root), *flags])


@pytest.fixture
def tried(local: Path, policy: dict[str, Any]) -> Path:
    write_tables(
        local,
        policy,
        trial(16, "combo_v1", WEAK),
        trial(17, "combo_v2", []),
        trial(18, "value", GOOD),
        trial(19, "size", [-ic for ic in GOOD]),
        trial(20, "young", GOOD[:4]),
    )
    return local


def test_each_family_has_its_line(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list_all(tried) == 0
    out, err = capsys.readouterr()
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:5]}
    assert err == ""
    assert list(lines) == ["combo", "size", "value", "young"]
    # 1 - (1 - 42/8192)(1 - 42/8192)^4 for the two runs and three declared trials.
    assert lines["combo"][:3] == ["5", "3", "2.5%"]
    assert lines["value"][:5] == ["1", "0", "less", "than", "0.1%"]
    assert lines["size"][4:7] == ["13", "unknown", "unknown"]
    # Four windows of the ten that are the least.
    assert lines["young"][4:8] == ["4", "10", "6", "too_few_windows"]
    assert lines["combo"][-2:] == ["does_not_survive", run_folder("2026-02-16_031500", "run16")]
    assert (
        "combo: 3 trials before or outside of this registry, declared by mei on 2026-02-01: "
        "tried in a notebook\\x1b[2J"
    ) in out
    assert "A promotion needs p at most 1% and q at most 0.1" in out
    assert "N is a lower bound" in out
    assert "Windows are taken as independent" in out


def test_json_is_as_its_schema_says(tried: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list_all(tried, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    json_files.check(document, list_families.OUTPUT, "stdout")
    families = {row["family"]: row for row in document["families"]}
    combo = families["combo"]
    assert (combo["trials"], combo["prior_trials"], combo["factors"]) == (5, 3, "combo_v1;combo_v2")
    assert combo["p"] == pytest.approx(1 - (1 - 42 / 8192) ** 5)
    assert combo["declared"] == {name: DECLARED[name] for name in ("by", "when", "because")}
    assert combo["years_missing"] == combo["windows_needed"] - 13 > 0
    assert (combo["basis"], families["value"]["years_missing"]) == ("window", 0)
    assert families["size"]["years_missing"] is None
    assert families["value"]["declared"] is None


def test_an_unknown_factor_counts_everywhere_and_is_said(
    local: Path, policy: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_tables(local, policy, trial(16, "value", GOOD), trial(17, None, []))
    assert list_all(local) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].split()[:2] == ["value", "2"]
    assert "1 run of an unknown factor: counted in every family" in out


def test_a_changed_policy_is_said(
    tried: Path, policy: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    policy["families"] = []
    assert list_all(tried) == 0
    assert "the statistics policy has changed since" in capsys.readouterr().err


def test_a_registry_without_trials_has_no_family(
    local: Path, policy: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_tables(local, policy)
    assert list_all(local) == 0
    assert capsys.readouterr().out == "no family yet: no closed run counts as a trial\n"


def test_without_a_registry_there_is_no_family(
    local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_all(local) == 3
    path = locations.workspace_path(local, trials.FAMILIES)
    assert f"{path}: expected a table" in capsys.readouterr().err


@pytest.mark.parametrize("name", [trials.FAMILIES, trials.TRIALS])
def test_an_edited_table_is_refused(
    name: str, tried: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = locations.workspace_path(tried, name)
    path.write_bytes(path.read_bytes().replace(b"does_not_survive", b"survives"))
    assert list_all(tried) == 4
    assert path.name in capsys.readouterr().err


def test_a_wrong_flag_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_families.main(["--tags", "a"]) == 2
    assert "--tags" in capsys.readouterr().err
