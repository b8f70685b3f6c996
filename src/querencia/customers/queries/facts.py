"""Purchases and events as other systems read them: page by page, in the order in which they were recorded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Prefetch, QuerySet

from querencia.common.database import listed, select, within
from querencia.customers.models import Event, Purchase, PurchaseLine
from querencia.customers.queries import persons

PURCHASE = Purchase._meta.db_table
LINES = Prefetch("lines", PurchaseLine.objects.order_by("number"))


@dataclass(frozen=True)
class Asked:
    """Which, and from where: ``place`` is the id of the last one seen."""

    customer_id: int | None = None
    key: str = ""
    source: str = ""
    after_id: int = 0
    is_newest_first: bool = True
    place: int | None = None
    size: int = 50


def purchases(asked: Asked) -> tuple[list[Purchase], int | None]:
    """A page of purchases with their lines, and its last id if more follow."""
    return _page(Purchase.objects.prefetch_related(LINES), asked)


def purchases_by_id(ids: Sequence[int]) -> list[Purchase]:
    return list(Purchase.objects.prefetch_related(LINES).filter(pk__in=ids).order_by("pk"))


def purchase_ids(places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The ids of purchases by key and source; those that nobody knows are left out."""
    wanted = set(places)
    statement = f"SELECT key, source, id FROM {PURCHASE} WHERE {within('key', 'text')}"  # noqa: S608  (names of our own)
    rows = select(statement, [listed({key for key, _source in wanted})]) if wanted else []
    return {(key, source): pk for key, source, pk in rows if (key, source) in wanted}


def events(asked: Asked) -> tuple[list[Event], int | None]:
    """A page of events, and its last id if more follow."""
    return _page(Event.objects.all(), asked)


def events_by_id(ids: Sequence[int]) -> list[Event]:
    return list(Event.objects.filter(pk__in=ids).order_by("pk"))


def _page[Row: Model](rows: QuerySet[Row], asked: Asked) -> tuple[list[Row], int | None]:
    where: dict[str, Any] = {name: value for name in ("key", "source") if (value := getattr(asked, name))}
    if asked.customer_id is not None:
        where["customer__in"] = persons.nodes([asked.customer_id])[asked.customer_id]
    rows = rows.filter(**where)
    if asked.after_id:
        rows = rows.filter(pk__gt=asked.after_id)
    if asked.place is not None:
        rows = rows.filter(pk__lt=asked.place) if asked.is_newest_first else rows.filter(pk__gt=asked.place)
    found = list(rows.order_by("-pk" if asked.is_newest_first else "pk")[: asked.size + 1])
    return found[: asked.size], found[asked.size - 1].pk if len(found) > asked.size else None
