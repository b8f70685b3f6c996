"""What points of retention would bring this firm, with its own margin, discount and cost, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from querencia.insight import notebook
from querencia.insight.economics import worth
from querencia.insight.economics.kept import Kept
from querencia.insight.economics.worth import RETENTION_MAX, YEAR_DAYS, Array
from querencia.insight.errors import InputError
from querencia.insight.estimate import Estimate
from querencia.insight.intervals import CONFIDENCE
from querencia.insight.language import gettext as _
from querencia.insight.wording import money

DRAWS = 1_000
PERIODS = 120  # beyond them the rate of renewal stays as it is
NUDGE = 1e-4  # of retention: small enough for a slope


@dataclass(frozen=True)
class Inputs:
    """What the manager moves. Shares of one; money in minor units.

    ``points`` of retention gained among those present now; at renewals that fewer miss, so much fewer, as an effort
    that keeps one in ten of those about to leave does. ``margin`` as a share of revenue; ``discount`` a year; ``cost``
    of the effort per present customer and year; ``acquiring``: what it costs to win one new customer.

    >>> Inputs(points=0.03, margin=0.4, cost=200).discount
    0.1
    """

    points: float = 0.05
    margin: float = 0.3
    discount: float = 0.1
    cost: int = 0
    acquiring: int = 0

    def __post_init__(self) -> None:
        limits = {"points": (0, 1), "margin": (0, 1), "discount": (0, 10), "cost": (0, None), "acquiring": (0, None)}
        for name, (least, most) in limits.items():
            given = getattr(self, name)
            if not least <= given < float("inf") or (most is not None and given > most):
                said = f"between {least} and {most}" if most is not None else f"{least} or more"
                raise InputError(f"{name!r} must be {said}, not {given!r}.", column=name, example=given)


@dataclass(frozen=True)
class Scenario:
    """The answer, every figure with its 95 % interval; money in minor units, per customer unless it says otherwise.

    ``retention`` now and ``retention_with`` the points (``points``: those there was room for). ``margin``: per
    customer and window. ``new_value``: worth of a new customer today, first window included; ``new_value_with`` the
    points, before their cost; ``change``: how many times more that is. ``present_value``: what a present customer
    still brings. ``gain``: what the points bring with all ``customers`` present, over their lifetime, less the cost of
    the effort; ``gain_share``: as a share of what those customers are worth without. ``next_window``: the same within
    the next window alone. ``break_even``: what may be spent per present customer and year before the gain is gone.
    ``keeping``: what one customer more kept costs, None without points or cost; ``acquiring_times``: how many times
    that winning one costs. ``payback_days``: until a new customer has brought back what winning them cost, None if
    never. ``elasticity``: by how many per cent the worth of a present customer rises with one per cent of retention.
    ``is_curve``: whether customers are allowed to differ (shifted-beta-geometric).

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> found = economics.scenario(kept, economics.Inputs(margin=0.4))
    >>> found.customers, round(found.points, 3), found.gain.low < found.gain.value < found.gain.high
    (582, 0.05, True)
    """

    inputs: Inputs
    window_days: int
    customers: int
    points: float
    is_curve: bool
    retention: Estimate
    retention_with: Estimate
    margin: Estimate
    new_value: Estimate
    new_value_with: Estimate
    change: Estimate
    present_value: Estimate
    gain: Estimate
    gain_share: Estimate | None
    next_window: Estimate
    break_even: Estimate
    elasticity: Estimate
    keeping: int | None
    acquiring_times: float | None
    payback_days: int | None
    new_value_one_rate: int

    def _repr_html_(self) -> str:
        shares = {_("retention"): self.retention, _("with the points"): self.retention_with}
        amounts = {
            _("worth of a new customer"): self.new_value,
            _("what a present one still brings"): self.present_value,
            _("what the points bring"): self.gain,
            _("may cost a customer and year"): self.break_even,
        }
        rows = notebook.estimates(shares) + notebook.estimates(amounts, written=lambda minor: money(minor, ""))
        return notebook.card("", rows=rows)


def scenario(kept: Kept, inputs: Inputs | None = None, *, seed: int = 0) -> Scenario | None:
    """The economics of retention for some inputs; None where nobody could renew yet or nothing is spent.

    A thousand draws of the renewal rates and of the spending, from what the log leaves open about them; a few
    thousandths of a second. The draws are the same for the same ``seed``, so that moving one input moves the answer by
    that input alone.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> economics.scenario(kept).new_value.value
    2848
    """
    return _Reckoning(kept, inputs or Inputs(), seed).answer() if _is_known(kept) else None


def at_points(kept: Kept, inputs: Inputs, points: Sequence[float], *, seed: int = 0) -> list[dict[str, Any]]:
    """``points, gain, low, high`` of several numbers of points, all else as given: what a chart of the gain needs.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> [row["gain"] for row in economics.at_points(kept, economics.Inputs(), [0.0, 0.05])]
    [0, 110539]
    """
    if not _is_known(kept):
        return []
    reckoning = _Reckoning(kept, inputs, seed)
    gains = [_money(reckoning.gain(reckoning.raised(one))) for one in points]
    return [
        {"points": one, "gain": gain.value, "low": gain.low, "high": gain.high}
        for one, gain in zip(points, gains, strict=True)
    ]


def rates(kept: Kept) -> list[float]:
    """The chance of renewal 1, 2, … that the reckoning goes by, as far as renewals were seen; empty where none were.

    >>> from querencia.insight import economics, samples
    >>> kept = economics.keep(samples.cdnow(), as_of=samples.CDNOW_END, window_days=182)
    >>> [round(rate, 2) for rate in economics.rates(kept)]
    [0.25, 0.25]
    """
    if not _is_known(kept):
        return []
    found = _rates(kept, np.random.default_rng(0))[0]
    return [float(found[min(renewal, len(found) - 1)]) for renewal in range(len(kept.could))]


def _is_known(kept: Kept) -> bool:
    spend = kept.spend_mean
    return bool(kept.window_days and kept.renewal and spend and spend[0] > 0 and kept.base)


class _Reckoning:
    """Draws of rates and of spending, the first of each being the estimate itself.

    Rates have a row per draw and a column per renewal; with one rate for all there is one column.
    """

    def __init__(self, kept: Kept, inputs: Inputs, seed: int) -> None:
        self.kept, self.inputs, self.window = kept, inputs, kept.window_days or YEAR_DAYS
        self.discount = worth.per_period(inputs.discount, self.window)
        self.cost = inputs.cost * self.window / YEAR_DAYS
        random = np.random.default_rng(seed)
        self.rates = _rates(kept, random)
        mean, error = kept.spend_mean or (0.0, 0.0)
        spend = np.concatenate([[mean], np.maximum(0.0, random.normal(mean, error, DRAWS))])
        self.margin = spend * inputs.margin
        self.customers = kept.base
        self.held = self._held(self.rates)

    def _held(self, rates: Array) -> Array:
        """Worth of one unit of margin per period to come, of all customers present."""
        return self._of_present(worth.annuity(rates, self.discount)) * self.customers

    def _of_present(self, by_renewal: Array) -> Array:
        """The mean over the customers present, of a figure by the renewals behind them."""
        size = by_renewal.shape[-1]
        weight = np.zeros(size)
        for renewals, customers in enumerate(self.kept.present):
            weight[min(renewals, size - 1)] += customers
        mean: Array = by_renewal @ weight / weight.sum()
        return mean

    def raised(self, points: float | Array) -> Array:
        """Rates with so many points more now; where fewer leave than do now, so much fewer points."""
        now = np.maximum(1 - self._of_present(self.rates), 1e-12)
        added = np.minimum(1.0, (1 - self.rates) / now[:, None]) * np.minimum(points, now)[:, None]
        raised: Array = np.minimum(self.rates + added, np.maximum(self.rates, RETENTION_MAX))
        return raised

    def gain(self, rates: Array) -> Array:
        """What other rates bring with all customers present, less the cost of the effort as long as it is paid."""
        held = self._held(rates)
        made: Array = self.margin * (held - self.held) - self.cost * (self.customers + held)
        return made

    def answer(self) -> Scenario:
        inputs, margin = self.inputs, self.margin
        moved = self.raised(inputs.points)
        now, then = self._of_present(self.rates), self._of_present(moved)
        held_with, gain = self._held(moved), self.gain(moved)
        new, new_with = (1 + worth.annuity(rates, self.discount)[:, 0] for rates in (self.rates, moved))
        steeper = self._held(self.raised(NUDGE * now))
        room = float(then[0] - now[0])
        keeping = self.cost / room if room > 0 and self.cost > 0 else None
        rate = self.kept.renewal
        one_rate = worth.lifetime_value(
            float(margin[0]), min(rate.value, RETENTION_MAX) if rate else 0.0, self.discount
        )
        next_margin = margin * (then - now) / (1 + self.discount)
        spread_over = (self.customers + held_with) * self.window / YEAR_DAYS
        return Scenario(
            inputs=inputs,
            window_days=self.window,
            customers=self.customers,
            points=room,
            is_curve=bool(self.kept.curve),
            retention=_estimate(now),
            retention_with=_estimate(then),
            margin=_money(margin),
            new_value=_money(margin * new),
            new_value_with=_money(margin * new_with),
            change=_estimate(new_with / new - 1),
            present_value=_money(margin * self.held / self.customers),
            gain=_money(gain),
            gain_share=_estimate(gain / np.maximum(margin * self.held, 1e-9)) if margin[0] * self.held[0] > 0 else None,
            next_window=_money(self.customers * (next_margin - self.cost)),
            break_even=_money(margin * (held_with - self.held) / spread_over),
            elasticity=_estimate((steeper / np.maximum(self.held, 1e-12) - 1) / NUDGE),
            keeping=None if keeping is None else worth.amount(keeping),
            acquiring_times=inputs.acquiring / keeping if keeping and inputs.acquiring else None,
            payback_days=self._payback(),
            new_value_one_rate=worth.amount(one_rate),
        )

    def _payback(self) -> int | None:
        """Days until the discounted margin expected of a new customer reaches what winning them cost."""
        needed = float(self.inputs.acquiring)
        if needed <= 0:
            return None
        margin, rates = float(self.margin[0]), self.rates[0]
        brought, there = 0.0, 1.0
        for period in range(PERIODS * 4):
            coming = margin * there / (1 + self.discount) ** period
            if brought + coming >= needed:
                part = (needed - brought) / coming if coming > 0 else 0.0
                return round((period + part) * self.window)
            if coming < 1e-6 * needed:
                return None
            brought += coming
            there *= float(rates[min(period, len(rates) - 1)])
        return None


def _rates(kept: Kept, random: np.random.Generator) -> Array:
    """Renewal rates by renewal: the curve where there is one, else one rate for all; the first row is the estimate."""
    if kept.curve:
        middle, covariance = np.array(kept.curve), np.array(kept.curve_covariance)
        drawn = np.vstack([middle, random.multivariate_normal(middle, covariance, size=DRAWS, method="eigh")])
        log_alpha, beta = drawn[:, :1], np.exp(np.clip(drawn[:, 1:], -25, 25))
        renewals = np.arange(PERIODS)
        # (β + t) / (α + β + t), equation 8 of Fader & Hardie (2007).
        curve: Array = expit(np.log(beta + renewals) - log_alpha)
        return curve
    could, renewed = sum(kept.could), sum(kept.renewed)
    drawn = random.beta(renewed + 0.5, could - renewed + 0.5, size=DRAWS)
    return np.concatenate([[renewed / could], drawn])[:, None]


def _estimate(draws: Array) -> Estimate:
    value = float(draws[0])
    low, high = (float(end) for end in np.quantile(draws[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return Estimate(value, min(low, value), max(high, value))


def _money(draws: Array) -> Estimate:
    found = _estimate(draws)
    return Estimate(*(worth.amount(end) for end in (found.value, found.low, found.high)))
