"""What is agreed with partners, and what is settled with them month by month."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.business.models import Staff
from querencia.loyalty.models.closing import Close
from querencia.loyalty.models.programme import Partner, Programme


class Agreement(models.Model):
    """One version of what is agreed with a partner: from the first day of a month on, until the next one counts or it
    ends. Prices are of a thousand points, in minor units of the programme."""

    partner = models.ForeignKey(Partner, models.PROTECT, related_name="agreements", verbose_name=_("partner"))
    version = models.PositiveIntegerField(_("version"))
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("before"), null=True, blank=True)
    # What the partner pays for points that it has given, and what it is paid for points that it takes in.
    funds_per_thousand = models.BigIntegerField(_("price of points that the partner gives"))
    takes_per_thousand = models.BigIntegerField(_("price of points that the partner takes in"))
    published_at = models.DateTimeField(_("published"))
    published_by = models.ForeignKey(
        Staff, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=pgettext_lazy("published", "by")
    )

    class Meta:
        verbose_name = _("agreement")
        verbose_name_plural = _("agreements")
        constraints = [
            models.UniqueConstraint(fields=["partner", "version"], name="agreement_version_once"),
            models.CheckConstraint(
                condition=Q(funds_per_thousand__gte=0) & Q(takes_per_thousand__gte=0), name="agreement_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(starts_on__day=1) & (Q(ends_on=None) | (Q(ends_on__day=1) & Q(ends_on__gt=F("starts_on")))),
                name="agreement_of_whole_months",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner_id} {self.version}"


class Statement(models.Model):
    """What a partner and the business owe each other for a closed month, for good. ``number`` counts up within a
    programme; ``document`` holds points, prices and amounts (see ``loyalty/settling.py``)."""

    programme = models.ForeignKey(
        Programme, models.PROTECT, related_name="+", verbose_name=_("programme"), db_index=False
    )
    partner = models.ForeignKey(Partner, models.PROTECT, related_name="statements", verbose_name=_("partner"))
    close = models.ForeignKey(Close, models.PROTECT, related_name="+", verbose_name=_("closed month"))
    agreement = models.ForeignKey(Agreement, models.PROTECT, related_name="+", verbose_name=_("agreement"))
    number = models.PositiveIntegerField(_("number"))
    month = models.DateField(_("month"))
    document = models.JSONField(_("document"))
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    issued_at = models.DateTimeField(_("issued"))
    issued_by = models.ForeignKey(
        Staff, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=pgettext_lazy("issued", "by")
    )

    class Meta:
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        constraints = [
            models.UniqueConstraint(fields=["partner", "month"], name="statement_once"),
            models.UniqueConstraint(fields=["programme", "number"], name="statement_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.number}"
