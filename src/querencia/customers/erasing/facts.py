# ruff: noqa: S608  (the statements are put together from names of our own)
"""Facts of erased people: amounts, days, kinds and places stay, whatever may name somebody goes. The database allows it
of rows whose customer is erased, and of no others (decision 0016)."""

from array import array
from collections.abc import Callable, Sequence
from itertools import batched
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from querencia.customers.imports import bulk
from querencia.customers.models import Event, Purchase, PurchaseLine
from querencia.customers.queries import tombstones

ROWS = 5_000
ASKED = 5_000
PREFIX = "erased:"
PURCHASE, LINE, EVENT = (model._meta.db_table for model in (Purchase, PurchaseLine, Event))
NOON = 43_200


def made_of(word: str) -> str:
    """What stands for a row's key; nobody outside can foretell it, so that nobody takes it beforehand."""
    return f"{PREFIX}{tombstones.mark('erased', word)[:12]}-"


def empty(customer_ids: Sequence[int]) -> int:
    """Take what may name somebody out of the facts of erased customers, in batches; how many rows. What is done is
    not done again, so that it goes on wherever it was cut off."""
    done = 0
    for some in batched(customer_ids, ASKED, strict=False):
        named = Event.objects.filter(customer__in=some).exclude(key__startswith=PREFIX)
        done += _in_batches(named, _events)
        kept = Purchase.objects.filter(customer__in=some)
        # Refunds first: they name purchases by the keys that these still have.
        refunds = kept.exclude(refund_of="").exclude(refund_of__startswith=PREFIX)
        _in_batches(refunds, _refunds)
        done += _in_batches(kept.exclude(key__startswith=PREFIX), _purchases)
    return done


def _in_batches(rows: QuerySet[Any], write: Callable[[Sequence[int]], None]) -> int:
    # Numbers alone: eight bytes for each of a million.
    ids = array("q", rows.order_by().values_list("pk", flat=True).iterator(ROWS))
    for some in batched(ids, ROWS, strict=False):
        with transaction.atomic():
            write(some)
    return len(ids)


def _events(ids: Sequence[int]) -> None:
    bulk.execute(
        f"UPDATE {EVENT} SET properties = '{{}}', key = {bulk.text(made_of('event'))} || id WHERE id IN ({_list(ids)})"
    )


def _refunds(ids: Sequence[int]) -> None:
    """A refund names its purchase by what stands for the key; what is not there, or not theirs, as it did or not."""
    named = (
        f"SELECT CASE WHEN c.erased_at IS NULL THEN o.key ELSE {bulk.text(made_of('purchase'))} || o.id END "
        f"FROM {PURCHASE} o JOIN customers_customer c ON c.id = o.customer_id "
        f"WHERE o.key = {PURCHASE}.refund_of AND o.source = {PURCHASE}.source"
    )
    bulk.execute(f"UPDATE {PURCHASE} SET refund_of = coalesce(({named}), '') WHERE id IN ({_list(ids)})")


def _purchases(ids: Sequence[int]) -> None:
    day = (
        "date_trunc('day', recorded_at)"
        if connection.vendor == "postgresql"
        else "datetime(recorded_at, 'start of day')"
    )
    bulk.execute(f"UPDATE {LINE} SET name = '' WHERE purchase_id IN ({_list(ids)}) AND name <> ''")
    bulk.execute(
        f"UPDATE {PURCHASE} SET key = {bulk.text(made_of('purchase'))} || id, tenders = NULL, recorded_at = {day}, "
        # The day stays, the minute on the receipt goes.
        f"at = {bulk.moment(f'day * 86400 + {NOON}')} WHERE id IN ({_list(ids)})"
    )


def _list(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids))
