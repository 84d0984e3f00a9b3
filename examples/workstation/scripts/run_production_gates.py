"""The sample workstation's gate program: one factor through four stages of gates.

reads   the strategy file, the prices it names, a freeze file if given; all relative to the
        workstation's root, which is the current folder
writes  gate_results/production_gates_<ts>/: cost_stress_results.csv, cost_stress/,
        walk_forward_stress/, risk/, statistical/, and last production_gates_report.md and .json;
        a row of the registry unless --no-registry
exit    0 finished, whatever the gates said; 1 a broken panel; 2 wrong usage, or not what was frozen

The stages are cost stress, walk-forward, risk and statistics. Walk-forward shards are processes of
this same program. --min-seconds spreads waiting time over the windows, so that a monitor has
something to watch; the numbers do not depend on it. A dry run lists the windows and measures
nothing.

    python scripts/run_production_gates.py --strategy configs/strategies/reversal_1.yaml \\
      --factor reversal_1
"""

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from production_gates import gates, risk, significance, walk_forward
from production_gates.files import number, say, write_csv, write_json, write_text
from production_gates.options import build_parser, inputs, multipliers, parse
from production_gates.panel import (
    FACTORS,
    MOMENTUM,
    Panel,
    Trial,
    load,
    make_trial,
    mean,
    signals,
)

COST_COLUMNS = ("cost_multiplier", "return_code", "test_ic", "train_ic", "run_json")
SKIPPED = {"ok": False, "reason": "skipped by option"}


def new_folder(out_dir: Path) -> Path:
    """Make and return the gate folder, named after this second or the next free one."""
    while True:
        folder = out_dir.resolve() / f"production_gates_{datetime.now():%Y-%m-%d_%H%M%S}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            time.sleep(0.2)


def cost_stress(options: argparse.Namespace, trial: Trial, folder: Path) -> list[dict[str, Any]]:
    """Return the mean monthly IC under each cost multiplier.

    Train is every month before the first test year.
    """
    first_test_year = options.wf_start_year + options.wf_train_years
    in_test = (trial.years >= first_test_year) & (trial.years <= options.wf_end_year)
    in_train = trial.years < first_test_year
    rows = []
    for multiplier in multipliers(options):
        ics = trial.ics(multiplier)
        test_ic, train_ic = number(mean(ics[in_test])), number(mean(ics[in_train]))
        path = folder / "cost_stress" / f"x{multiplier:.1f}" / "run.json"
        detail = {
            "factor": options.factor,
            "cost_multiplier": multiplier,
            "cost_bps": trial.cost * 10_000,
            "test_ic": test_ic,
            "train_ic": train_ic,
            "train_n_dates": int(in_train.sum()),
            "test_n_dates": int(in_test.sum()),
        }
        write_json(path, detail)
        row = {
            "cost_multiplier": multiplier,
            "return_code": 0,
            "test_ic": test_ic,
            "train_ic": train_ic,
            "run_json": str(path),
        }
        rows.append(row)
        say("cost_stress", f"x{multiplier:.1f} test_ic={test_ic} train_ic={train_ic}")
    write_csv(folder / "cost_stress_results.csv", COST_COLUMNS, rows)
    return rows


def run_stages(
    options: argparse.Namespace, argv: Sequence[str], panel: Panel, trial: Trial, folder: Path
) -> dict[str, Any]:
    """Run the stages that are not skipped; return them in the order of the report."""
    if options.dry_run:
        say("dry_run", f"windows {walk_forward.windows(options)}")
        dry = {"ok": False, "reason": "dry run"}
        return {
            "cost_stress": [],
            "wf_stress": dry,
            "risk_diagnostics": dry,
            "statistical_gates": dry,
        }
    stages = {
        "cost_stress": cost_stress(options, trial, folder),
        "wf_stress": walk_forward.run(options, argv, folder),
        "risk_diagnostics": SKIPPED,
        "statistical_gates": SKIPPED,
    }
    if not options.skip_risk_diagnostics:
        stages["risk_diagnostics"] = risk.run(options, trial, folder)
    if not options.skip_statistical_gates:
        cost_bps = trial.cost * 10_000
        stages["statistical_gates"] = significance.run(options, panel, cost_bps, folder)
    return stages


def write_report(
    options: argparse.Namespace, stages: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Write the report last, its Markdown page just before it; return it."""
    path = folder / "production_gates_report.json"
    outputs = {
        "out_root": str(folder),
        "cost_csv": str(folder / "cost_stress_results.csv"),
        "wf_summary_csv": stages["wf_stress"].get("summary_csv"),
    }
    report = {
        "generated_at": datetime.now().isoformat(timespec="seconds"),
        "inputs": inputs(options),
        "outputs": outputs,
        **stages,
        "gates": gates.evaluate(options, stages),
    }
    write_text(folder / "production_gates_report.md", gates.page(report))
    write_json(path, report)
    say("report", f"overall_pass={report['gates']['overall_pass']} {path}")
    return report


def register(path: Path, report: dict[str, Any]) -> None:
    """Add this run to the workstation's own list, in one write: runs may end at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    asked, gate_answers = report["inputs"], report["gates"]
    row = [report["generated_at"], asked["decision_tag"], asked["factor"]]
    row.append(gate_answers["overall_pass"])
    with path.open("a", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerow(row)


def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    parser = build_parser(__doc__ or "", [*FACTORS, MOMENTUM])
    options, strategy = parse(parser, arguments)
    panel = load(Path(strategy["prices"]), strategy["index_symbol"])
    of_closes = signals(options.factor, options.look_back, options.skip)[options.factor]
    trial = make_trial(panel, of_closes, float(strategy["cost_bps"]))
    if options.shard is not None:
        return walk_forward.run_shard(options, trial)
    folder = new_folder(Path(options.out_dir))
    say("start", f"{options.factor} {options.decision_tag} {folder}")
    stages = run_stages(options, arguments, panel, trial, folder)
    report = write_report(options, stages, folder)
    if not options.no_registry:
        register(Path(options.registry_csv), report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
