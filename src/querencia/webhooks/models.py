"""Where other systems want to be told what happens here, and what became of telling them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.customers.models import Event


class Endpoint(models.Model):
    """One address of another system, the kinds of events it wants, and the secret that proves that we send them."""

    class OffBecause(models.TextChoices):
        ON = "", ""
        PERSON = "person", _("Switched off here")
        GONE = "gone", _("The other system said that it wants no more (410)")

    url = models.CharField(_("address"), max_length=500)
    kinds = models.JSONField(_("kinds of events"), default=list)
    # Needed as it is to sign with: shown once, kept out of the back office and of every log.
    secret = models.CharField(max_length=80)
    # After a change of secret both sign for a time, so that no message is refused while the other system changes too.
    secret_before = models.CharField(max_length=80, blank=True)
    secret_before_until = models.DateTimeField(null=True)
    off_because = models.CharField(_("off because"), max_length=8, choices=OffBecause, blank=True)
    created_at = models.DateTimeField(_("created"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("by whom"), null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("endpoint")
        verbose_name_plural = _("endpoints")
        constraints = [models.CheckConstraint(condition=~Q(url="") & ~Q(secret=""), name="endpoint_named")]

    def __str__(self) -> str:
        return self.url

    @property
    def is_on(self) -> bool:
        return not self.off_because


class Delivery(models.Model):
    """One message to one endpoint. Its id stays the same however often it is sent, so that a receiver sees repeats."""

    class Status(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("delivery", "On its way")
        DELIVERED = "delivered", pgettext_lazy("delivery", "Delivered")
        FAILED = "failed", pgettext_lazy("delivery", "Not delivered")

    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries", db_index=False)
    # None: a test. What is sent is read from the event when it is sent, so that what was erased is not told.
    event = models.ForeignKey(Event, models.CASCADE, null=True, related_name="+", db_index=False)
    message_id = models.CharField(_("message"), max_length=40, unique=True)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    # Not before this moment: later after every failure, and for as long as somebody is at it.
    next_at = models.DateTimeField(_("next try"))
    sent_at = models.DateTimeField(_("last sent"), null=True)
    answer_status = models.PositiveSmallIntegerField(_("answer"), null=True)
    answer = models.CharField(_("what it said"), max_length=500, blank=True)
    problem = models.CharField(_("problem"), max_length=12, blank=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(fields=["endpoint", "next_at"], condition=Q(status="waiting"), name="delivery_waiting"),
            models.Index(fields=["endpoint", "status", "-id"], name="delivery_of_endpoint"),
        ]
        constraints = [models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once")]

    def __str__(self) -> str:
        return self.message_id
