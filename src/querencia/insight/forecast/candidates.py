"""Who may answer: models of buying and leaving, and the simple rules that they have to beat.

Simple rules after Wübben & von Wangenheim (2008), "Instant Customer Base Analysis: Managerial Heuristics Often Get It
Right", Journal of Marketing 72(3), 82–93: rules of thumb are hard to beat, so they always compete.
"""

from typing import ClassVar, Protocol, Self

import numpy as np

from querencia.insight.language import gettext_noop as N_
from querencia.insight.lifetime import BetaGeoModel, Groups, ParetoNBDModel
from querencia.insight.lifetime.groups import Array
from querencia.insight.lifetime.model import Model

SILENT_RHYTHMS = 3.0  # of own rhythms without a purchase, after which the hiatus rule holds a customer for gone
PARETO_NBD_GROUPS_MAX = (
    400_000  # distinct histories; beyond it the integral costs minutes and BG/NBD says much the same
)


class Candidate(Protocol):
    """Learns from histories and answers for the next days. ``spread`` is the shape of the Gamma distribution in which
    a customer's own rate is left uncertain: infinite for a rule that knows no doubt."""

    name: ClassVar[str]
    is_simple: ClassVar[bool]

    def fit(self, history: Groups) -> Self: ...
    def expected(self, history: Groups, days: float) -> Array: ...
    def chance(self, history: Groups, days: float) -> Array: ...
    def spread(self, history: Groups) -> Array: ...


class SimpleRule:
    """A rate of buying, read off the history; purchases then come as they please (Poisson)."""

    is_simple: ClassVar[bool] = True

    def fit(self, history: Groups) -> Self:
        self.span_ = max(float(history.age.max()), 1.0)
        repeat = history.frequency > 0
        gaps = float(history.weight[repeat] @ history.frequency[repeat])
        self.gap_ = float(history.weight[repeat] @ history.recency[repeat]) / gaps if gaps else self.span_
        return self

    def expected(self, history: Groups, days: float) -> Array:
        raise NotImplementedError

    def chance(self, history: Groups, days: float) -> Array:
        return -np.expm1(-self.expected(history, days))

    def spread(self, history: Groups) -> Array:
        return np.full(len(history), np.inf)


class SameAgain(SimpleRule):
    """As many repeat purchases as so far, in proportion to the days looked at."""

    name: ClassVar[str] = N_("same again")

    def expected(self, history: Groups, days: float) -> Array:
        return history.frequency * (days / self.span_)


class PastRate(SimpleRule):
    """Each customer's own rate since their first purchase."""

    name: ClassVar[str] = N_("past rate")

    def expected(self, history: Groups, days: float) -> Array:
        return history.frequency / np.maximum(history.age, 1.0) * days


class Hiatus(SimpleRule):
    """The past rate, but nothing from whoever has been silent for three of their own rhythms."""

    name: ClassVar[str] = N_("hiatus rule")

    def expected(self, history: Groups, days: float) -> Array:
        rhythm = np.where(history.frequency > 0, history.recency / np.maximum(history.frequency, 1.0), self.gap_)
        is_gone = history.age - history.recency > SILENT_RHYTHMS * np.maximum(rhythm, 1.0)
        return np.where(is_gone, 0.0, PastRate.expected(PastRate(), history, days))


class PooledRate(SimpleRule):
    """Each customer's own rate drawn to everybody's as if half a purchase had been seen beforehand. What is left when a
    log is too thin to try anything on."""

    name: ClassVar[str] = N_("pooled rate")

    def expected(self, history: Groups, days: float) -> Array:
        return (history.frequency + 0.5) / (history.age + self._before()) * days

    def spread(self, history: Groups) -> Array:
        return history.frequency + 0.5

    def chance(self, history: Groups, days: float) -> Array:
        ahead = history.age + self._before()
        made: Array = -np.expm1((history.frequency + 0.5) * (np.log(ahead) - np.log(ahead + days)))
        return made

    def _before(self) -> float:
        return max(self.gap_, 1.0)


class Modelled:
    """A lifetime model as a candidate."""

    is_simple: ClassVar[bool] = False
    model: ClassVar[type[Model]]

    def fit(self, history: Groups) -> Self:
        self.model_ = self.model().fit(history)
        return self

    def at(self, log_parameters: Array) -> Self:
        """The same candidate with other parameters."""
        twin = type(self)()
        twin.model_ = self.model_.at(log_parameters)
        return twin

    def expected(self, history: Groups, days: float) -> Array:
        made: Array = self.model_.expected_purchases(history, days)
        return made

    def chance(self, history: Groups, days: float) -> Array:
        made: Array = self.model_.probability_of_purchase(history, days)
        return made

    def spread(self, history: Groups) -> Array:
        made: Array = history.frequency + self.model_.params_["r"]
        return made


class BetaGeo(Modelled):
    name: ClassVar[str] = "BG/NBD"
    model = BetaGeoModel


class ParetoNBD(Modelled):
    name: ClassVar[str] = "Pareto/NBD"
    model = ParetoNBDModel


CANDIDATES: tuple[type[Candidate], ...] = (SameAgain, PastRate, Hiatus, BetaGeo, ParetoNBD)


def invited(history: Groups) -> tuple[type[Candidate], ...]:
    """The candidates that this many histories leave time for."""
    if len(history) <= PARETO_NBD_GROUPS_MAX:
        return CANDIDATES
    return tuple(kind for kind in CANDIDATES if kind is not ParetoNBD)
