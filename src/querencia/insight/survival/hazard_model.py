"""What makes customers leave a contract, and how likely each is to stay: the discrete-time hazard model.

In each period a customer who is still there leaves with a chance whose log-odds are the baseline of that period plus a
part for each covariate: logistic regression on customer-periods. Cox (1972), "Regression Models and Life-Tables", JRSS
B 34, section 6; Singer & Willett (1993), "It's about Time", Journal of Educational Statistics 18(2). Customer-periods
are never written out: those at risk in a step of the baseline are the first rows of the customers sorted by tenure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, Self

import narwhals as nw
import numpy as np

from querencia.insight import notebook
from querencia.insight.engine import beside, like
from querencia.insight.errors import InputError
from querencia.insight.intervals import CONFIDENCE
from querencia.insight.language import gettext as _
from querencia.insight.survival import design as designs
from querencia.insight.survival.contracts import LEAVERS_MIN, Array
from querencia.insight.survival.design import Design, Patterns
from querencia.insight.wording import number

ROUNDS = 60
CLOSE = 1e-10  # relative change of the log-likelihood at which the climb ends
BEYOND = 15.0  # log-odds no data can speak of: the climb has no summit
PRIOR_SD = 2.5  # weak prior where it has none: Gelman, Jakulin, Pittau & Su (2008), Annals of Applied Statistics 2(4)


@dataclass(frozen=True)
class Effect:
    """What one covariate does: how many times the odds of leaving in a period are multiplied, with the interval.

    For a number: by one unit more. For a level: against the ``reference`` level.

    >>> from querencia.insight import samples, survival
    >>> model = survival.HazardModel(covariates=["plan"]).fit(samples.subscribers())
    >>> model.effects_[0].said()
    'plan=regular: the odds of leaving are 2.19 times those of high end (between 1.95 and 2.46), all else equal.'
    """

    name: str
    coefficient: float
    standard_error: float
    odds_ratio: float
    low: float
    high: float
    reference: Any = None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out that the covariate does nothing."""
        return not self.low <= 1 <= self.high

    def _repr_html_(self) -> str:
        return notebook.card("", self.said())

    def said(self) -> str:
        """The effect in one sentence, in the current language."""
        facts = {"name": self.name, "reference": self.reference}
        facts |= {
            name: number(value, 2)
            for name, value in (("times", self.odds_ratio), ("low", self.low), ("high", self.high))
        }
        if not self.is_clear:
            return _("%(name)s: no clear effect on leaving (odds between %(low)s and %(high)s times).") % facts
        if self.reference is None:
            return (
                _(
                    "%(name)s: each unit more multiplies the odds of leaving by %(times)s (between %(low)s and "
                    "%(high)s), all else equal."
                )
                % facts
            )
        return (
            _(
                "%(name)s: the odds of leaving are %(times)s times those of %(reference)s (between %(low)s and "
                "%(high)s), all else equal."
            )
            % facts
        )


