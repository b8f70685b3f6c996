# ruff: noqa: S608  (the statement is put together from names of our own)
"""What members have at a moment. Decided here, from the lots and holds as they stand: no sweep has to have come by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from querencia.customers.queries import persons
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Allocation, Hold, Lot, Member

MEMBER, LOT, HOLD, ALLOCATION = (model._meta.db_table for model in (Member, Lot, Hold, Allocation))


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
    for some in persons.asked(pk for group in groups.values() for pk in group):
        for row in _rows(some):
            rows.setdefault(row[0], []).append(row)
    return {pk: _balance([row for each in groups[pk] for row in rows.get(each, ())], at) for pk in asked}


def people_of(member_ids: Sequence[int]) -> dict[int, list[int]]:
    """By member all members of the same programme that are the same person."""
    found: dict[int, list[int]] = {}
    for some in persons.asked(member_ids):
        # In one question: between two, others may make somebody else stand for the person.
        heads = Member.objects.filter(pk__in=some, customer__person__isnull=False).values("customer__person_id")
        rows = Member.objects.filter(customer__person_id__in=heads).order_by("pk")
        together: defaultdict[tuple[int, int | None], list[int]] = defaultdict(list)
        for pk, programme, head in rows.values_list("pk", "programme_id", "customer__person_id"):
            together[programme, head].append(pk)
        found |= {pk: group for group in together.values() for pk in group}
    return {pk: found.get(pk, [pk]) for pk in member_ids}


def _rows(member_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """Open lots, open holds with the lots they will go back to, and what is owed: one statement along indexes."""
    places = ", ".join(["%s"] * len(member_ids))
    statement = f"""
        SELECT member_id, 'lot', remaining, available_at, expires_at FROM {LOT}
            WHERE member_id IN ({places}) AND remaining > 0
        UNION ALL
        SELECT h.member_id, 'hold', a.held, h.expires_at, l.expires_at FROM {HOLD} h
            JOIN {ALLOCATION} a ON a.hold_id = h.id JOIN {LOT} l ON l.id = a.lot_id
            WHERE h.member_id IN ({places}) AND h.closed_at IS NULL AND a.held <> 0
        UNION ALL
        SELECT id, 'owed', -deficit, NULL, NULL FROM {MEMBER} WHERE id IN ({places}) AND deficit < 0"""
    with connection.cursor() as cursor:
        cursor.execute(statement, [*member_ids] * 3)
        return [(*row[:3], _moment(row[3]), _moment(row[4])) for row in cursor.fetchall()]


def _moment(value: Any) -> datetime | None:
    found = reading.moment(value)
    return found if found is None else found.astimezone(UTC)


def _balance(rows: Sequence[tuple[Any, ...]], at: datetime) -> Balance:
    usable: dict[datetime | None, int] = {}
    pending = held = owed = 0
    for _member, kind, points, first, last in rows:
        if kind == "owed":
            owed += points
        elif kind == "hold" and at < first:
            held += points
        elif last is None or at < last:
            if kind == "lot" and at < first:
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
