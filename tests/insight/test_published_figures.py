"""Every figure of the field that can be looked up is reproduced to the digits it was published with."""

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from querencia.insight import forecast, pareto, rfm, tables
from querencia.insight.forecast.accuracy import auc
from querencia.insight.lifetime import (
    BetaGeoBetaBinomialModel,
    BetaGeoModel,
    GammaGammaModel,
    Groups,
    ModifiedBetaGeoModel,
    ParetoNBDModel,
    ShiftedBetaGeoModel,
)
from querencia.insight.lifetime.model import Model
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, cdnow

CUT = tables.day_number(datetime.date(1997, 9, 30))
AHEAD = 273  # 39 weeks

HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173]


def digits(value: float, published: str) -> bool:
    """Whether a value, rounded to the digits of the published one, is the published one."""
    decimals = len(published.partition(".")[2])
    return f"{value:.{decimals}f}" == published


def history(frequency: float, recency: float, age: float) -> Groups:
    return Groups(*(np.array([float(v)]) for v in (frequency, recency, age, 1)))


@pytest.fixture(scope="module")
def bought() -> pl.DataFrame:
    return tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD")


@pytest.fixture(scope="module")
def seen(bought: pl.DataFrame) -> pl.DataFrame:
    """The 39 weeks of calibration, beside what each customer bought in the 39 that followed."""
    later = (
        tables.days(bought, as_of=CUT + AHEAD)
        .filter((pl.col("day") > CUT) & pl.col("is_purchase"))
        .group_by("customer_id")
        .agg(actual=pl.len())
    )
    summary = rfm.summary(bought, as_of=CUT).join(later, on="customer_id", how="left")
    return summary.with_columns(pl.col("actual").fill_null(0)).sort("customer_id")


def test_cdnow_money(bought: pl.DataFrame) -> None:
    summary = rfm.summary(bought, as_of=CDNOW_END)
    assert (len(bought), len(summary)) == (6_919, 2_357)
    assert summary["amount"].sum() == 24_409_194
    assert digits(100 * pareto.top_share(summary["amount"].to_numpy(), 0.2), "67.46")
    assert summary["purchases"].sum() == 6_696


def _published(path: Path, x: str, t: str) -> tuple[Groups, np.ndarray]:
    table = pl.read_csv(path)
    arrays = [table[name].cast(pl.Float64).to_numpy() for name in (x, t, "T")]
    return Groups(*arrays, np.ones(len(table))), table[table.columns[-1]].to_numpy()


def test_bg_nbd_and_pareto_nbd_on_the_published_summary(shared_data: Path) -> None:
    # Fader, Hardie & Lee (2005), table 2.
    groups, _ = _published(shared_data / "purchases" / "cdnow_summary_39_weeks.csv", "frequency", "recency")
    model = BetaGeoModel().fit(groups)
    for name, published in {"r": "0.243", "alpha": "4.414", "a": "0.793", "b": "2.426"}.items():
        assert digits(model.params_[name], published)
    assert np.allclose(list(model.params_.values()), [0.2426, 4.4135, 0.7929, 2.4258], atol=6e-5)
    assert digits(model.log_likelihood_, "-9582.43")
    pareto_nbd = ParetoNBDModel().fit(groups)
    for name, published in {"r": "0.553", "alpha": "10.578", "s": "0.606", "beta": "11.668"}.items():
        assert digits(pareto_nbd.params_[name], published)
    assert digits(pareto_nbd.log_likelihood_, "-9595.0")


def test_gamma_gamma_on_the_published_summary(shared_data: Path) -> None:
    # Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value.
    groups, mean = _published(shared_data / "purchases" / "cdnow_summary_39_weeks_spend.csv", "x", "t_x")
    came_back = groups.frequency > 0
    model = GammaGammaModel().fit_arrays(groups.frequency[came_back], mean[came_back])
    assert model.customers_ == 946
    for name, published in {"p": "6.2488", "q": "3.7446", "v": "15.4477"}.items():
        assert digits(model.params_[name], published)
    assert digits(model.log_likelihood_, "-4055.92")


@pytest.mark.parametrize(
    ("kind", "mae", "rmse", "total", "top"),
    [(ParetoNBDModel, "0.755", "1.603", "-11.5", "47.0"), (BetaGeoModel, "0.785", "1.608", "-12.1", "46.7")],
)
def test_the_39_weeks_held_out(
    seen: pl.DataFrame, kind: type[Model], mae: str, rmse: str, total: str, top: str
) -> None:
    said = kind(time_unit_days=7).fit(seen).expected_purchases(seen, AHEAD).sort("customer_id")
    _assert_errors(said["expected_purchases"].to_numpy(), seen, mae, rmse, total, top)


def test_the_39_weeks_held_out_by_rules_of_thumb(seen: pl.DataFrame) -> None:
    same = seen["frequency"].to_numpy().astype(float)
    _assert_errors(same, seen, "0.897", "1.971", "30.6", "46.7")
    actual = seen["actual"].to_numpy()
    assert digits(float(np.abs(actual).mean()), "0.798")  # "nobody buys anything" beats many a model by this measure


