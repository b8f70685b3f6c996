"""One customer written by hand, in the back office: what an import does for thousands."""

from datetime import datetime

from querencia.customers import names
from querencia.customers.models import ContactPoint, Customer, Identifier, SearchTerm

SOURCE = "back office"


def keep(*, customer: Customer, at: datetime) -> None:
    """Save a customer and have them found by key and by every word of their name. Call inside a transaction."""
    if customer.pk is None:
        customer.created_at, customer.created_from = at, SOURCE
    customer.save()
    wanted = set(names.words(f"{customer.given_name} {customer.family_name}"))
    customer.search_terms.exclude(term__in=wanted).delete()
    terms = [SearchTerm(customer=customer, term=term) for term in sorted(wanted)]
    SearchTerm.objects.bulk_create(terms, ignore_conflicts=True)
    _identify(customer, {Identifier.Kind.CUSTOMER_KEY: customer.key})


def reach(*, point: ContactPoint) -> None:
    """Save an address and have its customer found by it, unless it already leads to somebody else."""
    point.save()
    if point.kind in (ContactPoint.Kind.EMAIL, ContactPoint.Kind.PHONE):
        _identify(point.customer, {point.kind: point.value})


def _identify(customer: Customer, values: dict[str, str]) -> None:
    new = [Identifier(customer=customer, kind=kind, value=value) for kind, value in values.items()]
    Identifier.objects.bulk_create(new, ignore_conflicts=True)
