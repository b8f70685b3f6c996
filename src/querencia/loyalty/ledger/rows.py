# ruff: noqa: S608  (the statements are put together from names of our own)
"""Rows of the ledger on their way into the database, many at once: by COPY on PostgreSQL, prepared once on SQLite."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched, count
from typing import Any

from django.db import connection, models
from pydantic_core import to_json

from querencia.common.database import array, execute, is_postgresql, listed, select, within
from querencia.loyalty.models import Hold
from querencia.loyalty.models.ledger import ACCOUNTS

ROWS = 5_000
TYPES = {"BigIntegerField": "bigint", "BooleanField": "boolean", "PositiveIntegerField": "integer"}


@dataclass(slots=True)
class Posting:
    """One entry, not yet written. ``accounts`` add up to nothing."""

    pk: int
    member_id: int
    kind: str
    key: str
    at: datetime
    accounts: dict[str, int]
    purchase_id: int | None = None
    hold_id: int | None = None
    corrects_id: int | None = None
    partner_id: int | None = None
    staff_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Lot:
    """A lot as the book has it: what is left of it, and what is said of it for good."""

    pk: int
    member_id: int
    entry_id: int
    amount: int
    available_at: datetime
    expires_at: datetime | None
    remaining: int
    is_active: bool = True
    turns: int = 0
    rule_id: int | None = None
    origin_id: int | None = None
    partner_id: int | None = None
    cost_per_thousand: int = 0
    lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Taking:
    """An allocation, not yet written."""

    entry_id: int
    lot: Lot
    amount: int = 0
    held: int = 0
    redeemed: int = 0
    hold_id: int | None = None


ENTRY = (
    *("id", "programme_id", "member_id", "kind", "key", "at", "recorded_at", "purchase_id", "hold_id"),
    *("corrects_id", "partner_id", "staff_id", "detail"),
    *ACCOUNTS,
)
LOT = (
    *("id", "member_id", "entry_id", "amount", "available_at", "expires_at", "remaining", "is_active", "turns"),
    *("rule_id", "origin_id", "partner_id", "cost_per_thousand", "lines"),
)
ALLOCATION = ("entry_id", "lot_id", "amount", "held", "redeemed", "hold_id")


def _json(document: dict[str, Any]) -> str:
    return to_json(document).decode() if document else "{}"


def entry_of(programme_id: int, recorded_at: datetime, each: Posting) -> tuple[Any, ...]:
    accounts = each.accounts.get
    return (
        *(each.pk, programme_id, each.member_id, each.kind, each.key, each.at, recorded_at, each.purchase_id),
        *(each.hold_id, each.corrects_id, each.partner_id, each.staff_id, _json(each.detail)),
        *[accounts(name, 0) for name in ACCOUNTS],
    )


def lot_of(each: Lot) -> tuple[Any, ...]:
    return (
        *(each.pk, each.member_id, each.entry_id, each.amount, each.available_at, each.expires_at, each.remaining),
        *(each.is_active, each.turns, each.rule_id, each.origin_id, each.partner_id, each.cost_per_thousand),
        _json(each.lines),
    )


def allocation_of(each: Taking) -> tuple[Any, ...]:
    return (each.entry_id, each.lot.pk, each.amount, each.held, each.redeemed, each.hold_id)


class Ids:
    """Ids that nobody else gets, for the rest of a transaction. On SQLite, which has one writer and where rows of the
    ledger are never deleted, they are the next ones."""

    def __init__(self, model: type[models.Model]) -> None:
        self.table = model._meta.db_table
        self._kept: Iterator[int] = iter(())
        self._wanted = 1

    def next(self) -> int:
        found = next(self._kept, None)
        if found is None:
            reserve({self: self._wanted})
            found = next(self._kept)
        return found

    def keep(self, ids: Iterator[int], number: int) -> None:
        self._kept, self._wanted = ids, max(8, number // 2)


def reserve(wanted: Mapping[Ids, int]) -> None:
    """Have so many ids of each fetched at once."""
    if is_postgresql():
        drawn = " UNION ALL ".join(
            f"SELECT {place}, nextval((SELECT pg_get_serial_sequence('{ids.table}', 'id'))) FROM generate_series(1, %s)"
            for place, ids in enumerate(wanted)
        )
        found = select(drawn, [max(1, number) for number in wanted.values()])
        for place, (ids, number) in enumerate(wanted.items()):
            ids.keep(iter(sorted(pk for where, pk in found if where == place)), number)
        return
    for ids in wanted:
        ids.keep(count(select(f"SELECT coalesce(max(id), 0) + 1 FROM {ids.table}")[0][0]), 0)


def insert(model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    table, names = model._meta.db_table, ", ".join(columns)
    with connection.cursor() as cursor:
        if is_postgresql():
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        places = ", ".join("?" * len(columns))
        adapt = connection.ops.adapt_datetimefield_value
        told = ([adapt(v) if isinstance(v, datetime) else v for v in row] for row in rows)
        # Django's own cursor would rewrite every statement.
        connection.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", told)


def update(model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Set columns by id: each row is the id and the values."""
    if not rows:
        return
    table = model._meta.db_table
    if is_postgresql():
        kinds = [TYPES[model._meta.get_field(name).get_internal_type()] for name in columns]
        lists = ", ".join(f"%s::{kind}[]" for kind in ("bigint", *kinds))
        sets = ", ".join(f"{name} = v.{name}" for name in columns)
        statement = f"UPDATE {table} t SET {sets} FROM unnest({lists}) v(id, {', '.join(columns)}) WHERE t.id = v.id"
        for some in batched(rows, ROWS, strict=False):
            execute(statement, [array(column) for column in zip(*some, strict=True)])
        return
    sets = ", ".join(f"{name} = ?" for name in columns)
    with connection.cursor():
        turned = [(*row[1:], row[0]) for row in rows]
        connection.connection.executemany(f"UPDATE {table} SET {sets} WHERE id = ?", turned)


def close_holds(ids: Collection[int], at: datetime) -> None:
    statement = f"UPDATE {Hold._meta.db_table} SET closed_at = %s WHERE {within('id')} AND closed_at IS NULL"
    execute(statement, [connection.ops.adapt_datetimefield_value(at), listed(ids)])
