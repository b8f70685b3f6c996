"""Reading what the business is."""

from querencia.business.models import Business, Staff


def business() -> Business | None:
    """The business of this installation, or None before it was set up."""
    return Business.objects.filter(pk=1).first()


def is_set_up() -> bool:
    """Whether there is a business and somebody who may log in to it."""
    return Business.objects.filter(pk=1).exists() and Staff.objects.filter(is_active=True).exists()


def staff() -> list[Staff]:
    """Everybody who has an account, those who may log in first."""
    return list(Staff.objects.order_by("-is_active", "name", "email"))
