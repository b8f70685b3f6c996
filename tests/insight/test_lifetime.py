"""The models give the published numbers, and do not break on extreme customers."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import querencia.flows
from querencia.insight import InputError, rfm, tables
from querencia.insight.lifetime import (
    BetaGeoModel,
    GammaGammaModel,
    Groups,
    ParetoNBDModel,
    customer_value,
    groups,
)

SAMPLE = Path(querencia.flows.__path__[0]) / "data" / "cdnow_sample.csv"
CUT = tables.day_number(datetime.date(1997, 9, 30))  # the published 39 weeks


@pytest.fixture(scope="module")
def summary() -> pl.DataFrame:
    """The published summary, made from the raw log."""
    log = pl.read_csv(SAMPLE, schema_overrides={"id": pl.String})
    bought = tables.purchases(log, columns={"customer_id": "id", "at": "date", "amount": "amt"}, currency="USD")
    return rfm.summary(bought, as_of=CUT)


def history(frequency: float, recency: float, age: float) -> Groups:
    return Groups(*(np.array([float(v)]) for v in (frequency, recency, age, 1)))


def test_bg_nbd_gives_the_published_parameters(summary: pl.DataFrame) -> None:
    # Fader, Hardie & Lee (2005), table 2 (weeks).
    model = BetaGeoModel(time_unit_days=7).fit(summary)
    assert model.params_ == pytest.approx({"r": 0.2426, "alpha": 4.4135, "a": 0.7929, "b": 2.4258}, rel=2e-4)
    assert model.log_likelihood_ == pytest.approx(-9582.43, abs=0.005)
    assert model.converged_
    assert model.identified_
    assert 0 < model.standard_errors_["r"] < 0.02


def test_pareto_nbd_gives_the_published_parameters(summary: pl.DataFrame) -> None:
    # Fader, Hardie & Lee (2005), table 2 (weeks).
    model = ParetoNBDModel(time_unit_days=7).fit(summary)
    assert model.params_ == pytest.approx({"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}, rel=1e-3)
    assert model.log_likelihood_ == pytest.approx(-9595.0, abs=0.05)


def test_gamma_gamma_gives_the_published_parameters(summary: pl.DataFrame) -> None:
    # Fader & Hardie (2013): 946 customers with repeat purchases; p 6.25, q 3.74, v 15.44 (dollars).
    model = GammaGammaModel(amount_unit=100).fit(summary)
    assert model.customers_ == 946
    # From the raw log the mean spend is not rounded to cents as in the published summary.
    assert model.params_ == pytest.approx({"p": 6.2488, "q": 3.7446, "v": 15.4477}, rel=1e-3)
    assert model.log_likelihood_ == pytest.approx(-4055.92, abs=0.1)
    assert model.population_amount() == pytest.approx(3517, abs=10)  # 35.17 dollars a purchase


def test_the_unit_of_time_changes_parameters_but_no_answer(summary: pl.DataFrame) -> None:
    for kind in (BetaGeoModel, ParetoNBDModel):
        weeks, days = kind(time_unit_days=7).fit(summary), kind().fit(summary)
        assert weeks.log_likelihood_ != pytest.approx(days.log_likelihood_)
        a = weeks.expected_purchases(summary, 273).sort("customer_id")["expected_purchases"]
        b = days.expected_purchases(summary, 273).sort("customer_id")["expected_purchases"]
        assert np.allclose(a, b, rtol=1e-4)


def test_forecasts_of_the_39_weeks_ahead_are_as_good_as_known(summary: pl.DataFrame) -> None:
    log = pl.read_csv(SAMPLE, schema_overrides={"id": pl.String})
    bought = tables.purchases(log, columns={"customer_id": "id", "at": "date", "amount": "amt"}, currency="USD")
    later = (
        tables.days(bought, as_of=CUT + 273)
        .filter((pl.col("day") > CUT) & pl.col("is_purchase"))
        .group_by("customer_id")
        .agg(actual=pl.len())
    )
    for kind, error, total in ((ParetoNBDModel, 0.755, -0.115), (BetaGeoModel, 0.785, -0.121)):
        said = kind().fit(summary).expected_purchases(summary, 273)
        both = said.join(later, on="customer_id", how="left").with_columns(pl.col("actual").fill_null(0))
        away = (both["expected_purchases"] - both["actual"]).abs().mean()
        assert away == pytest.approx(error, abs=0.001)
        assert both["expected_purchases"].sum() / both["actual"].sum() - 1 == pytest.approx(total, abs=0.002)


def known_model() -> BetaGeoModel:
    return BetaGeoModel().at(np.log(np.array([0.243, 4.414, 0.793, 2.426])))


def reference(frequency: float, recency: float, age: float, time: float) -> float:
    """BG/NBD's expectation by adaptive quadrature over the posterior, an independent road to the same number.

    E[Y(t)] = P(alive) E_p E_lambda [ (1 - exp(-lambda p t)) / p ], with p of Beta(a, b+x) where x repeat purchases
    were survived.
    """
    from scipy.integrate import quad
    from scipy.stats import beta

    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    shape, rate = r + frequency, alpha + age

    def inner(p: float) -> float:
        return -np.expm1(shape * (np.log(rate) - np.log(rate + p * time))) / p

    density = beta(a, b + frequency)
    value, _ = quad(lambda p: inner(p) * density.pdf(p), 0, 1, limit=500, points=[1e-6, 1e-3, 0.1])
    return float(value * known_model().probability_alive(history(frequency, recency, age))[0])


@pytest.mark.parametrize(
    ("frequency", "recency", "age", "time"),
    [(0, 0, 39, 39), (2, 30.43, 38.86, 39), (29, 38, 39, 39), (300, 38, 39, 39), (300, 5, 39, 5000)],
)
def test_expected_purchases_hold_for_extreme_customers(
    frequency: float, recency: float, age: float, time: float
) -> None:
    expected = known_model().expected_purchases(history(frequency, recency, age), time)[0]
    assert expected == pytest.approx(reference(frequency, recency, age, time), rel=1e-5)


@pytest.mark.parametrize("kind", [BetaGeoModel, ParetoNBDModel])
def test_extreme_customers_give_numbers(kind: type[BetaGeoModel] | type[ParetoNBDModel], summary: pl.DataFrame) -> None:
    model = kind().fit(summary)
    extreme = Groups(
        *(
            np.array(v, float)
            for v in ([0, 1, 133, 5000, 20000], [0, 0, 200, 3650, 3650], [1e4, 0.01, 200, 3650, 3650])
        ),
        np.ones(5),
    )
    for answer in (
        model.expected_purchases(extreme, 365),
        model.probability_alive(extreme),
        model.probability_of_purchase(extreme, 365),
    ):
        assert np.isfinite(answer).all()
        assert (answer >= 0).all()
    assert (model.probability_of_purchase(extreme, 365) <= 1).all()


def test_chances_agree_with_a_simulated_shop() -> None:
    """Pareto/NBD's chance and expectation against drawing customers of the same history at random."""
    rng = np.random.default_rng(7)
    r, alpha, s, beta = 0.55, 74.0, 0.6, 82.0
    n, age, ahead = 400_000, 200.0, 150.0
    rate, leaving = rng.gamma(r, 1 / alpha, n), rng.gamma(s, 1 / beta, n)
    left = rng.exponential(1 / leaving)
    seen = rng.poisson(rate * np.minimum(left, age))
    silent = seen == 0  # of all histories the one that needs no times
    future = rng.poisson(rate[silent] * np.clip(left[silent] - age, 0, ahead))
    model = ParetoNBDModel().at(np.log(np.array([r, alpha, s, beta])))
    one = history(0, 0, age)
    error = 4 / np.sqrt(silent.sum())
    assert model.probability_of_purchase(one, ahead)[0] == pytest.approx((future > 0).mean(), abs=error)
    assert model.expected_purchases(one, ahead)[0] == pytest.approx(future.mean(), abs=error * 3)
    assert model.probability_alive(one)[0] == pytest.approx((left[silent] > age).mean(), abs=error)


