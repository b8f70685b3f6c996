# ruff: noqa: S608  (the statement is put together from names of our own)
"""What members have at a moment. Decided here, from the lots and holds as they stand: no sweep has to have come by."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from querencia.common.database import listed, select, within
from querencia.customers.models import Customer
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Allocation, Hold, Lot, Member

MEMBER, LOT, HOLD, ALLOCATION, CUSTOMER = (model._meta.db_table for model in (Member, Lot, Hold, Allocation, Customer))


@dataclass(frozen=True, slots=True)
class Balance:
    """Points. ``available`` can be spent now; ``pending`` later; ``held`` is set aside; ``deficit`` is owed (a positive
    number) after all there is. ``expiring`` of those available lapse first, at ``expires_at`` (None: none ever)."""

    available: int = 0
    pending: int = 0
    held: int = 0
    deficit: int = 0
    expiring: int = 0
    expires_at: datetime | None = None

    @property
    def is_spendable(self) -> bool:
        return self.available > 0 and self.deficit == 0


def balances(member_ids: Iterable[int], *, at: datetime) -> dict[int, Balance]:
    """By member what their person has: members whose customers are one person have one purse."""
    asked = list(dict.fromkeys(member_ids))
    groups = people_of(asked)
    rows: dict[int, list[tuple[Any, ...]]] = {}
    for row in _rows({pk for group in groups.values() for pk in group}, at):
        rows.setdefault(row[0], []).append(row)
    return {pk: _balance([row for each in groups[pk] for row in rows.get(each, ())], at) for pk in asked}


@dataclass(frozen=True, slots=True)
class Spendable:
    """What a member's person can spend now, and the customer who stands for that person."""

    customer_id: int
    available: int


def spendable(member_ids: Collection[int], *, at: datetime) -> dict[int, Spendable]:
    """By member, in one question: what is answered to whoever moved points. As `balances` says it."""
    if not member_ids:
        return {}
    statement = f"""
        WITH asked AS (
            SELECT m.id, m.programme_id, m.customer_id, coalesce(c.person_id, c.id) AS head
            FROM {MEMBER} m JOIN {CUSTOMER} c ON c.id = m.customer_id WHERE {within("m.id")}
        ), customer AS (
            SELECT id, programme_id, head, customer_id FROM asked
            UNION SELECT a.id, a.programme_id, a.head, c.id FROM asked a JOIN {CUSTOMER} c ON c.person_id = a.head
        )
        SELECT c.id, c.head, m.deficit + coalesce((
            SELECT sum(l.remaining) FROM {LOT} l WHERE l.member_id = m.id AND l.remaining > 0
                AND l.available_at <= %s AND (l.expires_at > %s OR l.expires_at IS NULL)
        ), 0) + CASE WHEN m.held = 0 THEN 0 ELSE coalesce((
            SELECT sum(a.held) FROM {HOLD} h JOIN {ALLOCATION} a ON a.hold_id = h.id JOIN {LOT} l ON l.id = a.lot_id
            WHERE h.member_id = m.id AND h.closed_at IS NULL AND h.expires_at <= %s
                AND (l.expires_at > %s OR l.expires_at IS NULL)
        ), 0) END
        FROM customer c JOIN {MEMBER} m ON m.customer_id = c.customer_id AND m.programme_id = c.programme_id"""
    found: dict[int, Spendable] = {}
    moment = connection.ops.adapt_datetimefield_value(at)
    sums: dict[int, int] = {}
    for pk, head, points in select(statement, [listed(member_ids), *[moment] * 4]):
        sums[pk] = sums.get(pk, 0) + int(points)
        found[pk] = Spendable(head, max(0, sums[pk]))
    return found


def people_of(member_ids: Sequence[int]) -> dict[int, list[int]]:
    """By member all members of the same programme that are the same person."""
    if not member_ids:
        return {}
    # In one question: between two, others may make somebody else stand for the person.
    heads = (
        f"SELECT c.person_id FROM {MEMBER} m JOIN {CUSTOMER} c ON c.id = m.customer_id "
        f"WHERE {within('m.id')} AND c.person_id IS NOT NULL"
    )
    asked = (
        f"SELECT m.id, m.programme_id, c.person_id FROM {CUSTOMER} c JOIN {MEMBER} m ON m.customer_id = c.id "
        f"WHERE c.person_id IN ({heads}) ORDER BY m.id"
    )
    together: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for pk, programme, head in select(asked, [listed(member_ids)]):
        together[programme, head].append(pk)
    found = {pk: group for group in together.values() for pk in group}
    return {pk: found.get(pk, [pk]) for pk in member_ids}


def _rows(member_ids: Collection[int], at: datetime) -> list[tuple[Any, ...]]:
    """Open lots, open holds with the lots they will go back to, and what is owed, added up by when: one statement along
    indexes. The fourth column says whether it waits: for its time to come, or for a hold to end."""
    if not member_ids:
        return []
    statement = f"""
        SELECT member_id, 'lot', sum(remaining), available_at > %s AS waits, expires_at FROM {LOT}
            WHERE {within("member_id")} AND remaining > 0 GROUP BY member_id, waits, expires_at
        UNION ALL
        SELECT h.member_id, 'hold', sum(a.held), h.expires_at > %s AS waits, l.expires_at FROM {HOLD} h
            JOIN {ALLOCATION} a ON a.hold_id = h.id JOIN {LOT} l ON l.id = a.lot_id
            WHERE {within("h.member_id")} AND h.closed_at IS NULL AND a.held <> 0
            GROUP BY h.member_id, waits, l.expires_at
        UNION ALL
        SELECT id, 'owed', -deficit, 1 = 0, NULL FROM {MEMBER} WHERE {within("id")} AND deficit < 0"""
    moment, these = connection.ops.adapt_datetimefield_value(at), listed(member_ids)
    found = select(statement, [moment, these, moment, these, these])
    return [(pk, kind, int(points), waits, _moment(lapses)) for pk, kind, points, waits, lapses in found]


def _moment(value: Any) -> datetime | None:
    found = reading.moment(value)
    return found if found is None else found.astimezone(UTC)


def _balance(rows: Sequence[tuple[Any, ...]], at: datetime) -> Balance:
    usable: dict[datetime | None, int] = {}
    pending = held = owed = 0
    for _member, kind, points, waits, last in rows:
        if kind == "owed":
            owed += points
        elif kind == "hold" and waits:
            held += points
        elif last is None or at < last:
            if waits:
                pending += points
            else:
                usable[last] = usable.get(last, 0) + points
    available = sum(usable.values())
    paid = min(owed, available)
    later = min(owed - paid, pending)
    lapsing = sorted(((moment, points) for moment, points in usable.items() if moment), key=lambda each: each[0])
    while lapsing and paid:
        moment, points = lapsing.pop(0)
        part = min(points, paid)
        paid -= part
        if points > part:
            lapsing.insert(0, (moment, points - part))
    first_out = lapsing[0] if lapsing else (None, 0)
    return Balance(
        available=max(0, available - owed),
        pending=pending - later,
        held=held,
        deficit=max(0, owed - available - later),
        expiring=first_out[1],
        expires_at=first_out[0],
    )
