"""Check whether a CSV file is fit for an official run. Standard library only.

reads   the data file, once, row by row; thresholds from the launcher's policy, which variables
        (DQ_MIN_ROWS, DQ_KEY_COLUMNS and so on) override, and flags override both
writes  <out-dir>/data_quality_<time>/data_quality_report.json and .md
prints  the report's path
exit    0 every check passed; 1 a check failed; 2 wrong usage; 3 no such file; 4 the file is no CSV,
        or the policy is invalid

A cell is missing when it is empty, and in a numeric column also when it holds NaN, NA, null or none
(elsewhere these may be names). Numbers must be finite. A row with the key of an earlier row is a
duplicate. The newest date must be at most --max-staleness-days old and at most one day in the
future; a date that cannot be read fails freshness. Every row must be as wide as the header.

    python scripts/data_quality_gate.py --input-csv data/prices.csv --max-staleness-days 10
"""

import argparse

from postrun import flags
from postrun.decide import data_settings
from postrun.launcher import POLICY_FILE


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every threshold; the policy has those left out."""
    parser.add_argument("--input-csv", required=True, help="the data file")
    out_dir = "where the report's folder is made (default: audit/data_quality)"
    parser.add_argument("--out-dir", default="audit/data_quality", help=out_dir)
    default = f"default: {POLICY_FILE}, in the current folder or the project's"
    parser.add_argument("--policy", type=flags.path, help=default)
    for setting, read in data_settings.TYPES.items():
        meaning = "instead of the policy's"
        if read is data_settings.parse_columns:
            meaning += "; names separated by commas"
        parser.add_argument(f"--{setting.replace('_', '-')}", type=read, help=meaning)


FLAGS = flags.ScriptFlags(__doc__, add_flags)
FLAGS.answer_help(__name__)

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from postrun import ending
from postrun.core import clock, disk, terminal
from postrun.launcher import policy
from postrun.launcher.data_scan import DataCounts, checked_columns, scan
from postrun.launcher.policy import Thresholds
from postrun.launcher.records import write_json

EARLIEST = -1  # days: the file may come from a zone where it is tomorrow already


def measure(counts: DataCounts, thresholds: Thresholds, today: date) -> dict[str, Any]:
    """Return the report's metrics; None where there is nothing to measure."""
    ratios, absent = {}, []
    for name in checked_columns(thresholds):
        if name in counts.header:
            ratios[name] = _share(counts.missing[name], counts.rows)
        else:
            absent.append(name)
    limit = thresholds.max_missing_ratio
    too_many = [name for name, ratio in ratios.items() if ratio is None or ratio > limit]
    issues = {}
    for name in thresholds.numeric_columns:
        if counts.unreadable[name]:
            issues[name] = counts.unreadable[name]
    duplicate_ratio = age = None
    if set(thresholds.key_columns) <= set(counts.header):
        duplicate_ratio = _share(counts.duplicates, counts.rows)
    if counts.newest is not None:
        age = (today - counts.newest).days
    return {
        "row_count": counts.rows,
        "column_count": len(counts.header),
        "missing_required_columns": absent,
        "min_rows_threshold": thresholds.min_rows,
        "duplicate_ratio": duplicate_ratio,
        "max_duplicate_ratio_threshold": thresholds.max_duplicate_ratio,
        "missing_ratio_by_column": ratios,
        "max_missing_ratio_threshold": limit,
        "missing_ratio_violations": too_many,
        "numeric_issues": issues,
        "freshness_days": age,
        "max_staleness_days_threshold": thresholds.max_staleness_days,
        "unreadable_dates": counts.bad_dates,
        "ragged_rows": counts.ragged,
    }


def _share(part: int, rows: int) -> float | None:
    return part / rows if rows else None


def run_checks(metrics: Mapping[str, Any], thresholds: Thresholds) -> dict[str, bool]:
    """Return whether each check passed; what could not be measured has not."""
    absent = metrics["missing_required_columns"]
    age = metrics["freshness_days"]
    duplicates = metrics["duplicate_ratio"]
    limit = thresholds.max_duplicate_ratio
    is_recent = age is not None and EARLIEST <= age <= thresholds.max_staleness_days
    has_numbers = set(absent).isdisjoint(thresholds.numeric_columns)
    return {
        "required_columns_present": not absent,
        "min_rows": metrics["row_count"] >= thresholds.min_rows,
        "duplicate_ratio": duplicates is not None and duplicates <= limit,
        "missing_ratio": not metrics["missing_ratio_violations"],
        "numeric_integrity": has_numbers and not metrics["numeric_issues"],
        "freshness": is_recent and not metrics["unreadable_dates"],
        "row_width": not metrics["ragged_rows"],
    }


