"""Purchases and refunds as they happen, one by one or many at once: facts that are written once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from querencia.common.database import among
from querencia.common.time import day_number, local_day
from querencia.customers import events, kinds
from querencia.customers.models import Purchase, PurchaseLine
from querencia.customers.queries import persons

ROWS = 500
SOURCE = "purchases"
DONE = ("created", "unchanged")

# The key and the source of a purchase.
type Place = tuple[str, str]


@dataclass(frozen=True)
class NewLine:
    """One article; ``amount`` in minor units."""

    amount: int
    sku: str = ""
    name: str = ""
    category: str = ""
    quantity: Decimal | None = None


@dataclass(frozen=True)
class NewPurchase:
    """What was bought, or with ``refund_of`` and an amount below zero given back. The lines add up to the amount."""

    key: str
    source: str
    customer_id: int
    at: datetime
    amount: int
    currency: str
    lines: Sequence[NewLine] = ()
    channel: str = ""
    refund_of: str = ""
    branch: str = ""
    cost: int | None = None
    tenders: Sequence[Mapping[str, Any]] | None = None
    # Whether it may set anything off; history may not.
    is_live: bool = True

    @property
    def place(self) -> Place:
        return (self.key, self.source)


@dataclass(frozen=True)
class Written:
    """What became of one: its id, and ``created`` or ``unchanged``; or without one why not: ``differs`` from what is
    known under its key, ``too_much`` given back."""

    result: str
    pk: int = 0


def write_purchases(purchases: Sequence[NewPurchase], *, zone: str, at: datetime) -> list[Written]:
    """Write purchases, in order; what became of each. Facts do not change: who says the same key again has to say the
    same. Refunds may come before what they refund, and give back no more than was paid where that is known."""
    with transaction.atomic():
        wanted = {key for each in purchases for key in (each.key, each.refund_of) if key}
        # Held, so that two who give back at once see each other's.
        rows = Purchase.objects.select_for_update().filter(key__in=wanted).order_by("pk")
        known = {(row.key, row.source): row for row in rows}
        left = _left(purchases, known)
        same_person = persons.heads({*(row.customer_id for row in known.values()), *(p.customer_id for p in purchases)})
        new: dict[Place, NewPurchase] = {}
        results = [_result(each, known, new, left, same_person) for each in purchases]
        record_purchases(list(new.values()), zone=zone, at=at)
        ids = {(key, source): pk for key, source, pk in _keyed(purchases).values_list("key", "source", "pk")}
    return [
        Written(result, ids[each.place] if result in DONE else 0)
        for each, result in zip(purchases, results, strict=True)
    ]


def _keyed(purchases: Sequence[NewPurchase]) -> QuerySet[Purchase]:
    return Purchase.objects.filter(among("key", {each.key for each in purchases}))


def _left(purchases: Sequence[NewPurchase], known: Mapping[Place, Purchase]) -> dict[Place, int]:
    """What is left of the purchases that these give back, of those that are known."""
    given_back = {(each.refund_of, each.source) for each in purchases if each.refund_of}
    left = {place: known[place].amount for place in given_back if place in known}
    # Refunds are their customer's: so they are found without an index of their own.
    nodes = persons.nodes({known[place].customer_id for place in left})
    rows = Purchase.objects.filter(
        customer__in={node for some in nodes.values() for node in some}, refund_of__in={key for key, _source in left}
    )
    for key, source, amount in rows.values_list("refund_of", "source", "amount"):
        if (key, source) in left:
            left[key, source] += amount
    return left


def _result(
    each: NewPurchase,
    known: Mapping[Place, Purchase],
    new: dict[Place, NewPurchase],
    left: dict[Place, int],
    heads: Mapping[int, int],
) -> str:
    before = known.get(each.place) or new.get(each.place)
    if before is not None:
        return "unchanged" if _said(before, heads) == _said(each, heads) else "differs"
    origin = (each.refund_of, each.source)
    if each.refund_of and origin not in left and origin in new:
        left[origin] = new[origin].amount
    if origin in left:
        if left[origin] + each.amount < 0:
            return "too_much"
        left[origin] += each.amount
    new[each.place] = each
    return "created"


def _said(each: NewPurchase | Purchase, heads: Mapping[int, int]) -> tuple[object, ...]:
    return (each.at, each.amount, each.currency, each.refund_of, heads[each.customer_id])


def record_purchases(purchases: Sequence[NewPurchase], *, zone: str, at: datetime) -> int:
    """Write purchases; how many were new. Those whose key and source are known change nothing.

    ``zone``: the business's time zone, which says on which day it was.
    """
    wanted = {(each.key, each.source): each for each in reversed(purchases)}
    with transaction.atomic():
        found = Purchase.objects.filter(among("key", [key for key, _source in wanted])).values_list("key", "source")
        new = [wanted[pair] for pair in sorted(wanted.keys() - set(found))]
        rows = Purchase.objects.bulk_create([_row(each, zone, at) for each in new], batch_size=ROWS)
        lines = [
            PurchaseLine(
                purchase=row,
                number=number,
                sku=line.sku,
                name=line.name,
                category=line.category,
                quantity=line.quantity,
                amount=line.amount,
            )
            for row, each in zip(rows, new, strict=True)
            for number, line in enumerate(each.lines, 1)
        ]
        PurchaseLine.objects.bulk_create(lines, batch_size=ROWS)
        _tell([row.pk for row, each in zip(rows, new, strict=True) if each.is_live], at)
    return len(new)


def _tell(ids: Sequence[int], at: datetime) -> None:
    """One event for many purchases, of nobody: what follows from it is done for all of them at once."""
    told = [
        events.NewEvent(
            kinds.PURCHASES_RECORDED, f"{kinds.PURCHASES_RECORDED}:{some[0]}", SOURCE, properties={"purchases": some}
        )
        for some in (list(each) for each in batched(ids, ROWS, strict=False))
    ]
    events.record(told, at=at)


def _row(each: NewPurchase, zone: str, at: datetime) -> Purchase:
    return Purchase(
        source=each.source,
        key=each.key,
        customer_id=each.customer_id,
        at=each.at,
        day=day_number(local_day(each.at, zone)),
        amount=each.amount,
        currency=each.currency,
        channel=each.channel,
        refund_of=each.refund_of,
        branch=each.branch,
        cost=each.cost,
        tenders=[dict(tender) for tender in each.tenders] if each.tenders is not None else None,
        recorded_at=at,
    )
