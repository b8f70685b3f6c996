"""Problems that nobody reports: published estimates, TARP's arithmetic, simulated truth, every kind of table."""

from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from querencia.insight import InputError, iceberg, language
from querencia.insight.estimate import Estimate
from tests.insight.logs import ENGINES, rows
from tests.insight.test_engines import close

COLUMNS = ["had_problem", "complained", "satisfied", "stayed"]


def survey(**groups: tuple[int, int]) -> pl.DataFrame:
    """Customers asked, by group: how many, and how many of them stayed."""
    kinds = {
        "no_problem": (0, None, None),
        "silent": (1, 0, None),
        "complained": (1, 1, None),
        "satisfied": (1, 1, 1),
        "dissatisfied": (1, 1, 0),
    }
    made = [(*kinds[group], int(n < stayed)) for group, (customers, stayed) in groups.items() for n in range(customers)]
    return pl.DataFrame(made, schema=dict.fromkeys(COLUMNS, pl.Int64), orient="row")


def by_group(table: Any) -> dict[str, dict[str, Any]]:
    return {row["group"]: row for row in rows(table, "group")}


def ends(found: Estimate, digits: int = 0) -> tuple[float, float, float]:
    return round(found.value, digits), round(found.low, digits), round(found.high, digits)


def test_the_published_estimates_from_two_lists() -> None:
    # The recapr package for R, its vignette.
    found = iceberg.chapman(100, 150, 20)
    assert (round(found.total.value, 4), round(found.standard_error, 4)) == (725.2381, 127.8601)
    # The ten turtles of Wikipedia's "Mark and recapture": 28 by Chapman, 22 to 65 by Sadinle's interval.
    found = iceberg.chapman(10, 15, 5)
    assert ends(found.total) == (28, 22, 65)
    assert ends(found.unseen) == (8, 2, 45)


def test_the_interval_holds_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(6), 0
    for _trial in range(1_000):
        first, second = random.random(400) < 0.3, random.random(400) < 0.2
        found = iceberg.chapman(int(first.sum()), int(second.sum()), int((first & second).sum()))
        covered += found.total.low <= 400 <= found.total.high
    assert 930 <= covered <= 980


def test_lists_without_a_common_customer_still_have_an_answer() -> None:
    found = iceberg.chapman(10, 10, 0)
    assert found.total.value == 120
    assert 20 < found.total.low < 120 < found.total.high < 10_000
    everybody = iceberg.chapman(7, 7, 7)
    assert everybody.total.value == everybody.total.low == 7
    assert iceberg.chapman(0, 0, 0).total.value == 0
    with pytest.raises(InputError, match="there cannot be 6"):
        iceberg.chapman(5, 9, 6)


@pytest.mark.parametrize("engine", ENGINES)
def test_two_lists_of_customers(engine: str) -> None:
    first = ENGINES[engine](pl.DataFrame({"customer_id": [f"c{n}" for n in (*range(10), 3, 3)]}))
    second = ENGINES[engine](pl.DataFrame({"customer_id": [f"c{n}" for n in range(5, 20)]}))
    assert iceberg.captured(first, second) == iceberg.chapman(10, 15, 5)
    numbers = ENGINES[engine](pl.DataFrame({"customer_id": [1, 2, 3]}))
    assert iceberg.captured(numbers, numbers).both == 3
    with pytest.raises(InputError, match="'customer_id' holds"):
        iceberg.captured(first, numbers)
    with pytest.raises(InputError, match="no column 'customer_id'"):
        iceberg.captured(ENGINES[engine](pl.DataFrame({"id": [1]})), second)
    with pytest.raises(InputError, match="1 rows have no customer"):
        iceberg.captured(ENGINES[engine](pl.DataFrame({"customer_id": ["a", None]})), second)


def test_lists_of_two_engines() -> None:
    table = pl.DataFrame({"customer_id": [1, 2, 3]})
    other = duckdb.connect().from_arrow(table.to_arrow())
    assert iceberg.captured(table, other).both == iceberg.captured(other, table.to_pandas()).both == 3


def test_the_multiplier_of_tarp() -> None:
    # One in twenty complains: each stands for twenty, nineteen of whom say nothing (Goodman's 20 : 1).
    found = iceberg.asked(survey(no_problem=(900, 900), silent=(95, 0), complained=(5, 0)), customers=50_000)
    assert found.per_complaint is not None
    assert found.per_complaint.value == pytest.approx(20)
    assert found.per_complaint.low == pytest.approx(1 / 0.1118, rel=1e-3)  # Wilson, 5 of 100: 0.0215 to 0.1118
    assert found.per_complaint.high == pytest.approx(1 / 0.0215, rel=1e-2)
    assert found.problems.value == 5_000
    assert found.silent.value + found.complaints.value == pytest.approx(found.problems.value)
    assert found.silent.low < 4_750 < found.silent.high
    # For every complaint 26 say nothing (TARP 1979).
    found = iceberg.asked(survey(silent=(104, 0), complained=(4, 0)), customers=108)
    assert found.per_complaint is not None
    assert found.per_complaint.value == pytest.approx(27)
    assert iceberg.said(found).startswith("For each customer who complains, 26 others have a problem")


