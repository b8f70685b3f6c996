"""Candidates that learn from the log itself: what customers with such a history did next, on earlier days.

On each of some earlier days (rolling origins) the history up to it is set beside what followed: counts in windows, own
rhythm and silence, regularity, and what MBG/CNBD-k made of it. A Poisson regression and boosted trees (Friedman 2001,
"Greedy Function Approximation", Annals of Statistics 29(5)) learn the number of purchases, their binary siblings the
chance of any. They learn who stands out against whom; how much all buy together changes with the season and is left to
the models, to whose total they are scaled.
"""

from typing import ClassVar, Self

import numpy as np
from scipy.special import expit, logit
from threadpoolctl import threadpool_limits

from querencia.insight.forecast.candidates import Bench, Blend, ModelBlend, RegularTiming
from querencia.insight.forecast.histories import FEATURES, Histories
from querencia.insight.forecast.levels import shifted_to
from querencia.insight.language import gettext_noop as N_
from querencia.insight.lifetime import Groups
from querencia.insight.lifetime.groups import Array

BUYERS_MIN = 30  # and as many who did not buy; fewer, and there is nothing to learn
ROWS_MAX = 200_000  # histories to learn from; more change nothing but the time
RIDGE = 1e-2
TREES = 100
TINY = 1e-6


def has_lessons(bench: Bench) -> bool:
    """Whether the lessons hold enough of both kinds of customer."""
    known = [lesson.history for lesson in bench.lessons if lesson.history.features is not None]
    bought = sum(float(history.weight @ history.bought) for history in known)
    return bought >= BUYERS_MIN and sum(history.customers for history in known) - bought >= BUYERS_MIN


class Learned:
    """What the learners share: lessons, design, and the level of the models."""

    name: ClassVar[str]
    is_simple: ClassVar[bool] = False

    def fit(self, bench: Bench) -> Self:
        """Learn from the lessons of the bench, and take the level that the models have today."""
        parts = [(_design(lesson), lesson.history) for lesson in bench.lessons]
        x = np.concatenate([design for design, _ in parts])
        y = np.concatenate([history.held_out for _, history in parts])
        weight = np.concatenate([history.weight for _, history in parts])
        if len(x) > ROWS_MAX:
            chosen = np.random.default_rng(0).choice(len(x), ROWS_MAX, replace=False)
            x, y, weight = x[chosen], y[chosen], weight[chosen]
        self.bench_ = bench
        self._learn(x, y, weight)
        history, models = bench.history, bench.candidate(ModelBlend)
        # Kept: blends ask the same again.
        self.counted_, self.chances_ = self._count(_design(bench)), self._any(_design(bench))
        said = self.counted_
        total = float(history.weight @ models.expected(history, history.days))
        self.level_ = total / max(float(history.weight @ said), TINY)
        buyers = float(history.weight @ models.chance(history, history.days))
        self.shift_ = shifted_to(self.chances_, history.weight, buyers)
        return self

    def expected(self, history: Groups, days: float) -> Array:
        said = self.counted_ if history is self.bench_.history else self._count(self._of(history))
        return said * self.level_

    def chance(self, history: Groups, days: float) -> Array:
        said = self.chances_ if history is self.bench_.history else self._any(self._of(history))
        made: Array = expit(logit(np.clip(said, TINY, 1 - TINY)) + self.shift_)
        return made

    def spread(self, history: Groups) -> Array:
        return self.bench_.candidate(RegularTiming).spread(history)

    def doubt(self, history: Groups, days: float) -> Array:
        return self.bench_.candidate(RegularTiming).doubt(history, days)

    def _of(self, history: Groups) -> Array:
        assert isinstance(history, Histories)
        return _design_of(self.bench_, history)

    def _learn(self, x: Array, y: Array, weight: Array) -> None:
        raise NotImplementedError

    def _count(self, x: Array) -> Array:
        raise NotImplementedError

    def _any(self, x: Array) -> Array:
        raise NotImplementedError


class Regression(Learned):
    """Poisson and logistic regression on logarithms, with a ridge."""

    name: ClassVar[str] = N_("regression on windows")

    def _learn(self, x: Array, y: Array, weight: Array) -> None:
        logs = _logs(x)
        self.low_, self.high_ = logs.min(axis=0), logs.max(axis=0)
        self.mean_ = np.average(logs, axis=0, weights=weight)
        deviation = np.sqrt(np.average((logs - self.mean_) ** 2, axis=0, weights=weight))
        self.scale_ = np.where(deviation > 1e-9, deviation, np.inf)
        self.most_ = 2 * float(y.max()) + 1
        made = self._standard(x)
        self.count_ = _regressed(made, y, weight, is_count=True)
        self.any_ = _regressed(made, (y > 0).astype(np.float64), weight, is_count=False)

    def _count(self, x: Array) -> Array:
        made: Array = np.minimum(np.exp(np.clip(self._standard(x) @ self.count_, -30, 30)), self.most_)
        return made

    def _any(self, x: Array) -> Array:
        made: Array = expit(self._standard(x) @ self.any_)
        return made

    def _standard(self, x: Array) -> Array:
        """Never beyond what was seen: a straight line goes on where customers do not."""
        logs = (np.clip(_logs(x), self.low_, self.high_) - self.mean_) / self.scale_
        return np.column_stack([np.ones(len(logs)), logs])


