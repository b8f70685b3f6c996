"""One row per customer: purchases, chance of any, and spend expected within the horizon, each with its interval.

Intervals. For purchases and spend: within which 80 % of such customers are to fall (a hurdle at no purchase, beyond it
a negative binomial or Gamma with the posterior's spread). For the chance: 95 %, from the uncertainty of the parameters
and from how well chances said met shares seen in the back-test.
"""

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from scipy.special import expit, gammaincinv, logit
from scipy.stats import nbinom, norm

from querencia.insight import rfm
from querencia.insight.engine import Frame, like
from querencia.insight.errors import InputError
from querencia.insight.forecast.backtest import Backtest, compare, first_day_of, hold_out
from querencia.insight.forecast.candidates import Candidate, Modelled, PooledRate
from querencia.insight.lifetime import GammaGammaModel, Groups, groups
from querencia.insight.lifetime.groups import Array, spread
from querencia.insight.tables import Day, as_days, day_number

WITHIN = 0.80  # of customers, for purchases and spend
CONFIDENCE = 0.95  # for the chance
SPENDERS_MIN = 30  # repeat customers with money, below which everybody's mean stands in for their own
DOUBT_MAX = 1e6  # a spread beyond it is as good as certain

COLUMNS = (
    "expected_purchases",
    "expected_purchases_low",
    "expected_purchases_high",
    "chance_of_purchase",
    "chance_low",
    "chance_high",
    "expected_spend",
    "expected_spend_low",
    "expected_spend_high",
)


@dataclass(frozen=True)
class Forecast:
    """A candidate that was chosen and fitted on all of the history. ``backtest`` is None when the log was too thin to
    hold anything out: then ``model`` is the pooled rate and nothing is claimed for it."""

    as_of: int
    horizon_days: int
    model: str
    backtest: Backtest | None
    candidate: Candidate | None
    money: GammaGammaModel | None
    mean_amount: float
    summary: Frame

    @property
    def parameters(self) -> dict[str, float]:
        """Learned parameters by name; empty for a simple rule."""
        return dict(self.candidate.model_.params_) if isinstance(self.candidate, Modelled) else {}

    @property
    def log_likelihood(self) -> float | None:
        return self.candidate.model_.log_likelihood_ if isinstance(self.candidate, Modelled) else None

    def table(self) -> Frame:
        """The forecast of every customer, as a lazy frame of the engine that the purchases came in."""
        if self.candidate is None:
            nothing = [nw.lit(None).cast(nw.Float64()).alias(name) for name in COLUMNS]
            return self.summary.select("customer_id", *nothing, nw.lit(self.model).alias("model"))
        history = groups(self.summary)
        scores = _scores(self.candidate, history, self.horizon_days, self.backtest, self.money)
        scored = spread(self.summary, history, scores)
        amount = self._amount()
        return scored.with_columns(amount.alias("mean_amount")).select(
            "customer_id",
            *(nw.col(name) for name in COLUMNS[:6]),
            (nw.col("expected_purchases") * nw.col("mean_amount")).alias("expected_spend"),
            (nw.col("spend_low") * nw.col("mean_amount")).alias("expected_spend_low"),
            (nw.col("spend_high") * nw.col("mean_amount")).alias("expected_spend_high"),
            nw.lit(self.model).alias("model"),
        )

    def _amount(self) -> nw.Expr:
        """Mean spend per coming purchase, minor units."""
        if self.money is None:
            return nw.lit(self.mean_amount)
        p, q, v = np.exp(self.money.log_params_).tolist()
        x, z = nw.col("frequency").cast(nw.Float64()), nw.col("repeat_amount_mean")
        own = (x * z + v) * p / (x * p + (q - 1))
        known = (nw.col("frequency") > 0) & (z > 0)
        return nw.when(known).then(own).otherwise(nw.lit(self.money.population_amount()))


def predict(purchases: Any, *, as_of: Day, horizon_days: int) -> Any:
    """One row per customer who bought up to ``as_of``; nothing later is looked at.

    ``customer_id``; ``expected_purchases`` with ``_low``, ``_high`` (purchase days); ``chance_of_purchase`` (of at
    least one) with ``chance_low``, ``chance_high``; ``expected_spend`` with ``_low``, ``_high`` (minor units);
    ``model``. See the module for what the intervals mean. :func:`prepare` gives the same with the back-test.
    """
    frame = prepare(purchases, as_of=as_of, horizon_days=horizon_days).table()
    return like(frame, purchases)


def prepare(purchases: Any, *, as_of: Day, horizon_days: int) -> Forecast:
    """Choose on the history before ``as_of``, fit on all of it. Raises InputError when the horizon is no day ahead."""
    if horizon_days < 1:
        raise InputError(f"The horizon is at least one day, not {horizon_days!r}.", example=horizon_days)
    today = day_number(as_of)
    days = as_days(purchases, as_of=today)
    summary = rfm.as_summary(days, as_of=today)
    first = first_day_of(days)
    if first is None:
        return Forecast(today, horizon_days, PooledRate.name, None, None, None, 0.0, summary)
    held = hold_out(days, first_day=first, as_of=today, horizon_days=horizon_days)
    backtest, kind = compare(held) if held is not None and held.has_enough else (None, PooledRate)
    candidate = kind().fit(groups(summary))
    money, mean_amount = _money(summary)
    return Forecast(today, horizon_days, kind.name, backtest, candidate, money, mean_amount, summary)


