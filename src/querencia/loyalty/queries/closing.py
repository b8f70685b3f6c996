# ruff: noqa: S608  (the statements are put together from names of our own)
"""Closed months, those that wait, and what a month brought: sums along the index of when entries were recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q, Sum

from querencia.customers.models import Purchase
from querencia.loyalty import closing
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Allocation, Close, Entry, Lot, Member, Programme
from querencia.loyalty.models.ledger import ACCOUNTS, OF_MEMBER

ENTRY, LOT, MEMBER, ALLOCATION, PURCHASE = map(reading.table, (Entry, Lot, Member, Allocation, Purchase))


def closes(programme: Programme | None = None) -> list[Close]:
    """Closed months, the newest first; of every programme, where none is named."""
    found = Close.objects.select_related("closed_by", "programme").order_by("-month", "programme")
    return list(found if programme is None else found.filter(programme=programme))


def close_of(programme: Programme, month: date) -> Close | None:
    return Close.objects.select_related("closed_by").filter(programme=programme, month=month).first()


def close_by_id(pk: int) -> Close | None:
    return Close.objects.select_related("closed_by", "programme").filter(pk=pk).first()


def next_month(programme: Programme) -> date | None:
    """The month that is closed next: after the newest closed one, or else that of the first entry."""
    newest = Close.objects.filter(programme=programme).order_by("-month").values_list("month", flat=True).first()
    if newest is not None:
        return closing.following(newest)
    first = Entry.objects.filter(programme=programme).aggregate(first=Min("recorded_at"))["first"]
    return None if first is None else closing.month_of(first, programme.time_zone)


def waiting(programme: Programme, *, at: datetime) -> list[date]:
    """Months that are over and not closed, the oldest first."""
    found, month = [], next_month(programme)
    while month is not None and closing.begins(closing.following(month), programme.time_zone) <= at:
        found.append(month)
        month = closing.following(month)
    return found


# -- what a month brought ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """A month of a programme: from an instant on, and before another."""

    programme_id: int
    month: date
    starts_at: datetime
    ends_at: datetime

    @property
    def entries(self) -> Q:
        return Q(programme=self.programme_id, recorded_at__gte=self.starts_at, recorded_at__lt=self.ends_at)

    @property
    def moments(self) -> tuple[Any, Any]:
        adapt = connection.ops.adapt_datetimefield_value
        return adapt(self.starts_at), adapt(self.ends_at)


def moved(span: Span) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    """By kind what entries brought to each account (zeros left out), and how many there were."""
    rows = Entry.objects.filter(span.entries).values("kind").order_by("kind")
    sums = rows.annotate(entries=Count("pk"), **{f"sum_{name}": Sum(name) for name in ACCOUNTS})
    found, counts = {}, {}
    for kind, entries, *of_accounts in sums.values_list("kind", "entries", *(f"sum_{name}" for name in ACCOUNTS)):
        counts[kind] = entries
        found[kind] = {name: points for name, points in zip(ACCOUNTS, of_accounts, strict=True) if points}
    return found, counts


def partners_moved(span: Span) -> dict[str, dict[str, int]]:
    """By partner (their id) and kind, how much the partner's account changed."""
    rows = Entry.objects.filter(span.entries, partner__isnull=False).values("partner_id", "kind")
    found: dict[str, dict[str, int]] = {}
    for partner, kind, points in rows.annotate(points=Sum("partner_points")).values_list(
        "partner_id", "kind", "points"
    ):
        if points:
            found.setdefault(str(partner), {})[kind] = points
    return found


def members_granted(span: Span) -> int:
    """How many members were granted something."""
    granted = Entry.objects.filter(span.entries, kind=Entry.Kind.GRANT)
    return int(granted.aggregate(members=Count("member", distinct=True))["members"])


def sales(span: Span) -> tuple[int, int]:
    """Of purchases that earned points: what they came to in minor units, and how many points no partner pays for."""
    asked = (
        "SELECT coalesce(sum(CASE WHEN e.issued < 0 THEN p.amount ELSE 0 END), 0), coalesce(-sum(e.issued), 0) "
        f"FROM {ENTRY} e JOIN {PURCHASE} p ON p.id = e.purchase_id WHERE e.programme_id = %s "
        "AND e.recorded_at >= %s AND e.recorded_at < %s AND e.kind = 'grant' AND e.issued <> 0"
    )
    [(amount, points)] = reading.select(asked, [span.programme_id, *span.moments])
    return int(amount), int(points)


