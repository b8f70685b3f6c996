"""Spending in two steps: points are set aside, and then captured (spent) or released. A hold that nobody closes ends by
itself at its time."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from querencia.common.database import listed, within
from querencia.loyalty import allocation
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED, Done
from querencia.loyalty.ledger import Book, Purse, Taken, reading
from querencia.loyalty.ledger.rows import Ids, insert
from querencia.loyalty.models import Entry, Hold, Member, Partner, Programme

HOLD = reading.table(Hold)
COLUMNS = ("id", "programme_id", "member_id", "key", "amount", "made_at", "expires_at")


@dataclass(frozen=True)
class NewHold:
    """So many points of a member, or of whoever is the same person, for so long (the programme's time, if unsaid).
    ``key`` names it for good: an order, a request."""

    member_id: int
    key: str
    points: int
    seconds: int | None = None


@dataclass(frozen=True)
class Capture:
    """Spend what a hold holds, or less (``points``); the rest is free again. ``partner``: who takes the points in."""

    key: str
    points: int | None = None
    partner: Partner | None = None


def hold(*, programme: Programme, holds: Sequence[NewHold], at: datetime) -> list[Done]:
    """Set points aside, in the order asked; what became of each.

    ``insufficient``: there is less that can be spent now; ``in_deficit``: something is owed first; ``no_member``;
    ``bad_points``: not one at least.
    """
    with transaction.atomic(savepoint=False):
        book = Book(programme, at=at).open(member_ids={each.member_id for each in holds})
        known: dict[str, list[Hold]] = {}
        for row in _under(programme, {each.key for each in holds}):
            known.setdefault(row.key, []).append(row)
        made: dict[str, tuple[int, int]] = {}  # under which key how much, and of whom
        fit = [each for each in holds if each.member_id in book.purses]
        book.bring_up_to_date([each.member_id for each in fit], taking=sum(max(0, each.points) for each in fit))
        ids, rows = Ids(Hold), []
        found = []
        for each in holds:
            before = _before(book, each, known, made)
            if before is not None:
                found.append(before)
                continue
            done, new = _hold(book, each, ids)
            found.append(done)
            rows += new
            if new:
                made[each.key] = (each.points, book.purses[each.member_id].head)
        # They come first: entries speak of them.
        if rows:
            insert(Hold, COLUMNS, (tuple([getattr(row, name) for name in COLUMNS]) for row in rows))
        book.close()
    return found


def _under(programme: Programme, keys: Collection[str]) -> list[Hold]:
    """What was set aside under these keys, the oldest first."""
    condition = f"{within('key', 'text')} AND programme_id = %s ORDER BY id"
    return reading.instances(Hold, condition, [listed(keys), programme.pk]) if keys else []


def _before(book: Book, asked: NewHold, known: dict[str, list[Hold]], made: dict[str, tuple[int, int]]) -> Done | None:
    if asked.key in made:
        points, head = made[asked.key]
        same = points == asked.points and asked.member_id in book.purses and head == book.purses[asked.member_id].head
        return Done(UNCHANGED if same else DIFFERS, points)
    rows = known.get(asked.key)
    if not rows:
        return None
    points = sum(row.amount for row in rows)
    people = {purse.pk for purse in book.person_of(asked.member_id)} if asked.member_id in book.purses else set()
    same = points == asked.points and any(row.member_id in people for row in rows)
    return Done(UNCHANGED if same else DIFFERS, points)


def _hold(book: Book, asked: NewHold, ids: Ids) -> tuple[Done, list[Hold]]:
    if asked.member_id not in book.purses:
        return Done("no_member"), []
    if asked.points < 1:
        return Done("bad_points"), []
    person = book.person_of(asked.member_id)
    if any(purse.deficit < 0 for purse in person):
        return Done("in_deficit"), []
    parts = allocation.allocate(book.usable(person), asked.points)
    if sum(part for _lot, part in parts) < asked.points:
        return Done("insufficient"), []
    seconds = max(1, book.programme.hold_seconds if asked.seconds is None else asked.seconds)
    rows = []
    for purse in person:
        mine = [(lot, part) for lot, part in parts if lot.member_id == purse.pk]
        if not mine:
            continue
        row = Hold(
            pk=ids.next(),
            programme=book.programme,
            member_id=purse.pk,
            key=asked.key,
            amount=sum(part for _lot, part in mine),
            made_at=book.at,
            expires_at=book.at + timedelta(seconds=seconds),
        )
        rows.append(row)
        book.debit("hold", f"hold:{asked.key}", mine, to="held", hold_id=row.pk)
    return Done(CREATED, asked.points), rows


def capture(*, programme: Programme, captures: Sequence[Capture], at: datetime) -> list[Done]:
    """Spend what was set aside; what became of each.

    ``unknown``: there is no such hold; ``released`` or ``lapsed``: it is over; ``too_much``: it holds less.
    """
    with transaction.atomic(savepoint=False):
        book, holds = _opened(programme, [each.key for each in captures], at)
        done: dict[str, Done] = {}
        found = []
        for each in captures:
            before = done.get(each.key) or _closed(each.key, holds.get(each.key, []), at)
            if before is not None:
                found.append(_said_before(each, before))
                continue
            outcome = _capture(book, each, holds[each.key])
            found.append(outcome)
            if outcome.is_done:
                done[each.key] = outcome
        book.close()
    return found


def _said_before(asked: Capture, before: Done) -> Done:
    if not before.is_done:
        return before
    same = asked.points in (None, before.points)
    return Done(UNCHANGED if same else DIFFERS, before.points)


def _opened(programme: Programme, keys: Iterable[str], at: datetime) -> tuple[Book, dict[str, list[Hold]]]:
    wanted = set(keys)
    asked = f"SELECT member_id FROM {HOLD} WHERE {within('key', 'text')} AND programme_id = %s"  # noqa: S608
    whose = reading.select(asked, [listed(wanted), programme.pk])
    book = Book(programme, at=at).open(member_ids={member for (member,) in whose})
    holds: dict[str, list[Hold]] = {}
    # Only now, when the locks are held; what was made in between is not ours to see yet.
    for row in _under(programme, wanted) if book.purses else ():
        if row.member_id in book.purses:
            holds.setdefault(row.key, []).append(row)
    return book, holds


def _closed(key: str, rows: Sequence[Hold], at: datetime) -> Done | None:
    """What became of a hold already, if anything did."""
    if not rows:
        return Done("unknown")
    if all(row.closed_at is None for row in rows):
        return Done("lapsed") if rows[0].expires_at <= at else None
    spent = Entry.objects.filter(hold__in=rows, kind=Entry.Kind.CAPTURE)
    if spent.exists():
        return Done(UNCHANGED, sum(-entry.held for entry in spent))
    lapsed = Entry.objects.filter(hold__in=rows, kind=Entry.Kind.RELEASE, detail__why="lapsed").exists()
    return Done("lapsed" if lapsed else "released")


def _capture(book: Book, asked: Capture, rows: Sequence[Hold]) -> Done:
    held = sum(row.amount for row in rows)
    points = held if asked.points is None else asked.points
    if points > held:
        return Done("too_much", held)
    if points < 1:
        return Done("bad_points", held)
    parts: list[Taken] = [part for some in book.held_of([row.pk for row in rows]).values() for part in some]
    spent: dict[int, list[Taken]] = {}
    left = points
    for lot, part in sorted(parts, key=lambda taken: allocation.order(taken[0])):
        if now := min(left, part):
            spent.setdefault(lot.member_id, []).append((lot, now))
            left -= now
    for row in rows:
        mine = spent.get(row.member_id, [])
        _spend(book, asked, row, mine)
        used = {lot.pk: part for lot, part in mine}
        rest = [(lot, part - used.get(lot.pk, 0)) for lot, part in parts if lot.member_id == row.member_id]
        book.release(row, [(lot, part) for lot, part in rest if part], {"why": "rest"})
    person = book.person_of(rows[0].member_id)
    if any(purse.deficit for purse in person):
        book.bring_up_to_date([purse.pk for purse in person])
        book.repay(person)
    return Done(CREATED, points)


def _spend(book: Book, asked: Capture, row: Hold, mine: Sequence[Taken]) -> None:
    points = sum(part for _lot, part in mine)
    if not points:
        return
    told: dict[str, Any] = {"hold_id": row.pk}
    account = "redeemed"
    if asked.partner is not None:
        told["partner_id"], account = asked.partner.pk, "partner_points"
    posting = book.post("capture", row.member_id, f"capture:{row.key}", {"held": -points, account: points}, **told)
    for lot, part in mine:
        book.allocate(posting, lot, held=-part, redeemed=part)


def release(*, programme: Programme, keys: Sequence[str], at: datetime) -> list[Done]:
    """Give free what was set aside; what became of each. ``unknown``, or ``captured``: it is spent."""
    with transaction.atomic(savepoint=False):
        book, holds = _opened(programme, keys, at)
        found: list[Done] = []
        done: set[str] = set()
        for key in keys:
            rows = holds.get(key, [])
            before = _closed(key, rows, at)
            if key in done or (before is not None and before.result in ("released", "lapsed") and rows[0].closed_at):
                found.append(Done(UNCHANGED, sum(row.amount for row in rows)))
            elif before is not None and before.is_done:
                found.append(Done("captured", before.points))
            elif not rows:
                found.append(Done("unknown"))
            else:
                done.add(key)
                found.append(_release(book, rows))
        book.close()
    return found


def _release(book: Book, rows: Sequence[Hold]) -> Done:
    held = book.held_of([row.pk for row in rows])
    why = "lapsed" if rows[0].expires_at <= book.at else "asked"
    for row in rows:
        book.release(row, held[row.pk], {"why": why})
    person: Sequence[Purse] = book.person_of(rows[0].member_id)
    book.bring_up_to_date([purse.pk for purse in person])
    book.repay(person)
    return Done(CREATED, sum(row.amount for row in rows))


def members_of(keys: Iterable[str], programme: Programme) -> list[Member]:
    """Whose points these holds hold."""
    return list(Member.objects.filter(holds__key__in=set(keys), programme=programme).distinct().order_by("pk"))
