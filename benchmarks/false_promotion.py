"""How often a factor that is worth nothing is promoted: simulated, beside the expected figures.

A factor is tried several times. Every try gives 16 yearly ICs, normal around the true IC, equally
correlated between tries; the last 13 are its test windows, all 16 are its 8 two-year segments.
`today` promotes by gates, score and the producer's segment gate alone; `rule` also asks that the
trial survives the sign-flip maximum over all tries so far, and that its factor's q (Benjamini and
Yekutieli) over the factors so far is small enough.

Tables: `ever` promoted within so many tries; `watchlist`, a worthless run's share there when no
statistics are asked; `registry`, at least one promotion among 20 worthless factors with 10 runs
each, ever, and when each factor's best run is judged once after all; `power`, the promotion of a
good try after worthless ones.

Each line shows the share, an interval, and the expected figure. Both are simulations: the interval
is Wilson's at 99.9 % for the error of both, and the expected figure's rounding is added.

reads   configs/scoring_policy.json, configs/statistics_policy.json
exit    0 every figure agrees; 1 one lies outside its interval; 2 wrong usage

    .venv/bin/python benchmarks/false_promotion.py [--registries 10000] [--seed 20261125]
        [--table ever]
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

# Its matrices are small: two threads spend ten times as long on waiting for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "scripts"))

from postrun.decide.multiple_testing import benjamini_yekutieli  # noqa: E402

Array = NDArray[np.float64]
Counts = NDArray[np.int_]
Flags = NDArray[np.bool_]
Row = dict[str, Any]

YEARS, WINDOWS, SEGMENTS = 16, 13, 8  # three years of training come before the first window
DEVIATION = 0.033  # of a yearly IC
# The walk-forward runs at 1.5 times the costs; at 2.0 the IC is lower by about what the sample's
# factors lose at most (0.005). Hardly a promotion depends on it, the share in the watchlist does.
COST_STEP = 0.006
FACTORS, WORKING, WORKING_IC = 20, 9, 0.03  # in the producer's table; 9 of the 19 others work
GATES = {"min_pos_ratio": 0.70, "stat_alpha": 0.10, "stat_min_pos_ratio": 0.60}
GOVERNANCE = ("audit_passed", "data_quality_passed", "ledger_row_present", "no_high_item")
TIES = 1e-12  # on r; continuous draws have no other ties than a pattern with itself
BATCH = 500  # families at once, for memory
Z = NormalDist().inv_cdf(1 - 0.001 / 2)

# Expected, in per cent, for so many tries.
TRIES = (1, 5, 20, 200)
EVER = {
    ("today", 0.0): ("2.0", "8.9", "31", "98"),
    ("today", 0.4): ("1.7", "7.7", "21", "60"),
    ("today", 0.8): ("2.0", "6.0", "11", "24"),
    ("rule", 0.0): ("0.7", "1.7", "2.8", "4.7"),
    ("rule", 0.4): ("0.5", "1.6", "2.5", "3.8"),
    ("rule", 0.8): ("0.8", "1.3", "1.7", "2.2"),
}
WATCHLIST = "25"
POWER_TRIES = (1, 5, 20, 100)
POWER = {0.05: ("99", "94", "82", "59"), 0.03: ("67", "43", "25", "10")}
FAMILIES, RUNS = 20, 10
# The specification of the rules says 89 and 1.8 % in one sentence, without saying whether each run
# is judged when it is closed, or each factor's best run once after all. The second agrees, if the
# sentence stands on 1,000 registries. The first is what a team meets: q of the first factors is
# taken over few of them, and is measured here only (10,000 registries, seed 1).
REGISTRY = {
    "today, ever": ("95", 10_000),
    "rule, ever": ("11", 10_000),
    "today, best runs after all": ("89", 1_000),
    "rule, best runs after all": ("1.8", 1_000),
}


@dataclass(frozen=True)
class Rules:
    """The shipped policies, as far as they decide here."""

    scoring: Row
    level: float
    q: float

    @classmethod
    def shipped(cls) -> "Rules":
        """Return the rules of configs/."""
        levels = read_config("statistics_policy")["levels"]
        level = levels["decision"]
        q = levels["families"]["q"]
        return cls(read_config("scoring_policy"), level, q)


def read_config(name: str) -> Row:
    """Return a shipped policy."""
    path = PROJECT / "configs" / f"{name}.json"
    policy: Row = json.loads(path.read_text(encoding="utf-8"))
    return policy


@dataclass(frozen=True)
class Tries:
    """The tries of many families (F), each in the order in which they are made (N)."""

    windows: Array  # test ICs (F, N, 13)
    gates: Flags  # whether every gate passes (F, N)
    total: Array  # the score, with a passed audit (F, N)

    def promoted(self, rules: Rules) -> Flags:
        """Return what gates and score alone promote (F, N)."""
        least = rules.scoring["decisions"]["promote_candidate"]
        return np.asarray(self.gates & (self.total >= least))

    def watched(self, rules: Rules) -> Flags:
        """Return what lands in the watchlist when no statistics are asked (F, N)."""
        least = rules.scoring["decisions"]["watchlist_rerun"]
        return np.asarray((self.total >= least) & ~self.promoted(rules))


def draw(
    rng: np.random.Generator,
    shape: tuple[int, int],
    correlation: float,
    rules: Rules,
    last_ic: float = 0.0,
) -> Tries:
    """Return families x tries; the true IC is zero, but for the last try's `last_ic`."""
    families, tries = shape
    shared = rng.standard_normal((families, 1, YEARS))
    own = rng.standard_normal((families, tries, YEARS))
    common = np.sqrt(correlation) * shared
    single = np.sqrt(1 - correlation) * own
    years = DEVIATION * (common + single)
    years[:, -1] += last_ic
    return judge(years, other_factors(rng, families), rules)