class HazardModel:
    """Discrete-time logistic hazard of leaving, by tenure in whole periods and by covariates.

    ``covariates``: columns of numbers, or of levels (text, true and false), which are compared with the commonest one.
    ``baseline``: ``steps`` (the hazard may change where enough customers left to tell) or ``each`` (every period).

    After ``fit``: ``params_``, ``standard_errors_``, ``intervals_`` (95 %), ``covariance_``; ``effects_`` of the
    covariates as odds ratios; ``steps_`` (last period of each step), ``references_``, ``aliased_`` (columns that say
    nothing the others do not: they are left out); ``log_likelihood_``, ``deviance_``, ``customers_``, ``left_``,
    ``converged_``, ``identified_`` (false where only a weak prior keeps a parameter finite, for example where nobody of
    some level ever left).

    >>> import polars as pl
    >>> cohort = pl.DataFrame({"tenure": [1, 1, 2, 2, 2], "left": [1, 0, 1, 0, 1], "weight": [20, 5, 30, 40, 5]})
    >>> HazardModel(baseline="each").fit(cohort).params_
    {'period 1': -1.386..., 'period 2': -0.133...}
    """

    def __init__(self, *, covariates: Sequence[str] = (), baseline: Literal["steps", "each"] = "steps") -> None:
        if baseline not in ("steps", "each"):
            raise InputError(f"A baseline is 'steps' or 'each', not {baseline!r}.", example=baseline)
        self.covariates = tuple(covariates)
        self.baseline = baseline

    def fit(self, contracts: Any) -> Self:
        """Fit on ``tenure`` (whole periods; for who left, the period in which they left: 1, 2, …), ``left`` and the
        covariates, one row per customer or ``weight`` customers a row.

        Raises InputError for values that cannot be, and where nobody left or nobody was seen for a whole period.
        """
        made = designs.patterns(contracts, self.covariates)
        self.customers_, self.left_ = float(made.weight.sum()), float(made.weight @ made.left)
        if self.left_ <= 0:
            raise InputError("Nobody has left: there is nothing to learn when customers leave from.", count=0)
        self._design = designs.design(made)
        self.steps_ = designs.steps(made, self.baseline)
        self.references_, self.aliased_ = self._design.references, self._design.aliased
        climb = _Climb(made, self._design, self.steps_)
        theta, covariance, log_likelihood, self.converged_, self.identified_ = climb.summit()
        back = self._unscaled()
        self._theta, self._covariance = theta, covariance
        values, self.covariance_ = back @ theta, back @ covariance @ back.T
        errors = np.sqrt(np.diag(self.covariance_))
        names = [*self._step_names(), *(column.name for column in self._design.columns)]
        self.params_ = dict(zip(names, values.tolist(), strict=True))
        self.standard_errors_ = dict(zip(names, errors.tolist(), strict=True))
        z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        self.intervals_ = {
            name: (value - z * error, value + z * error)
            for name, value, error in zip(names, values.tolist(), errors.tolist(), strict=True)
        }
        self.log_likelihood_, self.deviance_ = log_likelihood, -2 * log_likelihood
        self.effects_ = [self._effect(column.name, column.covariate) for column in self._design.columns]
        return self

    def _repr_html_(self) -> str:
        return notebook.fitted(self)

    def _step_names(self) -> list[str]:
        starts = [1, *(int(end) + 1 for end in self.steps_[:-1])]
        return [
            f"period {first}" if first == last else f"periods {first} to {last}"
            for first, last in zip(starts, self.steps_.astype(int).tolist(), strict=True)
        ]

    def _unscaled(self) -> Array:
        """From parameters of centred and scaled columns to those of the columns as they were given."""
        steps, columns = len(self.steps_), self._design.columns
        back = np.eye(steps + len(columns))
        for place, column in enumerate(columns, steps):
            back[place, place] = 1 / column.scale
            back[:steps, place] = -column.centre / column.scale
        return back

    def _effect(self, name: str, covariate: str) -> Effect:
        value = self.params_[name]
        odds, low, high = (float(np.exp(min(end, 700.0))) for end in (value, *self.intervals_[name]))
        return Effect(name, value, self.standard_errors_[name], odds, low, high, self.references_.get(covariate))

    def enough(self) -> bool:
        """Whether ten customers left for each parameter, as figures one may act on need."""
        return self.left_ >= LEAVERS_MIN * len(self.params_)

    def survival(self, contracts: Any, periods: int) -> Any:
        """``customer_id, share, low, high``: the chance to stay through the next ``periods``, by tenure and covariates.

        Beyond the tenures that were observed, the hazard is that of the last step. The interval (95 %) is that of the
        chance, by the delta method on log(-log); in the table's own engine.
        """
        if not hasattr(self, "params_"):
            raise InputError("This HazardModel is not fitted yet: call fit(contracts) first.")
        if periods < 1:
            raise InputError(f"Look at least one period ahead, not {periods}.", example=periods)
        frame, made = designs.frame_patterns(contracts, self.covariates)
        if "customer_id" not in frame.collect_schema().names():
            raise InputError("There is no column 'customer_id': say whose chance it is.", column="customer_id")
        if not len(made):
            return like(
                frame.select("customer_id", *(nw.lit(1.0).alias(n) for n in ("share", "low", "high"))), contracts
            )
        share, low, high = self._chances(made, periods)
        return like(_spread(frame, made, self.covariates, {"share": share, "low": low, "high": high}), contracts)

    def _chances(self, made: Patterns, periods: int) -> tuple[Array, Array, Array]:
        matrix = self._design.matrix(made.values, len(made))
        steps = len(self.steps_)
        log_share = np.zeros(len(made))
        slope = np.zeros((len(made), len(self._theta)))
        for ahead in range(1, periods + 1):
            step = np.minimum(np.searchsorted(self.steps_, made.tenure + ahead), steps - 1)
            odds = self._theta[step] + matrix @ self._theta[steps:]
            chance = 1 / (1 + np.exp(-odds))
            log_share -= np.logaddexp(0, odds)
            slope[np.arange(len(made)), step] -= chance
            slope[:, steps:] -= chance[:, None] * matrix
        error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", slope, self._covariance, slope), 0))
        log_share = np.minimum(log_share, -1e-300)
        reach = np.exp(np.minimum(NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * error / -log_share, 700))
        return np.exp(log_share), np.exp(log_share * reach), np.exp(log_share / reach)


