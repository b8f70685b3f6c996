"""What the owners of addresses decide by the link in a message."""

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import batched

from django.db import transaction

from querencia.customers import events, kinds
from querencia.customers.actions import consents
from querencia.customers.models import Consent, ContactPoint, OptOut, PreferenceLink
from querencia.customers.queries import consents as consented
from querencia.customers.queries import preferences as queries

SOURCE = "preferences"
ROWS = 1_000


def give_links(*, point_ids: Iterable[int], at: datetime) -> dict[int, str]:
    """By contact point the word in its link, which is made where there is none yet."""
    wanted = list(dict.fromkeys(point_ids))
    found: dict[int, str] = {}
    for some in batched(wanted, ROWS, strict=False):
        known = queries.links(some)
        new = [
            PreferenceLink(point_id=pk, token=secrets.token_urlsafe(32), created_at=at)
            for pk in some
            if pk not in known
        ]
        # Two who make the same link at once end with one.
        PreferenceLink.objects.bulk_create(new, ignore_conflicts=True)
        found |= queries.links(some) if new else known
    return found


@transaction.atomic
def unsubscribe(*, point: ContactPoint, purpose: str, at: datetime) -> bool:
    """Send no more of a purpose to this address, whoever has it; whether that is new. What was consented to for other
    addresses stays."""
    new = OptOut(kind=point.kind, value=point.value, purpose=purpose, source=SOURCE, at=at)
    OptOut.objects.bulk_create([new], ignore_conflicts=True)
    row = OptOut.objects.get(kind=point.kind, value=point.value, purpose=purpose, lifted_at=None)
    said = {"channel": point.kind, "purpose": purpose, "status": Consent.Status.WITHDRAWN.value}
    told = events.NewEvent(
        kinds.CONSENT_CHANGED,
        f"opt-out:{row.pk}",
        SOURCE,
        customer_id=point.customer_id,
        channel=point.kind,
        properties=said,
    )
    return bool(events.record([told], at=at))


@transaction.atomic
def wish(*, point: ContactPoint, shown: Collection[str], wanted: Collection[str], evidence: str, at: datetime) -> int:
    """Write down what the owner of an address chose; how many purposes changed. ``shown`` are the names of the wishes
    that stood on the page, ``wanted`` those that are to be on; what was not shown stays as it is."""
    said, lifted = [], []
    is_shut = queries.same_points(point).filter(opted_out_at__isnull=False).exists()
    for each in queries.wishes(point):
        if each.name not in shown:
            continue
        is_here = each.channel == point.kind
        if each.name in wanted and not each.is_on:
            status = Consent.Status.GRANTED
            lifted += [each.purpose] if is_here else []
        elif each.name not in wanted and each.is_agreed and (each.is_on or (is_here and is_shut)):
            status = Consent.Status.WITHDRAWN
        else:
            continue
        said.append(consents.Said(point.customer_id, each.channel, each.purpose, status.value, evidence=evidence))
    if lifted:
        written = consented.written_as(point.kind, point.value)
        open_ones = OptOut.objects.filter(kind=point.kind, value__in=written, purpose__in=lifted, lifted_at=None)
        open_ones.update(lifted_at=at)
        queries.same_points(point).update(opted_out_at=None)
    consents.record(said, source=SOURCE, at=at)
    return len(said)
