"""The data-quality gate: each check alone, thresholds from policy and flags, files that are hardly
files.
"""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data_quality_gate import main
from postrun.core.locations import PROJECT
from postrun.store import json_files

NOW = "1645315200"  # 2022-02-20, 00:00 UTC
GOOD = "date,symbol,close\n2022-02-17,A,1.5\n2022-02-18,A,2\n2022-02-18,NA,3e2\n"
CHECKS = [
    "required_columns_present",
    "min_rows",
    "duplicate_ratio",
    "missing_ratio",
    "numeric_integrity",
    "freshness",
    "row_width",
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", NOW)
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def judge(text: str | bytes, *flags: str) -> tuple[int, Any]:
    """Put a text through the gate, one row being enough; give the exit code and the report."""
    Path("prices.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    code = main(["--input-csv", "prices.csv", "--out-dir", "out", "--min-rows", "1", *flags])
    [path] = Path("out").glob("data_quality_*/data_quality_report.json")
    return code, json.loads(path.read_text())


def failed(report: Any) -> list[str]:
    return [name for name, passed in report["checks"].items() if not passed]


def test_good_data_passes(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = judge(GOOD)
    assert code == 0
    assert report["overall_pass"] is True
    assert list(report["checks"]) == CHECKS
    assert report["failures"] == []
    assert report["metrics"]["row_count"] == 3
    assert report["metrics"]["input_sha256"] == hashlib.sha256(GOOD.encode()).hexdigest()
    assert report["metrics"]["freshness_days"] == 2
    assert report["generated_at"] == "2022-02-20T00:00:00Z"
    assert json_files.findings(report, "data_quality_report", False) == []
    assert (
        capsys.readouterr().out == "out/data_quality_2022-02-20_000000/data_quality_report.json\n"
    )


def test_the_inputs_are_recorded() -> None:
    _, report = judge(GOOD, "--max-missing-ratio", "0.5", "--numeric-columns", "close, symbol")
    assert report["inputs"] == {
        "input_csv": "prices.csv",
        "required_columns": ["date", "symbol", "close"],
        "numeric_columns": ["close", "symbol"],
        "key_columns": ["date", "symbol"],
        "date_column": "date",
        "min_rows": 1,
        "max_missing_ratio": 0.5,
        "max_duplicate_ratio": 0.0,
        "max_staleness_days": 7,
        "out_dir": "out",
    }


@pytest.mark.parametrize(
    ("text", "flags", "wanted"),
    [
        (GOOD, ["--min-rows", "4"], ["min_rows"]),
        (GOOD.replace("2022-02-17", "2022-02-18"), [], ["duplicate_ratio"]),
        (GOOD.replace("2022-02-17", "2022-02-18"), ["--max-duplicate-ratio", "0.34"], []),
        (GOOD.replace("1.5", ""), [], ["missing_ratio"]),
        (GOOD.replace("1.5", "  "), ["--max-missing-ratio", "0.34"], []),
        (GOOD.replace("1.5", "NaN"), [], ["missing_ratio"]),
        (GOOD.replace(",A,", ",,"), ["--max-missing-ratio", "0.5"], ["missing_ratio"]),
        (GOOD.replace("1.5", "abc"), [], ["numeric_integrity"]),
        (GOOD.replace("1.5", "inf"), [], ["numeric_integrity"]),
        (GOOD.replace("1.5", '"1,5"'), [], ["numeric_integrity"]),
        (GOOD.replace("1.5", "1_000"), [], ["numeric_integrity"]),
        (GOOD.replace("1.5", "\u0663"), [], ["numeric_integrity"]),
        (
            GOOD.replace("close", "close,close")
            .replace("1.5", "1.5,x")
            .replace(",2\n", ",2,x\n")
            .replace("3e2", "3e2,x"),
            [],
            [],
        ),
        (GOOD, ["--max-staleness-days", "1"], ["freshness"]),
        (GOOD.replace("2022-02-18", "2022-02-21"), [], []),
        (GOOD.replace("2022-02-18", "2202-02-18"), [], ["freshness"]),
        (GOOD.replace("2022-02-17", "17.02.2022"), [], ["freshness"]),
        (GOOD.replace("2022-02-17", "2022-02-17T16:00:00-05:00"), [], []),
        (GOOD.replace("1.5", "1.5,more"), [], ["row_width"]),
        (GOOD.replace(",1.5", ""), [], ["missing_ratio", "row_width"]),
        (GOOD.replace("close", "price"), [], ["required_columns_present", "numeric_integrity"]),
        (
            GOOD.replace("date", "day"),
            [],
            ["required_columns_present", "duplicate_ratio", "freshness"],
        ),
        (GOOD + "\n\n", [], []),
        ("\ufeff" + GOOD.replace("\n", "\r\n"), [], []),
        ("date,symbol,close\n", [], ["min_rows", "duplicate_ratio", "missing_ratio", "freshness"]),
        ("", [], [name for name in CHECKS if name not in ("missing_ratio", "row_width")]),
        (GOOD, ["--key-columns", ""], []),
        (GOOD + "2022-02-18,A,2\n", ["--key-columns", ""], ["duplicate_ratio"]),
    ],
)
def test_each_check_alone(text: str, flags: list[str], wanted: list[str]) -> None:
    code, report = judge(text, *flags)
    assert failed(report) == wanted
    assert code == (1 if wanted else 0)
    assert [line.partition(":")[0] for line in report["failures"]] == wanted
    assert json_files.findings(report, "data_quality_report", False) == []


def test_a_ticker_may_be_called_na() -> None:
    _, report = judge(GOOD)
    assert report["metrics"]["missing_ratio_by_column"] == {
        "date": 0.0,
        "symbol": 0.0,
        "close": 0.0,
    }


def test_what_was_found_is_counted() -> None:
    _, report = judge(GOOD.replace("1.5", "abc").replace("3e2", "x"))
    assert report["metrics"]["numeric_issues"] == {"close": 2}
    assert report["failures"] == ["numeric_integrity: cells that are not numbers: {'close': 2}"]


def test_nothing_to_measure_is_null() -> None:
    _, report = judge("date,symbol,close\n")
    assert report["metrics"]["duplicate_ratio"] is None
    assert report["metrics"]["freshness_days"] is None
    assert report["metrics"]["missing_ratio_by_column"]["close"] is None


def test_bytes_that_are_no_text_are_judged_all_the_same() -> None:
    code, report = judge(GOOD.encode().replace(b"1.5", b"\xff\xfe"))
    assert (code, failed(report)) == (1, ["numeric_integrity"])


def test_the_page_has_every_check_and_what_failed() -> None:
    judge(GOOD.replace("1.5", ""))
    [page] = Path("out").glob("*/data_quality_report.md")
    text = page.read_text()
    assert text.startswith("# Data quality: fail\n")
    assert all(f"| {name} |" in text for name in CHECKS)
    assert "- missing_ratio: " in text


def test_the_workstations_own_policy_goes_before_the_projects() -> None:
    policy = json.loads((PROJECT / "configs/launcher_policy.json").read_text())
    policy["data_quality"]["max_staleness_days"] = 0
    Path("configs").mkdir()
    Path("configs/launcher_policy.json").write_text(json.dumps(policy))
    _, report = judge(GOOD)
    assert failed(report) == ["freshness"]


def test_variables_go_before_the_policy_and_flags_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DQ_MAX_STALENESS_DAYS", "0.5")
    monkeypatch.setenv("DQ_MIN_ROWS", "500")
    _, report = judge(GOOD)
    assert (report["inputs"]["max_staleness_days"], report["inputs"]["min_rows"]) == (0.5, 1)
    assert failed(report) == ["freshness"]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ([], 2, "--input-csv"),
        (["--input-csv", "none.csv"], 3, "data file"),
        (["--input-csv", "."], 3, "data file"),
        (["--input-csv", "x.csv", "--min-rows", "many"], 2, "--min-rows"),
        (["--input-csv", "x.csv", "--policy", "none.json"], 3, "launcher policy"),
    ],
)
def test_refusals(
    words: list[str], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_a_cell_without_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("prices.csv").write_text('date,symbol,close\n"' + "x" * 2**24 + "\n")
    assert main(["--input-csv", "prices.csv"]) == 4
    assert "prices.csv: expected a CSV file" in capsys.readouterr().err


PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], capture_output=True).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_file() -> None:
    """What must be kept are the keys, not the rows.

    A small process starts the gate: peaks are inherited.
    """
    with Path("prices.csv").open("w") as out:
        out.write("date,symbol,close,words\n")
        out.writelines(f"2022-02-18,S{row % 100},1,{'x' * 5000}\n" for row in range(6_500))
    gate = [
        sys.executable,
        str(PROJECT / "scripts/data_quality_gate.py"),
        "--input-csv",
        "prices.csv",
    ]
    told = subprocess.run(
        [sys.executable, "-c", PEAK, *gate], capture_output=True, text=True, check=True
    ).stdout
    code, peak = map(int, told.split())
    assert code == 1, "duplicates"
    assert Path("prices.csv").stat().st_size > 30 * 2**20
    assert peak * (1 if sys.platform == "darwin" else 1024) < 30 * 2**20