@dataclass(frozen=True, slots=True)
class LotsMoved:
    """What became in a month of lots of one cohort, of one funding, by one kind of entry: what was put into new lots
    (``granted``; ``passed_on`` when the points were in another lot before), and how what remains, what is set aside
    and what is spent changed."""

    cohort: date
    partner_id: int | None
    kind: str
    granted: int
    passed_on: int
    remaining: int
    held: int
    redeemed: int

    @property
    def left(self) -> int:
        return self.granted + self.passed_on + self.remaining + self.held


def lots_moved(span: Span, months: Sequence[tuple[date, datetime]]) -> list[LotsMoved]:
    """``months``: those before, with the instants at which they began, the newest first. Points that were passed on
    belong to the cohort of the lot in which they were first."""
    adapt = connection.ops.adapt_datetimefield_value
    known = [(span.month, span.starts_at), *months]
    cases = " ".join("WHEN t.recorded_at >= %s THEN %s" for _each in known)
    statement = f"""
        WITH RECURSIVE moved AS (
            SELECT a.lot_id, e.kind, 0 AS opened, sum(a.amount) AS remaining, sum(a.held) AS held,
                sum(a.redeemed) AS redeemed
            FROM {ENTRY} e JOIN {ALLOCATION} a ON a.entry_id = e.id
            WHERE e.programme_id = %s AND e.recorded_at >= %s AND e.recorded_at < %s GROUP BY a.lot_id, e.kind
            UNION ALL
            SELECT l.id, e.kind, l.amount, 0, 0, 0 FROM {ENTRY} e JOIN {LOT} l ON l.entry_id = e.id
            WHERE e.programme_id = %s AND e.recorded_at >= %s AND e.recorded_at < %s
        ), up (lot_id, top) AS (
            SELECT DISTINCT lot_id, lot_id FROM moved
            UNION ALL
            SELECT u.lot_id, l.origin_id FROM up u JOIN {LOT} l ON l.id = u.top WHERE l.origin_id IS NOT NULL
        )
        SELECT CASE {cases} END AS cohort, r.partner_id, m.kind,
            sum(CASE WHEN m.lot_id = r.id THEN m.opened ELSE 0 END),
            sum(CASE WHEN m.lot_id = r.id THEN 0 ELSE m.opened END), sum(m.remaining), sum(m.held), sum(m.redeemed)
        FROM moved m JOIN up u ON u.lot_id = m.lot_id JOIN {LOT} r ON r.id = u.top AND r.origin_id IS NULL
            JOIN {ENTRY} t ON t.id = r.entry_id
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
    begun = [value for month, start in known for value in (adapt(start), closing.said(month))]
    given = [span.programme_id, *span.moments]
    return [
        LotsMoved(closing.read_month(cohort), partner, kind, *map(int, sums))
        for cohort, partner, kind, *sums in reading.select(statement, [*given, *given, *begun])
    ]


def held_before(programme: Programme, moment: datetime) -> dict[str, int]:
    """What members had in each account before a moment, reckoned backwards from what they have now. In one statement:
    members go on earning meanwhile."""
    names = ", ".join(f"m.{name} - e.{name}" for name in OF_MEMBER)
    of_members, of_entries = (
        ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in OF_MEMBER) for _each in range(2)
    )
    asked = (
        f"SELECT {names} FROM (SELECT {of_members} FROM {MEMBER} WHERE programme_id = %s) m CROSS JOIN "
        f"(SELECT {of_entries} FROM {ENTRY} WHERE programme_id = %s AND recorded_at >= %s) e"
    )
    [sums] = reading.select(asked, [programme.pk, programme.pk, connection.ops.adapt_datetimefield_value(moment)])
    return dict(zip(OF_MEMBER, map(int, sums), strict=True))


def untrue(programme: Programme) -> Iterator[tuple[str, int, int, int]]:
    """What closed months say and the ledger does not: what it is, of which close, what is said and what is reckoned."""
    before = ""
    for each in Close.objects.filter(programme=programme).order_by("month"):
        is_true = each.fingerprint == closing.fingerprint(each.document) and each.document["previous"] == before
        if not is_true:
            yield "fingerprint", each.pk, 0, 1
        before = each.fingerprint
    newest = Close.objects.filter(programme=programme).order_by("-month").first()
    if newest is None:
        return
    earlier = Entry.objects.filter(programme=programme, recorded_at__lt=newest.ends_at)
    sums = earlier.aggregate(**{f"sum_{name}": Sum(name, default=0) for name in ACCOUNTS})
    for name in ACCOUNTS:
        said = newest.document["accounts"][name]["closing"]
        if said != sums[f"sum_{name}"]:
            yield name, newest.pk, said, sums[f"sum_{name}"]