class Trees(Learned):
    """Boosted trees with Poisson and logistic loss."""

    name: ClassVar[str] = N_("boosted trees")

    def _learn(self, x: Array, y: Array, weight: Array) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        settings = {
            "max_iter": TREES,
            "learning_rate": 0.05,
            "max_leaf_nodes": 12,
            "max_bins": 63,
            "min_samples_leaf": max(20, len(y) // 200),
            "l2_regularization": 1.0,
            "early_stopping": False,
            "random_state": 0,
        }
        # In a log without second gaps nobody has a spread of them, and trees want something to part.
        self.told_ = ~np.isnan(x).all(axis=0)
        x = x[:, self.told_]
        # Here, too, for threads that only now were loaded.
        with threadpool_limits(1):
            self.count_ = HistGradientBoostingRegressor(loss="poisson", **settings).fit(x, y, sample_weight=weight)
            self.any_ = HistGradientBoostingClassifier(**settings).fit(x, y > 0, sample_weight=weight)

    def _count(self, x: Array) -> Array:
        made: Array = self.count_.predict(x[:, self.told_])
        return made

    def _any(self, x: Array) -> Array:
        made: Array = self.any_.predict_proba(x[:, self.told_])[:, 1]
        return made


class LearnedBlend(Blend):
    """Both learners together."""

    name: ClassVar[str] = N_("blend of learners")
    members = ((Trees, 0.5), (Regression, 0.5))


class WholeBlend(Blend):
    """Models and learners together."""

    name: ClassVar[str] = N_("blend of models and learners")
    members = ((ModelBlend, 0.5), (LearnedBlend, 0.5))


def _design(bench: Bench) -> Array:
    if bench.design is None:
        bench.design = _design_of(bench, bench.history)
    return bench.design


def _design_of(bench: Bench, history: Histories) -> Array:
    """One row per history: lengths of time in units of the days looked ahead, gaps against the own rhythm, logarithms
    of what MBG/CNBD-k said."""
    assert history.features is not None
    known = dict(zip(FEATURES, history.features.T, strict=True))
    ahead = float(history.days)
    x, silent = history.frequency, history.age - history.recency
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(x > 0, history.recency / np.maximum(x, 1), np.nan)
        typical = np.where(known["log_gap_mean"] >= 0, np.exp(known["log_gap_mean"] / 8), np.nan)
        spread = np.where(known["log_gap_spread"] >= 0, known["log_gap_spread"] / 8, np.nan)
        last = np.where(known["last_gap"] >= 0, known["last_gap"], np.nan)
        own = [silent / mean, mean / ahead, last / mean, spread, typical / ahead, silent / typical]
    windows = [known[name] for name in FEATURES if name.startswith("within")]
    timing = bench.candidate(RegularTiming)
    said = np.clip(timing.expected(history, ahead), TINY, None)
    chance = np.clip(timing.chance(history, ahead), TINY, 1 - TINY)
    lengths = [x, history.recency / ahead, history.age / ahead, silent / ahead]
    return np.column_stack([*lengths, *own, *windows, np.log(said), logit(chance)])


def _logs(x: Array) -> Array:
    """Logarithms where the design has lengths and counts (gaps in it counting as none), with some of their products."""
    lengths, said = x[:, :-2], x[:, -2:]
    logs = np.nan_to_num(np.log1p(np.clip(lengths, 0, 1e4)), nan=0.0)
    frequency, silent, against_mean, against_typical = (logs[:, place] for place in (0, 3, 4, 9))
    products = [frequency * silent, silent**2, frequency**2, against_mean**2, against_typical**2]
    return np.column_stack([logs, np.isnan(x[:, 4]), said, *products])


def _regressed(x: Array, y: Array, weight: Array, *, is_count: bool) -> Array:
    """Coefficients (the first is the level, without ridge) by Newton's steps, halved where they overshoot."""
    total = weight.sum()
    ridge = np.full(x.shape[1], RIDGE if is_count else 1 / total)
    ridge[0] = 1e-9
    beta = np.zeros(x.shape[1])
    share = float(weight @ y / total)
    beta[0] = np.log(share) if is_count else logit(np.clip(share, TINY, 1 - TINY))

    def loss(at: Array) -> float:
        lines = np.clip(x @ at, -30, 30)
        each = np.exp(lines) - y * lines if is_count else np.logaddexp(0, lines) - y * lines
        return float(weight @ each / total + 0.5 * ridge @ at**2)

    now = loss(beta)
    for _ in range(50):
        lines = np.clip(x @ beta, -30, 30)
        mean = np.exp(lines) if is_count else expit(lines)
        bend = mean if is_count else mean * (1 - mean)
        slope = x.T @ (weight * (mean - y)) / total + ridge * beta
        step = np.linalg.solve((x * (weight * bend)[:, None]).T @ x / total + np.diag(ridge + 1e-12), slope)
        length = 1.0
        while (ahead := loss(beta - length * step)) > now and length > 1e-4:
            length /= 2
        if not ahead < now - 1e-10:
            break
        beta, now = beta - length * step, ahead
    return beta
