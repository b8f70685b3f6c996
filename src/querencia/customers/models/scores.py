"""The latest score of each person, under the customer who stands for them. Written by `measures`, here so that every
room may read it."""

from datetime import date

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.customers.models.people import Customer


class Class(models.TextChoices):
    A = "A", "A"
    B = "B", "B"
    C = "C", "C"


class Stage(models.TextChoices):
    """Where a customer stands, judged by their own rhythm of buying."""

    NEW = "new", _("New")
    ACTIVE = "active", _("Active")
    LATE = "late", _("Late")
    LEFT = "left", _("Left")
    RETURNED = "returned", _("Returned")


class Risk(models.TextChoices):
    """Chance of not buying within the horizon: low below a third, high above two thirds."""

    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")
    UNKNOWN = "unknown", _("Unknown")


class Segment(models.TextChoices):
    """Named groups of recency, frequency and money (after Hughes)."""

    CHAMPIONS = "champions", _("Champions")
    LOYAL = "loyal", _("Loyal")
    POTENTIAL_LOYAL = "potential_loyal", _("Could become loyal")
    NEW = "new", pgettext_lazy("segment", "New")
    PROMISING = "promising", _("Promising")
    NEEDS_ATTENTION = "needs_attention", _("Need attention")
    ABOUT_TO_SLEEP = "about_to_sleep", _("Falling asleep")
    AT_RISK = "at_risk", _("At risk")
    CANNOT_LOSE = "cannot_lose", _("Must not be lost")
    HIBERNATING = "hibernating", _("Asleep")
    LOST = "lost", _("Lost")


# The orders of the list whose bounds a cell knows.
BOUNDED = ("at_stake", "amount_year", "amount", "last_on", "purchases")
# The widest bounds, which say nothing.
LEAST, MOST = -(2**63), 2**63 - 1


class ScoreCell(models.Model):
    """Customers who share every filter of the list, counted: the counts beside filters are sums over a few thousand
    cells, and a list knows how many it will find before it looks."""

    abc = models.CharField(max_length=1, choices=Class, blank=True)
    segment = models.CharField(max_length=20, choices=Segment, blank=True)
    stage = models.CharField(max_length=10, choices=Stage, blank=True)
    risk = models.CharField(max_length=8, choices=Risk)
    branch = models.CharField(max_length=80, blank=True)
    channel = models.CharField(max_length=40, blank=True)
    customers = models.PositiveIntegerField()
    amount_year = models.BigIntegerField()
    at_stake = models.BigIntegerField()
    # Between which its customers lie in each order of the list, so that a walk begins where the first of them may be.
    at_stake_min = models.BigIntegerField(default=LEAST)
    at_stake_max = models.BigIntegerField(default=MOST)
    amount_year_min = models.BigIntegerField(default=LEAST)
    amount_year_max = models.BigIntegerField(default=MOST)
    amount_min = models.BigIntegerField(default=LEAST)
    amount_max = models.BigIntegerField(default=MOST)
    last_on_min = models.DateField(default=date.min)
    last_on_max = models.DateField(default=date.max)
    purchases_min = models.BigIntegerField(default=LEAST)
    purchases_max = models.BigIntegerField(default=MOST)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["abc", "segment", "stage", "risk", "branch", "channel"], name="score_cell_once"
            )
        ]

    def __str__(self) -> str:
        return " ".join([self.abc, self.segment, self.stage, self.risk, self.branch, self.channel])


class Score(models.Model):
    """What insight says of one customer, as of a day. Money in minor units of the business's currency."""

    customer = models.OneToOneField(Customer, models.CASCADE, primary_key=True, related_name="score")
    cell = models.ForeignKey(ScoreCell, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    as_of = models.DateField()
    first_on = models.DateField()
    last_on = models.DateField()
    purchases = models.PositiveIntegerField()
    amount = models.BigIntegerField()
    amount_year = models.BigIntegerField()  # the 365 days up to as_of
    value_year = models.BigIntegerField()  # the 365 days up to the last purchase: what leaving costs
    recency_score = models.PositiveSmallIntegerField(null=True)
    frequency_score = models.PositiveSmallIntegerField(null=True)
    monetary_score = models.PositiveSmallIntegerField(null=True)
    rhythm_days = models.FloatField(null=True)
    rhythm_low = models.FloatField(null=True)
    rhythm_high = models.FloatField(null=True)
    silent_days = models.PositiveIntegerField()
    limit_days = models.FloatField(null=True)
    left_on = models.DateField(null=True)
    horizon_days = models.PositiveIntegerField()
    expected_purchases = models.FloatField(null=True)
    expected_purchases_low = models.FloatField(null=True)
    expected_purchases_high = models.FloatField(null=True)
    chance_of_purchase = models.FloatField(null=True)
    chance_low = models.FloatField(null=True)
    chance_high = models.FloatField(null=True)
    expected_spend = models.BigIntegerField(null=True)
    expected_spend_low = models.BigIntegerField(null=True)
    expected_spend_high = models.BigIntegerField(null=True)
    # What this customer's silence puts at risk: yearly value by the chance of not buying again within a year.
    at_stake = models.BigIntegerField(default=0)
    at_stake_low = models.BigIntegerField(default=0)
    at_stake_high = models.BigIntegerField(default=0)
    model = models.CharField(max_length=40, blank=True)
    # Since when the person has other records than those that these figures tell of; the next run makes them anew.
    regrouped_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        # A list is read either along one of the sort orders or, when few match, by its cells. The orders' indexes hold
        # the cell too, so that who is left out costs no look at the table.
        indexes = [
            models.Index(fields=["cell"], name="score_cell"),
            models.Index(fields=["-at_stake", "customer", "cell"], name="score_by_stake"),
            models.Index(fields=["-amount_year", "customer", "cell"], name="score_by_year"),
            models.Index(fields=["-amount", "customer", "cell"], name="score_by_amount"),
            models.Index(fields=["-last_on", "customer", "cell"], name="score_by_last"),
            models.Index(fields=["-purchases", "customer", "cell"], name="score_by_purchases"),
            models.Index(fields=["first_on"], name="score_by_first"),
            models.Index(fields=["left_on"], name="score_by_left", condition=models.Q(left_on__isnull=False)),
            models.Index(
                fields=["regrouped_at"], name="score_regrouped", condition=models.Q(regrouped_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.as_of}"
