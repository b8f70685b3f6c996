"""An arrival into events: who, what, when; each by itself, so that one that means nothing keeps none of the others."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from pydantic_core import from_json, to_json

from querencia.customers.identity import is_blocked
from querencia.customers.intake.orders import GivenBack, Sale, is_order, order_of
from querencia.customers.intake.reasons import Refusal, Refused, what_is
from querencia.customers.models import Arrival

# Of orders, whose numbers are the business's own. What tells one message from another its sender alone knows.
SOURCE = "segment"
EVENT_BYTES_MAX = 32 * 1024
# What we write into an event ourselves: an id where it has none, and when its batch was sent.
ADDED_BYTES_MAX = 512
DOORS = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias"}
TYPES = frozenset(DOORS.values())
KIND_LENGTH_MAX = 80
KEY_LENGTH_MAX = 200
NAME_LENGTH_MAX = 400
ID_LENGTH_MAX = 200
CHANNEL_LENGTH_MAX = 40
# Nothing was sent before there was a web to send it through: such clocks were never set.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
# What programs write when they know nobody.
NOBODY = frozenset({"", "0", "-1", "null", "none", "undefined", "nan", "anonymous", "guest", "unknown"})
# The house's own kinds are written so; nobody at the door may say that one of them happened.
OURS = re.compile(r"[a-z_]+(\.[a-z_]+)+")
UNSTORABLE = re.compile(rb"\\u0000|\d[eE]\+?\d{3,}\s*[],}]|\d{300}")
# What stands in columns of its own, or belongs to sending and not to what happened.
NOT_KEPT = frozenset(
    {"messageId", "type", "timestamp", "originalTimestamp", "sentAt", "receivedAt", "writeKey", "_metadata"}
)


@dataclass(frozen=True)
class Seen:
    """An event that can be taken in."""

    arrival_id: int
    source: str
    key: str
    type: str
    kind: str
    user_id: str
    anonymous_id: str
    previous_id: str
    occurred_at: datetime
    channel: str
    traits: dict[str, Any]
    properties: dict[str, Any]
    order: Sale | GivenBack | None
    is_live: bool
    event: Any = field(repr=False)

    @property
    def place(self) -> tuple[str, str]:
        """What makes it one event, however often it is sent."""
        return (self.key, self.source)


def source_of(api_key_id: int) -> str:
    """Where the events of a key come from. Two senders may number their messages alike."""
    return f"{SOURCE}:{api_key_id}"


def read(arrival: Arrival, *, currency: str) -> Iterator[Seen | Refused]:
    """Everything that an arrival holds, in its order; `currency` is the business's, empty before it has one."""
    body = _parsed(bytes(arrival.body))
    if arrival.door == "replay":
        for number, kept in enumerate(body):
            received_at = datetime.fromisoformat(kept["received_at"])
            size = _size(kept["event"], arrival) - ADDED_BYTES_MAX
            yield _one(kept["event"], arrival, number, received_at, currency, is_live=kept["is_live"], size=size)
        return
    if arrival.door not in ("batch", "import"):
        yield _one(_typed(body, arrival.door), arrival, 0, arrival.received_at, currency)
        return
    events = body.get("batch") if isinstance(body, dict) else None
    if not isinstance(events, list):
        yield Refused(arrival.pk, "", "no_list", body)
        return
    sent_at = body.get("sentAt")
    is_live = arrival.door != "import"
    for number, event in enumerate(events):
        size = _size(event, arrival)
        if sent_at is not None and isinstance(event, dict) and "sentAt" not in event:
            event["sentAt"] = sent_at
        yield _one(event, arrival, number, arrival.received_at, currency, is_live=is_live, size=size)


def _size(event: Any, arrival: Arrival) -> int:
    """In bytes, as it was sent; 0 where the whole body is smaller than one event may be."""
    return len(to_json(event)) if len(arrival.body) > EVENT_BYTES_MAX else 0


def _parsed(given: bytes) -> Any:
    body = from_json(given)
    return _storable(body) if UNSTORABLE.search(given) else body


def _storable(value: Any) -> Any:
    """Without what JSON may hold and no database keeps: the character of number 0, and numbers beyond all bounds."""
    match value:
        case str():
            return value.replace("\0", "")
        case float():
            return value if isfinite(value) else repr(value)
        case dict():
            return {name.replace("\0", ""): _storable(each) for name, each in value.items()}
        case list():
            return [_storable(each) for each in value]
        case _:
            return value


def _typed(event: Any, door: str) -> Any:
    """At a door of its own an event need not say what it is."""
    return {**event, "type": door} if isinstance(event, dict) else event


