"""Points that no purchase earned: gifts, and what members hand to each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from querencia.loyalty import allocation, expiry
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED, Done
from querencia.loyalty.ledger import Book, Given
from querencia.loyalty.models import Entry, Partner, Programme


@dataclass(frozen=True)
class Gift:
    """``key`` names it for good, ``why`` says in a word of ours what for (birthday, referral, …). They lapse by the
    programme's policy, or at ``expires_at``. ``partner``: who pays for them."""

    member_id: int
    key: str
    points: int
    why: str
    partner: Partner | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class NewTransfer:
    """From one member to another. The points keep the time in which they lapse."""

    from_member_id: int
    to_member_id: int
    key: str
    points: int


def give(*, programme: Programme, gifts: Sequence[Gift], at: datetime) -> list[Done]:
    """Grant points without a purchase; what became of each. ``no_member``: there is none, or they left."""
    with transaction.atomic(savepoint=False):
        book = Book(programme, at=at).open(member_ids={each.member_id for each in gifts})
        known = _points_by_key(book, [f"give:{each.key}" for each in gifts])
        found = []
        for each in gifts:
            key = f"give:{each.key}"
            if key in known:
                same = known[key] == (each.member_id, each.points)
                found.append(Done(UNCHANGED if same else DIFFERS, known[key][1]))
            elif each.member_id not in book.purses or book.purses[each.member_id].left_at is not None:
                found.append(Done("no_member"))
            elif each.points < 1:
                found.append(Done("bad_points"))
            else:
                _give(book, each)
                known[key] = (each.member_id, each.points)
                found.append(Done(CREATED, each.points))
        book.bring_up_to_date([purse.pk for purse in book.purses.values() if purse.deficit < 0])
        book.close()
    return found


def _points_by_key(book: Book, keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Under which key which member got how many points."""
    found = {}
    for key, entries in book.known(keys).items():
        for entry in entries:
            if (points := entry.pending + entry.active) > 0:
                found[key] = (entry.member_id, points)
    return found


def _give(book: Book, gift: Gift) -> None:
    programme = book.programme
    against = "issued" if gift.partner is None else "partner_points"
    partner_id = gift.partner.pk if gift.partner else None
    posting = book.post(
        "grant",
        gift.member_id,
        f"give:{gift.key}",
        {"active": gift.points, against: -gift.points},
        partner_id=partner_id,
        detail={"why": gift.why},
    )
    lapses = gift.expires_at or expiry.expires_at(book.at, programme.expiry_policy, zone=programme.time_zone)
    cost = programme.cost_per_thousand
    book.grant(posting, Given(gift.points, book.at, lapses, partner_id=partner_id, cost_per_thousand=cost))


def transfer(*, programme: Programme, transfers: Sequence[NewTransfer], at: datetime) -> list[Done]:
    """Hand points over; what became of each. ``insufficient``, ``in_deficit``, ``no_member``, ``same_person``,
    ``bad_points`` say why nothing was done."""
    with transaction.atomic(savepoint=False):
        members = {pk for each in transfers for pk in (each.from_member_id, each.to_member_id)}
        book = Book(programme, at=at).open(member_ids=members)
        known = _points_by_key(book, [f"transfer:{each.key}" for each in transfers])
        book.bring_up_to_date(members & book.purses.keys())
        found = []
        for each in transfers:
            key = f"transfer:{each.key}"
            if key in known:
                same = known[key] == (each.to_member_id, each.points)
                found.append(Done(UNCHANGED if same else DIFFERS, known[key][1]))
                continue
            done = _transfer(book, each, key)
            found.append(done)
            if done.is_done:
                known[key] = (each.to_member_id, each.points)
        book.close()
    return found


def _transfer(book: Book, asked: NewTransfer, key: str) -> Done:
    giver, taker = (book.purses.get(pk) for pk in (asked.from_member_id, asked.to_member_id))
    if giver is None or taker is None or taker.left_at is not None:
        return Done("no_member")
    if giver.head == taker.head:
        return Done("same_person")
    if asked.points < 1:
        return Done("bad_points")
    person = book.people[giver.head]
    if any(purse.deficit < 0 for purse in person):
        return Done("in_deficit")
    parts = allocation.allocate(book.usable(person), asked.points)
    if sum(part for _lot, part in parts) < asked.points:
        return Done("insufficient")
    book.debit(Entry.Kind.TRANSFER, key, parts, to="transferred", detail={"to": taker.pk})
    accounts = {"active": asked.points, "transferred": -asked.points}
    posting = book.post("transfer", taker.pk, key, accounts, detail={"from": giver.pk})
    for lot, part in parts:
        book.grant(posting, Given.of(lot, part, lot.available_at, lot.expires_at))
    book.repay(book.people[taker.head])
    return Done("created", asked.points)
