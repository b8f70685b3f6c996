"""Recency, frequency and money: one row per customer, scores of 1 to 5, named segments.

Sufficient statistics as in Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2);
scores after Hughes (1994), Strategic Database Marketing. Everything is computed inside the engine.
"""

from typing import Any

import narwhals as nw

from querencia.insight.engine import Frame, edge, frame_of, in_parts, like
from querencia.insight.tables import Day, as_days, day_number

YEAR_DAYS = 365
RANKS = ("latest", "oftenest", "amount_low", "amount_high", "customers")
SEGMENTS = (
    "champions",
    "loyal",
    "potential_loyal",
    "new",
    "promising",
    "needs_attention",
    "about_to_sleep",
    "at_risk",
    "cannot_lose",
    "hibernating",
    "lost",
)
NEVER = 2**30  # beyond every day number, on either side
WHOLE = ("first_day", "last_day", "purchases", "amount", "beside", "spent_first", "amount_year")


def summary(purchases: Any, *, as_of: Day) -> Any:
    """One row per customer who ever bought: the sufficient statistics of the models, and money.

    ``customer_id``; ``first_day``, ``last_day`` (day numbers of purchase days); ``purchases`` (purchase days);
    ``frequency`` (= purchases - 1); ``recency`` (days from first to last purchase); ``age`` (days from first purchase
    to ``as_of``); ``amount`` (net of everything, minor units); ``repeat_amount_mean`` (mean net of the repeat purchase
    days, minor units, null without any); ``amount_year`` (net of the 365 days up to ``as_of``).

    ``purchases`` is a table of purchases or of days. A customer with refunds alone, or whose purchases were all given
    back, has no purchase day and no row.

    >>> from querencia.insight import rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> summary.select("purchases", "frequency", "recency", "age", "amount").sum().rows()
    [(6696, 4339, 307464, 1183240, 24409194)]
    """
    return like(as_summary(purchases, as_of=as_of), purchases)


def as_summary(purchases: Any, *, as_of: Day) -> Frame:
    """:func:`summary` as a lazy frame, for use inside insight. One grouping by day, one by customer; no join."""
    today = day_number(as_of)
    return in_parts(lambda part: _summed(part, today), frame_of(purchases), of="customer_id")


def _summed(purchases: Frame, today: int) -> Frame:
    is_purchase, amount = nw.col("is_purchase"), nw.col("amount")
    prepared = as_days(purchases, as_of=today).select(
        "customer_id",
        "amount",
        nw.when(is_purchase).then(nw.col("day")).otherwise(nw.lit(NEVER)).alias("from"),
        nw.when(is_purchase).then(nw.col("day")).otherwise(nw.lit(-NEVER)).cast(nw.Int32()).alias("to"),
        nw.when(is_purchase).then(amount).otherwise(nw.lit(0)).alias("spent"),
        # Null where there is nothing to add, which costs nothing to add.
        nw.when(~is_purchase).then(amount).alias("beside"),
        nw.when(nw.col("day") > today - YEAR_DAYS).then(amount).alias("recent"),
        nw.when(is_purchase).then(nw.lit(1)).alias("occasion"),
    )
    # What a customer costs here in memory is what limits a hundred million purchases: few and narrow aggregates.
    prepared, first_day, spent_first = edge(prepared, "spent", by="from", of="customer_id")
    grouped = prepared.group_by("customer_id").agg(
        first_day.alias("first_day"),
        nw.col("to").max().alias("last_day"),
        nw.col("occasion").count().alias("purchases"),
        nw.col("amount").sum(),
        nw.col("beside").sum(),
        spent_first.alias("spent_first"),
        nw.col("recent").sum().alias("amount_year"),
    )
    # Sums come back wider than they went in (DuckDB: 128 bits), and only after grouping may PyArrow cast them.
    whole = [nw.col(name).cast(nw.Int64()) for name in WHOLE]
    frequency = nw.col("purchases") - 1
    return (
        grouped.with_columns(*whole)
        .filter(nw.col("purchases") > 0)
        .select(
            "customer_id",
            "first_day",
            "last_day",
            "purchases",
            frequency.alias("frequency"),
            (nw.col("last_day") - nw.col("first_day")).alias("recency"),
            (nw.lit(today) - nw.col("first_day")).alias("age"),
            "amount",
            nw.when(frequency > 0)
            .then((nw.col("amount") - nw.col("beside") - nw.col("spent_first")).cast(nw.Float64()) / frequency)
            .alias("repeat_amount_mean"),
            "amount_year",
        )
    )


