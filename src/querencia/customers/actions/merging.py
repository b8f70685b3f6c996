"""Customers that are one person: joined, and parted again. Edges are opened and closed; nothing else is touched but
whom each customer's `person` names, which can always be reckoned anew from the edges."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from querencia.business.models import Staff
from querencia.customers.identity.components import components, head
from querencia.customers.models import Customer, Identifier, Merge
from querencia.customers.models.merges import OPEN

ROWS = 500
# Any number will do, as long as no other lock has it.
MERGERS = 7_291_407


def take_turns() -> None:
    """Merging and parting is done by one at a time. Call inside a transaction; SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MERGERS])


@transaction.atomic
def join(
    edges: Mapping[tuple[int, int], Mapping[str, Any]],
    *,
    rule: str,
    source: str,
    at: datetime,
    since: datetime | None,
    staff: Staff | None = None,
) -> None:
    """Open edges between customers, with their evidence; without ``since`` only note them. Known ones stay as they
    are."""
    if not edges:
        return
    take_turns()
    rows = [
        Merge(
            first_id=min(pair),
            second_id=max(pair),
            rule=rule,
            evidence=dict(evidence),
            source=source[:80],
            noted_at=at,
            since=since,
            opened_by=staff if since else None,
        )
        for pair, evidence in sorted(edges.items())
    ]
    Merge.objects.bulk_create(rows, batch_size=ROWS, ignore_conflicts=True)
    if since:
        regroup({node for pair in edges for node in pair})


def regroup(nodes: Iterable[int]) -> None:
    """Reckon anew who is one person, among these customers and all that any of them is or was one with."""
    wanted = set(nodes)
    heads = set(Customer.objects.filter(pk__in=wanted, person__isnull=False).values_list("person_id", flat=True))
    known = Customer.objects.filter(Q(pk__in=wanted) | Q(person_id__in=heads))
    before = dict(known.values_list("pk", "person_id"))
    edges = Merge.objects.filter(OPEN, first_id__in=before).values_list("first_id", "second_id")
    keyed = Identifier.objects.filter(customer_id__in=before, kind=Identifier.Kind.CUSTOMER_KEY)
    has_key = dict.fromkeys(keyed.values_list("customer_id", flat=True), True)
    changed = []
    for group in components(before, edges.order_by("pk")):
        person = head(group, has_key) if len(group) > 1 else None
        changed += [Customer(pk=node, person_id=person) for node in sorted(group) if before[node] != person]
    Customer.objects.bulk_update(changed, ["person"], batch_size=ROWS)


@transaction.atomic
def merge(
    *,
    pairs: Sequence[tuple[int, int]],
    staff: Staff,
    at: datetime,
    rule: str = Merge.Rule.BY_HAND,
    evidence: Mapping[str, Any] | None = None,
) -> int:
    """Somebody says that these customers are one person each; how many pairs were not yet. Limits do not hold for
    people: they know better. What was noted and waits is thereby decided."""
    take_turns()
    wanted = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    new = Merge.objects.filter(_of(wanted), since=None, until=None).update(since=at, opened_by=staff)
    before = Merge.objects.filter(_of(wanted), OPEN).count()
    join(dict.fromkeys(wanted, evidence or {}), rule=rule, source="staff", at=at, since=at, staff=staff)
    return new + Merge.objects.filter(_of(wanted), OPEN).count() - before


@transaction.atomic
def part(*, merges: Sequence[Merge], staff: Staff, at: datetime) -> int:
    """Undo merges, or refuse those that only wait; how many that changed. Nothing brings these two together again by
    itself: only somebody can."""
    take_turns()
    closed = list(Merge.objects.filter(pk__in=[each.pk for each in merges], until=None))
    Merge.objects.filter(pk__in=[each.pk for each in closed]).update(until=at, closed_by=staff)
    regroup({node for each in closed for node in (each.first_id, each.second_id)})
    return len(closed)


def _of(pairs: Iterable[tuple[int, int]]) -> Q:
    """Edges between these pairs."""
    wanted = Q(pk__in=[])
    for one, other in pairs:
        wanted |= Q(first_id=one, second_id=other)
    return wanted
