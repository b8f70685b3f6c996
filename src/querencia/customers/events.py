# ruff: noqa: S608  (the statements are put together from names of our own)
"""The only door through which events are written: as facts, in the transaction of what they tell of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched, chain
from typing import Any

from django.db import connection, transaction

from querencia.common.database import among, array, execute, is_postgresql
from querencia.customers.models import Event, Outbox

ROWS = 1_000
# With the types in which PostgreSQL is handed them, a list for each.
FIELDS = {
    "kind": "text",
    "customer": "bigint",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
    "source": "text",
    "channel": "text",
    "key": "text",
    "properties": "jsonb",
}
INTO = ", ".join(str(field.column) for name in FIELDS for field in Event._meta.concrete_fields if field.name == name)
UNNEST = f"SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in FIELDS.values())})"
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
    with transaction.atomic(savepoint=False):
        for is_live in (True, False):
            # In order of their keys, so that two who record the same wait for each other and never in a circle.
            rows = sorted((e for e in events if e.is_live == is_live), key=lambda event: (event.key, event.source))
            for some in batched(rows, ROWS, strict=False):
                new += _written(*_given(some, at), is_live=is_live)
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
    rows = Event.objects.filter(among("key", {each.key for each in events}))
    return {(key, source): (pk, kind) for key, source, pk, kind in rows.values_list("key", "source", "pk", "kind")}


def record_selected(select: str, parameters: Sequence[Any] = ()) -> int:
    """Write the live events that a SELECT gives in the columns ``FIELDS``; how many were new. As for `record`."""
    with transaction.atomic():
        return _written(select, parameters, is_live=True)


def _given(events: Sequence[NewEvent], at: datetime) -> tuple[str, list[Any]]:
    """What selects these events, and its parameters: eight lists, since psycopg reads a statement through for its
    parameters, and takes longer over thousands than PostgreSQL takes to write the rows; SQLite takes no lists."""
    moment = connection.ops.adapt_datetimefield_value
    columns: list[list[Any]] = [
        [event.kind for event in events],
        [event.customer_id for event in events],
        [moment(event.occurred_at or at) for event in events],
        [moment(at)] * len(events),
        [event.source for event in events],
        [event.channel for event in events],
        [event.key for event in events],
        [json.dumps(dict(event.properties)) for event in events],
    ]
    if is_postgresql():
        return UNNEST, [array(column) for column in columns]
    places = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(events))
    return f"VALUES {places}", list(chain.from_iterable(zip(*columns, strict=True)))


def _written(rows: str, given: Sequence[Any], *, is_live: bool) -> int:
    insert = f"INSERT INTO {TABLE} ({INTO}) {rows} ON CONFLICT DO NOTHING RETURNING id"
    if is_live and rows == UNNEST:
        return execute(f"WITH new AS ({insert}) INSERT INTO {OUTBOX} (event_id) SELECT id FROM new", given)
    with connection.cursor() as cursor:
        cursor.execute(insert, list(given))
        ids = [row[0] for row in cursor.fetchall()]
        for some in batched(ids, ROWS, strict=False) if is_live else ():
            places = ", ".join(["(%s)"] * len(some))
            cursor.execute(f"INSERT INTO {OUTBOX} (event_id) VALUES {places}", some)
    return len(ids)
