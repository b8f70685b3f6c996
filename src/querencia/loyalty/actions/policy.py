"""A programme as a whole: set up at once, its promises changed, begun, and brought to an end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from querencia.business.models import Business, Staff
from querencia.loyalty.actions.programmes import create_programme, publish_rules, publish_tiers
from querencia.loyalty.models import Programme

# What may be changed once there are points: new ones follow it, those that there are keep what was promised.
MAY_CHANGE = frozenset(
    {
        *("name", "pending_days", "expiry_count", "expiry_unit", "expiry_rounding", "restored_days_min"),
        *("notice_days", "notice_needed"),
        *("deficit", "deficit_max", "adjust_max", "hold_seconds", "cost_per_thousand"),
    }
)


@transaction.atomic
def set_up(
    *,
    business: Business,
    name: str,
    rules: Mapping[str, Mapping[str, Any]],
    tiers: Mapping[str, Any] | None = None,
    at: datetime,
    staff: Staff | None = None,
    **policy: Any,
) -> Programme:
    """A programme with its rules and tiers: all of it, or nothing. It does not run before `start`. Raises
    ValidationError."""
    programme = create_programme(business=business, name=name, at=at, **policy)
    publish_rules(programme=programme, documents=rules, at=at, staff=staff)
    if tiers is not None:
        publish_tiers(programme=programme, document=tiers, at=at, staff=staff)
    return programme


@transaction.atomic
def change_programme(*, programme: Programme, **policy: Any) -> Programme:
    """Other promises from now on. Points that there are keep theirs. Raises ValidationError."""
    if unknown := set(policy) - MAY_CHANGE:
        raise ValidationError(_("%(names)s cannot be changed.") % {"names": ", ".join(sorted(unknown))})
    row = Programme.objects.select_for_update().get(pk=programme.pk)
    changed = [name for name, value in policy.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, policy[name])
    row.full_clean()
    if changed:
        row.save(update_fields=changed)
    return row


@transaction.atomic
def start(*, programme: Programme, at: datetime) -> bool:
    """Purchases earn from now on; whether that is new. Of a programme that was stopped, all that was bought since it
    first began and was not judged yet may earn again."""
    row = Programme.objects.select_for_update().get(pk=programme.pk)
    if row.starts_at is not None and row.starts_at <= at and (row.ends_at is None or row.ends_at > at):
        return False
    row.starts_at = min(row.starts_at, at) if row.starts_at else at
    row.ends_at = None
    row.save(update_fields=["starts_at", "ends_at"])
    return True


@transaction.atomic
def stop(*, programme: Programme, at: datetime) -> bool:
    """Purchases from now on earn nothing; what members have stays theirs until it lapses. Whether it ran."""
    row = Programme.objects.select_for_update().get(pk=programme.pk)
    if row.starts_at is None or row.starts_at >= at or (row.ends_at is not None and row.ends_at <= at):
        return False
    row.ends_at = at
    row.save(update_fields=["ends_at"])
    return True
