"""BG/BB, for business that has occasions (a yearly appeal, a monthly fair): who took each of them, who has gone.

Fader, Hardie & Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual Setting, Marketing Science 29(6),
1086–1108. At each occasion a customer who is still there buys with a probability of their own (Beta: alpha, beta), and
before it leaves with another (Beta: gamma, delta). The likelihood (their equation 5) is a sum of positive terms: still
there after the last occasion, or gone before any of the silent ones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, psi

from querencia.insight.errors import InputError
from querencia.insight.lifetime.fitting import Objective
from querencia.insight.lifetime.groups import Array, Groups
from querencia.insight.lifetime.model import Model

OCCASIONS_MAX = 100_000_000  # histories times silent occasions: beyond it, memory


class BetaGeoBetaBinomialModel(Model):
    """BG/BB. ``params_``: alpha, beta, gamma, delta.

    ``summary``: ``frequency`` (occasions taken), ``recency`` (number of the last one taken, 0 for none) and ``age``
    (occasions so far) after the one that made them a customer, in occasions; in days where ``time_unit_days`` says how
    many lie between two. Raises InputError where they are no whole numbers, or somebody bought more often than there
    were occasions.

    Scores of a fraction of an occasion are that fraction of the next one's.

    >>> import polars as pl
    >>> seen = {"frequency": [6, 3, 1, 0], "recency": [6, 5, 1, 0], "age": 6, "weight": [120, 90, 150, 340]}
    >>> model = BetaGeoBetaBinomialModel().fit(pl.DataFrame(seen))
    >>> list(model.params_), model.customers_
    (['alpha', 'beta', 'gamma', 'delta'], 700.0)
    """

    name = "BG/BB"
    parameters = ("alpha", "beta", "gamma", "delta")
    has_outline = False

    def _guess(self, rate: float, longest: float) -> Array:
        share = min(max(rate, 0.05), 0.95)
        return np.array([share, 1 - share, 0.5, 3.0])

    def _objective(self, grouped: Groups) -> Objective:
        sums, total, w = _terms_of(grouped), grouped.customers, grouped.weight

        def objective(theta: Array) -> tuple[float, Array]:
            value, part = sums.shared(theta)
            alpha, beta, gamma, delta = np.exp(theta)
            x, m, left = sums.taken, sums.seen, sums.left
            spent = psi(alpha + beta) - psi(alpha + beta + m)
            gone = psi(gamma + delta) - psi(gamma + delta + m + left)
            slopes = (
                psi(alpha + x) - psi(alpha) + spent,
                psi(beta + m - x) - psi(beta) + spent,
                psi(gamma + left) - psi(gamma) + gone,
                psi(delta + m) - psi(delta) + gone,
            )
            each = part * w[sums.of_group]
            return -float(w @ value) / total, -np.array([each @ slope for slope in slopes]) * np.exp(theta) / total

        return objective

    def _alive(self, grouped: Groups) -> Array:
        """Still there at the coming occasion."""
        _alpha, _beta, gamma, delta = np.exp(self.log_params_)
        here = self._here(grouped, 0.0, 0.0)
        made: Array = here * (delta + grouped.age) / (gamma + delta + grouped.age)
        return made

    def _here(self, grouped: Groups, taken: float, ahead: float) -> Array:
        """Chance, given the history, of being there ``ahead`` occasions on (and of taking ``taken`` of one more)."""
        alpha, beta, gamma, delta = np.exp(self.log_params_)
        x, n = grouped.frequency, grouped.age
        value, _ = _terms_of(grouped).shared(self.log_params_)
        log_here = betaln(alpha + x + taken, beta + n - x) - betaln(alpha, beta)
        made: Array = np.exp(log_here + betaln(gamma, delta + n + ahead) - betaln(gamma, delta) - value)
        return made

    def _expected(self, grouped: Groups, time: float) -> Array:
        """Their equation 11 occasion by occasion: a sum of positive terms, without the pole at gamma = 1."""
        _alpha, _beta, gamma, delta = np.exp(self.log_params_)
        first = self._here(grouped, 1.0, 1.0)
        made, still = np.zeros(len(grouped)), np.ones(len(grouped))
        for place in range(1, int(np.ceil(time)) + 1):
            made += first * still * min(1.0, time - place + 1)
            still *= (delta + grouped.age + place) / (gamma + delta + grouped.age + place)
        return made

    def _chance(self, grouped: Groups, time: float) -> Array:
        """One less the likelihood of a silence that much longer, against that of the silence so far."""
        value, _ = _terms_of(grouped).shared(self.log_params_)

        def until(occasions: int) -> Array:
            if occasions == 0:
                return np.zeros(len(grouped))
            longer = Groups(grouped.frequency, grouped.recency, grouped.age + occasions, grouped.weight)
            made: Array = -np.expm1(_terms_of(longer).shared(self.log_params_)[0] - value)
            return made

        whole, rest = divmod(time, 1.0)
        made = until(int(whole))
        if rest > 0:
            made = made + rest * (until(int(whole) + 1) - made)
        return np.clip(made, 0.0, 1.0)


@dataclass(frozen=True)
class Terms:
    """All terms of the likelihoods, one after the other: those of a history stand together, *still there* first.

    Each is the chance of ``taken`` among ``seen`` occasions times that of having left (``left`` 1) after them or not.
    """

    of_group: NDArray[np.int64]
    starts: NDArray[np.int64]
    taken: Array
    seen: Array
    left: Array

    def shared(self, theta: Array) -> tuple[Array, Array]:
        """Log-likelihood of each history, and the share of each term in it."""
        alpha, beta, gamma, delta = np.exp(theta)
        logs = betaln(alpha + self.taken, beta + self.seen - self.taken) - betaln(alpha, beta)
        logs = logs + betaln(gamma + self.left, delta + self.seen) - betaln(gamma, delta)
        largest = np.maximum.reduceat(logs, self.starts)
        terms = np.exp(logs - largest[self.of_group])
        sums = np.add.reduceat(terms, self.starts)
        return largest + np.log(sums), terms / sums[self.of_group]


def _terms_of(grouped: Groups) -> Terms:
    x, t, n = (np.round(column, 6) for column in (grouped.frequency, grouped.recency, grouped.age))
    is_whole = (x == np.floor(x)) & (t == np.floor(t)) & (n == np.floor(n)) & (x <= t)
    if not is_whole.all():
        at = int(np.argmin(is_whole))
        example = {"frequency": float(x[at]), "recency": float(t[at]), "age": float(n[at])}
        raise InputError(
            f"{int(grouped.weight[~is_whole].sum()):,} customers have a history that does not fall on occasions, for "
            f"example {example}: all three are whole numbers of them, and frequency is at most recency.",
            column="frequency",
            example=example,
        )
    sizes = (n - t).astype(np.int64) + 1
    if sizes.sum() > OCCASIONS_MAX:
        raise InputError(f"There are {int(sizes.sum()):,} silent occasions: give longer ones (time_unit_days).")
    starts = np.cumsum(sizes) - sizes
    of_group = np.repeat(np.arange(len(x)), sizes)
    place = np.arange(int(sizes.sum())) - starts[of_group]
    left = (place > 0).astype(np.float64)
    seen = np.where(place == 0, n[of_group], t[of_group] + place - 1)
    return Terms(of_group, starts, x[of_group], seen, left)
