"""Shares of money with their intervals: who brings it, and for how long they have been customers."""

from math import ceil
from statistics import NormalDist
from typing import Any

import narwhals as nw

from querencia.insight.engine import Frame, rows, whole
from querencia.insight.errors import InputError
from querencia.insight.estimate import Estimate
from querencia.insight.intervals import CONFIDENCE, wilson

YEAR_DAYS = 365
LONG_STANDING_DAYS = 730
TOP = 0.2


def long_standing(
    frame: Frame, days: Frame, firsts: Frame, *, first_day: int, today: int
) -> tuple[Estimate | None, str]:
    """Share of the last year's ``margin`` from customers who first bought more than two years ago.

    Of ``revenue`` where the margin of any purchase is unknown; the second entry says which. A ratio of sums over
    customers, who are independent; the interval is of large samples (Cochran 1977, Sampling Techniques, 6.3). None
    where the log is too short to have such customers, and where nothing came in.
    """
    if today - first_day < LONG_STANDING_DAYS:
        return None, "revenue"
    recent, kind = days.filter(nw.col("day") > today - YEAR_DAYS).select("customer_id", value="amount"), "revenue"
    if "margin" in frame.collect_schema().names():
        seen = frame.filter((nw.col("day") <= today) & (nw.col("day") > today - YEAR_DAYS))
        unknown = rows(seen.select(count=nw.col("margin").is_null().cast(nw.Int64()).sum()))[0]["count"]
        if not whole(unknown):
            recent, kind = seen.select("customer_id", value="margin"), "margin"
    is_old = nw.when(nw.col("first") < today - LONG_STANDING_DAYS).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    spent = recent.group_by("customer_id").agg(nw.col("value").sum()).join(firsts, on="customer_id", how="inner")
    return ratio(spent.select(y=nw.col("value").cast(nw.Float64()), part=is_old)), kind


def ratio(table: Frame) -> Estimate | None:
    """Σ part·y / Σ y over customers, of columns ``y`` and ``part`` (0 to 1), with its interval within 0 and 1."""
    y, part = nw.col("y"), nw.col("part")
    found = rows(table.select(y=y.sum(), py=(part * y).sum(), yy=(y * y).sum(), pyy=(part * y * y).sum()))[0]
    whole_sum = float(found["y"] or 0)
    if whole_sum <= 0:
        return None
    share = float(found["py"]) / whole_sum
    # Σ (part - share)² y², where part is 0 or 1 and so its own square.
    squares = float(found["pyy"]) * (1 - 2 * share) + share**2 * float(found["yy"])
    return _around(share, max(0.0, squares) ** 0.5 / whole_sum)


def _around(share: float, error: float) -> Estimate:
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * error
    share, low, high = (steady(end) for end in (share, share - reach, share + reach))
    return Estimate(share, max(0.0, min(share, low)), min(1.0, max(share, high)))


def steady(figure: float) -> float:
    """Without the last digits, which depend on the order in which threads add up."""
    return float(f"{float(figure):.11g}")


def top(days: Frame) -> Estimate | None:
    """Share of all revenue that the best fifth of customers bring (their number rounded up), with its interval.

    Values below zero count as nothing. The error is that of a point of the Lorenz curve (Beach & Davidson 1983,
    "Distribution-Free Statistical Inference with Lorenz Curves and Income Shares", Review of Economic Studies 50). None
    without revenue.
    """
    value = nw.col("value").cast(nw.Float64())
    gains = (
        days.with_columns(nw.col("is_purchase").cast(nw.Int64()).alias("occasion"))
        .group_by("customer_id")
        .agg(nw.col("amount").sum().alias("value"), nw.col("occasion").max())
        .filter(nw.col("occasion") == 1)
        .select(gain=nw.when(value > 0).then(value).otherwise(nw.lit(0.0)), one=nw.lit(1))
    )
    gain = nw.col("gain")
    sums = {"customers": nw.len(), "total": gain.sum(), "squares": (gain * gain).sum()}
    found = rows(gains.select(**sums))[0]
    customers, total = whole(found["customers"]), float(found["total"] or 0)
    if not customers or total <= 0:
        return None
    best = ceil(TOP * customers - 1e-9)
    ranked = gains.with_columns(fall=gain * -1).with_columns(
        place=nw.col("one").cum_sum().over(order_by="fall").cast(nw.Int64())
    )
    inside = rows(ranked.filter(nw.col("place") <= best).select(**sums, edge=gain.min()))[0]
    above, squares, edge = float(inside["total"]), float(inside["squares"]), float(inside["edge"])
    share, level = above / total, TOP * edge
    # Σ (what a customer has beyond the edge + level - share × gain)², multiplied out.
    pull = squares - 2 * edge * above + best * edge**2
    pull += 2 * (level * (above - best * edge) - share * (squares - edge * above))
    pull += customers * level**2 - 2 * level * share * total + share**2 * float(found["squares"])
    return _around(share, max(0.0, pull) ** 0.5 / total)


def referred(customers: Any, *, values: Any, column: str = "channel") -> Estimate | None:
    """Share of customers who came by referral: whose ``column`` (how they came) is one of ``values`` (Wilson).

    ``customers`` is a table with one row per new customer, or counts by how they came (``{"friend": 12, "shop": 90}``).
    None without customers.

    >>> round(referred({"friend": 12, "shop": 90}, values="friend").value, 3)
    0.118
    """
    wanted = {str(value) for value in ([values] if isinstance(values, str) else values)}
    counts = customers if isinstance(customers, dict) else _counted(customers, column)
    everybody = sum(counts.values())
    came = sum(count for how, count in counts.items() if str(how) in wanted)
    return Estimate(came / everybody, *wilson(came, everybody)) if everybody else None


def _counted(customers: Any, column: str) -> dict[str, int]:
    from querencia.insight.engine import frame_of

    frame = frame_of(customers)
    names = frame.collect_schema().names()
    if column not in names:
        raise InputError(f"There is no column {column!r}: the table has {', '.join(names)}.", column=column)
    how = frame.select(how=nw.col(column).cast(nw.String()).fill_null(""))
    return {str(row["how"]): whole(row["n"]) for row in rows(how.group_by("how").agg(nw.len().alias("n")))}
