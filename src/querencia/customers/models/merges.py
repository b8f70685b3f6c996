"""That two customers are one person: who said so and by what, since when, until when. Nothing is rewritten for it."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from querencia.business.models import Staff
from querencia.customers.models.people import Customer

OPEN = Q(since__isnull=False, until=None)


class Merge(models.Model):
    """An edge between two customers. While it is open both are one person; undoing closes it, and nothing is deleted.

    Without ``since`` it was only noted, because too many came together in a day: somebody decides. Closed without
    ever having been open means that somebody said no.
    """

    class Rule(models.TextChoices):
        IDENTIFIERS = "identifiers", _("Given together")
        BY_HAND = "by_hand", _("By hand")
        PROPOSAL = "proposal", _("Proposed and confirmed")

    first = models.ForeignKey(Customer, models.PROTECT, related_name="+", verbose_name=_("one"))
    second = models.ForeignKey(Customer, models.PROTECT, related_name="+", verbose_name=_("other"))
    rule = models.CharField(_("rule"), max_length=20, choices=Rule)
    # No values: which kinds of identifiers told it, how sure a proposal was.
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    source = models.CharField(_("source"), max_length=80)
    noted_at = models.DateTimeField(_("noted"))
    since = models.DateTimeField(_("since"), null=True, blank=True)
    until = models.DateTimeField(_("until"), null=True, blank=True)
    opened_by = models.ForeignKey(Staff, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by"))
    closed_by = models.ForeignKey(
        Staff, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("closed by")
    )

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        indexes = [
            models.Index(fields=["noted_at"], name="merge_waiting", condition=Q(since=None, until=None)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="merge_of_two"),
            models.UniqueConstraint(fields=["first", "second"], name="merge_once", condition=Q(until=None)),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} = {self.second_id}"
