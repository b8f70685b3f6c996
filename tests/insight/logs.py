"""Small logs of purchases for the tests, and the kinds of table that insight takes."""

import datetime
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import polars as pl

import querencia

CDNOW = Path(querencia.__file__).parent / "flows" / "data" / "cdnow_sample.csv"
CDNOW_COLUMNS = {"customer_id": "id", "at": "date", "amount": "amt"}
CDNOW_END = datetime.date(1998, 6, 30)

ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "duckdb": lambda table: duckdb.connect().from_arrow(table.to_arrow()),
    "polars": lambda table: table,
    "polars lazy": lambda table: table.lazy(),
    "pandas": lambda table: table.to_pandas(),
    "pyarrow": lambda table: table.to_arrow(),
}


@cache
def spark() -> Any:
    """The one Spark session of the tests: two threads, hardly any partitions, nothing that is reached from outside."""
    from pyspark.sql import SparkSession

    from querencia.insight import duplicates

    settings = {
        "spark.jars": duplicates.spark_jars(),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        # So little takes longer to compile than to reckon.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
    }
    return SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()


def _ibis(table: pl.DataFrame) -> Any:
    import ibis

    return ibis.duckdb.connect().create_table("given", table.to_arrow())


# Engines of their own, which `make test-engines` installs aside.
INSTALLED_ASIDE: dict[str, Callable[[pl.DataFrame], Any]] = {
    "spark": lambda table: spark().createDataFrame(table.to_arrow()),
    "ibis": _ibis,
}


def cdnow() -> pl.DataFrame:
    return pl.read_csv(CDNOW, schema_overrides={"id": pl.String})


def log(*rows: tuple[Any, int, int]) -> pl.DataFrame:
    """Canonical purchases of (customer, day, amount)."""
    customers, days, amounts = zip(*rows, strict=True) if rows else ((), (), ())
    kind = pl.Int64 if rows and isinstance(rows[0][0], int) else pl.String
    return pl.DataFrame(
        {"customer_id": customers, "day": days, "amount": amounts},
        schema={"customer_id": kind, "day": pl.Int64, "amount": pl.Int64},
    )


def rows(table: Any, *by: str) -> list[dict[str, Any]]:
    """The rows in a fixed order, as plain Python, with NaN (pandas for null) as None."""
    made = nw.from_native(table).lazy().collect().rows(named=True)
    plain = [{k: None if v is None or v != v else v for k, v in row.items()} for row in made]
    return sorted(plain, key=lambda row: [row[name] for name in by or list(row)[:1]])
