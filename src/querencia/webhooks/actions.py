"""Endpoints, their secrets, and deliveries: noted with the event, sent later, noted again."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from querencia.business.models import Staff
from querencia.common import http
from querencia.customers.models import Event
from querencia.webhooks import sending, signing
from querencia.webhooks.models import Delivery, Endpoint
from querencia.webhooks.queries import EVERY_KIND
from querencia.webhooks.schedule import next_try

BOTH_SIGN = timedelta(days=1)
# Longer than a message takes: whoever died while it was on its way lets another one send it, under the same id.
CLAIM = timedelta(minutes=2)
AT_ONCE = 64
OF_ONE_ENDPOINT = 8
ANSWER_KEPT = 500
GONE = 410
Status = Delivery.Status


def add_endpoint(*, url: str, kinds: Sequence[str], at: datetime, created_by: Staff | None = None) -> Endpoint:
    """Have an address told of these kinds of events from now on. Raises ValidationError."""
    address, wanted = _checked(url, kinds)
    return Endpoint.objects.create(
        url=address, kinds=wanted, secret=signing.new_secret(), created_at=at, created_by=created_by
    )


def change_endpoint(*, endpoint: Endpoint, url: str, kinds: Sequence[str], is_on: bool) -> None:
    """Raises ValidationError."""
    endpoint.url, endpoint.kinds = _checked(url, kinds)
    if is_on != endpoint.is_on:
        endpoint.off_because = Endpoint.OffBecause.ON if is_on else Endpoint.OffBecause.PERSON
    endpoint.save(update_fields=["url", "kinds", "off_because"])


def _checked(url: str, kinds: Sequence[str]) -> tuple[str, list[str]]:
    try:
        http.read(url, may_reach_loopback=settings.WEBHOOKS_MAY_REACH_LOOPBACK)
    except http.Unreachable as refused:
        insecure = _("Write an address that begins with https://: what is sent tells of customers.")
        said = insecure if refused.code == "insecure" else _("This is no address that can be called.")
        raise ValidationError({"url": said}) from refused
    wanted = sorted({kind.strip()[:80] for kind in kinds if kind.strip()})
    if not wanted:
        raise ValidationError({"kinds": _("Choose at least one kind of event.")})
    return url.strip(), [EVERY_KIND] if EVERY_KIND in wanted else wanted


def rotate_secret(*, endpoint: Endpoint, at: datetime) -> str:
    """A new secret, and the former one beside it for a day. Returns the new one."""
    endpoint.secret_before, endpoint.secret = endpoint.secret, signing.new_secret()
    endpoint.secret_before_until = at + BOTH_SIGN
    endpoint.save(update_fields=["secret", "secret_before", "secret_before_until"])
    return endpoint.secret


def note(*, events: Sequence[Event], at: datetime) -> int:
    """Write down for each endpoint what it is to be told; how many messages were new."""
    on = Endpoint.objects.filter(off_because="").order_by("pk")
    new = [
        _message(endpoint, event, at)
        for endpoint in on
        for event in events
        if EVERY_KIND in endpoint.kinds or event.kind in endpoint.kinds
    ]
    known = Delivery.objects.filter(event__in=[event.pk for event in events]).count()
    Delivery.objects.bulk_create(new, ignore_conflicts=True, batch_size=1_000)
    return Delivery.objects.filter(event__in=[event.pk for event in events]).count() - known


def send_test(*, endpoint: Endpoint, at: datetime) -> Delivery:
    """Have a message sent that tells of nothing."""
    made = _message(endpoint, None, at)
    made.save()
    return made


def _message(endpoint: Endpoint, event: Event | None, at: datetime) -> Delivery:
    # 128 random bits: nobody else's message has them.
    message_id = f"msg_{secrets.token_hex(16)}"
    return Delivery(endpoint=endpoint, event=event, message_id=message_id, next_at=at, created_at=at)


def replay(*, endpoint: Endpoint, ids: Iterable[int] | None = None, at: datetime) -> int:
    """Send again, under their ids: those of ``ids``, or all that failed. How many."""
    found = endpoint.deliveries.filter(status=Status.FAILED) if ids is None else endpoint.deliveries.filter(pk__in=ids)
    return found.update(status=Status.WAITING, tries=0, next_at=at)


def claim(*, at: datetime) -> list[Delivery]:
    """Some messages that are due, no more than a few of each endpoint, for this process to send."""
    claimed: list[Delivery] = []
    due = Delivery.objects.filter(status=Status.WAITING, next_at__lte=at)
    places = list(Endpoint.objects.filter(off_because="").order_by("pk").values_list("pk", flat=True))
    for place in places if due.exists() else ():
        if len(claimed) >= AT_ONCE or not due.filter(endpoint=place).exists():
            continue
        with transaction.atomic():
            rows = due.filter(endpoint=place).select_for_update(skip_locked=True).order_by("next_at", "pk")
            some = list(rows[:OF_ONE_ENDPOINT])
            for row in some:
                row.tries, row.next_at = row.tries + 1, at + CLAIM
            Delivery.objects.bulk_update(some, ["tries", "next_at"])
        claimed += some
    found = Delivery.objects.filter(pk__in=[row.pk for row in claimed]).select_related("endpoint", "event__customer")
    return list(found.order_by("next_at", "pk"))


@transaction.atomic
def note_outcome(*, delivery: Delivery, outcome: sending.Outcome, at: datetime) -> None:
    """Write down what came back. An answer to a message that was claimed anew in the meantime changes nothing."""
    held = Delivery.objects.select_for_update().filter(pk=delivery.pk, status=Status.WAITING, next_at=delivery.next_at)
    if not held.exists():
        return
    status, then = Status.DELIVERED, delivery.next_at
    if not outcome.is_taken:
        later = next_try(delivery.tries, at=at, status=outcome.status, headers=outcome.headers)
        is_over = outcome.status == GONE or later is None
        status, then = (Status.FAILED, then) if is_over else (Status.WAITING, later or then)
    held.update(
        status=status,
        next_at=then,
        sent_at=at,
        answer_status=outcome.status,
        answer=outcome.text[:ANSWER_KEPT],
        problem=outcome.problem,
    )
    if outcome.status == GONE:
        Endpoint.objects.filter(pk=delivery.endpoint_id).update(off_because=Endpoint.OffBecause.GONE)
