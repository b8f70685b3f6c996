"""Joining a programme, and leaving it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from querencia.customers import events, kinds
from querencia.customers.models import Customer
from querencia.customers.queries import persons
from querencia.loyalty.models import Member, Programme

ROWS = 1_000
CARD_DIGITS = 15
SOURCE = "loyalty"


@dataclass(frozen=True)
class NewMember:
    """Who joins; with a card number of the business's own, or one that is drawn. ``joined_at``: when it was not now.
    ``is_live``: whether it may set anything off; whoever was a member of another system may not."""

    customer_id: int
    card_number: str = ""
    joined_at: datetime | None = None
    is_live: bool = True


@transaction.atomic
def enrol(*, programme: Programme, members: Sequence[NewMember], at: datetime) -> list[Member]:
    """Make members; whoever is one already stays as they are, and comes back after having left. In the order asked.

    Who was erased joins no more, and is left out. Raises IntegrityError for a card that somebody else has.
    """
    wanted = {each.customer_id: each for each in reversed(members)}
    gone: set[int] = set()
    for some in persons.asked(wanted):
        gone |= set(Customer.objects.filter(pk__in=some, erasure__isnull=False).values_list("pk", flat=True))
    known = _known(programme, list(wanted))
    new = [
        Member(
            programme=programme,
            customer_id=each.customer_id,
            card_number=each.card_number or draw_card(),
            joined_at=each.joined_at or at,
        )
        for pk, each in sorted(wanted.items())
        if pk not in known and pk not in gone
    ]
    Member.objects.bulk_create(new, batch_size=ROWS)
    back = [pk for pk, member in known.items() if member.left_at is not None and pk not in gone]
    Member.objects.filter(programme=programme, customer_id__in=back).update(left_at=None)
    tell(kinds.MEMBER_JOINED, [each for each in new if wanted[each.customer_id].is_live], at)
    known = _known(programme, list(wanted))
    return [known[each.customer_id] for each in members if each.customer_id in known]


@transaction.atomic
def leave(*, members: Sequence[Member], at: datetime) -> int:
    """Members who go: they earn no more, and keep what they have until it lapses. How many were there."""
    here = Member.objects.select_for_update().filter(pk__in=[each.pk for each in members], left_at=None)
    gone = list(here.order_by("pk"))
    Member.objects.filter(pk__in=[each.pk for each in gone]).update(left_at=at)
    tell(kinds.MEMBER_LEFT, gone, at)
    return len(gone)


def draw_card() -> str:
    """A number that nobody can guess from another, with a check digit (Luhn), so that a slip of a finger is seen."""
    digits = "".join(secrets.choice("0123456789") for _ in range(CARD_DIGITS))
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    """The last digit of a card number (Luhn, ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, letter in enumerate(reversed(digits)):
        doubled = int(letter) * 2 if place % 2 == 0 else int(letter)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def _known(programme: Programme, customer_ids: Sequence[int]) -> dict[int, Member]:
    found: dict[int, Member] = {}
    for some in persons.asked(customer_ids):
        found |= {m.customer_id: m for m in Member.objects.filter(programme=programme, customer_id__in=some)}
    return found


def tell(kind: str, members: Sequence[Member], at: datetime) -> None:
    told = [
        events.NewEvent(
            kind,
            f"{kind}:{member.pk}:{at.timestamp()}",
            SOURCE,
            customer_id=member.customer_id,
            properties={"programme": member.programme_id},
        )
        for member in members
    ]
    events.record(told, at=at)
