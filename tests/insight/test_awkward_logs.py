"""Logs as the world makes them: a right answer or a sentence, never a traceback, a NaN or a hang."""

import datetime
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.insight import cohorts, defection, gates, pareto, rfm, tables
from tests.insight.logs import log, rows
from tests.insight.test_engines import FUNCTIONS, OF_PURCHASES, close

TODAY = 20_000

YEAR_1900 = tables.day_number(datetime.date(1900, 1, 1))
YEAR_2999 = tables.day_number(datetime.date(2999, 12, 31))
AWKWARD: dict[str, tuple[list[tuple[Any, int, int]], int]] = {
    "one purchase": ([("ana", TODAY, 100)], TODAY),
    "one customer": ([("ana", TODAY - 7 * n, 100) for n in range(60)], TODAY),
    "one purchase each": ([(n, TODAY - n % 300, n) for n in range(400)], TODAY),
    "everybody yesterday": ([(n, TODAY - 1, 100) for n in range(100)], TODAY),
    "all alike": ([(n, TODAY - 10 * k, 100) for n in range(40) for k in range(8)], TODAY),
    "duplicated": ([("ana", TODAY - 5, 100)] * 50 + [("bea", TODAY - 5, 100)] * 50, TODAY),
    "nothing paid": ([(n, TODAY - k, 0) for n in range(40) for k in range(0, 90, 9)], TODAY),
    "refunds only": ([(n, TODAY - n, -100) for n in range(50)], TODAY),
    "refunds before purchases": (
        [(n, TODAY - k, -100 if k == 90 else 100) for n in range(40) for k in (90, 60)],
        TODAY,
    ),
    "far dates": ([("ana", YEAR_1900, 100), ("ana", YEAR_2999, 100), ("bea", TODAY, 100)], YEAR_2999),
    "far dates, many customers": (
        [(n, day, 100) for n in range(60) for day in (YEAR_1900 + n, TODAY + n % 7, YEAR_2999 - n)],
        YEAR_2999,
    ),
    "many rows of one": ([("ana", TODAY - n % 700, 1) for n in range(20_000)] + [("bea", TODAY, 1)], TODAY),
    "huge amounts": ([(n, TODAY - n, 9 * 10**14) for n in range(60)], TODAY),
    "long ago": ([(n, 10_000 + n + 30 * k, 100) for n in range(60) for k in range(4)], TODAY),
}


def check_sane(function: str, purchases: Any, as_of: int) -> list[dict[str, Any]]:
    compute, by = FUNCTIONS[function].compute, FUNCTIONS[function].by
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.insight.test_engines.CDNOW_END", as_of)
        made = nw.from_native(compute(purchases))
    for row in made.rows(named=True):
        for value in row.values():
            assert not isinstance(value, float) or abs(value) < float("inf")
    figures = rows(made, *by)
    for row in figures:
        if row.get("low") is not None:
            middle = row.get("share", row.get("rate", row.get("defections")))
            assert 0 <= row["low"] <= middle <= row["high"]
    return figures


# Those that give a table without a model behind it: a model wants enough to learn from, and says so elsewhere.
TABLES_OF = [n for n, one in OF_PURCHASES.items() if one.by and not n.startswith(("lifetime.", "forecast."))]


@pytest.mark.parametrize("function", TABLES_OF)
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_logs_are_answered(name: str, function: str) -> None:
    sold, as_of = AWKWARD[name]
    check_sane(function, log(*sold), as_of)
    assert len(gates.check(log(*sold), as_of=as_of)) == 5


def test_nobody_is_late_where_nobody_can_tell() -> None:
    for name in ("one purchase", "one purchase each", "everybody yesterday", "refunds only"):
        sold, as_of = AWKWARD[name]
        figures = rows(defection.status(log(*sold), as_of=as_of))
        assert {row["status"] for row in figures} <= {"new"}
        assert {row["limit_days"] for row in figures} <= {None}


sold = st.lists(
    st.tuples(
        st.sampled_from(["ana", "bea", "cai", "dev", "eva"]),
        st.integers(TODAY - 400, TODAY),
        st.integers(-5_000, 20_000),
    ),
    max_size=40,
)
modest = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@modest
@given(sold, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows_sold: list[tuple[str, int, int]], random: Any) -> None:
    shuffled = rows_sold[:]
    random.shuffle(shuffled)
    for function in TABLES_OF:
        ours, theirs = (check_sane(function, log(*some), TODAY) for some in (rows_sold, shuffled))
        assert [{name: close(value) for name, value in row.items()} for row in ours] == theirs


@modest
@given(sold)
def test_money_is_neither_made_nor_lost(rows_sold: list[tuple[str, int, int]]) -> None:
    table = log(*rows_sold)
    days = tables.days(table, as_of=TODAY)
    assert days["amount"].sum() == table["amount"].sum()
    assert days.select("customer_id", "day").is_duplicated().sum() == 0
    summary = rfm.summary(table, as_of=TODAY)
    bought = table.filter(pl.col("customer_id").is_in(summary["customer_id"].to_list()))
    assert summary["amount"].sum() == bought["amount"].sum()
    classes = pareto.classify(summary)
    assert classes["value"].sum() == summary["amount"].sum()
    assert summary["purchases"].sum() == days["is_purchase"].sum()
    cells = cohorts.retention(table, as_of=TODAY + 400, period="month").filter(pl.col("cohort") >= 0)
    assert cells["amount"].sum() == bought["amount"].sum()


@modest
@given(st.lists(st.integers(-100, 1_000), min_size=1, max_size=60), st.floats(0.01, 1))
def test_the_top_share_grows_with_the_top(values: list[int], top: float) -> None:
    share = pareto.top_share(values, top)
    assert 0 <= share <= pareto.top_share(values, 1.0) <= 1
    assert share >= min(top, 1) * pareto.top_share(values, 1.0) - 1e-9
