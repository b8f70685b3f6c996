"""What members get for their points: rewards with the versions of their terms, codes, and who had what."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from querencia.business.models import Staff
from querencia.loyalty.models.members import Member
from querencia.loyalty.models.programme import Programme, Version

# How the keys begin under which points of redemptions are set aside. Nobody else may touch those.
OWN_HOLDS = "redemption:"


class Reward(models.Model):
    """A thing that can be had. What it is and costs is told by its versions; here is how much of it is left."""

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="rewards", verbose_name=_("programme"))
    key = models.SlugField(_("reward"), max_length=60)
    stock = models.BigIntegerField(_("left in stock"), null=True, blank=True)  # None: as many as are wanted
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("reward")
        verbose_name_plural = _("rewards")
        constraints = [
            models.UniqueConstraint(fields=["programme", "key"], name="reward_once"),
            models.CheckConstraint(condition=~Q(key=""), name="reward_has_key"),
            models.CheckConstraint(condition=Q(stock=None) | Q(stock__gte=0), name="reward_never_oversold"),
        ]

    def __str__(self) -> str:
        return self.key


class RewardVersion(Version):
    """One version of a reward's terms (see ``loyalty/rewards.py``). An empty document: it is not offered any more."""

    reward = models.ForeignKey(Reward, models.PROTECT, related_name="versions", verbose_name=_("reward"))

    class Meta:
        verbose_name = _("version of a reward")
        verbose_name_plural = _("versions of rewards")
        constraints = [models.UniqueConstraint(fields=["reward", "version"], name="reward_version_once")]

    def __str__(self) -> str:
        return f"{self.reward_id} {self.version}"


class Voucher(models.Model):
    """A code: made for one member, brought in by a file and waiting (``issued_at`` None), or one that many share.
    Whether it can be used is decided when it is looked at: not voided, not lapsed, not used up. One of a value keeps
    what an order leaves of it."""

    class Origin(models.TextChoices):
        OWN = "own", _("Made here")
        IMPORTED = "imported", _("Brought in")
        SHARED = "shared", _("Shared")

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="vouchers", db_index=False)
    reward = models.ForeignKey(Reward, models.PROTECT, related_name="vouchers", db_index=False)
    version = models.ForeignKey(RewardVersion, models.PROTECT, null=True, related_name="+", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, null=True, related_name="vouchers", db_index=False)
    origin = models.CharField(_("origin"), max_length=8, choices=Origin)
    code = models.CharField(_("code"), max_length=80)  # as it is compared
    written = models.CharField(_("code"), max_length=80)  # as it is read
    created_at = models.DateTimeField(_("created"))
    issued_at = models.DateTimeField(_("issued"), null=True)
    expires_at = models.DateTimeField(_("lapses"), null=True)
    voided_at = models.DateTimeField(_("voided"), null=True)
    uses = models.BigIntegerField(_("uses"), default=0)
    uses_max = models.BigIntegerField(_("uses at most"), null=True, default=1)  # None: as many as are wanted
    left = models.BigIntegerField(_("what is left of its value"), null=True)  # None: it has no rest to keep

    class Meta:
        verbose_name = _("voucher")
        verbose_name_plural = _("vouchers")
        indexes = [
            models.Index(fields=["member", "-id"], name="voucher_of_member", condition=Q(member__isnull=False)),
            models.Index(fields=["reward", "id"], name="voucher_waiting", condition=Q(issued_at=None)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["code", "programme"], name="voucher_code_once"),
            models.CheckConstraint(condition=~Q(code=""), name="voucher_has_code"),
            models.CheckConstraint(condition=Q(origin__in=["own", "imported", "shared"]), name="voucher_origin_known"),
            models.CheckConstraint(
                condition=Q(uses__gte=0) & (Q(uses_max=None) | Q(uses__lte=F("uses_max"))),
                name="voucher_never_overused",
            ),
            models.CheckConstraint(condition=Q(left=None) | Q(left__gte=0), name="voucher_never_overdrawn"),
        ]

    def __str__(self) -> str:
        return self.written


class Redemption(models.Model):
    """That a member asked for a reward, or was given one (``points`` 0, and ``why``). While it is ``waiting`` its
    points are set aside, until ``expires_at`` at the latest: who is late is told so when it is read."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("redemption", "Waiting")
        DONE = "done", pgettext_lazy("redemption", "Done")
        CANCELLED = "cancelled", pgettext_lazy("redemption", "Cancelled")
        LAPSED = "lapsed", pgettext_lazy("redemption", "Lapsed")
        RETURNED = "returned", pgettext_lazy("redemption", "Given back")

    programme = models.ForeignKey(Programme, models.PROTECT, related_name="redemptions", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="redemptions", db_index=False)
    reward = models.ForeignKey(Reward, models.PROTECT, related_name="redemptions")
    version = models.ForeignKey(RewardVersion, models.PROTECT, related_name="+", db_index=False)
    voucher = models.ForeignKey(Voucher, models.PROTECT, null=True, related_name="redemptions")
    key = models.CharField(_("key"), max_length=200)
    points = models.BigIntegerField(_("points"))
    why = models.CharField(_("why"), max_length=40, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=State)
    took_stock = models.BooleanField(default=False)
    made_at = models.DateTimeField(_("made"))
    expires_at = models.DateTimeField(_("lapses"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    made_by = models.ForeignKey(Staff, models.PROTECT, null=True, related_name="+", verbose_name=_("made by"))
    closed_by = models.ForeignKey(Staff, models.PROTECT, null=True, related_name="+", verbose_name=_("closed by"))

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        indexes = [
            models.Index(fields=["member", "-id"], name="redemption_of_member"),
            models.Index(fields=["expires_at"], name="redemption_waits", condition=Q(state="waiting")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key", "programme"], name="redemption_once"),
            models.CheckConstraint(condition=~Q(key="") & Q(points__gte=0), name="redemption_named"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "done", "cancelled", "lapsed", "returned"]),
                name="redemption_state_known",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def hold_key(self) -> str:
        """Under which its points are set aside."""
        return f"{OWN_HOLDS}{self.pk}"


class VoucherUse(models.Model):
    """That a voucher was used for an order: once for each, until it is given back."""

    voucher = models.ForeignKey(Voucher, models.PROTECT, related_name="used")
    order_key = models.CharField(_("order"), max_length=200)
    source = models.CharField(_("source"), max_length=40)
    order_amount = models.BigIntegerField(_("amount of the order"))
    discount = models.BigIntegerField(_("discount"))
    points = models.BigIntegerField(_("points"), default=0)
    points_back = models.BigIntegerField(_("points given back"), default=0)
    at = models.DateTimeField(_("when"))
    restored_at = models.DateTimeField(_("given back"), null=True)

    class Meta:
        verbose_name = _("use of a voucher")
        verbose_name_plural = _("uses of vouchers")
        constraints = [
            models.UniqueConstraint(fields=["order_key", "source", "voucher"], name="voucher_use_once"),
            models.CheckConstraint(
                condition=Q(discount__gte=0)
                & Q(discount__lte=F("order_amount"))
                & Q(points_back__gte=0)
                & Q(points_back__lte=F("points")),
                name="voucher_never_pays_more_than_the_order",
            ),
        ]

    def __str__(self) -> str:
        return self.order_key
