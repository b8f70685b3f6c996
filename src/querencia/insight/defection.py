"""Who left and when, each by their own rhythm; what left with them; who came back.

Counting *defections* rather than average retention goes back to Reichheld & Sasser (1990), "Zero Defections: Quality
Comes to Services", Harvard Business Review 68(5). Where no contract ends, nobody says goodbye: a customer counts as
left on the day their silence passes a limit of their own (:mod:`querencia.insight.rhythm` has the formula). By
construction about one in twenty ordinary silences passes it too: those customers show up again as returned. Past
silences are judged by what the customer had done *before* them, though with the population's rhythm as known today.
"""

from collections import Counter
from typing import Any

import narwhals as nw

from querencia.insight import periods, rhythm
from querencia.insight.engine import Frame, like, rows, small, whole, windowed
from querencia.insight.errors import InputError
from querencia.insight.intervals import wilson
from querencia.insight.periods import Period
from querencia.insight.rhythm import Population
from querencia.insight.tables import Day, as_days, day_number

__all__ = ["STATUSES", "by_period", "retention", "status"]

STATUSES = ("new", "active", "late", "left", "returned")
WINDOWS = (365, 182, 91, 28, 7)
YEAR_DAYS = 365
Z95 = 1.96

PERIOD_TYPES = {
    "period": nw.Int64,
    "active": nw.Int64,
    "new": nw.Int64,
    "returned": nw.Int64,
    "defections": nw.Int64,
    "low": nw.Float64,
    "high": nw.Float64,
    "amount_lost": nw.Int64,
    "amount_returned": nw.Int64,
}
RETENTION_TYPES = {
    "window_days": nw.Int64,
    "before": nw.Int64,
    "kept": nw.Int64,
    "rate": nw.Float64,
    "low": nw.Float64,
    "high": nw.Float64,
}


def status(purchases: Any, *, as_of: Day, known: Population | None = None) -> Any:
    """Where each customer stands on ``as_of``, by their own rhythm. One row per customer who ever bought.

    ``customer_id``; ``rhythm_days`` with its 95 % interval ``rhythm_low``, ``rhythm_high`` (typical days between
    purchases, null after one purchase); ``silent_days`` (since the last purchase); ``limit_days`` (the longest silence
    still taken for a pause, null where the log has too few gaps to tell); ``status``; ``left_day`` (first day beyond
    the limit, null unless left); ``value_year`` (net amount of the 365 days up to and including the last purchase).

    ``left``: silent beyond the limit. ``late``: beyond four in five of the silences that ended, not yet beyond the
    limit. ``returned``: bought again after having left, and on time since. ``new``: one purchase so far. ``active``:
    the rest. Without limits nobody is late or left. ``known``: everybody's rhythm, where it was learned before.

    >>> from querencia.insight import defection, samples
    >>> found = defection.status(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> found["status"].value_counts().sort("status").rows()
    [('active', 551), ('late', 468), ('left', 1300), ('returned', 38)]
    """
    today = day_number(as_of)
    days = windowed(as_days(purchases, as_of=today))
    known = known or rhythm.population(days, today=today)
    last = rhythm.latest(days)
    judged = _judged(last, known, today=today)
    return like(judged.join(_value_year(days, last), on="customer_id", how="left").select(*_STATUS), purchases)


_STATUS = (
    "customer_id",
    "rhythm_days",
    "rhythm_low",
    "rhythm_high",
    "silent_days",
    "limit_days",
    "status",
    "left_day",
    nw.col("value_year").fill_null(0).cast(nw.Int64()),
)


