"""What contact changes: against published intervals, by hand, on a real experiment, and on simulated truth."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from querencia.insight import InputError, language, uplift
from tests.insight.logs import ENGINES, rows
from tests.insight.test_engines import close

COVARIATES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]


def shares(contacted: tuple[int, int], control: tuple[int, int]) -> pl.DataFrame:
    """An experiment of (yes, of all) in each arm."""
    made = [
        (arm, outcome)
        for arm, (yes, everybody) in (("letter", contacted), ("control", control))
        for outcome in [1] * yes + [0] * (everybody - yes)
    ]
    return pl.DataFrame(made, schema=["arm", "outcome"], orient="row")


def simulated(customers: int = 4_000, seed: int = 5, *, chosen: bool = False, lots: bool = False) -> pl.DataFrame:
    """Contact brings 0.15 more answers of customers with ``need``, none of others; ``size`` moves all alike."""
    random = np.random.default_rng(seed)
    need, size = random.integers(0, 2, customers), random.normal(size=customers)
    chance = np.where(size > 0, 0.7, 0.3) if chosen or lots else np.full(customers, 0.5)
    contacted = random.random(customers) < chance
    answers = random.random(customers) < 0.2 + 0.1 * (size > 0) + 0.15 * need * contacted
    table = pl.DataFrame(
        {
            "customer_id": range(customers),
            "arm": np.where(contacted, "letter", "control"),
            "outcome": answers.astype(int),
            "need": need,
            "size": size,
            "branch": random.choice(["north", "south"], customers),
        }
    )
    return table.with_columns(propensity=pl.Series(chance)) if lots else table


def hillstrom(folder: Path, outcome: str = "visit") -> pl.DataFrame:
    table = pl.read_csv(folder / "experiments" / "hillstrom.csv")
    made: pl.DataFrame = uplift.experiment(table, columns={"arm": "segment", "outcome": outcome}, control="No E-Mail")
    return made


@pytest.mark.parametrize(
    ("contacted", "control", "published"),
    # Newcombe (1998), table II, method 10.
    [((56, 70), (48, 80), (0.2, 0.0524, 0.3339)), ((9, 10), (3, 10), (0.6, 0.1705, 0.8090))],
)
def test_the_published_intervals_of_a_difference_of_shares(
    contacted: tuple[int, int], control: tuple[int, int], published: tuple[float, ...]
) -> None:
    arm = rows(uplift.effects(shares(contacted, control)), "arm")[1]
    assert [arm[name] for name in ("effect", "effect_low", "effect_high")] == pytest.approx(published, abs=5e-5)


def test_a_difference_of_means_is_that_of_welch() -> None:
    random = np.random.default_rng(1)
    one, other = random.gamma(2, 30, 40), random.gamma(2, 20, 55)
    table = pl.DataFrame({"arm": ["a"] * 40 + ["control"] * 55, "outcome": [*one, *other]})
    arm = rows(uplift.effects(table), "arm")[0]
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    assert arm["effect"] == pytest.approx(one.mean() - other.mean())
    assert (arm["effect_low"], arm["effect_high"]) == pytest.approx((expected.low, expected.high))


def test_the_known_facts_of_the_real_experiment(shared_data: Path) -> None:
    visits = {row["arm"]: row for row in rows(uplift.effects(hillstrom(shared_data)), "arm")}
    spends = {row["arm"]: row for row in rows(uplift.effects(hillstrom(shared_data, "spend")), "arm")}
    table = hillstrom(shared_data)
    published = {"Mens E-Mail": (0.1828, 1.4226), "Womens E-Mail": (0.1514, 1.0772), "control": (0.1062, 0.6528)}
    for arm, (visit, spend) in published.items():
        # Ours is half of the test: its own figures are exact, and those of the whole lie within their intervals.
        assert visits[arm]["mean"] == pytest.approx(table.filter(pl.col("arm") == arm)["outcome"].mean())
        assert visits[arm]["low"] < visit < visits[arm]["high"]
        assert spends[arm]["low"] < spend < spends[arm]["high"]
        if arm != "control":
            assert visits[arm]["effect_low"] < visit - 0.1062 < visits[arm]["effect_high"]
            assert spends[arm]["effect_low"] < spend - 0.6528 < spends[arm]["effect_high"]
            assert visits[arm]["effect_low"] > 0
    gates = uplift.check(table, covariates=COVARIATES)
    assert [gate.name for gate in gates] == ["arms", "customers", "randomised"]
    assert all(gate.is_open for gate in gates)
    assert all(abs(row["difference"]) < 0.05 for row in rows(uplift.balance(table, covariates=COVARIATES)))


@pytest.mark.parametrize("learner", ["t", "x", "class"])
def test_learners_find_whom_the_real_letter_changed(shared_data: Path, learner: Any) -> None:
    table = hillstrom(shared_data)
    model = uplift.UpliftModel(learner=learner, base="linear").fit(table, covariates=COVARIATES, arm="Womens E-Mail")
    naive = {row["arm"]: row["effect"] for row in rows(uplift.effects(table), "arm")}["Womens E-Mail"]
    assert model.effect_mean_.low < naive < model.effect_mean_.high
    assert model.qini_.low > 0
    assert model.auuc_.value > naive / 2
    # The letter about women's things works on those who bought them before: known since the contest of 2008.
    found = model.effects(table.with_row_index("customer_id")).join(
        table.with_row_index("customer_id"), on="customer_id"
    )
    means = {
        row["womens"]: row["effect"] for row in rows(found.group_by("womens").agg(pl.col("effect").mean()), "womens")
    }
    assert means[1] > 0.06 > 0.04 > means[0]
    policy = model.policy(value=150, cost=5)
    assert policy.against_everybody.low > 0
    assert 0.4 < policy.share < 0.7
    assert policy.said("USD").startswith("Contacting the 5")


def test_chosen_customers_are_refused(shared_data: Path) -> None:
    table = hillstrom(shared_data)
    # As a firm would: letters went to the recent, those who had not bought for long were left alone.
    chosen = table.filter((pl.col("arm") != "control") | (pl.col("recency") > 3))
    gate = uplift.check(chosen, covariates=COVARIATES)[2]
    assert not gate.is_open
    assert "most in recency" in gate.reason
    with pytest.raises(uplift.NotRandomised, match="already differed"):
        uplift.UpliftModel().fit(chosen, covariates=COVARIATES, arm="Mens E-Mail")
    with pytest.raises(uplift.NotRandomised, match="cannot be checked"):
        uplift.UpliftModel().fit(table, covariates=[], arm="Mens E-Mail")


@pytest.mark.slow
def test_a_fair_lot_is_refused_as_seldom_as_it_should() -> None:
    worse = 0
    for seed in range(200):
        (found,) = uplift.check(simulated(400, seed))[2:]
        assert found.name == "randomised"
        worse += not found.is_open
    assert worse <= 3


def test_a_known_chance_makes_uneven_arms_comparable() -> None:
    uneven = simulated(20_000, lots=True)
    assert uplift.check(uneven)[2].is_open
    assert not uplift.check(uneven.drop("propensity"))[2].is_open
    weighed = rows(uplift.effects(uneven), "arm")[1]
    naive = rows(uplift.effects(uneven.drop("propensity")), "arm")[1]
    # The truth is 0.15 for one half and 0 for the other.
    assert weighed["effect_low"] < 0.075 < weighed["effect_high"]
    assert naive["effect_low"] > 0.085
    model = uplift.UpliftModel(base="linear").fit(uneven)
    assert model.effect_mean_.low < 0.075 < model.effect_mean_.high


@pytest.mark.slow
@pytest.mark.parametrize("base", ["best", "boosted", "linear"])
def test_learners_find_the_truth_they_were_not_told(base: Any) -> None:
    table = simulated(6_000)
    model = uplift.UpliftModel(base=base).fit(table)
    found = model.effects(table).join(table, on="customer_id")
    means = {row["need"]: row["effect"] for row in rows(found.group_by("need").agg(pl.col("effect").mean()), "need")}
    assert means[1] == pytest.approx(0.15, abs=0.04)
    assert means[0] == pytest.approx(0.0, abs=0.04)
    assert model.qini_.low > 0
    assert "better than a lot does." in model.said()
    # Contact costs more than it brings to those without need: leaving them alone saves about half of the cost.
    policy = model.policy(value=100, cost=5)
    assert policy.share == pytest.approx(0.5, abs=0.1)
    truth = 0.5 * 6_000 * 5
    assert policy.against_everybody.low < truth < policy.against_everybody.high


def test_without_any_difference_between_customers_the_model_says_so() -> None:
    random = np.random.default_rng(2)
    table = simulated(3_000).with_columns(outcome=pl.Series((random.random(3_000) < 0.3).astype(int)))
    model = uplift.UpliftModel(base="linear").fit(table)
    assert model.qini_.low < 0 < model.qini_.high
    assert "contact everybody or nobody" in model.said()
    assert uplift.UpliftModel(base="linear").fit(table).policy(value=0, cost=1).share == 0
    assert model.policy(value=0, cost=1).said("EUR").startswith("Contact pays for nobody")


def test_curves_by_hand() -> None:
    # Ranked: contacted yes, control no, contacted no, control yes.
    effect, outcome, treated = [4, 3, 2, 1], [1, 0, 0, 1], [1, 0, 1, 0]
    drawn = uplift.curve(effect, outcome, treated)
    assert drawn["share"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert drawn["gain"].tolist() == [0, 0.25, 0.5, 0.375, 0]
    assert drawn["qini"].tolist() == [0, 0.5, 0.5, 0.5, 0]
    assert uplift.auuc(effect, outcome, treated) == pytest.approx(0.28125)
    assert uplift.qini(effect, outcome, treated) == pytest.approx(0.375)
    backwards = uplift.qini([-one for one in effect], outcome, treated)
    assert backwards < 0


def test_equal_ranks_are_a_lot() -> None:
    drawn = uplift.curve([1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0])
    assert drawn["share"].tolist() == [0, 1]
    assert uplift.qini([1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0]) == 0
    assert uplift.auuc([1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0]) == pytest.approx(0.5)
    assert uplift.qini([], [], []) == 0


def test_a_better_ranking_has_a_larger_qini() -> None:
    random = np.random.default_rng(9)
    truth = random.random(20_000)
    treated = random.integers(0, 2, 20_000)
    outcome = (random.random(20_000) < 0.3 + 0.4 * (truth - 0.5) * treated).astype(int)
    perfect, noisy = (uplift.qini(truth + noise * random.normal(size=20_000), outcome, treated) for noise in (0, 1))
    # ∫ of the effect of those above a share, less the line: 0.4·∫(φ/2 - φ²/2) = 0.4/12.
    assert perfect == pytest.approx(0.4 / 12, abs=0.01)
    assert 0 < noisy < perfect


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_figures(engine: str) -> None:
    table = simulated(600).with_columns(pl.when(pl.col("size") < -1).then(None).otherwise(pl.col("size")).alias("size"))
    given = ENGINES[engine](table)

    def same(compute: Any, by: str) -> None:
        expected = rows(compute(table), by)
        assert [{name: close(value) for name, value in row.items()} for row in rows(compute(given), by)] == expected

    same(uplift.effects, "arm")
    same(uplift.balance, "covariate")
    same(lambda t: uplift.experiment(t, columns={"outcome": "need"}), "customer_id")
    assert [gate.reason for gate in uplift.check(given)] == [gate.reason for gate in uplift.check(table)]
    models = [uplift.UpliftModel(base="linear").fit(t) for t in (given, table)]
    assert models[0].qini_ == pytest.approx(models[1].qini_) or models[0].qini_.value == pytest.approx(
        models[1].qini_.value
    )
    ours, theirs = (rows(models[0].effects(t), "customer_id") for t in (given, table))
    assert [row["effect"] for row in ours] == pytest.approx([row["effect"] for row in theirs], rel=1e-6)


def test_the_order_of_rows_changes_nothing() -> None:
    table = simulated(800)
    models = [uplift.UpliftModel(base="linear").fit(t) for t in (table, table.sample(fraction=1, shuffle=True, seed=1))]
    assert models[0].qini_ == models[1].qini_
    assert models[0].policy(value=100, cost=5) == models[1].policy(value=100, cost=5)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_table_gives_an_empty_answer(engine: str) -> None:
    empty = ENGINES[engine](simulated(10).clear())
    assert rows(uplift.effects(empty)) == []
    assert rows(uplift.balance(empty)) == []
    assert rows(uplift.experiment(empty)) == []
    assert [gate.is_open for gate in uplift.check(empty)] == [False] * 3
    with pytest.raises(uplift.NotRandomised):
        uplift.UpliftModel().fit(empty)
    model = uplift.UpliftModel(base="linear").fit(simulated(400))
    assert rows(model.effects(empty)) == []


def test_arms_of_one_customer_and_missing_arms() -> None:
    lonely = pl.DataFrame({"arm": ["a", "control"], "outcome": [2.5, 1.0], "x": [1, 2]})
    arm = rows(uplift.effects(lonely), "arm")[0]
    assert (arm["effect"], arm["effect_low"], arm["low"]) == (1.5, None, None)
    gates = uplift.check(lonely)
    assert [gate.is_open for gate in gates] == [True, False, True]
    only = rows(uplift.effects(lonely.filter(pl.col("arm") == "a")), "arm")
    assert [(row["arm"], row["effect"]) for row in only] == [("a", None)]
    with pytest.raises(uplift.NotRandomised, match="left alone to compare with: 0"):
        uplift.UpliftModel().fit(lonely.filter(pl.col("arm") == "a"))


def test_arms_of_true_and_false() -> None:
    table = pl.DataFrame({"sent": [True, True, False], "outcome": [True, False, False]})
    made = uplift.experiment(table, columns={"arm": "sent"}, control=False)
    assert made["arm"].to_list() == ["contacted", "contacted", "control"]
    assert [row["mean"] for row in rows(uplift.effects(made), "arm")] == [0.5, 0]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"arm": ["a", None], "outcome": [1, 0]}, "'arm': 1 rows do not say"),
        ({"arm": ["a", "control"], "outcome": [1, None]}, "'outcome': 1 rows have no outcome"),
        ({"arm": ["a", "control"], "outcome": [1.0, float("nan")]}, "'outcome': 1 rows have no outcome"),
        ({"arm": ["a", "control"], "outcome": ["yes", "no"]}, "'outcome' holds String, not numbers: 2 rows"),
        ({"arm": ["a", "control"], "outcome": [1, 0], "propensity": [0.5, 1.0]}, "'propensity': 1 rows have no chance"),
        ({"arm": ["a", "b"], "outcome": [1, 0], "propensity": [0.5, 0.5]}, "one arm beside control, not 2"),
        ({"outcome": [1]}, "no column 'arm'"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(columns: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        uplift.experiment(pl.DataFrame(columns))


def test_wrong_settings_are_told() -> None:
    table = simulated(200)
    with pytest.raises(InputError, match="'t', 'x' or 'class'"):
        uplift.UpliftModel(learner="s")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'boosted', 'linear' or 'best'"):
        uplift.UpliftModel(base="deep")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="two folds"):
        uplift.UpliftModel(folds=1)
    with pytest.raises(InputError, match="no arm 'call'"):
        uplift.UpliftModel().fit(table, arm="call")
    with pytest.raises(InputError, match="'age' is no column known before"):
        uplift.UpliftModel().fit(table, covariates=["age"])
    with pytest.raises(InputError, match="not fitted yet"):
        uplift.UpliftModel().policy(value=1, cost=1)
    model = uplift.UpliftModel(base="linear").fit(simulated(400))
    with pytest.raises(InputError, match="A cost is an amount"):
        model.policy(value=1, cost=-1)
    with pytest.raises(InputError, match="several rows"):
        model.effects(pl.concat([table, table]))
    many = table.with_columns(arm=pl.Series(["a", "b", "control", "d"] * 50))
    with pytest.raises(InputError, match="3 arms beside control"):
        uplift.UpliftModel().fit(many)


def test_reasons_follow_the_language() -> None:
    with language.spoken("es"):
        assert all(gate.reason for gate in uplift.check(simulated(300)))