def _one(
    event: Any,
    arrival: Arrival,
    number: int,
    received_at: datetime,
    currency: str,
    *,
    is_live: bool = True,
    size: int = 0,
) -> Seen | Refused:
    if isinstance(event, dict) and not event.get("messageId"):
        # Of its place, so that it is the same event however often it is read.
        event = {**event, "messageId": f"arrival-{arrival.pk}-{number}"}
    try:
        if size > EVENT_BYTES_MAX:
            raise Refusal("too_large", size=-(-size // 1024), limit=EVENT_BYTES_MAX // 1024)
        return _seen(event, arrival, received_at, currency, is_live)
    except Refusal as refused:
        return Refused(arrival.pk, kind_of(event), refused.code, event, refused.facts, is_live)


def kind_of(event: Any) -> str:
    """What a rejected event calls itself, as far as that can be told."""
    named = [event.get("event"), event.get("type")] if isinstance(event, dict) else []
    return next((name[:KIND_LENGTH_MAX].replace("\0", "") for name in named if isinstance(name, str) and name), "")


def _seen(event: Any, arrival: Arrival, received_at: datetime, currency: str, is_live: bool) -> Seen:
    if not isinstance(event, dict):
        raise Refusal("not_object", what=what_is(event))
    sort = event.get("type")
    if sort is None:
        raise Refusal("no_type")
    if not isinstance(sort, str) or sort not in TYPES:
        raise Refusal("unknown_type", value=str(sort))
    key = _text(event, "messageId", KEY_LENGTH_MAX)
    user, anonymous = _person(event, "userId"), _person(event, "anonymousId")
    previous = _person(event, "previousId") if sort == "alias" else ""
    if not user and not anonymous:
        raise Refusal("nobody")
    if sort == "alias" and not previous:
        raise Refusal("no_previous")
    properties = _object(event, "properties")
    traits = _object(event, "traits")
    _object(event, "context")
    name = _name(event) if sort == "track" else ""
    order = None
    if sort == "track" and is_order(name):
        order = order_of(name, properties, message_id=key, currency=currency)
    return Seen(
        arrival_id=arrival.pk,
        source=source_of(arrival.api_key_id),
        key=key,
        type=sort,
        kind=_kind(name) if name else sort,
        user_id=user,
        anonymous_id=anonymous,
        previous_id=previous,
        occurred_at=occurred_at(event, received_at),
        channel=_channel(event),
        traits=traits,
        properties={field: value for field, value in event.items() if field not in NOT_KEPT},
        order=order,
        is_live=is_live,
        event=event,
    )


def occurred_at(event: dict[str, Any], received_at: datetime) -> datetime:
    """By our clock: what the sender's was off by when it sent is taken off. The future is now. Raises Refusal."""
    field = "timestamp" if event.get("timestamp") is not None else "originalTimestamp"
    if event.get(field) is None:
        return received_at
    moment = _moment(event, field)
    if event.get("sentAt") is not None:
        try:
            moment = received_at - (_moment(event, "sentAt") - moment)
        except OverflowError:
            raise Refusal("no_date", field=field, value=str(event[field])) from None
    if moment < EARLIEST:
        raise Refusal("too_old", value=f"{moment:%Y-%m-%d}")
    return min(moment, received_at)


def _moment(event: dict[str, Any], field: str) -> datetime:
    value = event[field]
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Refusal("no_date", field=field, value=str(value)) from None


def _text(event: dict[str, Any], field: str, limit: int) -> str:
    value = event.get(field)
    if not isinstance(value, str):
        raise Refusal("wrong_type", field=field, what=what_is(value), wanted="text")
    written = value.strip()
    if len(written) > limit:
        raise Refusal("too_long", field=field, limit=limit)
    return written


def _person(event: dict[str, Any], field: str) -> str:
    """An id of somebody; nothing where it is absent or a word for nobody."""
    value = event.get(field)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Refusal("wrong_type", field=field, what=what_is(value), wanted="text")
    written = str(value).strip()
    if len(written) > ID_LENGTH_MAX:
        raise Refusal("too_long", field=field, limit=ID_LENGTH_MAX)
    return "" if written.lower() in NOBODY or is_blocked(written) else written


def _object(event: dict[str, Any], field: str) -> dict[str, Any]:
    value = event.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal("wrong_type", field=field, what=what_is(value), wanted="object")
    return value


def _name(event: dict[str, Any]) -> str:
    if event.get("event") in (None, ""):
        raise Refusal("no_name")
    name = _text(event, "event", NAME_LENGTH_MAX)
    if not name:
        raise Refusal("no_name")
    return name


def is_ours(name: str) -> bool:
    """Whether a kind could be taken for one of the house's own, or of Segment's types."""
    return name in TYPES or OURS.fullmatch(name) is not None


def _kind(name: str) -> str:
    return (f"track: {name}" if is_ours(name) else name)[:KIND_LENGTH_MAX]


def _channel(event: dict[str, Any]) -> str:
    given = event.get("channel") or (event.get("context") or {}).get("channel")
    return given.strip()[:CHANNEL_LENGTH_MAX] if isinstance(given, str) else ""
