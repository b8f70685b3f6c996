"""Whom identifiers point at: found, or created. Nobody is merged here: what two people share stays with the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from querencia.customers import names
from querencia.customers.models import Customer, Identifier, SearchTerm

ROWS = 500
TRAITS = ("given_name", "family_name", "language", "country", "city", "birthday")


@dataclass(frozen=True)
class Known:
    """What is known of somebody: identifiers as (kind, value), the strongest first; traits by field of a customer."""

    identifiers: tuple[tuple[str, str], ...]
    traits: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def identify(people: Sequence[Known], *, at: datetime, source: str) -> list[int]:
    """The id of each one's customer, found by the first identifier that points at anybody, else created. Harmless when
    repeated."""
    values = {value for known in people for _kind, value in known.identifiers}
    rows = Identifier.objects.filter(value__in=values).select_related("customer")
    owners = {(row.kind, row.value): row.customer for row in rows}
    created: list[Customer] = []
    found: list[Customer] = []
    loose: dict[tuple[str, str], Customer] = {}
    for known in people:
        owner = next((owners[each] for each in known.identifiers if each in owners), None)
        if owner is None:
            owner = _new(known, at, source)
            created.append(owner)
        for each in known.identifiers:
            if owners.setdefault(each, owner) is owner:
                loose[each] = owner
        found.append(owner)
    told = _tell(people, found)
    Customer.objects.bulk_create(created, batch_size=ROWS)
    fresh_ones = {id(owner) for owner in created}
    changed = [owner for owner in told if id(owner) not in fresh_ones]
    if changed:
        Customer.objects.bulk_update(changed, TRAITS, batch_size=100)
    fresh = [Identifier(kind=kind, value=value, customer=owner) for (kind, value), owner in loose.items()]
    Identifier.objects.bulk_create(fresh, batch_size=ROWS, ignore_conflicts=True)
    terms = [
        SearchTerm(customer=owner, term=term)
        for owner in told
        for term in names.words(f"{owner.given_name} {owner.family_name}")
    ]
    SearchTerm.objects.bulk_create(terms, batch_size=ROWS, ignore_conflicts=True)
    return [int(owner.pk) for owner in found]


def _new(known: Known, at: datetime, source: str) -> Customer:
    kind, value = known.identifiers[0]
    key = value if kind == Identifier.Kind.CUSTOMER_KEY else f"{kind}:{value}"
    return Customer(key=key[:200], created_at=at, created_from=source)


def _tell(people: Sequence[Known], owners: Sequence[Customer]) -> list[Customer]:
    """Fill in what the traits say and nobody knew; the customers that this changed."""
    changed: dict[int, Customer] = {}
    for known, owner in zip(people, owners, strict=True):
        for name in TRAITS:
            value = known.traits.get(name)
            if value and not getattr(owner, name):
                setattr(owner, name, value)
                changed[id(owner)] = owner
    return list(changed.values())
