"""What a customer is worth by retention, margin and discount: the formulas of the field, in periods of any length.

Gupta, Lehmann & Stuart (2004), "Valuing Customers", Journal of Marketing Research 41(1); Gupta & Lehmann (2005),
Managing Customers as Investments, chapter 2. Where customers differ in how long they stay, one rate for all
understates what those who are there are worth: Fader & Hardie (2010), "Customer-Base Valuation in a Contractual
Setting: The Perils of Ignoring Heterogeneity", Marketing Science 29(1). :func:`annuity` therefore takes a rate for
each period.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querencia.insight.errors import InputError

type Array = NDArray[np.float64]

YEAR_DAYS = 365
# Above it, at a small discount, a value says more about how the rate was rounded than about customers.
RETENTION_MAX = 0.999


def multiple(retention: float, discount: float) -> float:
    """What one unit of margin per period is worth in the periods to come: r / (1 + i - r).

    Gupta & Lehmann's margin multiple, of a customer who has just paid; 2.67 at 80 % and 10 %. ``discount`` is per
    period, 0 or more; ``retention`` from 0 to 1, below 1 where nothing is discounted.

    >>> round(multiple(0.8, 0.1), 2)
    2.67
    """
    _valid(retention, discount)
    return retention / (1 + discount - retention)


def lifetime_value(margin: float, retention: float, discount: float) -> float:
    """Worth of a new customer who brings ``margin`` now and in each period they stay: m (1 + i) / (1 + i - r).

    Five points more retention are worth 9 % from 50 % on and 33 % from 90 % on, at a discount of 10 %; that they double
    the profit (Reichheld & Sasser 1990) holds in neither.

    >>> round(lifetime_value(100, 0.8, 0.1), 1)
    366.7
    """
    return margin * (1 + multiple(retention, discount))


def elasticity(retention: float, discount: float) -> float:
    """By how many per cent the margin multiple rises when retention is one per cent better: (1 + i) / (1 + i - r).

    Gupta, Lehmann & Stuart found 2.5 to 6.8 for five firms.

    >>> round(elasticity(0.8, 0.1), 2)
    3.67
    """
    _valid(retention, discount)
    return (1 + discount) / (1 + discount - retention)


def break_even(margin: float, before: float, after: float, discount: float) -> float:
    """What may be spent per present customer and period, from now on, to raise retention from ``before`` to ``after``.

    At this cost a present customer is worth as much as without the effort: what it brings, spread over the periods in
    which it is paid. Below zero for a fall.

    >>> round(break_even(100, 0.80, 0.85, 0.1), 2)
    16.67
    """
    gained = multiple(after, discount) - multiple(before, discount)
    return margin * gained / (1 + multiple(after, discount))


def per_period(rate: float, days: float) -> float:
    """The discount of a period of so many days of a yearly ``rate``.

    >>> round(per_period(0.1, 182), 4)
    0.0487
    """
    if not 0 <= rate < float("inf"):
        raise InputError(f"A discount is a share of zero or more a year, not {rate!r}.", example=rate)
    made: float = (1 + rate) ** (days / YEAR_DAYS) - 1
    return made


def annuity(retention: ArrayLike, discount: float) -> Array:
    """Worth of one unit of margin per period to come, for a customer with 0, 1, 2, … renewals behind them.

    ``retention[..., k]`` is the chance of renewal k + 1 of who renewed k times; beyond the last the rate stays. The
    result has one entry more than the rates: a_k = r_{k+1} (1 + a_{k+1}) / (1 + i), from the far end on. A new
    customer is worth margin × (1 + a_0). With one rate it is :func:`multiple`; with those of the
    shifted-beta-geometric it is the discounted expected residual lifetime of Fader & Hardie (2010), one period
    earlier.

    >>> annuity([0.6, 0.8, 0.8], 0.1).round(2).tolist()
    [2.0, 2.67, 2.67, 2.67]
    """
    rates = np.minimum(np.asarray(retention, dtype=np.float64), RETENTION_MAX)
    # Renewals first, so that each step of the recursion runs through memory in one go.
    ahead = np.ascontiguousarray(np.moveaxis(rates, -1, 0)) / (1 + discount)
    made = np.empty((len(ahead) + 1, *ahead.shape[1:]))
    made[-1] = ahead[-1] / (1 - ahead[-1])
    for place in range(len(ahead) - 1, -1, -1):
        made[place] = ahead[place] * (1 + made[place + 1])
    turned: Array = np.moveaxis(made, 0, -1)
    return turned


def _valid(retention: float, discount: float) -> None:
    if not 0 <= discount < float("inf"):
        raise InputError(f"A discount is a share of zero or more, not {discount!r}.", example=discount)
    if not 0 <= retention <= 1 or retention >= 1 + discount:
        raise InputError(
            f"A retention rate lies between 0 and 1 (below 1 without discount), not {retention!r}.", example=retention
        )


def amount(value: Any) -> int:
    """Minor units are whole."""
    return round(float(value))