def test_what_problems_cost_by_hand() -> None:
    answers = survey(no_problem=(800, 720), silent=(150, 90), satisfied=(30, 28), dissatisfied=(20, 8))
    made = by_group(iceberg.damage(answers, customers=10_000, value=5_000))
    # 1,500 silent customers stay in 60 of 100 cases instead of 90: 450 leave for it, at 50.00 each.
    assert made["silent"]["customers"] == 1_500
    assert made["silent"]["amount"] == 450 * 5_000
    assert made["dissatisfied"]["amount"] == 200 * 0.5 * 5_000
    # A complaint put right keeps more than no problem at all: a gain.
    assert made["satisfied"]["amount"] < 0
    assert made["no_problem"]["amount"] == 0
    for row in made.values():
        assert row["amount_low"] <= row["amount"] <= row["amount_high"]
        assert row["stayed_low"] <= row["stayed"] <= row["stayed_high"]
    assert made["silent"]["amount_low"] > 0
    sure = made["silent"]["amount_high"] - made["silent"]["amount_low"]
    unsure = by_group(iceberg.damage(answers, customers=10_000, value=Estimate(5_000, 2_000, 8_000)))["silent"]
    assert unsure["amount_high"] - unsure["amount_low"] > 1.2 * sure


def test_the_interval_of_the_cost_holds_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(7), 0
    truth = 10_000 * 0.2 * (0.9 - 0.6) * 100
    for _trial in range(200):
        troubled = random.random(600) < 0.2
        stayed = np.where(troubled, random.random(600) < 0.6, random.random(600) < 0.9)
        answers = pl.DataFrame({"had_problem": troubled, "complained": np.zeros(600, bool), "stayed": stayed})
        row = by_group(iceberg.damage(answers, customers=10_000, value=100))["silent"]
        covered += row["amount_low"] <= truth <= row["amount_high"]
    assert 180 <= covered <= 199


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_figures(engine: str) -> None:
    answers = survey(no_problem=(80, 72), silent=(15, 9), satisfied=(3, 2), dissatisfied=(2, 1), complained=(4, 2))
    given = ENGINES[engine](answers)
    assert iceberg.asked(given, customers=1_000) == iceberg.asked(answers, customers=1_000)
    expected = rows(iceberg.damage(answers, customers=1_000, value=10), "group")
    made = rows(iceberg.damage(given, customers=1_000, value=10), "group")
    assert [{name: close(value) for name, value in row.items()} for row in made] == expected
    assert [gate.facts for gate in iceberg.check(given)] == [gate.facts for gate in iceberg.check(answers)]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_table_gives_an_empty_answer(engine: str) -> None:
    empty = ENGINES[engine](survey())
    assert rows(iceberg.damage(empty, customers=100, value=10)) == []
    found = iceberg.asked(empty, customers=100)
    assert (found.asked, found.problems.value, found.problems.high, found.per_complaint) == (0, 0, 100, None)
    assert [gate.is_open for gate in iceberg.check(empty)] == [False, False, False]
    lists = ENGINES[engine](pl.DataFrame({"customer_id": pl.Series([], dtype=pl.String)}))
    assert iceberg.captured(lists, lists).total.value == 0


def test_answers_without_anybody_to_compare_with_have_no_price() -> None:
    made = by_group(iceberg.damage(survey(silent=(40, 20)), customers=100, value=10))
    assert made["silent"]["amount"] is None
    assert made["silent"]["stayed"] == 0.5


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"complained": [1]}, "no column 'had_problem'"),
        ({"had_problem": [1], "complained": [None]}, "'complained': 1 rows have no answer"),
        ({"had_problem": [2], "complained": [1]}, "'had_problem': 1 rows say neither yes"),
        ({"had_problem": ["yes"], "complained": ["no"]}, "'had_problem' holds String, for example 'yes'"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(columns: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        iceberg.asked(pl.DataFrame(columns), customers=10)
    with pytest.raises(InputError, match="cannot be -1"):
        iceberg.asked(survey(), customers=-1)
    with pytest.raises(InputError, match="no column 'stayed'"):
        iceberg.damage(survey().drop("stayed"), customers=1, value=1)


def test_thin_answers_close_the_gates() -> None:
    gates = {gate.name: gate for gate in iceberg.check(survey(no_problem=(70, 1), silent=(28, 1), complained=(4, 1)))}
    assert gates["asked"].is_open
    assert gates["problems"].is_open
    assert not gates["complaints"].is_open
    assert "4" in gates["complaints"].reason


def test_sentences() -> None:
    found = iceberg.asked(survey(no_problem=(900, 900), silent=(95, 0), complained=(5, 0)), customers=50_000)
    told = iceberg.said(found, lost=Estimate(123_400, 50_000, 200_000), currency="EUR")
    assert "19 others" in told
    assert "4,750 customers in all" in told
    assert "€1,234" in told
    assert (
        iceberg.said(iceberg.asked(survey(no_problem=(9, 9)), customers=9))
        == "None of the customers asked had a problem."
    )
    assert iceberg.said(iceberg.asked(survey(silent=(9, 9)), customers=90)).startswith(
        "Nobody who had a problem said so"
    )
    for code in language.LANGUAGES:
        with language.spoken(code):
            assert "4" in iceberg.said(found)
