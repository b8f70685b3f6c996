"""Who took data out of the house: events without personal data."""

import uuid
from datetime import datetime

from querencia.business.models import Staff
from querencia.customers.models import Event


def record_export(*, staff: Staff, rows: int, filters: str, at: datetime) -> Event:
    """Write down that somebody exported a list of customers, which filters it had and how long it was."""
    return Event.objects.create(
        kind="customers.exported",
        occurred_at=at,
        recorded_at=at,
        source="cockpit",
        key=uuid.uuid4().hex,
        properties={"staff": staff.pk, "rows": rows, "filters": filters},
    )
