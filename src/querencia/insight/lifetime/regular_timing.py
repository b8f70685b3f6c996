"""MBG/NBD and its regular form, MBG/CNBD-k: customers may leave from the first day on, and may buy by the clock.

Batislam, Denizel & Filiztekin (2007), Empirical Validation and Comparison of Models for Customer Base Analysis, IJRM
24(3), 201–209; Reutterer, Platzer & Schröder (2021), Leveraging Purchase Regularity for Predicting Customer Behavior
the Easy Way, IJRM 38(1), 194–215 (with Platzer & Reutterer 2016, Ticking Away the Moments, Marketing Science 35(5)).

The time between two purchases is that of k hidden Poisson events (Erlang-k; rate from a Gamma: r, alpha). k = 1 is
buying at random, larger k is buying by rhythm. After each purchase, the first included, a customer leaves with a
probability of their own (Beta: a, b). With n = r + kx and u = (T - t) / (alpha + T)::

    S = Σ_{j<k} (n)_j u^j / j!                       j hidden events since the last purchase, none of them a purchase
    L ∝ Γ(n)/Γ(r) α^r B(a, b+x+1)/B(a, b) (α+T)^-n S (1 + e^d)
    d = ln a - ln(b+x) + n ln((α+T)/(α+t)) - ln S    the log-odds of having left with the last purchase
"""

from typing import Any, Self

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.special import expit, gammaln, psi

from querencia.insight.errors import InputError
from querencia.insight.lifetime.beta_geo import each, expectation
from querencia.insight.lifetime.explained import Explained, ExplainedModel, Likelihood
from querencia.insight.lifetime.fitting import Objective
from querencia.insight.lifetime.groups import Array, Groups, groups

REGULARITY_MAX = 12
NODES = 40  # of the quadrature over the chance of leaving; enough for a thousand purchases ahead
AT_ONCE = 500  # histories per block of it, so that a block's arrays stay in the processor's own memory


