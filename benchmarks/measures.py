"""A run: purchases copied to columns, every customer scored, the business measured, all of it written."""

import re
from pathlib import Path

from benchmarks import data, house
from benchmarks.registry import Measure, benchmark

PURCHASES_PER_CUSTOMER = 10
CUSTOMERS = {"1 M": 1_000_000, "20 k": 20_000}
CASES = [
    "SQLite, 1 M customers, the first run",
    "SQLite, 1 M customers, the night after",
    "PostgreSQL, 1 M customers, the first run",
    "PostgreSQL, 1 M customers, the night after",
    "one step, RFM: insight on DuckDB, 1 M customers",
    "one step, RFM: pandas, 1 M customers",
]


@benchmark(cases=CASES, quick=[case.replace("1 M", "20 k") for case in CASES if "PostgreSQL" not in case])
def run(case: str, measure: Measure) -> None:
    """`querencia measure` on a shop with ten purchases a customer.

    The whole command is timed, its start included. *The first run* copies every purchase to columns, chooses a forecast
    on trial, scores everybody, reckons the month ends of two years and writes it all. *The night after* finds the copy
    up to date. *One step*: recency, frequency and money with their quintiles, from the purchases in Parquet to a score
    for each customer, by `insight.rfm` on DuckDB, and as pandas does it (`groupby`, `rank`, `cut`). What the processor
    does for PostgreSQL is done by its own processes and not counted as memory.
    """
    customers = CUSTOMERS[re.findall(r"1 M|20 k", case)[0]]
    if case.startswith("one step"):
        shop = data.shop(customers, purchases_per_customer=PURCHASES_PER_CUSTOMER)
        rows = shop.purchase_count + shop.refund_count
        with measure(rows=rows, unit="purchases"):
            scored = (_by_pandas if "pandas" in case else _by_insight)(shop.purchases)
        measure.note("customers", f"{scored:,}")
        return
    environment = _with_purchases(customers, on_postgres="PostgreSQL" in case)
    first = "first" in case
    house.shell(environment, FORGET if first else "")
    if not first:
        house.querencia(environment, "measure", "--quiet")
    counted = house.shell(environment, COUNT)
    with measure(rows=int(counted), unit="purchases"):
        house.querencia(environment, "measure", "--quiet", *(["--anew"] if first else []))
    measure.note("steps", house.shell(environment, DURATIONS).strip())


FORGET = """
from querencia.measures.models import Finding, Measure, Run
Measure.objects.all().delete(), Finding.objects.all().delete(), Run.objects.all().delete()
"""
COUNT = """
from querencia.customers.models import Purchase
print(Purchase.objects.count())
"""
DURATIONS = """
from querencia.measures import queries
print(", ".join(f"{step} {seconds:.1f} s" for step, seconds in queries.latest_done().durations.items()))
"""


def _with_purchases(customers: int, *, on_postgres: bool) -> house.Environment:
    """An installation with a simulated shop, imported by its own command, not measured yet."""
    shop = data.shop(customers, purchases_per_customer=PURCHASES_PER_CUSTOMER)
    command = ["import", str(shop.purchases), "--kind", "purchases", "--yes", "--map", "category=,quantity="]
    return house.kept("log", customers, command, on_postgres=on_postgres)


# -- one step, twice ---------------------------------------------------------------------------------------------------


def _by_insight(path: Path) -> int:
    import duckdb

    from querencia.insight import rfm, tables

    with duckdb.connect() as engine:
        given = engine.read_parquet(str(path)).select('customer_id, "at", amount')
        summary = rfm.summary(tables.purchases(given, unit="major"), as_of=data.ENDS)
        summary.create("summary")
        scored = rfm.score(engine.table("summary")).to_arrow_table()
    return int(scored.num_rows)


def _by_pandas(path: Path) -> int:
    import pandas as pd

    log = pd.read_parquet(path, columns=["customer_id", "at", "amount"])
    log["amount"] = log["amount"].astype(float)
    log["day"] = log["at"].dt.normalize()
    bought = log[log["amount"] > 0].groupby("customer_id")
    summary = pd.DataFrame(
        {
            "silent_days": (pd.Timestamp(data.ENDS) - bought["day"].max()).dt.days,
            "purchases": bought["day"].nunique(),
            "amount": log.groupby("customer_id")["amount"].sum(),
        }
    ).dropna()
    for name, column, ascending in (("r", "silent_days", False), ("f", "purchases", True), ("m", "amount", True)):
        rank = summary[column].rank(pct=True, ascending=ascending)
        summary[name] = pd.cut(rank, [0, 0.2, 0.4, 0.6, 0.8, 1.0], labels=[1, 2, 3, 4, 5])
    return len(summary)
