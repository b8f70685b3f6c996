# ruff: noqa: S608  (the statements are put together from names of our own)
"""How a programme fares: counts and sums of what is in the books. Nothing here is an estimate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, Sum

from querencia.common.time import local_day
from querencia.customers.models import Customer
from querencia.loyalty import tiers
from querencia.loyalty.models import Entry, Member, Programme, Standing
from querencia.loyalty.queries.months import Sums, by_month
from querencia.loyalty.queries.standings import scheme_of

ACTIVE_DAYS = 365
Kind = Entry.Kind


@dataclass(frozen=True, slots=True)
class Flow:
    """Points of one month, or of all time together: as they were written down, not as they were bought."""

    month: date | None
    earned: int = 0
    spent: int = 0
    lapsed: int = 0
    taken_back: int = 0
    corrected: int = 0


@dataclass(frozen=True, slots=True)
class OfTier:
    """``key`` is empty for those who are in none. A person counts once, whichever records they have."""

    key: str
    name: str
    members: int
    points: int


@dataclass(frozen=True, slots=True)
class Health:
    """``members``: who is in and has not left; ``active``: of these, who earned or spent points within `ACTIVE_DAYS`.
    ``owed``: points that members have, whether usable or not, less what they owe; ``cost`` in minor units."""

    members: int
    joined_lately: int
    active: int
    usable: int
    pending: int
    held: int
    deficit: int
    owed: int
    cost: int
    waiting: int


def health(programme: Programme, *, at: datetime) -> Health:
    """Of one programme now."""
    mine = Member.objects.filter(programme=programme)
    here = Q(left_at=None)
    sums = mine.aggregate(
        members=Count("pk", filter=here),
        lately=Count("pk", filter=here & Q(joined_at__gte=at - timedelta(days=30))),
        usable=Sum("active", default=0),
        pending=Sum("pending", default=0),
        held=Sum("held", default=0),
        deficit=Sum("deficit", default=0),
    )
    owed = sum(sums[name] for name in ("usable", "pending", "held", "deficit"))
    # Entry by entry of a member, the newest first: whoever is active is found at the first one.
    moved = Entry.objects.filter(
        member=OuterRef("pk"),
        recorded_at__gte=at - timedelta(days=ACTIVE_DAYS),
        kind__in=[Kind.GRANT, Kind.CAPTURE],
    )
    return Health(
        members=sums["members"],
        joined_lately=sums["lately"],
        active=mine.filter(Exists(moved), left_at=None).count(),
        usable=sums["usable"],
        pending=sums["pending"],
        held=sums["held"],
        deficit=-sums["deficit"],
        owed=owed,
        cost=owed * programme.cost_per_thousand // 1_000,
        waiting=mine.filter(adjustments__state="waiting").aggregate(n=Count("adjustments"))["n"],
    )


def flows(programme: Programme, *, at: datetime, months: int = 12) -> tuple[list[Flow], Flow]:
    """The last months, the present one first (months are those of where the business is), and all that ever was."""
    today = local_day(at, programme.time_zone)
    wanted = [_month(today, back) for back in reversed(range(months))]
    found, pieces = by_month(programme, wanted)
    return [_flow(month, [found[month]]) for month in reversed(wanted)], _flow(None, pieces)


def _flow(month: date | None, pieces: Sequence[Sums]) -> Flow:
    sums = dict.fromkeys(("earned", "spent", "lapsed", "taken_back", "corrected"), 0)
    for kind, figures in [each for piece in pieces for each in piece.items()]:
        issued, partner, redeemed, expired, clawed, adjusted = figures
        # What partners pay for is earned, what they take is spent.
        sums["earned"] -= issued + (partner if kind == Kind.GRANT else 0)
        sums["spent"] += redeemed + (partner if kind not in (Kind.GRANT, Kind.CLAW_BACK) else 0)
        sums["lapsed"] += expired
        sums["taken_back"] += clawed + (partner if kind == Kind.CLAW_BACK else 0)
        sums["corrected"] -= adjusted
    return Flow(month, **sums)


def _month(day: date, back: int) -> date:
    months = day.year * 12 + day.month - 1 - back
    return date(months // 12, months % 12 + 1, 1)


def by_tier(programme: Programme, *, at: datetime) -> list[OfTier]:
    """Members and their points by the tier in which they stand, the highest first; nobody is left out."""
    found = scheme_of(programme, at=at)
    if found is None:
        return []
    scheme = found[1]
    rows = dict.fromkeys([*range(len(scheme.tiers)), -1], (0, 0))
    rows |= {rank: (members, points) for rank, members, points in _counted(programme, scheme)}
    names = [(rank, tier.key, scheme.names.get(tier.key, tier.key)) for rank, tier in enumerate(scheme.tiers)]
    ordered = [*reversed(names), (-1, "", "")]
    return [OfTier(key, name, *rows[rank]) for rank, key, name in ordered]


def _counted(programme: Programme, scheme: tiers.Scheme) -> Sequence[tuple[int, int, int]]:
    """By rank how many persons and how many points."""
    ranks = " ".join(f"WHEN %s THEN {rank}" for rank in range(len(scheme.tiers)))
    member, standing, customer = (model._meta.db_table for model in (Member, Standing, Customer))
    statement = f"""
        SELECT standing, count(*), sum(points) FROM (
            SELECT coalesce(c.person_id, c.id) AS person, max(coalesce(CASE s.tier {ranks} END, -1)) AS standing,
                sum(m.active + m.pending + m.held + m.deficit) AS points
            FROM {member} m JOIN {customer} c ON c.id = m.customer_id
                LEFT JOIN (SELECT member_id, max(id) AS newest FROM {standing} GROUP BY member_id) n
                    ON n.member_id = m.id
                LEFT JOIN {standing} s ON s.id = n.newest
            WHERE m.programme_id = %s AND m.left_at IS NULL GROUP BY 1
        ) AS persons GROUP BY standing"""
    with connection.cursor() as cursor:
        cursor.execute(statement, [*(tier.key for tier in scheme.tiers), programme.pk])
        return [(int(rank), int(members), int(points)) for rank, members, points in cursor.fetchall()]
