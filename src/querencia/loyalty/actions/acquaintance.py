"""What is known of advocates and friends, read at once for many: who is one person, who bought before, who brought
whom, and at which addresses they can be reached."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import Min

from querencia.common.database import among
from querencia.customers.models import ContactPoint, Purchase
from querencia.customers.queries import persons
from querencia.loyalty import expiry, referring
from querencia.loyalty.models import Member, Programme, Referral
from querencia.loyalty.referring import Terms

State = Referral.State
# What no longer counts towards the limit of an advocate.
DEAD = (State.REJECTED, State.REVERSED)
DAY = timedelta(days=1)


class Acquaintance:
    """Of some customers, and of all who are one person with any of them. ``rows``: referrals that are held already, and
    stand for themselves."""

    def __init__(self, programme: Programme, customer_ids: Iterable[int], rows: Sequence[Referral] = ()) -> None:
        self.programme = programme
        self.head_of = persons.together(customer_ids)
        members = Member.objects.filter(among("customer_id", self.head_of), programme=programme).order_by("pk")
        self.members: defaultdict[int, list[Member]] = defaultdict(list)  # by the customer who stands for a person
        for member in members:
            self.members[self.head_of[member.customer_id]].append(member)
        self.brought: defaultdict[int, list[Referral]] = defaultdict(list)
        self.brought_by: defaultdict[int, list[Referral]] = defaultdict(list)
        held = {row.pk: row for row in rows}
        ids = [member.pk for some in self.members.values() for member in some]
        known = Referral.objects.filter(among("advocate_id", ids) | among("friend_id", ids))
        for row in known.select_related("advocate", "friend").order_by("pk"):
            self.add(held.get(row.pk, row))

    def add(self, row: Referral) -> None:
        if head := self.head_of.get(row.advocate.customer_id):
            self.brought[head].append(row)
        if head := self.head_of.get(row.friend.customer_id):
            self.brought_by[head].append(row)

    def head(self, member: Member) -> int:
        return self.head_of[member.customer_id]

    def here(self, member: Member) -> Member | None:
        """Who of this member's person is in the programme still."""
        mine = [each for each in self.members[self.head(member)] if each.left_at is None]
        return next((each for each in mine if each.pk == member.pk), mine[0] if mine else None)

    @cached_property
    def first_bought(self) -> dict[int, datetime]:
        """By the customer who stands for a person when they first bought."""
        bought = Purchase.objects.filter(among("customer_id", self.head_of), refund_of="", amount__gt=0)
        found: dict[int, datetime] = {}
        for customer, first in (
            bought.values("customer_id").annotate(first=Min("at")).values_list("customer_id", "first")
        ):
            head = self.head_of[customer]
            found[head] = min(first, found.get(head, first))
        return found

    @cached_property
    def addresses(self) -> dict[int, set[tuple[str, str]]]:
        found: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
        points = ContactPoint.objects.filter(among("customer_id", self.head_of)).exclude(kind=ContactPoint.Kind.PUSH)
        for customer, kind, value in points.values_list("customer_id", "kind", "value"):
            found[self.head_of[customer]].add(("phone" if kind == ContactPoint.Kind.WHATSAPP else kind, value))
        return found

    # -- judging -------------------------------------------------------------------------------------------------------

    def fault(self, row: Referral, terms: Terms) -> str:
        """Why this is no referral, in a word; those after it in time do not count against it."""
        advocate, friend = self.head(row.advocate), self.head(row.friend)
        if advocate == friend:
            return "same_person"
        first = self.first_bought.get(friend)
        if first is not None and first < row.claimed_at:
            return "existing_customer"
        if any(_is_before(other, row) for other in self.brought_by[friend]):
            return "other_advocate"
        # Whoever brings friends is nobody's friend afterwards: so nobody is ever brought by whom they brought.
        if any(_is_before(other, row) for other in self.brought[friend]):
            return "brings_friends"
        if terms.cap is not None and self._used(row, terms) >= terms.cap:
            return "cap"
        return ""

    def _used(self, row: Referral, terms: Terms) -> int:
        def period(moment: datetime) -> object:
            return expiry.period_starts(moment, terms.per, zone=self.programme.time_zone)

        mine = self.brought[self.head(row.advocate)]
        counted = [each for each in mine if _is_before(each, row) and each.state not in DEAD]
        return sum(period(each.claimed_at) == period(row.claimed_at) for each in counted)

    def signals(self, row: Referral) -> list[str]:
        """What speaks against it and needs somebody to look, in words."""
        advocate, friend = self.head(row.advocate), self.head(row.friend)
        found = [f"same_{kind}" for kind in referring.alike(self.addresses[advocate], self.addresses[friend])]
        lately = [each for each in self.brought[advocate] if _is_before(each, row)]
        if sum(row.claimed_at - each.claimed_at < DAY for each in lately) >= referring.BURST:
            found.append("burst")
        soon = timedelta(minutes=referring.AT_ONCE_MINUTES)
        first = self.first_bought.get(friend)
        if row.via == Referral.Via.PORTAL and first is not None and first - row.claimed_at < soon:
            found.append("at_once")
        return found


def _is_before(other: Referral, row: Referral) -> bool:
    """One that is not written yet comes after all that are."""
    return other is not row and (row.pk is None or (other.pk is not None and other.pk < row.pk))
