# ruff: noqa: S608  (the statements are put together from names of our own)
"""Which customers are one person, by what merges say now."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import batched

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from querencia.common.database import listed, select, within
from querencia.customers import kinds
from querencia.customers.models import Consent, Customer, Event, Merge, Purchase
from querencia.customers.models.merges import OPEN, WAITING

# So many ids a question: SQLite takes no list of any length.
ASKED = 5_000
PAIRS = 10
STATES = {"open": OPEN, "waiting": WAITING, "parted": Q(until__isnull=False)}
CUSTOMER = Customer._meta.db_table
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
    head_of = together(wanted)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for pk, head in sorted(head_of.items()):
        members[head].append(pk)
    return {pk: members[head_of[pk]] for pk in wanted}


def together(customer_ids: Iterable[int]) -> dict[int, int]:
    """Who stands for the person, by each of these customers and by all who are one person with any of them."""
    found = {pk: pk for pk in customer_ids}
    if found:
        # In one question: between two, others may make somebody else stand for the person.
        heads = f"SELECT person_id FROM {CUSTOMER} WHERE {within('id')} AND person_id IS NOT NULL"
        found |= dict(select(f"SELECT id, person_id FROM {CUSTOMER} WHERE person_id IN ({heads})", [listed(found)]))
    return found


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
    wanted = set(customer_ids)
    if not wanted:
        return {}
    statement = f"SELECT id, person_id FROM {CUSTOMER} WHERE {within('id')} AND person_id IS NOT NULL"
    return dict(select(statement, [listed(wanted)]))


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


def waiting(*, after: str = "", size: int = PAIRS) -> tuple[list[Merge], str]:
    """Pairs that somebody has to decide on, the surest first, with the cursor that leads on ("" at the end)."""
    found = _waiting().select_related("first", "second").order_by("-probability", "pk")
    if after:
        sure, pk = _place(after)
        found = found.filter(Q(probability__lt=sure) | Q(probability=sure, pk__gt=pk), probability__lte=sure)
    rows = list(found[: size + 1])
    if len(rows) <= size:
        return rows, ""
    return rows[:size], f"{rows[size - 1].probability!r}~{rows[size - 1].pk}"


def count_waiting() -> int:
    return _waiting().count()


def _waiting() -> QuerySet[Merge]:
    # Who became one person by another way is no longer a question, nor is who is forgotten.
    alive = Merge.objects.filter(WAITING, first__erasure=None, second__erasure=None)
    return alive.exclude(first__person__isnull=False, first__person=F("second__person"))


def _place(after: str) -> tuple[float, int]:
    """Raises ValueError for what no page gave."""
    sure, _, pk = after.partition("~")
    if not pk.isdecimal():
        raise ValueError("not a place in this list")
    return float(sure), int(pk[:18])


def merge(pk: int) -> Merge | None:
    return Merge.objects.select_related("first", "second").filter(pk=pk).first()


def page(*, customer_id: int | None, state: str, before: int | None, size: int) -> list[Merge]:
    """Edges by id, the newest first: ``open``, ``waiting``, ``parted`` or all."""
    found = Merge.objects.all()
    if customer_id is not None:
        together = nodes([customer_id])[customer_id]
        found = Merge.objects.filter(Q(first_id__in=together) | Q(second_id__in=together))
    if state:
        found = found.filter(STATES[state])
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.order_by("-pk")[:size])


def edges(ids: Iterable[int]) -> dict[int, Merge]:
    return Merge.objects.in_bulk(list(ids))


def open_edges(pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Merge]:
    """The open edges between these pairs, each with the smaller id first."""
    wanted = set(pairs)
    rows = [each for some in asked(one for one, _ in wanted) for each in Merge.objects.filter(OPEN, first_id__in=some)]
    return {(row.first_id, row.second_id): row for row in rows if (row.first_id, row.second_id) in wanted}


def silent(*, before: datetime, limit: int) -> list[int]:
    """Customers of whom nothing was heard since a moment, in none of the records that are the same person: no purchase,
    no consent, no event but those that this house records itself."""
    return list(_silent(before).order_by("pk").values_list("pk", flat=True)[:limit])


def _silent(before: datetime) -> QuerySet[Customer]:
    others = Customer.objects.filter(person=OuterRef("person"))
    heard = (
        Purchase.objects.filter(at__gte=before),
        Event.objects.filter(occurred_at__gte=before).exclude(kind__in=list(kinds.KINDS)),
        Consent.objects.filter(at__gte=before),
    )
    # Whoever was never merged names no person, and is none of the others.
    return Customer.objects.filter(
        *(~Exists(rows.filter(customer=OuterRef("pk"))) for rows in heard),
        *(~Exists(rows.filter(customer__person=OuterRef("person"))) for rows in heard),
        ~Exists(others.filter(created_at__gte=before)),
        erasure=None,
        created_at__lt=before,
    )
