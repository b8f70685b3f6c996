"""Whose key is shown at a door."""

from datetime import datetime, timedelta

from querencia.business import actions, queries
from querencia.business.models import ApiKey


def in_force(shown: str, *, at: datetime) -> ApiKey | None:
    """The key in force that this is; its use is noted, once a minute at most."""
    found = queries.key_in_force(shown, at=at) if shown else None
    if found and (found.last_used_at is None or at - found.last_used_at >= timedelta(minutes=1)):
        actions.note_use(key_id=found.pk, at=at)
        found.last_used_at = at  # it is remembered
    return found
