"""Who left, each by their own rhythm: by hand, on simulated customers whose truth is known, and on CDNOW."""

from math import exp
from math import log as ln

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from querencia.insight import InputError, defection, rhythm, tables
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, cdnow, log, rows

TODAY = 20_000


def regulars(
    every: int, customers: int, *, last: int = TODAY, times: int = 12, name: str = "every"
) -> list[tuple[str, int, int]]:
    """Customers who come every so many days, give or take one, until ``last``."""
    wobble = np.random.default_rng(every)
    return [
        (f"{name} {every} {n}", last - k * every + int(wobble.integers(-1, 2)) * (k > 0), 100)
        for n in range(customers)
        for k in range(times)
    ]


def learned(*sold: tuple[str, int, int]) -> rhythm.Population:
    days = nw.from_native(tables.days(log(*sold), as_of=TODAY)).lazy()
    return rhythm.population(days, today=TODAY)


def status_of(*sold: tuple[str, int, int]) -> dict[str, dict[str, object]]:
    return {row["customer_id"]: row for row in rows(defection.status(log(*sold), as_of=TODAY))}


def test_the_same_silence_is_a_pause_for_one_and_an_end_for_another() -> None:
    gone = regulars(7, 1, last=TODAY - 50, name="gone") + regulars(60, 1, last=TODAY - 50, name="slow")
    found = status_of(*regulars(7, 40), *regulars(60, 40), *gone)
    weekly, slow = found["gone 7 0"], found["slow 60 0"]
    assert weekly["silent_days"] == slow["silent_days"] == 50
    assert (weekly["status"], slow["status"]) == ("left", "active")
    assert weekly["rhythm_days"] == pytest.approx(7, abs=1)
    assert slow["rhythm_days"] == pytest.approx(60, abs=6)
    assert weekly["rhythm_low"] < weekly["rhythm_days"] < weekly["rhythm_high"]
    assert weekly["left_day"] == TODAY - 50 + weekly["limit_days"] + 1
    assert slow["left_day"] is None


def test_the_rhythm_is_the_stated_compromise() -> None:
    sold = [*regulars(7, 20), *regulars(30, 20), ("ana", TODAY - 40, 1), ("ana", TODAY - 20, 1), ("ana", TODAY - 10, 1)]
    known = learned(*sold)
    ana = status_of(*sold)["ana"]
    gaps, log_sum = 2, ln(20) + ln(10)
    mean = (known.prior_gaps * known.log_mean + log_sum) / (known.prior_gaps + gaps)
    half = 1.96 * known.log_sd / np.sqrt(known.prior_gaps + gaps)
    assert ana["rhythm_days"] == pytest.approx(exp(mean))
    assert (ana["rhythm_low"], ana["rhythm_high"]) == pytest.approx((exp(mean - half), exp(mean + half)))
    assert ana["limit_days"] == np.ceil(exp(mean + known.left * np.sqrt(1 + 1 / (known.prior_gaps + gaps))))


def test_spread_within_and_between_customers_is_recovered() -> None:
    """Log gaps of 3,000 customers: own means around ln 40 with spread 0.5, gaps with spread 0.8: k = 2.56."""
    chance = np.random.default_rng(7)
    means = chance.normal(ln(40), 0.5, 3_000)
    counts = []
    for mean in means:
        gaps = chance.normal(mean, 0.8, chance.integers(1, 12))
        counts.append((float(gaps.size), 1.0, gaps.sum(), gaps.sum() ** 2, (gaps**2).sum()))
    merged = [
        (n, *np.sum([row[1:] for row in counts if row[0] == n], axis=0).tolist())
        for n in sorted({row[0] for row in counts})
    ]
    mean, spread, k = rhythm._credibility(merged)
    assert mean == pytest.approx(ln(40), abs=0.05)
    assert spread == pytest.approx(0.8, abs=0.02)
    assert k == pytest.approx(2.56, rel=0.15)


def test_the_limit_is_not_shortened_by_silences_that_had_no_time_to_end() -> None:
    """Gaps of 1 to 100 days, all alike, begun on 400 days in a row; only those that ended by the last day are seen."""
    bins = []
    for begun in range(400):
        for length in (5, 20, 35, 50, 65, 80, 95):
            seen = 400 - begun
            if length <= seen:
                bins.append((length, seen, 1))
    naive = np.quantile([length for length, _, _ in bins], 6 / 7)
    corrected = rhythm.quantile(bins, 6 / 7 - 0.001, least=1)
    assert corrected is not None
    assert corrected * rhythm.STEPS == pytest.approx(81, abs=1)
    assert naive <= 80
    few_late = [(length, seen, 1) for length, seen, _ in bins if seen <= 100]
    assert np.quantile([length for length, *_ in few_late], 0.5) <= 35
    middle = rhythm.quantile(few_late, 0.5, least=1)
    assert middle is not None
    assert middle * rhythm.STEPS == pytest.approx(50.5, abs=1)


