"""A forecast looks at nothing that came later, chooses on the history it was given, and always answers."""

import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import querencia.flows
from querencia.insight import InputError, forecast, tables
from querencia.insight.forecast import ranking, within
from querencia.insight.forecast.histories import Histories

SAMPLE = Path(querencia.flows.__path__[0]) / "data" / "cdnow_sample.csv"
CUT = datetime.date(1997, 9, 30)
NUMBERS = forecast.prediction.COLUMNS


@pytest.fixture(scope="module")
def cdnow() -> pl.DataFrame:
    log = pl.read_csv(SAMPLE, schema_overrides={"id": pl.String})
    return tables.purchases(log, columns={"customer_id": "id", "at": "date", "amount": "amt"}, currency="USD")


def log_of(rows: list[tuple[Any, int, float]]) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=["customer_id", "day", "amount"], orient="row")
    return tables.purchases(table, unit="minor")


def assert_sound(made: pl.DataFrame) -> None:
    for name in NUMBERS:
        assert made[name].is_finite().all(), name
        assert (made[name] >= 0).all(), name
    assert (made["chance_of_purchase"] <= 1).all()
    assert (made["chance_low"] <= made["chance_of_purchase"] + 1e-12).all()
    assert (made["chance_of_purchase"] <= made["chance_high"] + 1e-12).all()
    likely = made["likely_purchases"]
    assert likely.dtype == pl.Int64
    assert ((likely > 0) == (made["chance_of_purchase"] > 0.5)).all()
    assert (made["expected_purchases_low"] <= likely).all()
    assert (likely <= made["expected_purchases_high"]).all()
    assert made["rank"].dtype == pl.Int64
    assert made["rank"].min() == 1
    assert (made["rank"] <= len(made)).all()
    for name in ("expected_purchases", "expected_spend"):
        assert (made[f"{name}_low"] <= made[name] + 1e-9).all()
        assert (made[name] <= made[f"{name}_high"] + 1e-9).all()


def test_nothing_after_as_of_is_looked_at(cdnow: pl.DataFrame) -> None:
    upto = cdnow.filter(pl.col("day") <= tables.day_number(CUT))
    seen = forecast.predict(upto, as_of=CUT, horizon_days=90).sort("customer_id")
    with_future = forecast.predict(cdnow, as_of=CUT, horizon_days=90).sort("customer_id")
    assert seen.equals(with_future)
    assert len(seen) == 2357


def test_the_winner_is_chosen_inside_the_history_and_beats_the_simple_rules_ahead(cdnow: pl.DataFrame) -> None:
    made = forecast.prepare(cdnow, as_of=CUT, horizon_days=273)
    assert made.backtest is not None
    assert made.backtest.cut_day + made.backtest.held_out_days == tables.day_number(CUT)
    assert made.backtest.beats_simple_by > 0
    ranked = made.backtest.table()
    assert ranked[0]["name"] == made.model
    assert {row["name"] for row in ranked} >= {"same again", "past rate", "hiatus rule", "BG/NBD", "Pareto/NBD"}

    later = (
        tables.days(cdnow, as_of=tables.day_number(CUT) + 273)
        .filter((pl.col("day") > tables.day_number(CUT)) & pl.col("is_purchase"))
        .group_by("customer_id")
        .agg(actual=pl.len())
    )
    table = forecast.predict(cdnow, as_of=CUT, horizon_days=273)
    both = table.join(later, on="customer_id", how="left").with_columns(pl.col("actual").fill_null(0))
    rmse = ((both["expected_purchases"] - both["actual"]) ** 2).mean() ** 0.5
    assert rmse < 1.65  # same again: 1.971
    mae = (both["likely_purchases"] - both["actual"]).abs().mean()
    assert mae < 0.68  # same again: 0.897; nobody buys: 0.798; the mean: 0.756
    within = (both["actual"] >= both["expected_purchases_low"].floor()) & (
        both["actual"] <= both["expected_purchases_high"]
    )
    assert 0.80 <= within.mean() <= 0.97
    assert_sound(table)


