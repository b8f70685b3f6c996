"""How much: what a coming purchase of each customer will bring, by the estimate that erred least on the days held out.

Purchases are those the referee chose; what differs is the amount of one. Everybody's mean, one's own mean drawn to it
by its credibility (Bühlmann & Straub 1970), and the Gamma-Gamma model compete with the rule of thumb that customers go
on spending at the rate they have had.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import narwhals as nw
import numpy as np

from querencia.insight import rfm
from querencia.insight.engine import Frame, beside, rows, whole
from querencia.insight.forecast.histories import Histories, Log, Past
from querencia.insight.language import gettext_noop as N_
from querencia.insight.lifetime import GammaGammaModel, Groups
from querencia.insight.lifetime.gamma_gamma import spenders
from querencia.insight.lifetime.groups import Array, spread

SPENDERS_MIN = 30  # repeat customers with money, below which everybody's mean stands in for their own
PRIOR_PURCHASES_RANGE = (0.05, 1e6)
PAST_SPEND = N_("past spend")


class Amount(Protocol):
    """An estimate of the amount of a coming purchase (minor units), as an expression over a summary."""

    @property
    def name(self) -> str: ...

    def expression(self) -> nw.Expr: ...


@dataclass(frozen=True)
class EverybodysMean:
    """The mean of all purchase days."""

    mean: float
    name: str = N_("everybody's mean")

    def expression(self) -> nw.Expr:
        return nw.lit(self.mean)


@dataclass(frozen=True)
class CredibleMean:
    """One's own mean of purchase days, drawn to everybody's as if ``prior`` purchases of that had been seen before."""

    mean: float
    prior: float
    name: str = N_("own mean")

    def expression(self) -> nw.Expr:
        own = nw.col("amount").cast(nw.Float64()) + self.mean * self.prior
        return (own / (nw.col("purchases").cast(nw.Float64()) + self.prior)).clip(0.0, None)


@dataclass(frozen=True)
class GammaGamma:
    """The model of spend."""

    model: GammaGammaModel
    name: str = GammaGammaModel.name

    def expression(self) -> nw.Expr:
        p, q, v = np.exp(self.model.log_params_).tolist()
        x, z = nw.col("frequency").cast(nw.Float64()), nw.col("repeat_amount_mean")
        own = (x * z + v) * p / (x * p + (q - 1))
        known = (nw.col("frequency") > 0) & (z > 0)
        return nw.when(known).then(own).otherwise(nw.lit(self.model.population_amount()))


@dataclass(frozen=True)
class SpendTrial:
    """How one estimate did on the days held out, in minor units; ``loss``: RMSE and MAE against the rule of thumb's,
    weighted 2 to 1.

    >>> SpendTrial("own mean", False, 1_204.0, 3_098.0, -0.08, 0.61).loss < 1
    True
    """

    name: str
    is_simple: bool
    mae: float
    rmse: float
    total_error: float
    loss: float


def estimates(days: Frame, summary: Frame) -> list[Amount]:
    """What can be estimated from a log and the summary of it, the plainest first."""
    sums = rows(
        summary.select(
            nw.len().alias("customers"),
            nw.col("amount").cast(nw.Float64()).sum().alias("amount"),
            nw.col("purchases").cast(nw.Float64()).sum().alias("purchases"),
        )
    )[0]
    purchases = float(sums["purchases"] or 0.0)
    mean = max(0.0, float(sums["amount"] or 0.0) / purchases) if purchases else 0.0
    made: list[Amount] = [EverybodysMean(mean)]
    if (prior := _prior_purchases(days)) is not None:
        made.append(CredibleMean(mean, prior))
    if (model := _gamma_gamma(summary, whole(sums["customers"]))) is not None:
        made.append(GammaGamma(model))
    return made


def _prior_purchases(days: Frame) -> float | None:
    """Variance within customers over that between them, by the moments of Bühlmann & Straub; None of too few."""
    by_customer = (
        days.filter(nw.col("is_purchase"))
        .with_columns(nw.col("amount").cast(nw.Float64()).alias("amount"), nw.lit(1.0).alias("n"))
        .with_columns((nw.col("amount") * nw.col("amount")).alias("square"))
        .group_by("customer_id")
        .agg(nw.col("n").sum(), nw.col("amount").sum().alias("s"), nw.col("square").sum().alias("q"))
        .with_columns((nw.col("s") * nw.col("s") / nw.col("n")).alias("ss"), (nw.col("n") * nw.col("n")).alias("nn"))
    )
    names = ("n", "s", "q", "ss", "nn")
    found = rows(by_customer.select(nw.len().alias("customers"), *(nw.col(name).sum() for name in names)))[0]
    customers = whole(found["customers"])
    n, s, q, ss, nn = (float(found[name] or 0.0) for name in names)
    if customers < SPENDERS_MIN or n - customers < SPENDERS_MIN:
        return None
    within = max(q - ss, 0.0) / (n - customers)
    between = (ss - s * s / n - (customers - 1) * within) / max(n - nn / n, 1e-9)
    low, high = PRIOR_PURCHASES_RANGE
    return min(max(within / between, low), high) if between > 0 else high


def _gamma_gamma(summary: Frame, customers: int) -> GammaGammaModel | None:
    frequency, mean, weight = spenders(summary, customers=customers)
    if weight.sum() < SPENDERS_MIN:
        return None
    model = GammaGammaModel().fit_arrays(frequency, mean, weight)
    return model if model.identified_ else None


def preferred(made: list[Amount]) -> Amount:
    """Without a trial: the model of spend where there is one, else everybody's mean."""
    return next((each for each in made if isinstance(each, GammaGamma)), made[0])