# What is said of a check that failed, with the names of metrics and thresholds.
MESSAGES = {
    "required_columns_present": "columns not in the file: {missing_required_columns}",
    "min_rows": "expected {min_rows} rows or more, found {row_count}",
    "duplicate_ratio": "expected at most {max_duplicate_ratio}, found {duplicate_ratio}",
    "missing_ratio": "expected at most {max_missing_ratio} in each column, "
    "found more in {missing_ratio_violations}",
    "numeric_integrity": "cells that are not numbers: {numeric_issues}",
    "freshness": "expected at most {max_staleness_days} days, found {freshness_days}, "
    "unreadable dates {unreadable_dates}",
    "row_width": "{ragged_rows} rows are not as wide as the header",
}


def describe_failures(
    checks: Mapping[str, bool], metrics: Mapping[str, Any], thresholds: Thresholds
) -> list[str]:
    """Return one line for each check that failed, with what was expected and found."""
    values = {**asdict(thresholds), **metrics}
    for name in ("missing_required_columns", "missing_ratio_violations"):
        values[name] = ", ".join(values[name])
    values["numeric_issues"] = metrics["numeric_issues"] or "no such column"
    failed = [name for name, passed in checks.items() if not passed]
    return [f"{name}: {MESSAGES[name].format_map(values)}" for name in failed]


def make_report(
    input_csv: str, out_dir: str, thresholds: Thresholds, moment: datetime
) -> dict[str, Any]:
    """Return the report on a file. Raises Missing, Invalid."""
    counts = scan(Path(input_csv), thresholds)
    metrics = measure(counts, thresholds, moment.astimezone().date())
    checks = run_checks(metrics, thresholds)
    failures = describe_failures(checks, metrics, thresholds)
    return {
        "generated_at": clock.stamp(moment),
        "inputs": {"input_csv": input_csv, **asdict(thresholds), "out_dir": out_dir},
        "checks": checks,
        "metrics": {
            "input_csv": input_csv,
            "input_sha256": disk.sha256(Path(input_csv)),
            **metrics,
        },
        "overall_pass": not failures,
        "failures": failures,
    }


def make_page(report: Mapping[str, Any]) -> str:
    """Return the report as a short Markdown page."""
    lines = [
        f"# Data quality: {_answer(report['overall_pass'])}",
        "",
        f"- File: `{report['inputs']['input_csv']}`",
        f"- Generated: {report['generated_at']}",
        f"- Rows: {report['metrics']['row_count']}",
        "",
        "| check | answer |",
        "|---|---|",
    ]
    lines += [f"| {name} | {_answer(passed)} |" for name, passed in report["checks"].items()]
    if report["failures"]:
        lines.append("")
    lines += [f"- {failure}" for failure in report["failures"]]
    return "\n".join(lines) + "\n"


def _answer(passed: bool) -> str:
    return "pass" if passed else "fail"


def read_thresholds(args: argparse.Namespace) -> Thresholds:
    """Return the policy's thresholds with those of variables and flags over them.

    Raises Missing, Invalid, Usage.
    """
    from_policy = policy.load(policy.find_file(Path(), args.policy)).data_quality
    from_environment = policy.with_environment(from_policy, os.environ)
    from_flags = {}
    for threshold in fields(Thresholds):
        value = getattr(args, threshold.name)
        if value is not None:
            from_flags[threshold.name] = value
    return replace(from_environment, **from_flags)


def check_file(argv: Sequence[str] | None) -> int:
    """Check the file, write the report, name what failed; return the exit code."""
    args = FLAGS.parse(argv)
    moment = clock.now()
    report = make_report(args.input_csv, args.out_dir, read_thresholds(args), moment)
    stamp = moment.astimezone().strftime(clock.RUN_STAMP)
    folder = Path(args.out_dir) / f"data_quality_{stamp}"
    report_path = folder / "data_quality_report.json"
    write_json(report_path, report)
    disk.replace(folder / "data_quality_report.md", make_page(report).encode())
    for failure in report["failures"]:
        terminal.error(f"data quality: {failure}")
    print(report_path)
    return int(not report["overall_pass"])


def main(argv: Sequence[str] | None = None) -> int:
    """Check the file; errors become one line and an exit code."""
    return ending.guard(lambda: check_file(argv))


if __name__ == "__main__":
    raise SystemExit(main())
