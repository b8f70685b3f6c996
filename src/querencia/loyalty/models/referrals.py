"""Members who bring friends: the terms, the link of each member, and what became of each friend."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.business.models import Staff
from querencia.customers.models import Purchase
from querencia.loyalty.models.members import Member
from querencia.loyalty.models.programme import Programme, Version

STATES = ["claimed", "qualified", "rewarded", "rejected", "reversed"]
BOUGHT = ["qualified", "rewarded", "reversed"]


class ReferralTerms(Version):
    """One version of what bringing a friend is worth (see ``loyalty/referring.py``). An empty document: nothing."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="referral_terms", verbose_name=_("programme"))

    class Meta:
        verbose_name = _("version of the referral terms")
        verbose_name_plural = _("versions of the referral terms")
        constraints = [
            models.UniqueConstraint(fields=["programme", "version"], name="referral_terms_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version}"


class ReferralCode(models.Model):
    """What a member shares: a word that nobody can guess, and that says nothing of them."""

    member = models.OneToOneField(Member, models.PROTECT, related_name="referral_code", verbose_name=_("member"))
    code = models.CharField(_("code"), max_length=40, unique=True)
    made_at = models.DateTimeField(_("made"))

    class Meta:
        verbose_name = _("referral code")
        verbose_name_plural = _("referral codes")
        constraints = [models.CheckConstraint(condition=~Q(code=""), name="referral_code_not_empty")]

    def __str__(self) -> str:
        return self.code


class Referral(models.Model):
    """That a member (the advocate) brought another (the friend), and how far it has come. A friend has one advocate,
    for good."""

    class State(models.TextChoices):
        CLAIMED = "claimed", pgettext_lazy("referral", "Joined, has not bought yet")
        QUALIFIED = "qualified", pgettext_lazy("referral", "Bought; the return window is open")
        REWARDED = "rewarded", pgettext_lazy("referral", "Rewarded")
        REJECTED = "rejected", pgettext_lazy("referral", "Rejected")
        REVERSED = "reversed", pgettext_lazy("referral", "Taken back after a refund")

    class Review(models.TextChoices):
        NONE = "", pgettext_lazy("review", "Nothing speaks against it")
        WAITING = "waiting", pgettext_lazy("review", "Waits for somebody to look")
        APPROVED = "approved", pgettext_lazy("review", "Looked at, and fine")
        REFUSED = "refused", pgettext_lazy("review", "Looked at, and refused")

    class Via(models.TextChoices):
        PORTAL = "portal", _("by the link")
        TILL = "till", _("with somebody of the staff")
        API = "api", _("by another system")

    advocate = models.ForeignKey(Member, models.PROTECT, related_name="friends_brought", verbose_name=_("advocate"))
    friend = models.OneToOneField(Member, models.PROTECT, related_name="brought_by", verbose_name=_("friend"))
    terms = models.ForeignKey(ReferralTerms, models.PROTECT, related_name="+", verbose_name=_("terms"))
    via = models.CharField(_("how"), max_length=6, choices=Via)
    # Whether the friend lets the advocate read their first name.
    shows_name = models.BooleanField(_("the advocate may read the first name"), default=False)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.CLAIMED)
    claimed_at = models.DateTimeField(_("claimed"))
    # The first purchase that is worth it, and when its return window ends.
    purchase = models.ForeignKey(Purchase, models.PROTECT, null=True, related_name="+", db_index=False)
    due_at = models.DateTimeField(_("return window ends"), null=True)
    settled_at = models.DateTimeField(_("decided"), null=True)
    # Why it was rejected, in a word of ours; what the reviewer wrote is the remark.
    why = models.CharField(_("why"), max_length=20, blank=True)
    advocate_points = models.BigIntegerField(_("points for the advocate"), default=0)
    friend_points = models.BigIntegerField(_("points for the friend"), default=0)
    # What speaks against it, in words of ours and no values of anybody.
    signals = models.JSONField(_("what speaks against it"), default=list)
    review = models.CharField(_("review"), max_length=8, choices=Review, blank=True)
    reviewed_by = models.ForeignKey(Staff, models.PROTECT, null=True, related_name="+", verbose_name=_("looked at by"))
    reviewed_at = models.DateTimeField(_("looked at"), null=True)
    remark = models.CharField(_("remark"), max_length=400, blank=True)

    class Meta:
        verbose_name = _("referral")
        verbose_name_plural = _("referrals")
        indexes = [
            models.Index(fields=["id"], name="referral_open", condition=Q(state__in=["claimed", "qualified"])),
            models.Index(fields=["id"], name="referral_waiting", condition=Q(review="waiting")),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(advocate=F("friend")), name="referral_of_two"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="referral_state_known"),
            models.CheckConstraint(
                condition=Q(review__in=["", "waiting", "approved", "refused"]), name="referral_review_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=BOUGHT) | Q(purchase__isnull=False, due_at__isnull=False),
                name="referral_by_a_purchase",
            ),
            # Points are given in one state only, and never while somebody is to look.
            models.CheckConstraint(
                condition=Q(state__in=["rewarded", "reversed"]) | Q(advocate_points=0, friend_points=0),
                name="referral_points_of_rewarded",
            ),
            models.CheckConstraint(
                condition=~Q(state="rewarded") | (Q(review__in=["", "approved"]) & Q(settled_at__isnull=False)),
                name="referral_rewarded_after_review",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.advocate_id} → {self.friend_id}: {self.state}"
