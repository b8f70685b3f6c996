"""BG/NBD: Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), 275–284.

Customers buy at a Poisson rate (Gamma: r, alpha) and may leave after each purchase with a probability (Beta: a, b). One
consequence to know: somebody who bought once has, by this model, certainly not left. Rank people by the chance of a
purchase, never by the chance of being alive.
"""

from typing import Any

import numpy as np
from scipy.special import expit, gammaln, hyp2f1, psi

from querencia.insight.lifetime.explained import Explained, ExplainedModel, Likelihood
from querencia.insight.lifetime.fitting import Objective
from querencia.insight.lifetime.groups import Array, Groups

AT_ONCE = 20_000  # histories per block, so that a block's arrays stay in the processor's own memory
NEAR_ONE = 1e-6  # the expectation has a removable pole at a = 1


class BetaGeoModel(ExplainedModel):
    """BG/NBD. ``params_``: r, alpha (time units), a, b. ``covariates``: see
    :mod:`querencia.insight.lifetime.explained`.

    >>> model = BetaGeoModel(time_unit_days=7).fit(summary)  # doctest: +SKIP
    """

    name = "BG/NBD"
    parameters = ("r", "alpha", "a", "b")
    leaving_moves = (2, 1.0)

    def _guess(self, rate: float, longest: float) -> Array:
        return np.array([0.5, 0.5 / rate, 0.8, 2.5])

    def _objective(self, grouped: Groups) -> Objective:
        """The likelihood as ln L = A(x) + r ln alpha - (r+x) ln(alpha+T) + log1p(exp(d)), with d the log-odds of having
        left after the last purchase. Everything that depends on one of x, t or T alone is computed once per value."""
        total = grouped.customers
        counts, of_count = np.unique(grouped.frequency, return_inverse=True)
        ages, of_age = np.unique(grouped.age, return_inverse=True)
        weight_of_count = np.bincount(of_count, weights=grouped.weight)
        del of_count
        repeat = grouped.frequency > 0
        weight_once = np.bincount(of_age[~repeat], weights=grouped.weight[~repeat], minlength=len(ages))
        x, w, age_of = grouped.frequency[repeat], grouped.weight[repeat], of_age[repeat].astype(np.int32)
        recencies, recency_of = np.unique(grouped.recency[repeat], return_inverse=True)
        recency_of = recency_of.astype(np.int32)
        blocks = [slice(start, start + AT_ONCE) for start in range(0, len(x), AT_ONCE)]

        def objective(theta: Array) -> tuple[float, Array]:
            r, alpha, a, b = np.exp(theta)
            by_count = gammaln(r + counts) - gammaln(r) + gammaln(a + b) - gammaln(b)
            by_count = by_count + gammaln(b + counts) - gammaln(a + b + counts)
            of_ages, of_recencies = (np.log(alpha + ages), alpha + ages), (np.log(alpha + recencies), alpha + recencies)
            value = weight_of_count @ by_count + total * r * np.log(alpha) - r * (weight_once @ of_ages[0])
            by_r = weight_of_count @ (psi(r + counts) - psi(r)) + total * np.log(alpha) - weight_once @ of_ages[0]
            by_alpha = total * r / alpha - r * (weight_once @ (1 / of_ages[1]))
            both, both_x = psi(a + b), psi(a + b + counts)
            by_a = weight_of_count @ (both - both_x)
            by_b = weight_of_count @ (both - psi(b) + psi(b + counts) - both_x)
            sums = np.zeros(5)
            for block in blocks:
                until_now = [values[age_of[block]] for values in of_ages]
                until_last = [values[recency_of[block]] for values in of_recencies]
                sums += _repeaters(x[block], w[block], until_now, until_last, (r, a, b))
            value += sums[0]
            slopes = np.array([by_r - sums[1], by_alpha - sums[2], by_a + sums[3] / a, by_b - sums[4]])
            gradient = slopes * np.array([r, alpha, a, b])
            return -value / total, -gradient / total

        return objective

    def _alive(self, grouped: Groups) -> Array:
        r, alpha, a, b = self._parameters_of(grouped)
        x = grouped.frequency
        odds = np.log(a) - np.log(np.maximum(b + x - 1, 1e-300))
        odds = odds + (r + x) * (np.log(alpha + grouped.age) - np.log(alpha + grouped.recency))
        return np.where(x > 0, expit(-odds), 1.0)

    def _expected(self, grouped: Groups, time: float) -> Array:
        r, alpha, a, b = self._parameters_of(grouped)
        return self._alive(grouped) * expectation(r, alpha, a, b, grouped, time)

    def _chance(self, grouped: Groups, time: float) -> Array:
        """Alive, and the Poisson process with its posterior rate is not silent. Leaving happens only after a purchase,
        so whoever is alive now is alive until the next one."""
        r, alpha, _a, _b = self._parameters_of(grouped)
        silent = (r + grouped.frequency) * (np.log(alpha + grouped.age) - np.log(alpha + grouped.age + time))
        made: Array = self._alive(grouped) * -np.expm1(silent)
        return made

    def _each(self, parameters: list[Any], grouped: Explained) -> Likelihood:
        return each(parameters, grouped, grouped.frequency)


