"""One way of writing, every engine: the same log gives the same figures whatever kind of table it comes in."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from querencia.insight import cohorts, defection, gates, pareto, rfm, tables
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, ENGINES, cdnow, log, rows


def _score(purchases: Any) -> Any:
    return rfm.score(rfm.summary(purchases, as_of=CDNOW_END))


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "days": (lambda p: tables.days(p, as_of=CDNOW_END), ("customer_id", "day")),
    "summary": (lambda p: rfm.summary(p, as_of=CDNOW_END), ("customer_id",)),
    "score": (_score, ("customer_id",)),
    "classify": (lambda p: pareto.classify(rfm.summary(p, as_of=CDNOW_END)), ("customer_id",)),
    "curve": (lambda p: pareto.curve(rfm.summary(p, as_of=CDNOW_END)), ("customer_share",)),
    "stability": (lambda p: pareto.stability(p, as_of=CDNOW_END, window_days=182), ("from_class", "to_class")),
    "cohorts": (lambda p: cohorts.retention(p, as_of=CDNOW_END, period="month"), ("cohort", "period")),
    "status": (lambda p: defection.status(p, as_of=CDNOW_END), ("customer_id",)),
    "by_period": (lambda p: defection.by_period(p, as_of=CDNOW_END), ("period",)),
    "retention": (lambda p: defection.retention(p, as_of=CDNOW_END), ("window_days",)),
}


def close(value: Any) -> Any:
    """Engines add floats up in different orders."""
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def _figures(function: str, purchases: Any) -> list[dict[str, Any]]:
    compute, by = FUNCTIONS[function]
    return rows(compute(purchases), *by)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    """A sixth of CDNOW, with some purchases given back: by name, in part, and by nobody knows which."""
    sample = cdnow().filter(pl.col("id").cast(pl.Int64) % 6 == 0).with_row_index("key").cast({"key": pl.Int64})
    refunds = sample[::40].with_columns(
        pl.col("amt") * -0.5, pl.col("key").alias("refund_of"), pl.col("key") + 100_000, date=pl.lit(19980601, pl.Int64)
    )
    unnamed = sample[::50].with_columns(pl.col("amt") * -1, pl.col("key") + 200_000)
    return pl.concat([sample, refunds, unnamed], how="diagonal")


@pytest.fixture(scope="module", params=ENGINES)
def purchases(request: pytest.FixtureRequest, table: pl.DataFrame) -> Any:
    return tables.purchases(ENGINES[request.param](table), columns=CDNOW_COLUMNS, currency="USD", as_of=CDNOW_END)


@pytest.fixture(scope="module")
def expected(table: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    reference = tables.purchases(table, columns=CDNOW_COLUMNS, currency="USD", as_of=CDNOW_END)
    return {function: _figures(function, reference) for function in FUNCTIONS}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_engine_gives_the_same_figures(function: str, purchases: Any, expected: dict[str, Any]) -> None:
    figures = _figures(function, purchases)
    assert len(figures) == len(expected[function]) > 0
    for ours, theirs in zip(figures, expected[function], strict=True):
        assert {name: close(value) for name, value in ours.items()} == theirs


def test_gates_are_the_same(purchases: Any) -> None:
    assert [gate.is_open for gate in gates.check(purchases, as_of=CDNOW_END, horizon_days=91)] == [True] * 5


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_table_of_days_gives_the_same_figures(function: str, table: pl.DataFrame, expected: dict[str, Any]) -> None:
    purchases = tables.purchases(table, columns=CDNOW_COLUMNS, currency="USD")
    figures = _figures(function, tables.days(purchases, as_of=CDNOW_END))
    assert [{name: close(value) for name, value in row.items()} for row in figures] == expected[function]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_empty_log_gives_an_empty_answer(function: str, engine: str) -> None:
    figures = _figures(function, ENGINES[engine](log()))
    if function == "retention":
        assert [(row["before"], row["kept"], row["rate"]) for row in figures] == [(0, 0, None)]
    else:
        assert figures == []
