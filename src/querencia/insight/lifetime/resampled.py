"""Bootstrap by reweighting groups: how far parameters and scores would move had other customers come."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from querencia.insight import notebook
from querencia.insight.engine import frame_of, like
from querencia.insight.errors import InputError
from querencia.insight.lifetime.groups import Array, Groups, spread

if TYPE_CHECKING:
    from querencia.insight.lifetime.model import Model

DRAWS_MIN = 20


@dataclass(frozen=True)
class Resampled:
    """A fitted model and its log-parameters on each resample (a row for each).

    >>> import datetime
    >>> from querencia.insight import lifetime, rfm, samples
    >>> summary = rfm.summary(samples.cdnow(), as_of=datetime.date(1997, 9, 30)).head(300)
    >>> drawn = lifetime.BetaGeoModel(time_unit_days=7).fit(summary).resampled(summary, draws=20)
    >>> drawn.log_parameters.shape, list(drawn.params())
    ((20, 4), ['r', 'alpha', 'a', 'b'])
    """

    model: "Model"
    log_parameters: Array

    @classmethod
    def of(cls, model: "Model", grouped: Groups, *, draws: int, seed: int) -> "Resampled":
        """See :meth:`Model.resampled`."""
        if not hasattr(model, "params_"):
            raise InputError(f"This {type(model).__name__} is not fitted yet: call fit(summary) first.")
        if draws < DRAWS_MIN:
            raise InputError(f"An interval takes at least {DRAWS_MIN} draws, not {draws}.", example=draws)
        random = np.random.default_rng(seed)
        scaled, customers = model._scaled(grouped), round(grouped.customers)
        made = np.empty((draws, len(model.log_params_)))
        for draw in range(draws):
            weight = random.multinomial(customers, grouped.weight / grouped.customers).astype(np.float64)
            made[draw] = model._refit(scaled.part(weight > 0, weight))
        return cls(model, made)

    def _repr_html_(self) -> str:
        return notebook.card(self.model.name, rows=notebook.parameters(self.model.params_, self.params()))

    def params(self, within: float = 0.95) -> dict[str, tuple[float, float]]:
        """Percentile interval of each parameter."""
        low, high = np.quantile(self.model._values(self.log_parameters), [(1 - within) / 2, (1 + within) / 2], axis=0)
        return {name: (float(low[n]), float(high[n])) for n, name in enumerate(self.model.params_)}

    def expected_purchases(self, summary: Any, days: float, *, within: float = 0.95) -> Any:
        """``customer_id, expected_purchases, low, high``: of the mean, not of what one customer will do."""
        return self._scores(summary, "expected_purchases", within, days)

    def probability_of_purchase(self, summary: Any, days: float, *, within: float = 0.95) -> Any:
        """``customer_id, probability_of_purchase, low, high``."""
        return self._scores(summary, "probability_of_purchase", within, days)

    def probability_alive(self, summary: Any, *, within: float = 0.95) -> Any:
        """``customer_id, probability_alive, low, high``."""
        return self._scores(summary, "probability_alive", within)

    def _scores(self, summary: Any, name: str, within: float, *days: float) -> Any:
        grouped = self.model._counted(summary)
        middle = getattr(self.model, name)(grouped, *days)
        drawn = np.array([getattr(self.model.at(theta), name)(grouped, *days) for theta in self.log_parameters])
        low, high = (
            np.quantile(drawn, [(1 - within) / 2, (1 + within) / 2], axis=0) if len(grouped) else (middle, middle)
        )
        values = {name: middle, "low": np.minimum(low, middle), "high": np.maximum(high, middle)}
        if isinstance(summary, Groups):
            return values
        return like(spread(frame_of(summary), grouped, values).select("customer_id", *values), summary)
