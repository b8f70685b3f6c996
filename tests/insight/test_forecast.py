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
    within = (both["actual"] >= both["expected_purchases_low"].floor()) & (
        both["actual"] <= both["expected_purchases_high"]
    )
    assert 0.80 <= within.mean() <= 0.97
    assert_sound(table)


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
