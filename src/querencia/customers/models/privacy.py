"""What addresses refused, the links by which their owners say so, and what is left of whoever was erased."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.business.models import Staff
from querencia.customers.models.people import CONTACT_KINDS, Consent, ContactPoint


class OptOut(models.Model):
    """An address that wants no more of one purpose, until its owner says otherwise. It is kept by the address itself,
    so that it holds whoever the address belongs to: before a merge, after it, and for a second entry of one person.
    Once its owner is erased the value is a mark by which the address is known again, and no address any more."""

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


class Tombstone(models.Model):
    """The mark of an identifier of somebody who was erased: what names them again is not taken in. It is reckoned with
    a key of this installation, so that it tells nobody whose it is."""

    mark = models.CharField(max_length=64, primary_key=True, editable=False)  # HMAC-SHA256 in hexadecimal
    at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("mark of an erased person")
        verbose_name_plural = _("marks of erased people")

    def __str__(self) -> str:
        return f"{self.mark[:8]}…"


class Erasure(models.Model):
    """People who are to be forgotten: how many, why, who said so. Kept as proof; it names none of them."""

    class Reason(models.TextChoices):
        REQUEST = "request", _("They asked for it")
        OBJECTION = "objection", _("They object to the processing or withdrew their consent")
        RETENTION = "retention", _("Their time of storage is over")
        MISTAKE = "mistake", _("They should never have been stored")

    class Status(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("erasure", "Under way")
        DONE = "done", pgettext_lazy("erasure", "Done")

    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    people = models.PositiveIntegerField(_("people"))
    source = models.CharField(_("source"), max_length=40)
    requested_by = models.ForeignKey(
        Staff, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    requested_at = models.DateTimeField(_("asked for"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("erasure")
        verbose_name_plural = _("erasures")
        indexes = [models.Index(fields=["id"], name="erasure_waiting", condition=Q(status="waiting"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=["request", "objection", "retention", "mistake"])
                & Q(status__in=["waiting", "done"]),
                name="erasure_terms_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.requested_at:%Y-%m-%d} ({self.people})"
