"""One row per customer: purchases, chance of any, and spend expected within the horizon, each with its interval.

Of purchases two figures are given. The mean may be added up and multiplied: it is for totals and money. The likely
number is the median, a whole number: it is as likely as not that the customer buys more often than that, or at all.
``rank`` says whom to look after first: one for who is to buy most, by the candidates that ranked best in the back-test
(see :mod:`querencia.insight.forecast.ranking`); customers with the same history share a rank.

Intervals. For purchases and spend: within which 80 % of such customers are to fall (see
:mod:`querencia.insight.forecast.within`). For the chance: 95 %, from the uncertainty of the parameters and from how
well chances said met shares seen in the back-test.
"""

from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
from scipy.special import expit, logit, ndtri
from threadpoolctl import threadpool_limits

from querencia.insight import rfm
from querencia.insight.engine import Frame, like
from querencia.insight.errors import InputError
from querencia.insight.forecast import ranking, spending, within
from querencia.insight.forecast.backtest import Backtest, Benches, Verdict, judge, seasoned
from querencia.insight.forecast.candidates import Bench, Candidate, Modelled, PooledRate
from querencia.insight.forecast.histories import Past, past_of
from querencia.insight.forecast.levels import NO_SEASON, Season
from querencia.insight.forecast.rounds import Round, rounds
from querencia.insight.forecast.spending import Amount, EverybodysMean, SpendTrial
from querencia.insight.lifetime.groups import Array
from querencia.insight.tables import Day, as_days, day_number

CONFIDENCE = 0.95  # for the chance

COLUMNS = (
    "expected_purchases",
    "likely_purchases",
    "expected_purchases_low",
    "expected_purchases_high",
    "chance_of_purchase",
    "chance_low",
    "chance_high",
    "expected_spend",
    "expected_spend_low",
    "expected_spend_high",
    "rank",
)
WHOLE = ("likely_purchases", "rank")


@dataclass(frozen=True)
class Forecast:
    """Candidates that were chosen and fitted on all of the history: ``model`` says how many, ``chance_model`` whether
    at all. ``backtest`` is None when the log was too thin to hold anything out: then both are the pooled rate and
    nothing is claimed for it. ``amount`` says what a purchase brings; ``spend_trials``: how each estimate of that did
    on the days held out, the best first. ``season``: how the days ahead differ from what the models say (see
    :mod:`querencia.insight.forecast.levels`). ``coverage``: share of customers within the interval of purchases in the
    back-test; 80 % is stated. ``rounds``: what was foretold on each day of the trials, and what came.

    >>> from querencia.insight import forecast, samples
    >>> thin = forecast.prepare(samples.cdnow().head(40), as_of=samples.CDNOW_END, horizon_days=60)
    >>> thin.model, thin.backtest, thin.rounds
    ('pooled rate', None, ())
    """

    as_of: int
    horizon_days: int
    model: str
    backtest: Backtest | None
    candidate: Candidate | None
    amount: Amount
    summary: Frame
    chance_model: str = PooledRate.name
    season: Season = NO_SEASON
    coverage: float | None = None
    spend_trials: tuple[SpendTrial, ...] = ()
    rounds: tuple[Round, ...] = ()
    scored: Frame | None = field(default=None, repr=False)

    def _repr_html_(self) -> str:
        from querencia.insight.forecast.totals import shown

        return shown(self)

    @property
    def parameters(self) -> dict[str, float]:
        """Learned parameters by name; empty for anything but a single model."""
        return dict(self.candidate.model_.params_) if isinstance(self.candidate, Modelled) else {}

    @property
    def log_likelihood(self) -> float | None:
        return self.candidate.model_.log_likelihood_ if isinstance(self.candidate, Modelled) else None

    def table(self) -> Frame:
        """The forecast of every customer, as a lazy frame of the engine that the purchases came in."""
        if self.scored is None:
            nothing = [nw.lit(None).cast(_kind(name)).alias(name) for name in COLUMNS]
            return self.summary.select("customer_id", *nothing, nw.lit(self.model).alias("model"))
        return self.scored.with_columns(self.amount.expression().alias("mean_amount")).select(
            "customer_id",
            *(nw.col(name).cast(_kind(name)) for name in COLUMNS[:7]),
            (nw.col("expected_purchases") * nw.col("mean_amount")).alias("expected_spend"),
            (nw.col("spend_low") * nw.col("mean_amount")).alias("expected_spend_low"),
            (nw.col("spend_high") * nw.col("mean_amount")).alias("expected_spend_high"),
            nw.col("rank").cast(_kind("rank")),
            nw.lit(self.model).alias("model"),
        )


def _kind(name: str) -> nw.dtypes.DType:
    return nw.Int64() if name in WHOLE else nw.Float64()


def predict(purchases: Any, *, as_of: Day, horizon_days: int) -> Any:
    """One row per customer who bought up to ``as_of``; nothing later is looked at.

    ``customer_id``; ``expected_purchases`` (the mean), ``likely_purchases`` (the median, a whole number) and
    ``expected_purchases_low``, ``_high`` (purchase days); ``chance_of_purchase`` (of at least one) with ``chance_low``,
    ``chance_high``; ``expected_spend`` with ``_low``, ``_high`` (minor units); ``rank`` (1: whom to look after first);
    ``model``. See the module for what the figures and intervals mean. :func:`prepare` gives the same with the
    back-test.

    >>> from querencia.insight import forecast, samples
    >>> ahead = forecast.predict(samples.cdnow().head(40), as_of=samples.CDNOW_END, horizon_days=60)
    >>> ahead.columns[:3], len(ahead)
    (['customer_id', 'expected_purchases', 'likely_purchases'], 11)
    """
    frame = prepare(purchases, as_of=as_of, horizon_days=horizon_days).table()
    return like(frame, purchases)


