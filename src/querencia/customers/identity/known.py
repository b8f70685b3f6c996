"""What somebody tells of a person: identifiers in one notation, without those that name nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from querencia.customers.imports import person_checks, values
from querencia.customers.models import Identifier

Kind = Identifier.Kind
# The strongest first: of those that speak against each other the last is dropped.
KINDS = (Kind.CUSTOMER_KEY, Kind.EMAIL, Kind.PHONE, Kind.CARD, Kind.EXTERNAL, Kind.ORDER, Kind.DEVICE)
PRIORITY = {str(kind): place for place, kind in enumerate(KINDS)}
BLOCKED = frozenset({"", "undefined", *values.NOBODY})
LENGTHS = {str(Kind.CUSTOMER_KEY): 200}
LENGTH_MAX = 254

type Pair = tuple[str, str]


@dataclass(frozen=True)
class Known:
    """What is known of somebody: identifiers as (kind, value), and traits by field of a customer."""

    identifiers: tuple[Pair, ...]
    traits: Mapping[str, Any] = field(default_factory=dict)


def is_blocked(value: str) -> bool:
    """Whether programs write this for nobody: empty, 0, -1, null, anonymous."""
    return value.strip().lower() in BLOCKED


def cleaned(identifiers: tuple[Pair, ...], region: str = "") -> tuple[Pair, ...]:
    """Each once, in one notation, the strongest first; without blocked values and addresses that cannot be any.

    ``region``: the country whose phone numbers are written without a prefix. Raises ValueError for an unknown kind.
    """
    found: dict[Pair, None] = {}
    for kind, value in sorted(identifiers, key=lambda pair: _place(pair[0])):
        written = _written(str(kind), value, region)
        if written:
            found[str(kind), written] = None
    return tuple(found)


def _place(kind: str) -> int:
    if kind not in PRIORITY:
        raise ValueError(f"no kind of identifier is called {kind}: known are {', '.join(PRIORITY)}")
    return PRIORITY[kind]


@lru_cache(maxsize=100_000)
def _written(kind: str, value: str, region: str) -> str | None:
    bare = value.replace("\x00", "").strip()
    if is_blocked(bare):
        return None
    if kind == Kind.EMAIL:
        return person_checks.email(bare)
    if kind == Kind.PHONE:
        return person_checks.phone(bare, region or None)
    return bare if len(bare) <= LENGTHS.get(kind, LENGTH_MAX) else None
