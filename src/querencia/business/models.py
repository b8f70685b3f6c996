"""The one business of this installation, and the accounts of those who work in it."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from querencia.common import money
from querencia.common.time import known_time_zones

LANGUAGES = [("en", "English"), ("es", "Español"), ("pt", "Português")]


def is_known_currency(code: str) -> None:
    if not money.is_currency(code):
        said = gettext("%(code)s is not an ISO 4217 currency; write three letters, such as EUR.")
        raise ValidationError(said % {"code": code})


def is_known_time_zone(zone: str) -> None:
    if zone not in known_time_zones():
        said = gettext("%(zone)s is not an IANA time zone; write, for example, Europe/Madrid.")
        raise ValidationError(said % {"zone": zone})


class Role(models.TextChoices):
    """What a member of staff may do; ``web/access.py`` says what each role reaches."""

    OWNER = "owner", _("Owner")
    MANAGER = "manager", _("Manager")
    AGENT = "agent", _("Front line")
    ANALYST = "analyst", _("Analyst")


class Business(models.Model):
    """One row: the business itself."""

    class Notice(models.TextChoices):
        NONE = "", ""
        DEMO = "demo", _("Sample data")
        SIMULATED = "simulated", _("Simulated data")

    name = models.CharField(_("name"), max_length=120, error_messages={"blank": _("The business needs a name.")})
    currency = models.CharField(
        _("currency"), max_length=3, validators=[is_known_currency], help_text=_("ISO 4217 code, for example EUR")
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[is_known_time_zone])
    language = models.CharField(_("language"), max_length=5, default="en", choices=LANGUAGES)
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("ISO 3166 code, for example ES"))
    # Said on every page: nobody may take sample or simulated figures for their own.
    notice = models.CharField(max_length=12, choices=Notice, default=Notice.NONE, blank=True, editable=False)

    class Meta:
        verbose_name = _("business")
        verbose_name_plural = _("business")
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="business_is_one"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="business_currency_iso"),
            models.CheckConstraint(
                condition=Q(country="") | Q(country__regex=r"^[A-Z]{2}$"), name="business_country_iso"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StaffManager(BaseUserManager["Staff"]):
    """What Django's own commands need to make accounts by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "Staff":
        staff = self.model(email=self.normalize_email(email).lower(), **fields)
        staff.set_password(password)
        staff.save(using=self._db)
        return staff

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "Staff":
        return self.create_user(email, password, role=Role.OWNER, **fields)

    def get_by_natural_key(self, username: str | None) -> "Staff":
        return self.get(email__iexact=username)


class Staff(AbstractBaseUser, PermissionsMixin):
    """Someone who works here and logs in."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    role = models.CharField(_("role"), max_length=8, choices=Role, default=Role.AGENT)
    language = models.CharField(
        _("language"),
        max_length=5,
        blank=True,
        choices=LANGUAGES,
        help_text=_("Empty: the language of the business"),
    )
    is_active = models.BooleanField(_("may log in"), default=True)
    date_joined = models.DateTimeField(_("since"), auto_now_add=True)

    objects = StaffManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = _("member of staff")
        verbose_name_plural = _("staff")
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="staff_role_known"),
            # Ana@example.org and ana@example.org are one mailbox.
            models.UniqueConstraint(Lower("email"), name="staff_email_once"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Django's word for *may enter the back office*."""
        return self.role in (Role.OWNER, Role.MANAGER)

    @property
    def is_superuser(self) -> bool:  # type: ignore[override]
        """Django's word for *may do everything*: no column, so that it cannot say otherwise than the role."""
        return self.role == Role.OWNER


class ApiKey(models.Model):
    """What a machine shows at our door. Only its hash is kept: the key itself is shown once, when it is made."""

    class Kind(models.TextChoices):
        WRITE = "write", _("Write key: only sends events, may stand in a web page")
        API = "api", _("Secret key: for servers of your own")

    kind = models.CharField(_("kind"), max_length=5, choices=Kind, default=Kind.WRITE)
    name = models.CharField(_("name"), max_length=80, error_messages={"blank": _("The key needs a name.")})
    digest = models.CharField(max_length=64, unique=True, editable=False)  # SHA-256 in hexadecimal
    # By its last letters people tell which of their keys it is.
    ending = models.CharField(_("ends in"), max_length=4, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created"))
    created_by = models.ForeignKey(
        Staff, models.SET_NULL, verbose_name=_("created by"), null=True, blank=True, related_name="+"
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)  # to the minute
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("key for machines")
        verbose_name_plural = _("keys for machines")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["write", "api"]), name="api_key_kind_known"),
            models.CheckConstraint(condition=~Q(name="") & ~Q(digest=""), name="api_key_named"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.ending})"


class KeptAnswer(models.Model):
    """What a key was answered to a request that it gave a name of its own (``Idempotency-Key``), so that who asks again
    is answered the same and nothing is done twice. Without ``status`` the request is still being worked at."""

    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of method, address and body
    claimed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")

    class Meta:
        indexes = [models.Index(fields=["claimed_at"], name="kept_answer_claimed")]
        constraints = [models.UniqueConstraint(fields=["api_key", "name"], name="kept_answer_once")]

    def __str__(self) -> str:
        return f"{self.api_key_id} {self.status}"
