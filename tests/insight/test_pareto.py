"""Who brings the money, by hand and on CDNOW."""

import polars as pl
import pytest

from querencia.insight import InputError, pareto, rfm, tables
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, cdnow, log, rows


def values(*amounts: int) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": range(len(amounts)), "amount": amounts})


def test_the_top_fifth_of_cdnow_brings_the_published_share() -> None:
    purchases = tables.purchases(cdnow(), columns=CDNOW_COLUMNS, currency="USD")
    summary = rfm.summary(purchases, as_of=CDNOW_END)
    assert pareto.top_share(summary["amount"]) == pytest.approx(0.6746, abs=5e-5)
    curve = pareto.curve(summary)
    assert len(curve) == 101
    assert curve.row(20) == pytest.approx((0.2, 0.6746), abs=1e-3)


def test_classes_by_hand() -> None:
    made = rows(pareto.classify(values(60, 25, 10, 4, 1, 0, -5)), "customer_id")
    assert [row["abc"] for row in made] == ["A", "A", "B", "C", "C", "C", "C"]
    assert [row["cumulative_share"] for row in made] == pytest.approx([0.6, 0.85, 0.95, 0.99, 1, 1, 1])


def test_equal_customers_are_in_equal_classes() -> None:
    made = rows(pareto.classify(values(50, 10, 10, 10, 10, 10)), "customer_id")
    assert [row["abc"] for row in made] == ["A"] * 6
    assert {row["cumulative_share"] for row in made[1:]} == {1.0}


def test_own_cuts_and_wrong_cuts() -> None:
    made = rows(pareto.classify(values(60, 25, 15), cuts=(0.5, 0.7)), "customer_id")
    assert [row["abc"] for row in made] == ["A", "B", "C"]
    with pytest.raises(InputError, match="two growing shares"):
        pareto.classify(values(1), cuts=(0.9, 0.8))
    with pytest.raises(InputError, match="no column 'profit'"):
        pareto.classify(values(1), value="profit")


def test_without_value_all_are_c() -> None:
    assert {row["abc"] for row in rows(pareto.classify(values(0, 0, -3)))} == {"C"}
    assert pareto.top_share([0, 0, -3]) == 0.0
    assert len(pareto.curve(values(0, 0))) == 0


def test_how_many_stay_a() -> None:
    purchases = log(
        *[("always", day, 900) for day in (10, 110)],
        ("before", 12, 900),
        ("small then gone", 15, 50),
        ("now", 120, 900),
        ("now too", 125, 900),
        ("before the windows", -200, 10),
    )
    made = {
        (row["from_class"], row["to_class"]): row
        for row in rows(pareto.stability(purchases, as_of=199, window_days=100))
    }
    assert len(made) == 15
    assert made["A", "A"]["customers"] == made["A", "none"]["customers"] == 1
    assert made["A", "A"]["share"] == 0.5
    assert made["A", "A"]["low"] == pytest.approx(0.0945, abs=1e-4)
    assert made["none", "A"]["customers"] == 2
    assert made["none", "A"]["share"] is None
    assert sum(row["customers"] for row in made.values()) == 5


def test_a_log_shorter_than_two_windows_says_nothing_of_stability() -> None:
    assert len(pareto.stability(log(("ana", 50, 5), ("ana", 199, 5)), as_of=199, window_days=100)) == 0
    with pytest.raises(InputError, match="at least one day"):
        pareto.stability(log(), as_of=1, window_days=0)
