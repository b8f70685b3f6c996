"""Customers that are one person: joined, and parted again. Edges are opened and closed; nothing else is touched but
whom each customer's `person` names, which can always be reckoned anew from the edges."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from querencia.business.models import Staff
from querencia.customers import events, kinds
from querencia.customers.actions import scores
from querencia.customers.identity.components import components, head
from querencia.customers.models import Customer, Identifier, Merge
from querencia.customers.models.merges import OPEN, WAITING
from querencia.customers.queries import persons

ROWS = 500
SOURCE = "identity"
# Any number will do, as long as no other lock has it.
MERGERS = 7_291_407

type Pair = tuple[int, int]


def take_turns() -> None:
    """Merging and parting is done by one at a time. Call inside a transaction; SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MERGERS])


@transaction.atomic
def join(
    edges: Mapping[Pair, Mapping[str, Any]],
    *,
    rule: str,
    source: str,
    at: datetime,
    since: datetime | None,
    staff: Staff | None = None,
) -> int:
    """Open edges between customers, with their evidence; how many were not open. Without ``since`` only note them, and
    then those that are known stay as they are."""
    if not edges:
        return 0
    take_turns()
    before = {each.pk for each in _edges(edges, OPEN)}
    if since:
        noted = [each.pk for each in _edges(edges, WAITING)]
        Merge.objects.filter(pk__in=noted).update(since=since, opened_by=staff)
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
    opened = [each for each in _edges(edges, OPEN) if each.pk not in before]
    regroup({node for each in opened for node in (each.first_id, each.second_id)}, at=at)
    _tell(kinds.CUSTOMER_MERGED, opened, staff=staff, at=at, source=source)
    return len(opened)


def regroup(nodes: Iterable[int], *, at: datetime) -> None:
    """Reckon anew who is one person, among these customers and all that any of them is or was one with; their scores
    follow."""
    wanted = set(nodes)
    if not wanted:
        return
    heads = set(Customer.objects.filter(pk__in=wanted, person__isnull=False).values_list("person_id", flat=True))
    known = Customer.objects.filter(Q(pk__in=wanted) | Q(person_id__in=heads))
    before: dict[int, int | None] = dict(known.values_list("pk", "person_id"))
    edges = Merge.objects.filter(OPEN, first_id__in=before).values_list("first_id", "second_id")
    keyed = Identifier.objects.filter(customer_id__in=before, kind=Identifier.Kind.CUSTOMER_KEY)
    has_key = dict.fromkeys(keyed.values_list("customer_id", flat=True), True)
    after: dict[int, int | None] = {}
    for group in components(before, edges.order_by("pk")):
        after |= dict.fromkeys(group, head(group, has_key) if len(group) > 1 else None)
    changed = [Customer(pk=node, person_id=after[node]) for node in sorted(after) if before[node] != after[node]]
    Customer.objects.bulk_update(changed, ["person"], batch_size=ROWS)
    if changed:
        scores.follow(_heads(before), _heads(after), at=at)


def _heads(persons: Mapping[int, int | None]) -> dict[int, int]:
    return {node: person or node for node, person in persons.items()}


def merge(
    *,
    pairs: Iterable[Pair],
    staff: Staff | None,
    at: datetime,
    rule: str = Merge.Rule.BY_HAND,
    evidence: Mapping[Pair, Mapping[str, Any]] | None = None,
    source: str = "staff",
) -> int:
    """Somebody says that these customers are one person each; how many pairs were not yet. Limits do not hold for
    people: they know better. What was noted and waits is thereby decided. ``evidence``: by pair, the smaller id first.
    Without ``staff`` it is said by a program of the business, which ``source`` names."""
    wanted = _living((min(pair), max(pair)) for pair in pairs if pair[0] != pair[1])
    told = {pair: (evidence or {}).get(pair, {}) for pair in wanted}
    return join(told, rule=rule, source=source, at=at, since=at, staff=staff)


@transaction.atomic
def part(*, merges: Sequence[Merge], staff: Staff | None, at: datetime, source: str = "staff") -> int:
    """Undo merges, or refuse those that only wait; how many that changed. Nothing brings these two together again by
    itself: only somebody can."""
    take_turns()
    closed = list(Merge.objects.filter(pk__in=[each.pk for each in merges], until=None))
    Merge.objects.filter(pk__in=[each.pk for each in closed]).update(until=at, closed_by=staff)
    regroup({node for each in closed for node in (each.first_id, each.second_id)}, at=at)
    _tell(kinds.CUSTOMER_PARTED, [each for each in closed if each.since], staff=staff, at=at, source=source)
    return len(closed)


@transaction.atomic
def reconsider(*, merges: Sequence[Merge], staff: Staff, at: datetime) -> int:
    """Take decisions back: what was joined is parted, and each pair waits for somebody to decide again."""
    part(merges=[each for each in merges if each.is_open], staff=staff, at=at)
    told = ("first_id", "second_id", "rule", "evidence", "probability", "source", "noted_at")
    rows = [Merge(**{name: getattr(each, name) for name in told}) for each in merges]
    for row in rows:
        row.evidence = {**row.evidence, "again": True}  # so that no run takes it back
    return len(Merge.objects.bulk_create(rows, ignore_conflicts=True))


def _edges(pairs: Collection[Pair], condition: Q) -> list[Merge]:
    """Edges between these pairs that fulfil a condition."""
    wanted = {(min(pair), max(pair)) for pair in pairs}
    return [
        each
        for some in persons.asked(first for first, _second in wanted)
        for each in Merge.objects.filter(condition, first__in=some).order_by("pk")
        if (each.first_id, each.second_id) in wanted
    ]


def _tell(kind: str, edges: Sequence[Merge], *, staff: Staff | None, at: datetime, source: str) -> None:
    """What was opened or closed is an event of whoever stands for the older record."""
    heads = persons.heads(each.first_id for each in edges)
    told = [
        events.NewEvent(
            kind,
            f"{kind}:{each.pk}",
            SOURCE,
            customer_id=heads[each.first_id],
            properties={
                "merge": each.pk,
                "records": [each.first_id, each.second_id],
                "rule": each.rule,
                "staff": staff.pk if staff else None,
                "by": source,
            },
        )
        for each in edges
    ]
    events.record(told, at=at)


def _living(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of whom neither was erased: nobody is one with whom nothing names any more."""
    asked = set(pairs)
    gone = Customer.objects.filter(pk__in={pk for pair in asked for pk in pair}, erasure__isnull=False)
    erased = set(gone.values_list("pk", flat=True))
    return {pair for pair in asked if not erased & {*pair}}
