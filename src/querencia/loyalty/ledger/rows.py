# ruff: noqa: S608  (the statements are put together from names of our own)
"""Rows of the ledger on their way into the database, many at once: by COPY on PostgreSQL, prepared once on SQLite."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched, count
from typing import Any

from django.db import connection, models

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


def entry_of(programme_id: int, recorded_at: datetime, each: Posting) -> tuple[Any, ...]:
    accounts = each.accounts.get
    return (
        *(each.pk, programme_id, each.member_id, each.kind, each.key, each.at, recorded_at, each.purchase_id),
        *(each.hold_id, each.corrects_id, each.partner_id, each.staff_id, json.dumps(each.detail)),
        *[accounts(name, 0) for name in ACCOUNTS],
    )


def lot_of(each: Lot) -> tuple[Any, ...]:
    return (
        *(each.pk, each.member_id, each.entry_id, each.amount, each.available_at, each.expires_at, each.remaining),
        *(each.is_active, each.turns, each.rule_id, each.origin_id, each.partner_id, each.cost_per_thousand),
        json.dumps(each.lines),
    )


def allocation_of(each: Taking) -> tuple[Any, ...]:
    return (each.entry_id, each.lot.pk, each.amount, each.held, each.redeemed, each.hold_id)


class Ids:
    """Ids that nobody else gets, for the rest of a transaction. On SQLite, which has one writer and where rows of the
    ledger are never deleted, they are the next ones."""

    def __init__(self, model: type[models.Model]) -> None:
        self._table = model._meta.db_table
        self._kept: Iterator[int] = iter(())
        self._wanted = 1

    def reserve(self, number: int) -> None:
        """So many will be asked for: have them fetched at once."""
        self._wanted = max(1, number)

    def next(self) -> int:
        found = next(self._kept, None)
        if found is None:
            self._kept = self._fetched()
            found = next(self._kept)
        return found

    def _fetched(self) -> Iterator[int]:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                sequence = f"pg_get_serial_sequence('{self._table}', 'id')"
                cursor.execute(f"SELECT nextval({sequence}) FROM generate_series(1, %s)", [self._wanted])
                self._wanted = max(8, self._wanted // 2)
                return iter([row[0] for row in cursor.fetchall()])
            cursor.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {self._table}")
            return count(cursor.fetchone()[0])


def insert(model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    table, names = model._meta.db_table, ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
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
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            kinds = [TYPES[model._meta.get_field(name).get_internal_type()] for name in columns]
            lists = ", ".join(f"%s::{kind}[]" for kind in ("bigint", *kinds))
            sets = ", ".join(f"{name} = v.{name}" for name in columns)
            statement = (
                f"UPDATE {table} t SET {sets} FROM unnest({lists}) v(id, {', '.join(columns)}) WHERE t.id = v.id"
            )
            for some in batched(rows, ROWS, strict=False):
                cursor.execute(statement, [list(column) for column in zip(*some, strict=True)])
            return
        sets = ", ".join(f"{name} = ?" for name in columns)
        turned = [(*row[1:], row[0]) for row in rows]
        connection.connection.executemany(f"UPDATE {table} SET {sets} WHERE id = ?", turned)
