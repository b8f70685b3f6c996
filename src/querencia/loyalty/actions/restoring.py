"""Points that were spent on what was given back return to the lots they came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from querencia.common.time import local_day
from querencia.loyalty import allocation, expiry
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED, Done
from querencia.loyalty.ledger import Book, Given, Taken
from querencia.loyalty.models import Entry, Hold, Programme


@dataclass(frozen=True)
class NewRestore:
    """So many of the points that a hold captured (all that are left of them, if unsaid) come back. ``key`` names it for
    good: the refund."""

    hold_key: str
    key: str
    points: int | None = None


def restore(*, programme: Programme, restores: Sequence[NewRestore], at: datetime) -> list[Done]:
    """Give back what was spent; what became of each. ``unknown``: nothing was spent under that hold; ``too_much``:
    less is left of it; ``bad_points``.

    They lapse when they would have. Where the programme promises restored points a few days at least, those that would
    lapse sooner come back as a lot of their own.
    """
    with transaction.atomic():
        wanted = Hold.objects.filter(programme=programme, key__in={each.hold_key for each in restores}).order_by("pk")
        book = Book(programme, at=at).open(member_ids=[row.member_id for row in wanted])
        holds: dict[str, list[Hold]] = {}
        for row in wanted.filter(member__in=book.purses):
            holds.setdefault(row.key, []).append(row)
        known = {
            key: sum(entry.active + entry.pending for entry in entries)
            for key, entries in book.known(f"restore:{each.key}" for each in restores).items()
        }
        book.bring_up_to_date(book.purses)
        left = {
            key: [taken for some in book.held_of([row.pk for row in rows], "redeemed").values() for taken in some]
            for key, rows in holds.items()
        }
        found = []
        for each in restores:
            before = known.get(f"restore:{each.key}")
            if before is not None:
                same = each.points in (None, before)
                found.append(Done(UNCHANGED if same else DIFFERS, before))
                continue
            done = _restore(book, each, holds.get(each.hold_key, []), left)
            if done.is_done:
                known[f"restore:{each.key}"] = done.points
            found.append(done)
        book.close()
    return found


def _restore(book: Book, asked: NewRestore, rows: Sequence[Hold], left: dict[str, list[Taken]]) -> Done:
    spent = left.get(asked.hold_key, [])
    most = sum(part for _lot, part in spent)
    points = most if asked.points is None else asked.points
    if most == 0:
        return Done("unknown")
    if points < 1 or points > most:
        return Done("bad_points" if points < 1 else "too_much", most)
    # What was taken last comes back first: it lapses latest.
    parts: list[Taken] = []
    rest: list[Taken] = []
    wanted = points
    for lot, part in sorted(spent, key=lambda taken: allocation.order(taken[0]), reverse=True):
        now = min(wanted, part)
        wanted -= now
        if now:
            parts.append((lot, now))
        if part > now:
            rest.append((lot, part - now))
    left[asked.hold_key] = rest
    captured = Entry.objects.filter(hold__in=rows, kind=Entry.Kind.CAPTURE)
    partners = dict(captured.values_list("member_id", "partner_id"))
    for row in rows:
        mine = [(lot, part) for lot, part in parts if lot.member_id == row.member_id]
        if mine:
            _give_back(book, f"restore:{asked.key}", row, mine, partners.get(row.member_id))
    book.repay(book.person_of(rows[0].member_id))
    return Done(CREATED, points)


def _give_back(book: Book, key: str, row: Hold, parts: Sequence[Taken], partner_id: int | None) -> None:
    programme = book.programme
    days = programme.restored_days_min
    least = local_day(book.at, programme.time_zone) + timedelta(days=days)
    lapses = expiry.day_ends(least, zone=programme.time_zone) if days else None
    points = sum(part for _lot, part in parts)
    account = "redeemed" if partner_id is None else "partner_points"
    accounts = {"active": points, account: -points}
    posting = book.post("restore", row.member_id, key, accounts, hold_id=row.pk, partner_id=partner_id)
    for lot, part in parts:
        if lapses is not None and lot.expires_at is not None and lot.expires_at < lapses:
            book.allocate(posting, lot, redeemed=-part)
            book.grant(posting, Given.of(lot, part, book.at, lapses))
        else:
            lot.turns += 1
            book.allocate(posting, lot, amount=part, redeemed=-part)
