"""What is written about people outside of imports."""

from collections.abc import Mapping

from django.db import transaction

from querencia.customers.models import ContactPoint, Customer, Identifier


@transaction.atomic
def mark_invented(*, phones: Mapping[str, str] | None = None) -> int:
    """Note of everybody in this database that they do not exist; returns how many.

    ``phones``: by customer key, numbers that nobody has. No import would take them: it wants numbers that can be rung.
    """
    if phones:
        ids = dict(Customer.objects.filter(key__in=phones).values_list("key", "id"))
        known = [(ids[key], number) for key, number in phones.items() if key in ids]
        Identifier.objects.bulk_create(
            [Identifier(customer_id=owner, kind=Identifier.Kind.PHONE, value=number) for owner, number in known]
        )
        ContactPoint.objects.bulk_create(
            [ContactPoint(customer_id=owner, kind=ContactPoint.Kind.PHONE, value=number) for owner, number in known]
        )
    return Customer.objects.update(is_invented=True)
