"""Purchases with their lines, and events: append-only. The database itself refuses to change them (see
``docs/decisions/0005-facts-are-never-changed.md``)."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from querencia.common.money import MINOR_MAX
from querencia.customers.models.people import Customer

# Kinds of events that tell of looking and of nothing else: many, and soon of no use.
PAGE_VIEWS = ["page", "screen"]
IN_RANGE = (-MINOR_MAX, MINOR_MAX)


class Purchase(models.Model):
    """One visit to the till, or one refund. Never updated: a refund is a row of its own with a negative amount."""

    source = models.CharField(_("source"), max_length=40)
    key = models.CharField(_("purchase key"), max_length=200)
    customer = models.ForeignKey(
        Customer, models.PROTECT, related_name="purchases", verbose_name=_("customer"), db_index=False
    )
    at = models.DateTimeField(_("when"))
    # The calendar day where it was bought, in days since 1970-01-01: what insight counts in.
    day = models.IntegerField()
    amount = models.BigIntegerField(_("amount in minor units"))
    currency = models.CharField(_("currency"), max_length=3)
    cost = models.BigIntegerField(_("cost in minor units"), null=True, blank=True)
    channel = models.CharField(_("channel"), max_length=40, blank=True)
    branch = models.CharField(_("branch"), max_length=80, blank=True)
    tenders = models.JSONField(_("paid with"), null=True, blank=True)
    # The key of the purchase that this refunds, as the source names it: it may arrive before that purchase does.
    refund_of = models.CharField(_("refund of"), max_length=200, blank=True)
    recorded_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        indexes = [
            models.Index(fields=["customer", "at"], name="purchase_of_customer"),
            # What a customer gave back, without looking through all that they bought.
            models.Index(fields=["customer"], name="purchase_given_back", condition=Q(refund_of__gt="")),
        ]
        constraints = [
            # Key first: searching by an order number does not know the source.
            models.UniqueConstraint(fields=["key", "source"], name="purchase_key_once_per_source"),
            models.CheckConstraint(condition=~Q(key=""), name="purchase_key_not_empty"),
            models.CheckConstraint(condition=~Q(source=""), name="purchase_source_not_empty"),
            # Within it sums over millions of rows stay within 64 bits.
            models.CheckConstraint(
                condition=Q(amount__range=IN_RANGE) & (Q(cost=None) | Q(cost__range=IN_RANGE)),
                name="purchase_amount_in_range",
            ),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="purchase_currency_iso"),
            models.CheckConstraint(condition=Q(refund_of="") | Q(amount__lte=0), name="purchase_refund_not_positive"),
        ]

    def __str__(self) -> str:
        return self.key


class PurchaseLine(models.Model):
    """One article of a purchase. The lines' amounts add up to the purchase's."""

    purchase = models.ForeignKey(Purchase, models.CASCADE, related_name="lines", db_index=False)
    number = models.PositiveIntegerField(_("number"))
    sku = models.CharField(_("article"), max_length=80, blank=True)
    name = models.CharField(_("article name"), max_length=200, blank=True)
    category = models.CharField(_("category"), max_length=120, blank=True)
    quantity = models.DecimalField(_("quantity"), max_digits=14, decimal_places=3, null=True)
    amount = models.BigIntegerField(_("amount in minor units"))

    class Meta:
        verbose_name = _("line of a purchase")
        verbose_name_plural = _("lines of a purchase")
        constraints = [
            models.UniqueConstraint(fields=["purchase", "number"], name="purchase_line_once"),
            models.CheckConstraint(condition=Q(amount__range=IN_RANGE), name="purchase_line_amount_in_range"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.name or self.sku}"


class Event(models.Model):
    """Something that happened. One table is the timeline, the intake and the outbox."""

    kind = models.CharField(_("kind"), max_length=80)
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        related_name="events",
        verbose_name=_("customer"),
        null=True,
        blank=True,
        db_index=False,
    )
    occurred_at = models.DateTimeField(_("happened"))
    recorded_at = models.DateTimeField(_("recorded"))
    source = models.CharField(_("source"), max_length=40)
    channel = models.CharField(_("channel"), max_length=40, blank=True)
    key = models.CharField(_("key"), max_length=200)
    properties = models.JSONField(_("properties"), default=dict, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["customer", "occurred_at"], name="event_of_customer"),
            models.Index(fields=["occurred_at"], name="event_page_view", condition=Q(kind__in=PAGE_VIEWS)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["key", "source"], name="event_key_once_per_source"),
            models.CheckConstraint(condition=~Q(key="") & ~Q(kind="") & ~Q(source=""), name="event_named"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