def other_factors(rng: np.random.Generator, families: int) -> Array:
    """Return |z| of the other factors in the producer's table, one table a family (F, 19)."""
    shape = (families, FACTORS - 1, SEGMENTS)
    # The mean of two years has half the variance of a year.
    deviation = DEVIATION / np.sqrt(YEARS / SEGMENTS)
    segments = deviation * rng.standard_normal(shape)
    segments[:, :WORKING] += WORKING_IC
    return np.abs(student_t(segments))


def student_t(sample: Array) -> Array:
    """Return Student's t of the means along the last axis (ddof 1)."""
    mean = sample.mean(-1)
    error = sample.std(-1, ddof=1) / np.sqrt(sample.shape[-1])
    return np.asarray(mean / error)


def judge(years: Array, others: Array, rules: Rules) -> Tries:
    """Return what gates and score say of yearly ICs (F, N, 16) beside other factors (F, 19)."""
    windows = years[..., -WINDOWS:]
    mean = windows.mean(-1)
    positive = (windows > 0).mean(-1)
    # The producer's statistical gate.
    segments = years.reshape(*years.shape[:-1], SEGMENTS, -1).mean(-1)
    steps = q_steps(student_t(segments), others, rules)
    segment_pass = steps[0] & (segments.mean(-1) > 0)
    segment_pass &= (segments > 0).mean(-1) >= GATES["stat_min_pos_ratio"]

    gates = segment_pass & (mean > 0) & (mean - COST_STEP > 0)
    gates &= positive >= GATES["min_pos_ratio"]
    total = score(mean, positive, segment_pass, steps[1:], rules.scoring)
    cap = rules.scoring["caps"]["without_overall_pass"]
    return Tries(windows, gates, np.where(gates, total, np.minimum(total, cap)))


def q_steps(t: Array, others: Array, rules: Rules) -> list[Flags]:
    """Return whether q is at most the gate's alpha, then at most each step of the score (F, N).

    The producer takes two-sided normal p of t, and Benjamini-Hochberg. With p of the focus set to
    0 the procedure rejects R factors; q is at most a exactly when p is at most a R / 20. No p is
    computed: |t| is compared with the normal values that belong to a R / 20.
    """
    descending = -np.sort(-others, axis=-1)
    found = []
    levels = [step["at_most"] for step in rules.scoring["statistical"]["q_value"]]
    for level in (GATES["stat_alpha"], *levels):
        limits = np.array([normal_limit(level * rank / FACTORS) for rank in range(1, FACTORS + 1)])
        # The other factor of rank k is rejected at the level of rank k + 1: the focus is first.
        is_rejected = descending >= limits[1:]
        ranks = np.arange(1, FACTORS)
        rejected = np.max(is_rejected * ranks, axis=-1)
        limit = limits[rejected][:, None]
        found.append(np.asarray(np.abs(t) >= limit))
    return found


def normal_limit(p: float) -> float:
    """Return the |z| whose two-sided normal p this is."""
    return -NormalDist().inv_cdf(p / 2)


def score(mean: Array, positive: Array, segment_pass: Flags, q: list[Flags], policy: Row) -> Array:
    """Return the total before its cap: scoring.score, for arrays. Risk and governance are whole."""
    cost, walk = policy["cost"], policy["walk_forward"]
    cost_ics = np.stack([mean, mean - COST_STEP])
    points = cost["positive_points"] * (cost_ics > 0).sum(0)
    points = points + within(cost_ics.mean(0) * cost["mean_scale"], cost["mean_cap"])
    points += walk["positive_points"] * (mean > 0)
    points += within(mean * walk["mean_scale"], walk["mean_cap"])
    above = positive - walk["pos_ratio_floor"]
    points += within(above * walk["pos_ratio_scale"], walk["pos_ratio_cap"])
    points += policy["statistical"]["gate_points"] * segment_pass
    # The steps overlap: the best one that is reached counts.
    q_points = np.zeros_like(mean)
    for step, reached in zip(policy["statistical"]["q_value"], q, strict=True):
        q_points = np.maximum(q_points, step["points"] * reached)
    points += q_points
    points += policy["risk"]["points"]
    points += sum(policy["governance"][name] for name in GOVERNANCE)
    return np.asarray(points)


