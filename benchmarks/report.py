"""A report and a forecast from a purchase log, from the command line to the finished file."""

import subprocess
import sys

from benchmarks import data
from benchmarks.registry import Measure, benchmark

CUSTOMERS = {"100 k purchases": 10_000, "1 M purchases": 100_000, "10 M purchases": 1_000_000}


@benchmark(cases=["1 M purchases", "10 M purchases"], quick=["100 k purchases"])
def run(case: str, measure: Measure) -> None:
    """`querencia report` of a CSV file: found out how it is written, typed, every figure, the page and the JSON.

    Three years, ten purchases per customer in the order of time, refunds that name their purchase. The page holds
    cohorts, defections by each customer's own rhythm, and a forecast whose model is chosen on the log.
    """
    shop = data.shop(CUSTOMERS[case], csv=True)
    page, figures = measure.scratch / "report.html", measure.scratch / "report.json"
    with measure(rows=shop.purchase_count, unit="purchases"):
        _querencia("report", str(shop.purchases_csv), "--out", str(page), "--json", str(figures))
    measure.note("page", f"{page.stat().st_size / 1e3:,.0f} kB")


@benchmark(cases=["1 M purchases", "10 M purchases"], quick=["100 k purchases"], name="forecast-file")
def ahead(case: str, measure: Measure) -> None:
    """`querencia forecast` of a CSV file, half a year ahead from half a year before its end, into Parquet."""
    shop = data.shop(CUSTOMERS[case], csv=True)
    out = measure.scratch / "forecast.parquet"
    when = ("--as-of", "2025-06-30", "--horizon-days", "184")
    with measure(rows=shop.purchase_count, unit="purchases"):
        _querencia("forecast", str(shop.purchases_csv), *when, "--out", str(out))
    measure.note("forecast", f"{out.stat().st_size / 1e6:,.0f} MB")


def _querencia(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "querencia", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
