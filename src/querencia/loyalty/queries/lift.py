# ruff: noqa: S608  (the statements are put together from names of our own)
"""What a campaign gave, and what it brought: those it was for against those whom the lot held out."""

from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from querencia.common.database import listed, select, within
from querencia.customers.models import Customer, Purchase
from querencia.insight.uplift import Arm, difference, enough
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import AudienceMember, Entry, Lot, Member, Programme, RuleVersion
from querencia.loyalty.queries.audiences import drawn_of
from querencia.loyalty.queries.campaigns import PLANNED, Campaign

CUSTOMER, PURCHASE, INSIDE = reading.table(Customer), reading.table(Purchase), reading.table(AudienceMember)
ENTRY, LOT, MEMBER = reading.table(Entry), reading.table(Lot), reading.table(Member)
# Everybody in an audience, each person once: the oldest record that is there speaks for them.
PERSONS = f"""
    listed AS (
        SELECT coalesce(c.person_id, c.id) AS head, m.customer_id, m.since, m.is_held_out
        FROM {INSIDE} m JOIN {CUSTOMER} c ON c.id = m.customer_id WHERE m.audience_id = %s
    ), person AS (
        SELECT head, since, is_held_out FROM (
            SELECT head, min(since) OVER (PARTITION BY head) AS since, is_held_out,
                row_number() OVER (PARTITION BY head ORDER BY customer_id) AS place FROM listed
        ) AS placed WHERE place = 1
    )"""
SPENT = f"""
    WITH {PERSONS}, node AS (
        SELECT head, is_held_out, since, head AS customer_id FROM person
        UNION ALL SELECT p.head, p.is_held_out, p.since, c.id FROM person p JOIN {CUSTOMER} c ON c.person_id = p.head
            WHERE c.id <> p.head
    ), spent AS (
        SELECT n.head, n.is_held_out, CAST(coalesce(sum(u.amount), 0) AS double precision) AS amount,
            coalesce(max(CASE WHEN u.amount > 0 THEN 1 ELSE 0 END), 0) AS bought
        FROM node n LEFT JOIN {PURCHASE} u ON u.customer_id = n.customer_id AND u.at >= n.since
            AND u.at >= %s AND u.at < %s AND u.currency = %s
        GROUP BY n.head, n.is_held_out
    )
    SELECT is_held_out, count(*), sum(bought), sum(amount), sum(amount * amount) FROM spent GROUP BY is_held_out"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A mean of those the campaign was for, and of those held out; what is more with the first, with its interval."""

    treated: float
    held_out: float
    more: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Lift:
    """From ``start`` to ``end``: which share of persons bought, and what each spent in minor units (refunds lessen
    it), whether they bought or not."""

    start: datetime
    end: datetime
    share: Compared
    spend: Compared


@dataclass(frozen=True, slots=True)
class Figures:
    """Persons: ``members`` in the audience, of whom the lot held some out; ``reached``: who earned by it. ``points``
    are those granted, before what came back with goods; ``cost`` in minor units. Without a ``lift``, ``why`` there is
    none: no_hold_out, planned, nothing (nobody has bought yet), or few, with the ``reason`` in a sentence."""

    members: int
    reached: int
    purchases: int
    points: int
    cost: int
    held_out: int = 0
    drawn_at: datetime | None = None
    lift: Lift | None = None
    why: str = "no_hold_out"
    reason: str = ""


def figures(programme: Programme, campaign: Campaign, *, at: datetime) -> Figures:
    """Of one campaign, up to now."""
    given = _given(programme, campaign)
    drawn = drawn_of(programme, campaign.key) if campaign.audience else None
    if campaign.audience is None or drawn is None:
        return Figures(0 if campaign.audience else _members(programme), *given)
    start, end = _days(programme, campaign, at)
    moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (start, max(start, end))]
    arms = {bool(row[0]): row[1:] for row in select(SPENT, [drawn.pk, *moments, programme.currency])}
    treated, out = (arms.get(side, (0, 0, 0, 0)) for side in (False, True))
    found = Figures(treated[0] + out[0], *given, held_out=out[0], drawn_at=drawn.drawn_at)
    if not campaign.audience.held_out:
        return found
    if campaign.state == PLANNED or end <= start:
        return replace(found, why="planned")
    gates = enough({"contacted": treated[0], "control": out[0]})
    if closed := [gate.reason for gate in gates if not gate.is_open]:
        return replace(found, why="few", reason=closed[0])
    if not any(row[1] for row in (treated, out)):
        return replace(found, why="nothing")
    shares = [Arm.of_shares(int(row[0]), float(row[1])) for row in (treated, out)]
    spend = [Arm.of_sums(int(row[0]), float(row[2]), float(row[3])) for row in (treated, out)]
    return replace(found, why="", lift=Lift(start, end, _compared(*shares), _compared(*spend)))


def _compared(treated: Arm, out: Arm) -> Compared:
    more, low, high = difference(treated, out)
    assert low is not None
    assert high is not None
    return Compared(treated.mean, out.mean, more, low, high)


def _days(programme: Programme, campaign: Campaign, at: datetime) -> tuple[datetime, datetime]:
    """From when to when it could give."""
    zone = ZoneInfo(programme.time_zone)
    start, end = campaign.counts_from, at
    if campaign.starts_on:
        start = max(start, datetime.combine(campaign.starts_on, time(), zone))
    if campaign.ends_on:
        end = min(end, datetime.combine(campaign.ends_on, time(), zone))
    return start, end


def _members(programme: Programme) -> int:
    """How many persons are members."""
    counted = (
        f"SELECT count(DISTINCT coalesce(c.person_id, c.id)) FROM {MEMBER} m JOIN {CUSTOMER} c ON c.id = m.customer_id "
        "WHERE m.programme_id = %s AND m.left_at IS NULL"
    )
    return int(select(counted, [programme.pk])[0][0])


def _given(programme: Programme, campaign: Campaign) -> tuple[int, int, int, int]:
    """Persons who earned by it, purchases, points, and what those cost."""
    versions = RuleVersion.objects.filter(programme=programme, key=campaign.key).values_list("pk", flat=True)
    statement = f"""
        SELECT count(DISTINCT coalesce(c.person_id, c.id)), count(DISTINCT e.purchase_id), coalesce(sum(l.amount), 0),
            coalesce(sum(l.amount * l.cost_per_thousand), 0)
        FROM {ENTRY} e JOIN {LOT} l ON l.entry_id = e.id JOIN {MEMBER} m ON m.id = e.member_id
        JOIN {CUSTOMER} c ON c.id = m.customer_id
        WHERE e.recorded_at >= %s AND e.kind = 'grant' AND {within("l.rule_id")}"""
    since: Any = connection.ops.adapt_datetimefield_value(campaign.counts_from)
    persons, purchases, points, cost = select(statement, [since, listed(list(versions))])[0]
    return int(persons), int(purchases), int(points), int(cost) // 1_000
