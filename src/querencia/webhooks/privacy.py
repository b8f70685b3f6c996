"""What this room knows of a person, and how it forgets them (see ``customers/privacy.py``)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from querencia.customers.privacy import Period, Section, words_of
from querencia.webhooks.models import Delivery

ROWS = 2_000
ASKED = 5_000
# What another system answered may repeat what it was told. What it was told is read from the event when it is sent.
HOLDS: Mapping[str, tuple[str, ...]] = {"Delivery": ("answer",)}
FREE: Mapping[str, str] = {
    "Endpoint": "where other systems are, and how they know us",
    "Delivery.message_id": "chance",
    "Delivery.problem": "a word of ours",
}


def _delivered(before: datetime, at: datetime) -> int:
    return _gone(Delivery.Status.DELIVERED, before)


def _failed(before: datetime, at: datetime) -> int:
    return _gone(Delivery.Status.FAILED, before)


def _gone(status: str, before: datetime) -> int:
    old = Delivery.objects.filter(status=status, created_at__lt=before).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:ROWS])
    Delivery.objects.filter(pk__in=ids).delete()
    return len(ids)


PERIODS = (
    Period(
        "delivered", _("Delivered messages"), _("What other systems were told and took."), days=30, forget=_delivered
    ),
    Period(
        "undelivered",
        _("Undelivered messages"),
        _("What other systems did not take, and nobody sent again."),
        days=90,
        forget=_failed,
        least=7,
    ),
)


def facts_of(customer_ids: Sequence[int]) -> Iterator[Section]:
    """Whom events of these customers were told, and when."""
    columns = {"to": _("told to"), "kind": _("kind"), "status": _("status"), "sent_at": _("last sent")}
    told = Delivery.objects.filter(event__customer__in=customer_ids).order_by("-pk")
    rows = told.values("status", "sent_at", to=F("endpoint__url"), kind=F("event__kind"))
    yield Section("webhooks", _("Told to other systems"), columns, rows.iterator(ROWS), words_of(Delivery, ("status",)))


def erase(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Forget what other systems answered to messages of these customers."""
    for some in batched(customer_ids, ASKED, strict=False):
        Delivery.objects.filter(event__customer__in=some).exclude(answer="").update(answer="")
