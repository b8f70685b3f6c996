"""Purchases with their lines, and refunds, which are purchases below zero that name what they give back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router
from pydantic import Field, model_validator

from querencia.api.rest import batches, pages
from querencia.api.rest.customers import SOURCE
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import (
    ID_MAX,
    AskedId,
    Currency,
    CustomerGiven,
    Given,
    Key,
    Many,
    Minor,
    Moment,
    Outcome,
    Outcomes,
    Page,
    Properties,
    Source,
    Told,
    reference,
    rejected,
    text,
)
from querencia.api.rest.identifiers import UNKNOWN
from querencia.api.rest.problems import Fault, Problem
from querencia.business import queries as business
from querencia.common.time import now
from querencia.customers.actions.profiles import named
from querencia.customers.actions.purchases import NewLine, NewPurchase, write_purchases
from querencia.customers.models import Purchase
from querencia.customers.queries import facts, persons

router = Router(tags=[_("Purchases")])
LINES_MAX = 500
# Clocks of tills are not always right.
AHEAD = timedelta(hours=24)
WHY = {
    "differs": Fault("Another purchase is known under this key. Facts do not change: refund it.", "differs", "/key"),
    "too_much": Fault("More would be given back than was paid.", "too_much", "/amount"),
}


class LineGiven(Given):
    sku: text(80) = ""  # type: ignore[valid-type]
    name: text(200) = ""  # type: ignore[valid-type]
    category: text(120) = ""  # type: ignore[valid-type]
    quantity: Annotated[Decimal, Field(max_digits=14, decimal_places=3)] | None = None
    amount: Minor
    """In minor units."""


class PurchaseGiven(Given):
    """A visit to the till or an order; with refund_of and an amount below zero what was given back of it."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "key": "T1-20260501-0042",
                    "customer": {"kind": "customer_key", "value": "K-1001"},
                    "at": "2026-05-01T10:42:00+02:00",
                    "amount": 4590,
                    "currency": "EUR",
                    "lines": [
                        {"sku": "B-7", "name": "Olive oil", "quantity": 3, "amount": 3990},
                        {"sku": "B-9", "name": "Bread", "quantity": 2, "amount": 600},
                    ],
                    "channel": "shop",
                }
            ]
        }
    }
    key: Key
    """Names it once and for all within its source: sent again, it is the same purchase."""
    customer: CustomerGiven
    at: Moment
    amount: Minor
    """In minor units: 4590 are 45.90 EUR. The lines, if there are any, add up to it."""
    currency: Currency | None = None
    """The business's own, which is meant where none is said."""
    lines: Annotated[list[LineGiven], Field(max_length=LINES_MAX)] = []
    cost: Minor | None = None
    channel: text(40) = ""  # type: ignore[valid-type]
    branch: text(80) = ""  # type: ignore[valid-type]
    tenders: Annotated[list[Properties], Field(max_length=20)] | None = None
    """What it was paid with."""
    refund_of: text(200) = ""  # type: ignore[valid-type]
    """The key of the purchase that this gives back, of the same source."""
    source: Source = "api"

    @model_validator(mode="after")
    def _adds_up(self) -> "PurchaseGiven":
        if self.lines and sum(line.amount for line in self.lines) != self.amount:
            raise ValueError(f"the lines add up to {sum(line.amount for line in self.lines)}, not to {self.amount}")
        if self.refund_of and self.amount >= 0:
            raise ValueError("what is given back is below zero")
        if self.refund_of == self.key:
            raise ValueError("a refund has a key of its own")
        return self


class LineTold(Told):
    number: int
    sku: str
    name: str
    category: str
    quantity: Decimal | None
    amount: int


class PurchaseTold(Told):
    id: int
    key: str
    source: str
    customer_id: int
    """Whoever stands for the person now."""
    at: datetime
    amount: int
    currency: str
    cost: int | None
    channel: str
    branch: str
    tenders: list[dict[str, Any]] | None
    refund_of: str
    recorded_at: datetime
    lines: list[LineTold]


class PurchasesPage(Page[PurchaseTold]): ...


class FactsAsked(pages.Asked):
    customer_id: AskedId | None = None
    """Of the whole person."""
    key: text(200) = ""  # type: ignore[valid-type]
    source: text(40) = ""  # type: ignore[valid-type]
    after_id: Annotated[int, Field(ge=0, le=ID_MAX)] = 0
    """Only what was recorded after this one: with order oldest, what is new since the last time."""
    order: Literal["newest", "oldest"] = "newest"
    """By when it was recorded."""


class PurchaseHere(Given):
    purchase_id: AskedId