def within(points: Array, cap: float) -> Array:
    """Keep points within 0 and the cap."""
    return np.clip(points, 0, cap)


class Luck:
    """The exact sign-flip maximum (STATISTICS 3) for trials that share their 13 windows.

    Of all patterns, half are the others turned round, so half are computed. With equal numbers of
    windows r and t give the same order.
    """

    def __init__(self) -> None:
        numbers = np.arange(2 ** (WINDOWS - 1))[:, None]
        bits = (numbers >> np.arange(WINDOWS - 1)) & 1
        first = np.ones((len(bits), 1))
        self.patterns = np.hstack([first, 1.0 - 2 * bits]).T

    def p(self, trials: Array, which: int) -> float:
        """Return how often the best of these trials (N, 13) under luck is as good as one of them.

        The share of all sign patterns, one sign per window for every trial.
        """
        scale = np.sqrt(WINDOWS * (trials**2).sum(-1, keepdims=True))
        r = (trials / scale) @ self.patterns
        observed = r[which, 0] - TIES
        reached = np.count_nonzero(r.max(0) >= observed)
        turned = np.count_nonzero(-r.min(0) >= observed)
        patterns = 2 * r.shape[1]
        return float((reached + turned) / patterns)

    def survives(self, trials: Array, level: float) -> bool:
        """Return whether the last of these trials has p at most `level` among them all."""
        return self.p(trials[-1:], 0) <= level and self.p(trials, len(trials) - 1) <= level


def first_survivors(tries: Tries, luck: Luck, rules: Rules) -> Counts:
    """Return the number of tries until the rule promotes one of a family (F,); 0: it never does."""
    first = np.zeros(len(tries.windows), int)
    for family, number in np.argwhere(tries.promoted(rules)):
        if first[family]:
            continue
        if luck.survives(tries.windows[family, : number + 1], rules.level):
            first[family] = number + 1
    return first


def best(trials: Array) -> int:
    """Return which of these trials (N, 13) has the largest t."""
    sizes = np.sqrt((trials**2).sum(-1))
    return int(np.argmax(trials.sum(-1) / sizes))


@dataclass(frozen=True)
class Registry:
    """Factors with runs: windows (20, 10, 13), and what gates and score promote (20, 10).

    The factors take turns: every factor's first run comes before any second run.
    """

    windows: Array
    promoted: Flags
    luck: Luck

    def ever(self, rules: Rules) -> bool:
        """Return whether the rule promotes any run when it is closed."""
        for number, family in np.argwhere(self.promoted.T):
            trials = self.windows[family, : number + 1]
            if not self.luck.survives(trials, rules.level):
                continue
            known = [number + (other <= family) for other in range(FAMILIES)]
            if self.q_of(family, known) <= rules.q:
                return True
        return False

    def best_promoted(self) -> Counts:
        """Return the factors whose best run of all passes gates and score."""
        passes = [self.promoted[family, best(self.windows[family])] for family in range(FAMILIES)]
        return np.flatnonzero(passes)

    def at_the_end(self, rules: Rules) -> bool:
        """Return whether the rule promotes any factor's best run, judged once after all runs."""
        for family in self.best_promoted():
            trials = self.windows[family]
            if self.luck.p(trials, best(trials)) > rules.level:
                continue
            if self.q_of(family, [RUNS] * FAMILIES) <= rules.q:
                return True
        return False

    def q_of(self, family: int, known: Sequence[int]) -> float:
        """Return the q of a factor, when so many runs of each factor are known."""
        runs = [self.windows[other, :count] for other, count in enumerate(known)]
        ps = [self.luck.p(trials, best(trials)) for trials in runs if len(trials)]
        return benjamini_yekutieli(ps)[family]


