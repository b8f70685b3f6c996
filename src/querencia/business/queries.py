"""Reading what the business is."""

from querencia.business.models import Business, Role, Staff


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