def _judged(last: Frame, known: Population, *, today: int) -> Frame:
    gaps, log_sum = nw.col("gaps"), nw.col("log_sum")
    mean, _ = rhythm.expected(gaps, log_sum, known)
    unsure = (1 / (gaps + known.prior_gaps)).sqrt() * (Z95 * known.log_sd)
    silent = nw.lit(today) - nw.col("day")
    # What the silence that ended with the last purchase had been judged by.
    limit_before = rhythm.limit(gaps - 1, log_sum - nw.col("log_gap"), known)
    measured = last.with_columns(
        nw.when(gaps > 0).then(mean.exp()).alias("rhythm_days"),
        nw.when(gaps > 0).then((mean - unsure).exp()).alias("rhythm_low"),
        nw.when(gaps > 0).then((mean + unsure).exp()).alias("rhythm_high"),
        silent.cast(nw.Int64()).alias("silent_days"),
        rhythm.limit(gaps, log_sum, known).alias("limit"),
        (silent > rhythm.limit(gaps, log_sum, known)).alias("has_left"),
        (silent > rhythm.limit(gaps, log_sum, known, late=True)).alias("is_late"),
        ((gaps > 0) & (nw.col("gap") > limit_before)).alias("came_back"),
    )
    rest = nw.when(gaps > 0).then(nw.lit("active")).otherwise(nw.lit("new"))
    rest = nw.when(nw.col("came_back")).then(nw.lit("returned")).otherwise(rest)
    rest = nw.when(nw.col("is_late")).then(nw.lit("late")).otherwise(rest)
    limit = nw.col("limit").cast(nw.Int64())
    return measured.with_columns(
        nw.when(nw.col("limit") < rhythm.NEVER).then(limit).alias("limit_days"),
        nw.when(nw.col("has_left")).then(nw.lit("left")).otherwise(rest).alias("status"),
        nw.when(nw.col("has_left")).then(nw.col("day") + limit + 1).alias("left_day"),
    )


def _value_year(days: Frame, last: Frame) -> Frame:
    ended = last.select("customer_id", nw.col("day").alias("ended_on"))
    inside = (nw.col("day") <= nw.col("ended_on")) & (nw.col("day") > nw.col("ended_on") - YEAR_DAYS)
    return (
        days.join(ended, on="customer_id", how="inner")
        .filter(inside)
        .group_by("customer_id")
        .agg(nw.col("amount").sum().alias("value_year"))
    )


def by_period(purchases: Any, *, as_of: Day, period: str = "month", known: Population | None = None) -> Any:
    """Defections and returns per week, month or quarter: a small table from the first purchase to ``as_of``.

    ``period`` (day number of its first day; the last may not be over yet), ``active`` (customers not left at its end),
    ``new``, ``returned``, ``defections`` (events of the period: active = active before + new + returned - defections),
    ``low``, ``high`` (see below), ``amount_lost`` (minor units: net amount of each leaver's 365 days up to the last
    purchase) and ``amount_returned`` (the same of those who came back, as of when they had left).

    The interval is Wilson's 95 % one of the share of customers who left among those who could have, in customers. It
    covers chance among customers, not the choice of the limit.

    >>> from querencia.insight import defection, samples
    >>> found = defection.by_period(samples.cdnow(), as_of=samples.CDNOW_END, period="quarter")
    >>> found.select("active", "new", "returned", "defections").rows()[-1]
    (1057, 0, 38, 323)
    """
    today = day_number(as_of)
    days = windowed(as_days(purchases, as_of=today))
    start = _start(days.filter(nw.col("is_purchase")))
    if not whole(start["count"]):
        return small({name: [] for name in PERIOD_TYPES}, PERIOD_TYPES, purchases)
    length = periods.chosen(period, first_day=whole(start["first"]), last_day=today)
    known = known or rhythm.population(days, today=today)
    events = _events(days, known, today=today, length=length)
    table, active = [], 0
    for index in range(periods.index_of(whole(start["first"]), length), periods.index_of(today, length) + 1):
        new, returned, left = (events[kind, index] for kind in ("new", "returned", "left"))
        could = active + new + returned
        low, high = (could * share for share in wilson(left, could)) if could else (0.0, 0.0)
        active = could - left
        amounts = (events["lost", index], events["regained", index])
        table.append((periods.first_day(index, length), active, new, returned, left, low, high, *amounts))
    columns = {name: [row[place] for row in table] for place, name in enumerate(PERIOD_TYPES)}
    return small(columns, PERIOD_TYPES, purchases)


def _start(bought: Frame) -> dict[str, Any]:
    return rows(bought.select(nw.len().alias("count"), nw.col("day").min().alias("first")))[0]