def each(parameters: list[Any], grouped: Explained, chances: Array) -> Likelihood:
    """The likelihood of each history and its slopes, with ``chances`` to leave so far: in BG/NBD one after each repeat
    purchase, in MBG/NBD one after the first as well."""
    first, place = grouped.alike
    r, alpha, a, b = parameters
    x, shape = grouped.frequency, r + grouped.frequency
    some = [np.broadcast_to(value, len(grouped))[first] for value in (x, a, b, chances)]
    by_r = psi(r + some[0]) - psi(r)
    both, both_left = psi(some[1] + some[2]), psi(some[1] + some[2] + some[3])
    by_b = (both - psi(some[2]) + psi(some[2] + some[3]) - both_left)[place]
    value = gammaln(r + some[0]) - gammaln(r) + gammaln(some[1] + some[2]) - gammaln(some[2])
    value = (value + gammaln(some[2] + some[3]) - gammaln(some[1] + some[2] + some[3]))[place]
    after = np.maximum(b + chances - 1, 1e-300)
    now, last = alpha + grouped.age, alpha + grouped.recency
    log_now, log_last, log_alpha = np.log(now), np.log(last), np.log(alpha)
    odds = np.where(chances > 0, np.log(a / after) + shape * (log_now - log_last), -np.inf)
    left = expit(odds)
    stayed = 1 - left
    value = value + r * log_alpha - shape * log_now + np.logaddexp(0, odds)
    slopes = [
        (by_r[place] + log_alpha - stayed * log_now - left * log_last) * r,
        r - shape * (stayed / now + left / last) * alpha,
        (both - both_left)[place] * a + left,
        (by_b - left / after) * b,
    ]
    return value, slopes


def _repeaters(
    x: Array, w: Array, until_now: list[Array], until_last: list[Array], parameters: tuple[float, float, float]
) -> Array:
    """Sums over customers with repeat purchases: of the likelihood, and of its slopes by r, alpha, ln a and b.

    ``until_now`` and ``until_last``: ln(alpha + T), ln(alpha + t), each followed by what it is the logarithm of.
    """
    r, a, b = parameters
    shape, after = r + x, np.maximum(b + x - 1, 1e-300)
    odds = shape * (until_now[0] - until_last[0]) + np.log(a / after)
    small = np.exp(-np.abs(odds))
    left = np.where(odds >= 0, 1.0, small) / (1 + small)
    stayed = 1 - left
    return np.array(
        [
            w @ (np.log1p(small) + np.maximum(odds, 0.0) - shape * until_now[0]),
            w @ (stayed * until_now[0] + left * until_last[0]),
            (w * shape) @ (stayed / until_now[1] + left / until_last[1]),
            w @ left,
            (w * left) @ (1 / after),
        ]
    )


def expectation(r: float, alpha: Any, a: Any, b: float, grouped: Groups, time: float) -> Array:
    """Purchases within the time of whoever is still there: their equation 10 without P(alive).

    The hypergeometric function is taken in Euler's other form, where the exponent in x cancels: the textbook form
    overflows for customers who buy often.
    """
    if isinstance(a, np.ndarray):
        a = np.where(np.abs(a - 1) < NEAR_ONE, 1 + NEAR_ONE, a)
    elif abs(a - 1) < NEAR_ONE:
        a = 1 + NEAR_ONE
    x, age = grouped.frequency, grouped.age
    z = time / (alpha + age + time)
    with np.errstate(over="ignore", invalid="ignore"):
        series = hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, z)
        still = -np.expm1((a - 1) * np.log1p(-z) + np.log(np.maximum(series, 1e-300)))
        expected = (a + b + x - 1) / (a - 1) * still
    # What a customer would buy who never left bounds it, and stands in where the series fails.
    bound = (r + x) / (alpha + age) * time
    made: Array = np.clip(np.where(np.isfinite(expected), expected, bound), 0.0, bound)
    return made
