"""Members, where they stand, what rules have given them, and corrections that wait for a second person."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.business.models import Staff
from querencia.customers.models import Customer
from querencia.loyalty.models.programme import Programme, TierScheme


class Member(models.Model):
    """A customer in a programme. This row is the lock: whoever moves points takes it first.

    Two members whose customers are one person spend from one purse; each keeps its own lots and entries, so that
    parting them gives back to each what was theirs and is left. The four sums are a cache of the entries.
    """

    programme = models.ForeignKey(
        Programme, models.PROTECT, related_name="members", verbose_name=_("programme"), db_index=False
    )
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="memberships", verbose_name=_("customer"))
    card_number = models.CharField(_("card number"), max_length=40)
    joined_at = models.DateTimeField(_("joined"))
    left_at = models.DateTimeField(pgettext_lazy("member", "left"), null=True, blank=True)
    pending = models.BigIntegerField(_("pending"), default=0, editable=False)
    active = models.BigIntegerField(_("active"), default=0, editable=False)
    held = models.BigIntegerField(pgettext_lazy("points", "held"), default=0, editable=False)
    deficit = models.BigIntegerField(_("deficit"), default=0, editable=False)  # zero or below

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.UniqueConstraint(fields=["programme", "customer"], name="member_once"),
            models.UniqueConstraint(fields=["card_number", "programme"], name="member_card_once"),
            models.CheckConstraint(condition=~Q(card_number=""), name="member_has_card"),
            models.CheckConstraint(
                condition=Q(pending__gte=0) & Q(active__gte=0) & Q(held__gte=0) & Q(deficit__lte=0),
                name="member_never_overdrawn",
            ),
        ]

    def __str__(self) -> str:
        return self.card_number


class Standing(models.Model):
    """That a member came to stand in a tier, or that the tier was prolonged. Append-only: the latest row counts."""

    class Reason(models.TextChoices):
        REACHED = "reached", _("Reached it")
        KEPT = "kept", _("Kept it")
        FELL = "fell", _("Fell short")
        SET = "set", _("By hand")

    member = models.ForeignKey(Member, models.PROTECT, related_name="standings", db_index=False)
    scheme = models.ForeignKey(TierScheme, models.PROTECT, related_name="+", db_index=False)
    tier = models.CharField(_("tier"), max_length=40, blank=True)
    since = models.DateField(_("since"))
    until = models.DateField(_("until"), null=True)
    reason = models.CharField(_("reason"), max_length=7, choices=Reason)
    metric = models.BigIntegerField(_("what counted"))
    at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("standing")
        verbose_name_plural = _("standings")
        indexes = [models.Index(fields=["member", "-id"], name="standing_latest")]

    def __str__(self) -> str:
        return f"{self.member_id} {self.tier}"


class CapUse(models.Model):
    """How many points a rule with a limit has given a member in a period."""

    member = models.ForeignKey(Member, models.PROTECT, related_name="+", db_index=False)
    rule = models.SlugField(max_length=60, db_index=False)
    per = models.CharField(max_length=8)
    starts_on = models.DateField()
    points = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "rule", "per", "starts_on"], name="cap_use_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.points}"


class Adjustment(models.Model):
    """A correction by hand. Beyond the programme's limit it waits for a second person."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("adjustment", "Waits for a second person")
        DONE = "done", pgettext_lazy("adjustment", "Done")
        REFUSED = "refused", pgettext_lazy("adjustment", "Refused")

    member = models.ForeignKey(Member, models.PROTECT, related_name="adjustments", verbose_name=_("member"))
    key = models.CharField(_("key"), max_length=200)
    points = models.BigIntegerField(_("points"))
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.WAITING)
    asked_by = models.ForeignKey(Staff, models.PROTECT, null=True, related_name="+", verbose_name=_("asked by"))
    asked_at = models.DateTimeField(_("asked"))
    decided_by = models.ForeignKey(Staff, models.PROTECT, null=True, related_name="+", verbose_name=_("decided by"))
    decided_at = models.DateTimeField(_("decided"), null=True)

    class Meta:
        verbose_name = _("correction by hand")
        verbose_name_plural = _("corrections by hand")
        indexes = [models.Index(fields=["id"], name="adjustment_waiting", condition=Q(state="waiting"))]
        constraints = [
            models.UniqueConstraint(fields=["member", "key"], name="adjustment_once"),
            models.CheckConstraint(condition=~Q(points=0) & ~Q(key=""), name="adjustment_of_something"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "done", "refused"]), name="adjustment_state_known"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("asked_by")), name="adjustment_by_two"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points:+}"
