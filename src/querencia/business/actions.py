"""Setting up and changing the business and its staff."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from querencia.business.models import Business, Role, Staff


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
