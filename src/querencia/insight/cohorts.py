"""Retention by cohort: of the customers who first bought in a period, how many bought again in each later one.

The log ends somewhere: a cell whose period was not yet over on the last day is absent, not zero.
"""

from typing import Any

import narwhals as nw

from querencia.insight import periods
from querencia.insight.engine import Frame, rows, small, whole
from querencia.insight.intervals import wilson
from querencia.insight.periods import Period
from querencia.insight.tables import Day, as_days, day_number

__all__ = ["retention"]

TYPES = {
    "cohort": nw.Int64,
    "period": nw.Int64,
    "customers": nw.Int64,
    "active": nw.Int64,
    "share": nw.Float64,
    "low": nw.Float64,
    "high": nw.Float64,
    "amount": nw.Int64,
}


def retention(purchases: Any, *, as_of: Day, period: str = "auto") -> Any:
    """A small table, one row per cohort and period observed to its end, in order.

    ``cohort`` (day number of the cohort's first day), ``period`` (0 is the cohort's own), ``customers`` (of it),
    ``active`` (who bought in the period), ``share`` with its Wilson 95 % interval ``low``, ``high``, ``amount`` (net
    of the period, minor units; money given back before the first purchase counts in period 0).

    ``period``: ``week`` (from Monday), ``month``, ``quarter``, or ``auto``: the shortest that divides the log into at
    most thirteen, else quarters.

    >>> from querencia.insight import cohorts, samples
    >>> found = cohorts.retention(samples.cdnow(), as_of=samples.CDNOW_END, period="quarter")
    >>> found.select("period", "customers", "active").rows()[:2]
    [(0, 2357, 2357), (1, 2357, 524)]
    """
    today = day_number(as_of)
    days = as_days(purchases, as_of=today)
    bought = days.filter(nw.col("is_purchase"))
    start = rows(bought.select(nw.len().alias("count"), nw.col("day").min().alias("first")))[0]
    if not whole(start["count"]):
        return small({name: [] for name in TYPES}, TYPES, purchases)
    length = periods.chosen(period, first_day=whole(start["first"]), last_day=today)
    cells = _cells(days, length)
    # The first period that is not over yet.
    open_period = periods.index_of(today + 1, length)
    sizes = {cohort: active for (cohort, offset), (active, _) in cells.items() if offset == 0}
    table: list[tuple[Any, ...]] = []
    for cohort, customers in sorted(sizes.items()):
        for offset in range(open_period - cohort):
            active, amount = cells.get((cohort, offset), (0, 0))
            first = periods.first_day(cohort, length)
            interval = wilson(active, customers)
            table.append((first, offset, customers, active, active / customers, *interval, amount))
    return small({name: [row[place] for row in table] for place, name in enumerate(TYPES)}, TYPES, purchases)


def _cells(days: Frame, length: Period) -> dict[tuple[int, int], tuple[int, int]]:
    """(cohort, offset) → (active customers, net amount). A customer counts once per period, on however many days."""
    counted = (
        periods.indexed(days, nw.col("day"), length, name="index")
        .with_columns(nw.col("is_purchase").cast(nw.Int64()).alias("occasion"))
        .group_by("customer_id", "index")
        .agg(nw.col("amount").sum(), nw.col("occasion").max())
        .with_columns(nw.when(nw.col("occasion") == 1).then(nw.col("index")).otherwise(nw.lit(2**40)).alias("bought"))
        .with_columns(nw.col("bought").min().over("customer_id").alias("cohort"))
        .filter(nw.col("cohort") < 2**40)
    )
    offset = nw.col("index") - nw.col("cohort")
    grouped = (
        counted.with_columns(nw.when(offset > 0).then(offset).otherwise(nw.lit(0)).alias("offset"))
        .group_by("cohort", "offset")
        .agg(nw.col("occasion").sum(), nw.col("amount").sum())
    )
    return {
        (whole(row["cohort"]), whole(row["offset"])): (whole(row["occasion"]), whole(row["amount"]))
        for row in rows(grouped)
    }
