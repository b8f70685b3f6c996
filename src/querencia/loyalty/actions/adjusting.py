"""Corrections by hand: small ones at once, larger ones when a second person agrees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from querencia.business.models import Staff
from querencia.loyalty import allocation, expiry
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED, Done
from querencia.loyalty.ledger import Book, Given
from querencia.loyalty.models import Adjustment, Programme

State = Adjustment.State


@dataclass(frozen=True)
class NewAdjustment:
    """So many points more or fewer (below zero), and why. ``key`` names it for good."""

    member_id: int
    key: str
    points: int
    reason: str


def adjust(*, programme: Programme, adjustments: Sequence[NewAdjustment], staff: Staff, at: datetime) -> list[Done]:
    """Correct what members have; what became of each.

    ``waiting``: it is beyond the programme's limit, and a second person has to `approve` it. ``insufficient``: there is
    less that can be taken; ``no_member``; ``bad_points``: none.
    """
    with transaction.atomic():
        book = Book(programme, at=at).open(member_ids={each.member_id for each in adjustments})
        keys = {each.key for each in adjustments}
        rows = Adjustment.objects.filter(member__in=book.purses, key__in=keys)
        known = {(row.member_id, row.key): row for row in rows}
        book.bring_up_to_date({each.member_id for each in adjustments} & book.purses.keys())
        found = []
        for each in adjustments:
            before = known.get((each.member_id, each.key))
            if before is not None:
                found.append(_said_before(before, each))
                continue
            if each.member_id not in book.purses or each.points == 0:
                found.append(Done("bad_points" if each.member_id in book.purses else "no_member"))
                continue
            row = Adjustment(
                member_id=each.member_id,
                key=each.key,
                points=each.points,
                reason=each.reason.strip()[:400],
                asked_by=staff,
                asked_at=at,
            )
            done = _decided(book, row, needs_two=abs(each.points) > programme.adjust_max)
            if done.result in (CREATED, State.WAITING):
                row.save(force_insert=True)
                known[each.member_id, each.key] = row
            found.append(done)
        book.close()
    return found


def _said_before(row: Adjustment, asked: NewAdjustment) -> Done:
    if row.points != asked.points:
        return Done(DIFFERS, row.points)
    return Done(UNCHANGED if row.state == State.DONE else row.state, row.points)


def _decided(book: Book, row: Adjustment, *, needs_two: bool) -> Done:
    if needs_two:
        return Done(State.WAITING, row.points)
    done = _move(book, row)
    if done.is_done:
        row.state = State.DONE
    return done


def _move(book: Book, row: Adjustment) -> Done:
    key = f"adjust:{row.key}"
    by = row.decided_by_id or row.asked_by_id
    programme = book.programme
    if row.points > 0:
        posting = book.post("adjust", row.member_id, key, {"active": row.points, "adjusted": -row.points}, staff_id=by)
        lapses = expiry.expires_at(book.at, programme.expiry_policy, zone=programme.time_zone)
        book.grant(posting, Given(row.points, book.at, lapses, cost_per_thousand=programme.cost_per_thousand))
        book.repay(book.person_of(row.member_id))
        return Done(CREATED, row.points)
    parts = allocation.allocate(book.usable(book.person_of(row.member_id)), -row.points)
    if sum(part for _lot, part in parts) < -row.points:
        return Done("insufficient")
    book.debit("adjust", key, parts, to="adjusted", staff_id=by)
    return Done(CREATED, row.points)


def approve(*, programme: Programme, adjustments: Sequence[Adjustment], staff: Staff, at: datetime) -> list[Done]:
    """A second person agrees; what became of each. ``same_person``: whoever asked cannot agree; ``insufficient``: there
    is less by now, and it goes on waiting; ``unchanged``, ``refused``: it was decided before."""
    with transaction.atomic():
        book = Book(programme, at=at).open(member_ids={each.member_id for each in adjustments})
        rows = Adjustment.objects.filter(pk__in=[each.pk for each in adjustments]).in_bulk()
        book.bring_up_to_date(book.purses)
        found = []
        for each in adjustments:
            row = rows[each.pk]
            if row.state != State.WAITING:
                found.append(Done(UNCHANGED if row.state == State.DONE else row.state, row.points))
            elif row.asked_by_id == staff.pk:
                found.append(Done("same_person"))
            else:
                row.decided_by, row.decided_at = staff, at
                done = _move(book, row)
                if done.is_done:
                    row.state = State.DONE
                    row.save(update_fields=["state", "decided_by", "decided_at"])
                found.append(done)
        book.close()
    return found


def refuse(*, adjustments: Sequence[Adjustment], staff: Staff, at: datetime) -> int:
    """A second person says no; how many waited. Whoever asked may take it back so, too, and then nobody decided."""
    waiting = Adjustment.objects.filter(pk__in=[each.pk for each in adjustments], state=State.WAITING)
    mine = waiting.filter(asked_by=staff).update(state=State.REFUSED, decided_at=at)
    return mine + waiting.exclude(asked_by=staff).update(state=State.REFUSED, decided_by=staff, decided_at=at)
