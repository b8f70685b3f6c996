"""What is to follow from an event, and what has."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from querencia.customers.models import Event, Import


class Handling(models.Model):
    """One reaction to one event: to be done, done, or stuck. Its mark *done* is written together with what it did."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting for its turn")
        DONE = "done", _("Done")
        STUCK = "stuck", _("Stuck")
        ASIDE = "aside", _("Set aside")

    event = models.ForeignKey(Event, models.CASCADE, verbose_name=_("event"), related_name="+", db_index=False)
    reaction = models.CharField(_("reaction"), max_length=40)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    # Not before this moment: later after every failure, and for as long as somebody is at it.
    next_at = models.DateTimeField(_("next try"))
    error = models.CharField(_("error"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("reaction to an event")
        verbose_name_plural = _("reactions to events")
        indexes = [
            models.Index(
                fields=["reaction", "tries", "next_at"], condition=Q(status="waiting"), name="handling_waiting"
            ),
            models.Index(fields=["-next_at", "-id"], condition=Q(status="stuck"), name="handling_stuck"),
        ]
        constraints = [models.UniqueConstraint(fields=["event", "reaction"], name="handling_once")]

    def __str__(self) -> str:
        return f"{self.reaction} {self.event_id}: {self.status}"


class RetentionPeriod(models.Model):
    """For how many days something is kept, where the business says otherwise than the house."""

    name = models.CharField(max_length=40, primary_key=True)
    # None: for ever.
    days = models.PositiveIntegerField(_("days"), null=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.days}"


class Pruning(models.Model):
    """What went on a day because its time was over."""

    name = models.CharField(max_length=40)
    on = models.DateField(_("day"))
    rows = models.PositiveBigIntegerField(_("rows"), default=0)

    class Meta:
        verbose_name = _("what went")
        verbose_name_plural = _("what went")
        constraints = [models.UniqueConstraint(fields=["on", "name"], name="pruning_once_a_day")]

    def __str__(self) -> str:
        return f"{self.on} {self.name}: {self.rows}"


class CatchUp(models.Model):
    """A file of purchases for which members are looked through: what they bought while their programme ran earns."""

    imported = models.OneToOneField(Import, models.CASCADE, primary_key=True, related_name="+")
    # The members up to this id have been.
    after = models.BigIntegerField(_("members up to"), default=0)
    done_at = models.DateTimeField(_("done"), null=True)

    def __str__(self) -> str:
        return f"{self.imported_id}: {self.after}"