@pytest.mark.slow
def test_parameters_come_back_from_data_they_made() -> None:
    rng = np.random.default_rng(3)
    n, age = 30_000, 300.0
    truth = {"r": 0.8, "alpha": 30.0, "s": 0.9, "beta": 150.0}
    rate, leaving = rng.gamma(0.8, 1 / 30.0, n), rng.gamma(0.9, 1 / 150.0, n)
    until = np.minimum(rng.exponential(1 / leaving), age)
    x = rng.poisson(rate * until)
    last = np.where(x > 0, until * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    model = ParetoNBDModel().fit(Groups(x.astype(float), np.floor(last), np.full(n, age), np.ones(n)))
    for name, value in truth.items():
        assert abs(model.params_[name] - value) < 4 * model.standard_errors_[name] + 0.02 * value


@pytest.mark.parametrize("kind", [BetaGeoModel, ParetoNBDModel])
def test_what_the_data_leave_open_is_said(kind: type[BetaGeoModel] | type[ParetoNBDModel]) -> None:
    one = kind().fit(Groups(*(np.array([v]) for v in (3.0, 60.0, 90.0, 1.0))))
    assert not one.identified_
    assert np.isfinite(list(one.params_.values())).all()
    assert 0 < one.probability_of_purchase(history(3, 60, 90), 90)[0] < 1


def test_identical_histories_are_one_group(summary: pl.DataFrame) -> None:
    made = groups(summary)
    assert made.customers == 2357
    assert len(made) < 2357
    shuffled = groups(summary.sample(fraction=1, shuffle=True, seed=1))
    assert np.array_equal(made.weight, shuffled.weight)


def test_impossible_histories_are_refused_by_example() -> None:
    table = pl.DataFrame({"customer_id": [1, 2], "frequency": [2, 1], "recency": [50, 10], "age": [40, 20]})
    with pytest.raises(InputError, match="1 customers have an impossible history"):
        BetaGeoModel().fit(table)
    with pytest.raises(InputError, match="no column 'age'"):
        BetaGeoModel().fit(table.drop("age"))
    with pytest.raises(InputError, match="no customer"):
        BetaGeoModel().fit(table.clear())
    with pytest.raises(InputError, match="not fitted yet"):
        BetaGeoModel().expected_purchases(table, 30)


def test_the_value_of_a_customer_is_what_the_models_say_of_each_part(summary: pl.DataFrame) -> None:
    buying, spending = BetaGeoModel().fit(summary), GammaGammaModel(amount_unit=100).fit(summary)
    table = customer_value(summary, buying=buying, spending=spending, days=365).sort("customer_id")
    parts = {
        "expected_purchases": buying.expected_purchases(summary, 365),
        "probability_of_purchase": buying.probability_of_purchase(summary, 365),
        "probability_alive": buying.probability_alive(summary),
        "expected_amount": spending.expected_amount(summary),
    }
    for name, part in parts.items():
        ours = "chance_of_purchase" if name == "probability_of_purchase" else name
        assert table[ours].to_numpy() == pytest.approx(part.sort("customer_id")[name].to_numpy(), rel=1e-12)
    assert table["value"].to_numpy() == pytest.approx(
        (table["expected_purchases"] * table["expected_amount"]).to_numpy()
    )


def test_later_purchases_are_worth_less_and_never_more_than_a_year_of_discount(summary: pl.DataFrame) -> None:
    buying, spending = BetaGeoModel().fit(summary), GammaGammaModel(amount_unit=100).fit(summary)

    def total(discount: float, days: float = 365) -> float:
        made = customer_value(summary, buying=buying, spending=spending, days=days, yearly_discount=discount)
        return float(made["value"].sum())

    assert total(0.0) / 1.1 < total(0.1) < total(0.0)
    # Half a month ahead there is but one moment, a quarter of a month from now: the discount is known in closed form.
    assert total(0.2, 15) == pytest.approx(total(0.0, 15) / 1.2 ** (7.5 / 365), rel=1e-12)
    with pytest.raises(InputError, match="discount is a share"):
        total(10)
    with pytest.raises(InputError, match="above zero"):
        total(0.0, 0)


@pytest.mark.parametrize("table", [lambda t: t.lazy(), lambda t: t.cast(pl.Float64), lambda t: t.to_pandas()])
def test_histories_are_counted_alike_however_the_table_comes(table: Any, summary: pl.DataFrame) -> None:
    days = summary.select("frequency", "recency", "age")
    expected, found = groups(days), groups(table(days))
    for name in ("frequency", "recency", "age", "weight"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert expected.customers == len(summary)


def test_days_beyond_any_calendar_are_counted_too() -> None:
    table = pl.DataFrame({"frequency": [0, 2, 2], "recency": [0, 5, 5], "age": [2**21, 2**40, 2**40]})
    assert groups(table).weight.tolist() == [1, 2]
    with pytest.raises(InputError, match="impossible history"):
        groups(table.with_columns(recency=pl.lit(-1)))