def test_one_in_twenty_ordinary_silences_passes_the_limit() -> None:
    """Customers who never leave: at any day about 5 % of the *ended* silences had been called defections."""
    chance = np.random.default_rng(11)
    sold = []
    for n in range(400):
        days = TODAY - 1_500 + np.cumsum(np.maximum(1, chance.exponential(chance.gamma(4, 10), 200))).astype(int)
        sold += [(f"c{n}", int(day), 100) for day in days if day <= TODAY]
    days = nw.from_native(tables.days(log(*sold), as_of=TODAY)).lazy()
    begun = rhythm.silences(days)
    known = rhythm.population(days, today=TODAY)
    judged = begun.filter(~nw.col("until").is_null()).select(
        (nw.col("until") - nw.col("day") > rhythm.limit(nw.col("gaps"), nw.col("log_sum"), known)).alias("passed")
    )
    assert judged.collect()["passed"].mean() == pytest.approx(0.05, abs=0.015)
    left = [row for row in rows(defection.status(log(*sold), as_of=TODAY)) if row["status"] == "left"]
    assert len(left) < 0.12 * 400


def test_events_and_stock_agree_with_the_statuses() -> None:
    purchases = tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD")
    status = defection.status(purchases, as_of=CDNOW_END)
    for period in ("week", "month", "quarter"):
        flow = defection.by_period(purchases, as_of=CDNOW_END, period=period)
        assert flow["new"].sum() == len(status) == 2_357
        assert flow["active"][-1] == (status["status"] != "left").sum()
        assert flow["active"][-1] == flow["new"].sum() + flow["returned"].sum() - flow["defections"].sum()
        lost = status.filter(pl.col("status") == "left")["value_year"].sum()
        assert flow["amount_lost"].sum() - flow["amount_returned"].sum() == lost
    gone = status.filter(pl.col("status") == "left")
    assert (gone["silent_days"] > gone["limit_days"]).all()
    assert (gone["left_day"] <= tables.day_number(CDNOW_END)).all()


def test_those_called_gone_come_back_least() -> None:
    purchases = tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD")
    middle = tables.day_number(CDNOW_END) - 182
    later = set(purchases.filter(pl.col("day") > middle)["customer_id"])
    back = {
        name: np.mean([row["customer_id"] in later for row in found])
        for name in ("active", "late", "left")
        if (found := [r for r in rows(defection.status(purchases, as_of=middle)) if r["status"] == name])
    }
    assert back["active"] > 0.5 > back["late"] > 2 * back["left"]


def test_who_comes_back_after_leaving_has_returned() -> None:
    pause = [("ana", TODAY - 300 - 7 * k, 100) for k in range(10)] + [("ana", TODAY - 2, 100)]
    found = status_of(*regulars(7, 60, times=60), *pause)
    assert found["ana"]["status"] == "returned"
    flow = rows(defection.by_period(log(*regulars(7, 60, times=60), *pause), as_of=TODAY, period="month"))
    assert sum(row["returned"] for row in flow) >= 1
    assert max(row["amount_returned"] for row in flow) >= 1_000


def test_the_value_of_a_year_ends_with_the_last_purchase() -> None:
    sold = [
        ("ana", TODAY - 500, 7),
        ("ana", TODAY - 400, 11),
        ("ana", TODAY - 100, 13),
        ("ana", TODAY - 100, 17),
        ("ana", TODAY - 50, -5),
    ]
    assert status_of(*sold)["ana"]["value_year"] == 11 + 13 + 17


def test_the_retention_rate_by_hand() -> None:
    sold = log(("kept", 10, 1), ("kept", 20, 1), ("lost", 8, 1), ("lost", 9, 1), ("new", 15, 1), ("first", 1, 1))
    (row,) = rows(defection.retention(sold, as_of=20, window_days=7))
    assert (row["window_days"], row["before"], row["kept"], row["rate"]) == (7, 3 - 1, 1, 0.5)
    assert row["low"] < 0.5 < row["high"]


@pytest.mark.parametrize(
    ("span", "window"), [(730, 365), (729, 182), (364, 182), (363, 91), (56, 28), (55, 7), (14, 7), (13, None)]
)
def test_the_window_is_the_longest_that_fits_twice(span: int, window: int | None) -> None:
    (row,) = rows(defection.retention(log(*(("ana", TODAY - day, 1) for day in range(span))), as_of=TODAY))
    assert row["window_days"] == window
    assert (row["rate"] is None) == (window is None)


def test_a_window_longer_than_half_the_log_abstains() -> None:
    (row,) = rows(defection.retention(log(("ana", TODAY - 100, 1)), as_of=TODAY, window_days=90))
    assert (row["window_days"], row["before"], row["rate"]) == (90, 0, None)
    with pytest.raises(InputError, match="at least one day"):
        defection.retention(log(), as_of=TODAY, window_days=0)