def judge(days: Frame, past: Past, history: Histories, expected: Array) -> list[SpendTrial]:
    """Try the estimates on the days after the history, given the purchases expected of it; the best comes first.

    Nothing where nobody spent anything. Only sums of errors leave the engine.
    """
    cut = history.origin
    before = days.filter(nw.col("day") <= cut)
    summary = rfm.as_summary(before, as_of=cut)
    inside = (nw.col("day") > cut) & (nw.col("day") <= cut + history.days)
    spent = days.filter(inside).group_by("customer_id").agg(nw.col("amount").sum().alias("spent"))
    known = placed(summary, past, history, {"count": expected})
    amounts = estimates(before, summary)
    share = float(history.days) / max(float(history.age.max()), 1.0)
    said = {each.name: nw.col("count") * each.expression() for each in amounts}
    said[PAST_SPEND] = nw.col("amount").cast(nw.Float64()) * share
    # Of a large log some customers were tried, the others have no count.
    known = known.filter(~nw.col("count").is_null())
    table = known.join(spent, on="customer_id", how="left").with_columns(
        nw.col("spent").cast(nw.Float64()).fill_null(0.0), **{f"said_{n}": made for n, made in enumerate(said.values())}
    )
    asked = [nw.len().alias("customers"), nw.col("spent").sum().alias("total")]
    for place in range(len(said)):
        away = nw.col(f"said_{place}") - nw.col("spent")
        asked += [(away * away).sum().alias(f"square_{place}"), away.abs().sum().alias(f"off_{place}")]
        asked.append(nw.col(f"said_{place}").sum().alias(f"sum_{place}"))
    return _ranked(rows(table.select(*asked))[0], list(said))


def _ranked(found: dict[str, Any], names: list[str]) -> list[SpendTrial]:
    customers, total = whole(found["customers"]), float(found["total"] or 0.0)
    if not customers or total <= 0:
        return []
    errors = {
        name: (
            float(np.sqrt(max(found[f"square_{place}"], 0.0) / customers)),
            float(found[f"off_{place}"]) / customers,
            float(found[f"sum_{place}"]) / total - 1,
        )
        for place, name in enumerate(names)
    }
    rule = errors[PAST_SPEND]
    made = []
    for name, (rmse, mae, off) in errors.items():
        loss = (2 * rmse / max(rule[0], 1e-9) + mae / max(rule[1], 1e-9)) / 3
        made.append(SpendTrial(name, name == PAST_SPEND, mae, rmse, off, loss))
    return sorted(made, key=lambda trial: trial.loss)


def chosen(trials: list[SpendTrial], made: list[Amount]) -> Amount:
    """The estimate that did best of those that can be made now. The rule of thumb is there to be beaten: it gives no
    amount of a purchase."""
    for trial in trials:
        for each in made:
            if each.name == trial.name:
                return each
    return preferred(made)


def placed(summary: Frame, past: Past, history: Histories, values: dict[str, Array]) -> Frame:
    """The summary with values of each history given to its customers: by customer where the log was taken out, else by
    history, inside the engine."""
    if not isinstance(past, Log):
        core, place = history.core
        first = np.zeros(len(core), dtype=np.int64)
        first[place] = np.arange(len(place))
        return spread(summary, Groups(core.frequency, core.recency, core.age, core.weight), _taken(values, first))
    ids, place = past.customers(history.origin, history.days, held=history.actual is not None)
    kept = summary.collect_schema().names()
    table = beside({"placed_id": ids.to_arrow(), **_taken(values, place)}, summary)
    return summary.join(table, left_on="customer_id", right_on="placed_id", how="left").select(*kept, *values)


def _taken(values: dict[str, Array], place: Any) -> dict[str, Array]:
    return {name: made[place] for name, made in values.items()}
