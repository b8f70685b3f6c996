"""What a month comes to between a partner and the business. Pure.

A partner pays for points that were granted at its expense, less those that were taken back, and is paid for points that
it took in, less those that it gave back. Points are those of its account in the ledger, to the point.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class Settled:
    """``opening`` and ``closing``: the partner's account, as points that the partner paid for less those it took in.
    ``due`` in minor units: above zero the partner owes it, below zero the business does."""

    opening: int
    granted: int
    taken_back: int
    redeemed: int
    restored: int
    closing: int
    funds_per_thousand: int
    takes_per_thousand: int
    funded: int
    taken: int

    @property
    def due(self) -> int:
        return self.funded - self.taken

    def told(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*self.__slots__, "due")}


def settle(before: int, moved: Mapping[str, int], *, funds_per_thousand: int, takes_per_thousand: int) -> Settled:
    """``before`` and ``moved`` (by kind of entry): the partner's account in the ledger, where what it pays for is below
    zero."""
    granted, taken_back = -moved.get("grant", 0), moved.get("claw_back", 0)
    redeemed, restored = moved.get("capture", 0), -moved.get("restore", 0)
    return Settled(
        opening=-before,
        granted=granted,
        taken_back=taken_back,
        redeemed=redeemed,
        restored=restored,
        closing=-before - sum(moved.values()),
        funds_per_thousand=funds_per_thousand,
        takes_per_thousand=takes_per_thousand,
        funded=price(granted - taken_back, funds_per_thousand),
        taken=price(redeemed - restored, takes_per_thousand),
    )


def price(points: int, per_thousand: int) -> int:
    """In minor units; a half goes to the even neighbour."""
    return round(Fraction(points * per_thousand, 1_000))
