"""Reading what machines sent: what waits, what the last minute brought, what was rejected and why."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import batched
from operator import or_

from django.db.models import Count, Max, Min, Q, Sum

from querencia.common.database import among
from querencia.customers.intake import SOURCE, reason_text
from querencia.customers.models import Arrival, Event, Purchase, Reject

LOOKED_THROUGH = 5_000
ORDERS_TOGETHER = 100


@dataclass(frozen=True)
class Lately:
    """What arrived since a moment and what became of it, in events; ``waiting``: all that waits, however old."""

    requests: int
    events: int
    recorded: int
    known: int
    rejected: int
    waiting: int
    oldest_waiting: datetime | None
    last_at: datetime | None


def lately(*, since: datetime) -> Lately:
    found = Arrival.objects.filter(received_at__gte=since).aggregate(
        requests=Count("pk"),
        events=Sum("events"),
        recorded=Sum("recorded"),
        known=Sum("known"),
        rejected=Sum("rejected"),
    )
    waits = Arrival.objects.filter(state=Arrival.State.WAITING).aggregate(
        waiting=Sum("events"), oldest_waiting=Min("received_at")
    )
    last = Arrival.objects.aggregate(last_at=Max("received_at"))
    return Lately(
        requests=found["requests"],
        events=found["events"] or 0,
        recorded=found["recorded"] or 0,
        known=found["known"] or 0,
        rejected=found["rejected"] or 0,
        waiting=waits["waiting"] or 0,
        oldest_waiting=waits["oldest_waiting"],
        last_at=last["last_at"],
    )


def waiting(*, events: int) -> list[Arrival]:
    """The oldest arrivals that wait, up to so many events; at least one if there is any."""
    found: list[int] = []
    total = 0
    rows = Arrival.objects.filter(state=Arrival.State.WAITING).order_by("pk").values_list("pk", "events")
    for pk, number in rows[:events]:
        if found and total + number > events:
            break
        found.append(pk)
        total += number
    return list(Arrival.objects.filter(pk__in=found).order_by("pk"))


def is_anything_waiting() -> bool:
    return Arrival.objects.filter(state=Arrival.State.WAITING).exists()


def latest_events(limit: int) -> list[Event]:
    """What was taken in last, the newest first, among the newest events of all sources."""
    newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
    found = Event.objects.filter(pk__gt=newest - LOOKED_THROUGH, source__startswith=f"{SOURCE}:")
    return list(found.select_related("customer").order_by("-pk")[:limit])


def known(places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these events, by key and source, are known already."""
    rows = Event.objects.filter(
        among("key", {key for key, _source in places}), source__in={source for _key, source in places}
    )
    return set(rows.values_list("key", "source")) & set(places)


def orders(numbers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of orders that are known: the customer, and what is left of it in minor units after all that was given back."""
    found: dict[str, tuple[int, int]] = {}
    for some in batched(sorted(set(numbers)), ORDERS_TOGETHER, strict=False):
        # What is given back has a key that begins with the order's: found by the index that keys have anyway.
        near = reduce(or_, (Q(key__gte=f"{order}/", key__lt=f"{order}0", refund_of=order) for order in some))
        rows = Purchase.objects.filter(Q(key__in=some, refund_of="") | near, source=SOURCE).order_by("pk")
        for key, refund_of, customer, amount in rows.values_list("key", "refund_of", "customer_id", "amount"):
            owner, left = found.get(refund_of or key, (customer, 0))
            found[refund_of or key] = (owner if refund_of else customer, left + amount)
    known = set(Purchase.objects.filter(key__in=list(found), source=SOURCE, refund_of="").values_list("key", flat=True))
    return {order: held for order, held in found.items() if order in known}


@dataclass(frozen=True)
class Left:
    """A rejected event as people read it."""

    row: Reject
    reason: str


def rejects(limit: int) -> tuple[list[Left], int]:
    """The newest rejected events, and how many there are in all."""
    rows = Reject.objects.select_related("api_key").order_by("-pk")[:limit]
    return [Left(row, reason_text(row.code, row.facts)) for row in rows], Reject.objects.count()
