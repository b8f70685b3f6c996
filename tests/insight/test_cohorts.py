"""Retention by cohort, by hand; and periods as numbers."""

import datetime

import narwhals as nw
import polars as pl
import pytest

from querencia.insight import InputError, cohorts, periods, tables
from querencia.insight.intervals import wilson
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, cdnow, log, rows


def day(text: str) -> int:
    return tables.day_number(datetime.date.fromisoformat(text))


PURCHASES = log(
    ("ana", day("2024-01-10"), 100),
    ("ana", day("2024-01-20"), 100),
    ("ana", day("2024-03-01"), 50),
    ("ana", day("2024-03-31"), 50),
    ("bea", day("2024-01-31"), 10),
    ("bea", day("2024-02-29"), 20),
    ("cai", day("2024-02-01"), 5),
)


def test_cells_by_hand() -> None:
    made = rows(cohorts.retention(PURCHASES, as_of=day("2024-03-31"), period="month"), "cohort", "period")
    told = [(row["cohort"], row["period"], row["customers"], row["active"], row["amount"]) for row in made]
    january, february = day("2024-01-01"), day("2024-02-01")
    assert told == [
        (january, 0, 2, 2, 210),
        (january, 1, 2, 1, 20),
        (january, 2, 2, 1, 100),
        (february, 0, 1, 1, 5),
        (february, 1, 1, 0, 0),
    ]
    assert (made[1]["share"], made[1]["low"], made[1]["high"]) == (0.5, *wilson(1, 2))


def test_a_period_that_is_not_over_is_absent_not_zero() -> None:
    made = rows(cohorts.retention(PURCHASES, as_of=day("2024-03-30"), period="month"), "cohort", "period")
    assert [(row["cohort"], row["period"]) for row in made] == [
        (day("2024-01-01"), 0),
        (day("2024-01-01"), 1),
        (day("2024-02-01"), 0),
    ]


def test_auto_chooses_a_handful_of_periods() -> None:
    for span, period in (
        (20, "week"),
        (80, "week"),
        (100, "month"),
        (365, "month"),
        (500, "quarter"),
        (5_000, "quarter"),
    ):
        assert periods.chosen("auto", first_day=20_000, last_day=20_000 + span) == period
    with pytest.raises(InputError, match="is no period"):
        cohorts.retention(PURCHASES, as_of=20_000, period="fortnight")


def test_cdnow_comes_in_three_monthly_cohorts() -> None:
    purchases = tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD")
    made = cohorts.retention(purchases, as_of=CDNOW_END, period="month")
    assert made.filter(pl.col("period") == 0)["customers"].to_list() == [781, 857, 719]
    assert len(made) == 18 + 17 + 16
    assert made["amount"].sum() == 24_409_194


@pytest.mark.parametrize("period", periods.PERIODS)
def test_the_engine_counts_periods_as_the_calendar_does(period: periods.Period) -> None:
    days = [*range(day("1899-12-25"), day("2101-01-10"), 3), *map(day, ("2000-02-29", "2999-12-31", "0004-02-29"))]
    made = pl.DataFrame({"day": days})
    counted = periods.indexed(nw.from_native(made).lazy(), nw.col("day"), period, name="index")
    indices = counted.collect()["index"].to_list()
    assert indices == [periods.index_of(number, period) for number in days]
    assert all(
        periods.first_day(i, period) <= d < periods.first_day(i + 1, period) for i, d in zip(indices, days, strict=True)
    )


def test_weeks_begin_on_monday() -> None:
    assert periods.first_day(periods.index_of(day("2024-03-03"), "week"), "week") == day("2024-02-26")


def test_the_wilson_interval_as_published() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: method 3.
    for successes, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