@pytest.mark.slow
def test_every_engine_gives_the_same(cdnow: pl.DataFrame) -> None:
    expected = forecast.predict(cdnow, as_of=CUT, horizon_days=90).sort("customer_id")
    relation = duckdb.connect().from_arrow(cdnow.to_arrow())
    for table in (cdnow.lazy(), cdnow.to_pandas(), cdnow.to_arrow(), relation):
        made = forecast.predict(table, as_of=CUT, horizon_days=90)
        assert type(made) is type(table)
        if isinstance(made, pl.LazyFrame):
            made = made.collect()
        elif isinstance(made, duckdb.DuckDBPyRelation):
            made = made.pl()
        else:
            made = pl.DataFrame(made) if not hasattr(made, "to_pandas") else pl.from_arrow(made)
        made = made.sort("customer_id")
        assert made["customer_id"].to_list() == expected["customer_id"].to_list()
        for name in NUMBERS:
            assert np.allclose(made[name].to_numpy(), expected[name].to_numpy(), rtol=1e-8), name


@pytest.mark.parametrize(
    "rows",
    [
        [("a", 100, 500.0)],
        [("a", 100, 500.0), ("a", 130, 700.0)],
        [(f"c{i}", 100, 500.0) for i in range(200)],
        [(f"c{i}", 100 + i, 0.0) for i in range(200)],
        [("a", day, 10.0) for day in range(100, 1100)],
        [("a", 100, -500.0), ("a", 105, 500.0), ("b", 100, 300.0)],
        [("old", -25_000, 100.0), ("young", 1100, 100.0)],
        [(f"c{i % 40}", 100 + i * 7, 1e12) for i in range(140)],
    ],
    ids=["one", "twice", "everybody once, one day", "no money", "daily", "refund first", "far apart", "huge money"],
)
def test_thin_and_odd_logs_get_an_answer(rows: list[tuple[Any, int, float]]) -> None:
    made = forecast.predict(log_of(rows), as_of=1100, horizon_days=90)
    assert made["customer_id"].n_unique() == len(made)
    assert_sound(made)


def test_no_purchase_is_no_row_and_a_thin_log_claims_nothing() -> None:
    empty = log_of([("a", 100, 500.0)]).clear()
    assert forecast.predict(empty, as_of=1100, horizon_days=90).is_empty()
    thin = forecast.prepare(log_of([("a", 100, 500.0)]), as_of=1100, horizon_days=90)
    assert thin.backtest is None
    assert thin.model == "pooled rate"


def test_a_horizon_that_is_no_day_ahead_is_refused(cdnow: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="at least one day"):
        forecast.predict(cdnow, as_of=CUT, horizon_days=0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(-40_000, 1100), st.integers(-(10**7), 10**9)),
        min_size=1,
        max_size=120,
    ),
    st.integers(1, 2000),
)
def test_any_log_gives_sound_numbers(rows: list[tuple[int, int, int]], horizon: int) -> None:
    made = forecast.predict(log_of([(c, d, float(a)) for c, d, a in rows]), as_of=1100, horizon_days=horizon)
    if len(made):
        assert_sound(made)


def test_the_likely_number_is_the_one_that_errs_least() -> None:
    random = np.random.default_rng(5)
    for chance, beyond, shape in (
        (0.3, 0.5, 2.0),
        (0.52, 1.0, 0.7),
        (0.8, 2.5, 1.5),
        (0.97, 6.0, 20.0),
        (1.0, 0.0, 3.0),
    ):
        rates = beyond * random.gamma(shape, 1 / shape, 200_000)
        bought = np.where(random.random(200_000) < chance, 1 + random.poisson(rates), 0)
        one = [np.array([value]) for value in (chance * (1 + beyond), chance, shape)]
        likely = float(within.likely(*one)[0])
        assert likely == np.median(bought)
        errors = [np.abs(bought - number).mean() for number in np.arange(0, 12, 0.25)]
        assert np.abs(bought - likely).mean() == min(errors)


