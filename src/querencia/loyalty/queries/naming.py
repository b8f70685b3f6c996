"""Members as tills and programs name them: by id, by card, by their customer, by a hold of their points."""

from collections.abc import Iterable, Sequence
from itertools import batched

from querencia.customers.queries import persons
from querencia.loyalty.models import Entry, Hold, Member, Programme
from querencia.loyalty.queries.programmes import members_of

ASKED = 5_000


def by_id(member_ids: Iterable[int]) -> dict[int, Member]:
    """Members of any programme."""
    found: dict[int, Member] = {}
    for some in persons.asked(member_ids):
        found |= {row.pk: row for row in Member.objects.filter(pk__in=some).select_related("programme")}
    return found


def by_card(programme: Programme, cards: Iterable[str]) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for some in batched(sorted(set(cards)), ASKED, strict=False):
        rows = Member.objects.filter(programme=programme, card_number__in=some)
        found |= {row.card_number: row for row in rows}
    return found


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
