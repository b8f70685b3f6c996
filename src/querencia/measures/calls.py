# ruff: noqa: S608  (the queries are put together from names and integers of our own)
"""The customers to call first, by what can still be kept, and why now."""

from typing import Any

from querencia.measures.engine import Desk

CALLS = 10
YEAR = 365
MONTH_DAYS = 30.4
# From twice a month on, a number of purchases a month says more than days between them.
FREQUENT_PER_MONTH = 2.0

type Row = dict[str, Any]


def first(desk: Desk) -> list[Row]:
    """At most ten customers, most at stake first, each with the reason as a code and its facts."""
    desk.execute(
        f"CREATE TEMP TABLE called AS FROM scores WHERE at_stake > 0 ORDER BY at_stake DESC, customer_id LIMIT {CALLS}"
    )
    found = desk.sql(
        "SELECT c.customer_id, c.abc, c.stage, c.at_stake, c.at_stake_low, c.at_stake_high, c.value_year, "
        "c.chance_of_purchase, c.purchases, s.first_day, s.last_day, c.silent_days, c.rhythm_days, c.limit_days, "
        "t.left_day, (SELECT count(*) FROM days d WHERE d.customer_id = c.customer_id AND d.is_purchase "
        f"AND d.day > s.last_day - {YEAR}) AS purchases_year "
        "FROM called c JOIN summary s USING (customer_id) JOIN stages t USING (customer_id) "
        "ORDER BY c.at_stake DESC, customer_id"
    ).to_arrow_table()
    asked = ("rhythm_days", "limit_days", "left_day", "purchases_year")
    return [
        {**{name: value for name, value in row.items() if name not in asked}, "reason": reason(row)}
        for row in found.to_pylist()
    ]


def reason(row: Row) -> Row:
    """Why this customer now: a code and its facts, for insight.explain to say. Days and money are whole numbers.

    Of one who has left: that, and whether they were of class A. Of one who is late: how often they came (in the year up
    to the last purchase, from twice a month on; else their rhythm), against their silence.
    """
    facts: Row = {"silent_days": row["silent_days"]}
    if row["rhythm_days"] is None:
        return {"code": "one_purchase_then_silence", "facts": {**facts, "limit_days": _whole(row["limit_days"])}}
    facts["rhythm_days"] = max(1, round(row["rhythm_days"]))
    if row["stage"] == "left":
        facts["left_day"] = row["left_day"]
        if row["abc"] == "A":
            return {"code": "big_customer_left_recently", "facts": {**facts, "value_year": row["value_year"]}}
        return {"code": "left_recently", "facts": facts}
    months = min(YEAR, max(30, row["last_day"] - row["first_day"] + 1)) / MONTH_DAYS
    per_month = row["purchases_year"] / months
    facts["purchases"] = row["purchases"]
    if per_month >= FREQUENT_PER_MONTH:
        del facts["rhythm_days"]
        return {"code": "dropped_frequency", "facts": {**facts, "purchases_per_month": round(per_month, 1)}}
    return {"code": "slower_than_rhythm", "facts": facts}


def _whole(days: float | None) -> int | None:
    return None if days is None else round(days)
