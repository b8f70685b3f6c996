"""What stands in bodies: texts that databases keep, money in minor units, moments with their zone, lists of many."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
    WrapValidator,
    model_validator,
)

from querencia.api.rest.problems import Fault, faults_of
from querencia.common.money import MINOR_MAX
from querencia.common.time import known_time_zones
from querencia.customers.actions.profiles import Reference
from querencia.customers.models import Identifier

MANY_MAX = 1_000
ID_MAX = 2**63 - 1
PROPERTIES_BYTES_MAX = 32 * 1024
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Given(BaseModel):
    """What is sent. A field that nobody knows is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Told(BaseModel):
    """What is answered."""

    model_config = ConfigDict(use_attribute_docstrings=True, json_schema_serialization_defaults_required=True)


def _written(value: str) -> str:
    if "\0" in value:
        raise ValueError("the character of number 0 is no part of a text")
    return value


def _as_text(value: Any) -> Any:
    # Numbers would be read as seconds.
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("write it as ISO 8601 says: 2026-05-01, with a moment 2026-05-01T10:42:00+02:00")
    return value


def _in_our_time(value: datetime) -> datetime:
    if not FIRST <= value < LAST:
        raise ValueError("a moment of the years 1900 to 2199 is meant")
    return value.astimezone(UTC)


def _of_a_life(value: date) -> date:
    if not 1850 <= value.year < 2200:
        raise ValueError("a day of the years 1850 to 2199 is meant")
    return value


def _zone(value: str) -> str:
    if value and value not in known_time_zones():
        raise ValueError("no IANA time zone is called so; write, for example, Europe/Madrid")
    return value


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    _look_through(value)
    if len(json.dumps(value, ensure_ascii=False).encode()) > PROPERTIES_BYTES_MAX:
        raise ValueError(f"more than {PROPERTIES_BYTES_MAX // 1024} KB")
    return value


def _look_through(value: Any) -> None:
    match value:
        case str():
            _written(value)
        case float() if not isfinite(value):
            raise ValueError("a number beyond all bounds")
        case int() if abs(value) > 10**300:
            raise ValueError("a number beyond all bounds")
        case dict():
            for name, each in value.items():
                _written(name)
                _look_through(each)
        case list():
            for each in value:
                _look_through(each)


def text(longest: int, shortest: int = 0, pattern: str | None = None, look: Callable[[str], str] = str) -> Any:
    """A text of so many characters, without blanks around it; ``look`` raises ValueError for what it may not be."""
    held = StringConstraints(strip_whitespace=True, min_length=shortest, max_length=longest, pattern=pattern)
    return Annotated[str, held, AfterValidator(_written), AfterValidator(look)]


Key = text(200, 1)
Id = Annotated[StrictInt, Field(ge=1, le=ID_MAX)]
AskedId = Annotated[int, Field(ge=1, le=ID_MAX)]
Minor = Annotated[StrictInt, Field(ge=-MINOR_MAX, le=MINOR_MAX)]
Moment = Annotated[AwareDatetime, BeforeValidator(_as_text), AfterValidator(_in_our_time)]
Day = Annotated[date, BeforeValidator(_as_text), AfterValidator(_of_a_life)]
TimeZone = text(64, look=_zone)
Properties = Annotated[dict[str, Any], AfterValidator(_storable)]
Source = text(40, 1, r"^[a-z0-9][a-z0-9_.-]*$")
Currency = text(3, 3, r"^[A-Z]{3}$")
type KindOfIdentifier = Literal["customer_key", "email", "phone", "card", "device", "order", "external"]
assert set(KindOfIdentifier.__value__.__args__) == set(Identifier.Kind.values)


class IdentifierGiven(Given):
    kind: KindOfIdentifier
    value: text(254, 1)  # type: ignore[valid-type]


class CustomerGiven(Given):
    """Whom it is of: by our id, or by kind and value of an identifier, which creates a customer where nobody has it."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["id"]}, {"required": ["kind", "value"]}]})
    id: Id | None = None
    kind: KindOfIdentifier | None = None
    value: text(254, 1) | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _one_way(self) -> "CustomerGiven":
        if (self.id is None) == (self.kind is None) or (self.kind is None) != (self.value is None):
            raise ValueError("name the customer either by id or by kind and value")
        return self


class Unusable(BaseModel):
    """An item of many that is not what it should be, and why."""

    faults: list[Any]


def _leniently(value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except ValidationError as fault:
        return Unusable(faults=faults_of(fault.errors(include_url=False, include_input=False, include_context=False)))


class Many[Item](Given):
    """Many at once: each is judged by itself, and the good ones are written together."""

    items: Annotated[list[Annotated[Item, WrapValidator(_leniently)]], Field(min_length=1, max_length=MANY_MAX)]


class ErrorTold(Told):
    detail: str
    code: str
    pointer: str
    """Where in the body or the item, as RFC 6901 says."""


class Outcome(Told):
    """What became of one item."""

    result: Literal["created", "updated", "unchanged", "rejected"]
    id: int | None = None
    """The id of what was written."""
    customer_id: int | None = None
    """The customer whose it is: whoever stands for the person."""
    errors: list[ErrorTold] = []
    """Why it was rejected; or what of it was left out."""


class Outcomes(Told):
    """What became of each item, in the order in which they were sent."""

    results: list[Outcome]
    created: int
    updated: int
    unchanged: int
    rejected: int


class Page[Item](Told):
    items: list[Item]
    next_cursor: str | None
    """Leads to the next page; null on the last one. The header Link says the same."""


def reference(given: CustomerGiven) -> Reference:
    return given.id if given.id is not None else (str(given.kind), str(given.value))


def rejected(*faults: Fault) -> Outcome:
    return Outcome(result="rejected", errors=[_error(fault) for fault in faults])


def _error(fault: Fault) -> ErrorTold:
    return ErrorTold(detail=fault.detail, code=fault.code, pointer=fault.pointer or "")