def _spread(frame: Any, made: Patterns, covariates: Sequence[str], values: dict[str, Array]) -> Any:
    """Scores of patterns given back to the rows they came from, inside the engine."""
    keys = {"__tenure": made.tenure} | {f"__x{place}": made.values[name] for place, name in enumerate(covariates)}
    scores = beside({**keys, **values}, frame)
    keyed = frame.with_columns(
        nw.col("tenure").cast(nw.Float64()).alias("__tenure"),
        *(_key(name, made).alias(f"__x{place}") for place, name in enumerate(covariates)),
    )
    return keyed.join(scores, on=list(keys), how="left").select("customer_id", *values)


def _key(name: str, made: Patterns) -> nw.Expr:
    # Engines have several kinds of text, which some do not join to each other.
    is_text = bool(made.values[name]) and isinstance(made.values[name][0], str)
    return nw.col(name).cast(nw.String()) if is_text else nw.col(name)


@dataclass
class _Climb:
    """Newton's climb of the log-likelihood of customer-periods, at centred and scaled columns."""

    made: Patterns
    design: Design
    steps: Array

    def __post_init__(self) -> None:
        self.matrix = self.design.matrix(self.made.values, len(self.made))
        starts = np.concatenate([[0.0], self.steps[:-1]])
        # Sorted by tenure, longest first: at risk in a step are the first so many, for so many of its periods each.
        self.rows = [int(np.searchsorted(-self.made.tenure, -start, side="left")) for start in starts]
        self.periods = [
            np.minimum(self.made.tenure[:rows], end) - start
            for rows, start, end in zip(self.rows, starts, self.steps, strict=True)
        ]

    def summit(self) -> tuple[Array, Array, float, bool, bool]:
        """Parameters, covariance, log-likelihood, whether the climb ended, whether the data alone decided."""
        found = self._climb(prior=0.0)
        identified = found is not None
        if found is None:
            found = self._climb(prior=1 / PRIOR_SD**2)
        assert found is not None  # with a prior the curvature is never flat
        theta, curvature, converged = found
        return theta, np.linalg.inv(curvature), self._value(theta)[0], converged, identified

    def _start(self) -> Array:
        left, periods = float(self.made.weight @ self.made.left), float(self.made.weight @ self.made.tenure)
        share = min(max(left / max(periods, 1e-9), 1e-6), 1 - 1e-6)
        theta = np.zeros(len(self.steps) + self.matrix.shape[1])
        theta[: len(self.steps)] = np.log(share / (1 - share))
        return theta

    def _climb(self, prior: float) -> tuple[Array, Array, bool] | None:
        start = self._start()
        theta = start.copy()
        value, gradient, curvature = self._penalised(theta, start, prior)
        for _round in range(ROUNDS):
            if np.linalg.eigvalsh(curvature).min() <= 1e-7 or np.abs(theta).max() > BEYOND:
                return None
            step = np.linalg.solve(curvature, gradient)
            size = 1.0
            while size > 1e-6:
                ahead = self._penalised(theta + size * step, start, prior)
                if ahead[0] >= value:
                    break
                size /= 2
            else:
                break
            gained, theta = ahead[0] - value, theta + size * step
            value, gradient, curvature = ahead
            if gained <= CLOSE * (1 + abs(value)) and float(gradient @ np.linalg.solve(curvature, gradient)) < 1e-8:
                return theta, curvature, True
        return theta, curvature, False

    def _penalised(self, theta: Array, start: Array, prior: float) -> tuple[float, Array, Array]:
        value, gradient, curvature = self._value(theta)
        away = theta - start
        return (
            value - prior / 2 * float(away @ away),
            gradient - prior * away,
            curvature + prior * np.eye(len(theta)),
        )

    def _value(self, theta: Array) -> tuple[float, Array, Array]:
        """Log-likelihood, gradient and negative Hessian; the periods of a customer within a step are alike."""
        steps = len(self.steps)
        linear = self.matrix @ theta[steps:]
        value, gradient, curvature = 0.0, np.zeros(len(theta)), np.zeros((len(theta), len(theta)))
        for step, (rows, periods) in enumerate(zip(self.rows, self.periods, strict=True)):
            matrix, weight = self.matrix[:rows], self.made.weight[:rows]
            happened = self.made.left[:rows] * (self.made.tenure[:rows] <= self.steps[step])
            odds = theta[step] + linear[:rows]
            chance = 1 / (1 + np.exp(-odds))
            value += float(weight @ (happened * odds - periods * np.logaddexp(0, odds)))
            rest, spread = weight * (happened - periods * chance), weight * periods * chance * (1 - chance)
            gradient[step] += rest.sum()
            gradient[steps:] += rest @ matrix
            crossed = spread @ matrix
            curvature[step, step] += spread.sum()
            curvature[step, steps:] += crossed
            curvature[steps:, step] += crossed
            curvature[steps:, steps:] += matrix.T @ (spread[:, None] * matrix)
        return value, gradient, curvature
