"""What the simulated customers are like: the true process whose parameters the models try to recover."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, kw_only=True)
class Process:
    """Parameters of the buying process: Pareto/NBD in calendar time, bent by seasons.

    While customers stay, they buy by a Poisson process whose rate is gamma distributed among them. They leave after an
    exponential time whose rate is gamma distributed among them too (Schmittlein, Morrison & Colombo 1987). The mean
    spend of customers is log-normal among them; each purchase is gamma distributed around it. ``season=0, week=0``
    leaves the plain Pareto/NBD.

    >>> Process(purchases_per_year=12, season=0).rate_scale_days
    24.349999999999998
    """

    rate_shape: float = 0.8
    """Shape r of the gamma of buying rates: small means a few buy much."""
    purchases_per_year: float = 6.0
    """Mean rate of customers who stay."""
    dropout_shape: float = 1.2
    """Shape s of the gamma of drop-out rates."""
    dropout_scale_days: float = 400.0
    """Scale β of the gamma of drop-out rates: the share that stays t days is (β / (β + t)) ** s."""
    growth_per_year: float = 1.2
    """Customers won in a year over customers won the year before."""
    season: float = 1.0
    """Strength of the yearly season, 0 (none) to 1 (December doubles, August dips by a third)."""
    week: float = 1.0
    """Strength of the weekday pattern, 0 (none) to 1 (Saturday twice a Monday)."""
    amount_mean: float = 40.0
    """Mean purchase over all customers, in units of the currency."""
    amount_spread: float = 0.6
    """Standard deviation of the logarithm of customers' mean spend; 0 makes them equal."""
    amount_shape: float = 4.0
    """Shape p of the gamma of one customer's purchases: the larger, the more alike."""
    refund_share: float = 0.02
    """Share of purchases that are brought back, some days later, whole or in part."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))

    @property
    def rate_scale_days(self) -> float:
        """Scale α of the gamma of buying rates, in days: the mean rate is r / α a day."""
        never = self.purchases_per_year == 0
        return math.inf if never else self.rate_shape * DAYS_PER_YEAR / self.purchases_per_year

    def staying_share(self, days: Floats) -> Floats:
        """Share of customers still there so many days after their first purchase."""
        share: Floats = (self.dropout_scale_days / (self.dropout_scale_days + days)) ** self.dropout_shape
        return share


LIMITS: Mapping[str, tuple[float, float]] = {
    "rate_shape": (0.01, 1_000),
    "purchases_per_year": (0, 10_000),
    "dropout_shape": (0.01, 1_000),
    "dropout_scale_days": (0.1, 10_000_000),
    "growth_per_year": (0.1, 10),
    "season": (0, 1),
    "week": (0, 1),
    "amount_mean": (0.01, 1_000_000_000),
    "amount_spread": (0, 3),
    "amount_shape": (0.1, 1_000),
    "refund_share": (0, 0.5),
}


def _check(name: str, value: Any) -> None:
    low, high = LIMITS[name]
    in_range(name, value, low, high)


def in_range(name: str, value: Any, low: float, high: float, unit: str = "") -> None:
    """Refuse a parameter that is no number or lies outside of what the simulation can carry."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}: give a number from {low:,} to {high:,}{unit}.")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:,}, outside of {low:,} to {high:,}{unit}: choose a value between.")


def whole_number(name: str, value: Any, low: int, high: int) -> None:
    """Refuse a parameter that is no whole number within its limits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}: give a whole number from {low:,} to {high:,}.")
    in_range(name, value, low, high)
