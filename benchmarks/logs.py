"""Real logs of purchases to try forecasts on, found by ``QUERENCIA_SHARED_DATA``, and a simulated shop beside them."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl

import querencia.flows
from benchmarks import data
from querencia.insight import tables

CDNOW = Path(querencia.flows.__path__[0]) / "data" / "cdnow_sample.csv"


def found() -> dict[str, Callable[[], pl.DataFrame]]:
    """Logs by name, each as canonical purchases when it is asked for."""
    folder = Path(os.environ.get("QUERENCIA_SHARED_DATA", "")) / "purchases"
    files: dict[str, tuple[str, Callable[[Path], pl.DataFrame]]] = {
        "grocer": ("grocery.csv", _grocer),
        "gift shop": ("uci_online_retail.parquet", _gift_shop),
        "airline": ("airline_activity.csv", _airline),
    }
    known: dict[str, Callable[[], pl.DataFrame]] = {"CDNOW": _cdnow}
    for name, (file, read) in files.items():
        if (folder / file).is_file():
            known[name] = lambda read=read, path=folder / file: read(path)  # type: ignore[misc]
    known["simulated shop"] = _shop
    return known


def _cdnow() -> pl.DataFrame:
    log = pl.read_csv(CDNOW, columns=["id", "date", "amt"], schema_overrides={"id": pl.String})
    return tables.purchases(log, columns={"customer_id": "id", "at": "date", "amount": "amt"}, currency="USD")


def _grocer(path: Path) -> pl.DataFrame:
    return tables.purchases(pl.read_csv(path), columns={"customer_id": "cust", "at": "date", "amount": None})


def _gift_shop(path: Path) -> pl.DataFrame:
    lines = pl.read_parquet(path).with_columns(paid=pl.col("Quantity") * pl.col("UnitPrice"))
    sold = lines.filter(pl.col("CustomerID").is_not_null() & (pl.col("UnitPrice") > 0))
    columns = {"customer_id": "CustomerID", "at": "InvoiceDate", "amount": "paid"}
    return tables.purchases(sold, columns=columns, currency="GBP")


def _airline(path: Path) -> pl.DataFrame:
    flown = pl.read_csv(path).filter(pl.col("Total Flights") > 0)
    dated = flown.with_columns(at=pl.col("Year") * 10_000 + pl.col("Month") * 100 + 1)
    columns = {"customer_id": "Loyalty Number", "at": "at", "amount": "Distance"}
    return tables.purchases(dated, columns=columns, unit="minor")


def _shop() -> pl.DataFrame:
    made = data.shop(4_000, purchases_per_customer=8, years=2)
    log = pl.read_parquet(made.purchases).select("key", "customer_id", "at", "amount", "refund_of")
    return tables.purchases(log, currency="EUR")
