"""Reduce the daily prices that the skfolio package ships to the month-end table of the sample workstation.

reads   skfolio.datasets (20 S&P 500 stocks and the index, adjusted daily closes, 1990-2022; BSD-3)
writes  examples/workstation/data/sp500_month_end.csv: date, symbol, close; the last trading day of each month
exit    0 written; a missing skfolio ends with Python's own ModuleNotFoundError

The table is committed, so this is needed only to check it or to make it anew. skfolio is not a dependency:

    python -m venv other && other/bin/pip install skfolio && other/bin/python examples/reduce_prices.py
"""

import argparse
from pathlib import Path

TABLE = Path(__file__).resolve().parent / "workstation" / "data" / "sp500_month_end.csv"


def reduce_prices() -> str:
    """Give the long CSV text, sorted by date and symbol; closes keep the three decimals that skfolio has."""
    from skfolio.datasets import load_sp500_dataset, load_sp500_index  # type: ignore[import-not-found]

    daily = load_sp500_dataset().join(load_sp500_index(), how="inner")
    month_ends = daily.groupby(daily.index.to_period("M")).tail(1)
    lines = ["date,symbol,close"]
    for day, closes in month_ends.iterrows():
        lines += [f"{day:%Y-%m-%d},{symbol},{closes[symbol]:g}" for symbol in sorted(daily.columns)]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=TABLE, help="where the table goes")
    out: Path = parser.parse_args(argv).out
    out.write_text(reduce_prices(), encoding="utf-8")
    print(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
