"""A figure with how far it could be off."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """``value`` lies between ``low`` and ``high``, with 95 % confidence unless stated otherwise."""

    value: float
    low: float
    high: float
