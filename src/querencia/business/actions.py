"""Setting up and changing the business and its staff."""

from zoneinfo import available_timezones

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from querencia.business.models import Business, Role, Staff
from querencia.common import money


def set_business(
    *, name: str, currency: str, time_zone: str = "UTC", language: str = "en", country: str = "", notice: str = ""
) -> Business:
    """Create or change the one business. Raises ValidationError on an unknown currency, time zone or language."""
    problems: dict[str, str] = {}
    if not name.strip():
        problems["name"] = _("The business needs a name.")
    if not money.is_currency(currency):
        problems["currency"] = _("%(code)s is not an ISO 4217 currency; write three letters, such as EUR.") % {
            "code": currency
        }
    if time_zone not in available_timezones():
        problems["time_zone"] = _("%(zone)s is not an IANA time zone; write, for example, Europe/Madrid.") % {
            "zone": time_zone
        }
    if problems:
        raise ValidationError(problems)
    changed, _created = Business.objects.update_or_create(
        pk=1,
        defaults={
            "name": name.strip(),
            "currency": currency.upper(),
            "time_zone": time_zone,
            "language": language,
            "country": country.upper(),
            "notice": notice,
        },
    )
    return changed


def add_staff(*, email: str, password: str, name: str = "", role: str = Role.AGENT, language: str = "") -> Staff:
    """Open an account. Raises ValidationError when the address is taken or the password is weak."""
    email = email.strip().lower()
    if Staff.objects.filter(email=email).exists():
        raise ValidationError({"email": _("%(email)s already has an account.") % {"email": email}})
    staff = Staff(email=email, name=name.strip(), role=role, language=language, is_superuser=role == Role.OWNER)
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
    staff = Staff.objects.select_for_update().get(pk=staff_id)
    owns = role == Role.OWNER and is_active
    others = Staff.objects.filter(role=Role.OWNER, is_active=True).exclude(pk=staff_id)
    if not owns and not others.exists():
        raise ValidationError(_("Somebody has to own this installation: make another person owner first."))
    staff.role, staff.is_active, staff.is_superuser = role, is_active, owns
    staff.save(update_fields=["role", "is_active", "is_superuser"])
    return staff
