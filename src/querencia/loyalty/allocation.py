"""Which lots points are taken from: those that lapse soonest first, so that members lose as little as possible; those
that never lapse last. Among equals the oldest first. The order is that of commits, never of events."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol


class Takeable(Protocol):
    """What can be taken from. ``expires_at`` None: it never lapses."""

    @property
    def pk(self) -> int: ...
    @property
    def available_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def remaining(self) -> int: ...


def order(lot: Takeable) -> tuple[bool, float, int]:
    """Sorts lots as they are taken from."""
    return (lot.expires_at is None, lot.expires_at.timestamp() if lot.expires_at else 0.0, lot.pk)


def is_usable(lot: Takeable, at: datetime) -> bool:
    """Whether its points can be spent then. Decided here, at read, never by whether a sweep came by."""
    return lot.remaining > 0 and lot.available_at <= at and not has_lapsed(lot, at)


def is_pending(lot: Takeable, at: datetime) -> bool:
    return lot.remaining > 0 and at < lot.available_at and not has_lapsed(lot, at)


def has_lapsed(lot: Takeable, at: datetime) -> bool:
    return lot.expires_at is not None and lot.expires_at <= at


def allocate[Lot: Takeable](lots: Iterable[Lot], amount: int) -> list[tuple[Lot, int]]:
    """How much of ``amount`` to take from which lots, in order; less than asked where they hold less."""
    taken: list[tuple[Lot, int]] = []
    for lot in sorted(lots, key=order):
        if amount <= 0:
            break
        if part := min(amount, lot.remaining):
            taken.append((lot, part))
            amount -= part
    return taken


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """A whole number in parts by weight that add up to it exactly: rounded down, and what is left to the largest
    remainders (Hamilton), the first first. Without any weight all of it goes to the first part."""
    if len(weights) <= 1:
        return [total] * len(weights)
    whole = sum(weights)
    if whole <= 0 or any(weight < 0 for weight in weights):
        return [total, *[0] * (len(weights) - 1)]
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda n: (-(total * weights[n] % whole), n))
    for n in by_remainder[: total - sum(parts)]:
        parts[n] += 1
    return parts
