"""Show what many trials do to a good result: eight real ones, then three stories of made numbers.

Eight momentum factors (look back 3, 6, 9, 12 months, skip 0 or 1) run on the sample workstation's
own gate program and prices, and are closed one after another: the best of them would look good
alone. No run on these prices can pass every gate, so the stories are made from seeds: a run that
passes, one whose audit fails and is repaired, and the best of twelve worthless trials.

reads   examples/workstation/
writes  .demo/trials/workstation and .demo/trials/home (the workspace), below the project's root
        and never among your own artifacts. Run again, it closes the same runs again.
prints  for each run what its closing says last, for each story what it shows, and a page to open
exit    0 done; 1 a run ended otherwise than its story says; 2 wrong usage

    python examples/demo_trials.py
"""

import argparse
import csv
import subprocess
import sys
import textwrap

from made_runs import Documents, good_ics, made_run, worthless_ics
from make_workstation import PROJECT, SHIM, lay_out

DEMO = PROJECT / ".demo" / "trials"
WORKSTATION, WORKSPACE = DEMO / "workstation", DEMO / "home"
FINALIZE = PROJECT / "scripts" / "post_run_sync_and_finalize.py"
RUNS = "audit/workstation_runs"
VARIANTS = [(look_back, skip) for look_back in (3, 6, 9, 12) for skip in (0, 1)]
PASSED, FAILED, REFUSED = 0, 1, 4  # of a closing
GOOD_SEEDS = (1, 2)
# Found by search: the last of the twelve passes every gate, and luck explains it in 0.002 of cases
# alone, in 0.016 among the twelve.
LUCKY_SEEDS = range(1512, 1524)
TAKEN_AWAY = "cost_stress_results.csv"
TRIALS = "audit/factor_registry/trial_statistics.csv"
START_PAGE = "audit/site/index.html"
WIDTH = 100


class Surprise(Exception):
    """A run ended otherwise than the demonstration says."""


def start(tag: str, look_back: int, skip: int) -> None:
    """Run one momentum factor to its end, once."""
    if any(WORKSTATION.glob(f"{RUNS}/*_{tag}")):
        return
    command = ["bash", SHIM, "--workflow", "production_gates", "--tag", tag, "--owner", "demo"]
    command += ["--notes", f"momentum of {look_back} months, the latest {skip} left out"]
    command += ["--threads", "1", "--dq-input-csv", "data/sp500_month_end.csv", "--foreground"]
    command += ["--", "--strategy", "configs/strategies/momentum.yaml", "--factor", "momentum"]
    command += ["--look-back", str(look_back), "--skip", str(skip)]
    command += ["--freeze-file", "runs/freeze/momentum.freeze.json", "--out-dir", "gate_results"]
    run = subprocess.run(command, cwd=WORKSTATION, capture_output=True, text=True, check=False)
    if run.returncode:
        raise Surprise(f"official run {tag} ended with {run.returncode}: {run.stderr.strip()}")


def close(tag: str, expected: int, *flags: str) -> None:
    """Finalize a run, and print what the closing says last."""
    command = [sys.executable, str(FINALIZE), "--host", "local", "--tag", tag, *flags]
    command += ["--remote-root", str(WORKSTATION.relative_to(PROJECT))]
    command += ["--local-root", str(WORKSPACE.relative_to(PROJECT))]
    closing = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    tell(f"{tag}: {last_words(closing.stdout, closing.stderr)}", indent="   ")
    if closing.returncode != expected:
        raise Surprise(f"{tag}: expected exit code {expected}, found {closing.returncode}")


def last_words(out: str, err: str) -> str:
    """Return what a closing says last of its run: the verdict on stdout, a refusal on stderr.

    What to do next is left out: the story goes on.
    """
    lines = out.splitlines() or err.splitlines() or ["it said nothing"]
    words, _, _ = lines[-1].partition(" Next: ")
    return words


def tell(text: str, indent: str = "") -> None:
    """Print text in lines that can be read."""
    lines = textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False)
    print("\n".join(lines), flush=True)


def best_of(prefix: str) -> dict[str, str]:
    """Return the row of the trial statistics of the best run whose tag begins so."""
    with (WORKSPACE / TRIALS).open(encoding="utf-8", newline="") as source:
        rows = [row for row in csv.DictReader(source) if f"_gates_{prefix}" in row["run"]]
    return max(rows, key=lambda row: float(row["t"] or "-inf"))