def score(summary: Any) -> Any:
    """Scores of 1 (lowest fifth) to 5 and a segment: ``customer_id, recency_score, frequency_score, monetary_score,
    segment``.

    Customers with equal values always get equal scores, in any order of rows. A score says how many fifths of all
    customers one is ahead of: recency counts those who bought no later, frequency those who bought less often, money
    those who brought less, and half of those who brought the same. Segments are named by recency and frequency on the
    grid in common use; see ``_segment``.

    >>> from querencia.insight import rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> rfm.score(summary)["segment"].value_counts(sort=True).rows()[:3]
    [('lost', 439), ('hibernating', 416), ('champions', 414)]
    """
    return like(_scored(frame_of(summary)).with_columns(_segment().alias("segment")), summary)


def _scored(frame: Frame) -> Frame:
    ranked = frame.select(
        "customer_id",
        nw.col("last_day").rank("max").alias("latest"),
        nw.col("frequency").rank("min").alias("oftenest"),
        nw.col("amount").rank("min").alias("amount_low"),
        nw.col("amount").rank("max").alias("amount_high"),
        nw.len().alias("customers"),
    ).select("customer_id", *(nw.col(name).cast(nw.Int64()) for name in RANKS))
    customers = nw.col("customers")
    # In integers: a fraction that falls just beside a whole number would put a customer into the next fifth.
    fifths = {
        "recency_score": (nw.col("latest") * 5 + customers - 1) // customers,
        "frequency_score": (nw.col("oftenest") - 1) * 5 // customers + 1,
        "monetary_score": (nw.col("amount_low") + nw.col("amount_high") - 1) * 5 // (customers * 2) + 1,
    }
    return ranked.select("customer_id", *(made.cast(nw.Int64()).alias(name) for name, made in fifths.items()))


def _segment() -> nw.Expr:
    """The grid of recency (R) and frequency (F) that marketing tools share, with two refinements.

    F=1 with R=1 is *lost* rather than hibernating; *cannot_lose* also takes F=4 where money is in the top fifth.

    ====  ===============  ===============  ===============  ===============  ===============
    R     F=1              F=2              F=3              F=4              F=5
    ====  ===============  ===============  ===============  ===============  ===============
    5     new              potential_loyal  potential_loyal  champions        champions
    4     promising        potential_loyal  potential_loyal  loyal            loyal
    3     about_to_sleep   about_to_sleep   needs_attention  loyal            loyal
    2     hibernating      hibernating      at_risk          at_risk          cannot_lose
    1     lost             hibernating      at_risk          at_risk          cannot_lose
    ====  ===============  ===============  ===============  ===============  ===============
    """
    recency, frequency, money = (nw.col(f"{name}_score") for name in ("recency", "frequency", "monetary"))
    rules = [
        ((recency == 5) & (frequency >= 4), "champions"),
        ((recency >= 3) & (frequency >= 4), "loyal"),
        ((recency >= 4) & (frequency >= 2), "potential_loyal"),
        (recency == 5, "new"),
        (recency == 4, "promising"),
        ((recency == 3) & (frequency == 3), "needs_attention"),
        (recency == 3, "about_to_sleep"),
        ((frequency == 5) | ((frequency == 4) & (money == 5)), "cannot_lose"),
        (frequency >= 3, "at_risk"),
        ((recency == 2) | (frequency == 2), "hibernating"),
    ]
    segment: nw.Expr = nw.lit("lost")
    for condition, name in reversed(rules):
        segment = nw.when(condition).then(nw.lit(name)).otherwise(segment)
    return segment
