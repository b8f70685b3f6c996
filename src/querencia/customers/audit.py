"""Who took data out of the house: events without personal data."""

import uuid
from datetime import datetime

from querencia.business.models import Staff
from querencia.customers import events, kinds


def record_export(*, staff: Staff, rows: int, filters: str, at: datetime) -> None:
    """Write down that somebody exported a list of customers, which filters it had and how long it was."""
    said = {"staff": staff.pk, "rows": rows, "filters": filters}
    exported = events.NewEvent(kinds.CUSTOMERS_EXPORTED, uuid.uuid4().hex, "cockpit", properties=said)
    events.record([exported], at=at)


def record_person_export(*, customer_id: int, staff: Staff | None, source: str, at: datetime) -> None:
    """Write down that somebody exported all that is known of a person."""
    said = {"staff": staff.pk if staff else None}
    exported = events.NewEvent(
        kinds.PERSON_EXPORTED, uuid.uuid4().hex, source, customer_id=customer_id, properties=said
    )
    events.record([exported], at=at)
