"""Months whose books are closed."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.business.models import Staff
from querencia.loyalty.models.programme import Programme


class Close(models.Model):
    """One month of a programme's books, for good: no entry can land in it any more. ``document`` holds the sums (see
    ``loyalty/closing.py``), ``fingerprint`` is of it and of the month before."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="closes", verbose_name=_("programme"))
    month = models.DateField(_("month"))  # its first day, where the business is
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    document = models.JSONField(_("document"))
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    closed_at = models.DateTimeField(_("closed"))
    closed_by = models.ForeignKey(
        Staff, models.SET_NULL, null=True, related_name="+", verbose_name=pgettext_lazy("closed", "by")
    )

    class Meta:
        verbose_name = _("closed month")
        verbose_name_plural = _("closed months")
        constraints = [
            models.UniqueConstraint(fields=["programme", "month"], name="close_once"),
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")) & Q(ends_at__lte=F("closed_at")), name="close_of_what_is_over"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class MonthSum(models.Model):
    """What moved in a month that is over, by kind of entry and account: a cache of the entries, so that figures of
    years are read in a moment. ``querencia check`` reckons it anew."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="+")
    month = models.DateField()  # its first day, where the business is
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    sums = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["programme", "month"], name="month_sum_once")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
