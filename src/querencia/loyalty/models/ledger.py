"""The ledger of points. An entry is one row whose accounts add up to nothing; the database refuses any other."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from querencia.business.models import Staff
from querencia.customers.models import Purchase
from querencia.loyalty.models.members import Member
from querencia.loyalty.models.programme import Partner, Programme, RuleVersion

# What a member has, and against what it stands.
OF_MEMBER = ("pending", "active", "held", "deficit")
OF_PROGRAMME = ("issued", "redeemed", "expired", "clawed_back", "adjusted", "transferred", "partner_points")
ACCOUNTS = OF_MEMBER + OF_PROGRAMME
# What is written in the transaction that wrote or locked what it refers to, of rows that are never deleted: the
# database does not look for each of them anew, which took PostgreSQL longer than the rows. `querencia check` does.
HELD: dict[str, Any] = {"db_constraint": False}


def _account(name: str) -> "models.BigIntegerField[int, int]":
    return models.BigIntegerField(name, default=0)


class Hold(models.Model):
    """Points of one member set aside until they are captured or released, at the latest at ``expires_at``. A person
    with several members has one row for each that gave, under one key. State is told by entries; ``closed_at`` only
    says that there is one."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="+", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="holds", db_index=False)
    key = models.CharField(_("key"), max_length=200)
    amount = models.BigIntegerField(_("points"))
    made_at = models.DateTimeField(_("made"))
    expires_at = models.DateTimeField(_("lapses"))
    closed_at = models.DateTimeField(_("closed"), null=True)

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        indexes = [
            models.Index(fields=["member"], name="hold_open", condition=Q(closed_at=None)),
            models.Index(fields=["expires_at"], name="hold_lapses", condition=Q(closed_at=None)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key", "programme", "member"], name="hold_once"),
            models.CheckConstraint(condition=Q(amount__gt=0) & ~Q(key=""), name="hold_of_something"),
        ]

    def __str__(self) -> str:
        return self.key


class Entry(models.Model):
    """That points moved: once, for good. ``key`` is permanent and unique in its programme and member: whoever asks for
    the same again, years later, changes nothing."""

    class Kind(models.TextChoices):
        GRANT = "grant", _("Earned")
        ACTIVATE = "activate", _("Can be spent now")
        HOLD = "hold", _("Set aside")
        CAPTURE = "capture", _("Spent")
        RELEASE = "release", _("Given free")
        CLAW_BACK = "claw_back", _("Taken back")
        EXPIRE = "expire", _("Lapsed")
        RESTORE = "restore", _("Given back")
        TRANSFER = "transfer", _("Transferred")
        ADJUST = "adjust", _("Corrected")

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="entries", db_index=False, **HELD)
    member = models.ForeignKey(Member, models.PROTECT, related_name="entries", db_index=False, **HELD)
    kind = models.CharField(_("kind"), max_length=9, choices=Kind)
    key = models.CharField(_("key"), max_length=200)
    at = models.DateTimeField(_("when"))  # when it happened: of a purchase, when it was bought
    recorded_at = models.DateTimeField(_("recorded"))
    purchase = models.ForeignKey(Purchase, models.PROTECT, null=True, related_name="+", db_index=False)
    hold = models.ForeignKey(Hold, models.PROTECT, null=True, related_name="entries", db_index=False)
    corrects = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", db_index=False)
    partner = models.ForeignKey(Partner, models.PROTECT, null=True, related_name="+", db_index=False)
    staff = models.ForeignKey(Staff, models.PROTECT, null=True, related_name="+", db_index=False)
    # Why so many: rules with their versions, what passed over, the member's snapshot; what was asked and what was done.
    detail = models.JSONField(_("explanation"), default=dict)
    pending = _account("pending")
    active = _account("active")
    held = _account("held")
    deficit = _account("deficit")
    issued = _account("issued")
    redeemed = _account("redeemed")
    expired = _account("expired")
    clawed_back = _account("clawed back")
    adjusted = _account("adjusted")
    transferred = _account("transferred")
    partner_points = _account("partner")

    class Meta:
        verbose_name = _("entry of the ledger")
        verbose_name_plural = _("entries of the ledger")
        indexes = [
            models.Index(fields=["member", "-id"], name="entry_of_member"),
            # Without the programme, of which there are few: who looks for a key must not be led to walk all of one.
            models.Index(fields=["recorded_at"], name="entry_recorded"),
            models.Index(fields=["corrects"], name="entry_corrects", condition=Q(corrects__isnull=False)),
            models.Index(fields=["partner"], name="entry_of_partner", condition=Q(partner__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key", "programme", "member"], name="entry_once"),
            models.CheckConstraint(condition=~Q(key=""), name="entry_key_not_empty"),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        *("grant", "activate", "hold", "capture", "release"),
                        *("claw_back", "expire", "restore", "transfer", "adjust"),
                    ]
                ),
                name="entry_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    pending=-(
                        F("active")
                        + F("held")
                        + F("deficit")
                        + F("issued")
                        + F("redeemed")
                        + F("expired")
                        + F("clawed_back")
                        + F("adjusted")
                        + F("transferred")
                        + F("partner_points")
                    )
                ),
                name="entry_adds_up_to_nothing",
            ),
            models.CheckConstraint(
                condition=Q(partner_points=0) | Q(partner__isnull=False), name="entry_partner_is_named"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Lot(models.Model):
    """Points granted together: usable from ``available_at`` on and no more at ``expires_at``. Everything but the last
    four columns is for good; those are what is left of it, and how far the books have come."""

    member = models.ForeignKey(Member, models.PROTECT, related_name="lots", db_index=False, **HELD)
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="lots", **HELD)
    amount = models.BigIntegerField(_("points"))
    available_at = models.DateTimeField(_("can be spent from"))
    expires_at = models.DateTimeField(_("lapses"), null=True)
    rule = models.ForeignKey(RuleVersion, models.PROTECT, null=True, related_name="+", db_index=False, **HELD)
    # The lot that these points were in before: transferred, or given back with more time, or put off.
    origin = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", db_index=False)
    partner = models.ForeignKey(Partner, models.PROTECT, null=True, related_name="+", db_index=False)
    cost_per_thousand = models.BigIntegerField(_("cost of a thousand points"), default=0)
    lines = models.JSONField(_("points by line"), default=dict)
    remaining = models.BigIntegerField(_("remaining"))
    is_active = models.BooleanField(default=True)  # booked as active; False: still in the pending account
    turns = models.PositiveIntegerField(default=0)  # how often points came back: an entry of lapsing is of one turn

    class Meta:
        verbose_name = _("lot of points")
        verbose_name_plural = _("lots of points")
        indexes = [
            # With what remains: what a member has is added up from the index alone.
            models.Index(
                fields=["member", "expires_at", "available_at", "remaining"],
                name="lot_open",
                condition=Q(remaining__gt=0),
            ),
            models.Index(fields=["expires_at"], name="lot_lapses", condition=Q(remaining__gt=0)),
            models.Index(fields=["available_at"], name="lot_waits", condition=Q(is_active=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0) & Q(remaining__gte=0) & Q(remaining__lte=F("amount")),
                name="lot_never_overdrawn",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining}/{self.amount}"


class Allocation(models.Model):
    """What an entry took from a lot or gave back to it. ``amount`` changes what remains, ``held`` what is set aside,
    ``redeemed`` what was spent: their sums by lot are its whole story."""

    entry = models.ForeignKey(Entry, models.PROTECT, related_name="allocations", db_index=False, **HELD)
    lot = models.ForeignKey(Lot, models.PROTECT, related_name="allocations", **HELD)
    hold = models.ForeignKey(Hold, models.PROTECT, null=True, related_name="allocations", db_index=False)
    amount = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    redeemed = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["hold"], name="allocation_of_hold", condition=Q(hold__isnull=False))]
        constraints = [
            models.UniqueConstraint(fields=["entry", "lot"], name="allocation_once"),
            models.CheckConstraint(
                condition=~Q(amount=0) | ~Q(held=0) | ~Q(redeemed=0), name="allocation_of_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lot_id} {self.amount:+}"
