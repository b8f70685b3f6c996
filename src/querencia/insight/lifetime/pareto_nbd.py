"""Pareto/NBD: Schmittlein, Morrison & Colombo (1987), Counting Your Customers, Management Science 33(1), 1–24.

Customers buy at a Poisson rate (Gamma: r, alpha) until they leave, after a time of its own rate (Gamma: s, beta). The
likelihood is written as a sum of positive terms, the customer still there, or gone at u between the last purchase and
now (see Fader & Hardie 2005, "A Note on Deriving the Pareto/NBD Model and Related Expressions"), which needs no
hypergeometric function and cannot cancel:

    L = Γ(r+x)/Γ(r) α^r β^s { (α+T)^-(r+x) (β+T)^-s + s ∫_t^T (α+u)^-(r+x) (β+u)^-(s+1) du }
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln, psi

from querencia.insight.lifetime.explained import Explained, ExplainedModel, Likelihood
from querencia.insight.lifetime.fitting import Objective
from querencia.insight.lifetime.groups import Array, Groups

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
NODES, LOG_WEIGHTS = (NODES + 1) / 2, np.log(WEIGHTS / 2)
DECAY = 2.5  # nodes are spread by a fraction of the integrand's own rate of decay
AT_ONCE = 4_000  # histories per block: 24 nodes each, so that a block's arrays stay in the processor's own memory


class ParetoNBDModel(ExplainedModel):
    """Pareto/NBD. ``params_``: r, alpha, s, beta (alpha and beta in time units). ``covariates``: see
    :mod:`querencia.insight.lifetime.explained`.

    >>> import datetime
    >>> from querencia.insight import lifetime, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=datetime.date(1997, 9, 30))
    >>> model = lifetime.ParetoNBDModel(time_unit_days=7).fit(summary)
    >>> {name: round(value, 3) for name, value in model.params_.items()}
    {'r': 0.553, 'alpha': 10.578, 's': 0.606, 'beta': 11.669}
    """

    name = "Pareto/NBD"
    parameters = ("r", "alpha", "s", "beta")
    leaving_moves, leaving_is = (3, -1.0), "leaving for good"

    def _guess(self, rate: float, longest: float) -> Array:
        return np.array([0.5, 0.5 / rate, 0.6, longest / 3])

    def _objective(self, grouped: Groups) -> Objective:
        blocks = [_block(grouped, start) for start in range(0, len(grouped), AT_ONCE)]
        total = grouped.customers

        def objective(theta: Array) -> tuple[float, Array]:
            value, gradient = 0.0, np.zeros(4)
            for block in blocks:
                part, slope = _likelihood(theta, block)
                value += part
                gradient += slope
            return -value / total, -gradient / total

        return objective

    def _alive(self, grouped: Groups) -> Array:
        made = np.empty(len(grouped))
        for start in range(0, len(grouped), AT_ONCE):
            block = _block(grouped, start)
            terms = _terms(self._logs(block), block)
            made[start : start + len(block)] = terms.here / (terms.gone.sum(axis=1) + terms.here)
        return made

    def _expected(self, grouped: Groups, time: float) -> Array:
        """Their equation for E[Y(t)], with (1 - q^(s-1)) / (s-1) by expm1 so that s = 1 is no exception."""
        r, alpha, s, beta = self._parameters_of(grouped)
        log_ratio = np.log(beta + grouped.age) - np.log(beta + grouped.age + time)
        lifetime = (beta + grouped.age) * -_expm1_over(s - 1, log_ratio)
        expected: Array = self._alive(grouped) * (r + grouped.frequency) / (alpha + grouped.age) * lifetime
        return expected

    def _chance(self, grouped: Groups, time: float) -> Array:
        """Alive, and the next purchase comes before leaving and within the time: with posterior Gamma rates this is

        ∫_0^t (r+x)/(α+T) ((α+T)/(α+T+u))^(r+x+1) ((β+T)/(β+T+u))^s du
        """
        made = np.empty(len(grouped))
        for start in range(0, len(grouped), AT_ONCE):
            block = _block(grouped, start)
            r, alpha, s, beta = self._parameters_of(block)
            shape, span = r + block.frequency, alpha + block.age
            # In v = 1 - ((α+T)/(α+T+u))^(r+x), the chance of a purchase by u, the integrand is bounded; nodes crowd
            # towards the last v, where it is steep.
            never = np.exp(shape * (np.log(span) - np.log(span + time)))[:, None]
            silent = never + (1 - never) * (1 - NODES) ** 3
            u = span[:, None] * np.expm1(-np.log(silent) / shape[:, None])
            still = np.exp(s * (np.log(beta + block.age)[:, None] - np.log((beta + block.age)[:, None] + u)))
            weights = np.exp(LOG_WEIGHTS) * 3 * (1 - NODES) ** 2
            made[start : start + len(block)] = (1 - never[:, 0]) * (still @ weights)
        return self._alive(grouped) * np.clip(made, 0.0, 1.0)

    def _each(self, parameters: list[Any], grouped: Explained) -> Likelihood:
        values, slopes = np.empty(len(grouped)), np.empty((4, len(grouped)))
        for start in range(0, len(grouped), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            logs = [np.log(one[part] if np.ndim(one) else one) for one in parameters]
            values[part], each = _slopes(logs, _block(grouped, start))
            for place, (slope, log) in enumerate(zip(each, logs, strict=True)):
                slopes[place, part] = slope * np.exp(log)
        return values, list(slopes)


def _block(grouped: Groups, start: int) -> Groups:
    return grouped.part(slice(start, start + AT_ONCE))


def _exp(theta: Any) -> Any:
    """Parameters from their logarithms: an array, or a list of numbers and arrays where some differ between groups."""
    return np.exp(theta) if isinstance(theta, np.ndarray) else [np.exp(each) for each in theta]


def _expm1_over(power: float, log_ratio: Array) -> Array:
    """(q^power - 1) / power for ln q = log_ratio; ln q where power is 0."""
    return log_ratio if abs(power) < 1e-12 else np.expm1(power * log_ratio) / power


@dataclass(frozen=True)
class Terms:
    """The likelihood of each history, scaled by its ``largest`` term: ``here`` (still there), ``gone`` by node.

    ``span``: α+u by node, with its logarithm; ``left_span``: β+u by node, with its logarithm.
    """

    largest: Array
    here: Array
    gone: Array
    span: Array
    log_span: Array
    left_span: Array
    log_left_span: Array


def _terms(theta: Any, block: Groups) -> Terms:
    r, alpha, s, beta = _exp(theta)
    shape = r + block.frequency
    low, high = np.log(alpha + block.recency), np.log(alpha + block.age)
    decay = (shape - 1 + (s + 1) * (alpha + block.recency) / (beta + block.recency)) / DECAY
    decay = np.where(np.abs(decay) < 1e-6, 1e-6, decay)
    mass = -np.expm1(-decay * (high - low))
    fallen = np.log1p(-mass[:, None] * NODES)
    log_span = low[:, None] - fallen / decay[:, None]
    span = np.exp(log_span)
    if np.ndim(alpha) or np.ndim(beta):
        left_span = np.maximum(span + (beta - alpha)[:, None], np.broadcast_to(beta, len(block))[:, None])
    else:
        left_span = span + (beta - alpha)
        if beta < alpha:
            np.maximum(left_span, beta, out=left_span)
    log_left_span = np.log(left_span)
    log_mass = np.log(np.maximum(mass / decay, 1e-300))
    gone = (theta[2] + log_mass)[:, None] + LOG_WEIGHTS - fallen
    gone += log_span * (1 - shape)[:, None]
    gone -= (s + 1) * log_left_span
    here = -shape * high - s * np.log(beta + block.age)
    largest = np.maximum(gone.max(axis=1), here)
    gone -= largest[:, None]
    return Terms(largest, np.exp(here - largest), np.exp(gone, out=gone), span, log_span, left_span, log_left_span)


def _likelihood(theta: Array, block: Groups) -> tuple[float, Array]:
    """Log-likelihood of a block and its gradient in the log-parameters, each weighted by customers."""
    value, slopes = _slopes(theta, block)
    gradient = np.array([block.weight @ by * each for by, each in zip(slopes, np.exp(theta), strict=True)])
    return float(block.weight @ value), gradient


def _slopes(theta: Any, block: Groups) -> Likelihood:
    """Log-likelihood of each history and its slopes by the parameters."""
    r, alpha, s, beta = _exp(theta)
    shape = r + block.frequency
    terms = _terms(theta, block)
    total = terms.gone.sum(axis=1) + terms.here
    value = gammaln(shape) - gammaln(r) + r * theta[1] + s * theta[3] + terms.largest + np.log(total)
    gone = terms.gone
    gone /= total[:, None]
    here = terms.here / total
    alive_span, alive_left = alpha + block.age, beta + block.age
    by_r = psi(shape) - psi(r) + theta[1] - _across(gone, terms.log_span) - here * np.log(alive_span)
    by_alpha = r / alpha - shape * (_across(gone, 1 / terms.span) + here / alive_span)
    by_s = theta[3] + gone.sum(axis=1) / s - _across(gone, terms.log_left_span) - here * np.log(alive_left)
    by_beta = s / beta - (s + 1) * _across(gone, 1 / terms.left_span) - s * here / alive_left
    return value, [by_r, by_alpha, by_s, by_beta]


def _across(gone: Array, values: Array) -> Array:
    """The sum of the products over the nodes of each history."""
    made: Array = np.einsum("ij,ij->i", gone, values)
    return made
