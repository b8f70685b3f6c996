"""What addresses refused, and the links by which their owners say so."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from querencia.customers.models.people import CONTACT_KINDS, Consent, ContactPoint


class OptOut(models.Model):
    """An address that wants no more of one purpose, until its owner says otherwise. It is kept by the address itself,
    so that it holds whoever the address belongs to: before a merge, after it, and for a second entry of one person."""

    kind = models.CharField(_("channel"), max_length=10, choices=ContactPoint.Kind)
    value = models.CharField(_("address"), max_length=400)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Consent.Purpose)
    source = models.CharField(_("source"), max_length=80)
    at = models.DateTimeField(_("when"))
    lifted_at = models.DateTimeField(_("taken back"), null=True, blank=True)

    class Meta:
        verbose_name = _("opt-out of an address")
        verbose_name_plural = _("opt-outs of addresses")
        constraints = [
            models.UniqueConstraint(
                fields=["value", "kind", "purpose"], condition=Q(lifted_at=None), name="opt_out_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=CONTACT_KINDS)
                & Q(purpose__in=["service", "loyalty", "marketing", "research"])
                & ~Q(value=""),
                name="opt_out_terms_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.purpose}"


class PreferenceLink(models.Model):
    """The word in a link by which the owner of an address says, without logging in, what may be sent there. It has to
    be shown again in every message, so it is kept as it is; it tells nobody who they are."""

    token = models.CharField(max_length=43, unique=True, editable=False)
    point = models.OneToOneField(ContactPoint, models.CASCADE, related_name="preference_link")
    created_at = models.DateTimeField(_("created"))

    def __str__(self) -> str:
        return f"…{self.token[-4:]}"
