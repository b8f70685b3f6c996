"""Gamma-Gamma, spend per purchase: Fader & Hardie (2013), "The Gamma-Gamma Model of Monetary Value"."""

from typing import Any, Self

import narwhals as nw
import numpy as np
from scipy.special import gammaln, psi

from querencia.insight import notebook
from querencia.insight.engine import Frame, frame_of, like, numbers, rows, whole
from querencia.insight.errors import InputError
from querencia.insight.lifetime.fitting import Objective, maximise
from querencia.insight.lifetime.groups import Array
from querencia.insight.lifetime.model import within

SPENDERS_MAX = 100_000  # told apart to the cent; more would only make the fit longer
NEAR = 100  # bins of means to one unit of their logarithm


class GammaGammaModel:
    """Mean spend per purchase, drawn together from a customer's own mean and everybody's.

    ``amount_unit``: minor units in the unit of ``v`` (100: v in euros where amounts are cents). After ``fit``:
    ``params_`` (p, q, v), ``standard_errors_``, ``intervals_``, ``log_likelihood_``, ``customers_``, ``converged_``,
    ``identified_``, ``correlation_`` (of frequency and spend: the model supposes none).

    >>> import datetime
    >>> from querencia.insight import lifetime, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=datetime.date(1997, 9, 30))
    >>> model = lifetime.GammaGammaModel(amount_unit=100).fit(summary)
    >>> {name: round(value, 2) for name, value in model.params_.items()}
    {'p': 6.25, 'q': 3.74, 'v': 15.44}
    """

    name = "Gamma-Gamma"
    parameters = ("p", "q", "v")

    def __init__(self, *, amount_unit: float = 1.0) -> None:
        self.amount_unit = amount_unit

    def fit(self, summary: Any) -> Self:
        """Fit on customers with repeat purchases whose mean spend is above zero; those alike are counted in the engine.

        ``summary`` holds ``frequency`` and ``repeat_amount_mean``. Raises InputError without any such customer.
        """
        return self.fit_arrays(*spenders(frame_of(summary)))

    def fit_arrays(self, frequency: Array, mean: Array, weight: Array | None = None) -> Self:
        """Fit on arrays of one length: repeat purchases (above 0), their mean amount (above 0), and how many customers
        are so (one, if not given)."""
        if len(frequency) == 0:
            raise InputError("No customer has a repeat purchase of an amount above zero: there is no spend to model.")
        z, weight = mean / self.amount_unit, np.ones(len(mean)) if weight is None else weight
        customers = float(weight.sum())
        self.population_mean_ = float((weight * mean) @ frequency / (weight @ frequency))
        typical = max(_median(z, weight), 1e-9)
        start = np.log(np.array([4.0, 3.5, typical * 2.5 / 4.0]))
        fit = maximise(_objective(frequency, z, weight), start=start, customers=customers)
        values = np.exp(fit.log_parameters)
        self.log_params_ = fit.log_parameters
        self.params_ = dict(zip(self.parameters, values.tolist(), strict=True))
        deviations = np.sqrt(np.diag(fit.covariance))
        errors = values * deviations
        self.intervals_ = within(self.parameters, fit.log_parameters, deviations)
        self.standard_errors_ = dict(zip(self.parameters, errors.tolist(), strict=True))
        self.covariance_ = fit.covariance
        self.log_likelihood_ = fit.log_likelihood
        self.customers_ = customers
        self.converged_ = fit.converged
        self.identified_ = fit.identified
        self.correlation_ = _correlation(frequency, z, weight)
        return self

    def _repr_html_(self) -> str:
        return notebook.fitted(self)

    def population_amount(self) -> float:
        """Mean spend of a customer of whom nothing is known, minor units; the observed mean where q ≤ 1 has none."""
        p, q, v = np.exp(self.log_params_)
        return float(p * v / (q - 1) * self.amount_unit) if q > 1.05 else self.population_mean_

    def expected_amount(self, summary: Any) -> Any:
        """``customer_id, expected_amount`` (mean spend per coming purchase, minor units)."""
        made = self.amount_expression().alias("expected_amount")
        return like(frame_of(summary).select("customer_id", made), summary)

    def amount_expression(self) -> nw.Expr:
        """The expected amount of each row of a summary, to be reckoned inside its engine."""
        p, q, v = np.exp(self.log_params_).tolist()
        x, z = nw.col("frequency").cast(nw.Float64()), nw.col("repeat_amount_mean") / self.amount_unit
        known = (nw.col("frequency") > 0) & (nw.col("repeat_amount_mean") > 0)
        own = (x * z + v) * p / (x * p + (q - 1)) * self.amount_unit
        return nw.when(known).then(own).otherwise(nw.lit(self.population_amount()))

    def expected_amount_arrays(self, frequency: Array, mean: Array) -> Array:
        """The same for arrays; ``mean`` may be NaN where there was no repeat purchase."""
        p, q, v = np.exp(self.log_params_)
        with np.errstate(invalid="ignore"):
            known = (frequency > 0) & (mean > 0)
            own = p * (v + frequency * mean / self.amount_unit) / (p * frequency + q - 1) * self.amount_unit
        return np.where(known, own, self.population_amount())


