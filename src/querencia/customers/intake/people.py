"""Who an event speaks of: identifiers, and what `identify` tells of them in words of ours."""

import re
from datetime import date
from typing import Any

from querencia.customers import names
from querencia.customers.intake.reading import Seen

EMAIL = re.compile(r"[^@\s\0]{1,64}@[^@\s\0]+\.[^@\s\0]{2,}")
PHONE = re.compile(r"\+[1-9]\d{6,14}")
# As what an id at the door may be known to us.
NAMED_BY = ("customer_key", "device", "email", "phone", "external")


def identifiers_of(seen: Seen) -> tuple[tuple[str, str], ...]:
    """Kinds and values, the strongest first. Who is who only `identify` and `alias` say: others name one of them."""
    user = (("customer_key", seen.user_id),) if seen.user_id else ()
    device = (("device", seen.anonymous_id),) if seen.anonymous_id else ()
    if seen.type == "identify":
        return user + _addresses(seen.traits) + device
    if seen.type == "alias":
        return user + device + (("device", seen.previous_id),)
    return user or device


def named_in(event: Any) -> tuple[tuple[str, str], ...]:
    """Everything in an event as it came that may be an identifier of ours, whether or not the event can be taken in."""
    if not isinstance(event, dict):
        return ()
    user, devices = event.get("userId"), (event.get("anonymousId"), event.get("previousId"))
    context = event.get("context")
    places = [event.get("traits"), event.get("properties"), context.get("traits") if isinstance(context, dict) else 0]
    ids = [str(given).strip() for given in (user, *devices) if isinstance(given, str | int)]
    found = [(kind, each) for each in ids for kind in NAMED_BY]
    for place in places:
        found += _addresses(place) if isinstance(place, dict) else ()
    return tuple((kind, value) for kind, value in found if value)


def traits_of(seen: Seen) -> dict[str, Any]:
    """What `identify` tells, by field of a customer; what cannot be one is left out (the event keeps all of it)."""
    if seen.type != "identify":
        return {}
    given = seen.traits
    address = given.get("address")
    address = address if isinstance(address, dict) else {}
    first, last = _text(given.get("firstName"), 120), _text(given.get("lastName"), 160)
    if not first and not last and _text(given.get("name"), 280):
        parted = names.split(_text(given.get("name"), 280))
        first, last = parted[0][:120], parted[1][:160]
    country = _text(given.get("country") or address.get("country"), 60).upper()
    language = _text(given.get("language"), 5).lower()[:2]
    found = {
        "given_name": first,
        "family_name": last,
        "language": language if re.fullmatch("[a-z]{2}", language) else "",
        "country": country if re.fullmatch("[A-Z]{2}", country) else "",
        "city": _text(given.get("city") or address.get("city"), 120),
        "birthday": _day(given.get("birthday")),
    }
    return {name: value for name, value in found.items() if value}


def _addresses(traits: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    email = _text(traits.get("email"), 254).lower()
    phone = re.sub(r"[\s().-]", "", _text(traits.get("phone"), 40))
    found = (("email", email),) if EMAIL.fullmatch(email) else ()
    return (*found, ("phone", phone)) if PHONE.fullmatch(phone) else found


def _text(value: Any, limit: int) -> str:
    return value.strip()[:limit] if isinstance(value, str) else ""


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        return None
