"""Consents: what may be sent to whom now, and all they ever said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Router
from pydantic import model_validator

from querencia.api.rest import batches
from querencia.api.rest.customers import SOURCE, CustomerHere, person
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import CustomerGiven, Given, Many, Outcome, Outcomes, Told, reference, rejected, text
from querencia.api.rest.identifiers import UNKNOWN
from querencia.common.time import now
from querencia.customers.actions import consents
from querencia.customers.actions.consents import Said
from querencia.customers.actions.profiles import named
from querencia.customers.models import Consent, ContactPoint
from querencia.customers.queries import consents as queries
from querencia.customers.queries import persons

router = Router(tags=[_("Consents")])
type Channel = Literal["email", "phone", "whatsapp", "post", "push"]
type Purpose = Literal["service", "loyalty", "marketing", "research"]
type Status = Literal["granted", "denied", "withdrawn"]
type Basis = Literal["consent", "contract", "legitimate_interest"]
assert set(Channel.__value__.__args__) == set(ContactPoint.Kind.values)
assert set(Purpose.__value__.__args__) == set(Consent.Purpose.values)
assert set(Status.__value__.__args__) == set(Consent.Status.values)
assert set(Basis.__value__.__args__) == set(Consent.Basis.values)


class ConsentGiven(Given):
    """What a customer allowed or forbade, for one channel and purpose."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "customer": {"kind": "customer_key", "value": "K-1001"},
                    "channel": "email",
                    "purpose": "marketing",
                    "status": "granted",
                    "evidence": "Ticked the box of the form on the page of the club.",
                }
            ]
        }
    }
    customer: CustomerGiven
    channel: Channel
    purpose: Purpose
    status: Status
    basis: Basis = "consent"
    """The legal basis."""
    evidence: text(500) = ""  # type: ignore[valid-type]
    """How you know: needed where something is granted."""

    @model_validator(mode="after")
    def _is_proven(self) -> "ConsentGiven":
        if self.status == "granted" and not self.evidence:
            raise ValueError("say in evidence how you know that it was granted")
        return self


class PermissionTold(Told):
    channel: Channel
    purpose: Purpose
    is_allowed: bool
    why: str
    """Why not: never_asked, denied, withdrawn, no_address, opted_out or bounced; empty where it is allowed."""
    basis: str
    address: str
    """Where: the first address that may be used."""


class ConsentTold(Told):
    id: int
    customer_id: int
    """The record that said it."""
    channel: Channel
    purpose: Purpose
    status: Status
    basis: Basis
    evidence: str
    source: str
    at: datetime


class ConsentsTold(Told):
    """For each channel and purpose whether the person may be reached now; and all they ever said, the latest first."""

    customer_id: int
    allowed: list[PermissionTold]
    history: list[ConsentTold]


@endpoint(
    router,
    "GET",
    "/customers/{int:customer_id}/consents",
    scope="consents:read",
    answers={200: ConsentsTold},
    summary=_("See what a customer allows"),
)
def get_consents(request: HttpRequest, here: Path[CustomerHere]) -> Answer:
    """What counts now is what the house itself goes by: the latest word, of merged customers the strictest, and whether
    there is an address that neither bounced nor opted out."""
    who = person(here.customer_id)
    allowed = queries.everything(who.ids)
    return Answer(
        ConsentsTold(
            customer_id=who.pk,
            allowed=[
                PermissionTold.model_validate({"channel": channel, "purpose": purpose, **vars(each)})
                for (channel, purpose), each in allowed.items()
            ],
            history=[ConsentTold.model_validate(row, from_attributes=True) for row in queries.history(who.ids)],
        )
    )


@endpoint(
    router,
    "POST",
    "/consents",
    scope="consents:write",
    answers={200: Outcome, 201: Outcome},
    summary=_("Record consent"),
)
def record_consent(request: HttpRequest, given: ConsentGiven) -> Answer:
    """Consents are never changed: what counts already changes nothing, anything else is written down as said now."""
    key = request.api_key  # type: ignore[attr-defined]
    return batches.one(given, lambda items: _record(items, f"{SOURCE}: {key.name}"))


@endpoint(
    router, "POST", "/consents/bulk", scope="consents:write", answers={200: Outcomes}, summary=_("Record many consents")
)
def record_consents(request: HttpRequest, given: Many[ConsentGiven]) -> Answer:
    """Up to 1,000 consents in one transaction. Of several answers for one channel and purpose the strictest counts."""
    key = request.api_key  # type: ignore[attr-defined]
    return batches.many(given, lambda items: _record(items, f"{SOURCE}: {key.name}"))


def _record(items: Sequence[ConsentGiven], source: str) -> list[Outcome]:
    at = now()
    owners = named([reference(each.customer) for each in items], at=at, source=SOURCE)
    said = [
        Said(owner, each.channel, each.purpose, each.status, each.evidence, each.basis) if owner else None
        for each, owner in zip(items, owners, strict=True)
    ]
    rows = consents.recorded([each for each in said if each], source=source[:80], at=at)
    new = {(row.customer_id, row.channel, row.purpose, row.status, row.evidence): row.pk for row in rows}
    heads = persons.heads(owner for owner in owners if owner)
    outcomes = []
    for each in said:
        if each is None:
            outcomes.append(rejected(UNKNOWN))
            continue
        pk = new.pop((each.customer_id, each.channel, each.purpose, each.status, each.evidence), None)
        result: Literal["created", "unchanged"] = "created" if pk else "unchanged"
        outcomes.append(Outcome(result=result, id=pk, customer_id=heads[each.customer_id]))
    return outcomes
