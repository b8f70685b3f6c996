"""Learners of the effect of contact per customer, by cross-fitting: nobody is predicted by a model that saw them.

T: two models of the outcome, one per arm, and their difference. X: effects imputed from each arm by the other's model,
learned again, blended by the chance of contact (Künzel, Sekhon, Bickel & Yu 2019, "Metalearners for estimating
heterogeneous treatment effects", PNAS 116(10)). Class transformation: one model of an outcome that in expectation is
the effect (Jaskowski & Jaroszewicz 2012, "Uplift modeling for clinical trial data", ICML Workshop; for outcomes and
chances of any kind Athey & Imbens 2016, PNAS 113(27)): (y - c)(w - e) / (e(1 - e)); c = 1/2 and e = 1/2 give the
original. Here c is the mean outcome, which leaves the expectation as it is and takes the most noise away.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from querencia.insight.uplift.covariates import Array

type Learner = Literal["t", "x", "class"]
type Base = Literal["boosted", "linear"]

BASES: tuple[Base, ...] = ("linear", "boosted")


@dataclass(frozen=True)
class Sample:
    """Covariates in standard units, outcome, contact (1 or 0) and the chance of contact, a row per customer."""

    x: Array
    y: Array
    w: Array
    e: Array

    def __len__(self) -> int:
        return len(self.y)

    def at(self, rows: Any) -> "Sample":
        return Sample(self.x[rows], self.y[rows], self.w[rows], self.e[rows])


@dataclass(frozen=True)
class Predicted:
    """Mean outcome without contact and with it, and the effect, of each customer."""

    control: Array
    contacted: Array
    effect: Array


class Effect:
    """One learner fitted on one sample."""

    def __init__(self, learner: Learner, base: Base, seed: int) -> None:
        self.learner, self.base, self.seed = learner, base, seed

    def fit(self, sample: Sample) -> "Effect":
        contacted, control = sample.at(sample.w == 1), sample.at(sample.w == 0)
        is_binary = bool(np.isin(sample.y, (0, 1)).all())
        self.outcomes = [self._model(arm.x, arm.y, is_binary) for arm in (control, contacted)]
        if self.learner == "x":
            self.effects = [
                self._model(control.x, _mean(self.outcomes[1], control.x) - control.y, False),
                self._model(contacted.x, contacted.y - _mean(self.outcomes[0], contacted.x), False),
            ]
        elif self.learner == "class":
            transformed = (sample.y - sample.y.mean()) * (sample.w - sample.e) / (sample.e * (1 - sample.e))
            self.effects = [self._model(sample.x, transformed, False)]
        return self

    def predict(self, x: Array, e: Array) -> Predicted:
        control, contacted = (_mean(model, x) for model in self.outcomes)
        if self.learner == "x":
            effect = e * _mean(self.effects[0], x) + (1 - e) * _mean(self.effects[1], x)
        elif self.learner == "class":
            effect = _mean(self.effects[0], x)
        else:
            effect = contacted - control
        return Predicted(control, contacted, effect)

    def _model(self, x: Array, y: Array, is_binary: bool) -> Any:
        if x.shape[1] == 0 or len(y) == 0 or float(np.ptp(y)) == 0:
            return float(y.mean()) if len(y) else 0.0
        made: Any
        if self.base == "boosted":
            from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

            # Effects are small beside what customers differ in anyway: shallow trees, slow steps, large leaves.
            settings: dict[str, Any] = {
                "max_iter": 80,
                "learning_rate": 0.05,
                "max_leaf_nodes": 6,
                "min_samples_leaf": max(20, len(y) // 100),
                "l2_regularization": 10.0,
                "early_stopping": False,
                "random_state": self.seed,
            }
            kind = HistGradientBoostingClassifier if is_binary else HistGradientBoostingRegressor
            made = kind(**settings)
        else:
            from sklearn.linear_model import LogisticRegression, Ridge

            made = LogisticRegression(C=1.0, max_iter=1_000) if is_binary else Ridge(alpha=1.0)
        return made.fit(x, y.astype(int) if is_binary else y)


def _mean(model: Any, x: Array) -> Array:
    """What a model expects: the chance of a yes, or the mean."""
    if isinstance(model, float):
        return np.full(len(x), model)
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(x)[:, 1], dtype=np.float64)
    return np.asarray(model.predict(x), dtype=np.float64)


def cross_fitted(sample: Sample, *, learner: Learner, base: Base, folds: int, seed: int) -> Predicted:
    """Each customer predicted by a learner of the other folds; every fold has its part of each arm."""
    random = np.random.default_rng(seed)
    fold = np.zeros(len(sample), dtype=int)
    for side in (0.0, 1.0):
        members = np.flatnonzero(sample.w == side)
        fold[random.permutation(members)] = np.arange(len(members)) % folds
    control, contacted, effect = (np.zeros(len(sample)) for _ in range(3))
    with _one_thread():
        for number in range(folds):
            inside = fold == number
            found = Effect(learner, base, seed).fit(sample.at(~inside)).predict(sample.x[inside], sample.e[inside])
            control[inside], contacted[inside], effect[inside] = found.control, found.contacted, found.effect
    return Predicted(control, contacted, effect)


def fitted_on(sample: Sample, *, learner: Learner, base: Base, seed: int) -> Effect:
    """One learner fitted on all of a sample."""
    with _one_thread():
        return Effect(learner, base, seed).fit(sample)


def _one_thread() -> Any:
    """Sums are then added in one order; and small trees would wait longer for threads than they work."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
