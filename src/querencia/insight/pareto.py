"""Which customers bring the money, how concentrated it is, and whether they stay those who bring it.

A/B/C after Juran's "vital few" (Quality Control Handbook, 1951): the customers who bring the first 80 % of the value
are A, the next 15 % B, the rest C.
"""

from collections.abc import Sequence
from math import ceil, isfinite
from typing import Any

import narwhals as nw
import numpy as np

from querencia.insight.engine import Frame, frame_of, like, rows, small, whole
from querencia.insight.errors import InputError
from querencia.insight.intervals import wilson
from querencia.insight.tables import Day, as_days, day_number

CUTS = (0.80, 0.95)
CLASSES = ("A", "B", "C")
CURVE_STEPS = 100
COVERED = 0.9  # of the earlier window must lie within the log


def classify(summary: Any, *, value: str = "amount", cuts: tuple[float, float] = CUTS) -> Any:
    """``customer_id, value, cumulative_share, abc`` of a table with one row per customer.

    ``cumulative_share`` is the part of all value brought by customers who bring as much or more. A customer is A while
    those who bring more have not yet reached the first cut: the one who crosses it is still A, and equal customers are
    in equal classes. A value of zero or less is C and counts as nothing; without any value all are C at share 1.

    >>> from querencia.insight import pareto, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> pareto.classify(summary)["abc"].value_counts().sort("abc").rows()
    [('A', 777), ('B', 804), ('C', 776)]
    """
    frame = frame_of(summary)
    _require(frame, value)
    return like(_classified(frame.select("customer_id", nw.col(value).alias("value")), cuts), summary)


def _require(frame: Frame, value: str) -> None:
    if value not in (names := frame.collect_schema().names()):
        raise InputError(
            f"There is no column {value!r} to classify by: the table has {', '.join(names)}.", column=value
        )


def _classified(frame: Frame, cuts: tuple[float, float]) -> Frame:
    if not 0 < cuts[0] < cuts[1] <= 1:
        raise InputError(f"Cuts are two growing shares such as (0.80, 0.95), not {cuts!r}.", example=cuts)
    value = nw.col("value")
    gain = nw.when(value > 0).then(value).otherwise(value * 0)
    through, tied, total = nw.col("through"), nw.col("tied"), nw.col("total")
    shares = (
        frame.with_columns(gain.alias("gain"))
        .with_columns((nw.col("gain") * -1).alias("fall"))
        .with_columns(
            nw.col("gain").cum_sum().over(order_by="fall").alias("running"), nw.col("gain").sum().alias("all")
        )
        # Equal values are told apart by nobody: each of them stands where the last of them stands.
        .with_columns(
            nw.col("running").max().over("fall").cast(nw.Float64()).alias("through"),
            nw.col("gain").sum().over("fall").cast(nw.Float64()).alias("tied"),
            nw.col("all").cast(nw.Float64()).alias("total"),
        )
    )
    # Money is compared with money: of two engines' quotients one may fall just beside the cut.
    before = nw.when(nw.col("gain") > 0).then(through - tied).otherwise(total + 1.0)
    share = nw.when(nw.col("gain") > 0).then((total - through) / total * -1 + 1).otherwise(nw.lit(1.0))
    to_b, to_c = (total * cut for cut in cuts)
    lower = nw.when(nw.col("before") < to_c).then(nw.lit("B")).otherwise(nw.lit("C"))
    return shares.with_columns(before.alias("before")).select(
        "customer_id",
        "value",
        share.alias("cumulative_share"),
        nw.when(nw.col("before") < to_b).then(nw.lit("A")).otherwise(lower).alias("abc"),
    )


def top_share(values: Sequence[float] | Any, top: float = 0.2) -> float:
    """Share of all value that the best ``top`` of customers bring (their number rounded up).

    ``values``: one number per customer, in any order. Values below zero count as nothing; without value the share is 0.
    On the CDNOW sample the best 20 % bring 67.46 %.

    >>> from querencia.insight import pareto, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> round(pareto.top_share(summary["amount"]), 4)
    0.6746
    """
    numbers = np.asarray(values, dtype=float)
    if not 0 < top <= 1:
        raise InputError(f"The top is a share of customers between 0 and 1, not {top!r}.", example=top)
    if numbers.size and not isfinite(float(numbers.sum())):
        raise InputError("Values must be finite numbers.", count=int((~np.isfinite(numbers)).sum()))
    gains = np.sort(np.clip(numbers, 0, None))[::-1]
    total = float(gains.sum())
    return float(gains[: ceil(top * gains.size - 1e-9)].sum()) / total if total > 0 else 0.0


def top_share_of(summary: Any, *, value: str = "amount", top: float = 0.2) -> float:
    """:func:`top_share` of a table with one row per customer, reckoned inside its engine.

    >>> from querencia.insight import pareto, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> round(pareto.top_share_of(summary), 4)
    0.6746
    """
    frame = frame_of(summary)
    _require(frame, value)
    if not 0 < top <= 1:
        raise InputError(f"The top is a share of customers between 0 and 1, not {top!r}.", example=top)
    worth = nw.col(value).cast(nw.Float64())
    gains = frame.select(gain=nw.when(worth > 0).then(worth).otherwise(nw.lit(0.0)), one=nw.lit(1))
    found = rows(gains.select(nw.len().alias("customers"), nw.col("gain").sum()))[0]
    customers, total = whole(found["customers"]), float(found["gain"] or 0.0)
    if not customers or not total > 0:
        return 0.0
    ranked = gains.with_columns(fall=nw.col("gain") * -1).with_columns(
        place=nw.col("one").cum_sum().over(order_by="fall").cast(nw.Int64())
    )
    best = ranked.filter(nw.col("place") <= ceil(top * customers - 1e-9))
    return float(rows(best.select(nw.col("gain").sum()))[0]["gain"]) / total


