"""Who may answer: models of buying and leaving, and the simple rules that they have to beat.

Simple rules after Wübben & von Wangenheim (2008), "Instant Customer Base Analysis: Managerial Heuristics Often Get It
Right", Journal of Marketing 72(3), 82–93: rules of thumb are hard to beat, so they always compete.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, Self, cast

import numpy as np
from scipy.special import logit

from querencia.insight.forecast.histories import Histories
from querencia.insight.language import gettext_noop as N_
from querencia.insight.lifetime import (
    BetaGeoModel,
    Groups,
    ModifiedBetaGeoModel,
    ParetoNBDModel,
    RegularTimingModel,
)
from querencia.insight.lifetime.groups import Array
from querencia.insight.lifetime.model import Model

SILENT_RHYTHMS = 3.0  # of own rhythms without a purchase, after which the hiatus rule holds a customer for gone


class Candidate(Protocol):
    """Learns from histories and answers for the next days. ``spread`` is the shape of the Gamma distribution in which
    a customer's own rate is left uncertain: infinite for a rule that knows no doubt. ``doubt`` is the variance of the
    log-odds of a purchase that comes from not knowing the parameters exactly."""

    name: ClassVar[str]
    is_simple: ClassVar[bool]

    def fit(self, bench: "Bench") -> Self: ...
    def expected(self, history: Groups, days: float) -> Array: ...
    def chance(self, history: Groups, days: float) -> Array: ...
    def spread(self, history: Groups) -> Array: ...
    def doubt(self, history: Groups, days: float) -> Array: ...


class Bench:
    """Histories as of one day with the lessons of earlier ones, and each candidate fitted on them once.

    ``lessons``: benches of earlier days of which it is known what followed, all for the same number of days ahead.
    """

    def __init__(self, history: Histories, lessons: Sequence["Bench"] = ()) -> None:
        self.history, self.lessons = history, lessons
        self.design: Array | None = None  # what learners make of the history, made once
        self._fitted: dict[type[Candidate], Candidate] = {}

    def candidate[C: Candidate](self, kind: type[C]) -> C:
        """The candidate, fitted."""
        if kind not in self._fitted:
            self._fitted[kind] = kind().fit(self)
        return cast(C, self._fitted[kind])


class SimpleRule:
    """A rate of buying, read off the history; purchases then come as they please (Poisson)."""

    is_simple: ClassVar[bool] = True

    def fit(self, bench: Bench) -> Self:
        history = bench.history
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

    def doubt(self, history: Groups, days: float) -> Array:
        return np.zeros(len(history))


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
    """A lifetime model as a candidate. It sees frequency, recency and age alone: each of them is reckoned once."""

    name: ClassVar[str]
    is_simple: ClassVar[bool] = False
    model: ClassVar[type[Model]]

    def fit(self, bench: Bench) -> Self:
        return self._settled(bench, self.model().fit(bench.history.core[0]))

    def _settled(self, bench: Bench, model: Model) -> Self:
        self.model_ = model
        self.home_ = bench.history
        # What was said of the history it was fitted on: blends and learners ask the same again.
        self.said_: dict[tuple[str, float], Array] = {}
        return self

    def expected(self, history: Groups, days: float) -> Array:
        return self._once("expected", history, days, lambda core: self.model_.expected_purchases(core, days))

    def chance(self, history: Groups, days: float) -> Array:
        return self._once("chance", history, days, lambda core: self.model_.probability_of_purchase(core, days))

    def _once(self, what: str, history: Groups, days: float, reckon: Callable[[Groups], Array]) -> Array:
        if history is not self.home_:
            return self._each(history, reckon)
        if (what, days) not in self.said_:
            self.said_[what, days] = self._each(history, reckon)
        return self.said_[what, days]

    def spread(self, history: Groups) -> Array:
        made: Array = history.frequency + self.model_.params_["r"]
        return made

    def doubt(self, history: Groups, days: float) -> Array:
        """By the delta method."""
        return self._each(history, lambda core: self._doubt(core, days))

    def _doubt(self, core: Groups, days: float) -> Array:
        theta, covariance = self.model_.log_params_, self.model_.covariance_
        slopes = np.empty((len(theta), len(core)))
        for place in range(len(theta)):
            aside = np.zeros(len(theta))
            aside[place] = 1e-3
            said = [self.model_.at(theta + sign * aside).probability_of_purchase(core, days) for sign in (1, -1)]
            ends = [logit(np.clip(chance, 1e-12, 1 - 1e-12)) for chance in said]
            slopes[place] = (ends[0] - ends[1]) / 2e-3
        made: Array = np.einsum("ig,ij,jg->g", slopes, covariance, slopes)
        return np.clip(made, 0.0, 25.0)

    @staticmethod
    def _each(history: Groups, reckon: Callable[[Groups], Array]) -> Array:
        if not isinstance(history, Histories):
            return reckon(history)
        core, place = history.core
        return reckon(core)[place]


class BetaGeo(Modelled):
    name: ClassVar[str] = "BG/NBD"
    model = BetaGeoModel


class ModifiedBetaGeo(Modelled):
    name: ClassVar[str] = "MBG/NBD"
    model = ModifiedBetaGeoModel


class ParetoNBD(Modelled):
    name: ClassVar[str] = "Pareto/NBD"
    model = ParetoNBDModel


class RegularTiming(Modelled):
    """Knows from the log how regular its customers are."""

    name: ClassVar[str] = "MBG/CNBD-k"
    model = RegularTimingModel

    def fit(self, bench: Bench) -> Self:
        model = RegularTimingModel().fit(bench.history.core[0], log_gap_sum=bench.history.log_gap_sum)
        self.regularity_ = model.regularity_
        return self._settled(bench, model)

    def spread(self, history: Groups) -> Array:
        # k hidden events make a purchase: of the rate, each purchase tells k times as much.
        made: Array = self.regularity_ * history.frequency + self.model_.params_["r"]
        return made


class Blend:
    """The mean of what some others say: their errors are their own, and in part cancel (Bates & Granger 1969)."""

    name: ClassVar[str]
    is_simple: ClassVar[bool] = False
    members: ClassVar[tuple[tuple[type[Candidate], float], ...]]

    def fit(self, bench: Bench) -> Self:
        self.members_ = [(bench.candidate(kind), weight) for kind, weight in self.members]
        return self

    def expected(self, history: Groups, days: float) -> Array:
        return self._mean(lambda member: member.expected(history, days))

    def chance(self, history: Groups, days: float) -> Array:
        return self._mean(lambda member: member.chance(history, days))

    def spread(self, history: Groups) -> Array:
        return self._mean(lambda member: member.spread(history))

    def doubt(self, history: Groups, days: float) -> Array:
        return self._mean(lambda member: member.doubt(history, days))

    def _mean(self, asked: Callable[[Candidate], Array]) -> Array:
        made: Array = np.asarray(sum(weight * asked(member) for member, weight in self.members_), dtype=np.float64)
        return made


class ModelBlend(Blend):
    """Two models that err differently: one whose customers leave at any time, one who buy by a rhythm."""

    name: ClassVar[str] = N_("blend of models")
    members = ((ParetoNBD, 0.5), (RegularTiming, 0.5))
