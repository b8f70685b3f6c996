# ruff: noqa: S608  (the statement is put together from names of our own)
"""What moved month by month. Months that are over were summed up; only what came since is added up from the entries."""

from collections.abc import Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.db import connection

from querencia.common.database import select
from querencia.loyalty.expiry import later
from querencia.loyalty.models import Entry, MonthSum, Programme

ACCOUNTS = ("issued", "partner_points", "redeemed", "expired", "clawed_back", "adjusted")
# By kind of entry the sums of these accounts.
type Sums = dict[str, list[int]]


def starts(programme: Programme, month: date) -> datetime:
    """The first moment of a month, where the business is."""
    return datetime.combine(month, time(), ZoneInfo(programme.time_zone))


def summed(programme: Programme) -> list[MonthSum]:
    """The months that were summed up, one after the other from the first on."""
    return list(MonthSum.objects.filter(programme=programme).order_by("month"))


def sums(
    programme: Programme,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    bounds: Sequence[datetime] = (),
) -> list[Sums]:
    """What was recorded from a moment on (ever, if unsaid) and before another, parted at these moments: one piece more
    than there are. One question, however many."""
    moment = connection.ops.adapt_datetimefield_value
    parts = " ".join(f"WHEN recorded_at < %s THEN {place}" for place in range(len(bounds)))
    place = f"CASE {parts} ELSE {len(bounds)} END" if bounds else "0"
    statement = (
        f"SELECT {place} AS place, kind, {', '.join(f'sum({name})' for name in ACCOUNTS)} "
        f"FROM {Entry._meta.db_table} WHERE programme_id = %s "
        f"{'AND recorded_at >= %s ' if since else ''}{'AND recorded_at < %s ' if until else ''}"
        "GROUP BY place, kind"
    )
    given = [*map(moment, bounds), programme.pk, *(moment(each) for each in (since, until) if each)]
    found: list[Sums] = [{} for _ in range(len(bounds) + 1)]
    for where, kind, *figures in select(statement, given):
        found[where][kind] = [int(figure) for figure in figures]
    return found


def by_month(programme: Programme, months: Sequence[date]) -> tuple[dict[date, Sums], list[Sums]]:
    """The sums of these months (the earliest first, up to the present), and pieces that make up all of time."""
    known = summed(programme)
    since = known[-1].ends_at if known else None
    open_months = [month for month in months if since is None or starts(programme, month) >= since]
    first, *rest = sums(programme, since=since, bounds=[starts(programme, month) for month in open_months])
    found = {each.month: each.sums for each in known} | dict(zip(open_months, rest, strict=True))
    pieces = [*(each.sums for each in known), first, *rest]
    return {month: found.get(month, {}) for month in months}, pieces


def next_month(month: date) -> date:
    return later(month, 1, "month")
