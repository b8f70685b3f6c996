# ruff: noqa: S608  (the statements are put together from names of our own)
"""The only door through which events are written: as facts, in the transaction of what they tell of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any

from django.db import connection, transaction

from querencia.customers.models import Event, Outbox

ROWS = 1_000
FIELDS = ("kind", "customer", "occurred_at", "recorded_at", "source", "channel", "key", "properties")
COLUMNS = [field for name in FIELDS for field in Event._meta.concrete_fields if field.name == name]
INTO = ", ".join(str(column.column) for column in COLUMNS)
TABLE, OUTBOX = Event._meta.db_table, Outbox._meta.db_table


@dataclass(frozen=True)
class NewEvent:
    """Something that happened. ``key`` is unique within ``source``: said twice, it happened once.

    ``occurred_at``: when it was not now. ``is_live``: whether it may set anything off; imported history may not.
    """

    kind: str
    key: str
    source: str
    customer_id: int | None = None
    occurred_at: datetime | None = None
    channel: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    is_live: bool = True


def record(events: Sequence[NewEvent], *, at: datetime) -> int:
    """Write events; how many were new. Those whose key and source are known change nothing.

    Call inside the transaction that does what they tell of: both are kept, or neither.
    """
    new = 0
    with transaction.atomic():
        for is_live in (True, False):
            # In order of their keys, so that two who record the same wait for each other and never in a circle.
            rows = sorted((e for e in events if e.is_live == is_live), key=lambda event: (event.key, event.source))
            for some in batched(rows, ROWS, strict=False):
                places = ", ".join([f"({', '.join(['%s'] * len(FIELDS))})"] * len(some))
                given = [value for event in some for value in _values(event, at)]
                new += _written(f"VALUES {places}", given, is_live=is_live)
    return new


@dataclass(frozen=True)
class Written:
    """What became of one: its id, and ``created`` or ``unchanged``; or without one that it ``differs`` from what is
    known under its key."""

    result: str
    pk: int = 0


def write(events: Sequence[NewEvent], *, at: datetime) -> list[Written]:
    """Write events as `record` does; what became of each, in order."""
    with transaction.atomic():
        known = {place: kind for place, (_pk, kind) in _known(events).items()}
        results = []
        for each in events:
            before = known.setdefault((each.key, each.source), "")
            results.append("created" if not before else "unchanged" if before == each.kind else "differs")
            known[each.key, each.source] = before or each.kind
        record([each for each, result in zip(events, results, strict=True) if result == "created"], at=at)
        ids = _known(events)
    return [
        Written(result, 0 if result == "differs" else ids[each.key, each.source][0])
        for each, result in zip(events, results, strict=True)
    ]


def _known(events: Sequence[NewEvent]) -> dict[tuple[str, str], tuple[int, str]]:
    rows = Event.objects.filter(key__in={each.key for each in events})
    return {(key, source): (pk, kind) for key, source, pk, kind in rows.values_list("key", "source", "pk", "kind")}


def record_selected(select: str, parameters: Sequence[Any] = ()) -> int:
    """Write the live events that a SELECT gives in the columns ``FIELDS``; how many were new. As for `record`."""
    with transaction.atomic():
        return _written(select, parameters, is_live=True)


def _values(event: NewEvent, at: datetime) -> Iterator[Any]:
    given = {
        "kind": event.kind,
        "customer": event.customer_id,
        "occurred_at": event.occurred_at or at,
        "recorded_at": at,
        "source": event.source,
        "channel": event.channel,
        "key": event.key,
        "properties": dict(event.properties),
    }
    return (column.get_db_prep_save(given[column.name], connection) for column in COLUMNS)


def _written(rows: str, given: Sequence[Any], *, is_live: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} ({INTO}) {rows} ON CONFLICT DO NOTHING RETURNING id", list(given))
        ids = [row[0] for row in cursor.fetchall()]
        for some in batched(ids, ROWS, strict=False) if is_live else ():
            places = ", ".join(["(%s)"] * len(some))
            cursor.execute(f"INSERT INTO {OUTBOX} (event_id) VALUES {places}", some)
    return len(ids)
