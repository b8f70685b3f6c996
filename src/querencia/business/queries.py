"""Reading what the business is."""

from datetime import datetime

from querencia.business import keys
from querencia.business.models import ApiKey, Business, Role, Staff


def business() -> Business | None:
    """The business of this installation, or None before it was set up."""
    return Business.objects.filter(pk=1).first()


def is_set_up() -> bool:
    """Whether there is a business and somebody who may log in to it."""
    return Business.objects.filter(pk=1).exists() and Staff.objects.filter(is_active=True).exists()


def staff() -> list[Staff]:
    """Everybody who has an account, those who may log in first."""
    return list(Staff.objects.order_by("-is_active", "name", "email"))


def is_last_owner(staff: Staff) -> bool:
    """Whether nobody else could own the installation, were this person to stop."""
    return not Staff.objects.filter(role=Role.OWNER, is_active=True).exclude(pk=staff.pk).exists()


def api_keys() -> list[ApiKey]:
    """All keys there ever were, those in force first, the newest before the older."""
    return sorted(ApiKey.objects.order_by("-pk"), key=lambda key: key.revoked_at is not None)


def key_in_force(key: str, *, at: datetime) -> ApiKey | None:
    """The row of a key that opens something: neither unknown, nor revoked, nor expired.

    Each process remembers it for a second: what another one revokes, it lets in for so long at most.
    """
    digest = keys.digest(key)
    found = keys.remembered(digest, at=at)
    if found is None:
        # In plain SQL: to put it together would take the ORM longer than the statement takes, at every knock.
        wanted = f"SELECT * FROM {ApiKey._meta.db_table} WHERE digest = %s AND revoked_at IS NULL"  # noqa: S608
        found = next(iter(ApiKey.objects.raw(wanted, [digest])), None)
        if found:
            keys.remember(digest, found, at=at)
    return found if found and (found.expires_at is None or at < found.expires_at) else None
