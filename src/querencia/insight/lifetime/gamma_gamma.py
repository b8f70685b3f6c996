"""Gamma-Gamma, spend per purchase: Fader & Hardie (2013), "The Gamma-Gamma Model of Monetary Value"."""

from typing import Any, Self

import narwhals as nw
import numpy as np
from scipy.special import gammaln, psi

from querencia.insight import notebook
from querencia.insight.engine import frame_of, like
from querencia.insight.errors import InputError
from querencia.insight.lifetime.fitting import Objective, maximise
from querencia.insight.lifetime.groups import Array
from querencia.insight.lifetime.model import within


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
        """Fit on customers with repeat purchases whose mean spend is above zero.

        ``summary`` holds ``frequency`` and ``repeat_amount_mean``. Raises InputError without any such customer.
        """
        frame = frame_of(summary).filter((nw.col("frequency") > 0) & (nw.col("repeat_amount_mean") > 0))
        chosen = frame.select("frequency", "repeat_amount_mean").collect()
        x = chosen["frequency"].to_numpy().astype(np.float64)
        return self.fit_arrays(x, chosen["repeat_amount_mean"].to_numpy().astype(np.float64))

    def fit_arrays(self, frequency: Array, mean: Array) -> Self:
        """Fit on arrays of one length: repeat purchases (above 0) and their mean amount (above 0)."""
        if len(frequency) == 0:
            raise InputError("No customer has a repeat purchase of an amount above zero: there is no spend to model.")
        z = mean / self.amount_unit
        self.population_mean_ = float(mean @ frequency / frequency.sum())
        typical = max(float(np.median(z)), 1e-9)
        start = np.log(np.array([4.0, 3.5, typical * 2.5 / 4.0]))
        fit = maximise(_objective(frequency, z), start=start, customers=float(len(z)))
        values = np.exp(fit.log_parameters)
        self.log_params_ = fit.log_parameters
        self.params_ = dict(zip(self.parameters, values.tolist(), strict=True))
        deviations = np.sqrt(np.diag(fit.covariance))
        errors = values * deviations
        self.intervals_ = within(self.parameters, fit.log_parameters, deviations)
        self.standard_errors_ = dict(zip(self.parameters, errors.tolist(), strict=True))
        self.covariance_ = fit.covariance
        self.log_likelihood_ = fit.log_likelihood
        self.customers_ = float(len(z))
        self.converged_ = fit.converged
        self.identified_ = fit.identified
        self.correlation_ = _correlation(frequency, z)
        return self

    def _repr_html_(self) -> str:
        return notebook.fitted(self)

    def population_amount(self) -> float:
        """Mean spend of a customer of whom nothing is known, minor units; the observed mean where q ≤ 1 has none."""
        p, q, v = np.exp(self.log_params_)
        return float(p * v / (q - 1) * self.amount_unit) if q > 1.05 else self.population_mean_

    def expected_amount(self, summary: Any) -> Any:
        """``customer_id, expected_amount`` (mean spend per coming purchase, minor units)."""
        p, q, v = np.exp(self.log_params_).tolist()
        x, z = nw.col("frequency").cast(nw.Float64()), nw.col("repeat_amount_mean") / self.amount_unit
        known = (nw.col("frequency") > 0) & (nw.col("repeat_amount_mean") > 0)
        own = (x * z + v) * p / (x * p + (q - 1)) * self.amount_unit
        made = nw.when(known).then(own).otherwise(nw.lit(self.population_amount()))
        return like(frame_of(summary).select("customer_id", made.alias("expected_amount")), summary)

    def expected_amount_arrays(self, frequency: Array, mean: Array) -> Array:
        """The same for arrays; ``mean`` may be NaN where there was no repeat purchase."""
        p, q, v = np.exp(self.log_params_)
        with np.errstate(invalid="ignore"):
            known = (frequency > 0) & (mean > 0)
            own = p * (v + frequency * mean / self.amount_unit) / (p * frequency + q - 1) * self.amount_unit
        return np.where(known, own, self.population_amount())


def _correlation(x: Array, z: Array) -> float:
    if len(x) < 3 or x.std() == 0 or z.std() == 0:
        return 0.0
    return float(np.corrcoef(x, z)[0, 1])


def _objective(x: Array, z: Array) -> Objective:
    """Equation 1a of the note. Gamma functions are computed once per distinct frequency."""
    counts, of_count = np.unique(x, return_inverse=True)
    weight = np.bincount(of_count).astype(np.float64)
    log_z, log_x, total = np.log(z), np.log(x), float(len(x))
    sum_log_z, x_log_z, x_log_x = float(log_z.sum()), float(x @ log_z), float(x @ log_x)
    xz = x * z

    def objective(theta: Array) -> tuple[float, Array]:
        p, q, v = np.exp(theta)
        log_sum = np.log(v + xz)
        inverse = 1 / (v + xz)
        shape = p * counts
        value = weight @ (gammaln(shape + q) - gammaln(shape)) + total * (q * theta[2] - gammaln(q))
        value += p * (x_log_z + x_log_x) - sum_log_z - p * (x @ log_sum) - q * log_sum.sum()
        by_p = (weight * counts) @ (psi(shape + q) - psi(shape)) + x_log_z + x_log_x - x @ log_sum
        by_q = weight @ psi(shape + q) - total * psi(q) + total * theta[2] - log_sum.sum()
        by_v = total * q / v - p * (x @ inverse) - q * inverse.sum()
        return -value / total, -np.array([by_p * p, by_q * q, by_v * v]) / total

    return objective
