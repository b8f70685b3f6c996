"""What drives satisfaction: published weights, known properties, simulated truth, every kind of table."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from querencia.insight import InputError, drivers, language
from tests.insight.logs import ENGINES, rows
from tests.insight.test_engines import close

# Motor Trend's 32 cars (Henderson & Velleman 1981, Biometrics 37): mpg, cyl, disp, hp, wt, gear.
CARS = """
21 6 160 110 2.62 4|21 6 160 110 2.875 4|22.8 4 108 93 2.32 4|21.4 6 258 110 3.215 3|18.7 8 360 175 3.44 3
18.1 6 225 105 3.46 3|14.3 8 360 245 3.57 3|24.4 4 146.7 62 3.19 4|22.8 4 140.8 95 3.15 4|19.2 6 167.6 123 3.44 4
17.8 6 167.6 123 3.44 4|16.4 8 275.8 180 4.07 3|17.3 8 275.8 180 3.73 3|15.2 8 275.8 180 3.78 3|10.4 8 472 205 5.25 3
10.4 8 460 215 5.424 3|14.7 8 440 230 5.345 3|32.4 4 78.7 66 2.2 4|30.4 4 75.7 52 1.615 4|33.9 4 71.1 65 1.835 4
21.5 4 120.1 97 2.465 3|15.5 8 318 150 3.52 3|15.2 8 304 150 3.435 3|13.3 8 350 245 3.84 3|19.2 8 400 175 3.845 3
27.3 4 79 66 1.935 4|26 4 120.3 91 2.14 5|30.4 4 95.1 113 1.513 5|15.8 8 351 264 3.17 5|19.7 6 145 175 2.77 5
15 8 301 335 3.57 5|21.4 4 121 109 2.78 4
"""
OVERALL, ASPECTS = "overall", ["staff", "price", "speed"]


def cars() -> pl.DataFrame:
    numbers = [[float(n) for n in row.split()] for row in CARS.strip().replace("\n", "|").split("|")]
    return pl.DataFrame(numbers, schema=["mpg", "cyl", "disp", "hp", "wt", "gear"], orient="row")


def survey(answers: int = 900, seed: int = 4) -> pl.DataFrame:
    """Staff counts twice as much as price, and is done worse; speed does not count at all."""
    random = np.random.default_rng(seed)
    mood = random.normal(0, 0.7, answers)
    given = {name: np.clip(np.round(random.normal(middle, 2, answers) + mood), 0, 10) for name, middle in (
        ("staff", 5), ("price", 7.5), ("speed", 8)
    )}  # fmt: skip
    overall = np.clip(np.round(0.6 * given["staff"] + 0.3 * given["price"] + random.normal(0, 1.2, answers)), 0, 10)
    return pl.DataFrame({OVERALL: overall, **given}).cast(pl.Int64)


def by_driver(table: Any) -> dict[str, dict[str, Any]]:
    return {row["driver"]: row for row in rows(table, "driver")}


@pytest.mark.parametrize(
    "published",
    # The rwa package for R, its vignettes.
    [
        {
            "cyl": (0.2096904, 0.2470916),
            "disp": (0.1883043, 0.2218908),
            "hp": (0.1799590, 0.2120570),
            "wt": (0.2706812, 0.3189607),
        },
        {
            "cyl": (0.2284797, 0.2932274),
            "disp": (0.2221469, 0.2850999),
            "hp": (0.2321744, 0.2979691),
            "gear": (0.0963886, 0.1237037),
        },
    ],
)
def test_the_published_relative_weights(published: dict[str, tuple[float, float]]) -> None:
    made = by_driver(drivers.weights(cars(), outcome="mpg", drivers=list(published)))
    for name, (weight, share) in published.items():
        assert made[name]["weight"] == pytest.approx(weight, abs=1e-6)
        assert made[name]["share"] == pytest.approx(share, abs=1e-6)
        assert made[name]["low"] < weight < made[name]["high"]


def test_the_weights_add_up_to_what_the_regression_explains() -> None:
    table = survey()
    made = rows(drivers.weights(table, outcome=OVERALL, drivers=ASPECTS), "driver")
    x = np.column_stack([np.ones(len(table)), table.select(ASPECTS).to_numpy()])
    y = table[OVERALL].to_numpy()
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert sum(row["weight"] for row in made) == pytest.approx(1 - rest.var() / y.var())
    assert sum(row["share"] for row in made) == pytest.approx(1)


def test_drivers_that_do_not_go_together_weigh_their_squared_correlation() -> None:
    square = pl.DataFrame({"a": [0, 0, 1, 1] * 3, "b": [0, 1, 0, 1] * 3, "y": [1, 2, 4, 6, 1, 3, 4, 7, 0, 2, 5, 6]})
    made = by_driver(drivers.weights(square, outcome="y", drivers=["a", "b"]))
    for name in ("a", "b"):
        assert made[name]["weight"] == pytest.approx(np.corrcoef(square[name], square["y"])[0, 1] ** 2)
        assert made[name]["correlation"] == pytest.approx(np.corrcoef(square[name], square["y"])[0, 1])


def test_the_unit_of_an_answer_changes_nothing() -> None:
    table = survey(300)
    other = table.with_columns(staff=pl.col("staff") * -10 + 3, overall=pl.col(OVERALL) * 2 + 1)
    ours, theirs = (by_driver(drivers.weights(t, outcome=OVERALL, drivers=ASPECTS)) for t in (table, other))
    for name in ASPECTS:
        assert ours[name]["weight"] == pytest.approx(theirs[name]["weight"])
    assert ours["staff"]["correlation"] == pytest.approx(-theirs["staff"]["correlation"])


def test_the_same_question_asked_twice_shares_its_weight() -> None:
    table = survey(300).with_columns(again=pl.col("staff"))
    once = by_driver(drivers.weights(table, outcome=OVERALL, drivers=["staff", "price"]))
    twice = by_driver(drivers.weights(table, outcome=OVERALL, drivers=["staff", "again", "price"]))
    assert twice["staff"]["weight"] == pytest.approx(twice["again"]["weight"])
    assert sum(row["weight"] for row in twice.values()) == pytest.approx(sum(row["weight"] for row in once.values()))


def test_weights_find_what_the_answers_were_made_of() -> None:
    made = drivers.weights(survey(), outcome=OVERALL, drivers=ASPECTS)
    assert made["driver"].to_list() == ["staff", "price", "speed"]
    named = by_driver(made)
    assert named["staff"]["share_low"] > 0.6
    assert named["speed"]["share_high"] < 0.12
    assert named["staff"]["mean"] == pytest.approx(survey()["staff"].mean())


def test_what_to_work_on() -> None:
    made = by_driver(drivers.importance_performance(survey(), outcome=OVERALL, drivers=ASPECTS, scale=(0, 10)))
    assert {name: row["quadrant"] for name, row in made.items()} == {
        "staff": "concentrate",
        "price": "overkill",
        "speed": "overkill",
    }
    assert made["staff"]["certainty"] == 1.0
    assert made["staff"]["performance"] == pytest.approx(made["staff"]["mean"] / 10)
    assert sum(row["importance"] for row in made.values()) == pytest.approx(1)
    assert "work on it first (sure to 100%)" in drivers.said(made["staff"])


def test_one_driver_punishes_by_the_difference_of_means() -> None:
    table = pl.DataFrame({"x": [1, 1, 5, 5, 5, 9, 9, 9], OVERALL: [2, 4, 6, 7, 8, 7, 8, 9]})
    made = rows(drivers.penalty_reward(table, outcome=OVERALL, drivers=["x"], low=3, high=8))[0]
    assert (made["penalty"], made["reward"]) == pytest.approx((3 - 7, 8 - 7))
    assert made["asymmetry"] == pytest.approx(-3)
    assert (made["low_answers"], made["high_answers"]) == (2, 3)


def test_kinds_of_drivers_are_told_apart() -> None:
    random = np.random.default_rng(1)
    names = ["clean", "gift", "price", "colour"]
    given = {name: random.integers(0, 11, 4_000) for name in names}
    effect = {"clean": (-2.0, 0.2), "gift": (-0.2, 2.0), "price": (-1.0, 1.0), "colour": (0, 0)}
    overall = 6 + random.normal(0, 1, 4_000)
    for name, (penalty, reward) in effect.items():
        overall += penalty * (given[name] <= 3) + reward * (given[name] >= 8)
    table = pl.DataFrame({OVERALL: overall, **given})
    made = by_driver(drivers.penalty_reward(table, outcome=OVERALL, drivers=names, low=3, high=8))
    assert {name: row["kind"] for name, row in made.items()} == {
        "clean": "basic",
        "gift": "excitement",
        "price": "performance",
        "colour": "indifferent",
    }
    for name, (penalty, reward) in effect.items():
        assert made[name]["penalty_low"] < penalty < made[name]["penalty_high"]
        assert made[name]["reward_low"] < reward < made[name]["reward_high"]
    assert "taken for granted" in drivers.said(made["clean"])


def test_what_is_alike_is_called_lopsided_as_seldom_as_it_should() -> None:
    random, covered = np.random.default_rng(5), 0
    for _trial in range(200):
        given = random.integers(0, 11, 200)
        # Excelling customers differ more among themselves: the interval must hold there too.
        overall = 6 - (given <= 3) + (given >= 8) * random.normal(1, 2, 200) + random.normal(0, 1, 200)
        table = pl.DataFrame({OVERALL: overall, "x": given})
        row = rows(drivers.penalty_reward(table, outcome=OVERALL, drivers=["x"], low=3, high=8))[0]
        covered += row["asymmetry_low"] < 0 < row["asymmetry_high"]
    assert 180 <= covered <= 199


def test_where_nobody_failed_the_penalty_is_unknown() -> None:
    table = pl.DataFrame({"x": [5, 6, 9, 9] * 5, "y": [1, 5, 5, 9] * 5, OVERALL: [5, 6, 8, 9] * 5})
    made = by_driver(drivers.penalty_reward(table, outcome=OVERALL, drivers=["x", "y"], low=3, high=8))
    assert (made["x"]["penalty"], made["x"]["asymmetry"], made["x"]["low_answers"]) == (None, None, 0)
    assert made["y"]["penalty"] is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_figures(engine: str) -> None:
    table = survey(300).with_columns(price=pl.when(pl.col("price") > 9).then(None).otherwise(pl.col("price")))
    given = ENGINES[engine](table)
    for compute in (
        lambda t: drivers.weights(t, outcome=OVERALL, drivers=ASPECTS, draws=50),
        lambda t: drivers.importance_performance(t, outcome=OVERALL, drivers=ASPECTS, draws=50),
        lambda t: drivers.penalty_reward(t, outcome=OVERALL, drivers=ASPECTS, low=3, high=8),
    ):
        expected = rows(compute(table), "driver")
        made = [{name: close(value) for name, value in row.items()} for row in rows(compute(given), "driver")]
        assert made == expected
    gate = drivers.check(given, outcome=OVERALL, drivers=ASPECTS)[0]
    assert gate.facts["left_out"] == table["price"].null_count() > 0
    assert gate.facts["count"] == 300 - gate.facts["left_out"]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_table_gives_an_empty_answer(engine: str) -> None:
    empty = ENGINES[engine](survey(10).clear())
    assert rows(drivers.weights(empty, outcome=OVERALL, drivers=ASPECTS)) == []
    assert rows(drivers.importance_performance(empty, outcome=OVERALL, drivers=ASPECTS)) == []
    assert rows(drivers.penalty_reward(empty, outcome=OVERALL, drivers=ASPECTS, low=3, high=8)) == []
    assert [gate.is_open for gate in drivers.check(empty, outcome=OVERALL, drivers=ASPECTS)] == [False, False]


def test_answers_that_never_change_explain_nothing() -> None:
    table = pl.DataFrame({OVERALL: [7] * 40, "staff": [1, 2] * 20, "price": [5] * 40})
    made = rows(drivers.weights(table, outcome=OVERALL, drivers=["staff", "price"]), "driver")
    assert [row["weight"] for row in made] == [0, 0]
    assert [row["share"] for row in made] == [0, 0]
    assert len(rows(drivers.importance_performance(table, outcome=OVERALL, drivers=["staff", "price"]))) == 2
    gates = drivers.check(table, outcome=OVERALL, drivers=["staff", "price"])
    assert [gate.is_open for gate in gates] == [False, False]
    assert "nothing to explain" in gates[1].reason
    assert "40" in gates[0].reason


def test_one_answer_is_an_answer() -> None:
    table = pl.DataFrame({OVERALL: [7], "staff": [3]})
    assert rows(drivers.weights(table, outcome=OVERALL, drivers=["staff"]))[0]["weight"] == 0
    made = rows(drivers.penalty_reward(table, outcome=OVERALL, drivers=["staff"], low=3, high=8))[0]
    assert (made["penalty"], made["kind"]) == (None, "indifferent")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"outcome": OVERALL, "drivers": []}, "between 1 and 60 drivers"),
        ({"outcome": OVERALL, "drivers": [OVERALL]}, "other than the outcome 'overall'"),
        ({"outcome": OVERALL, "drivers": ["smell"]}, "no column 'smell'"),
        ({"outcome": "word", "drivers": ["staff"]}, "'word' holds String, not numbers: 300 rows, for example 'good'"),
        ({"outcome": OVERALL, "drivers": ["staff"], "draws": 3}, "at least 20 draws"),
    ],
)
def test_wrong_settings_are_told(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        drivers.weights(survey(300).with_columns(word=pl.lit("good")), **arguments)


def test_a_scale_and_its_ends_must_be_in_order() -> None:
    with pytest.raises(InputError, match="low=8, high=3"):
        drivers.penalty_reward(survey(), outcome=OVERALL, drivers=ASPECTS, low=8, high=3)
    with pytest.raises(InputError, match="A scale goes"):
        drivers.importance_performance(survey(), outcome=OVERALL, drivers=ASPECTS, scale=(10, 0))


def test_sentences() -> None:
    made = by_driver(drivers.weights(survey(), outcome=OVERALL, drivers=ASPECTS))
    assert drivers.said(made["staff"]).startswith("staff makes up ")
    for code in language.LANGUAGES:
        with language.spoken(code):
            assert "staff" in drivers.said(made["staff"])
            for kind in drivers.KINDS:
                assert "staff" in drivers.said({"driver": "staff", "kind": kind})
            for quadrant in drivers.QUADRANTS:
                assert "staff" in drivers.said({"driver": "staff", "quadrant": quadrant, "certainty": 0.9})