@endpoint(
    router, "GET", "/purchases", scope="purchases:read", answers={200: PurchasesPage}, summary=_("List purchases")
)
def list_purchases(request: HttpRequest, asked: Query[FactsAsked]) -> Answer:
    """Purchases and refunds with their lines."""
    rows, after = facts.purchases(asked_of(request, asked))
    return pages.page(request, asked, _told(rows), after, PurchasesPage)


@endpoint(
    router,
    "GET",
    "/purchases/{int:purchase_id}",
    scope="purchases:read",
    answers={200: PurchaseTold},
    summary=_("Get a purchase"),
)
def get_purchase(request: HttpRequest, here: Path[PurchaseHere]) -> Answer:
    """A purchase or a refund with its lines."""
    found = _told(facts.purchases_by_id([here.purchase_id]))
    if not found:
        raise Problem("not_found", "There is no such purchase.")
    return Answer(found[0])


@endpoint(
    router,
    "POST",
    "/purchases",
    scope="purchases:write",
    answers={200: Outcome, 201: Outcome},
    summary=_("Record a purchase or a refund"),
)
def record_purchase(request: HttpRequest, given: PurchaseGiven) -> Answer:
    """Purchases are never changed: the same key with the same facts changes nothing, with others it is a conflict. No
    more is given back than was paid, where what was paid is known."""
    return batches.one(given, _write, place="/api/v1/purchases/{}")


@endpoint(
    router,
    "POST",
    "/purchases/bulk",
    scope="purchases:write",
    answers={200: Outcomes},
    summary=_("Record many purchases and refunds"),
)
def record_purchases(request: HttpRequest, given: Many[PurchaseGiven]) -> Answer:
    """Up to 1,000 in one transaction, each answered by itself."""
    return batches.many(given, _write)


def asked_of(request: HttpRequest, asked: FactsAsked) -> facts.Asked:
    return facts.Asked(
        customer_id=asked.customer_id,
        key=asked.key,
        source=asked.source,
        after_id=asked.after_id,
        is_newest_first=asked.order == "newest",
        place=pages.place(request, asked),
        size=asked.limit,
    )


def _write(items: Sequence[PurchaseGiven]) -> list[Outcome]:
    at, known = now(), business.business()
    if known is None:
        raise Problem("conflict", "The business has not been set up yet.")
    faults = [_fault(each, known.currency, at) for each in items]
    good = [each for each, fault in zip(items, faults, strict=True) if fault is None]
    owners = named([reference(each.customer) for each in good], at=at, source=SOURCE)
    heads = persons.heads(owner for owner in owners if owner)
    new = [_new(each, owner, known.currency) for each, owner in zip(good, owners, strict=True) if owner]
    written = iter(write_purchases(new, zone=known.time_zone, at=at))
    owned = iter(owners)
    outcomes = []
    for fault in faults:
        owner = 0 if fault else next(owned)
        if not owner:
            outcomes.append(rejected(fault or UNKNOWN))
            continue
        one = next(written)
        why = WHY.get(one.result)
        outcomes.append(
            rejected(why)
            if why
            else Outcome.model_validate({"result": one.result, "id": one.pk, "customer_id": heads[owner]})
        )
    return outcomes


def _fault(each: PurchaseGiven, currency: str, at: datetime) -> Fault | None:
    if each.currency and each.currency != currency:
        said = f"It is in {each.currency}, and this business counts in {currency}."
        return Fault(said, "other_currency", "/currency")
    if each.at > at + AHEAD:
        return Fault("It lies in the future.", "future", "/at")
    return None


def _new(each: PurchaseGiven, owner: int, currency: str) -> NewPurchase:
    return NewPurchase(
        key=each.key,
        source=each.source,
        customer_id=owner,
        at=each.at,
        amount=each.amount,
        currency=currency,
        lines=[NewLine(line.amount, line.sku, line.name, line.category, line.quantity) for line in each.lines],
        channel=each.channel,
        branch=each.branch,
        cost=each.cost,
        tenders=each.tenders,
        refund_of=each.refund_of,
    )


def _told(rows: Sequence[Purchase]) -> list[PurchaseTold]:
    heads = persons.heads(row.customer_id for row in rows)
    return [
        PurchaseTold(
            **{name: getattr(row, name) for name in PLAIN},
            customer_id=heads[row.customer_id],
            lines=[LineTold.model_validate(line, from_attributes=True) for line in row.lines.all()],
        )
        for row in rows
    ]


PLAIN = [name for name in PurchaseTold.model_fields if name not in ("customer_id", "lines")]