def spenders(summary: Frame, *, customers: int | None = None) -> tuple[Array, Array, Array]:
    """Repeat purchases, their mean amount, and number of the customers who spent so, as arrays for ``fit_arrays``.

    Counted inside the engine. Of many customers, means within a hundredth of each other count together. ``customers``:
    the rows of ``summary``, where they are known.
    """
    known = summary.filter((nw.col("frequency") > 0) & (nw.col("repeat_amount_mean") > 0))
    spent = known.select(frequency=nw.col("frequency"), mean=nw.col("repeat_amount_mean"))
    if customers is None:
        customers = whole(rows(summary.select(nw.len().alias("customers")))[0]["customers"])
    if customers > SPENDERS_MAX:
        binned = spent.with_columns(near=(nw.col("mean").log() * NEAR).floor()).group_by("frequency", "near")
        alike = binned.agg(nw.col("mean").mean(), nw.len().alias("weight"))
    else:
        alike = spent.group_by("frequency", "mean").agg(nw.len().alias("weight"))
    # In one order, so that the last digits of the sums are the same whatever the order of the log.
    found = alike.select("frequency", "mean", "weight").sort("frequency", "mean").collect()
    frequency, mean, weight = (numbers(found[name]).astype(np.float64) for name in ("frequency", "mean", "weight"))
    return frequency, mean, weight


def _median(values: Array, weight: Array) -> float:
    order = np.argsort(values)
    upto = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(upto, upto[-1] / 2)])


def _correlation(x: Array, z: Array, weight: Array) -> float:
    if weight.sum() < 3 or x.std() == 0 or z.std() == 0:
        return 0.0
    covariance = np.cov(x, z, fweights=weight.astype(np.int64))
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def _objective(x: Array, z: Array, number: Array) -> Objective:
    """Equation 1a of the note. Gamma functions are computed once per distinct frequency."""
    counts, of_count = np.unique(x, return_inverse=True)
    weight = np.bincount(of_count, weights=number)
    log_z, log_x, total = np.log(z), np.log(x), float(number.sum())
    sum_log_z, x_log_z, x_log_x = float(number @ log_z), float((number * x) @ log_z), float((number * x) @ log_x)
    xz, nx = x * z, number * x

    def objective(theta: Array) -> tuple[float, Array]:
        p, q, v = np.exp(theta)
        log_sum = np.log(v + xz)
        inverse = 1 / (v + xz)
        shape = p * counts
        value = weight @ (gammaln(shape + q) - gammaln(shape)) + total * (q * theta[2] - gammaln(q))
        value += p * (x_log_z + x_log_x) - sum_log_z - p * (nx @ log_sum) - q * (number @ log_sum)
        by_p = (weight * counts) @ (psi(shape + q) - psi(shape)) + x_log_z + x_log_x - nx @ log_sum
        by_q = weight @ psi(shape + q) - total * psi(q) + total * theta[2] - number @ log_sum
        by_v = total * q / v - p * (nx @ inverse) - q * (number @ inverse)
        return -value / total, -np.array([by_p * p, by_q * q, by_v * v]) / total

    return objective
