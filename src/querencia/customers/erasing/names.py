"""The rows that name people: emptied or gone, in one transaction, together with the marks that keep them away."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import CharField, Q, Value
from django.db.models.functions import Cast, Concat, TruncDay

from querencia.customers.erasing.facts import made_of
from querencia.customers.imports import bulk
from querencia.customers.models import (
    Consent,
    ContactPoint,
    Customer,
    Identifier,
    Merge,
    OptOut,
    SearchTerm,
    Tombstone,
)
from querencia.customers.queries import consents, persons, tombstones

ROWS = 1_000
BLANK = ("given_name", "family_name", "language", "time_zone", "country", "city", "branch", "created_from")
SOURCE = "erasure"
REFUSALS = (Consent.Status.DENIED, Consent.Status.WITHDRAWN)


def keep_away(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Leave marks of everything that identifies these customers: no file and no machine brings them back."""
    for some in batched(customer_ids, ROWS, strict=False):
        pairs = set(Identifier.objects.filter(customer__in=some).values_list("kind", "value"))
        pairs |= set(ContactPoint.objects.filter(customer__in=some).values_list("kind", "value"))
        keys = Customer.objects.filter(pk__in=some, erased_at=None).values_list("key", flat=True)
        pairs |= {("customer_key", key) for key in keys}
        marks = sorted({tombstones.mark(kind, value) for kind, value in (*pairs, tombstones.OF_THE_KEY)})
        Tombstone.objects.bulk_create([Tombstone(mark=each, at=at) for each in marks], ROWS, ignore_conflicts=True)


@transaction.atomic
def forget(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Nothing names these customers any more; what they refused is remembered by the marks of their addresses."""
    bulk.begin()
    # Locked first, so that whoever attaches something to them is done or has not begun.
    alive = [pk for some in batched(sorted(customer_ids), ROWS, strict=False) for pk in _locked(some)]
    keep_away(alive, at=at)
    for some in batched(alive, ROWS, strict=False):
        _keep_refusals(some, at)
    for some in batched(alive, ROWS, strict=False):
        for model in (Consent, ContactPoint, Identifier, SearchTerm):
            model.objects.filter(customer__in=some).delete()
        Merge.objects.filter(Q(first__in=some) | Q(second__in=some)).update(evidence={})
        _forget_in_log(some)
        Customer.objects.filter(pk__in=some).update(
            key=Concat(Value(made_of("customer")), Cast("pk", CharField())),
            birthday=None,
            value_answers={},
            created_at=TruncDay("created_at"),
            erased_at=at,
            **dict.fromkeys(BLANK, ""),
        )


def _locked(ids: Iterable[int]) -> list[int]:
    rows = Customer.objects.select_for_update().filter(pk__in=ids, erased_at=None).order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _forget_in_log(ids: Iterable[int]) -> None:
    """What the back office wrote down of changes: that there was one stays."""
    theirs = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Customer), object_id__in=[str(pk) for pk in ids]
    )
    theirs.update(object_repr="", change_message="")


def _keep_refusals(ids: Sequence[int], at: datetime) -> None:
    """Nobody writes to an address whose owner said no, should it ever come back: known by its mark alone."""
    together = persons.nodes(ids)
    person = {node: min(nodes) for nodes in together.values() for node in nodes}
    said: dict[tuple[int, str], set[str]] = {}
    for row in consents.latest(sorted({node for nodes in together.values() for node in nodes})):
        if row.status in REFUSALS:
            said.setdefault((person[row.customer_id], row.channel), set()).add(row.purpose)
    points = list(ContactPoint.objects.filter(customer__in=ids))
    wanted = {
        (point.kind, point.value, purpose)
        for point in points
        for purpose in _refused(point, said.get((person[point.customer_id], point.kind), set()))
    }
    values = {point.value for point in points}
    for some in batched(sorted(values), ROWS, strict=False):
        rows = OptOut.objects.filter(value__in=some)
        wanted |= set(rows.filter(lifted_at=None).values_list("kind", "value", "purpose"))
        rows.delete()
    OptOut.objects.bulk_create(
        [
            OptOut(kind=kind, value=consents.marked(kind, value), purpose=purpose, source=SOURCE, at=at)
            for kind, value, purpose in sorted(wanted)
        ],
        ROWS,
        ignore_conflicts=True,
    )


def _refused(point: ContactPoint, said: Iterable[str]) -> Iterable[str]:
    return Consent.Purpose.values if point.opted_out_at else said
