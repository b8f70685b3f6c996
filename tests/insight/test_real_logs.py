"""Known facts of public logs that are too large or not free to bundle; skipped where they are not at hand."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from querencia.insight import InputError, cohorts, defection, pareto, rfm, tables
from tests.insight.logs import rows

UCI_COLUMNS = {"customer_id": "CustomerID", "at": "InvoiceDate", "amount": "paid", "key": "InvoiceNo"}


def test_the_gift_shop(shared_data: Path) -> None:
    lines = pl.read_parquet(shared_data / "purchases" / "uci_online_retail.parquet").with_columns(
        paid=pl.col("Quantity") * pl.col("UnitPrice")
    )
    with pytest.raises(InputError, match=r"Column 'CustomerID': 135,080 rows have no customer"):
        tables.purchases(lines, columns=UCI_COLUMNS, currency="GBP")
    sold = lines.filter(pl.col("CustomerID").is_not_null() & (pl.col("Quantity") > 0) & (pl.col("UnitPrice") > 0))
    purchases = tables.purchases(sold, columns=UCI_COLUMNS, currency="GBP")
    assert len(purchases) == 397_884
    as_of = purchases["day"].max()
    summary = rfm.summary(purchases, as_of=as_of)
    assert len(summary) == 4_338
    assert summary["amount"].sum() == 891_140_790
    everything = tables.purchases(lines.filter(pl.col("CustomerID").is_not_null()), columns=UCI_COLUMNS)
    days = tables.days(everything, as_of=as_of)
    assert days["amount"].sum() == everything["amount"].sum()
    _answers(everything, as_of)


def test_the_grocer_without_money(shared_data: Path) -> None:
    sold = pl.read_csv(shared_data / "purchases" / "grocery.csv")
    purchases = tables.purchases(sold, columns={"customer_id": "cust", "at": "date", "amount": None})
    assert (len(purchases), purchases["customer_id"].n_unique()) == (10_483, 1_525)
    _answers(purchases, purchases["day"].max())


def test_the_airline_whose_flights_have_months_only(shared_data: Path) -> None:
    flown = pl.read_csv(shared_data / "purchases" / "airline_activity.csv").filter(pl.col("Total Flights") > 0)
    dated = flown.with_columns(at=pl.col("Year") * 10_000 + pl.col("Month") * 100 + 1)
    columns = {"customer_id": "Loyalty Number", "at": "at", "amount": "Distance"}
    purchases = tables.purchases(dated, columns=columns, unit="minor")
    assert purchases["amount"].sum() == flown["Distance"].sum()
    assert purchases["customer_id"].n_unique() == flown["Loyalty Number"].n_unique()
    _answers(purchases, purchases["day"].max() + 30)


def _answers(purchases: pl.DataFrame, as_of: Any) -> None:
    summary = rfm.summary(purchases, as_of=as_of)
    assert set(rfm.score(summary)["segment"]) <= set(rfm.SEGMENTS)
    assert pareto.classify(summary)["value"].sum() == summary["amount"].sum()
    assert len(cohorts.retention(purchases, as_of=as_of)) > 3
    status = defection.status(purchases, as_of=as_of)
    assert set(status["status"]) <= set(defection.STATUSES)
    assert status["limit_days"].null_count() == 0
    (rate,) = rows(defection.retention(purchases, as_of=as_of))
    assert 0 < rate["low"] < rate["rate"] < rate["high"] < 1
    assert defection.by_period(purchases, as_of=as_of)["active"][-1] == (status["status"] != "left").sum()
