"""Setting up and changing the business and its staff."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from querencia.business import keys
from querencia.business.models import ApiKey, Business, Role, Staff

# The last use of a key is known to the minute: a busy door must not write a row for each knock.
USE_NOTED_EVERY = timedelta(minutes=1)


def set_business(
    *, name: str, currency: str, time_zone: str = "UTC", language: str = "en", country: str = "", notice: str = ""
) -> Business:
    """Create or change the one business. Raises ValidationError on an unknown currency, time zone or language."""
    changed = Business.objects.filter(pk=1).first() or Business(pk=1)
    changed.name, changed.time_zone, changed.language, changed.notice = name.strip(), time_zone, language, notice
    changed.currency, changed.country = currency.upper(), country.upper()
    # That there is none yet, or this one, is not to be checked: it is number one.
    changed.full_clean(validate_unique=False)
    changed.save()
    return changed


def add_staff(*, email: str, password: str, name: str = "", role: str = Role.AGENT, language: str = "") -> Staff:
    """Open an account. Raises ValidationError when the address is taken or the password is weak."""
    email = email.strip().lower()
    if Staff.objects.filter(email=email).exists():
        raise ValidationError({"email": _("%(email)s already has an account.") % {"email": email}})
    staff = Staff(email=email, name=name.strip(), role=role, language=language)
    staff.set_password(password)
    staff.full_clean()
    validate_password(password, staff)
    staff.save()
    return staff


@transaction.atomic
def set_up(*, business: dict[str, str], owner: dict[str, str]) -> tuple[Business, Staff]:
    """The first step of an installation: the business and its owner, both or neither."""
    return set_business(**business), add_staff(role=Role.OWNER, **owner)


def set_language(*, staff: Staff, language: str) -> None:
    staff.language = language
    staff.save(update_fields=["language"])


@transaction.atomic
def change_staff(*, staff_id: int, role: str, is_active: bool) -> Staff:
    """Change what somebody may do. Raises ValidationError when nobody would be left who owns the installation."""
    # All owners are locked, not only this person: two who demote each other at once must not both succeed.
    owners = set(
        Staff.objects.select_for_update().filter(role=Role.OWNER, is_active=True).order_by("pk").values_list("pk")
    )
    staff = Staff.objects.select_for_update().get(pk=staff_id)
    if (role != Role.OWNER or not is_active) and owners <= {(staff_id,)}:
        raise ValidationError(_("Somebody has to own this installation: make another person owner first."))
    staff.role, staff.is_active = role, is_active
    staff.save(update_fields=["role", "is_active"])
    return staff


def take_away_second_step(*, staff: Staff) -> bool:
    """Let somebody who lost phone and recovery codes in with the password alone; False if they had no second step."""
    return bool(staff.authenticator_set.all().delete()[0])  # type: ignore[attr-defined]  # of allauth


def forget_former_addresses(*, staff: Staff) -> None:
    """The log-in remembers addresses that were proved by mail: of an account only its present one may open it."""
    staff.emailaddress_set.exclude(email=staff.email).delete()  # type: ignore[attr-defined]  # of allauth


def create_key(
    *,
    kind: str,
    name: str,
    at: datetime,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    created_by: Staff | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for a machine; the row, and the key itself, which nobody can ask for again. Without ``scopes`` it may
    what `keys.DEFAULT_SCOPES` says of its kind. Raises ValidationError."""
    if kind not in keys.SCOPES:
        raise ValidationError({"kind": _("%(kind)s is no kind of key: write or api.") % {"kind": kind}})
    wanted = list(dict.fromkeys(keys.DEFAULT_SCOPES[kind] if scopes is None else scopes))
    if not wanted or set(wanted) - set(keys.SCOPES[kind]):
        allowed = ", ".join(keys.SCOPES[kind])
        raise ValidationError({"scopes": _("Such a key may be given: %(scopes)s.") % {"scopes": allowed}})
    if expires_at is not None and expires_at <= at:
        raise ValidationError({"expires_at": _("This moment has passed.")})
    key = keys.invent(kind)
    made = ApiKey(
        kind=kind,
        name=name.strip(),
        digest=keys.digest(key),
        ending=key[-4:],
        scopes=wanted,
        created_at=at,
        created_by=created_by,
        expires_at=expires_at,
    )
    made.full_clean(validate_unique=False)
    made.save(force_insert=True)
    return made, key


def revoke_key(*, key_id: int, at: datetime) -> bool:
    """Have a key open nothing any more; False if it did not before."""
    changed = ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=at)
    keys.forget()
    return bool(changed)


def note_use(*, key_id: int, at: datetime) -> bool:
    """Remember that a key was used, at most once a minute; whether it was written."""
    stale = Q(last_used_at=None) | Q(last_used_at__lte=at - USE_NOTED_EVERY)
    return bool(ApiKey.objects.filter(stale, pk=key_id).update(last_used_at=at))
