"""Ask whether a CSV file is fit for an official run. Standard library only; reads the file once, row by row.

reads   the data file; thresholds from the launcher's policy, each with a flag that wins
writes  <out-dir>/data_quality_<time>/data_quality_report.json and .md
prints  the report's path
exit    0 every check passed; 1 one did not; 2 wrong usage; 3 no such file; 4 it is no CSV, or the policy is
        invalid

A cell is missing when it is empty, in a numeric column also when it spells NaN, NA, null or none (elsewhere
these may be names). Numbers must be finite. A key that was there before is a duplicate. The newest date
must be no older than --max-staleness-days and at most a day ahead of here; a date that cannot be read fails
freshness. Every row must be as wide as the header.

    python scripts/data_quality_gate.py --input-csv data/prices.csv --max-staleness-days 10
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_origin

from postrun import cli
from postrun.core import clock, disk, terminal
from postrun.launcher import policy
from postrun.launcher.policy import Thresholds
from postrun.launcher.records import write_json
from postrun.launcher.tally import Tally, columns, scan

AHEAD = -1  # days: the file may come from a zone where it is tomorrow already


def metrics(tally: Tally, asked: Thresholds, today: date) -> dict[str, Any]:
    """Turn counts into what the report shows; None where there is nothing to measure."""
    present = [name for name in columns(asked) if name in tally.header]
    ratios = {name: tally.missing[name] / tally.rows if tally.rows else None for name in present}
    keyed = tally.rows and set(asked.key_columns) <= set(tally.header)
    return {
        "row_count": tally.rows,
        "column_count": len(tally.header),
        "missing_required_columns": [name for name in columns(asked) if name not in tally.header],
        "min_rows_threshold": asked.min_rows,
        "duplicate_ratio": tally.duplicates / tally.rows if keyed else None,
        "max_duplicate_ratio_threshold": asked.max_duplicate_ratio,
        "missing_ratio_by_column": ratios,
        "max_missing_ratio_threshold": asked.max_missing_ratio,
        "missing_ratio_violations": [
            name
            for name, ratio in ratios.items()
            if ratio is None or ratio > asked.max_missing_ratio
        ],
        "numeric_issues": {
            name: tally.unreadable[name] for name in asked.numeric_columns if tally.unreadable[name]
        },
        "freshness_days": None if tally.newest is None else (today - tally.newest).days,
        "max_staleness_days_threshold": asked.max_staleness_days,
        "unreadable_dates": tally.bad_dates,
        "ragged_rows": tally.ragged,
    }


def checks(found: dict[str, Any], asked: Thresholds) -> dict[str, bool]:
    """Answer every check; what could not be measured has not passed."""
    absent, age = found["missing_required_columns"], found["freshness_days"]
    duplicates = found["duplicate_ratio"]
    return {
        "required_columns_present": not absent,
        "min_rows": found["row_count"] >= asked.min_rows,
        "duplicate_ratio": duplicates is not None and duplicates <= asked.max_duplicate_ratio,
        "missing_ratio": not found["missing_ratio_violations"],
        "numeric_integrity": not found["numeric_issues"]
        and not set(absent) & set(asked.numeric_columns),
        "freshness": age is not None
        and AHEAD <= age <= asked.max_staleness_days
        and not found["unreadable_dates"],
        "row_width": not found["ragged_rows"],
    }


def failures(answers: dict[str, bool], found: dict[str, Any], asked: Thresholds) -> list[str]:
    """Say one line for each check that did not pass, with what was found."""
    many = ", ".join(found["missing_ratio_violations"])
    seen = {
        "required_columns_present": f"columns not there: {', '.join(found['missing_required_columns'])}",
        "min_rows": f"expected {asked.min_rows} rows or more, found {found['row_count']}",
        "duplicate_ratio": f"expected at most {asked.max_duplicate_ratio}, found {found['duplicate_ratio']}",
        "missing_ratio": f"expected at most {asked.max_missing_ratio} in each column, found more in {many}",
        "numeric_integrity": f"cells that are no numbers: {found['numeric_issues'] or 'no such column'}",
        "freshness": f"expected at most {asked.max_staleness_days} days, found {found['freshness_days']}, "
        f"unreadable dates {found['unreadable_dates']}",
        "row_width": f"{found['ragged_rows']} rows are not as wide as the header",
    }
    return [f"{name}: {seen[name]}" for name, passed in answers.items() if not passed]


def judge(given: str, out_dir: str, asked: Thresholds, moment: datetime) -> dict[str, Any]:
    """Read the file and give the whole report."""
    found = {
        "input_csv": given,
        **metrics(scan(Path(given), asked), asked, moment.astimezone().date()),
    }
    answers = checks(found, asked)
    return {
        "generated_at": clock.stamp(moment),
        "inputs": {"input_csv": given, **asdict(asked), "out_dir": out_dir},
        "checks": answers,
        "metrics": found,
        "overall_pass": all(answers.values()),
        "failures": failures(answers, found, asked),
    }


def page(report: dict[str, Any]) -> str:
    """Write the report's short Markdown face."""
    lines = [f"# Data quality: {'pass' if report['overall_pass'] else 'fail'}", ""]
    lines += [
        f"- File: `{report['inputs']['input_csv']}`",
        f"- Generated: {report['generated_at']}",
    ]
    lines += [f"- Rows: {report['metrics']['row_count']}", "", "| check | answer |", "|---|---|"]
    lines += [
        f"| {name} | {'pass' if passed else 'fail'} |" for name, passed in report["checks"].items()
    ]
    lines += ["", *[f"- {failure}" for failure in report["failures"]]] if report["failures"] else []
    return "\n".join(lines) + "\n"


def build_parser() -> cli.Parser:
    """Give a flag to every threshold; those left out come from the policy."""
    parser = cli.Parser(__doc__)
    parser.add_argument("--input-csv", required=True)
    parser.add_argument("--out-dir", default="audit/data_quality")
    parser.add_argument(
        "--policy", type=Path, help="default: configs/launcher_policy.json, here or in the project"
    )
    for one in fields(Thresholds):
        reader = _names if get_origin(one.type) is tuple else one.type
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=reader)
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def thresholds(args: argparse.Namespace) -> Thresholds:
    """Take the policy's thresholds and put the flags on top."""
    asked = policy.load(policy.find(Path(), args.policy)).data_quality
    given = {one.name: getattr(args, one.name) for one in fields(Thresholds)}
    return replace(asked, **{name: value for name, value in given.items() if value is not None})


def run(argv: Sequence[str] | None) -> int:
    """Judge the file, write the report, tell what did not pass."""
    args = build_parser().parse_args(argv)
    moment = clock.now()
    report = judge(args.input_csv, args.out_dir, thresholds(args), moment)
    home = Path(args.out_dir) / f"data_quality_{moment.astimezone().strftime(clock.RUN_STAMP)}"
    write_json(home / "data_quality_report.json", report)
    disk.replace(home / "data_quality_report.md", page(report).encode())
    for failure in report["failures"]:
        terminal.error(f"data quality: {failure}")
    print(home / "data_quality_report.json")
    return 0 if report["overall_pass"] else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Be the command; a refusal becomes a line and an exit code."""
    return cli.guard(lambda: run(argv))


if __name__ == "__main__":
    raise SystemExit(main())