def tell_of_best(prefix: str) -> None:
    """Say how good the best of several runs looks alone, and among all of them."""
    best = best_of(prefix)
    tag = best["run"].partition("_production_gates_")[2]
    alone, among = (float(best[name]) for name in ("p_raw", "p_family_now"))
    text = f"-- The best is {tag}, judged by its {best['basis']}s. If it were the only try, a"
    text += f" worthless factor would look as good in {alone:.1%} of cases; as the best of"
    text += f" {best['trials_now']}, in {among:.1%}. A promotion asks for at most 1%: it"
    text += f" {best['verdict'].replace('_', ' ')}."
    tell(text, indent="   ")


def momentum_trials() -> None:
    """Close the eight momentum factors, one after another."""
    tell(
        "Stocks that rose go on rising? Eight ways to measure it: the last 3, 6, 9 or 12"
        " months, with and without the latest. Each run fails two risk gates, since these prices"
        " come without capitalisations and industries. Look at luck instead."
    )
    for look_back, skip in VARIANTS:
        tag = f"momentum_{look_back}_{skip}"
        start(tag, look_back, skip)
        close(tag, PASSED)
    tell_of_best("momentum_")


def make(tag: str, stamp: str, factor: str, ics: list[float]) -> Documents:
    """Leave a made run on the workstation."""
    return made_run(tag, stamp, factor, ics).write(WORKSTATION)


def a_pass() -> None:
    """Close a run that is as good as it looks."""
    tell("A factor that works, in its first run: every gate passes, and luck hardly explains it.")
    make("made_pass", "2026-01-05_031500", "made_value", good_ics(GOOD_SEEDS[0]))
    close("made_pass", PASSED)


def a_repair() -> None:
    """Close a run whose evidence lacks a file, and again when the file has come back."""
    tell(f"Another that works, but {TAKEN_AWAY} was not copied: the record is not complete.")
    stamp, ics = "2026-01-06_031500", good_ics(GOOD_SEEDS[1])
    is_closed = any(WORKSPACE.glob(f"{RUNS}/*_made_repair"))
    run = make("made_repair", stamp, "made_quality", ics)
    if not is_closed:
        (run.gate_dir(WORKSTATION) / TAKEN_AWAY).unlink()
        close("made_repair", FAILED)
        tell("-- The file is there again. Evidence that changed is not taken without a reason:")
        make("made_repair", stamp, "made_quality", ics)
        close("made_repair", REFUSED)
        tell("-- With a reason it is taken, and the old evidence is kept:")
    close("made_repair", PASSED, "--accept-changed-evidence", f"{TAKEN_AWAY} was not copied")


def a_winner_by_luck() -> None:
    """Close twelve worthless runs of one factor; the last of them looks good."""
    tell("Twelve tries of a factor that is worth nothing: pure noise. Who tries often enough wins.")
    for number, seed in enumerate(LUCKY_SEEDS, start=1):
        tag = f"made_luck_{number}"
        make(tag, f"2026-01-{9 + number:02d}_031500", "made_luck", worthless_ics(seed))
        close(tag, PASSED)
    tell_of_best("made_luck_")


STORIES = {
    "Eight momentum factors on the sample's prices": momentum_trials,
    "Made numbers: a run that passes": a_pass,
    "Made numbers: a failed audit and its repair": a_repair,
    "Made numbers: the best of twelve worthless runs": a_winner_by_luck,
}


def demo() -> int:
    """Tell the stories; return the exit code."""
    try:
        for title, story in STORIES.items():
            print(f"\n== {title}", flush=True)
            story()
    except Surprise as surprise:
        print(f"demo_trials.py: {surprise}", file=sys.stderr)
        return 1
    print("\n== What it shows")
    tell(
        "Of 22 runs, 3 passed every gate, and only the 2 that work are promoted. Runs are judged by"
        " all tries of their factor, so that trying more often is no way to win."
    )
    print(f"Open {(WORKSPACE / START_PAGE).relative_to(PROJECT)}")
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    WORKSTATION.mkdir(parents=True, exist_ok=True)
    WORKSPACE.mkdir(parents=True, exist_ok=True)
    for name in lay_out(WORKSTATION):
        print(f"demo_trials.py: {name} was changed there, it stays as it is", file=sys.stderr)
    return demo()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
