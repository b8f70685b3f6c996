"""Partners and their statements."""

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Query, Router

from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import AskedId, Given, Told
from querencia.api.rest.loyalty.naming import NO_LIST_OF, TAG
from querencia.api.rest.problems import Fault, Problem
from querencia.common.time import now
from querencia.loyalty import closing
from querencia.loyalty.models import Statement
from querencia.loyalty.queries import partners as queries
from querencia.loyalty.queries.programmes import programme_by_id

router = Router(tags=[TAG])
NO_PARTNER = Fault("There is no such partner.", "unknown_partner", parameter="partner_id")


class AgreementTold(Told):
    """What counts this month. Prices are of a thousand points, in minor units."""

    version: int
    starts_on: date
    ends_on: date | None
    funds_per_thousand: int
    """What the partner pays for points granted at its expense."""
    takes_per_thousand: int
    """What the partner is paid for points that it takes in."""


class PartnerTold(Told):
    id: int
    programme_id: int
    key: str
    """What rules call it."""
    name: str
    agreement: AgreementTold | None


class PartnersTold(Told):
    items: list[PartnerTold]


class StatementTold(Told):
    """One month with a partner, for good. Points are those of its account in the ledger."""

    id: int
    number: int
    programme_id: int
    partner_id: int
    month: date
    """Its first day."""
    issued_at: datetime
    fingerprint: str
    currency: str
    opening: int
    granted: int
    taken_back: int
    redeemed: int
    restored: int
    closing: int
    funded: int
    """What the partner owes for points, in minor units."""
    taken: int
    """What it is owed."""
    due: int
    """Above zero the partner owes it, below zero the business does."""


class StatementsTold(Told):
    items: list[StatementTold]


class PartnersAsked(Given):
    programme_id: AskedId | None = None
    """Of this programme alone."""


class StatementsAsked(Given):
    partner_id: AskedId | None = None
    """Of this partner alone."""


@endpoint(
    router,
    "GET",
    "/loyalty/partners",
    scope="loyalty:read",
    answers={200: PartnersTold},
    summary=_("List partners"),
)
def list_partners(request: HttpRequest, asked: Query[PartnersAsked]) -> Answer:
    """By name, each with what is agreed."""
    programme = programme_by_id(asked.programme_id) if asked.programme_id else None
    if asked.programme_id and programme is None:
        raise Problem("invalid", NO_LIST_OF.detail, [NO_LIST_OF])
    rows, at = queries.partners(programme), now()
    told = []
    for each in rows:
        found = queries.agreed([each.pk], closing.month_of(at, each.programme.time_zone)).get(each.pk)
        agreement = AgreementTold.model_validate(found, from_attributes=True) if found else None
        names = ("programme_id", "key", "name")
        told.append(PartnerTold(id=each.pk, agreement=agreement, **{name: getattr(each, name) for name in names}))
    return Answer(PartnersTold(items=told))


@endpoint(
    router,
    "GET",
    "/loyalty/statements",
    scope="loyalty:read",
    answers={200: StatementsTold},
    summary=_("List statements of partners"),
)
def list_statements(request: HttpRequest, asked: Query[StatementsAsked]) -> Answer:
    """The newest first."""
    partner = queries.partner_by_id(asked.partner_id) if asked.partner_id else None
    if asked.partner_id and partner is None:
        raise Problem("invalid", NO_PARTNER.detail, [NO_PARTNER])
    return Answer(StatementsTold(items=[_told(each) for each in queries.statements(partner=partner)]))


def _told(row: Statement) -> StatementTold:
    own: dict[str, Any] = {"id": row.pk, "month": row.month}
    names = ("number", "programme_id", "partner_id", "issued_at", "fingerprint")
    own |= {name: getattr(row, name) for name in names}
    known = {name: value for name, value in row.document.items() if name in StatementTold.model_fields}
    return StatementTold.model_validate(known | own)