def curve(summary: Any, *, value: str = "amount") -> Any:
    """The concentration curve, best customers first: a small table ``customer_share, value_share``.

    From (0, 0) to (1, 1) in at most 101 rows: the engine adds the values up by hundredths of customers. Values below
    zero count as nothing; without value the table is empty.

    >>> from querencia.insight import pareto, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> [round(share, 3) for share in pareto.curve(summary).row(20)]
    [0.2, 0.674]
    """
    frame = frame_of(summary)
    _require(frame, value)
    gain = nw.when(nw.col(value) > 0).then(nw.col(value)).otherwise(nw.col(value) * 0)
    placed = (
        frame.select(gain.alias("gain"), (gain * -1).alias("fall"), nw.lit(1).alias("one"))
        .with_columns(
            nw.col("one").cum_sum().over(order_by="fall").cast(nw.Int64()).alias("place"),
            nw.len().cast(nw.Int64()).alias("customers"),
        )
        .with_columns(((nw.col("place") * CURVE_STEPS + nw.col("customers") - 1) // nw.col("customers")).alias("step"))
    )
    steps = rows(placed.group_by("step").agg(nw.len().alias("customers"), nw.col("gain").sum()).sort("step"))
    counts = np.cumsum([0, *(int(step["customers"]) for step in steps)])
    gains = np.cumsum([0.0, *(float(step["gain"]) for step in steps)])
    known = bool(steps) and gains[-1] > 0
    columns = {
        "customer_share": (counts / counts[-1]).tolist() if known else [],
        "value_share": (gains / gains[-1]).tolist() if known else [],
    }
    return small(columns, {"customer_share": nw.Float64, "value_share": nw.Float64}, summary)


def stability(purchases: Any, *, as_of: Day, window_days: int) -> Any:
    """Do A customers stay A? Classes by net amount in the window up to ``as_of`` against the window before it.

    A small table of 15 rows ``from_class, to_class, customers, share, low, high``; classes A, B, C and ``none`` (no
    purchase in the window). ``share`` is of the customers of ``from_class``, with its Wilson 95 % interval, null where
    there are none (and for ``none``, whose number nobody knows). The row A, A answers the question. Empty when the log
    does not cover both windows.

    >>> from querencia.insight import pareto, samples
    >>> found = pareto.stability(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> found.row(0)[:3], round(found["share"][0], 3)
    (('A', 'A', 129), 0.51)
    """
    if window_days < 1:
        raise InputError(f"A window has at least one day, not {window_days}.", example=window_days)
    today = day_number(as_of)
    middle, start = today - window_days, today - 2 * window_days
    days = as_days(purchases, as_of=today)
    beginning = rows(days.select(nw.col("day").min().alias("first")))[0]["first"]
    is_covered = beginning is not None and beginning == beginning and beginning <= middle - COVERED * window_days + 1
    counts = _moves(days.filter(nw.col("day") > start), middle) if is_covered else {}
    table: list[tuple[str, str, int, float | None, float | None, float | None]] = []
    for before in (*CLASSES, "none"):
        base = sum(count for (origin, _), count in counts.items() if origin == before)
        for now in (*CLASSES, "none"):
            if before == now == "none" or not is_covered:
                continue
            count = counts.get((before, now), 0)
            low, high = wilson(count, base)
            is_known = base > 0 and before != "none"
            table.append((before, now, count, *((count / base, low, high) if is_known else (None, None, None))))
    names = ("from_class", "to_class", "customers", "share", "low", "high")
    types = dict(zip(names, (nw.String, nw.String, nw.Int64, nw.Float64, nw.Float64, nw.Float64), strict=True))
    return small({name: [row[place] for row in table] for place, name in enumerate(names)}, types, purchases)


def _moves(days: Frame, middle: int) -> dict[tuple[str, str], int]:
    """Customers by class in the window up to ``middle`` and class after it; only their counts leave the engine."""
    windows = {}
    for name, inside in (("before", nw.col("day") <= middle), ("now", nw.col("day") > middle)):
        spent = (
            days.filter(inside)
            .with_columns(nw.col("is_purchase").cast(nw.Int64()).alias("occasion"))
            .group_by("customer_id")
            .agg(nw.col("amount").sum().alias("value"), nw.col("occasion").max())
        )
        bought = spent.with_columns(nw.col("value").cast(nw.Int64())).filter(nw.col("occasion") == 1)
        windows[name] = _classified(bought.select("customer_id", "value"), CUTS).select(
            "customer_id", nw.col("abc").alias(name)
        )
    both = windows["before"].join(windows["now"], on="customer_id", how="full")
    counted = both.group_by("before", "now", drop_null_keys=False).agg(nw.len().alias("customers"))
    named = {None: "none"} | {name: name for name in CLASSES}
    return {
        (named.get(row["before"], "none"), named.get(row["now"], "none")): whole(row["customers"])
        for row in rows(counted)
    }
