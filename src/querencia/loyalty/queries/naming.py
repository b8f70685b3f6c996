"""Members as tills and programs name them: by id, by card, by their customer, by a hold of their points."""

from collections.abc import Iterable, Sequence
from itertools import batched

from django.db.models import Q

from querencia.customers.queries import persons
from querencia.loyalty import cards
from querencia.loyalty.models import Entry, Hold, Member, Programme
from querencia.loyalty.queries.programmes import members_of

ASKED = 5_000


def by_id(member_ids: Iterable[int]) -> dict[int, Member]:
    """Members of any programme."""
    found: dict[int, Member] = {}
    for some in persons.asked(member_ids):
        found |= {row.pk: row for row in Member.objects.filter(pk__in=some).select_related("programme")}
    return found


def by_card(programme: Programme, given: Iterable[str]) -> dict[str, Member]:
    """By the number of a card, or by its code as a scanner types it."""
    found: dict[str, Member] = {}
    for some in batched(sorted(set(given)), ASKED, strict=False):
        rows = Member.objects.filter(programme=programme, card_number__in=some)
        found |= {row.card_number: row for row in rows}
        codes = {each: pk for each in some if each not in found and (pk := cards.member_id(each))}
        members = Member.objects.filter(programme=programme).in_bulk(list(codes.values()))
        found |= {each: members[pk] for each, pk in codes.items() if pk in members and cards.is_of(each, members[pk])}
    return found


def customers_by_card(text: str) -> list[int]:
    """Of any programme: whose card has this number or this code."""
    written = "".join(text.split())
    rows = Member.objects.filter(Q(card_number=written) | Q(pk=cards.member_id(written))).order_by("pk")
    return [row.customer_id for row in rows if row.card_number == written or cards.is_of(written, row)]


def by_customer(programme: Programme, customer_ids: Iterable[int]) -> dict[int, Member]:
    """The first member of the person that each customer is, of those who are still there, if any is."""
    found = members_of(programme, customer_ids)
    return {pk: min(mine, key=lambda each: (each.left_at is not None, each.pk)) for pk, mine in found.items() if mine}


def holders(programme: Programme, keys: Sequence[str]) -> dict[str, int]:
    """By the key of a hold the member whose points it holds; of a person's several, the first."""
    found: dict[str, int] = {}
    for some in batched(sorted(set(keys)), ASKED, strict=False):
        rows = Hold.objects.filter(programme=programme, key__in=some).order_by("-pk")
        found |= dict(rows.values_list("key", "member_id"))
    return found


def refunded(programme: Programme, refund_ids: Iterable[int]) -> dict[int, int]:
    """By refund (a purchase, by id) the member of whom it took points back."""
    keys = {f"refund:{pk}": pk for pk in refund_ids}
    found: dict[int, int] = {}
    for some in batched(sorted(keys), ASKED, strict=False):
        rows = Entry.objects.filter(programme=programme, key__in=some).order_by("-pk")
        found |= {keys[key]: member for key, member in rows.values_list("key", "member_id")}
    return found
