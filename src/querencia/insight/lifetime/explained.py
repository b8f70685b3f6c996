"""Covariates in the models of buying: who buys oftener and who leaves sooner, by what was known when they came.

Fader & Hardie (2007), "Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models": with z what is
known of a customer, alpha = alpha0 exp(-γ1'z), so that exp(γ1) multiplies the rate of buying, and in Pareto/NBD
beta = beta0 exp(-γ2'z), so that exp(γ2) multiplies the rate of leaving. In BG/NBD and MBG/NBD a = a0 exp(γ2'z) with b
the same for all, so that exp(γ2) multiplies the mean odds of leaving after a purchase, a/b. They let b vary, too, by
coefficients of its own; those hardly tell themselves from γ2 in any log, and one coefficient for both would leave the
odds where they are and only say how different customers are from each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc
from threadpoolctl import threadpool_limits

from querencia.insight import notebook
from querencia.insight.errors import InputError
from querencia.insight.language import gettext as _
from querencia.insight.lifetime.covariates import Described, Design, named
from querencia.insight.lifetime.fitting import Fit, Objective, maximise
from querencia.insight.lifetime.groups import HISTORY, Array, Groups, groups
from querencia.insight.lifetime.model import OUTLINED_FROM, Z95, Model
from querencia.insight.wording import number

OUTLINE_STEPS = 4  # of a covariate, to one of its standard deviations
FURTHEST = 700.0  # an exponent beyond it is no number

# Log-likelihood of each history, and its slopes by the logarithms of the parameters (one row for each).
type Likelihood = tuple[Array, list[Array]]


@dataclass(frozen=True)
class Explained(Groups):
    """Histories with a row of the design each (``z``)."""

    z: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def part(self, some: Any, weight: Array | None = None) -> "Explained":
        return Explained(**self._parts(some, weight), z=self.z[some])

    @cached_property
    def alike(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first group of each number of purchases and row of the design, and which of these each group is like."""
        key = np.zeros(len(self), dtype=np.int64)
        for column in (self.frequency, *self.z.T):
            _values, place = np.unique(column, return_inverse=True)
            _keys, key = np.unique(key * (int(place.max(initial=0)) + 1) + place, return_inverse=True)
        _keys, first, place = np.unique(key, return_index=True, return_inverse=True)
        return first, place

    def outlined(self, steps: int = 30) -> "Explained":
        """Fewer histories, as without covariates; those of a cell are within a quarter deviation in each covariate."""
        width = max(float(self.age.max()), 1e-9) / steps
        fine = np.where(
            self.frequency < 20, self.frequency, 20 + np.round(10 * np.log(np.maximum(self.frequency, 20) / 20))
        )
        cells = Explained(fine, self.recency, self.age, self.weight, np.round(self.z * OUTLINE_STEPS))
        kinds = replace(cells, z=np.column_stack([cells.z, self.recency // width, self.age // width])).alike[1]
        weight = np.bincount(kinds, weights=self.weight)
        means = {name: np.bincount(kinds, self.weight * getattr(self, name)) / weight for name in HISTORY}
        z = np.stack([np.bincount(kinds, self.weight * column) / weight for column in self.z.T], axis=1)
        return Explained(**means, weight=weight, z=z)


@dataclass(frozen=True)
class Effect:
    """What one column of a covariate does: how many times ``on`` (buying or leaving) is multiplied, with the 95 %
    interval. For a number: by one unit more. For a level: against the ``reference`` level.

    >>> effect = Effect("from=web", "buying", 0.262, 0.05, 1.30, 1.18, 1.43, reference="shop")
    >>> effect.said()
    'from=web: customers buy 1.30 times as often as those of shop (between 1.18 and 1.43), all else equal.'
    """

    name: str
    on: Literal["buying", "leaving", "leaving for good"]
    coefficient: float
    standard_error: float
    ratio: float
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
            name: number(value, 2) for name, value in (("times", self.ratio), ("low", self.low), ("high", self.high))
        }
        return self._sentence() % facts

    def _sentence(self) -> str:
        if not self.is_clear:
            return {
                "buying": _("%(name)s: no clear effect on how often customers buy (%(low)s to %(high)s times)."),
                "leaving": _("%(name)s: no clear effect on leaving (odds between %(low)s and %(high)s times)."),
                "leaving for good": _("%(name)s: no clear effect on leaving (%(low)s to %(high)s times as fast)."),
            }[self.on]
        if self.reference is None:
            return {
                "buying": _(
                    "%(name)s: with each unit more, customers buy %(times)s times as often (between %(low)s and "
                    "%(high)s), all else equal."
                ),
                "leaving": _(
                    "%(name)s: each unit more multiplies the odds of leaving by %(times)s (between %(low)s and "
                    "%(high)s), all else equal."
                ),
                "leaving for good": _(
                    "%(name)s: with each unit more, customers leave %(times)s times as fast (between %(low)s and "
                    "%(high)s), all else equal."
                ),
            }[self.on]
        return {
            "buying": _(
                "%(name)s: customers buy %(times)s times as often as those of %(reference)s (between %(low)s and "
                "%(high)s), all else equal."
            ),
            "leaving": _(
                "%(name)s: the odds of leaving are %(times)s times those of %(reference)s (between %(low)s and "
                "%(high)s), all else equal."
            ),
            "leaving for good": _(
                "%(name)s: customers leave %(times)s times as fast as those of %(reference)s (between %(low)s and "
                "%(high)s), all else equal."
            ),
        }[self.on]


class ExplainedModel(Model):
    """A model of buying and leaving that may take covariates, as its module says.

    ``covariates``: columns of the summary, numbers, text, or true and false. ``leaving_covariates``: which of them bear
    on leaving; the same ones if none are named. Levels of too few customers (:func:`check` names them) count together.

    After ``fit`` with covariates, in addition: ``params_`` holds the coefficients as ``buying NAME`` and ``leaving
    NAME``, the others are those of a customer of the reference levels whose numbers are 0; ``effects_``;
    ``references_``, ``joined_``, ``aliased_`` (columns that say nothing the others do not); ``p_value_``, of a
    likelihood ratio this large if no covariate did anything (``plain_log_likelihood_`` is that of the model without).
    ``identified_`` is false where a weak prior (normal around no effect) had to decide a coefficient.
    """

    # Which parameter moves, and which way: by exp(-γ'z) or by exp(γ'z).
    buying_moves: ClassVar[tuple[int, float]] = (1, -1.0)
    leaving_moves: ClassVar[tuple[int, float]]
    leaving_is: ClassVar[Literal["leaving", "leaving for good"]] = "leaving"

    covariates: tuple[str, ...] = ()
    leaving_covariates: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        time_unit_days: float = 1.0,
        covariates: Sequence[str] = (),
        leaving_covariates: Sequence[str] | None = None,
    ) -> None:
        super().__init__(time_unit_days=time_unit_days)
        self.covariates = named(covariates)
        self.leaving_covariates = self.covariates if leaving_covariates is None else named(leaving_covariates)

    @property
    def _needed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.covariates, *self.leaving_covariates)))

    def fit(self, summary: Any) -> Self:
        """Fit on a table of histories or on :class:`Groups`. Raises InputError when it has no customer."""
        if not self._needed:
            return super().fit(summary)
        grouped = self._counted(summary)
        if grouped.customers <= 0:
            raise InputError("There is no customer to fit the model on.", count=0)
        assert isinstance(grouped, Described)
        plain = type(self)(time_unit_days=self.time_unit_days).fit(grouped)
        self._place(Design.of(grouped, self.covariates, self.leaving_covariates))
        scaled = self._standard(self._scaled(grouped))
        outline = self._climbed(scaled.outlined()) if len(scaled) > OUTLINED_FROM and self.has_outline else None
        none = np.zeros(len(self._buying) + len(self._leaving))
        start, guess = (np.append(own, none) for own in (plain.log_params_, self._start(scaled)))
        fit = self._maximised(scaled, start, outline=outline, around=guess)
        self.plain_log_likelihood_ = plain.log_likelihood_
        self._learn(self._as_given(fit), grouped)
        ratio = max(2 * (self.log_likelihood_ - plain.log_likelihood_), 0.0)
        self.p_value_ = float(chdtrc(len(none), ratio)) if len(none) else 1.0
        return self

    def _place(self, design: Design) -> None:
        """Where each coefficient has its column, and the way back from centred and scaled columns."""
        self._design = design
        self.references_, self.joined_, self.aliased_ = dict(design.references), dict(design.joined), design.aliased
        self._buying, self._leaving = design.sides
        first = len(self.parameters)
        back = np.eye(first + len(self._buying) + len(self._leaving))
        for at, (place, (moved, sign)) in enumerate(self._moves(), first):
            column = design.columns[place]
            back[at, at] = 1 / column.scale
            back[moved, at] = -sign * column.centre / column.scale
        self._back = back

    def _moves(self) -> list[tuple[int, tuple[int, float]]]:
        """Of each coefficient: the column of the design, the parameter that it moves, and which way."""
        return [(p, self.buying_moves) for p in self._buying] + [(p, self.leaving_moves) for p in self._leaving]

    def _as_given(self, fit: Fit) -> Fit:
        back = self._back
        return replace(fit, log_parameters=back @ fit.log_parameters, covariance=back @ fit.covariance @ back.T)

    def _learn(self, fit: Fit, grouped: Groups) -> Self:
        if not self._needed:
            return super()._learn(fit, grouped)
        first = len(self.parameters)
        own = replace(fit, log_parameters=fit.log_parameters[:first], covariance=fit.covariance[:first, :first])
        super()._learn(own, grouped)
        self.log_params_, self.covariance_ = fit.log_parameters, fit.covariance
        deviations = np.sqrt(np.diag(fit.covariance))
        self.effects_: list[Effect] = []
        for at, (place, (moved, _sign)) in enumerate(self._moves(), first):
            column, is_buying = self._design.columns[place], moved == self.buying_moves[0]
            value, error = float(fit.log_parameters[at]), float(deviations[at])
            ends = (value - Z95 * error, value + Z95 * error)
            name = f"{'buying' if is_buying else 'leaving'} {column.name}"
            self.params_[name], self.standard_errors_[name], self.intervals_[name] = value, error, ends
            ratio, low, high = (float(np.exp(min(end, FURTHEST))) for end in (value, *ends))
            on = "buying" if is_buying else self.leaving_is
            reference = self.references_.get(column.covariate)
            self.effects_.append(Effect(column.name, on, value, error, ratio, low, high, reference))
        return self

    def at(self, log_parameters: Array) -> Self:
        """A copy with other parameters, for intervals."""
        twin = super().at(log_parameters[: len(self.parameters)])
        if len(log_parameters) > len(self.parameters):
            values = self._values(log_parameters).tolist()
            twin.log_params_, twin.params_ = log_parameters, dict(zip(self.params_, values, strict=True))
        return twin

    def _values(self, log_parameters: Array) -> Array:
        first = len(self.parameters)
        return np.concatenate([np.exp(log_parameters[..., :first]), log_parameters[..., first:]], axis=-1)

    def _refit(self, sample: Groups) -> Array:
        if not self._needed:
            return super()._refit(sample)
        start = np.linalg.solve(self._back, self.log_params_)
        return self._back @ self._maximised(self._standard(sample), start).log_parameters

    def _maximised(self, scaled: Explained, start: Array, **how: Any) -> Fit:
        # Threads that wait for one another on so few columns take longer than one alone.
        with threadpool_limits(1):
            return maximise(self._climbed(scaled), start=start, customers=scaled.customers, **how)

    # -- groups --------------------------------------------------------------------------------------------------------

    def _counted(self, summary: Any) -> Groups:
        if not self._needed:
            return super()._counted(summary)
        if isinstance(summary, Described) and set(self._needed) <= set(summary.told):
            return summary
        if isinstance(summary, Groups):
            raise InputError(
                f"These groups do not say {', '.join(self._needed)}: count them with "
                f"lifetime.groups(summary, covariates={list(self._needed)})."
            )
        return groups(summary, covariates=self._needed)

    def _scaled(self, grouped: Groups) -> Groups:
        made = super()._scaled(grouped)
        if not self._needed:
            return made
        assert isinstance(grouped, Described)
        return Explained(made.frequency, made.recency, made.age, made.weight, self._design.matrix(grouped))

    def _standard(self, scaled: Groups) -> Explained:
        assert isinstance(scaled, Explained)
        centre = np.array([column.centre for column in self._design.columns])
        scale = np.array([column.scale for column in self._design.columns])
        return replace(scaled, z=(scaled.z - centre) / scale)

    def _logs(self, grouped: Groups) -> Any:
        """Logarithms of the parameters: an array, where some differ between groups a list of numbers and arrays."""
        return self._moved(self.log_params_, grouped) if isinstance(grouped, Explained) else self.log_params_

    def _moved(self, theta: Array, grouped: Explained) -> list[Any]:
        first = len(self.parameters)
        logs: list[Any] = list(theta[:first])
        both = ((self._buying, self.buying_moves), (self._leaving, self.leaving_moves))
        for places, (moved, sign) in both:
            if places:
                logs[moved] = logs[moved] + sign * (grouped.z[:, list(places)] @ theta[first : first + len(places)])
            first += len(places)
        return logs

    def _parameters_of(self, grouped: Groups) -> Any:
        logs = self._logs(grouped)
        return np.exp(logs) if isinstance(logs, np.ndarray) else [np.exp(each) for each in logs]

    # -- the climb -----------------------------------------------------------------------------------------------------

    def _climbed(self, grouped: Explained) -> Objective:
        """Mean negative log-likelihood by parameters and coefficients, with its gradient by the chain rule."""
        total = grouped.customers
        sides = (
            (grouped.z[:, list(self._buying)], self.buying_moves),
            (grouped.z[:, list(self._leaving)], self.leaving_moves),
        )

        def objective(theta: Array) -> tuple[float, Array]:
            value, slopes = self._each([np.exp(each) for each in self._moved(theta, grouped)], grouped)
            weighted = [grouped.weight * slope for slope in slopes]
            gradient = [np.array([slope.sum() for slope in weighted])]
            gradient += [sign * (weighted[moved] @ z) for z, (moved, sign) in sides]
            return -float(grouped.weight @ value) / total, -np.concatenate(gradient) / total

        return objective

    def _each(self, parameters: list[Any], grouped: Explained) -> Likelihood:
        """Log-likelihood of each history and its slopes, where parameters may differ between groups."""
        raise NotImplementedError