class ModifiedBetaGeoModel(ExplainedModel):
    """MBG/NBD. ``params_``: r, alpha (time units), a, b. Unlike in BG/NBD, who bought once may have left.
    ``covariates``: see :mod:`querencia.insight.lifetime.explained`.

    >>> model = ModifiedBetaGeoModel(time_unit_days=7).fit(summary)  # doctest: +SKIP
    """

    name = "MBG/NBD"
    parameters = ("r", "alpha", "a", "b")
    leaving_moves = (2, 1.0)
    regularity_: int = 1

    def _guess(self, rate: float, longest: float) -> Array:
        return np.array([0.5, 0.5 / (rate * self.regularity_), 0.8, 2.5])

    def _objective(self, grouped: Groups) -> Objective:
        k, total, w = self.regularity_, grouped.customers, grouped.weight
        counts, of_count = np.unique(grouped.frequency, return_inverse=True)
        weight_of_count = np.bincount(of_count, weights=w)
        silent = grouped.age - grouped.recency

        def objective(theta: Array) -> tuple[float, Array]:
            r, alpha, a, b = np.exp(theta)
            log_age, log_recency = np.log(alpha + grouped.age), np.log(alpha + grouped.recency)
            shape = (r + k * counts)[of_count]
            stages, by_shape, by_share = _stages(shape, silent / (alpha + grouped.age), k)
            after = (b + counts)[of_count]
            odds = np.log(a / after) + shape * (log_age - log_recency) - np.log(stages)
            left = expit(odds)
            stayed = 1 - left
            value = weight_of_count @ (gammaln(r + k * counts) - gammaln(r) + gammaln(a + b) - gammaln(b))
            value += weight_of_count @ (gammaln(b + counts + 1) - gammaln(a + b + counts + 1)) + total * r * theta[1]
            value += w @ (np.logaddexp(0, odds) - shape * log_age + np.log(stages))

            by_r = weight_of_count @ (psi(r + k * counts) - psi(r)) + total * theta[1]
            by_r += w @ (stayed * (by_shape / stages - log_age) - left * log_recency)
            by_alpha = total * r / alpha - w @ (left * shape / (alpha + grouped.recency))
            # u falls with alpha: du/dalpha = -u / (alpha + T).
            by_alpha -= w @ (stayed * (shape + by_share / stages) / (alpha + grouped.age))
            both, both_x = psi(a + b), psi(a + b + counts + 1)
            by_a = weight_of_count @ (both - both_x) + (w @ left) / a
            by_b = weight_of_count @ (both - psi(b) + psi(b + counts + 1) - both_x) - (w * left) @ (1 / after)
            return -value / total, -np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b]) / total

        return objective

    def _each(self, parameters: list[Any], grouped: Explained) -> Likelihood:
        return each(parameters, grouped, grouped.frequency + 1)

    def _shapes(self, grouped: Groups) -> tuple[Array, Array]:
        """n and u of each history."""
        r, alpha, _a, _b = self._parameters_of(grouped)
        return r + self.regularity_ * grouped.frequency, (grouped.age - grouped.recency) / (alpha + grouped.age)

    def _alive(self, grouped: Groups) -> Array:
        _r, alpha, a, b = self._parameters_of(grouped)
        shape, share = self._shapes(grouped)
        odds = np.log(a / (b + grouped.frequency))
        odds = odds + shape * (np.log(alpha + grouped.age) - np.log(alpha + grouped.recency))
        made: Array = expit(np.log(_stages(shape, share, self.regularity_)[0]) - odds)
        return made

    def _chance(self, grouped: Groups, time: float) -> Array:
        """Alive, and the current silence does not last for the time as well: leaving comes only after a purchase."""
        _r, alpha, _a, _b = self._parameters_of(grouped)
        shape, share = self._shapes(grouped)
        now, later = alpha + grouped.age, alpha + grouped.age + time
        silence = shape * (np.log(now) - np.log(later))
        silence = silence + np.log(_stages(shape, (share * now + time) / later, self.regularity_)[0])
        silence = silence - np.log(_stages(shape, share, self.regularity_)[0])
        made: Array = self._alive(grouped) * np.clip(-np.expm1(silence), 0.0, 1.0)
        return made

    def _expected(self, grouped: Groups, time: float) -> Array:
        r, alpha, a, b = self._parameters_of(grouped)
        if self.regularity_ == 1:
            # Whoever is there at the beginning has survived one chance of leaving more than in BG/NBD.
            return self._alive(grouped) * expectation(r, alpha, a, b + 1, grouped, time)
        made = np.empty(len(grouped))
        for start in range(0, len(grouped), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            block = Groups(grouped.frequency[part], grouped.recency[part], grouped.age[part], grouped.weight[part])
            made[part] = self._ahead(block, time)
        return self._alive(grouped) * made

    def _ahead(self, block: Groups, time: float) -> Array:
        """Purchases ahead of somebody who is still there: E[(1 - q^M) / p], with M the purchases if nobody ever left.

        M is the whole part of (j + N) / k, with N hidden events to come (negative binomial). q^⌊n/k⌋ is a sum of k
        powers z^n, z running through the k-th roots of q: their expectations are the generating function of N.
        """
        _r, alpha, a, b = np.exp(self.log_params_)
        k = self.regularity_
        shape, share = self._shapes(block)
        stage = _stage_terms(shape, share, k)
        stage = stage / stage.sum(axis=0)
        counts, of_count = np.unique(block.frequency, return_inverse=True)
        rules = [_beta_rule(a, b + x + 1) for x in counts]
        leave = np.array([nodes for nodes, _ in rules])[of_count]
        weights = np.array([weight for _, weight in rules])[of_count]
        span = (time / (alpha + block.age))[:, None]
        base = np.exp(np.log1p(-leave) / k)
        powered = np.zeros_like(leave)
        # Roots come in conjugate pairs, of which one tells the other's real part, and one or two that are real.
        for place in range(k // 2 + 1):
            is_real = place in (0, k - place)
            z = base * ((1.0 if place == 0 else -1.0) if is_real else np.exp(2j * np.pi * place / k))
            silent = 1 / (1 + span * (1 - z))
            part = _polynomial([1.0 / k] * k, 1 / z)
            moved = _polynomial([terms[:, None] for terms in stage], z * silent)
            root = np.real(part * moved * np.exp(shape[:, None] * np.log(silent)))
            powered += root if is_real else 2 * root
        made: Array = (weights * (1 - powered) / leave).sum(axis=1)
        return np.maximum(made, 0.0)


def _polynomial(coefficients: Any, at: Any) -> Any:
    """Its value, lowest power first, by Horner's rule."""
    *lower, value = coefficients
    for coefficient in reversed(lower):
        value = value * at + coefficient
    return value


class RegularTimingModel(ModifiedBetaGeoModel):
    """MBG/CNBD-k, for customers who buy by a rhythm of their own. ``params_``: r, alpha, a, b; ``regularity_``: k.

    ``regularity``: k, where it is known. Without it, ``fit`` takes the k of 1 to 12 that makes the log likeliest, for
    which it needs ``log_gap_sum``, the sum of the logarithms (of days) of all gaps between purchase days
    (:func:`querencia.insight.lifetime.log_gap_sum`).

    >>> import datetime
    >>> from querencia.insight import lifetime, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=datetime.date(1997, 9, 30))
    >>> model = lifetime.RegularTimingModel(time_unit_days=7, regularity=2).fit(summary)
    >>> model.regularity_, sorted(model.params_)
    (2, ['a', 'alpha', 'b', 'r'])
    """

    name = "MBG/CNBD-k"

    def __init__(self, *, time_unit_days: float = 1.0, regularity: int | None = None) -> None:
        super().__init__(time_unit_days=time_unit_days)
        if regularity is not None and regularity not in range(1, REGULARITY_MAX + 1):
            raise InputError(f"The regularity is 1 to {REGULARITY_MAX}, not {regularity!r}.", example=regularity)
        self.regularity = regularity
        self.nearby_: Array | None = None

    def _start(self, grouped: Groups) -> Array:
        return super()._start(grouped) if self.nearby_ is None else self.nearby_

    def fit(self, summary: Any, *, log_gap_sum: float | None = None) -> Self:
        """Fit on a table of histories or on Groups. ``log_likelihood_`` is that of the gaps too where their logarithms
        are given, and then comparable between k."""
        grouped = summary if isinstance(summary, Groups) else groups(summary)
        if log_gap_sum is None and self.regularity is None:
            raise InputError("Give log_gap_sum (see insight.lifetime.log_gap_sum), or the regularity itself.")
        found: Self | None = None
        for k in [self.regularity] if self.regularity else range(1, REGULARITY_MAX + 1):
            twin = type(self)(time_unit_days=self.time_unit_days, regularity=self.regularity)
            twin.regularity_ = k
            if found is not None:
                # One hidden event more to a purchase: the rate of events rises with them, the rest hardly moves.
                faster = np.log((k - 1) / k) * np.array([0.0, 1.0, 0.0, 0.0])
                twin.nearby_ = found.log_params_ + faster if found.identified_ else None
            super(RegularTimingModel, twin).fit(grouped)
            if log_gap_sum is not None:
                twin.log_likelihood_ += _gaps(grouped, k, log_gap_sum, self.time_unit_days)
            if found is not None and twin.log_likelihood_ <= found.log_likelihood_:
                break  # the likelihood has one summit in k
            found = twin
        assert found is not None
        self.__dict__.update(found.__dict__)
        return self


def _gaps(grouped: Groups, k: int, log_gap_sum: float, unit: float) -> float:
    """ln Π gap^(k-1) / Γ(k): the part of the likelihood of the gaps that no parameter but k enters."""
    purchases = float(grouped.weight @ grouped.frequency)
    return float((k - 1) * (log_gap_sum - purchases * np.log(unit)) - purchases * gammaln(k))


def _stage_terms(shape: Array, share: Array, k: int) -> Array:
    """(n)_j u^j / j! for each j below k: a row for each."""
    terms = np.ones((k, len(shape)))
    for j in range(1, k):
        terms[j] = terms[j - 1] * (shape + j - 1) * share / j
    return terms


def _stages(shape: Array, share: Array, k: int) -> tuple[Array, Array, Array]:
    """S with its derivative by n, and that by u times u."""
    if k == 1:
        return np.ones(len(shape)), np.zeros(len(shape)), np.zeros(len(shape))
    terms = _stage_terms(shape, share, k)
    by_shape, by_share = np.zeros(len(shape)), np.zeros(len(shape))
    grown = np.zeros(len(shape))
    for j in range(1, k):
        grown = grown + 1 / (shape + j - 1)
        by_shape += terms[j] * grown
        by_share += j * terms[j]
    return terms.sum(axis=0), by_shape, by_share


def _beta_rule(first: float, second: float) -> tuple[Array, Array]:
    """Nodes and weights that integrate over Beta(first, second): Golub & Welsch (1969) on Jacobi polynomials.

    By the recurrence itself, because the usual tables overflow where ``second`` is in the thousands.
    """
    up, down = second - 1, first - 1
    n = np.arange(NODES, dtype=np.float64)
    twice = 2 * n + up + down
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (down**2 - up**2) / (twice * (twice + 2))
        off = 4 * n * (n + up) * (n + down) * (n + up + down) / (twice**2 * (twice + 1) * (twice - 1))
    middle[0] = (down - up) / (up + down + 2)
    off[1] = 4 * (1 + up) * (1 + down) / ((2 + up + down) ** 2 * (3 + up + down))
    nodes, vectors = eigh_tridiagonal(middle, np.sqrt(off[1:]))
    return np.clip((1 + nodes) / 2, 1e-15, 1 - 1e-15), vectors[0] ** 2
