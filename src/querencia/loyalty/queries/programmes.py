"""Programmes and who is in them."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q

from querencia.customers.queries import persons
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Member, Programme

COLUMNS = ", ".join(str(field.column) for field in Programme._meta.concrete_fields)
NAMES = [field.attname for field in Programme._meta.concrete_fields]


def programmes() -> list[Programme]:
    """All there are, the oldest first."""
    # Every request of a till asks: what is as it was is not made sense of anew.
    rows = reading.select(f"SELECT {COLUMNS} FROM {reading.table(Programme)} ORDER BY id")  # noqa: S608
    return [Programme.from_db(DEFAULT_DB_ALIAS, NAMES, _values(row)) for row in rows]


@lru_cache(maxsize=100)
def _values(row: reading.Row) -> list[Any]:
    return reading.values(Programme, row)


def programme_by_id(pk: int) -> Programme | None:
    return Programme.objects.filter(pk=pk).first()


def member_by_id(pk: int) -> Member | None:
    return Member.objects.select_related("programme", "customer").filter(pk=pk).first()


def is_running(programme: Programme, *, at: datetime) -> bool:
    """Whether purchases earn at a moment."""
    starts, ends = programme.starts_at, programme.ends_at
    return starts is not None and starts <= at and (ends is None or ends > at)


def running(*, at: datetime) -> list[Programme]:
    """Those that run at a moment."""
    begun = Programme.objects.filter(starts_at__lte=at)
    return list(begun.filter(Q(ends_at=None) | Q(ends_at__gt=at)).order_by("pk"))


def begun(*, at: datetime) -> list[Programme]:
    """Those that run at a moment, or did: what was bought while they ran may still be given back."""
    return list(Programme.objects.filter(starts_at__lte=at).order_by("pk"))


def members_of(programme: Programme, customer_ids: Iterable[int]) -> dict[int, list[Member]]:
    """By customer the members of the person that they are, the oldest first; nobody is left out who has none."""
    everybody = persons.nodes(customer_ids)
    found: dict[int, list[Member]] = {}
    for some in persons.asked(node for nodes in everybody.values() for node in nodes):
        for member in Member.objects.filter(programme=programme, customer_id__in=some).order_by("pk"):
            found.setdefault(member.customer_id, []).append(member)
    return {
        pk: sorted((m for node in nodes for m in found.get(node, ())), key=lambda m: m.pk)
        for pk, nodes in everybody.items()
    }
