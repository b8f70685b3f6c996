"""One customer: who, how to reach, what was bought and what happened."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum

from querencia.customers import kinds
from querencia.customers.models import Customer, Event, Purchase

MOMENTS = 30


@dataclass(frozen=True)
class Moment:
    """One entry of the timeline: a purchase or an event."""

    at: datetime
    purchase: Purchase | None = None
    event: Event | None = None

    @property
    def place(self) -> tuple[datetime, int, int]:
        return (self.at, 1 if self.purchase else 0, (self.purchase or self.event).pk)  # type: ignore[union-attr]

    @property
    def text(self) -> str:
        """What an event is called in the active language."""
        return kinds.text_of(self.event.kind) if self.event else ""

    @property
    def has_named_lines(self) -> bool:
        """Whether there is more to see in the lines than how many articles they are."""
        return any(line.name or line.sku for line in self.purchase.lines.all()) if self.purchase else False

    @property
    def articles(self) -> int:
        """How many articles were bought or given back; lines that do not say how many are one each."""
        lines = self.purchase.lines.all() if self.purchase else ()
        return round(sum(abs(line.quantity) if line.quantity is not None else 1 for line in lines))


def customer(pk: int) -> Customer | None:
    """The customer with score, contact points and identifiers at hand."""
    return (
        Customer.objects.select_related("score__cell")
        .prefetch_related("contact_points", "identifiers")
        .filter(pk=pk)
        .first()
    )


def customers(ids: Iterable[int]) -> dict[int, Customer]:
    """Customers by id, with their contact points."""
    return Customer.objects.prefetch_related("contact_points").in_bulk(list(ids))


def reachable(found: Customer, kind: str) -> str:
    """The first address of a kind that has neither bounced nor opted out; "" when there is none."""
    points = [p for p in found.contact_points.all() if p.kind == kind and not p.bounced_at and not p.opted_out_at]
    return points[0].value if points else ""


def months(found: Customer) -> list[dict[str, Any]]:
    """Net amount by day number, oldest first: what the picture of purchases is made of."""
    days = found.purchases.values("day").annotate(amount=Sum("amount")).order_by("day")
    return [{"day": row["day"], "amount": row["amount"]} for row in days]


def timeline(found: Customer, *, before: str = "", size: int = MOMENTS) -> tuple[list[Moment], str]:
    """Purchases and events, newest first, with the cursor that leads further back ("" at the beginning)."""
    purchases = found.purchases.prefetch_related("lines").order_by("-at", "-pk")
    events = found.events.order_by("-occurred_at", "-pk")
    if before:
        moment, kind, pk = before.split("~")
        at, last = datetime.fromisoformat(moment), int(pk[:18])
        if at.tzinfo is None:
            raise ValueError("a moment without a time zone is none of this timeline")
        # At the same moment purchases stand above events.
        purchases = purchases.filter(Q(at__lt=at) | (Q(at=at, pk__lt=last) if kind == "1" else Q(pk__isnull=True)))
        same = Q(occurred_at=at) if kind == "1" else Q(occurred_at=at, pk__lt=last)
        events = events.filter(Q(occurred_at__lt=at) | same)
    moments = [Moment(purchase.at, purchase=purchase) for purchase in purchases[: size + 1]]
    moments += [Moment(event.occurred_at, event=event) for event in events[: size + 1]]
    moments.sort(key=lambda moment: moment.place, reverse=True)
    if len(moments) <= size:
        return moments, ""
    last_one = moments[size - 1]
    return moments[:size], f"{last_one.at.isoformat()}~{last_one.place[1]}~{last_one.place[2]}"
