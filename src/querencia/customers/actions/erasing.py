"""Asking for people to be forgotten, doing it, and letting somebody back in who returns of their own will."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched

from django.db import transaction

from querencia.business.models import Staff
from querencia.customers import events, kinds
from querencia.customers.erasing import facts, names, texts
from querencia.customers.erasing.words import Words
from querencia.customers.imports import bulk
from querencia.customers.models import Customer, Erasure, Tombstone
from querencia.customers.queries import persons, tombstones

# So many customers are looked for in texts and files at once.
TOGETHER = 5_000


@transaction.atomic
def ask(
    customer_ids: Iterable[int], *, reason: str, source: str, at: datetime, staff: Staff | None = None
) -> Erasure | None:
    """Have the people that these customers are forgotten: from now on nothing that names them is taken in. None where
    all of them are, or are about to be."""
    bulk.begin()
    nodes = persons.nodes(customer_ids)
    wanted = sorted({node for together in nodes.values() for node in together})
    open_ones: list[int] = []
    for some in batched(wanted, TOGETHER, strict=False):
        rows = Customer.objects.select_for_update().filter(pk__in=some, erasure=None).order_by("pk")
        open_ones += rows.values_list("pk", flat=True)
    if not open_ones:
        return None
    people = len(set(persons.heads(open_ones).values()))
    asked = Erasure.objects.create(reason=reason, people=people, source=source, requested_by=staff, requested_at=at)
    for some in batched(open_ones, TOGETHER, strict=False):
        Customer.objects.filter(pk__in=some).update(erasure=asked)
    names.keep_away(open_ones, at=at)
    return asked


def forget(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Take out of this room whatever names customers of whom `ask` was asked. Goes on wherever it was cut off."""
    for some in batched(customer_ids, TOGETHER, strict=False):
        alive = list(Customer.objects.filter(pk__in=some, erased_at=None).values_list("pk", flat=True))
        if alive:
            # While they are still known by something: texts and files are looked through for it.
            texts.scrub(Words.of(alive))
            names.forget(alive, at=at)
        facts.empty(some)


@transaction.atomic
def finish(erasure: Erasure, *, at: datetime) -> None:
    """Note that an erasure came to its end, and tell of it."""
    rows = Erasure.objects.filter(pk=erasure.pk, status=Erasure.Status.WAITING)
    if not rows.update(status=Erasure.Status.DONE, finished_at=at):
        return
    ids = Customer.objects.filter(erasure=erasure).order_by("pk").values_list("pk", flat=True)
    told = [
        events.NewEvent(
            kinds.PERSON_ERASED,
            f"erased:{pk}",
            "privacy",
            customer_id=pk,
            properties={"erasure": erasure.pk, "reason": erasure.reason, "staff": erasure.requested_by_id},
        )
        for pk in ids
    ]
    events.record(told, at=at)


def welcome_back(pairs: Iterable[tuple[str, str]]) -> int:
    """Somebody who was erased returns of their own will: what identifies them is taken in again. How many marks went.
    What their addresses refused still counts."""
    marks = {tombstones.mark(kind, value) for kind, value in pairs}
    return Tombstone.objects.filter(mark__in=marks).delete()[0]