def _events(days: Frame, known: Population, *, today: int, length: Period) -> Counter[tuple[str, int]]:
    """Number (new, returned, left) or minor units (lost, regained) by kind and index of period."""
    events: Counter[tuple[str, int]] = Counter()
    firsts = days.filter(nw.col("is_purchase")).group_by("customer_id").agg(nw.col("day").min())
    first = periods.indexed(firsts, nw.col("day"), length, name="index")
    for row in rows(first.group_by("index").agg(nw.len().alias("count"))):
        events["new", whole(row["index"])] += whole(row["count"])
    for row in rows(_passed(days, known, today=today, length=length)):
        events["left", whole(row["left_in"])] += whole(row["count"])
        events["lost", whole(row["left_in"])] += whole(row["amount"])
        if whole(row["has_ended"]):
            events["returned", whole(row["back_in"])] += whole(row["count"])
            events["regained", whole(row["back_in"])] += whole(row["amount"])
    return events


def _passed(days: Frame, known: Population, *, today: int, length: Period) -> Frame:
    """Silences beyond their limit: number and yearly amount by period of leaving and, where they ended, of return."""
    until = nw.col("until")
    beyond = (
        rhythm.silences(days)
        .with_columns(rhythm.limit(nw.col("gaps"), nw.col("log_sum"), known).alias("limit"))
        .with_columns(
            nw.when(until.is_null()).then(nw.lit(0)).otherwise(nw.lit(1)).alias("has_ended"),
            until.fill_null(today).cast(nw.Int64()).alias("until"),
        )
        .filter(nw.col("until") - nw.col("day") > nw.col("limit"))
        .select("customer_id", "has_ended", "until", "limit", nw.col("day").alias("ended_on"))
    )
    beyond = periods.indexed(beyond, nw.col("ended_on") + nw.col("limit") + 1, length, name="left_in")
    passed = periods.indexed(beyond, nw.col("until"), length, name="back_in")
    inside = (nw.col("day") <= nw.col("ended_on")) & (nw.col("day") > nw.col("ended_on") - YEAR_DAYS)
    valued = (
        days.select("customer_id", "day", "amount")
        .join(passed.drop("until", "limit"), on="customer_id", how="inner")
        .filter(inside)
        .group_by("customer_id", "ended_on", "has_ended", "left_in", "back_in")
        .agg(nw.col("amount").sum())
    )
    return valued.group_by("has_ended", "left_in", "back_in").agg(nw.len().alias("count"), nw.col("amount").sum())


def retention(purchases: Any, *, as_of: Day, window_days: int | None = None) -> Any:
    """Of those who bought in the window before last, how many bought in the last one: a small table of one row.

    ``window_days, before, kept, rate, low, high`` (Wilson 95 %). Without ``window_days`` the longest of a year, half a
    year, a quarter, four weeks and a week of which the log covers two. Where it does not cover two, or nobody bought in
    the window before, ``rate`` and its interval are null (and ``window_days``, if none fits).

    >>> from querencia.insight import defection, samples
    >>> found = defection.retention(samples.cdnow(), as_of=samples.CDNOW_END)
    >>> found.select("window_days", "before", "kept").rows(), round(found["rate"][0], 3)
    ([(182, 612, 319)], 0.521)
    """
    if window_days is not None and window_days < 1:
        raise InputError(f"A window has at least one day, not {window_days}.", example=window_days)
    today = day_number(as_of)
    days = as_days(purchases, as_of=today).filter(nw.col("is_purchase"))
    start = _start(days)
    span = today - whole(start["first"]) + 1 if whole(start["count"]) else 0
    window = window_days or next((days for days in WINDOWS if span >= 2 * days), None)
    before = kept = 0
    if window is not None and span >= 2 * window:
        before, kept = _kept(days, today=today, window=window)
    low, high = wilson(kept, before)
    figures = (kept / before, low, high) if before else (None, None, None)
    row = dict(zip(RETENTION_TYPES, (window, before, kept, *figures), strict=True))
    return small({name: [value] for name, value in row.items()}, RETENTION_TYPES, purchases)


def _kept(days: Frame, *, today: int, window: int) -> tuple[int, int]:
    recent = nw.col("day") > today - window
    customers = (
        days.filter(nw.col("day") > today - 2 * window)
        .with_columns(
            nw.when(recent).then(nw.lit(1)).otherwise(nw.lit(0)).alias("now"),
            nw.when(recent).then(nw.lit(0)).otherwise(nw.lit(1)).alias("before"),
        )
        .group_by("customer_id")
        .agg(nw.col("now").max(), nw.col("before").max())
        .filter(nw.col("before") == 1)
    )
    counted = rows(customers.select(nw.len().alias("before"), nw.col("now").sum()))[0]
    return whole(counted["before"]), whole(counted["now"])
