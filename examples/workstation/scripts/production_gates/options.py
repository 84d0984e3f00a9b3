"""The command line, the strategy file, and the guardrail: both compared with a freeze file."""

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
    "look-back": 12,  # months, of the factor momentum
    "skip": 1,
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
LONGEST_LOOK_BACK = 12  # the first signal is that of the second January
# How the program starts its own shards; the report does not record them.
INTERNAL = ("shard", "gate_folder", "parent")
# The data has no capitalisations, volumes or traded prices for these.
CANNOT_APPLY = (
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
    strategy = "strategy file, relative to the workstation's root"
    parser.add_argument("--strategy", required=True, help=strategy)
    parser.add_argument("--factor", required=True, choices=factors)
    parser.add_argument("--wf-rebalance-mode", default="monthly", choices=["monthly"])
    for kind, table in ((str, TEXT), (int, WHOLE), (float, REAL)):
        for name, value in table.items():
            default = f"default: {value or 'none'}"
            parser.add_argument(f"--{name}", type=kind, default=value, help=default)
    for name in SWITCH:
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--shard", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--gate-folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    return parser


def read_strategy(path: Path) -> dict[str, str]:
    """Return the `key: value` lines of a strategy file; the sample's YAML has nothing else."""
    strategy = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if line.strip() and not line.strip().startswith("#"):
            strategy[key.strip()] = value.strip()
    return strategy


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str]
) -> tuple[argparse.Namespace, dict[str, str]]:
    """Return the options and the strategy, or exit with 2.

    The strategy file comes first because it sets defaults; the command line overrides them.
    """
    strategy_parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    strategy_parser.add_argument("--strategy")
    name = strategy_parser.parse_known_args(argv)[0].strategy
    strategy: dict[str, str] = {}
    if name:
        if not Path(name).is_file():
            parser.error(f"--strategy: expected a file below {Path.cwd()}, found none at {name}")
        strategy = read_strategy(Path(name))
    for key, value in strategy.items():
        if key.startswith("gate."):
            parser.set_defaults(**{key.removeprefix("gate."): value})
    options = parser.parse_args(argv)
    for problem in problems(options, strategy):
        parser.error(problem)
    return options, strategy


def problems(options: argparse.Namespace, strategy: dict[str, str]) -> list[str]:
    """Return what is wrong. An option that would be recorded but not applied is refused."""
    messages = []
    for name in CANNOT_APPLY:
        if getattr(options, name):
            flag = f"--{name.replace('_', '-')}"
            messages.append(f"{flag}: no capitalisations, volumes or traded prices to apply it to")
    if min(options.wf_train_years, options.wf_test_years, options.wf_shards) < 1:
        messages.append("--wf-train-years, --wf-test-years, --wf-shards: expected 1 or more each")
    if not 0 <= options.skip < options.look_back <= LONGEST_LOOK_BACK:
        expected = f"expected 0 <= skip < look-back <= {LONGEST_LOOK_BACK} months"
        messages.append(f"--look-back, --skip: {expected}")
    if not options.skip_guardrails:
        messages += guardrail(options, strategy)
    return messages


def guardrail(options: argparse.Namespace, strategy: dict[str, str]) -> list[str]:
    """Return where the run differs from what was frozen: the strategy file and the run_scope."""
    messages = []
    if strategy["factor"] != options.factor:
        messages.append(f"--factor: the strategy is for {strategy['factor']}")
    for name in filter(None, (options.freeze_file, options.wf_freeze_file)):
        path = Path(name)
        if not path.is_file():
            return [*messages, f"freeze file: expected {name}, found nothing there"]
        frozen = json.loads(path.read_text(encoding="utf-8"))
        strategy_bytes = Path(options.strategy).read_bytes()
        if hashlib.sha256(strategy_bytes).hexdigest() != frozen["config_hash"]:
            messages.append(f"{name}: the strategy file changed after it was frozen")
        for key, value in frozen["run_scope"].items():
            actual = getattr(options, key)
            if actual != value:
                messages.append(f"{name}: {key} is frozen at {value}, not {actual}")
    return messages


def inputs(options: argparse.Namespace) -> dict[str, Any]:
    """Return every option as the report records it."""
    return {key: value for key, value in vars(options).items() if key not in INTERNAL}


def multipliers(options: argparse.Namespace) -> list[float]:
    parts = options.cost_multipliers.split(",")
    return [float(part) for part in parts if part.strip()]
