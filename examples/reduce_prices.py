"""Reduce the daily prices in the skfolio package to the month-end table of the sample workstation.

reads   skfolio.datasets (20 S&P 500 stocks and the index, adjusted daily closes, 1990-2022; BSD-3)
writes  examples/workstation/data/sp500_month_end.csv: date, symbol, close; of each month its last
        trading day
exit    0 written; without skfolio, Python's own ModuleNotFoundError

The table is committed, so this is needed only to check it or to make it again. skfolio is not a
dependency of this project:

    python -m venv other
    other/bin/pip install skfolio
    other/bin/python examples/reduce_prices.py
"""

import argparse
from pathlib import Path

TABLE = Path(__file__).resolve().parent / "workstation" / "data" / "sp500_month_end.csv"


def reduce_prices() -> str:
    """Return the CSV text, sorted by date and symbol; closes keep skfolio's three decimals."""
    from skfolio import datasets  # type: ignore[import-not-found]

    stocks, index = datasets.load_sp500_dataset(), datasets.load_sp500_index()
    daily = stocks.join(index, how="inner")
    month_ends = daily.groupby(daily.index.to_period("M")).tail(1)
    lines = ["date,symbol,close"]
    for day, closes in month_ends.iterrows():
        for symbol in sorted(daily.columns):
            lines.append(f"{day:%Y-%m-%d},{symbol},{closes[symbol]:g}")
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
