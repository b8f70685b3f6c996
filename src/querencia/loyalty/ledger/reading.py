"""What the database gives to plain SQL, as Python has it."""

import json
from datetime import UTC, datetime
from typing import Any

from django.db import models

from querencia.common.database import select

__all__ = ["document", "moment", "select", "table"]

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
