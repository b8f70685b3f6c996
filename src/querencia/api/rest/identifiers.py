"""Identifiers of customers: what else leads to them."""

from collections.abc import Sequence
from typing import Annotated

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Router
from pydantic import Field

from querencia.api.rest import batches
from querencia.api.rest.customers import (
    SOURCE,
    CustomerHere,
    IdentifierTold,
    Written,
    country,
    keep,
    person,
    written,
)
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import (
    CustomerGiven,
    Given,
    IdentifierGiven,
    Many,
    Outcome,
    Outcomes,
    Told,
    reference,
    rejected,
)
from querencia.api.rest.problems import Fault
from querencia.common.time import now
from querencia.customers.actions.profiles import Profile, named
from querencia.customers.identity.known import Pair

router = Router(tags=[_("Identifiers")])
UNKNOWN = Fault("There is no such customer, or they were erased.", "unknown_customer", "/customer")


class AttachGiven(Given):
    """Identifiers that lead to a customer too."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "customer": {"kind": "customer_key", "value": "K-1001"},
                    "identifiers": [{"kind": "card", "value": "9-4410"}],
                }
            ]
        }
    }
    customer: CustomerGiven
    identifiers: Annotated[list[IdentifierGiven], Field(min_length=1, max_length=50)]

    def pairs(self) -> list[tuple[Pair, str]]:
        return [((each.kind, each.value), f"/identifiers/{n}/value") for n, each in enumerate(self.identifiers)]


class IdentifiersTold(Told):
    customer_id: int
    items: list[IdentifierTold]


@endpoint(
    router,
    "GET",
    "/customers/{int:customer_id}/identifiers",
    scope="customers:read",
    answers={200: IdentifiersTold},
    summary=_("List the identifiers of a customer"),
)
def list_identifiers(request: HttpRequest, here: Path[CustomerHere]) -> Answer:
    """Of all records that are the person."""
    who = person(here.customer_id)
    items = [IdentifierTold(kind=one.kind, value=one.value) for one in who.identifiers]
    return Answer(IdentifiersTold(customer_id=who.pk, items=items))


@endpoint(
    router,
    "POST",
    "/identifiers",
    scope="customers:write",
    answers={200: Outcome},
    summary=_("Attach identifiers to a customer"),
)
def attach_identifiers(request: HttpRequest, given: AttachGiven) -> Answer:
    """What leads to somebody else already brings both together within the limits of matching (one customer key, five of
    any other kind); beyond them it is left out, and named in errors."""
    return batches.one(given, _attach)


@endpoint(
    router,
    "POST",
    "/identifiers/bulk",
    scope="customers:write",
    answers={200: Outcomes},
    summary=_("Attach identifiers to many customers"),
)
def attach_many_identifiers(request: HttpRequest, given: Many[AttachGiven]) -> Answer:
    """Up to 1,000 items in one transaction, each answered by itself."""
    return batches.many(given, _attach)


def _attach(items: Sequence[AttachGiven]) -> list[Outcome]:
    at, region = now(), country()
    outcomes: dict[int, Outcome] = {}
    profiles: Written = {}
    owners = named([reference(each.customer) for each in items], at=at, source=SOURCE)
    for number, (each, owner) in enumerate(zip(items, owners, strict=True)):
        places, faults = written(each.pairs(), region)
        if faults or not owner:
            outcomes[number] = rejected(*faults or [UNKNOWN])
        else:
            profiles[number] = (Profile(tuple(places), customer_id=owner), places)
    return keep(profiles, outcomes, at=at)
