"""Which customers are one person, by what merges say now."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched

from querencia.customers.models import Customer, Merge
from querencia.customers.models.merges import OPEN

# So many ids a question: SQLite takes no list of any length.
ASKED = 5_000


def heads(customer_ids: Iterable[int]) -> dict[int, int]:
    """For each customer the one who stands for the person: themselves, unless they were merged."""
    wanted = list(dict.fromkeys(customer_ids))
    return {pk: pk for pk in wanted} | _merged(wanted)


def nodes(customer_ids: Iterable[int]) -> dict[int, list[int]]:
    """For each customer all that are the same person, they themselves among them, the oldest first."""
    wanted = list(dict.fromkeys(customer_ids))
    head_of = _merged(wanted)
    together: dict[int, list[int]] = {}
    for some in batched(sorted(set(head_of.values())), ASKED, strict=False):
        for pk, head in Customer.objects.filter(person_id__in=some).order_by("pk").values_list("pk", "person_id"):
            if head:
                together.setdefault(head, []).append(pk)
    return {pk: together[head_of[pk]] if pk in head_of else [pk] for pk in wanted}


def _merged(customer_ids: Iterable[int]) -> dict[int, int]:
    """The heads of those who were merged."""
    found: dict[int, int] = {}
    for some in batched(customer_ids, ASKED, strict=False):
        rows = Customer.objects.filter(pk__in=some, person__isnull=False).values_list("pk", "person_id")
        found |= {pk: head for pk, head in rows if head}
    return found


def merged_at(customer_ids: Sequence[int]) -> dict[int, datetime]:
    """When these customers last became one with another."""
    found: dict[int, datetime] = {}
    for some in batched(customer_ids, ASKED, strict=False):
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