def _money(summary: Frame) -> tuple[GammaGammaModel | None, float]:
    """The model of spend where enough customers came again with money; else the mean of a purchase day."""
    spenders = (
        summary.filter((nw.col("frequency") > 0) & (nw.col("repeat_amount_mean") > 0))
        .select("frequency", "repeat_amount_mean")
        # In one order, so that the last digits of the sums are the same whatever the order of the log.
        .sort("frequency", "repeat_amount_mean")
        .collect()
    )
    if len(spenders) >= SPENDERS_MIN:
        frequency = spenders["frequency"].to_numpy().astype(np.float64)
        model = GammaGammaModel().fit_arrays(frequency, spenders["repeat_amount_mean"].to_numpy().astype(np.float64))
        if model.identified_:
            return model, model.population_amount()
    sums = summary.select(
        nw.col("amount").cast(nw.Float64()).sum(), nw.col("purchases").cast(nw.Float64()).sum()
    ).collect()
    purchases = float(sums["purchases"][0] or 0.0)
    return None, max(0.0, float(sums["amount"][0] or 0.0) / purchases) if purchases else 0.0


def _scores(
    candidate: Candidate, history: Groups, days: int, backtest: Backtest | None, money: GammaGammaModel | None
) -> dict[str, Array]:
    """What the join gives to each customer; spend in units of the customer's mean amount."""
    expected, chance = candidate.expected(history, days), np.clip(candidate.chance(history, days), 0.0, 1.0)
    # A mean below the chance of one is a contradiction of roundings.
    expected = np.maximum(expected, chance)
    low, high = _purchases_within(expected, chance, candidate.spread(history))
    doubt = _parameter_doubt(candidate, history, days) + (backtest.miscalibration if backtest else 0.0) ** 2
    bent = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(doubt)
    odds = logit(np.clip(chance, 1e-12, 1 - 1e-12))
    spend_low, spend_high = _spend_within(expected, chance, candidate.spread(history), history.frequency, money)
    return {
        "expected_purchases": expected,
        "expected_purchases_low": low,
        "expected_purchases_high": high,
        "chance_of_purchase": chance,
        "chance_low": np.minimum(expit(odds - bent), chance),
        "chance_high": np.maximum(expit(odds + bent), chance),
        "spend_low": spend_low,
        "spend_high": spend_high,
    }


def _parameter_doubt(candidate: Candidate, history: Groups, days: int) -> Array:
    """Variance of the log-odds of a purchase from the uncertainty of the parameters (delta method)."""
    if not isinstance(candidate, Modelled):
        return np.zeros(len(history))
    theta, covariance = candidate.model_.log_params_, candidate.model_.covariance_
    slopes = np.empty((len(theta), len(history)))
    for place in range(len(theta)):
        aside = np.zeros(len(theta))
        aside[place] = 1e-3
        ends = [
            logit(np.clip(candidate.at(theta + sign * aside).chance(history, days), 1e-12, 1 - 1e-12))
            for sign in (1, -1)
        ]
        slopes[place] = (ends[0] - ends[1]) / 2e-3
    made: Array = np.einsum("ig,ij,jg->g", slopes, covariance, slopes)
    return np.clip(made, 0.0, 25.0)


def _purchases_within(expected: Array, chance: Array, shape: Array) -> tuple[Array, Array]:
    """Ends of the interval: no purchase with 1 - chance; otherwise one and a negative binomial number more."""
    doubt = np.minimum(shape, DOUBT_MAX)
    with np.errstate(invalid="ignore", divide="ignore"):
        more = np.where(chance > 0, np.maximum(expected / np.maximum(chance, 1e-12) - 1, 0.0), 0.0)
    success = doubt / (doubt + more)
    ends = []
    for share in ((1 - WITHIN) / 2, (1 + WITHIN) / 2):
        beyond = (share - (1 - chance)) / np.maximum(chance, 1e-12)
        number = 1 + nbinom.ppf(np.clip(beyond, 0.0, 1 - 1e-9), doubt, success)
        ends.append(np.where(beyond > 0, number, 0.0))
    return np.minimum(ends[0], expected), np.maximum(ends[1], expected)


def _spend_within(
    expected: Array, chance: Array, shape: Array, frequency: Array, money: GammaGammaModel | None
) -> tuple[Array, Array]:
    """The same for spend, in units of the customer's mean amount: a Gamma distribution beyond the hurdle."""
    p, q = (money.params_["p"], money.params_["q"]) if money else (1.0, 3.0)
    # Purchases around their own mean, amounts around theirs, and doubt about what that mean is.
    mean = expected / np.maximum(chance, 1e-12)
    variance = mean + np.maximum(mean - 1, 0.0) ** 2 / np.minimum(shape, DOUBT_MAX) - 1 + 1 / np.maximum(mean, 1.0)
    variance = np.maximum(variance, 0.0) + mean / p + mean**2 / np.maximum(p * frequency + q - 2, 1.0)
    bend = mean**2 / np.maximum(variance, 1e-12)
    ends = []
    for share in ((1 - WITHIN) / 2, (1 + WITHIN) / 2):
        beyond = (share - (1 - chance)) / np.maximum(chance, 1e-12)
        value = gammaincinv(np.clip(bend, 1e-3, 1e9), np.clip(beyond, 0.0, 1 - 1e-9)) * mean / np.clip(bend, 1e-3, 1e9)
        ends.append(np.where(beyond > 0, value, 0.0))
    return np.minimum(ends[0], expected), np.maximum(ends[1], expected)
