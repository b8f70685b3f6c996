# ruff: noqa: S608  (the statement is put together from names of our own)
"""Points taken back: of what a grant gave, then of other points, and what is missing by the programme's policy."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from querencia.common.database import listed, within
from querencia.loyalty import allocation
from querencia.loyalty.actions.results import CREATED, UNCHANGED, Done
from querencia.loyalty.ledger import Book, Lot, Purse, Taken, reading
from querencia.loyalty.models import Allocation, Entry, Programme
from querencia.loyalty.models import Lot as LotRow

ENTRY, LOT, ALLOCATION = (reading.table(model) for model in (Entry, LotRow, Allocation))


def claw_back(
    book: Book, *, member_id: int, entry_id: int, key: str, points: int, detail: Mapping[str, Any], **told: Any
) -> int:
    """Take points back that an entry granted: from its pending points, then its others, then other lots, and then by
    policy not, or on credit. How many were."""
    person = book.person_of(member_id)
    parts: list[Taken] = []
    left = points
    for lots in _sources(book, person, entry_id):
        some = allocation.allocate(lots, left)
        parts += some
        left -= sum(part for _lot, part in some)
    owed = 0
    if book.programme.deficit == "owe":
        owed = max(0, min(left, book.programme.deficit_max + sum(purse.deficit for purse in person)))
    taken = points - left + owed
    also = {member_id: owed}
    book.debit("claw_back", key, parts, to="clawed_back", also=also, detail={**detail, "taken": taken}, **told)
    return taken


def _sources(book: Book, person: Sequence[Purse], entry_id: int) -> list[list[Lot]]:
    usable, waiting = book.usable(person), book.waiting(person)
    return [
        [lot for lot in waiting if lot.entry_id == entry_id],
        [lot for lot in usable if lot.entry_id == entry_id],
        [lot for lot in usable if lot.entry_id != entry_id],
        [lot for lot in waiting if lot.entry_id != entry_id],
    ]


def take_back(*, programme: Programme, gifts: Sequence[str], why: str, at: datetime) -> list[Done]:
    """Take gifts back, each named by the key that it was given under; how much of each was there to be taken.
    ``unknown``: nothing was given under it. What of it lapsed is gone already."""
    with transaction.atomic():
        entries = Entry.objects.filter(programme=programme, key__in=[f"give:{key}" for key in gifts], kind="grant")
        given = {entry.key.removeprefix("give:"): entry for entry in entries}
        book = Book(programme, at=at).open(member_ids={entry.member_id for entry in given.values()})
        known = book.known(f"take_back:{key}" for key in given)
        lapsed = lapsed_of([entry.pk for entry in given.values()])
        book.bring_up_to_date({entry.member_id for entry in given.values()})
        done: dict[str, Done] = {}
        for key, entry in given.items():
            if before := known.get(f"take_back:{key}"):
                done[key] = Done(UNCHANGED, sum(each.clawed_back for each in before))
                continue
            gone = lapsed.get(entry.pk, 0) + book.lapsed.get(entry.pk, 0)
            points = max(0, entry.pending + entry.active - gone)
            taken = claw_back(
                book,
                member_id=entry.member_id,
                entry_id=entry.pk,
                key=f"take_back:{key}",
                points=points,
                detail={"why": why},
                corrects_id=entry.pk,
            )
            done[key] = Done(CREATED, taken)
        book.close()
    return [done.get(key, Done("unknown")) for key in gifts]


def lapsed_of(entry_ids: Collection[int]) -> dict[int, int]:
    """By entry how many of the points that it granted lapsed."""
    asked = f"""
        SELECT l.entry_id, -sum(a.amount) FROM {LOT} l JOIN {ALLOCATION} a ON a.lot_id = l.id
            JOIN {ENTRY} e ON e.id = a.entry_id AND e.kind = 'expire'
            WHERE {within("l.entry_id")} GROUP BY l.entry_id"""
    return {pk: int(points) for pk, points in reading.select(asked, [listed(entry_ids)])}
