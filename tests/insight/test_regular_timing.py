"""Models that know a rhythm, occasions or contracts: known answers, independent roads to the same number, bad input."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import betainc, betaln

from querencia.insight import InputError, rfm, tables
from querencia.insight.lifetime import (
    BetaGeoBetaBinomialModel,
    BetaGeoModel,
    Groups,
    ModifiedBetaGeoModel,
    ParetoNBDModel,
    RegularTimingModel,
    ShiftedBetaGeoModel,
    groups,
    log_gap_sum,
)
from querencia.insight.lifetime.model import Model
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, ENGINES, cdnow, log, rows

# At the published CDNOW parameters: expected purchases, P(alive) and P(purchase) of x, t, T and days ahead, from
# 60-digit arithmetic (the expectations of Pareto/NBD by adaptive quadrature).
BG_NBD = (BetaGeoModel, (0.243, 4.414, 0.793, 2.426))
MBG_NBD = (ModifiedBetaGeoModel, (0.525, 6.183, 0.891, 1.614))
PARETO_NBD = (ParetoNBDModel, (0.553, 10.578, 0.606, 11.669))
EXACT = [
    (BG_NBD, (0, 0, 39, 39), (0.194530721703, 1.0, 0.144232477359)),
    (BG_NBD, (300, 38, 39, 39), (53.1751214724, 0.258027093552, 0.258027093552)),
    (BG_NBD, (2000, 500, 520, 52), (8.02905115502e-29, 4.20408974413e-31, 4.20408974413e-31)),
    (BG_NBD, (5000, 3650, 3650, 365), (480.677081924, 0.999841470355, 0.999841470355)),
    (MBG_NBD, (0, 0, 39, 39), (0.153439448449, 0.389347648664, 0.108509141861)),
    (MBG_NBD, (29, 38, 39, 39), (18.2551486863, 0.946650979391, 0.946650969458)),
    (MBG_NBD, (5000, 3650, 3650, 365), (478.230938452, 0.999821889233, 0.999821889233)),
    (MBG_NBD, (300, 5, 39, 5000), (3.59793663147e-177, 1.9327848002e-180, 1.9327848002e-180)),
    (PARETO_NBD, (0, 0, 39, 39), (0.106526713177, 0.294467031015, 0.06898825188)),
    (PARETO_NBD, (29, 38, 39, 39), (19.0157467539, 0.983592237696, 0.964232451849)),
    (PARETO_NBD, (2000, 500, 520, 52), (2.54757419827e-28, 1.33701084686e-30, 1.33660679737e-30)),
    (PARETO_NBD, (5000, 3650, 3650, 365), (484.305466136, 1.0, 0.999878864179)),
]


def history(frequency: float, recency: float, age: float) -> Groups:
    return Groups(*(np.array([float(v)]) for v in (frequency, recency, age, 1)))


@pytest.mark.parametrize(("named", "case", "exact"), EXACT)
def test_extreme_customers_to_many_digits(
    named: tuple[type[Model], tuple[float, ...]], case: tuple[float, ...], exact: tuple[float, ...]
) -> None:
    kind, params = named
    model, one = kind().at(np.log(np.array(params))), history(*case[:3])
    made = (
        model.expected_purchases(one, case[3]),
        model.probability_alive(one),
        model.probability_of_purchase(one, case[3]),
    )
    assert [float(value[0]) for value in made] == pytest.approx(exact, rel=1e-7)


def regular(k: int, **params: float) -> RegularTimingModel:
    model = RegularTimingModel(regularity=k)
    model.regularity_ = k
    return model.at(np.log(np.array(list(params.values()))))


@pytest.mark.parametrize("k", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("case", [(0, 0, 100, 50), (4, 80, 100, 100), (30, 350, 365, 365), (200, 350, 365, 365)])
def test_regular_timing_counts_hidden_events(k: int, case: tuple[int, int, int, int]) -> None:
    """E = P(alive) Σ_j w_j Σ_i P(N_j ≥ ik - j) B(a, b+x+i)/B(a, b+x+1), summed term by term."""
    x, t, age, ahead = case
    r, alpha, a, b = 0.9, 14.0, 0.4, 3.0
    model = regular(k, r=r, alpha=alpha, a=a, b=b)
    shape, share = r + k * x, (age - t) / (alpha + age)
    stage = np.cumprod([1.0, *((shape + j - 1) * share / j for j in range(1, k))])
    i = np.arange(1, 3_000)
    stays = np.exp(betaln(a, b + x + i) - betaln(a, b + x + 1))
    z = ahead / (alpha + age + ahead)
    there = sum(stage[j] * (betainc(i * k - j, shape + j, z) @ stays) for j in range(k)) / stage.sum()
    one = history(x, t, age)
    exact = there * model.probability_alive(one)[0]
    assert model.expected_purchases(one, ahead)[0] == pytest.approx(exact, rel=1e-9)
    first = sum(stage[j] * betainc(k - j, shape + j, z) for j in range(k)) / stage.sum()
    assert model.probability_of_purchase(one, ahead)[0] == pytest.approx(
        first * model.probability_alive(one)[0], rel=1e-9
    )


def simulated(k: int, n: int, age: float, seed: int) -> tuple[Groups, float, np.ndarray]:
    """Customers of MBG/CNBD-k (.85, 10, .79, 2.42): histories, sum of log gaps, purchases in as long again."""
    random = np.random.default_rng(seed)
    rate, leave = random.gamma(0.85, 1 / 10.0, n), random.beta(0.79, 2.42, n)
    now, alive = np.zeros(n), random.random(n) >= leave
    frequency, recency, later, logs = np.zeros(n), np.zeros(n), np.zeros(n), 0.0
    while alive.any():
        gap = random.gamma(k, 1 / rate)
        now = np.where(alive, now + gap, now)
        seen, ahead = alive & (now <= age), alive & (now > age) & (now <= 2 * age)
        logs += float(np.log(gap[seen]).sum())
        frequency[seen] += 1
        recency[seen] = now[seen]
        later[ahead] += 1
        alive &= (now <= 2 * age) & (random.random(n) >= leave)
    return Groups(frequency, recency, np.full(n, age), np.ones(n)), logs, later


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3])
def test_regularity_and_parameters_come_back_from_data_they_made(k: int) -> None:
    made, logs, later = simulated(k, 8_000, 200.0, seed=k)
    model = RegularTimingModel().fit(made, log_gap_sum=logs)
    assert model.regularity_ == k
    for name, value in {"r": 0.85, "alpha": 10.0, "a": 0.79, "b": 2.42}.items():
        low, high = model.intervals_[name]
        assert low * 0.93 < value < high * 1.07
    assert model.expected_purchases(made, 200).sum() == pytest.approx(later.sum(), rel=0.05)
    chance = model.probability_of_purchase(made, 200)
    assert chance.mean() == pytest.approx((later > 0).mean(), abs=0.01)


def test_the_grocer_sells_by_the_clock(shared_data: Any) -> None:
    sold = pl.read_csv(shared_data / "purchases" / "grocery.csv")
    bought = tables.purchases(sold, columns={"customer_id": "cust", "at": "date", "amount": None})
    end = bought["day"].min() + 364
    summary = rfm.summary(bought, as_of=end)
    logs = log_gap_sum(bought, as_of=end)
    regular_model = RegularTimingModel(time_unit_days=7).fit(summary, log_gap_sum=logs)
    assert regular_model.regularity_ > 1
    by_chance = RegularTimingModel(time_unit_days=7, regularity=1).fit(summary, log_gap_sum=logs)
    assert regular_model.log_likelihood_ > by_chance.log_likelihood_ + 100


@pytest.mark.parametrize("engine", ENGINES)
def test_log_gaps_are_the_same_in_every_engine(engine: str) -> None:
    bought = tables.purchases(ENGINES[engine](cdnow()), columns=CDNOW_COLUMNS, currency="USD")
    reference = tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD")
    assert log_gap_sum(bought, as_of=CDNOW_END) == pytest.approx(log_gap_sum(reference, as_of=CDNOW_END), rel=1e-9)
    assert log_gap_sum(ENGINES[engine](log(("ana", 1, 1), ("ana", 11, 1))), as_of=20) == pytest.approx(np.log(10))
    assert log_gap_sum(ENGINES[engine](log()), as_of=20) == 0


def test_regularity_must_be_known_or_learnable() -> None:
    one = history(3, 60, 90)
    with pytest.raises(InputError, match="log_gap_sum"):
        RegularTimingModel().fit(one)
    with pytest.raises(InputError, match="1 to 12, not 13"):
        RegularTimingModel(regularity=13)
    thin = RegularTimingModel().fit(one, log_gap_sum=9.0)
    assert not thin.identified_
    assert 0 < thin.probability_of_purchase(one, 90)[0] < 1


# -- intervals ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def summary() -> pl.DataFrame:
    return rfm.summary(tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD"), as_of=CDNOW_END)


@pytest.mark.slow
def test_resampling_agrees_with_the_curvature(summary: pl.DataFrame) -> None:
    """Two roads to the same uncertainty: customers drawn anew, and the shape of the likelihood at its summit."""
    model = BetaGeoModel(time_unit_days=7).fit(summary)
    drawn = model.resampled(summary, draws=100, seed=5)
    for place, name in enumerate(model.parameters):
        spread = float(np.exp(drawn.log_parameters[:, place]).std())
        assert spread == pytest.approx(model.standard_errors_[name], rel=0.35)
        low, high = drawn.params()[name]
        assert low < model.params_[name] < high
    table = drawn.expected_purchases(summary, 90)
    assert table.columns == ["customer_id", "expected_purchases", "low", "high"]
    assert ((table["low"] <= table["expected_purchases"]) & (table["expected_purchases"] <= table["high"])).all()
    assert (drawn.probability_of_purchase(summary, 90)["high"] <= 1).all()
    again = model.resampled(summary, draws=100, seed=5)
    assert np.array_equal(again.log_parameters, drawn.log_parameters)


@pytest.mark.parametrize("kind", [BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel])
def test_an_outline_leads_many_histories_to_the_same_summit(kind: type[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, _ = simulated(1, 6_000, 400.0, seed=9)
    directly = kind().fit(made)
    monkeypatch.setattr("querencia.insight.lifetime.model.OUTLINED_FROM", 100)
    led = kind().fit(made)
    assert list(led.params_.values()) == pytest.approx(list(directly.params_.values()), rel=1e-5)
    assert list(led.standard_errors_.values()) == pytest.approx(list(directly.standard_errors_.values()), rel=1e-2)
    assert led.log_likelihood_ == pytest.approx(directly.log_likelihood_, abs=1e-4)


def test_resampling_says_what_it_needs(summary: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="not fitted yet"):
        BetaGeoModel().resampled(summary)
    with pytest.raises(InputError, match="at least 20 draws"):
        BetaGeoModel().fit(summary).resampled(summary, draws=5)


def test_scores_of_an_empty_table_are_an_empty_table(summary: pl.DataFrame) -> None:
    for model in (ModifiedBetaGeoModel().fit(summary), ParetoNBDModel().fit(summary), BetaGeoModel().fit(summary)):
        assert model.expected_purchases(summary.clear(), 30).is_empty()
        assert model.probability_of_purchase(summary.clear(), 30).is_empty()
    assert BetaGeoModel().fit(summary).resampled(summary, draws=20).expected_purchases(summary.clear(), 30).is_empty()


# -- occasions ---------------------------------------------------------------------------------------------------------


def test_bg_bb_comes_back_from_data_it_made() -> None:
    random = np.random.default_rng(11)
    n, occasions, ahead = 30_000, 8, 4
    take, leave = random.beta(1.2, 0.75, n), random.beta(0.9, 3.0, n)
    alive = np.ones(n, bool)
    x, last, later = np.zeros(n), np.zeros(n), np.zeros(n)
    for occasion in range(1, occasions + ahead + 1):
        alive &= random.random(n) >= leave
        takes = alive & (random.random(n) < take)
        if occasion <= occasions:
            x += takes
            last[takes] = occasion
        else:
            later += takes
    table = pl.DataFrame(
        {"customer_id": range(n), "frequency": x, "recency": last, "age": np.full(n, float(occasions))}
    )
    model = BetaGeoBetaBinomialModel().fit(table)
    for name, value in {"alpha": 1.2, "beta": 0.75, "gamma": 0.9, "delta": 3.0}.items():
        low, high = model.intervals_[name]
        assert low * 0.95 < value < high * 1.05
    made = groups(table)
    assert made.weight @ model.expected_purchases(made, ahead) == pytest.approx(later.sum(), rel=0.03)
    assert made.weight @ model.probability_of_purchase(made, ahead) == pytest.approx((later > 0).sum(), rel=0.03)
    # Half an occasion is half of the next one.
    whole = model.expected_purchases(made, 1)
    assert np.allclose(model.expected_purchases(made, 0.5), whole / 2)
    assert np.allclose(model.probability_of_purchase(made, 0.5), whole / 2)


def test_bg_bb_refuses_histories_without_occasions() -> None:
    table = pl.DataFrame({"customer_id": [1, 2], "frequency": [2, 1], "recency": [1, 1], "age": [3, 3]})
    with pytest.raises(InputError, match="1 customers have a history that does not fall on occasions"):
        BetaGeoBetaBinomialModel().fit(table)


# -- contracts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_sbg_scores_each_contract_in_every_engine(engine: str) -> None:
    contracts = pl.DataFrame(
        {"customer_id": range(400), "tenure": [1 + n % 6 for n in range(400)], "left": [n % 3 == 0 for n in range(400)]}
    )
    table = ENGINES[engine](contracts)
    model = ShiftedBetaGeoModel().fit(table)
    assert model.customers_ == 400
    made = rows(model.expected(table, discount=0.1, periods=2), "customer_id")
    assert len(made) == 400
    for row, tenure in zip(made[:6], range(1, 7), strict=True):
        survival = model.survival(tenure + 2)
        assert row["chance_to_stay"] == pytest.approx(survival[tenure + 2] / survival[tenure])
        assert row["remaining_periods"] == pytest.approx(model.remaining_periods(tenure, discount=0.1))
    # Discounted survival, added up renewal by renewal.
    survival = model.survival(400)
    added = sum(survival[3 + n] / survival[3] / 1.1 ** (n - 1) for n in range(1, 390))
    assert model.remaining_periods(3, discount=0.1) == pytest.approx(added, rel=1e-6)


def test_sbg_says_what_it_cannot_use() -> None:
    with pytest.raises(InputError, match="no column 'left'"):
        ShiftedBetaGeoModel().fit(pl.DataFrame({"tenure": [1]}))
    with pytest.raises(InputError, match="impossible tenure"):
        ShiftedBetaGeoModel().fit(pl.DataFrame({"tenure": [0, 3], "left": [1, 0]}))
    with pytest.raises(InputError, match="cannot become more"):
        ShiftedBetaGeoModel().fit_survivors([100, 90, 95])
    with pytest.raises(InputError, match="no customer"):
        ShiftedBetaGeoModel().fit(pl.DataFrame({"tenure": [1], "left": [1]}).clear())
    with pytest.raises(InputError, match="above zero"):
        ShiftedBetaGeoModel().fit_survivors([100, 90]).remaining_periods(1, discount=0)
    nobody_left = ShiftedBetaGeoModel().fit_survivors([100, 100, 100])
    assert np.isfinite(list(nobody_left.params_.values())).all()
    assert nobody_left.survival(3)[3] > 0.9
