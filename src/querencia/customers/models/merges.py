"""That two customers are one person: who said so and by what, since when, until when. Nothing is rewritten for it."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from querencia.business.models import Staff
from querencia.customers.models.people import Customer, Identifier

OPEN = Q(since__isnull=False, until=None)
WAITING = Q(since=None, until=None)


class Merge(models.Model):
    """An edge between two customers. While it is open both are one person; undoing closes it, and nothing is deleted.

    Without ``since`` it was only noted, because too many came together in a day or because much speaks for it: somebody
    decides. Closed without
    ever having been open means that somebody said no.
    """

    class Rule(models.TextChoices):
        IDENTIFIERS = "identifiers", _("Given together")
        BY_HAND = "by_hand", _("By hand")
        PROPOSAL = "proposal", _("Proposed and confirmed")

    first = models.ForeignKey(Customer, models.PROTECT, related_name="+", verbose_name=_("one"))
    second = models.ForeignKey(Customer, models.PROTECT, related_name="+", verbose_name=_("other"))
    rule = models.CharField(_("rule"), max_length=20, choices=Rule)
    # No values: which kinds of identifiers told it, which traits agreed.
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    # How sure whoever proposed it is; what exact identifiers or people say is sure.
    probability = models.FloatField(_("probability"), default=1.0)
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
            models.Index(fields=["-probability", "id"], name="merge_waiting", condition=WAITING),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="merge_of_two"),
            models.CheckConstraint(
                condition=Q(probability__gte=0) & Q(probability__lte=1), name="merge_probability_is_one"
            ),
            models.UniqueConstraint(fields=["first", "second"], name="merge_once", condition=Q(until=None)),
        ]

    @property
    def is_open(self) -> bool:
        return self.since is not None and self.until is None

    @property
    def is_waiting(self) -> bool:
        return self.since is None and self.until is None

    @property
    def kinds(self) -> list[str]:
        """Which kinds of identifiers told it, in words."""
        labels = dict(Identifier.Kind.choices)
        return [str(labels.get(kind, kind)) for kind in self.evidence.get("kinds", ())]

    def __str__(self) -> str:
        return f"{self.first_id} = {self.second_id}"
