"""What machines sent: kept as it came, before anybody looks at it, and what could not be taken in, with the reason."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from querencia.business.models import ApiKey


class Arrival(models.Model):
    """One request. It is written before the answer is given; what it holds is read after."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Taken in")

    api_key = models.ForeignKey(ApiKey, models.PROTECT, verbose_name=_("key"), related_name="+", db_index=False)
    door = models.CharField(_("door"), max_length=10)  # batch, track, …; replay: what had been rejected
    body = models.BinaryField(_("as it came"))  # unpacked JSON, emptied once it is taken in
    received_at = models.DateTimeField(_("received"))
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.WAITING)
    events = models.PositiveIntegerField(_("events"), default=0)
    recorded = models.PositiveIntegerField(_("new"), default=0)
    known = models.PositiveIntegerField(_("known already"), default=0)
    rejected = models.PositiveIntegerField(_("rejected"), default=0)
    processed_at = models.DateTimeField(_("taken in"), null=True, blank=True)

    class Meta:
        verbose_name = _("arrival")
        verbose_name_plural = _("arrivals")
        indexes = [
            models.Index(fields=["id"], name="arrival_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["received_at"], name="arrival_received"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=["waiting", "done"]), name="arrival_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.door} {self.pk}"


class Reject(models.Model):
    """An event that could not be taken in: what was sent, and why not. Replayed, it goes, until it fails again."""

    api_key = models.ForeignKey(ApiKey, models.PROTECT, verbose_name=_("key"), related_name="+", db_index=False)
    kind = models.CharField(_("kind"), max_length=80, blank=True)
    code = models.CharField(_("reason"), max_length=40)
    facts = models.JSONField(default=dict)
    event = models.TextField(_("as it came"))  # JSON
    is_live = models.BooleanField(default=True)
    received_at = models.DateTimeField(_("received"))
    rejected_at = models.DateTimeField(_("rejected"))

    class Meta:
        verbose_name = _("rejected event")
        verbose_name_plural = _("rejected events")

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"