def prepare(purchases: Any, *, as_of: Day, horizon_days: int) -> Forecast:
    """Choose on the history before ``as_of``, fit on all of it. Raises InputError when the horizon is no day ahead.

    >>> from querencia.insight import forecast, samples
    >>> chosen = forecast.prepare(samples.cdnow().head(400), as_of=samples.CDNOW_END, horizon_days=60)
    >>> chosen.horizon_days, len(chosen.backtest.trials) >= 8, round(chosen.coverage, 1) >= 0.8
    (60, True, True)
    """
    if horizon_days < 1:
        raise InputError(f"The horizon is at least one day, not {horizon_days!r}.", example=horizon_days)
    today = day_number(as_of)
    days = as_days(purchases, as_of=today)
    summary = rfm.as_summary(days, as_of=today)
    past = past_of(days)
    if past is None:
        return Forecast(today, horizon_days, PooledRate.name, None, None, EverybodysMean(0.0), summary)
    some = past.thinned()
    benches = Benches(some, as_of=today)
    history = past.at(today, horizon_days, held=False)
    amounts = spending.estimates(days, summary)
    # Threads that wait for one another on so few numbers take longer than one alone, many times on a busy machine.
    with threadpool_limits(1):
        bench = Bench(history)
        verdict = judge(benches, bench)
        trials = _spend_trials(days, some, verdict)
        amount = spending.chosen(trials, amounts)
        made = _answer(benches, bench, verdict, amount)
    return Forecast(
        today,
        horizon_days,
        made.count.name,
        verdict.backtest if verdict else None,
        made.count,
        amount,
        summary,
        chance_model=made.chance.name,
        season=made.season,
        coverage=made.coverage,
        spend_trials=tuple(trials),
        rounds=made.rounds,
        scored=spending.placed(summary, past, history, made.scores),
    )


def _spend_trials(days: Frame, past: Past, verdict: Verdict | None) -> list[SpendTrial]:
    if verdict is None:
        return []
    latest = verdict.latest
    return spending.judge(days, past, latest.history, latest.said[verdict.count][0])


@dataclass(frozen=True)
class Answer:
    """Who answered, and what for each history; spend in units of the customer's mean amount."""

    count: Candidate
    chance: Candidate
    season: Season
    coverage: float | None
    rounds: tuple[Round, ...]
    scores: dict[str, Array]


def _answer(benches: Benches, bench: Bench, verdict: Verdict | None, amount: Amount) -> Answer:
    history, days = bench.history, bench.history.days
    count: Candidate
    chance: Candidate
    coverage: float | None
    held: tuple[Round, ...]
    if verdict is None:
        count = chance = bench.candidate(PooledRate)
        together: tuple[Candidate, ...] = (count,)
        level, wider, coverage, held = NO_SEASON, 0.0, None, ()
    else:
        count, chance, level = _fitted(benches, bench, verdict)
        together = tuple(bench.candidate(kind) for kind in verdict.rank)
        wider, coverage = _fitting(verdict)
        held = rounds(verdict, wider)
    expected, said = count.expected(history, days), np.clip(chance.chance(history, days), 0.0, 1.0)
    expected = expected if count.is_simple else level.expected(expected)
    said = said if chance.is_simple else level.chance(said)
    # Nobody can buy less often on average than with the chance of once.
    said = np.minimum(said, expected)
    shape = within.widened(count.spread(history), wider)
    low, high = within.purchases(expected, said, shape)
    spend_low, spend_high = within.spend(expected, said, shape, history.frequency, amount)
    doubt = chance.doubt(history, days) + (verdict.backtest.miscalibration if verdict else 0.0) ** 2
    bent = ndtri((1 + CONFIDENCE) / 2) * np.sqrt(doubt)
    odds = logit(np.clip(said, 1e-12, 1 - 1e-12))
    scores = {
        "expected_purchases": expected,
        "likely_purchases": within.likely(expected, said, shape),
        "expected_purchases_low": low,
        "expected_purchases_high": high,
        "chance_of_purchase": said,
        "chance_low": np.minimum(expit(odds - bent), said),
        "chance_high": np.maximum(expit(odds + bent), said),
        "spend_low": spend_low,
        "spend_high": spend_high,
        "rank": ranking.ranks([each.expected(history, days) for each in together], history.weight),
    }
    return Answer(count, chance, level, coverage, held, scores)


def _fitted(benches: Benches, bench: Bench, verdict: Verdict) -> tuple[Candidate, Candidate, Season]:
    """The chosen ones on all of the history, and its season."""
    count, chance = bench.candidate(verdict.count), bench.candidate(verdict.chance)
    level = NO_SEASON if count.is_simple and chance.is_simple else seasoned(benches.past, bench)
    return count, chance, level


def _fitting(verdict: Verdict) -> tuple[float, float]:
    """How much wider the spread of purchases has to be, by the latest trial, and the share that it then holds."""
    trial = verdict.latest
    expected, chance = trial.said[verdict.count][0], trial.said[verdict.chance][1]
    shape = trial.bench.candidate(verdict.count).spread(trial.history)
    chance = np.minimum(np.clip(chance, 0.0, 1.0), expected)
    return within.fitting(expected, chance, shape, trial.history.held_out, trial.history.weight)
