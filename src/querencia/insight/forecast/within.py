"""Within which so many of such customers will fall, and what it is even odds that they exceed: a hurdle at no purchase,
and a spread of one's own beyond it.

The spread is that of the candidate, widened by as much as it took in the back-test to hold the share that is stated.
"""

import numpy as np
from scipy.special import betainc, gammaincinv, nbdtrik

from querencia.insight.forecast.spending import Amount, GammaGamma
from querencia.insight.lifetime.groups import Array

WITHIN = 0.80  # of customers, for purchases and spend
SPREAD_MAX = 1e6  # a spread beyond it is as good as certain
SUMMED_MAX = 24  # purchases
WIDER = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)


def widened(shape: Array, wider: float) -> Array:
    """Shape of the Gamma distribution in which a rate lies, with more variance (in squares of the mean)."""
    return 1 / (1 / np.minimum(shape, SPREAD_MAX) + wider)


def fitting(expected: Array, chance: Array, shape: Array, actual: Array, weight: Array) -> tuple[float, float]:
    """How much wider the spread must be for the stated share to fall within, and the share that then does."""
    share = 0.0
    for wider in WIDER:
        share = covered(expected, chance, widened(shape, wider), actual, weight)
        if share >= WITHIN:
            return wider, share
    return WIDER[-1], share


def covered(expected: Array, chance: Array, shape: Array, actual: Array, weight: Array) -> float:
    """Share of customers who bought as often as the interval says."""
    low, high = purchases(expected, chance, shape)
    return float(weight @ ((actual >= np.floor(low)) & (actual <= high)) / weight.sum())


def purchases(expected: Array, chance: Array, shape: Array) -> tuple[Array, Array]:
    """Within which the stated share falls; the mean never lies outside."""
    low, high = (_number(share, expected, chance, shape) for share in ((1 - WITHIN) / 2, (1 + WITHIN) / 2))
    return np.minimum(low, expected), np.maximum(high, expected)


def likely(expected: Array, chance: Array, shape: Array) -> Array:
    """The median: the least number of purchases that such customers exceed no more often than not. Of all numbers it
    errs least, by absolute error (Gneiting 2011, "Making and evaluating point forecasts", JASA 106)."""
    return _number(0.5, expected, chance, shape)


def _number(share: float, expected: Array, chance: Array, shape: Array) -> Array:
    """The number of purchases that such a share does not exceed: none with 1 - chance, otherwise one and a negative
    binomial number more."""
    made = np.zeros(len(expected))
    # Most customers of most shops stop at the hurdle: only the others are reckoned.
    some = np.flatnonzero(chance > 1 - share)
    mean, chance, shape = expected[some], chance[some], shape[some]
    beyond = (share - (1 - chance)) / chance
    success = shape / (shape + np.maximum(mean / chance - 1, 0.0))
    made[some] = 1 + _at_most(np.clip(beyond, 0.0, 1 - 1e-9), shape, success)
    return made


def _at_most(share: Array, shape: Array, success: Array) -> Array:
    """The smallest number that a negative binomial exceeds no more often than 1 - ``share``."""
    number = np.zeros(len(share))
    left = np.arange(len(share))
    mass = success**shape
    below = mass
    # Summed up one by one, which for the few purchases of most customers is many times as fast as the inverse.
    for count in range(1, SUMMED_MAX + 1):
        short = below < share[left]
        left, mass, below = left[short], mass[short], below[short]
        number[left] = count
        mass = mass * ((shape[left] + count - 1) / count * (1 - success[left]))
        below = below + mass
    left = left[below < share[left]]
    number[left] = _inverse(share[left], shape[left], success[left])
    return number


def _inverse(share: Array, shape: Array, success: Array) -> Array:
    number = np.ceil(nbdtrik(share, shape, success))
    one_less = np.maximum(number - 1, 0.0)
    # The inverse is not exact to the last digit: where one less would do, it is one less.
    made: Array = np.where(betainc(shape, one_less + 1, success) >= share, one_less, number)
    return made


def spend(expected: Array, chance: Array, shape: Array, frequency: Array, amount: Amount) -> tuple[Array, Array]:
    """The same for spend, in units of the customer's mean amount: a Gamma distribution beyond the hurdle."""
    p, q = (amount.model.params_["p"], amount.model.params_["q"]) if isinstance(amount, GammaGamma) else (1.0, 3.0)
    # Purchases around their own mean, amounts around theirs, and doubt about what that mean is.
    mean = expected / np.maximum(chance, 1e-12)
    variance = mean + np.maximum(mean - 1, 0.0) ** 2 / shape - 1 + 1 / np.maximum(mean, 1.0)
    variance = np.maximum(variance, 0.0) + mean / p + mean**2 / np.maximum(p * frequency + q - 2, 1.0)
    bend = np.clip(mean**2 / np.maximum(variance, 1e-12), 1e-3, 1e9)
    ends = []
    for share in ((1 - WITHIN) / 2, (1 + WITHIN) / 2):
        beyond = (share - (1 - chance)) / np.maximum(chance, 1e-12)
        value = gammaincinv(bend, np.clip(beyond, 0.0, 1 - 1e-9)) * mean / bend
        ends.append(np.where(beyond > 0, value, 0.0))
    return np.minimum(ends[0], expected), np.maximum(ends[1], expected)
