"""Whom contact changes, how well that is known, and what contacting only them would bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import narwhals as nw
import numpy as np

from querencia.insight import notebook
from querencia.insight.engine import beside, frame_of, like, small, windowed
from querencia.insight.errors import InputError
from querencia.insight.estimate import Estimate
from querencia.insight.intervals import CONFIDENCE
from querencia.insight.language import gettext as _
from querencia.insight.uplift import chance, learners, ranking
from querencia.insight.uplift import covariates as known
from querencia.insight.uplift.arms import z_of
from querencia.insight.uplift.experiment import CONTROL, arms, outcome_of
from querencia.insight.uplift.learners import Base, Learner, Predicted, Sample
from querencia.insight.wording import money, percent

DRAWS = 200
CURVE_TYPES = {"share": nw.Float64, "gain": nw.Float64, "by_lot": nw.Float64}
CURVE_STEPS = 100


class NotRandomised(InputError):
    """There is no randomised history to learn from; the message is the reason, in the current language."""


@dataclass(frozen=True)
class Policy:
    """What it brings to contact those for whom contact pays, in minor units of all customers of the experiment.

    ``share`` is the part of customers contacted. ``against_nobody``, ``against_everybody`` and ``against_lot`` (as
    many, drawn by lot) are what the policy brings more than those three. ``customers`` is how many there are.

    >>> from querencia.insight import samples, uplift
    >>> tested = uplift.experiment(samples.mailing())
    >>> model = uplift.UpliftModel(base="linear", folds=2).fit(tested, covariates=["recency"])
    >>> found = model.policy(value=2_000, cost=50)
    >>> round(found.share, 1), found.against_everybody.low > 0
    (0.6, False)
    """

    share: float
    customers: int
    against_nobody: Estimate
    against_everybody: Estimate
    against_lot: Estimate

    def _repr_html_(self) -> str:
        named = {
            _("more than contacting nobody"): self.against_nobody,
            _("more than contacting everybody"): self.against_everybody,
            _("more than as many by lot"): self.against_lot,
        }
        rows = [(_("share contacted"), percent(self.share), "")]
        return notebook.card("", rows=rows + notebook.estimates(named, written=lambda minor: money(minor, "")))

    def said(self, currency: str) -> str:
        """The policy in one sentence, in the current language."""
        best = self.against_everybody
        facts = {
            "share": percent(self.share),
            "value": money(best.value, currency),
            "low": money(best.low, currency),
            "high": money(best.high, currency),
        }
        if self.share <= 0:
            return _("Contact pays for nobody: what it costs is more than what it changes.")
        if self.share >= 1:
            return _("Contact pays for everybody.")
        if best.low > 0:
            return (
                _(
                    "Contacting the %(share)s for whom it pays brings %(value)s more than contacting everybody "
                    "(between %(low)s and %(high)s)."
                )
                % facts
            )
        return (
            _(
                "Contacting only the %(share)s for whom it seems to pay is not clearly better than contacting "
                "everybody: the difference lies between %(low)s and %(high)s."
            )
            % facts
        )


class UpliftModel:
    """The effect of contact on each customer.

    ``learner``: ``t``, ``x`` or ``class`` (see :mod:`querencia.insight.uplift.learners`). ``base``: ``boosted`` trees,
    ``linear``, or ``best``: of the two the one whose cross-fitted effects are nearer to the doubly robust scores of
    customers. ``folds`` of the cross-fitting; ``seed`` makes it repeatable.

    After ``fit``: ``effect_mean_`` (average effect, doubly robust, with its interval), ``qini_`` and ``auuc_`` of the
    cross-fitted ranking with bootstrap intervals, ``base_``, ``customers_``, ``contacted_``, ``balance_``.

    >>> from querencia.insight import samples, uplift
    >>> tested = uplift.experiment(samples.mailing())
    >>> model = uplift.UpliftModel(base="linear", folds=2).fit(tested, covariates=["recency"])
    >>> round(model.effect_mean_.value, 2), model.qini_.low > 0
    (0.04, True)
    >>> model.said()
    'The model tells whom contact changes better than a lot does.'
    """

    def __init__(
        self, *, learner: Learner = "x", base: Base | Literal["best"] = "best", folds: int = 5, seed: int = 0
    ) -> None:
        if learner not in ("t", "x", "class"):
            raise InputError(f"A learner is 't', 'x' or 'class', not {learner!r}.", example=learner)
        if base not in (*learners.BASES, "best"):
            raise InputError(f"A base is 'boosted', 'linear' or 'best', not {base!r}.", example=base)
        if folds < 2:
            raise InputError(f"Cross-fitting takes at least two folds, not {folds}.", example=folds)
        self.learner: Learner = learner
        self.base: Base | Literal["best"] = base
        self.folds, self.seed = folds, seed

    def fit(self, experiment: Any, *, covariates: Sequence[str] | None = None, arm: str | None = None) -> Self:
        """Learn the effect of ``arm`` against control (needed where there are several arms).

        The rows of both arms leave the engine: learners need customers, not counts. Raises :class:`NotRandomised`, with
        the reason, where the history is not randomised or an arm is missing or too small (:func:`uplift.check`).
        """
        frame = frame_of(experiment)
        self.arm_ = _chosen_arm(arms(frame), arm)
        pair = frame.filter((nw.col("arm") == self.arm_) | (nw.col("arm") == CONTROL))
        self.covariates = known.chosen(pair, covariates)
        for gate in chance.check(pair, covariates=self.covariates):
            if not gate.is_open:
                raise NotRandomised(gate.reason)
        self._columns = known.columns(pair, self.covariates)
        self.balance_ = chance.tests(pair, [self.arm_], self._columns)[0]
        sample = _sample(pair, self._columns)
        self._share = float(sample.w.mean())
        self._sample = sample
        self.customers_, self.contacted_ = len(sample), int(sample.w.sum())
        self.base_, self._predicted, self._scores = self._best(sample)
        self._final = learners.fitted_on(sample, learner=self.learner, base=self.base_, seed=self.seed)
        self.effect_mean_ = _mean(self._scores)
        self._rank()
        return self

    def _repr_html_(self) -> str:
        if not hasattr(self, "_predicted"):
            return notebook.card(type(self).__name__, _("Not fitted yet."))
        named = {_("effect on average"): self.effect_mean_, "Qini": self.qini_, "AUUC": self.auuc_}
        return notebook.card(self.arm_, self.said(), rows=notebook.estimates(named))

    def _best(self, sample: Sample) -> tuple[Base, Predicted, Any]:
        """The base, its cross-fitted predictions, and scores: those of a customer's outcome under all bases tried."""
        bases = learners.BASES if self.base == "best" else (self.base,)
        tried = {
            base: learners.cross_fitted(sample, learner=self.learner, base=base, folds=self.folds, seed=self.seed)
            for base in bases
        }
        each = [_doubly_robust(sample, found.control, found.contacted) for found in tried.values()]
        scores = np.mean(each, axis=0)
        best = min(bases, key=lambda base: float(((scores - tried[base].effect) ** 2).mean()))
        return best, tried[best], scores

    def _rank(self) -> None:
        sample, effect = self._sample, self._predicted.effect
        weight = np.where(sample.w == 1, 1 / sample.e, 1 / (1 - sample.e))
        given = (effect, sample.y, sample.w)
        drawn = ranking.resampled(*given, weight, draws=DRAWS, seed=self.seed)
        tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
        ends = {name: [float(end) for end in np.quantile(values, tails)] for name, values in drawn.items()}
        self.auuc_ = Estimate(ranking.auuc(*given, weight=weight), *ends["auuc"])
        self.qini_ = Estimate(ranking.qini(*given, weight=weight), *ends["qini"])
        self._curve = ranking.curve(*given, weight=weight)

    def curve(self, like: Any) -> Any:
        """The uplift curve by hundredths of customers: ``share, gain, by_lot``, of the kind of ``like``."""
        self._need_fit()
        shares = np.linspace(0, 1, CURVE_STEPS + 1)
        gain = np.interp(shares, self._curve["share"], self._curve["gain"])
        by_lot = shares * self._curve["gain"][-1]
        columns = {"share": shares.tolist(), "gain": gain.tolist(), "by_lot": by_lot.tolist()}
        return small(columns, CURVE_TYPES, like)

    def effects(self, customers: Any) -> Any:
        """``customer_id, effect`` of customers with the same covariates, in the table's own engine."""
        self._need_fit()
        frame = windowed(frame_of(customers))
        present = frame.collect_schema().names()
        for name in ("customer_id", *self.covariates):
            if name not in present:
                raise InputError(f"There is no column {name!r}: the table has {', '.join(present)}.", column=name)
        table, (ids,) = known.matrix(frame, self._columns, nw.col("customer_id"))
        if not ids:
            return like(frame.select("customer_id", nw.lit(0.0).alias("effect")), customers)
        found = self._final.predict(table, np.full(len(table), self._share)).effect
        if len(set(ids)) < len(ids):
            raise InputError("A customer has several rows: give one row per customer.", column="customer_id")
        scores = beside({"__id": ids, "effect": found}, frame)
        keyed = frame.select("customer_id", __id=_id(frame))
        return like(keyed.join(scores, on="__id", how="left").select("customer_id", "effect"), customers)

    def policy(self, *, value: float, cost: float) -> Policy:
        """What it brings to contact only those for whom effect × ``value`` is more than ``cost`` (minor units).

        Each customer is decided upon by a model that did not see them. Values are doubly robust, their intervals those
        of the influence function (Athey & Wager 2021, "Policy Learning with Observational Data", Econometrica 89(1)).
        """
        self._need_fit()
        for name, given in (("value", value), ("cost", cost)):
            if not 0 <= given < float("inf"):
                raise InputError(f"A {name} is an amount of zero or more, not {given!r}.", example=given)
        chosen = (self._predicted.effect * value > cost).astype(np.float64)
        worth = self._scores * value - cost
        share = float(chosen.mean())

        def total(per_customer: Any) -> Estimate:
            mean = _mean(per_customer)
            return Estimate(*(round(end * self.customers_) for end in (mean.value, mean.low, mean.high)))

        nobody, everybody, lot = (total((chosen - other) * worth) for other in (0.0, 1.0, share))
        return Policy(share, self.customers_, nobody, everybody, lot)

    def said(self) -> str:
        """How well the ranking tells whom contact changes, in one sentence in the current language."""
        self._need_fit()
        if self.qini_.low > 0:
            return _("The model tells whom contact changes better than a lot does.")
        return _("The model does not tell whom contact changes better than a lot does: contact everybody or nobody.")

    def _need_fit(self) -> None:
        if not hasattr(self, "_predicted"):
            raise InputError("This UpliftModel is not fitted yet: call fit(experiment) first.")


