"""Many join at once, each answered by itself: whoever is a member already stays one, by whichever of their records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from django.db import transaction

from querencia.customers.queries import persons
from querencia.loyalty.actions.members import NewMember, enrol
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries.programmes import members_of

ASKED = 5_000
UPDATED = "updated"


@dataclass(frozen=True, slots=True)
class Joined:
    """``created``; ``unchanged``: a member already; ``updated``: came back after having left. Or why not: ``differs``:
    they have another card; ``card_taken``: somebody else has it; ``erased``."""

    result: str
    member_id: int = 0


@dataclass(slots=True)
class _Person:
    """Somebody who was named: their members so far, and who of them is to be enrolled now."""

    members: list[Member]
    new: NewMember | None = None

    @property
    def has_left(self) -> bool:
        return self.new is None and all(member.left_at is not None for member in self.members)

    @property
    def cards(self) -> set[str]:
        return {member.card_number for member in self.members} | ({self.new.card_number} if self.new else set())


@transaction.atomic
def join(*, programme: Programme, members: Sequence[NewMember], at: datetime) -> list[Joined]:
    """Make members of whoever is none; what became of each, in order."""
    ids = {each.customer_id for each in members}
    heads = persons.heads(ids)
    people = {heads[pk]: _Person(mine) for pk, mine in members_of(programme, ids).items()}
    holders = _holders(programme, {each.card_number for each in members if each.card_number})
    results = [_judged(each, heads[each.customer_id], people[heads[each.customer_id]], holders) for each in members]
    new = [person.new for person in people.values() if person.new]
    made = {member.customer_id: member.pk for member in enrol(programme=programme, members=new, at=at)}
    return [
        _joined(result, people[heads[each.customer_id]], made) for each, result in zip(members, results, strict=True)
    ]


def _judged(asked: NewMember, head: int, who: _Person, holders: dict[str, int]) -> str:
    if who.members or who.new:
        if asked.card_number and asked.card_number not in who.cards:
            return DIFFERS
        if not who.has_left:
            return UNCHANGED
        who.new = NewMember(who.members[0].customer_id)
        return UPDATED
    if asked.card_number and holders.setdefault(asked.card_number, head) != head:
        return "card_taken"
    who.new = asked
    return CREATED


def _joined(result: str, who: _Person, made: dict[int, int]) -> Joined:
    pk = who.members[0].pk if who.members else made.get(who.new.customer_id, 0) if who.new else 0
    return Joined(result if pk or result == "card_taken" else "erased", pk)


def _holders(programme: Programme, cards: Iterable[str]) -> dict[str, int]:
    """By card number the customer who stands for the person whose it is."""
    found: dict[str, int] = {}
    for some in batched(sorted(cards), ASKED, strict=False):
        rows = Member.objects.filter(programme=programme, card_number__in=some)
        found |= dict(rows.values_list("card_number", "customer_id"))
    heads = persons.heads(found.values())
    return {card: heads[customer] for card, customer in found.items()}
