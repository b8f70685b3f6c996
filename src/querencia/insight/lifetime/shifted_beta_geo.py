"""sBG, how long contracts last: Fader & Hardie (2007), "How to Project Customer Retention", J. Interact. Marketing 21.

At each renewal a customer leaves with a probability of their own, which differs from customer to customer (Beta: alpha,
beta). Retention therefore rises with tenure although nobody becomes more loyal: those who leave easily leave first.
"""

from collections.abc import Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np
from scipy.special import betaln, hyp2f1, psi

from querencia.insight import notebook
from querencia.insight.engine import frame_of, like, numbers
from querencia.insight.errors import InputError
from querencia.insight.lifetime.fitting import Objective, maximise
from querencia.insight.lifetime.groups import Array
from querencia.insight.lifetime.model import within


class ShiftedBetaGeoModel:
    """The shifted beta-geometric model of tenure in whole periods.

    After ``fit``: ``params_`` (alpha, beta), ``standard_errors_``, ``intervals_``, ``covariance_`` (of the
    log-parameters), ``log_likelihood_``, ``customers_``, ``converged_``, ``identified_``.

    >>> model = ShiftedBetaGeoModel().fit_survivors([1000, 631, 468, 382, 326, 289, 262, 241])
    >>> {name: round(value, 3) for name, value in model.params_.items()}
    {'alpha': 0.704, 'beta': 1.182}
    """

    name = "sBG"
    parameters = ("alpha", "beta")

    def fit(self, contracts: Any) -> Self:
        """Fit on ``tenure`` (renewals survived and, for who left, the period in which they left: 1, 2, …) and ``left``
        (1 or true for who left), one row per customer or ``weight`` customers a row.

        Raises InputError when a column is missing, a tenure is no whole number of 0 or more, or somebody left at 0.
        """
        frame = frame_of(contracts)
        names = frame.collect_schema().names()
        for name in ("tenure", "left"):
            if name not in names:
                raise InputError(f"There is no column {name!r}: give tenure (whole periods) and left.", column=name)
        counted = nw.col("weight").sum() if "weight" in names else nw.len()
        left = nw.col("left").cast(nw.Int64()).alias("left")
        counts = frame.with_columns(left).group_by("tenure", "left").agg(counted.alias("weight"))
        found = counts.sort("tenure", "left").collect()
        arrays = [numbers(found[name]).astype(np.float64) for name in ("tenure", "left", "weight")]
        return self._fit(*arrays)

    def fit_survivors(self, survivors: Sequence[float]) -> Self:
        """Fit on one cohort: its number of customers at the beginning and after each renewal."""
        alive = np.asarray(survivors, dtype=np.float64)
        if alive.ndim != 1 or len(alive) < 2 or not np.isfinite(alive).all():
            raise InputError("Give the customers at the beginning and after each renewal: two numbers or more.")
        if alive[-1] < 0 or (np.diff(alive) > 0).any():
            raise InputError("Customers of a cohort cannot become more: give them falling, none below zero.")
        lost = -np.diff(alive)
        periods = np.arange(1.0, len(lost) + 1)
        tenure, left = np.append(periods, len(lost)), np.append(np.ones(len(lost)), 0.0)
        return self._fit(tenure, left, np.append(lost, alive[-1]))

    def _fit(self, tenure: Array, left: Array, weight: Array) -> Self:
        possible = (tenure == np.floor(tenure)) & (tenure >= left) & ((left == 0) | (left == 1))
        if not possible.all():
            at = int(np.argmin(possible))
            raise InputError(
                f"{int(weight[~possible].sum()):,} customers have an impossible tenure, for example {tenure[at]:g} "
                f"with left = {left[at]:g}: tenure is a whole number of periods, at least 1 for who left.",
                column="tenure",
                count=int(weight[~possible].sum()),
            )
        self.customers_ = float(weight.sum())
        if self.customers_ <= 0:
            raise InputError("There is no customer to fit the model on.", count=0)
        objective = _objective(tenure, left, weight)
        share = min(max(float(weight @ left) / max(float(weight @ tenure), 1e-9), 0.01), 0.99)
        fit = maximise(objective, start=np.log(np.array([2 * share, 2 * (1 - share)])), customers=self.customers_)
        values, deviations = np.exp(fit.log_parameters), np.sqrt(np.diag(fit.covariance))
        self.log_params_ = fit.log_parameters
        self.params_ = dict(zip(self.parameters, values.tolist(), strict=True))
        self.standard_errors_ = dict(zip(self.parameters, (values * deviations).tolist(), strict=True))
        self.intervals_ = within(self.parameters, fit.log_parameters, deviations)
        self.covariance_ = fit.covariance
        self.log_likelihood_ = fit.log_likelihood
        self.converged_ = fit.converged
        self.identified_ = fit.identified
        return self

    def _repr_html_(self) -> str:
        return notebook.fitted(self)

    def survival(self, periods: int) -> Array:
        """Share of a new cohort still there after 0, 1, …, ``periods`` renewals (their equation 6)."""
        alpha, beta = np.exp(self.log_params_)
        t = np.arange(periods + 1)
        made: Array = np.exp(betaln(alpha, beta + t) - betaln(alpha, beta))
        return made

    def retention(self, periods: int) -> Array:
        """Share of those present who renew, at renewal 1, …, ``periods`` (their equation 8)."""
        alpha, beta = np.exp(self.log_params_)
        t = np.arange(1, periods + 1)
        made: Array = (beta + t - 1) / (alpha + beta + t - 1)
        return made

    def remaining_periods(self, tenure: int, *, discount: float) -> float:
        """Renewals to be expected of who has survived ``tenure``, the coming one at once and undiscounted.

        The discounted expected residual lifetime of Fader & Hardie (2010), Customer-Base Valuation in a Contractual
        Setting, Marketing Science 29(1), equation 6. ``discount`` per period; above 0.
        """
        if not discount > 0:
            raise InputError(f"The discount per period must be above zero, not {discount!r}.", example=discount)
        alpha, beta = np.exp(self.log_params_)
        first = (beta + tenure) / (alpha + beta + tenure)
        return float(first * hyp2f1(1, beta + tenure + 1, alpha + beta + tenure + 1, 1 / (1 + discount)))

    def expected(self, contracts: Any, *, discount: float, periods: int = 1) -> Any:
        """``customer_id, chance_to_stay, remaining_periods`` of a table of ``customer_id`` and ``tenure``.

        ``chance_to_stay``: through the next ``periods`` renewals."""
        frame = frame_of(contracts)
        tenures = frame.group_by("tenure").agg(nw.len().alias("n")).collect()["tenure"].to_list()
        survival = self.survival(int(max(tenures, default=0)) + periods)
        stay, remaining = nw.lit(None).cast(nw.Float64()), nw.lit(None).cast(nw.Float64())
        for tenure in tenures:
            at = nw.col("tenure") == tenure
            stay = (
                nw.when(at).then(nw.lit(float(survival[int(tenure) + periods] / survival[int(tenure)]))).otherwise(stay)
            )
            left = nw.lit(self.remaining_periods(int(tenure), discount=discount))
            remaining = nw.when(at).then(left).otherwise(remaining)
        made = frame.select("customer_id", stay.alias("chance_to_stay"), remaining.alias("remaining_periods"))
        return like(made, contracts)


def _objective(tenure: Array, left: Array, weight: Array) -> Objective:
    total = float(weight.sum())
    stayed = tenure - left

    def objective(theta: Array) -> tuple[float, Array]:
        alpha, beta = np.exp(theta)
        value = weight @ (betaln(alpha + left, beta + stayed) - betaln(alpha, beta))
        both = psi(alpha + beta) - psi(alpha + beta + tenure)
        by_alpha = weight @ (psi(alpha + left) - psi(alpha) + both)
        by_beta = weight @ (psi(beta + stayed) - psi(beta) + both)
        return -float(value) / total, -np.array([by_alpha * alpha, by_beta * beta]) / total

    return objective
