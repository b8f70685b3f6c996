"""Customers, their identifiers, their addresses and what they consented to."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

CONTACT_KINDS = ["email", "phone", "whatsapp", "post", "push"]


class Customer(models.Model):
    """A person (or a firm) that buys. Personal data lives here and on contact points, nowhere else."""

    key = models.CharField(_("customer key"), max_length=200, unique=True, help_text=_("The business's own id"))
    given_name = models.CharField(_("given name"), max_length=120, blank=True)
    family_name = models.CharField(_("family name"), max_length=160, blank=True)
    language = models.CharField(_("language"), max_length=5, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    city = models.CharField(_("city"), max_length=120, blank=True)
    birthday = models.DateField(_("birthday"), null=True, blank=True)
    branch = models.CharField(_("branch"), max_length=80, blank=True)
    value_answers = models.JSONField(_("what they value"), default=dict, blank=True)
    created_from = models.CharField(_("created from"), max_length=40, blank=True)
    created_at = models.DateTimeField(_("created"))
    # Whoever stands for the person that this customer and others are (see `Merge`); nobody while it is one alone.
    person = models.ForeignKey("self", models.SET_NULL, null=True, editable=False, related_name="nodes", db_index=False)
    # Somebody who is to be forgotten, and since when nothing names them any more: what is left is a row that facts
    # belong to (see docs/decisions/0016-whoever-is-erased-leaves-facts-without-a-name.md).
    erasure = models.ForeignKey(
        "Erasure", models.PROTECT, null=True, editable=False, related_name="customers", db_index=False
    )
    erased_at = models.DateTimeField(_("erased"), null=True, editable=False)
    # The people of the demo: real purchases, invented names.
    is_invented = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        indexes = [
            models.Index(fields=["family_name", "given_name", "id"], name="customer_by_name"),
            models.Index(fields=["person"], name="customer_of_person", condition=Q(person__isnull=False)),
            models.Index(fields=["erasure", "id"], name="customer_of_erasure", condition=Q(erasure__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(key=""), name="customer_key_not_empty"),
            models.CheckConstraint(
                condition=Q(country="") | Q(country__regex=r"^[A-Z]{2}$"), name="customer_country_iso"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_named(self) -> bool:
        return bool(self.given_name or self.family_name)

    @property
    def name(self) -> str:
        if self.erased_at:
            return gettext("Erased person")
        return f"{self.given_name} {self.family_name}".strip() or self.key


class Identifier(models.Model):
    """Something that points at one customer: an e-mail address, a phone, a card, another system's id."""

    class Kind(models.TextChoices):
        CUSTOMER_KEY = "customer_key", _("Customer key")
        EMAIL = "email", _("E-mail")
        PHONE = "phone", _("Phone")
        CARD = "card", _("Card")
        DEVICE = "device", _("Device")
        ORDER = "order", _("Order")
        EXTERNAL = "external", _("Other system")

    kind = models.CharField(_("kind"), max_length=40, choices=Kind)
    value = models.CharField(_("value"), max_length=254)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="identifiers", verbose_name=_("customer"))

    class Meta:
        verbose_name = _("identifier")
        verbose_name_plural = _("identifiers")
        constraints = [
            # Value first: searching by anything does not know the kind.
            models.UniqueConstraint(fields=["value", "kind"], name="identifier_points_at_one"),
            models.CheckConstraint(condition=~Q(value="") & ~Q(kind=""), name="identifier_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.value}"


class ContactPoint(models.Model):
    """An address at which a customer can be reached, with its own bounces and opt-outs."""

    class Kind(models.TextChoices):
        EMAIL = "email", _("E-mail")
        PHONE = "phone", _("Phone")
        WHATSAPP = "whatsapp", _("WhatsApp")
        POST = "post", _("Post")
        PUSH = "push", _("App notification")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="contact_points", verbose_name=_("customer"), db_index=False
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    value = models.CharField(_("address"), max_length=400)
    bounced_at = models.DateTimeField(_("bounced"), null=True, blank=True)
    opted_out_at = models.DateTimeField(_("opted out"), null=True, blank=True)

    class Meta:
        verbose_name = _("contact point")
        verbose_name_plural = _("contact points")
        constraints = [
            models.UniqueConstraint(fields=["customer", "kind", "value"], name="contact_point_once"),
            models.CheckConstraint(condition=~Q(value=""), name="contact_point_not_empty"),
            models.CheckConstraint(condition=Q(kind__in=CONTACT_KINDS), name="contact_point_kind_known"),
        ]

    def __str__(self) -> str:
        return self.value


class Consent(models.Model):
    """What a customer allowed or forbade, for one channel and purpose. Append-only: the latest row counts."""

    class Purpose(models.TextChoices):
        SERVICE = "service", _("Service")
        LOYALTY = "loyalty", _("Loyalty programme")
        MARKETING = "marketing", _("Marketing")
        RESEARCH = "research", _("Surveys")

    class Status(models.TextChoices):
        GRANTED = "granted", _("Granted")
        DENIED = "denied", _("Denied")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    class Basis(models.TextChoices):
        CONSENT = "consent", _("Consent")
        CONTRACT = "contract", _("Contract")
        LEGITIMATE_INTEREST = "legitimate_interest", _("Legitimate interest")

    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="consents", verbose_name=_("customer"), db_index=False
    )
    channel = models.CharField(_("channel"), max_length=10, choices=ContactPoint.Kind)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    status = models.CharField(_("status"), max_length=10, choices=Status)
    basis = models.CharField(_("legal basis"), max_length=20, choices=Basis, default=Basis.CONSENT)
    evidence = models.TextField(_("evidence"), blank=True)
    source = models.CharField(_("source"), max_length=80)
    at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [models.Index(fields=["customer", "channel", "purpose", "-at"], name="consent_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "channel", "purpose", "at", "source"], name="consent_recorded_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["granted", "denied", "withdrawn"]), name="consent_status_known"
            ),
            models.CheckConstraint(
                condition=Q(channel__in=CONTACT_KINDS)
                & Q(purpose__in=["service", "loyalty", "marketing", "research"])
                & Q(basis__in=["consent", "contract", "legitimate_interest"]),
                name="consent_terms_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.purpose}: {self.status}"


class SearchTerm(models.Model):
    """A folded word of a customer's name, so that any part of it is found by its first letters on every database."""

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="search_terms")
    term = models.CharField(max_length=60)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["term", "customer"], name="search_term_once")]

    def __str__(self) -> str:
        return self.term
