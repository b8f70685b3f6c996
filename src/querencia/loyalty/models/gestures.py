"""What the business gives without a purchase: the terms, what was given to whom, and up to which day."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.loyalty.models.members import Member
from querencia.loyalty.models.programme import Programme, Version
from querencia.loyalty.models.rewards import Redemption

KINDS = ["birthday", "anniversary", "appreciation", "welcome"]


class GestureKind(models.TextChoices):
    BIRTHDAY = "birthday", _("For the birthday")
    ANNIVERSARY = "anniversary", _("For the anniversary of joining")
    APPRECIATION = "appreciation", _("On customer-appreciation day")
    WELCOME = "welcome", _("To welcome new members")


class GestureTerms(Version):
    """One version of one gesture (see ``loyalty/gestures.py``). An empty document: it is made no more."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="gesture_terms", verbose_name=_("programme"))
    kind = models.CharField(_("gesture"), max_length=12, choices=GestureKind)

    class Meta:
        verbose_name = _("version of a gesture")
        verbose_name_plural = _("versions of gestures")
        constraints = [
            models.UniqueConstraint(fields=["programme", "kind", "version"], name="gesture_version_once"),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="gesture_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.version}"


class Gesture(models.Model):
    """That a member was given something: once for each kind and year (0: once for good)."""

    member = models.ForeignKey(Member, models.PROTECT, related_name="gestures", verbose_name=_("member"))
    terms = models.ForeignKey(GestureTerms, models.PROTECT, related_name="+", verbose_name=_("terms"))
    kind = models.CharField(_("gesture"), max_length=12, choices=GestureKind)
    year = models.PositiveSmallIntegerField(_("year"))
    on = models.DateField(_("day"))
    made_at = models.DateTimeField(_("made"))
    points = models.BigIntegerField(_("points"))
    redemption = models.ForeignKey(
        Redemption, models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("reward")
    )

    class Meta:
        verbose_name = pgettext_lazy("made", "gesture")
        verbose_name_plural = pgettext_lazy("made", "gestures")
        indexes = [models.Index(fields=["kind", "made_at"], name="gesture_made")]
        constraints = [
            models.UniqueConstraint(fields=["member", "kind", "year"], name="gesture_once"),
            models.CheckConstraint(
                condition=Q(points__gt=0, redemption=None) | Q(points=0, redemption__isnull=False),
                name="gesture_of_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.year}"


class GestureDay(models.Model):
    """A day whose gestures were all made."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="+", db_index=False)
    on = models.DateField(_("day"))
    at = models.DateTimeField(_("when"))
    made = models.PositiveIntegerField(_("how many"), default=0)

    class Meta:
        verbose_name = _("day of gestures")
        verbose_name_plural = _("days of gestures")
        constraints = [models.UniqueConstraint(fields=["programme", "on"], name="gesture_day_once")]

    def __str__(self) -> str:
        return f"{self.on}: {self.made}"
