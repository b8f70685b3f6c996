"""The door: what it accepts, what it refuses and how it says so."""

import datetime
from decimal import Decimal
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from querencia.insight import InputError, tables
from tests.insight.logs import ENGINES, log, rows

DAY = tables.day_number(datetime.date(2024, 2, 29))


def bought(**columns: Any) -> pl.DataFrame:
    base: dict[str, Any] = {"customer_id": ["ana"], "at": [datetime.date(2024, 2, 29)], "amount": [1.0]}
    return pl.DataFrame(base | columns)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "at",
    [
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 23, 59),
        "2024-02-29",
        "2024-02-29T23:30:00-05:00",
        "2024-02-29 10:00",
        "20240229",
        20240229,
    ],
)
def test_every_way_of_writing_a_day_is_the_same_day(engine: str, at: Any) -> None:
    (row,) = rows(tables.purchases(ENGINES[engine](bought(at=[at]))))
    assert row == {"customer_id": "ana", "day": DAY, "amount": 100}


@pytest.mark.parametrize("engine", ["polars", "polars lazy", "pandas", "pyarrow"])
def test_a_time_zone_keeps_its_own_day(engine: str) -> None:
    late = pl.Series([datetime.datetime(2024, 2, 29, 23, 30)]).dt.replace_time_zone("America/Bogota")
    assert rows(tables.purchases(ENGINES[engine](bought(at=late))))[0]["day"] == DAY


@pytest.mark.parametrize("engine", ENGINES)
def test_days_far_away_are_right(engine: str) -> None:
    dates = [datetime.date(year, month, 28) for year in (1900, 1999, 2000, 2024, 2999) for month in (1, 2, 3, 12)]
    for column in (dates, [str(date) for date in dates], [int(f"{date:%Y%m%d}") for date in dates]):
        table = pl.DataFrame({"customer_id": range(len(dates)), "at": column, "amount": [0] * len(dates)})
        made = rows(tables.purchases(ENGINES[engine](table)))
        assert [row["day"] for row in made] == [tables.day_number(date) for date in dates]


def test_pandas_objects_are_read_for_what_they_are() -> None:
    table = pd.DataFrame(
        {"customer_id": ["ana"], "at": [datetime.date(2024, 2, 29)], "amount": [Decimal("12.345")]}, index=[7]
    )
    assert rows(tables.purchases(table)) == [{"customer_id": "ana", "day": DAY, "amount": 1234}]


@pytest.mark.parametrize("engine", ENGINES)
def test_half_a_unit_goes_to_the_even_neighbour(engine: str) -> None:
    texts = ["0.005", "0.015", "1.005", "2.675", "-0.015", "-0.025", "-0.026", "29.33", "0.285"]
    expected = [int((Decimal(text) * 100).quantize(Decimal(1))) for text in texts]
    for amounts in ([float(text) for text in texts], pl.Series(texts).cast(pl.Decimal(12, 3))):
        table = pl.DataFrame({"customer_id": range(len(texts)), "at": ["2024-02-29"] * len(texts), "amount": amounts})
        assert [row["amount"] for row in rows(tables.purchases(ENGINES[engine](table), currency="EUR"))] == expected


@pytest.mark.parametrize(
    ("currency", "unit", "minor"),
    [("JPY", "major", 12), ("KWD", "major", 12_000), ("USD", "minor", 12), (None, "major", 1200)],
)
def test_the_currency_gives_the_decimals(currency: str | None, unit: Any, minor: int) -> None:
    for amount in (12, 12.0, Decimal("12.000")):
        made = tables.purchases(bought(amount=[amount]), currency=currency, unit=unit)
        assert made["amount"].to_list() == [minor]


def test_large_decimals_stay_exact() -> None:
    amounts = pl.Series(["1234567890123.45", "-1234567890123.45"]).cast(pl.Decimal(38, 2))
    table = pl.DataFrame({"customer_id": [1, 2], "day": [1, 1], "amount": amounts})
    assert tables.purchases(table)["amount"].to_list() == [123456789012345, -123456789012345]


