"""Runs of the analysis, one row of measures per day, and the small tables that the overview shows."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Run(models.Model):
    """One run: facts copied to columns, every customer scored, the day measured. A failed run changes no score."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting for its turn")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    class Trigger(models.TextChoices):
        COMMAND = "command", _("Command")
        SCHEDULE = "schedule", _("Schedule")
        BUTTON = "button", _("Button")
        IMPORT = "import", _("Import")

    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.QUEUED)
    trigger = models.CharField(_("started by"), max_length=10, choices=Trigger)
    as_of = models.DateField(_("as of"))
    is_day_named = models.BooleanField(_("day named by a person"), default=False)  # not simply the last one there was
    created_at = models.DateTimeField(_("asked for"))
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    # Seconds by step, in order: copy, score, forecast, write, measure.
    durations = models.JSONField(_("durations"), default=dict)
    customers = models.PositiveBigIntegerField(_("customers"), default=0)
    purchases = models.PositiveBigIntegerField(_("purchases"), default=0)
    error = models.TextField(_("error"), blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("by whom"),
        null=True,
        blank=True,
        related_name="+",
    )

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        constraints = [
            # Two runs at once would write each other's scores.
            models.UniqueConstraint(
                fields=["status"], condition=models.Q(status="running"), name="measures_run_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.as_of} ({self.status})"


class Measure(models.Model):
    """The business on one day. Money in minor units of its currency; rates with their 95 % interval."""

    day = models.DateField(_("day"), unique=True)
    customers = models.PositiveBigIntegerField(_("customers"))
    active = models.PositiveBigIntegerField(_("active customers"))
    new = models.PositiveBigIntegerField(_("new customers, 30 days"))
    returned = models.PositiveBigIntegerField(_("customers who returned, 30 days"))
    late = models.PositiveBigIntegerField(_("late customers"))
    defections = models.PositiveBigIntegerField(_("customers who left, 30 days"))
    defections_low = models.PositiveBigIntegerField(_("customers who left, at least"), null=True)
    defections_high = models.PositiveBigIntegerField(_("customers who left, at most"), null=True)
    defections_value = models.BigIntegerField(_("yearly value that left, 30 days"))
    retention_window_days = models.PositiveIntegerField(_("days over which retention is counted"), null=True)
    retention_rate = models.FloatField(_("retention rate"), null=True)
    retention_low = models.FloatField(_("retention rate, at least"), null=True)
    retention_high = models.FloatField(_("retention rate, at most"), null=True)
    revenue = models.BigIntegerField(_("revenue, 30 days"))
    revenue_year = models.BigIntegerField(_("revenue, 365 days"))
    revenue_at_risk = models.BigIntegerField(_("revenue at risk"), null=True)
    revenue_at_risk_low = models.BigIntegerField(_("revenue at risk, at least"), null=True)
    revenue_at_risk_high = models.BigIntegerField(_("revenue at risk, at most"), null=True)
    # {"A": {"customers": n, "share": value share}, ...}
    classes = models.JSONField(_("classes"), default=dict)
    # Share of profit (of revenue where costs are unknown) from customers older than two years; null while none can be.
    long_standing_share = models.FloatField(_("share of profit from customers older than two years"), null=True)
    # Scores exist for the day of the run only; earlier days are reckoned afterwards from the facts.
    is_reckoned_afterwards = models.BooleanField(_("reckoned afterwards"), default=False)
    run = models.ForeignKey(Run, models.SET_NULL, verbose_name=_("run"), null=True, related_name="measures")

    class Meta:
        verbose_name = _("measure")
        verbose_name_plural = _("measures")
        ordering = ["-day"]

    def __str__(self) -> str:
        return str(self.day)


class Finding(models.Model):
    """A small table or fact that the overview shows, kept from the last run that succeeded."""

    name = models.CharField(max_length=40, unique=True)
    as_of = models.DateField()
    data = models.JSONField()
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="findings")

    def __str__(self) -> str:
        return self.name
