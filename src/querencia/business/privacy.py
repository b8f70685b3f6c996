"""What this room knows of customers: what programs were answered, for a day (see ``customers/privacy.py``)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Never

PERIODS: Sequence[Never] = ()
# Answers that are kept for a day: the room of customers, which knows by what to find them, takes theirs away.
HOLDS: Mapping[str, tuple[str, ...]] = {"KeptAnswer": ("headers", "body")}
FREE: Mapping[str, str] = {
    "Business": "the business itself",
    "Staff": "of those who work here, not of customers",
    "ApiKey": "of machines",
    "KeptAnswer.name": "what a program calls a request",
    "KeptAnswer.fingerprint": "of a whole request",
}


def facts_of(customer_ids: Sequence[int]) -> Iterator[Never]:
    """Nothing."""
    yield from ()


def erase(customer_ids: Sequence[int], *, at: datetime) -> None:
    """Nothing that this room could find by a customer."""
