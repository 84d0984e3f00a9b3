"""What the program is asked: the strategy file, the command line, and the guardrail between the two."""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TEXT = {
    "protocol": "rank_ic_monthly_v1",
    "cost-multipliers": "1.0,1.5,2.0",
    "stress-market-cap-dir": "",
    "stat-summary-csv": "",
    "out-dir": "gate_results",
    "registry-csv": "gate_results/gate_registry.csv",
    "decision-tag": "",
    "owner": "",
    "notes": "",
    "freeze-file": "",
    "wf-freeze-file": "",
}
WHOLE = {
    "wf-train-years": 3,
    "wf-test-years": 1,
    "wf-start-year": 2010,
    "wf-end-year": 2025,
    "wf-shards": 1,
}
REAL = {
    "stress-cost-multiplier": 1.5,
    "stress-min-market-cap": 2e9,
    "stress-min-dollar-volume": 5e6,
    "stress-min-price": 5.0,
    "min-pos-ratio": 0.70,
    "risk-beta-abs-max": 0.50,
    "risk-turnover-overlap-min": 0.20,
    "risk-size-corr-abs-max": 0.30,
    "risk-industry-coverage-min": 0.70,
    "risk-top-pct": 0.20,
    "stat-alpha": 0.10,
    "stat-min-pos-ratio": 0.60,
    "stat-min-ic-mean": 0.0,
    "min-seconds": 0.0,
}
SWITCH = (
    "stress-market-cap-strict",
    "skip-risk-diagnostics",
    "skip-statistical-gates",
    "no-registry",
    "skip-guardrails",
    "dry-run",
)
INTERNAL = (
    "shard",
    "gate_folder",
    "parent",
)  # how the program starts its own shards; not part of what was asked
CANNOT = (
    "stress_min_market_cap",
    "stress_min_dollar_volume",
    "stress_min_price",
    "stress_market_cap_dir",
    "stress_market_cap_strict",
)


def build_parser(description: str, factors: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--strategy", required=True, help="strategy file, relative to the workstation's root"
    )
    parser.add_argument("--factor", required=True, choices=factors)
    parser.add_argument("--wf-rebalance-mode", default="monthly", choices=["monthly"])
    for kind, table in ((str, TEXT), (int, WHOLE), (float, REAL)):
        for name, value in table.items():
            parser.add_argument(
                f"--{name}", type=kind, default=value, help=f"default: {value or 'none'}"
            )
    for name in SWITCH:
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--shard", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--gate-folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    return parser


def read_strategy(path: Path) -> dict[str, str]:
    """Read the flat `key: value` lines that the sample's YAML files are made of."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split(":", 1) for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str]
) -> tuple[argparse.Namespace, dict[str, str]]:
    """Read the strategy first, since it sets defaults, then the command line, which wins. Exits with 2."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--strategy")
    named = first.parse_known_args(argv)[0].strategy
    if named and not Path(named).is_file():
        parser.error(f"--strategy: expected a file below {Path.cwd()}, found none at {named}")
    strategy = read_strategy(Path(named)) if named else {}
    own = {
        key.removeprefix("gate."): value
        for key, value in strategy.items()
        if key.startswith("gate.")
    }
    parser.set_defaults(**own)
    options = parser.parse_args(argv)
    for problem in problems(options, strategy):
        parser.error(problem)
    return options, strategy


def problems(options: argparse.Namespace, strategy: dict[str, str]) -> list[str]:
    """Say what cannot be done as asked; an option that would be recorded but not applied is refused."""
    found = [
        f"--{name.replace('_', '-')}: no capitalisations, volumes or traded prices to apply it to"
        for name in CANNOT
        if getattr(options, name)
    ]
    if min(options.wf_train_years, options.wf_test_years, options.wf_shards) < 1:
        found.append("--wf-train-years, --wf-test-years, --wf-shards: expected 1 or more each")
    if not options.skip_guardrails:
        found += guardrail(options, strategy)
    return found


def guardrail(options: argparse.Namespace, strategy: dict[str, str]) -> list[str]:
    """Compare the run with what was frozen: the strategy's digest, and every entry of run_scope."""
    found = (
        []
        if strategy["factor"] == options.factor
        else [f"--factor: the strategy is for {strategy['factor']}"]
    )
    for name in filter(None, (options.freeze_file, options.wf_freeze_file)):
        if not Path(name).is_file():
            return [*found, f"freeze file: expected {name}, found nothing there"]
        frozen = json.loads(Path(name).read_text(encoding="utf-8"))
        if hashlib.sha256(Path(options.strategy).read_bytes()).hexdigest() != frozen["config_hash"]:
            found.append(f"{name}: the strategy file changed after it was frozen")
        given = vars(options)
        differs = [key for key, value in frozen["run_scope"].items() if given[key] != value]
        found += [
            f"{name}: {key} is frozen at {frozen['run_scope'][key]}, not {given[key]}"
            for key in differs
        ]
    return found


def inputs(options: argparse.Namespace) -> dict[str, Any]:
    """Give every option as the report records it."""
    return {key: value for key, value in vars(options).items() if key not in INTERNAL}


def multipliers(options: argparse.Namespace) -> list[float]:
    return [float(part) for part in options.cost_multipliers.split(",")]
