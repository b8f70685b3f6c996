"""What members bring along from another system: points that were granted there, and lapse when they were to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from querencia.loyalty import expiry
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED, Done
from querencia.loyalty.ledger import Book, Given
from querencia.loyalty.models import Programme


@dataclass(frozen=True, slots=True)
class Opening:
    """``key`` names it for good within its member. ``expires_at``: by the programme's policy, if unsaid."""

    member_id: int
    key: str
    points: int
    expires_at: datetime | None = None


def open_balances(*, programme: Programme, openings: Sequence[Opening], at: datetime) -> list[Done]:
    """Bring balances in; what became of each. ``no_member``; ``bad_points``: not one at least; ``lapsed``: they were to
    lapse before now.

    They are booked as corrections, not as earned: what another system granted leads to no tier here.
    """
    with transaction.atomic():
        book = Book(programme, at=at).open(member_ids={each.member_id for each in openings})
        known = {
            (entry.key, entry.member_id): entry.pending + entry.active
            for entries in book.known(f"opening:{each.key}" for each in openings).values()
            for entry in entries
        }
        found = []
        for each in openings:
            place = (f"opening:{each.key}", each.member_id)
            if place in known:
                found.append(Done(UNCHANGED if known[place] == each.points else DIFFERS, known[place]))
                continue
            why = _unfit(book, each)
            if not why:
                _open(book, each)
                known[place] = each.points
            found.append(Done(why or CREATED, 0 if why else each.points))
        book.bring_up_to_date([purse.pk for purse in book.purses.values() if purse.deficit < 0])
        book.close()
    return found


def _unfit(book: Book, asked: Opening) -> str:
    if asked.member_id not in book.purses:
        return "no_member"
    if asked.points < 1:
        return "bad_points"
    return "lapsed" if asked.expires_at is not None and asked.expires_at <= book.at else ""


def _open(book: Book, asked: Opening) -> None:
    programme = book.programme
    accounts = {"active": asked.points, "adjusted": -asked.points}
    detail = {"why": "opening"}
    posting = book.post("adjust", asked.member_id, f"opening:{asked.key}", accounts, detail=detail)
    lapses = asked.expires_at or expiry.expires_at(book.at, programme.expiry_policy, zone=programme.time_zone)
    book.grant(posting, Given(asked.points, book.at, lapses, cost_per_thousand=programme.cost_per_thousand))
