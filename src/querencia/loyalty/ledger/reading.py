# ruff: noqa: S608  (the statements are put together from names of our own)
"""Reading many rows by id in one statement with one parameter, however many they are: a list of thousands of places
takes Django and the driver longer to put together than the database to answer."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models

from querencia.customers.models import Customer

type Row = tuple[Any, ...]


def within(column: str, kind: str = "bigint") -> str:
    """The condition that a column is among the values of one parameter (see `listed`)."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::{kind}[])"
    return f"{column} IN (SELECT value FROM json_each(%s))"


def listed(values: Collection[Any]) -> Any:
    """Values as the parameter of `within`."""
    return list(values) if connection.vendor == "postgresql" else json.dumps(list(values))


def select(statement: str, parameters: Sequence[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        return list(cursor.fetchall())


def table(model: type[models.Model]) -> str:
    return model._meta.db_table


def moment(value: Any) -> Any:
    """A moment as the database gives it to plain SQL: SQLite keeps it as text, in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def document(value: Any) -> Any:
    """JSON as the database gives it to plain SQL: as text."""
    return json.loads(value) if isinstance(value, str) else value


def heads(customer_ids: Iterable[int]) -> dict[int, int]:
    """For each customer the one who stands for the person, and the same of all who are one person with any of them."""
    found = {pk: pk for pk in customer_ids}
    customers = table(Customer)
    asked = f"SELECT id, person_id FROM {customers} WHERE {within('id')} AND person_id IS NOT NULL"
    merged: dict[int, int] = dict(select(asked, [listed(found)]))
    if merged:
        together = f"SELECT id, person_id FROM {customers} WHERE {within('person_id')}"
        found |= dict(select(together, [listed(set(merged.values()))]))
    return found
