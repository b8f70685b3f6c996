"""What machines send: kept at once, taken in a moment later, so that the door is fast and nothing is lost."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from querencia.business.models import Business
from querencia.business.queries import business as the_business
from querencia.common.database import alone
from querencia.customers import actions
from querencia.customers.actions import identify
from querencia.customers.actions.arrivals import Outcome
from querencia.customers.actions.purchases import NewLine, NewPurchase, record_purchases
from querencia.customers.events import NewEvent, record
from querencia.customers.identity import Known, cleaned
from querencia.customers.intake import SOURCE, TYPES, GivenBack, Line, Refused, Sale, Seen, read
from querencia.customers.intake.people import identifiers_of, named_in, traits_of
from querencia.customers.models import Arrival
from querencia.customers.queries import arrivals as queries
from querencia.customers.queries import tombstones
from querencia.flows import waking

# Enough that a batch is worth its transaction, few enough that who knocks meanwhile does not wait long.
EVENTS_TOGETHER = 2_000
log = logging.getLogger(__name__)

# The key and the source of an event.
type Place = tuple[str, str]


def receive(*, api_key_id: int, door: str, body: bytes, events: int, at: datetime) -> None:
    """Keep what was sent, durably, and have it taken in soon."""
    arrival = Arrival(api_key_id=api_key_id, door=door, body=body, events=events, received_at=at)
    actions.keep_arrival(arrival)
    waking.take_in()


def replay(*, ids: Sequence[int] | None = None, at: datetime) -> int:
    """Try rejected events (all without ``ids``) again; how many."""
    number = actions.replay_rejects(ids=ids, at=at)
    if number:
        waking.take_in()
    return number


def process(*, at: datetime) -> int | None:
    """Take in the oldest arrivals that wait; how many arrivals, or None if another process is at it."""
    with alone("intake") as is_alone:
        return _process(at) if is_alone else None


# -- a batch -----------------------------------------------------------------------------------------------------------


@dataclass
class _Batch:
    """Arrivals on their way in: what can be taken in, what cannot, what is known already."""

    arrivals: dict[int, Arrival]
    seen: list[Seen] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)


def _process(at: datetime) -> int:
    arrivals = queries.waiting(events=EVENTS_TOGETHER)
    if arrivals:
        _settle(arrivals, at)
    return len(arrivals)


def _settle(arrivals: Sequence[Arrival], at: datetime) -> None:
    """Take them in together; where that fails, find out which events cannot be stored, and reject those."""
    business = the_business()
    batch = _read(arrivals, business)
    try:
        _write(batch, business, at)
    except (OperationalError, InterfaceError):
        raise  # the database's fault, not theirs: they wait
    except Exception as fault:
        log.warning("arrivals could not be taken in as they are: %s", type(fault).__name__)
        again = _read(arrivals, business)
        again.seen = _storable(again, again.seen, business, at)
        _write(again, business, at)


def _storable(batch: _Batch, seen: Sequence[Seen], business: Business | None, at: datetime) -> list[Seen]:
    """Those that the database takes, tried in halves and undone; the others join the refused."""
    try:
        with transaction.atomic():
            _store(_Batch(batch.arrivals, list(seen)), business, at)
            transaction.set_rollback(True)
    except (OperationalError, InterfaceError):
        raise
    except Exception as wrong:
        if len(seen) > 1:
            middle = len(seen) // 2
            return [*_storable(batch, seen[:middle], business, at), *_storable(batch, seen[middle:], business, at)]
        said = (str(wrong).strip().splitlines() or [""])[0][:200]
        facts = {"message": f"{type(wrong).__name__}: {said}".replace("\0", "")}
        batch.refused.append(
            Refused(seen[0].arrival_id, seen[0].kind, "unexpected", seen[0].event, facts, seen[0].is_live)
        )
        return []
    return list(seen)


def _read(arrivals: Sequence[Arrival], business: Business | None) -> _Batch:
    """What they hold; of events that are said twice only the first, of those that are known none."""
    batch = _Batch({each.pk: each for each in arrivals}, outcomes={each.pk: Outcome() for each in arrivals})
    first: dict[Place, Seen] = {}
    for arrival in arrivals:
        for each in read(arrival, currency=business.currency if business else ""):
            if isinstance(each, Refused):
                batch.refused.append(each)
            elif each.place in first:
                batch.outcomes[each.arrival_id].known += 1
            else:
                first[each.place] = each
    known = queries.known(first.keys())
    for place, each in first.items():
        if place in known:
            batch.outcomes[each.arrival_id].known += 1
        else:
            batch.seen.append(each)
    _leave_out_erased(batch)
    return batch


def _leave_out_erased(batch: _Batch) -> None:
    """What names somebody who was erased is not kept, whether it could be taken in or not: only that it came."""
    if not tombstones.are_any():
        return
    both: list[Seen | Refused] = [*batch.seen, *batch.refused]
    named = {id(each): {*cleaned(named_in(each.event))} for each in both}
    gone = tombstones.erased({pair for pairs in named.values() for pair in pairs})
    left = [each for each in batch.seen if named[id(each)] & gone]
    batch.seen = [each for each in batch.seen if not named[id(each)] & gone]
    batch.refused = [_forgotten(each) if named[id(each)] & gone else each for each in batch.refused]
    batch.refused += [_forgotten(each) for each in left]


def _forgotten(each: Seen | Refused) -> Refused:
    # The type alone: what an event is called may say more than that something came.
    sort = each.event.get("type")
    kind = sort if isinstance(sort, str) and sort in TYPES else ""
    return Refused(each.arrival_id, kind, "erased", None, {}, each.is_live)


@transaction.atomic
def _write(batch: _Batch, business: Business | None, at: datetime) -> None:
    """All of it or nothing: a process that is killed here has done nothing, and the next one begins anew."""
    stored = _store(batch, business, at)
    for each in stored:
        batch.outcomes[each.arrival_id].recorded += 1
    for refused in batch.refused:
        batch.outcomes[refused.arrival_id].rejected += 1
    actions.reject(batch.refused, batch.arrivals, at=at)
    actions.finish_arrivals(batch.outcomes, at=at)


def _store(batch: _Batch, business: Business | None, at: datetime) -> list[Seen]:
    """People, purchases, events; what an order turns out to be impossible for joins the refused."""
    people = _identify(batch.seen, at)
    impossible = _trade(batch.seen, people, business, at)
    batch.refused.extend(impossible.values())
    stored = [each for each in batch.seen if each.place not in impossible]
    record([_event(each, people[each.place]) for each in stored], at=at)
    return stored


def _identify(seen: Iterable[Seen], at: datetime) -> dict[Place, int]:
    """The customer of each event. Who is who only `identify` and `alias` say; all others name somebody."""
    wanted: dict[tuple[object, ...], Known] = {}
    asked: dict[Place, tuple[object, ...]] = {}
    for each in seen:
        known = Known(identifiers_of(each), traits_of(each))
        # Alike but for what it tells of them is asked once.
        same = known.identifiers if not known.traits else each.place
        wanted.setdefault(same, known)
        asked[each.place] = same
    ids = identify(list(wanted.values()), at=at, source=SOURCE)
    found = dict(zip(wanted, ids, strict=True))
    return {place: found[same] for place, same in asked.items()}


def _event(each: Seen, customer_id: int) -> NewEvent:
    return NewEvent(
        kind=each.kind,
        key=each.key,
        source=each.source,
        customer_id=customer_id,
        occurred_at=each.occurred_at,
        channel=each.channel,
        properties=each.properties,
        is_live=each.is_live,
    )


# -- orders ------------------------------------------------------------------------------------------------------------


def _trade(
    seen: Iterable[Seen], people: dict[Place, int], business: Business | None, at: datetime
) -> dict[Place, Refused]:
    """Orders into purchases, then what was given back of them; what cannot be so, by the key of its event."""
    trade = [each for each in seen if each.order is not None]
    if not trade:
        return {}
    zone = business.time_zone if business else "UTC"
    with translation.override(business.language if business else "en"):
        rest = _("Shipping, taxes and discounts")
    sold = [_sale(each, each.order, people, rest) for each in trade if isinstance(each.order, Sale)]
    record_purchases(sold, zone=zone, at=at)
    back = [(each, each.order) for each in trade if isinstance(each.order, GivenBack)]
    if not back:
        return {}
    orders = queries.orders([order.order for _each, order in back])
    impossible: dict[Place, Refused] = {}
    refunds: dict[str, NewPurchase] = {}
    for each, order in back:
        owner, left = orders.get(order.order, (people[each.place], None))
        amount = left if order.amount is None else order.amount
        if amount is None:
            impossible[each.place] = _refused(each, "unknown_order", order)
        elif left is not None and amount > left:
            impossible[each.place] = _refused(each, "too_much", order)
        elif amount and order.key not in refunds:
            refunds[order.key] = _refund(each, order, owner, amount, rest)
            if left is not None:
                orders[order.order] = (owner, left - amount)
    record_purchases(list(refunds.values()), zone=zone, at=at)
    return impossible


def _sale(each: Seen, order: Sale, people: dict[Place, int], rest: str) -> NewPurchase:
    return NewPurchase(
        key=order.order,
        source=SOURCE,
        customer_id=people[each.place],
        at=each.occurred_at,
        amount=order.amount,
        currency=order.currency,
        lines=_lines(order.lines, order.amount, rest),
        channel=each.channel,
        is_live=each.is_live,
    )


def _refund(each: Seen, order: GivenBack, owner: int, amount: int, rest: str) -> NewPurchase:
    lines = [
        NewLine(-line.amount, line.sku, line.name, line.category, line.quantity)
        for line in _lines(order.lines, amount, rest)
    ]
    return NewPurchase(
        key=order.key,
        source=SOURCE,
        customer_id=owner,
        at=each.occurred_at,
        amount=-amount,
        currency=order.currency,
        lines=lines,
        channel=each.channel,
        refund_of=order.order,
        is_live=each.is_live,
    )


def _lines(lines: Sequence[Line], amount: int, rest: str) -> list[NewLine]:
    """A purchase's lines add up to it: what articles do not make up is a line of its own."""
    made = [NewLine(line.amount, line.sku, line.name, line.category, line.quantity) for line in lines]
    remainder = amount - sum(line.amount for line in lines)
    return [*made, NewLine(remainder, name=rest)] if made and remainder else made


def _refused(each: Seen, code: str, order: GivenBack) -> Refused:
    return Refused(each.arrival_id, each.kind, code, each.event, {"value": order.order}, each.is_live)