@dataclass(frozen=True)
class Figure:
    """One simulated share beside the expected one, both in per cent."""

    name: str
    hits: int
    of: int
    expected: str
    simulated: int = 10_000  # what the expected figure stands on

    @property
    def interval(self) -> tuple[float, float]:
        """Return Wilson's interval for the error of both shares, in per cent."""
        number = 1 / (1 / self.of + 1 / self.simulated)
        share = self.hits / self.of
        centre = share + Z**2 / (2 * number)
        half = Z * math.sqrt(share * (1 - share) / number + (Z / (2 * number)) ** 2)
        scale = 100 / (1 + Z**2 / number)
        return (centre - half) * scale, (centre + half) * scale

    @property
    def agrees(self) -> bool:
        """Return whether the expected figure, before its rounding, may lie in the interval."""
        decimals = len(self.expected.partition(".")[2])
        rounding = 0.5 * 10**-decimals
        low, high = self.interval
        return bool(low - rounding <= float(self.expected) <= high + rounding)

    def __str__(self) -> str:
        """Return the line."""
        low, high = self.interval
        note = "" if self.agrees else "  OUTSIDE"
        share = 100 * self.hits / self.of
        interval = f"({low:.1f} to {high:.1f})"
        return f"{self.name:<44}{share:6.1f} %  {interval:<16}expected {self.expected} %{note}"


def batches(count: int) -> Iterator[int]:
    """Yield sizes that add up to the count."""
    for start in range(0, count, BATCH):
        yield min(BATCH, count - start)


def ever(registries: int, seed: int, rules: Rules) -> Iterator[Figure]:
    """Yield how often a worthless factor is promoted within so many tries."""
    luck = Luck()
    for correlation in (0.0, 0.4, 0.8):
        rng = np.random.default_rng(seed)
        first: dict[str, list[Counts]] = {"today": [], "rule": []}
        for size in batches(registries):
            tries = draw(rng, (size, TRIES[-1]), correlation, rules)
            promoted = tries.promoted(rules)
            first["today"].append(np.where(promoted.any(1), promoted.argmax(1) + 1, 0))
            first["rule"].append(first_survivors(tries, luck, rules))
        for kind, parts in first.items():
            numbers = np.concatenate(parts)
            for tries_made, expected in zip(TRIES, EVER[kind, correlation], strict=True):
                hits = int(((numbers > 0) & (numbers <= tries_made)).sum())
                name = f"ever: {kind}, correlation {correlation}, tries {tries_made}"
                yield Figure(name, hits, registries, expected)


def watchlist(registries: int, seed: int, rules: Rules) -> Iterator[Figure]:
    """Yield how many worthless runs land in the watchlist when no statistics are asked."""
    tries = draw(np.random.default_rng(seed), (registries, 1), 0.0, rules)
    hits = int(tries.watched(rules).sum())
    yield Figure("watchlist: a worthless run, today", hits, registries, WATCHLIST)


def registry(registries: int, seed: int, rules: Rules) -> Iterator[Figure]:
    """Yield how many registries of 20 worthless factors with 10 runs each promote at least one."""
    luck = Luck()
    rng = np.random.default_rng(seed)
    hits = dict.fromkeys(REGISTRY, 0)
    for _ in range(registries):
        tries = draw(rng, (FAMILIES, RUNS), 0.4, rules)
        made = Registry(tries.windows, tries.promoted(rules), luck)
        hits["today, ever"] += bool(made.promoted.any())
        hits["rule, ever"] += made.ever(rules)
        hits["today, best runs after all"] += len(made.best_promoted()) > 0
        hits["rule, best runs after all"] += made.at_the_end(rules)
    for name, (expected, simulated) in REGISTRY.items():
        yield Figure(f"registry: {name}", hits[name], registries, expected, simulated)


def power(registries: int, seed: int, rules: Rules) -> Iterator[Figure]:
    """Yield how often the rule promotes a good try that comes after worthless ones."""
    luck = Luck()
    for true_ic, row in POWER.items():
        for number, expected in zip(POWER_TRIES, row, strict=True):
            rng = np.random.default_rng(seed)
            hits = 0
            for size in batches(registries):
                tries = draw(rng, (size, number), 0.4, rules, true_ic)
                for family in np.flatnonzero(tries.promoted(rules)[:, -1]):
                    hits += luck.survives(tries.windows[family], rules.level)
            name = f"power: true IC {true_ic}, tries {number}"
            yield Figure(name, hits, registries, expected)


Table = Callable[[int, int, Rules], Iterator[Figure]]
TABLES: dict[str, Table] = {
    "ever": ever,
    "watchlist": watchlist,
    "registry": registry,
    "power": power,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; return 1 when a figure lies outside its interval."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--registries", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20261125, help="(default: %(default)s)")
    parser.add_argument("--table", choices=TABLES, help="only this one (default: all)")
    args = parser.parse_args(argv)
    if args.registries < 1:
        parser.error(f"--registries: expected 1 or more, found {args.registries}")
    rules = Rules.shipped()
    outside = 0
    names = list(TABLES)
    if args.table:
        names = [args.table]
    for name in names:
        began = time.perf_counter()
        for figure in TABLES[name](args.registries, args.seed, rules):
            outside += not figure.agrees
            print(figure, flush=True)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    print(f"{outside} outside the interval")
    return 1 if outside else 0


if __name__ == "__main__":
    raise SystemExit(main())
