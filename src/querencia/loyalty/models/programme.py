"""A programme with its policy, and the versions of its rules and tiers."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.business.models import Staff, is_known_currency, is_known_time_zone
from querencia.loyalty import expiry


class Programme(models.Model):
    """What the business promises its members. A changed policy touches new points only."""

    class Unit(models.TextChoices):
        DAY = "day", _("Days")
        MONTH = "month", _("Months")
        YEAR = "year", _("Years")

    class Rounding(models.TextChoices):
        NONE = "", _("To the day")
        MONTH = "month", _("To the end of the month")
        QUARTER = "quarter", _("To the end of the quarter")
        HALF = "half", _("To the end of the half-year")
        YEAR = "year", _("To the end of the year")

    class Deficit(models.TextChoices):
        STOP = "stop", _("Take back no more than there is")
        OWE = "owe", _("Go below zero, up to the limit")

    name = models.CharField(_("name"), max_length=80, error_messages={"blank": _("The programme needs a name.")})
    currency = models.CharField(_("currency"), max_length=3, validators=[is_known_currency])
    time_zone = models.CharField(_("time zone"), max_length=64, validators=[is_known_time_zone])
    starts_at = models.DateTimeField(_("runs from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("runs until"), null=True, blank=True)
    pending_days = models.PositiveSmallIntegerField(_("days until points can be spent"), default=0)
    # 0: they never lapse.
    expiry_count = models.PositiveSmallIntegerField(_("points lapse after"), default=0)
    expiry_unit = models.CharField(_("unit"), max_length=5, choices=Unit, default=Unit.MONTH)
    expiry_rounding = models.CharField(_("rounded up"), max_length=7, choices=Rounding, blank=True)
    # 0: nobody is told.
    notice_days = models.PositiveSmallIntegerField(_("members are told so many days before points lapse"), default=0)
    # Whoever could not be told keeps their points for as many days again.
    notice_needed = models.BooleanField(_("no points lapse before their member was told"), default=False)
    restored_days_min = models.PositiveSmallIntegerField(_("days that restored points have at least"), default=0)
    deficit = models.CharField(_("when points to take back are spent"), max_length=4, choices=Deficit, default="stop")
    deficit_max = models.BigIntegerField(_("limit below zero"), default=0)
    # What a correction by hand may be without a second person.
    adjust_max = models.BigIntegerField(_("largest correction by one person"), default=0)
    hold_seconds = models.PositiveIntegerField(_("seconds that a hold lasts"), default=900)
    # What the business reckons a thousand points cost it, in minor units.
    cost_per_thousand = models.BigIntegerField(_("cost of a thousand points"), default=0)
    # How points are put into the books of the business (see ``loyalty/journal.py``).
    accounting = models.JSONField(_("accounting"), default=dict, blank=True)
    # The end of the newest month that is closed: no entry is recorded before it any more.
    closed_before = models.DateTimeField(_("closed before"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("programme")
        verbose_name_plural = _("programmes")
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="programme_named"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="programme_currency_iso"),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(starts_at__lt=F("ends_at")),
                name="programme_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=Q(expiry_unit__in=expiry.UNITS)
                & Q(expiry_rounding__in=expiry.ROUNDINGS)
                & Q(deficit__in=["stop", "owe"]),
                name="programme_policy_known",
            ),
            models.CheckConstraint(
                condition=Q(deficit_max__gte=0) & Q(adjust_max__gte=0) & Q(cost_per_thousand__gte=0),
                name="programme_limits_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(notice_needed=False) | Q(notice_days__gt=0),
                name="programme_tells_what_it_promises_to",
                violation_error_message=_("Say how many days before points expire members are told."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def expiry_policy(self) -> expiry.Policy:
        return expiry.Policy(self.expiry_count, self.expiry_unit, self.expiry_rounding)


class Version(models.Model):
    """A document that counts from a moment on, until the next one with the same name does."""

    version = models.PositiveIntegerField(_("version"))
    document = models.JSONField(_("document"))
    in_force_from = models.DateTimeField(_("in force from"))
    published_at = models.DateTimeField(_("published"))
    published_by = models.ForeignKey(
        Staff, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=pgettext_lazy("published", "by")
    )

    class Meta:
        abstract = True


class RuleVersion(Version):
    """One version of one rule of earning (see ``loyalty/earning/rules.py``). An empty document: it is no more."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="rules", verbose_name=_("programme"))
    key = models.SlugField(_("rule"), max_length=60)

    class Meta:
        verbose_name = _("version of a rule")
        verbose_name_plural = _("versions of rules")
        constraints = [
            models.UniqueConstraint(fields=["programme", "key", "version"], name="rule_version_once"),
            models.CheckConstraint(condition=~Q(key=""), name="rule_named"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.version}"


class TierScheme(Version):
    """One version of the tiers (see ``loyalty/tiers.py``)."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="tier_schemes", verbose_name=_("programme"))

    class Meta:
        verbose_name = _("version of the tiers")
        verbose_name_plural = _("versions of the tiers")
        constraints = [
            models.UniqueConstraint(fields=["programme", "version"], name="tier_scheme_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version}"


class Partner(models.Model):
    """Another business that pays for points, or takes them."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="partners", verbose_name=_("programme"))
    key = models.SlugField(_("partner"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("partner")
        verbose_name_plural = _("partners")
        constraints = [
            models.UniqueConstraint(fields=["programme", "key"], name="partner_once"),
            models.CheckConstraint(condition=~Q(key="") & ~Q(name=""), name="partner_named"),
        ]

    def __str__(self) -> str:
        return self.name


class BudgetUse(models.Model):
    """How many points a rule with a budget has given all members together, less what was taken back with goods."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="+", db_index=False)
    rule = models.SlugField(max_length=60, db_index=False)
    points = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["programme", "rule"], name="budget_use_once"),
            models.CheckConstraint(condition=Q(points__gte=0), name="budget_use_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.points}"
