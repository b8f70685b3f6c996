"""Events: whatever happened, of a customer or of nobody."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router

from querencia.api.rest import batches, pages
from querencia.api.rest.customers import SOURCE
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import (
    AskedId,
    CustomerGiven,
    Given,
    Key,
    Many,
    Moment,
    Outcome,
    Outcomes,
    Page,
    Properties,
    Told,
    reference,
    rejected,
    text,
)
from querencia.api.rest.identifiers import UNKNOWN
from querencia.api.rest.problems import Fault, Problem
from querencia.api.rest.purchases import FactsAsked, asked_of
from querencia.common.time import now
from querencia.customers import events, kinds
from querencia.customers.actions.profiles import named
from querencia.customers.intake import is_ours
from querencia.customers.models import Event
from querencia.customers.queries import facts, persons

router = Router(tags=[_("Events")])
AHEAD = timedelta(hours=24)
DIFFERS = Fault("An event of another kind is known under this key.", "differs", "/key")


def _kind(value: str) -> str:
    if is_ours(value):
        raise ValueError("the house writes its kinds so: use capitals or blanks, as in Order Shipped")
    return value


def _source(value: str) -> str:
    if value in kinds.SOURCES:
        raise ValueError("the house itself is called so")
    return value


class EventGiven(Given):
    """Something that happened."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "key": "visit-2026-05-01-1001",
                    "kind": "Shop Visited",
                    "customer": {"kind": "customer_key", "value": "K-1001"},
                    "occurred_at": "2026-05-01T10:30:00+02:00",
                    "properties": {"branch": "Centro"},
                }
            ]
        }
    }
    key: Key
    """Names it once and for all within its source: sent again, it happened once."""
    kind: text(80, 1, look=_kind)  # type: ignore[valid-type]
    customer: CustomerGiven | None = None
    occurred_at: Moment | None = None
    """Now, where it is not said."""
    channel: text(40) = ""  # type: ignore[valid-type]
    properties: Properties = {}
    """What else is known of it: up to 32 KB."""
    is_live: bool = True
    """False for history: it sets nothing off, and no other system is told."""
    source: text(40, 1, r"^[a-z0-9][a-z0-9_.-]*$", _source) = "api"  # type: ignore[valid-type]


class EventTold(Told):
    id: int
    key: str
    source: str
    kind: str
    customer_id: int | None
    """Whoever stands for the person now."""
    occurred_at: datetime
    recorded_at: datetime
    channel: str
    properties: dict[str, Any]


class EventsPage(Page[EventTold]): ...


class EventHere(Given):
    event_id: AskedId


@endpoint(router, "GET", "/events", scope="events:read", answers={200: EventsPage}, summary=_("List events"))
def list_events(request: HttpRequest, asked: Query[FactsAsked]) -> Answer:
    """All that happened, whoever told of it: your systems, Segment's libraries, the house itself."""
    rows, after = facts.events(asked_of(request, asked))
    return pages.page(request, asked, _told(rows), after, EventsPage)


@endpoint(
    router, "GET", "/events/{int:event_id}", scope="events:read", answers={200: EventTold}, summary=_("Get an event")
)
def get_event(request: HttpRequest, here: Path[EventHere]) -> Answer:
    """An event with its properties."""
    found = _told(facts.events_by_id([here.event_id]))
    if not found:
        raise Problem("not_found", "There is no such event.")
    return Answer(found[0])


@endpoint(
    router, "POST", "/events", scope="events:write", answers={200: Outcome, 201: Outcome}, summary=_("Record an event")
)
def record_event(request: HttpRequest, given: EventGiven) -> Answer:
    """Events are never changed: the same key changes nothing."""
    return batches.one(given, _write, place="/api/v1/events/{}")


@endpoint(
    router, "POST", "/events/bulk", scope="events:write", answers={200: Outcomes}, summary=_("Record many events")
)
def record_events(request: HttpRequest, given: Many[EventGiven]) -> Answer:
    """Up to 1,000 events in one transaction, each answered by itself."""
    return batches.many(given, _write)


def _write(items: Sequence[EventGiven]) -> list[Outcome]:
    at = now()
    named_ones = [each for each in items if each.customer]
    found = iter(named([reference(each.customer) for each in named_ones if each.customer], at=at, source=SOURCE))
    owners = [next(found) if each.customer else None for each in items]
    faults = [_fault(each, owner, at) for each, owner in zip(items, owners, strict=True)]
    good = [_new(each, owner) for each, owner, fault in zip(items, owners, faults, strict=True) if fault is None]
    written = iter(events.write(good, at=at))
    heads = persons.heads(owner for owner in owners if owner)
    outcomes = []
    for owner, fault in zip(owners, faults, strict=True):
        one = None if fault else next(written)
        if one is None or one.result == "differs":
            outcomes.append(rejected(fault or DIFFERS))
        else:
            said = {"result": one.result, "id": one.pk, "customer_id": heads[owner] if owner else None}
            outcomes.append(Outcome.model_validate(said))
    return outcomes


def _fault(each: EventGiven, owner: int | None, at: datetime) -> Fault | None:
    if owner == 0:
        return UNKNOWN
    if each.occurred_at and each.occurred_at > at + AHEAD:
        return Fault("It lies in the future.", "future", "/occurred_at")
    return None


def _new(each: EventGiven, owner: int | None) -> events.NewEvent:
    return events.NewEvent(
        kind=each.kind,
        key=each.key,
        source=each.source,
        customer_id=owner,
        occurred_at=each.occurred_at,
        channel=each.channel,
        properties=each.properties,
        is_live=each.is_live,
    )


def _told(rows: Sequence[Event]) -> list[EventTold]:
    heads = persons.heads(row.customer_id for row in rows if row.customer_id)
    return [
        EventTold(
            **{name: getattr(row, name) for name in EventTold.model_fields if name != "customer_id"},
            customer_id=heads[row.customer_id] if row.customer_id else None,
        )
        for row in rows
    ]
