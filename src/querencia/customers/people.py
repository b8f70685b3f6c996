"""One customer written by hand, in the back office: what an import does for thousands."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from querencia.customers import events, kinds, names
from querencia.customers.actions import consents as consenting
from querencia.customers.actions.erasing import welcome_back
from querencia.customers.models import Consent, ContactPoint, Customer, Identifier, SearchTerm

SOURCE = "back office"


def keep(*, customer: Customer, at: datetime) -> None:
    """Save a customer and have them found by key and by every word of their name. Call inside a transaction."""
    is_new = customer.pk is None
    if is_new:
        customer.created_at, customer.created_from = at, SOURCE
    customer.save()
    wanted = set(names.words(f"{customer.given_name} {customer.family_name}"))
    customer.search_terms.exclude(term__in=wanted).delete()
    terms = [SearchTerm(customer=customer, term=term) for term in sorted(wanted)]
    SearchTerm.objects.bulk_create(terms, ignore_conflicts=True)
    _identify(customer, {Identifier.Kind.CUSTOMER_KEY: customer.key})
    if is_new:
        _tell([(kinds.CUSTOMER_CREATED, customer.pk, {})], at)


def note_change(*, customer: Customer, at: datetime) -> None:
    """Write down that somebody changed a customer, or how to reach or find them."""
    _tell([(kinds.CUSTOMER_CHANGED, customer.pk, {})], at)


def allow(*, consents: Sequence[Consent], evidence: str, at: datetime) -> int:
    """Write down what customers told somebody here that they allow or forbid; how many answers are new."""
    said = [
        consenting.Said(
            customer_id=each.customer_id,
            channel=each.channel,
            purpose=each.purpose,
            status=each.status,
            evidence=each.evidence or evidence,
            basis=each.basis,
        )
        for each in consents
    ]
    return consenting.record(said, source=SOURCE, at=at)


def reach(*, point: ContactPoint) -> None:
    """Save an address and have its customer found by it, unless it already leads to somebody else."""
    point.save()
    if point.kind in (ContactPoint.Kind.EMAIL, ContactPoint.Kind.PHONE):
        _identify(point.customer, {point.kind: point.value})


def _identify(customer: Customer, values: dict[str, str]) -> None:
    # Written by hand, somebody who was erased has returned of their own will.
    welcome_back(values.items())
    new = [Identifier(customer=customer, kind=kind, value=value) for kind, value in values.items()]
    Identifier.objects.bulk_create(new, ignore_conflicts=True)


def _tell(told: Sequence[tuple[str, int, dict[str, str]]], at: datetime) -> None:
    happened = [
        events.NewEvent(kind, uuid.uuid4().hex, SOURCE, customer_id=owner, properties=properties)
        for kind, owner, properties in told
    ]
    events.record(happened, at=at)
