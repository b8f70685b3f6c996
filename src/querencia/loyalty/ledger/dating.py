# ruff: noqa: S608  (the statement is put together from names of our own)
"""When an entry is recorded: never within a month that is closed."""

from datetime import datetime

from querencia.common.database import is_postgresql
from querencia.loyalty.ledger import reading
from querencia.loyalty.models import Programme


def recorded_at(programme_id: int, at: datetime) -> datetime:
    """The moment, or where its month was closed meanwhile, the first of the open one. From here to the end of the
    transaction nobody closes a month: whoever does waits for it, and it for them."""
    lock = " FOR KEY SHARE" if is_postgresql() else ""
    asked = f"SELECT closed_before FROM {reading.table(Programme)} WHERE id = %s{lock}"
    closed = reading.moment(reading.select(asked, [programme_id])[0][0])
    return at if closed is None else max(at, closed)
