"""The sample workstation's gate program: one factor through cost, walk-forward, risk and statistical gates.

reads   the strategy file, the prices it names, a freeze file if given; all relative to the workstation's
        root, which is the current folder
writes  gate_results/production_gates_<ts>/: cost_stress_results.csv, cost_stress/, walk_forward_stress/,
        risk/, statistical/, and last production_gates_report.md and .json; a row of the registry unless
        --no-registry
exit    0 finished, whatever the gates said; 1 a broken panel; 2 wrong usage, or not what was frozen

Walk-forward shards are processes of this same program. --min-seconds spreads waiting time over the windows,
so that a monitor has something to watch; the numbers do not depend on it. A dry run lists the windows and
measures nothing.

    python scripts/run_production_gates.py --strategy configs/strategies/reversal_1.yaml --factor reversal_1
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
from production_gates.panel import FACTORS, Panel, Trial, load, mean, trial

COST_COLUMNS = ("cost_multiplier", "return_code", "test_ic", "train_ic", "run_json")
SKIPPED = {"ok": False, "reason": "skipped by option"}


def new_folder(out_dir: Path) -> Path:
    """Make the gate folder of this second; two runs in one second take turns."""
    while True:
        folder = out_dir.resolve() / f"production_gates_{datetime.now():%Y-%m-%d_%H%M%S}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            time.sleep(0.2)


def cost_stress(options: argparse.Namespace, tried: Trial, folder: Path) -> list[dict[str, Any]]:
    """Measure the mean monthly IC under each multiplier; train is every month before the first test year."""
    first_test, rows = options.wf_start_year + options.wf_train_years, []
    test = (tried.years >= first_test) & (tried.years <= options.wf_end_year)
    for multiplier in multipliers(options):
        ics = tried.ics(multiplier)
        train = tried.years < first_test
        measured = {"test_ic": number(mean(ics[test])), "train_ic": number(mean(ics[train]))}
        path = folder / "cost_stress" / f"x{multiplier:.1f}" / "run.json"
        detail = {
            "factor": options.factor,
            "cost_multiplier": multiplier,
            "cost_bps": tried.cost * 10_000,
        }
        counts = {"train_n_dates": int(train.sum()), "test_n_dates": int(test.sum())}
        write_json(path, detail | measured | counts)
        rows.append(
            {"cost_multiplier": multiplier, "return_code": 0, **measured, "run_json": str(path)}
        )
        say(
            "cost_stress",
            f"x{multiplier:.1f} test_ic={measured['test_ic']} train_ic={measured['train_ic']}",
        )
    write_csv(folder / "cost_stress_results.csv", COST_COLUMNS, rows)
    return rows


def stages(
    options: argparse.Namespace, argv: Sequence[str], panel: Panel, tried: Trial, folder: Path
) -> dict[str, Any]:
    """Run what was not skipped, in the order of the report."""
    if options.dry_run:
        say("dry_run", f"windows {walk_forward.windows(options)}")
        later = ("wf_stress", "risk_diagnostics", "statistical_gates")
        return {"cost_stress": [], **{stage: {"ok": False, "reason": "dry run"} for stage in later}}
    cost, wf = cost_stress(options, tried, folder), walk_forward.run(options, argv, folder)
    exposure = SKIPPED if options.skip_risk_diagnostics else risk.run(options, tried, folder)
    bps = tried.cost * 10_000
    luck = (
        SKIPPED if options.skip_statistical_gates else significance.run(options, panel, bps, folder)
    )
    return {
        "cost_stress": cost,
        "wf_stress": wf,
        "risk_diagnostics": exposure,
        "statistical_gates": luck,
    }


def report(options: argparse.Namespace, found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Put the report together and write it last, its readable face just before."""
    outputs = {"out_root": str(folder), "cost_csv": str(folder / "cost_stress_results.csv")}
    outputs["wf_summary_csv"] = found["wf_stress"].get("summary_csv")
    moment = datetime.now().isoformat(timespec="seconds")
    head = {"generated_at": moment, "inputs": inputs(options), "outputs": outputs}
    whole = {**head, **found, "gates": gates.evaluate(options, found)}
    write_text(folder / "production_gates_report.md", gates.page(whole))
    write_json(folder / "production_gates_report.json", whole)
    say(
        "report",
        f"overall_pass={whole['gates']['overall_pass']} {folder / 'production_gates_report.json'}",
    )
    return whole


def register(path: Path, whole: dict[str, Any]) -> None:
    """Add this run to the workstation's own list: one line in one write, so that runs do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = whole["inputs"]
    row = (
        whole["generated_at"],
        asked["decision_tag"],
        asked["factor"],
        whole["gates"]["overall_pass"],
    )
    with path.open("a", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerow(row)


def main(argv: list[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else argv
    options, strategy = parse(build_parser(__doc__ or "", list(FACTORS)), given)
    panel = load(Path(strategy["prices"]), strategy["index_symbol"])
    tried = trial(panel, options.factor, float(strategy["cost_bps"]))
    if options.shard is not None:
        return walk_forward.run_shard(options, tried)
    folder = new_folder(Path(options.out_dir))
    say("start", f"{options.factor} {options.decision_tag} {folder}")
    whole = report(options, stages(options, given, panel, tried, folder), folder)
    if not options.no_registry:
        register(Path(options.registry_csv), whole)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
