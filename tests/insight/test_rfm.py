"""Recency, frequency and money, against published figures and by hand."""

import csv
import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from querencia.insight import rfm, tables
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, cdnow, log, rows


@pytest.fixture(scope="module")
def purchases() -> pl.DataFrame:
    return tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD", as_of=CDNOW_END)


def test_cdnow_is_what_its_authors_published(purchases: pl.DataFrame) -> None:
    summary = rfm.summary(purchases, as_of=CDNOW_END)
    assert (len(purchases), len(summary)) == (6_919, 2_357)
    assert len(tables.days(purchases, as_of=CDNOW_END)) == summary["purchases"].sum() == 6_696
    assert summary["amount"].sum() == 24_409_194
    assert (summary["purchases"] > 1).mean() == pytest.approx(0.4832, abs=5e-5)


def test_the_first_39_weeks_are_the_published_statistics(purchases: pl.DataFrame, shared_data: Path) -> None:
    with (shared_data / "purchases" / "cdnow_summary_39_weeks.csv").open() as file:
        published = list(csv.DictReader(file))
    summary = rows(rfm.summary(purchases, as_of=datetime.date(1997, 9, 30)), "customer_id")
    assert len(summary) == len(published) == 2_357
    for ours, theirs in zip(summary, published, strict=True):
        assert ours["frequency"] == int(theirs["frequency"])
        assert ours["recency"] / 7 == pytest.approx(float(theirs["recency"]), abs=0.006)
        assert ours["age"] / 7 == pytest.approx(float(theirs["T"]), abs=0.006)


def test_each_figure_by_hand() -> None:
    purchases = log(("ana", 100, 500), ("ana", 100, 500), ("ana", 130, 300), ("ana", 480, -100), ("bea", 400, 0))
    ana, bea = rows(rfm.summary(purchases, as_of=500))
    assert ana == {
        "customer_id": "ana",
        "first_day": 100,
        "last_day": 130,
        "purchases": 2,
        "frequency": 1,
        "recency": 30,
        "age": 400,
        "amount": 1_200,
        "repeat_amount_mean": 300.0,
        "amount_year": -100,
    }
    assert (bea["purchases"], bea["amount"], bea["repeat_amount_mean"]) == (1, 0, None)


def test_customers_without_a_purchase_day_have_no_row() -> None:
    purchases = log(("refund only", 10, -500), ("all given back", 20, 700), ("all given back", 20, -700))
    assert rows(rfm.summary(purchases, as_of=30)) == []


def test_equal_customers_get_equal_scores() -> None:
    scores = rows(rfm.score(rfm.summary(log(*((f"c{n}", 99, 100) for n in range(12))), as_of=100)))
    assert {(s["recency_score"], s["frequency_score"], s["monetary_score"]) for s in scores} == {(5, 1, 3)}
    assert {s["segment"] for s in scores} == {"new"}


def test_scores_are_fifths_and_segments_are_known(purchases: pl.DataFrame) -> None:
    scores = rfm.score(rfm.summary(purchases, as_of=CDNOW_END))
    for name in ("recency_score", "monetary_score"):
        assert scores[name].value_counts()["count"].to_list() == pytest.approx([471.4] * 5, rel=0.05)
    assert set(scores["segment"]) <= set(rfm.SEGMENTS)
    assert set(scores.filter(pl.col("segment") == "champions")["recency_score"]) == {5}


@pytest.mark.parametrize("memory", ["20MB", "4GB"])
def test_what_does_not_fit_into_memory_is_summed_in_parts_to_the_same(memory: str) -> None:
    with duckdb.connect(config={"memory_limit": memory, "threads": "1"}) as engine:
        bought = engine.sql(
            "select 'c' || n % 30_011 as customer_id, n % 997 as day, "
            "case when n % 13 = 0 then -100 else n % 500 end as amount from range(300_000) numbered(n)"
        )
        summary = rfm.summary(bought, as_of=1_000)
        assert ("hash(" in summary.sql_query()) == (memory == "20MB")
        found = summary.pl().sort("customer_id")
    assert found.equals(rfm.summary(bought_by_hand(), as_of=1_000).sort("customer_id"))


def bought_by_hand() -> pl.DataFrame:
    n = pl.int_range(300_000, eager=True).alias("n")
    return n.to_frame().select(
        customer_id=pl.format("c{}", pl.col("n") % 30_011),
        day=pl.col("n") % 997,
        amount=pl.when(pl.col("n") % 13 == 0).then(-100).otherwise(pl.col("n") % 500).cast(pl.Int64),
    )