def _chosen_arm(others: Sequence[str], arm: str | None) -> str:
    if arm is not None:
        if arm not in others:
            raise InputError(f"There is no arm {arm!r}: there are {', '.join(others)}.", column="arm", example=arm)
        return arm
    if len(others) > 1:
        raise InputError(
            f"There are {len(others)} arms beside control ({', '.join(others)}): say which one, for example "
            f"arm={others[0]!r}.",
            column="arm",
            count=len(others),
        )
    if not others:
        raise NotRandomised(_("There are no two arms to compare."))
    return others[0]


def _sample(pair: Any, made: Sequence[known.Column]) -> Sample:
    has_chance = "propensity" in pair.collect_schema().names()
    contacted = nw.when(nw.col("arm") == CONTROL).then(nw.lit(0.0)).otherwise(nw.lit(1.0))
    chance = nw.col("propensity").cast(nw.Float64()) if has_chance else nw.lit(0.0)
    table, (y, w, e) = known.matrix(pair, made, outcome_of(pair), contacted, chance)
    contact = np.array(w, dtype=np.float64)
    share = np.array(e, dtype=np.float64) if has_chance else np.full(len(contact), contact.mean())
    return Sample(table, np.array(y, dtype=np.float64), contact, share)


def _doubly_robust(sample: Sample, control: Any, contacted: Any) -> Any:
    """Scores whose mean is the average effect (Robins, Rotnitzky & Zhao 1994): right if the chance of contact is."""
    above = sample.w / sample.e * (sample.y - contacted)
    below = (1 - sample.w) / (1 - sample.e) * (sample.y - control)
    return contacted - control + above - below


def _mean(values: Any) -> Estimate:
    mean = float(values.mean())
    reach = z_of(CONFIDENCE) * float(values.std(ddof=1)) / len(values) ** 0.5
    return Estimate(mean, mean - reach, mean + reach)


def _id(frame: Any) -> nw.Expr:
    given = nw.col("customer_id")
    # Engines have several kinds of text, which some do not join to each other.
    return given.cast(nw.String()) if frame.collect_schema()["customer_id"] == nw.String else given