@pytest.mark.parametrize(
    ("given", "kept"), [(["12345"], "12345"), ([12345], 12345), ([12345.0], 12345), ([Decimal("12345")], 12345)]
)
@pytest.mark.parametrize("engine", ENGINES)
def test_ids_keep_their_kind(engine: str, given: list[Any], kept: Any) -> None:
    (row,) = rows(tables.purchases(ENGINES[engine](bought(customer_id=given))))
    assert row["customer_id"] == kept
    assert type(row["customer_id"]) is type(kept)


def test_categories_are_text_ids() -> None:
    made = tables.purchases(bought(customer_id=pl.Series(["ana"], dtype=pl.Categorical)))
    assert made["customer_id"].to_list() == ["ana"]
    assert made.schema["customer_id"] == pl.String


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("columns", "column", "count", "example", "words"),
    [
        ({"customer_id": ["a", None, " "]}, "customer_id", 2, None, "have no customer"),
        ({"customer_id": [1.0, 2.5, 3.0]}, "customer_id", 1, 2.5, "whole numbers"),
        ({"at": ["2024-01-01", "soon", "01/02/2024"]}, "at", 2, "soon", "are no dates"),
        ({"at": ["2024-01-01", "2023-02-29", "2024-04-31"]}, "at", 2, "2023-02-29", "are no dates"),
        ({"at": [20240101, 20241301, 7]}, "at", 2, 20241301, "are no dates"),
        ({"at": ["2024-01-01", None, "2024-01-01"]}, "at", 1, None, "have no date"),
        ({"at": [datetime.date(2024, 1, 1), None, None]}, "at", 2, None, "have no date"),
        ({"at": ["2024-01-01", "2031-01-01", "2031-01-02"]}, "at", 2, "2031-01-01", "lie after 2030-12-31"),
        ({"amount": [1.0, None, 3.0]}, "amount", 1, None, "have no amount"),
        ({"amount": [1.0, float("inf"), 3.0]}, "amount", 1, float("inf"), "infinite"),
        ({"amount": [1.0, 1e300, -1e300]}, "amount", 2, 1e300, "infinite or beyond"),
        ({"amount": ["1.00", "2,00", "x"]}, "amount", 3, "1.00", "amounts are numbers"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_number_and_an_example(
    engine: str, columns: dict[str, Any], column: str, count: int, example: Any, words: str
) -> None:
    base: dict[str, Any] = {"customer_id": ["a", "b", "c"], "at": ["2024-01-01"] * 3, "amount": [1.0, 2.0, 3.0]}
    with pytest.raises(InputError, match=words) as raised:
        tables.purchases(ENGINES[engine](pl.DataFrame(base | columns)), as_of=datetime.date(2030, 12, 31))
    assert (raised.value.column, raised.value.count) == (column, count)
    assert column in str(raised.value)
    if example is not None:
        assert raised.value.example == example


def test_not_a_number_is_no_amount() -> None:
    with pytest.raises(InputError, match="have no amount"):
        tables.purchases(bought(amount=[float("nan")]))


def test_missing_and_unknown_columns_say_what_there_is() -> None:
    table = pl.DataFrame({"cust": ["ana"], "at": ["2024-01-01"], "amount": [1]})
    with pytest.raises(InputError, match=r"no column 'customer_id': the table has 'cust', 'at', 'amount'"):
        tables.purchases(table)
    with pytest.raises(InputError, match="no column 'kunde'"):
        tables.purchases(table, columns={"customer_id": "kunde"})
    with pytest.raises(InputError, match="'customer' is no column of purchases"):
        tables.purchases(table, columns={"customer": "cust"})
    with pytest.raises(InputError, match="A dict is not a table"):
        tables.purchases({"customer_id": []})


def test_mixed_objects_are_named() -> None:
    table = pd.DataFrame({"customer_id": [1, "b"], "at": ["2024-01-01"] * 2, "amount": [1, 2]}, dtype=object)
    with pytest.raises(InputError, match=r"mixes kinds of values \(int, str\)"):
        tables.purchases(table)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_table_gives_an_empty_table(engine: str) -> None:
    for kind in (pl.String, pl.Float64, pl.Int64):
        empty = pl.DataFrame(schema={"customer_id": pl.String, "at": kind, "amount": kind})
        made = nw.from_native(tables.purchases(ENGINES[engine](empty))).lazy().collect()
        assert (made.columns, len(made)) == (["customer_id", "day", "amount"], 0)


def test_a_log_without_money_says_so() -> None:
    table = pl.DataFrame({"cust": ["ana"], "date": ["2024-01-01"]})
    made = tables.purchases(table, columns={"customer_id": "cust", "at": "date", "amount": None})
    assert made["amount"].to_list() == [0]


def test_the_kind_of_table_comes_back_and_lazy_stays_lazy() -> None:
    table = bought()
    kinds = {"duckdb": duckdb.DuckDBPyRelation, "polars": pl.DataFrame, "polars lazy": pl.LazyFrame}
    kinds |= {"pandas": pd.DataFrame, "pyarrow": pa.Table}
    for engine, kind in kinds.items():
        purchases = tables.purchases(ENGINES[engine](table))
        assert isinstance(purchases, kind)
        assert isinstance(tables.days(purchases, as_of=DAY), kind)
    assert isinstance(tables.purchases(nw.from_native(table)), nw.DataFrame)


@pytest.mark.parametrize("engine", ENGINES)
def test_refunds_go_to_the_purchase_they_name(engine: str) -> None:
    table = pl.DataFrame(
        [
            ("ana", 10, 500, "p1", None),
            ("ana", 20, 300, "p2", None),
            ("ana", 30, -500, "r1", "p1"),  # gives the first purchase back in full
            ("bea", 10, 500, "p3", None),
            ("bea", 40, -200, "r2", "p3"),  # in part
            ("bea", 50, -100, "r3", "unknown"),  # of a purchase that is not there
            ("bea", 60, -100, "r4", "p2"),  # of somebody else's
            ("cai", 10, 0, "p4", None),  # something for nothing is a purchase
        ],
        schema=["customer_id", "day", "amount", "key", "refund_of"],
        orient="row",
    )
    purchases = tables.purchases(ENGINES[engine](table), unit="minor")
    made = [tuple(row.values()) for row in rows(tables.days(purchases, as_of=100), "customer_id", "day")]
    assert made == [
        ("ana", 10, 0, False),
        ("ana", 20, 300, True),
        ("bea", 10, 300, True),
        ("bea", 50, -100, False),
        ("bea", 60, -100, False),
        ("cai", 10, 0, True),
    ]
    # Before the refund was known, the purchase stood.
    assert rows(tables.days(purchases, as_of=29), "customer_id", "day")[0]["amount"] == 500


def test_refunds_named_by_numbers_with_gaps_are_found() -> None:
    table = pd.DataFrame(
        {"customer_id": [1, 1], "day": [5, 9], "amount": [700, -700], "key": [1, 2], "refund_of": [None, 1.0]}
    )
    purchases = tables.purchases(table, unit="minor")
    assert rows(tables.days(purchases, as_of=10)) == [{"customer_id": 1, "day": 5, "amount": 0, "is_purchase": False}]


def test_days_of_days_are_the_same_days() -> None:
    days = tables.days(log(("ana", 1, 5), ("ana", 1, 6), ("ana", 3, 7)), as_of=9)
    assert rows(tables.days(days, as_of=9), "day") == rows(days, "day")
    assert len(tables.days(days, as_of=2)) == 1