def test_numbers_summed_up_are_those_of_the_inverse(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    expected = random.gamma(0.6, random.choice([1.0, 20.0, 900.0], 4_000))
    chance, shape = np.minimum(1 - np.exp(-0.8 * expected), expected), random.choice([0.02, 0.7, 9.0, 1e6], 4_000)
    summed = (*within.purchases(expected, chance, shape), within.likely(expected, chance, shape))
    monkeypatch.setattr("querencia.insight.forecast.within.SUMMED_MAX", 0)
    inverse = (*within.purchases(expected, chance, shape), within.likely(expected, chance, shape))
    assert all((ours == theirs).all() for ours, theirs in zip(summed, inverse, strict=True))


# -- the referee -------------------------------------------------------------------------------------------------------


def shop(
    n: int, days: int, *, seed: int, regularity: float = 1.0, season: float = 0.0, started_within: int = 200
) -> pl.DataFrame:
    """A log whose customers buy by Gamma gaps of that shape, leave in time, and come more often in the season."""
    random = np.random.default_rng(seed)
    rows: list[tuple[Any, int, float]] = []
    for customer in range(n):
        now, rate = float(random.integers(0, started_within)), random.gamma(1.5, 1 / 45)
        until = min(now + random.exponential(500), days)
        while now < until:
            if not season or random.random() < (1 + season * np.cos(2 * np.pi * now / 365)) / (1 + season):
                rows.append((customer, int(now), 1000.0))
            now += random.gamma(regularity, 1 / (regularity * rate * (1 + season)))
    return log_of(rows)


def followed(log: pl.DataFrame, as_of: int, horizon: int) -> tuple[pl.DataFrame, np.ndarray]:
    """The forecast of each customer beside the purchase days that followed."""
    later = (
        tables.days(log, as_of=as_of + horizon)
        .filter((pl.col("day") > as_of) & pl.col("is_purchase"))
        .group_by("customer_id")
        .agg(actual=pl.len())
    )
    made = forecast.predict(log, as_of=as_of, horizon_days=horizon).join(later, on="customer_id", how="left")
    return made, made["actual"].fill_null(0).to_numpy().astype(float)


@pytest.mark.slow
def test_customers_who_buy_by_the_clock_are_known_as_such() -> None:
    log = shop(700, 720, seed=1, regularity=5.0)
    made = forecast.prepare(log, as_of=540, horizon_days=120)
    assert made.backtest is not None
    losses = {trial.name: trial for trial in made.backtest.trials}
    assert losses["MBG/CNBD-k"].loss < 0.97 * losses["Pareto/NBD"].loss
    assert losses["MBG/CNBD-k"].chance_loss < losses["Pareto/NBD"].chance_loss < losses["same again"].chance_loss
    assert made.model not in ("BG/NBD", "MBG/NBD", "Pareto/NBD")
    assert len(made.backtest.origins) == 2


@pytest.mark.slow
def test_a_second_season_is_expected_like_the_first() -> None:
    log = shop(900, 800, seed=2, season=0.8)
    as_of, horizon = 640, 90  # the trough of the first year lay at 182, the season begins again at 640
    table, actual = followed(log, as_of, horizon)
    made = forecast.prepare(log, as_of=as_of, horizon_days=horizon)
    assert made.season.factor > 1.15
    assert abs(table["expected_purchases"].sum() / actual.sum() - 1) < 0.25
    without = table["expected_purchases"].sum() / made.season.factor
    assert without < 0.85 * actual.sum()


def test_without_a_year_behind_there_is_no_season() -> None:
    made = forecast.prepare(shop(300, 300, seed=3, season=0.5), as_of=290, horizon_days=60)
    assert (made.season.factor, made.season.shift) == (1.0, 0.0)


@pytest.mark.slow
def test_learners_speak_where_there_are_lessons_and_are_silent_where_not(cdnow: pl.DataFrame) -> None:
    late = datetime.date(1998, 5, 1)
    taught = forecast.prepare(cdnow, as_of=late, horizon_days=54).backtest
    untaught = forecast.prepare(cdnow, as_of=CUT, horizon_days=273).backtest
    assert taught is not None
    assert untaught is not None
    learners = {"boosted trees", "regression on windows", "blend of learners", "blend of models and learners"}
    assert learners <= {trial.name for trial in taught.trials}
    blended = next(trial for trial in taught.trials if trial.name == "blend of models and learners")
    alone = next(trial for trial in taught.trials if trial.name == "boosted trees")
    assert blended.loss < alone.loss
    assert {trial.name for trial in forecast.prepare(cdnow, as_of=CUT, horizon_days=91).backtest.trials} >= {"MBG/NBD"}  # type: ignore[union-attr]


@pytest.mark.slow
def test_the_interval_holds_what_it_states() -> None:
    log = shop(1_500, 720, seed=4, regularity=1.0)
    table, actual = followed(log, 540, 180)
    within = (actual >= table["expected_purchases_low"].floor().to_numpy()) & (
        actual <= table["expected_purchases_high"].to_numpy()
    )
    busy = table["chance_of_purchase"].to_numpy() > 0.5  # whoever buys nothing is easily held
    assert 0.8 <= within.mean() <= 0.97
    assert 0.74 <= within[busy].mean() <= 0.95
    made = forecast.prepare(log, as_of=540, horizon_days=180)
    assert made.coverage is not None
    assert made.coverage >= 0.8


@pytest.mark.slow
def test_a_log_too_large_to_take_out_is_counted_in_its_engine(
    cdnow: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = forecast.prepare(cdnow, as_of=CUT, horizon_days=91)
    monkeypatch.setattr("querencia.insight.forecast.histories.LOG_DAYS_MAX", 100)
    monkeypatch.setattr("querencia.insight.forecast.backtest.LEARNERS", ())
    for table in (cdnow, duckdb.connect().from_arrow(cdnow.to_arrow())):
        counted = forecast.prepare(table, as_of=CUT, horizon_days=91)
        assert counted.backtest is not None
        assert taken.backtest is not None
        for ours in counted.backtest.trials:
            theirs = next(trial for trial in taken.backtest.trials if trial.name == ours.name)
            assert (ours.mae, ours.rmse, ours.brier) == pytest.approx((theirs.mae, theirs.rmse, theirs.brier), rel=1e-6)
        assert_sound(pl.from_arrow(counted.table().collect().to_arrow()))  # type: ignore[arg-type]


def test_how_well_chances_met_shares_is_there_to_draw(cdnow: pl.DataFrame) -> None:
    trial = forecast.prepare(cdnow, as_of=CUT, horizon_days=91).backtest
    assert trial is not None
    assert sum(row["customers"] for row in trial.calibration) == trial.customers
    assert all(row["low"] <= row["seen"] <= row["high"] for row in trial.calibration)
    shares = [row["purchase_share"] for row in trial.lift]
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    assert shares == sorted(shares)
    assert trial.table()[0]["is_chosen"]
    assert {trial.chance_chosen, *trial.rank_chosen} <= {row.name for row in trial.trials}


def test_who_comes_first_is_a_question_of_its_own() -> None:
    history = Histories(
        *(np.array(x) for x in ([0.0, 1, 1, 2], [0.0, 5, 6, 7], [9.0, 9, 9, 9], [2.0, 1, 1, 1])),
        origin=9,
        days=5,
        actual=np.array([0.0, 1, 1, 3]),
    )
    right, wrong = np.array([0.1, 0.5, 0.5, 0.9]), np.array([0.9, 0.5, 0.5, 0.1])
    assert ranking.ranks([right], history.weight).tolist() == [4, 2, 2, 1]
    assert ranking.ranks([right, right, wrong], history.weight).tolist() == [4, 2, 2, 1]
    assert ranking.ranks([right, wrong], np.ones(4)).tolist() == [1, 1, 1, 1]
    merits = {name: ranking.merit(score, history) for name, score in (("right", right), ("wrong", wrong))} | {"mean": 0}
    assert merits["right"] > merits["wrong"]
    losses = {"right": 2.0, "wrong": 1.0, "mean": 1.0}
    assert ranking.best(merits, losses, lambda _name: True) == ("right", "wrong")
    assert ranking.best(merits, losses, lambda name: name != "right") == ("wrong", "mean")
    assert ranking.best(dict.fromkeys(merits, 1.0), losses, lambda _name: True) == ("wrong", "mean")


def test_how_much_is_judged_by_itself(cdnow: pl.DataFrame) -> None:
    made = forecast.prepare(cdnow, as_of=CUT, horizon_days=91)
    names = {trial.name for trial in made.spend_trials}
    assert names == {"past spend", "everybody's mean", "own mean", "Gamma-Gamma"}
    losses = {trial.name: trial.loss for trial in made.spend_trials}
    assert losses["past spend"] == pytest.approx(1)
    assert made.amount.name == min((name for name in losses if name != "past spend"), key=lambda name: losses[name])
    assert losses[made.amount.name] < 1


@pytest.mark.slow
def test_customers_whose_amounts_are_their_own_are_told_apart() -> None:
    random = np.random.default_rng(6)
    rows = []
    for customer in range(400):
        mean, start, rate = random.choice([1_000, 20_000]), random.integers(0, 100), random.gamma(2, 1 / 40)
        now = float(start)
        while now < 600:
            rows.append((customer, int(now), float(max(1, random.normal(mean, mean / 10)))))
            now += random.exponential(1 / rate)
    log = log_of(rows)
    made = forecast.prepare(log, as_of=450, horizon_days=90)
    losses = {trial.name: trial.loss for trial in made.spend_trials}
    assert made.amount.name in ("own mean", "Gamma-Gamma")
    assert losses[made.amount.name] < 0.9 * losses["everybody's mean"]


def test_a_log_without_money_expects_none() -> None:
    log = log_of([(f"c{n}", day, 0.0) for n in range(120) for day in range(n % 40, 400, 20 + n % 50)])
    made = forecast.prepare(log, as_of=400, horizon_days=60)
    assert made.spend_trials == ()
    assert made.backtest is not None
    assert pl.from_arrow(made.table().collect().to_arrow())["expected_spend"].sum() == 0  # type: ignore[union-attr,call-overload,index]


@pytest.mark.slow
def test_of_very_many_customers_some_are_tried_and_all_are_answered(
    cdnow: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = forecast.prepare(cdnow, as_of=CUT, horizon_days=91)
    monkeypatch.setattr("querencia.insight.forecast.histories.JUDGED_MAX", 700)
    for most in (3_000_000, 100):
        monkeypatch.setattr("querencia.insight.forecast.histories.LOG_DAYS_MAX", most)
        some = forecast.prepare(cdnow, as_of=CUT, horizon_days=91)
        assert some.backtest is not None
        assert everybody.backtest is not None
        assert some.backtest.customers <= 700 < everybody.backtest.customers
        ours, theirs = (
            next(trial for trial in made.backtest.trials if trial.name == "BG/NBD")
            for made in (some, everybody)
            if made.backtest
        )
        assert (ours.mae, ours.brier) == pytest.approx((theirs.mae, theirs.brier), rel=0.15)
        assert ours.auc == pytest.approx(theirs.auc, abs=0.04)
        table = pl.from_arrow(some.table().collect().to_arrow())
        assert len(table) == 2357  # type: ignore[arg-type]
        assert_sound(table)  # type: ignore[arg-type]
