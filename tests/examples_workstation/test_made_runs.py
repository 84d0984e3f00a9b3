"""Runs with made numbers: the same for everybody, consistent, and never taken for research."""

import statistics
from pathlib import Path

import made_runs
import pytest

import post_run_sync_and_finalize
from harness import factory  # noqa: F401  (puts examples/ on the path)

STAMP = "2026-01-05_031500"


def files(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for place in ("a", "b"):
        ics = made_runs.good_ics(seed=1)
        made_runs.made_run("t1", STAMP, "made_value", ics, by_date=True).write(tmp_path / place)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert made_runs.good_ics(seed=1) != made_runs.good_ics(seed=2)


def test_what_people_read_says_made_numbers(tmp_path: Path) -> None:
    run = made_runs.made_run("t1", STAMP, "made_value", made_runs.good_ics(seed=1))
    assert made_runs.MADE in run.context["owner"]
    assert made_runs.MADE in run.context["notes"]
    assert made_runs.MADE in run.report["inputs"]["owner"]
    assert made_runs.MADE in run.report["inputs"]["notes"]
    assert b"made numbers" in files(run.write(tmp_path).run_dir(tmp_path))["run.log"]
    with pytest.raises(ValueError, match="begin with made_"):
        made_runs.made_run("t1", STAMP, "value", made_runs.good_ics(seed=1))


@pytest.mark.parametrize("by_date", [False, True])
def test_every_check_of_the_audit_passes(tmp_path: Path, by_date: bool) -> None:
    ics = made_runs.worthless_ics(seed=3)
    made_runs.made_run("t1", STAMP, "made_value", ics, by_date).write(tmp_path / "remote")
    words = ["--host", "local", "--remote-root", str(tmp_path / "remote"), "--tag", "t1"]
    workspace = ["--local-root", str(tmp_path / "home")]
    assert post_run_sync_and_finalize.main([*words, *workspace]) == 0


def test_the_report_follows_from_the_ics() -> None:
    ics = made_runs.worthless_ics(seed=3)
    run = made_runs.made_run("t1", STAMP, "made_value", ics, by_date=True)
    assert [row["test_ic"] for row in run.windows] == ics
    assert run.report["wf_stress"]["test_ic_mean"] == statistics.fmean(ics)
    for year, ic in enumerate(ics, start=2013):
        monthly = [row["ic"] for row in run.dates if row["date"].startswith(f"{year}-")]
        assert len(monthly) == 12
        assert statistics.fmean(monthly) == pytest.approx(ic, abs=1e-12)
