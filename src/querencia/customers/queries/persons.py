"""Which customers are one person, by what merges say now."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import batched

from django.db.models import F, Q

from querencia.customers.models import Customer, Merge
from querencia.customers.models.merges import OPEN

# So many ids a question: SQLite takes no list of any length.
ASKED = 5_000


# Whoever stands for a person: for others, or for themselves alone.
IS_HEAD = Q(person=None) | Q(person=F("pk"))


def asked(customer_ids: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """The ids, in order and so many at a time as one question may name."""
    return batched(sorted(set(customer_ids)), ASKED, strict=False)


def count() -> int:
    """How many persons there are."""
    merged = Customer.objects.filter(person__isnull=False).exclude(person=F("pk"))
    return Customer.objects.count() - merged.count()


def joined_since(moment: datetime) -> int:
    """How many merges were made since then, whatever became of them."""
    return Merge.objects.filter(since__gte=moment).count()


def heads(customer_ids: Iterable[int]) -> dict[int, int]:
    """For each customer the one who stands for the person: themselves, unless they were merged."""
    wanted = list(dict.fromkeys(customer_ids))
    return {pk: pk for pk in wanted} | _merged(wanted)


def nodes(customer_ids: Iterable[int]) -> dict[int, list[int]]:
    """For each customer all that are the same person, they themselves among them, the oldest first."""
    wanted = list(dict.fromkeys(customer_ids))
    head_of = _merged(wanted)
    together: dict[int, list[int]] = {}
    for some in asked(head_of.values()):
        for pk, head in Customer.objects.filter(person_id__in=some).order_by("pk").values_list("pk", "person_id"):
            if head:
                together.setdefault(head, []).append(pk)
    return {pk: together[head_of[pk]] if pk in head_of else [pk] for pk in wanted}


def named(customers: Iterable[Customer]) -> list[Customer]:
    """The same, of whom those who stand for a person and have no name of their own are called as another of them is."""
    customers = list(customers)
    nameless = {each.pk: each for each in customers if each.person_id == each.pk and not each.is_named}
    for some in asked(nameless):
        others = Customer.objects.filter(person_id__in=some).exclude(given_name="", family_name="").order_by("pk")
        for head, given, family in others.values_list("person_id", "given_name", "family_name"):
            who = nameless[head or 0]
            if not who.is_named:
                who.given_name, who.family_name = given, family
    return customers


def _merged(customer_ids: Iterable[int]) -> dict[int, int]:
    """The heads of those who were merged."""
    found: dict[int, int] = {}
    for some in asked(customer_ids):
        rows = Customer.objects.filter(pk__in=some, person__isnull=False).values_list("pk", "person_id")
        found |= {pk: head for pk, head in rows if head}
    return found


def merged_at(customer_ids: Sequence[int]) -> dict[int, datetime]:
    """When these customers last became one with another."""
    found: dict[int, datetime] = {}
    for some in asked(customer_ids):
        for name in ("first_id", "second_id"):
            rows = Merge.objects.filter(OPEN, **{f"{name}__in": some}).order_by("since", "pk")
            for pk, since in rows.values_list(name, "since"):
                if since and (pk not in found or since > found[pk]):
                    found[pk] = since
    return found


def merges(customer_id: int) -> list[Merge]:
    """The edges that make this customer's person, those undone or refused, and those noted, the latest first."""
    together = nodes([customer_id])[customer_id]
    found = Merge.objects.filter(first_id__in=together) | Merge.objects.filter(second_id__in=together)
    return list(found.select_related("first", "second", "opened_by", "closed_by").order_by("-noted_at", "-pk"))


def waiting(limit: int = 50) -> list[Merge]:
    """Merges that were only noted, because too many came together in a day: somebody decides, the oldest first."""
    found = Merge.objects.filter(since=None, until=None).select_related("first", "second")
    return list(found.order_by("noted_at", "pk")[:limit])
