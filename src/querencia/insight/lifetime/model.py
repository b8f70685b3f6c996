"""What the models of buying and leaving share: fitting by groups, parameters with errors, scores for each customer."""

from abc import ABC, abstractmethod
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from querencia.insight import notebook
from querencia.insight.engine import frame_of, like
from querencia.insight.errors import InputError
from querencia.insight.lifetime.fitting import Fit, Objective, maximise
from querencia.insight.lifetime.groups import Array, Groups, groups, spread

if TYPE_CHECKING:
    from querencia.insight.lifetime.resampled import Resampled

Z95 = 1.959964
OUTLINED_FROM = 30_000  # histories; fewer are climbed in no time


def within(names: tuple[str, ...], log_values: Array, deviations: Array) -> dict[str, tuple[float, float]]:
    """95 % intervals of positive parameters by name, from their logarithms and the deviations of these."""
    low, high = np.exp(log_values - Z95 * deviations), np.exp(log_values + Z95 * deviations)
    return {name: (float(low[place]), float(high[place])) for place, name in enumerate(names)}


class Model(ABC):
    """A model of repeat buying in the manner of scikit-learn: settings here, ``fit`` returns self, results end in _.

    ``time_unit_days``: the unit of time of the parameters (published values for weekly data: 7). Scores always take
    days.

    After ``fit``: ``params_``, ``standard_errors_`` and ``intervals_`` (dicts; the 95 % interval of each parameter, on
    the log scale, where it is nearest to normal), ``covariance_`` (of the log-parameters), ``log_likelihood_``,
    ``customers_``, ``converged_``, ``identified_`` (false: the data leave a parameter open and a weak prior decided).
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]]
    has_outline: ClassVar[bool] = True  # histories may be taken together at their mean

    def __init__(self, *, time_unit_days: float = 1.0) -> None:
        if not time_unit_days > 0:
            raise InputError(f"time_unit_days must be above zero, not {time_unit_days!r}.", example=time_unit_days)
        self.time_unit_days = time_unit_days

    def fit(self, summary: Any) -> Self:
        """Fit on a table of histories or on :class:`Groups`. Raises InputError when it has no customer."""
        grouped = self._counted(summary)
        if grouped.customers <= 0:
            raise InputError("There is no customer to fit the model on.", count=0)
        scaled = self._scaled(grouped)
        outline = self._objective(scaled.outlined()) if self.has_outline and len(scaled) > OUTLINED_FROM else None
        objective, start = self._objective(scaled), self._start(scaled)
        return self._learn(maximise(objective, start=start, customers=scaled.customers, outline=outline), grouped)

    def resampled(self, summary: Any, *, draws: int = 200, seed: int = 0) -> "Resampled":
        """The model fitted anew on ``draws`` resamples of the customers, for bootstrap intervals of any of its scores.

        Customers of one history are drawn together, as a number of them (Efron 1979, Annals of Statistics 7(1)): the
        data are read once, whatever ``draws`` is.
        """
        from querencia.insight.lifetime.resampled import Resampled

        return Resampled.of(self, self._counted(summary), draws=draws, seed=seed)

    def _counted(self, summary: Any) -> Groups:
        return summary if isinstance(summary, Groups) else groups(summary)

    def _refit(self, sample: Groups) -> Array:
        """Log-parameters of another sample: resamples differ little from the whole and begin where that ended."""
        return maximise(self._objective(sample), start=self.log_params_, customers=sample.customers).log_parameters

    def _values(self, log_parameters: Array) -> Array:
        """Parameters of one or more rows of ``log_params_``."""
        made: Array = np.exp(log_parameters)
        return made

    def _learn(self, fit: Fit, grouped: Groups) -> Self:
        values = np.exp(fit.log_parameters)
        deviations = np.sqrt(np.diag(fit.covariance))
        errors = values * deviations
        self.log_params_ = fit.log_parameters
        self.params_ = dict(zip(self.parameters, values.tolist(), strict=True))
        self.standard_errors_ = dict(zip(self.parameters, errors.tolist(), strict=True))
        self.intervals_ = within(self.parameters, fit.log_parameters, deviations)
        self.covariance_ = fit.covariance
        self.log_likelihood_ = fit.log_likelihood
        self.customers_ = grouped.customers
        self.converged_ = fit.converged
        self.identified_ = fit.identified
        return self

    def _repr_html_(self) -> str:
        return notebook.fitted(self)

    def at(self, log_parameters: Array) -> Self:
        """A copy with other parameters, for intervals."""
        twin = copy(self)
        twin.log_params_ = log_parameters
        twin.params_ = dict(zip(self.parameters, np.exp(log_parameters).tolist(), strict=True))
        return twin

    def _scaled(self, grouped: Groups) -> Groups:
        unit = self.time_unit_days
        if unit == 1:
            return grouped
        return Groups(grouped.frequency, grouped.recency / unit, grouped.age / unit, grouped.weight)

    def _start(self, grouped: Groups) -> Array:
        """A plain guess: the mean rate of buying, spread as widely as customers usually are."""
        exposure = max(float(grouped.weight @ grouped.age), 1e-9)
        rate = max(float(grouped.weight @ grouped.frequency) / exposure, 1e-3 * grouped.customers / exposure)
        return np.log(self._guess(rate, max(float(grouped.age.max()), 1e-9)))

    # -- scores: of groups as arrays, of tables as tables --------------------------------------------------------------

    def expected_purchases(self, summary: Any, days: float) -> Any:
        """Purchases expected in the next ``days``: ``customer_id, expected_purchases`` (an array for Groups)."""
        return self._scores(summary, "expected_purchases", lambda g: self._expected(g, days / self.time_unit_days))

    def probability_alive(self, summary: Any) -> Any:
        """Chance of not having left yet: ``customer_id, probability_alive`` (an array for Groups)."""
        return self._scores(summary, "probability_alive", self._alive)

    def probability_of_purchase(self, summary: Any, days: float) -> Any:
        """Chance of at least one purchase in the next ``days``: ``customer_id, probability_of_purchase``."""
        return self._scores(summary, "probability_of_purchase", lambda g: self._chance(g, days / self.time_unit_days))

    def _scores(self, summary: Any, name: str, reckon: Any) -> Any:
        if not hasattr(self, "params_"):
            raise InputError(f"This {type(self).__name__} is not fitted yet: call fit(summary) first.")
        grouped = self._counted(summary)
        if isinstance(summary, Groups):
            return reckon(self._scaled(grouped))
        frame = spread(frame_of(summary), grouped, {name: reckon(self._scaled(grouped))})
        return like(frame.select("customer_id", name), summary)

    @abstractmethod
    def _objective(self, grouped: Groups) -> Objective: ...

    @abstractmethod
    def _guess(self, rate: float, longest: float) -> Array: ...

    @abstractmethod
    def _expected(self, grouped: Groups, time: float) -> Array: ...

    @abstractmethod
    def _alive(self, grouped: Groups) -> Array: ...

    @abstractmethod
    def _chance(self, grouped: Groups, time: float) -> Array: ...
