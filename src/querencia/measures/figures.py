# ruff: noqa: S608  (the queries are put together from names and integers of our own)
"""The business on one day, as a row of Measure: today's, and those of days before as they would have read.

Stages of past days come from the silences of the log, each judged by what its customer had done before it, with
everybody's rhythm as known today (insight.rhythm); so today's figures and the trend behind them are of one kind. The
windows are the 30 and 365 days up to and including the day.
"""

import narwhals as nw

from querencia.insight import defection, pareto, rfm, rhythm
from querencia.insight.engine import frame_of, rows, whole
from querencia.insight.intervals import wilson
from querencia.measures.engine import Desk
from querencia.measures.outlook import Outlook
from querencia.measures.scoring import Facts

MONTH, YEAR = 30, 365
LONG_STANDING_DAYS = 730
FAR = 2**31 - 1

type Values = dict[str, object]
type OfDay = tuple[int, Values]


def prepare(desk: Desk, facts: Facts) -> None:
    """Tables ``silences`` and ``leavings``: every silence of the log with the days on which it became late and left.

    ``silences``: customer_id, day (it began), until (it ended, FAR if it lasts), gaps, late_on, left_on (the first day
    beyond the limit, whether or not it was reached). ``leavings``: those that were reached, with ``amount``: net of the
    365 days up to the last purchase.
    """
    days = frame_of(desk.given("days")).filter(nw.col("day") <= facts.as_of)
    known = rhythm.population(days, today=facts.as_of)
    gaps, log_sum = nw.col("gaps"), nw.col("log_sum")
    silences = rhythm.silences(days).select(
        "customer_id",
        "day",
        "gaps",
        nw.col("until").fill_null(FAR).cast(nw.Int64()).alias("until"),
        (nw.col("day") + rhythm.limit(gaps, log_sum, known, late=True) + 1).cast(nw.Int64()).alias("late_on"),
        (nw.col("day") + rhythm.limit(gaps, log_sum, known) + 1).cast(nw.Int64()).alias("left_on"),
    )
    desk.keep("silences", silences)
    desk.execute(
        "CREATE TABLE leavings AS SELECT s.customer_id, s.left_on, s.until, coalesce(sum(d.amount), 0) AS amount "
        f"FROM (FROM silences WHERE left_on <= least(until - 1, {facts.as_of})) s LEFT JOIN days d "
        f"ON d.customer_id = s.customer_id AND d.day <= s.day AND d.day > s.day - {YEAR} GROUP BY ALL"
    )


def measure(desk: Desk, facts: Facts, outlook: Outlook) -> Values:
    """Today's row: that of any day, with classes as scored and with what is at stake."""
    values = of_day(desk, facts, facts.as_of)
    if outlook.is_open:
        names = ("revenue_at_risk", "revenue_at_risk_low", "revenue_at_risk_high")
        stakes = _one(desk, "SELECT sum(at_stake), sum(at_stake_low), sum(at_stake_high) FROM scores")
        values |= {name: int(stake or 0) for name, stake in zip(names, stakes, strict=True)}
    return values


def of_day(desk: Desk, facts: Facts, day: int) -> Values:
    """The fields of Measure for a day within the log, without what is at stake: a forecast is made once."""
    customers, new = _one(
        desk,
        f"SELECT count(*), count(*) FILTER (first_day > {day - MONTH}) FROM summary WHERE first_day <= {day}",
    )
    revenue, revenue_year = _one(
        desk,
        f"SELECT sum(amount) FILTER (day > {day - MONTH}), sum(amount) FROM days "
        f"WHERE day <= {day} AND day > {day - YEAR}",
    )
    left, late, returned = _standing(desk, day)
    return {
        "customers": customers,
        "active": customers - left,
        "new": new,
        "late": late,
        "returned": returned,
        **_defections(desk, day, could=customers - left, returned=returned),
        **_retention(desk, day),
        "revenue": int(revenue or 0),
        "revenue_year": int(revenue_year or 0),
        "classes": _classes(desk, facts, day),
        "long_standing_share": _long_standing(desk, facts, day),
    }


def _one(desk: Desk, query: str) -> tuple[int, ...]:
    return tuple(desk.execute(query).fetchall()[0])


def _standing(desk: Desk, day: int) -> tuple[int, ...]:
    """Customers who have left by a day, who are late on it, and who came back in the 30 days up to it."""
    lasting = f"until > {day} AND day <= {day}"
    return _one(
        desk,
        f"SELECT count(*) FILTER ({lasting} AND left_on <= {day}), "
        f"count(*) FILTER ({lasting} AND late_on <= {day} AND left_on > {day}), "
        f"count(DISTINCT customer_id) FILTER (until <= {day} AND until > {day - MONTH} AND left_on < until) "
        "FROM silences",
    )


def _defections(desk: Desk, day: int, *, could: int, returned: int) -> Values:
    """Who passed their limit in the 30 days up to a day and has not bought since; with Wilson's interval of their share
    among those who could have left."""
    count, amount = _one(
        desk,
        f"SELECT count(*), sum(amount) FROM leavings "
        f"WHERE left_on <= {day} AND left_on > {day - MONTH} AND until > {day}",
    )
    could += count
    low, high = wilson(count, could)
    return {
        "defections": count,
        "defections_value": int(amount or 0),
        "defections_low": round(low * could) if could else None,
        "defections_high": round(high * could) if could else None,
    }


def _retention(desk: Desk, day: int) -> Values:
    row = rows(frame_of(defection.retention(desk.given("days"), as_of=day)))[0]
    return {
        "retention_window_days": row["window_days"],
        "retention_rate": row["rate"],
        "retention_low": row["low"] if row["rate"] is not None else None,
        "retention_high": row["high"] if row["rate"] is not None else None,
    }


def _classes(desk: Desk, facts: Facts, day: int) -> Values:
    """Customers and share of value by class, by everything brought up to the day."""
    if day < facts.as_of:
        classified = pareto.classify(rfm.summary(desk.given("days"), as_of=day))
    else:
        classified = desk.given("classes")
    gain = nw.when(nw.col("value") > 0).then(nw.col("value")).otherwise(nw.lit(0))
    grouped = frame_of(classified).select("abc", gain=gain).group_by("abc")
    counted = rows(grouped.agg(nw.len().alias("customers"), nw.col("gain").sum()))
    total = sum(whole(row["gain"]) for row in counted)
    found = {
        row["abc"]: {
            "customers": whole(row["customers"]),
            "share": whole(row["gain"]) / total if total else 0.0,
        }
        for row in counted
    }
    return {abc: found.get(abc, {"customers": 0, "share": 0.0}) for abc in pareto.CLASSES}


def _long_standing(desk: Desk, facts: Facts, day: int) -> float | None:
    """Share of the last year's margin from customers who first bought more than two years before the day.

    Of revenue where the cost of any purchase is unknown; None while the log is too short to have such customers.
    """
    if facts.first_day is None or day - facts.first_day < LONG_STANDING_DAYS:
        return None
    old = f"first_day < {day - LONG_STANDING_DAYS}"
    unknown, margin, old_margin, revenue, old_revenue = _one(
        desk,
        f"SELECT count(*) FILTER (cost IS NULL), sum(b.amount - cost), sum(b.amount - cost) FILTER ({old}), "
        f"sum(b.amount), sum(b.amount) FILTER ({old}) FROM bought b JOIN summary USING (customer_id) "
        f"WHERE day <= {day} AND day > {day - YEAR}",
    )
    whole, part = (revenue, old_revenue) if unknown else (margin, old_margin)
    return int(part or 0) / int(whole) if whole and whole > 0 else None