def _assert_errors(said: np.ndarray, seen: pl.DataFrame, mae: str, rmse: str, total: str, top: str) -> None:
    actual = seen["actual"].to_numpy().astype(float)
    assert digits(float(np.abs(said - actual).mean()), mae)
    assert digits(float(((said - actual) ** 2).mean() ** 0.5), rmse)
    assert digits(100 * (said.sum() / actual.sum() - 1), total)
    # The tenth ranked highest is 235 customers; of equals those who bought last come first.
    best = np.lexsort((-seen["recency"].to_numpy(), -said))[: len(seen) // 10]
    assert digits(100 * actual[best].sum() / actual.sum(), top)


def test_being_alive_ranks_worse_than_a_coin(seen: pl.DataFrame) -> None:
    model = BetaGeoModel(time_unit_days=7).fit(seen)
    bought = (seen["actual"].to_numpy() > 0).astype(float)
    everybody = np.ones(len(bought))
    alive = model.probability_alive(seen).sort("customer_id")["probability_alive"].to_numpy()
    assert digits(auc(alive, bought, everybody), "0.316")
    chance = model.probability_of_purchase(seen, AHEAD).sort("customer_id")["probability_of_purchase"].to_numpy()
    assert auc(chance, bought, everybody) > 0.75


def test_bg_nbd_expectation_of_a_newcomer() -> None:
    # Fader, Hardie & Lee (2005), their spreadsheet of E[X(t)], in weeks.
    weekly = BetaGeoModel().at(np.log(np.array([0.24259, 4.41353, 0.79289, 2.42575])))
    for weeks, published in {0.1429: 0.0078, 1.0: 0.0532, 3.0: 0.1506, 31.8571: 1.0405, 78.0: 1.8576}.items():
        assert float(weekly.expected_purchases(history(0, 0, 0), weeks)[0]) == pytest.approx(published, abs=4e-4)
    # Fader, Hardie & Lee (2005), section 4: x = 2, t = 30.43, T = 38.86, 39 weeks ahead.
    model = BetaGeoModel().at(np.log(np.array([0.243, 4.414, 0.793, 2.426])))
    assert digits(float(model.expected_purchases(history(2, 30.43, 38.86), 39)[0]), "1.226")


def test_mbg_nbd(seen: pl.DataFrame) -> None:
    # Batislam, Denizel & Filiztekin (2007) on CDNOW; the same in BTYDplus and lifetimes.
    model = ModifiedBetaGeoModel(time_unit_days=7).fit(seen)
    for name, published in {"r": "0.525", "alpha": "6.183", "a": "0.891", "b": "1.614"}.items():
        assert digits(model.params_[name], published)


def test_bg_bb_on_the_donations(shared_data: Path) -> None:
    # Fader, Hardie & Shang (2010), table 4 and section 4.
    donors = pl.read_csv(shared_data / "purchases" / "donations_bgbb.csv").rename(
        {"periods": "age", "weights": "weight"}
    )
    model = BetaGeoBetaBinomialModel().fit(donors)
    assert model.customers_ == 11_104
    for name, published in {"alpha": "1.2035", "beta": "0.7497", "gamma": "0.6567", "delta": "2.7834"}.items():
        assert digits(model.params_[name], published)
    assert digits(model.log_likelihood_, "-33225.58")
    # Table 5: gifts expected in 2002–2006 of who gave every year, and of who never did again.
    assert digits(float(model.expected_purchases(history(6, 6, 6), 5)[0]), "3.75")
    assert digits(float(model.expected_purchases(history(0, 0, 6), 5)[0]), "0.07")
    assert digits(float(model.probability_alive(history(6, 6, 6))[0]), "0.93")
    assert digits(float(model.probability_alive(history(0, 0, 6))[0]), "0.11")


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta"),
    [(HIGH_END, "0.668", "3.806"), (REGULAR, "0.704", "1.182")],
    ids=["high end", "regular"],
)
def test_sbg_on_the_published_cohorts(survivors: list[float], alpha: str, beta: str) -> None:
    # Fader & Hardie (2007), table 1 (survival in %), fitted on the first seven renewals.
    model = ShiftedBetaGeoModel().fit_survivors(survivors[:8])
    assert digits(model.params_["alpha"], alpha)
    assert digits(model.params_["beta"], beta)
    assert model.survival(12)[12] == pytest.approx(survivors[12] / 1000, abs=0.02)


def test_residual_lifetime_of_a_contract() -> None:
    # Fader & Hardie (2010): the high-end cohort at a discount of 10 %, after seven renewals.
    model = ShiftedBetaGeoModel().fit_survivors(HIGH_END[:8])
    assert digits(model.remaining_periods(7, discount=0.1), "7.530")


def test_the_referee_does_not_do_worse_than_the_published_models(bought: pl.DataFrame, seen: pl.DataFrame) -> None:
    said = forecast.predict(bought, as_of=CUT, horizon_days=AHEAD).sort("customer_id")
    away = said["expected_purchases"].to_numpy() - seen["actual"].to_numpy()
    assert float((away**2).mean() ** 0.5) < 1.608 * 1.01
    assert float(np.abs(away).mean()) < 0.785 * 1.01
