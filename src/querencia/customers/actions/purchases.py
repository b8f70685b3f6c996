"""Purchases and refunds as they happen, one by one or many at once: facts that are written once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from querencia.common.time import day_number, local_day
from querencia.customers.models import Purchase, PurchaseLine

ROWS = 500


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


def record_purchases(purchases: Sequence[NewPurchase], *, zone: str, at: datetime) -> int:
    """Write purchases; how many were new. Those whose key and source are known change nothing.

    ``zone``: the business's time zone, which says on which day it was.
    """
    wanted = {(each.key, each.source): each for each in reversed(purchases)}
    with transaction.atomic():
        found = Purchase.objects.filter(key__in=[key for key, _source in wanted]).values_list("key", "source")
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
    return len(new)


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
        recorded_at=at,
    )
