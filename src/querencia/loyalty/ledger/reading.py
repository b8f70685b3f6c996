"""What the database gives to plain SQL, as Python has it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models

from querencia.common.database import select

__all__ = ["document", "instances", "moment", "select", "table", "values"]

type Row = tuple[Any, ...]


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


def instances[Model: models.Model](model: type[Model], condition: str, given: Sequence[Any] = ()) -> list[Model]:
    """Rows for which a condition holds (it may go on with an order), as objects."""
    fields = model._meta.concrete_fields
    names = ", ".join(str(field.column) for field in fields)
    rows = select(f"SELECT {names} FROM {table(model)} WHERE {condition}", given)  # noqa: S608
    attributes = [field.attname for field in fields]
    return [model.from_db(DEFAULT_DB_ALIAS, attributes, values(model, row)) for row in rows]


def values(model: type[models.Model], row: Row) -> list[Any]:
    """What a row with all columns says, as attributes have it."""
    fields = model._meta.concrete_fields
    return [READ.get(type(field), _as_it_is)(value) for field, value in zip(fields, row, strict=True)]


def _as_it_is(value: Any) -> Any:
    return value


READ = {models.DateTimeField: moment, models.JSONField: document}
