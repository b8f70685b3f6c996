"""Customers as other systems ask for them: by id, page by page, and by any identifier."""

from collections.abc import Sequence

from querencia.customers.identity import cleaned
from querencia.customers.identity.known import Pair
from querencia.customers.models import Customer, Identifier
from querencia.customers.queries.persons import IS_HEAD


def heads(*, after: int, size: int) -> list[int]:
    """Whoever stands for a person, by id."""
    rows = Customer.objects.filter(IS_HEAD, pk__gt=after, erasure=None).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:size])


def owners(pairs: Sequence[Pair], *, country: str) -> list[int]:
    """The customer of each identifier, as it is written or as we write it; 0 where nobody has it."""
    ours = [cleaned((pair,), country) for pair in pairs]
    values = {pair[0][1] for pair in ours if pair}
    rows = Identifier.objects.filter(value__in=values).values_list("kind", "value", "customer_id")
    found = {(kind, value): owner for kind, value, owner in rows}
    return [found.get(pair[0], 0) if pair else 0 for pair in ours]
