"""How long customers stay, against the published tables of the field, on a real file, and with every kind of table."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from querencia.insight import InputError, language, survival
from querencia.insight.lifetime import ShiftedBetaGeoModel
from tests.insight.logs import ENGINES, rows
from tests.insight.test_engines import close

# Freireich et al. (1963), Blood 21: weeks in remission; 6-MP has 12 patients who were still in remission.
SIX_MP = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

# Singer & Willett (2003), Applied Longitudinal Data Analysis, table 11.1: boys at risk and events, grades 7 to 12.
STAYED_WITH_PARENTS = [72, 70, 68, 60, 52, 42], [2, 2, 8, 8, 10, 8]
CHANGED_PARENTS = [108, 95, 90, 74, 53, 38], [13, 5, 16, 21, 15, 18]


def freireich() -> pl.DataFrame:
    events, censored = SIX_MP
    return pl.DataFrame(
        {
            "customer_id": range(42),
            "tenure": [*events, *censored, *PLACEBO],
            "left": [1] * 9 + [0] * 12 + [1] * 21,
            "arm": ["6-MP"] * 21 + ["placebo"] * 21,
        }
    )


def grades() -> pl.DataFrame:
    made = []
    for changed, (at_risk, events) in enumerate((STAYED_WITH_PARENTS, CHANGED_PARENTS)):
        made += [(grade, 1, changed, count) for grade, count in enumerate(events, 1)]
        made.append((6, 0, changed, at_risk[-1] - events[-1]))
    return pl.DataFrame(made, schema=["tenure", "left", "changed", "weight"], orient="row")


def telco(folder: Path) -> pl.DataFrame:
    table = pl.read_csv(folder / "churn" / "telco.csv", schema_overrides={"TotalCharges": pl.String})
    made: pl.DataFrame = survival.contracts(
        table, columns={"customer_id": "customerID", "left": "Churn"}, left_value="Yes"
    )
    return made


def test_kaplan_meier_of_the_published_remissions() -> None:
    curve = {row["tenure"]: row for row in rows(survival.curve(freireich().filter(pl.col("arm") == "6-MP")), "tenure")}
    # Kaplan–Meier, Greenwood's error and the log(-log) interval, as in Klein & Moeschberger, tables 4.1 and 4.3.
    published = {
        6: (21, 3, 0.857, 0.076, 0.620, 0.952),
        7: (17, 1, 0.807, 0.087, 0.563, 0.923),
        10: (15, 1, 0.753, 0.096, 0.503, 0.889),
        13: (12, 1, 0.690, 0.107, 0.432, 0.849),
        16: (11, 1, 0.6275, 0.114, 0.368, 0.805),
        22: (7, 1, 0.538, 0.128, 0.268, 0.747),
        23: (6, 1, 0.448, 0.135, 0.188, 0.680),
    }
    for week, (at_risk, left, *figures) in published.items():
        row = curve[week]
        assert (row["at_risk"], row["left"]) == (at_risk, left)
        assert [row[name] for name in ("share", "standard_error", "low", "high")] == pytest.approx(figures, abs=6e-4)
    assert curve[35]["share"] == curve[23]["share"]
    assert curve[0]["share"] == curve[0]["low"] == curve[0]["high"] == 1


def test_while_nobody_has_left_the_interval_is_that_of_the_customers_at_risk() -> None:
    curve = rows(
        survival.curve(pl.DataFrame({"tenure": [1, 5, 5], "left": [0, 1, 0], "weight": [10, 1, 29]})), "tenure"
    )
    assert [row["share"] for row in curve] == pytest.approx([1, 1, 29 / 30])
    assert curve[1]["low"] == pytest.approx(0.9124, abs=1e-4)  # Wilson, 40 of 40
    assert curve[1]["high"] == 1


def test_how_long_the_published_remissions_last() -> None:
    made = {row["group"]: row for row in rows(survival.typical(freireich(), by="arm"), "group")}
    names = ("median", "median_low", "median_high")
    assert [made["6-MP"][name] for name in names] == [23, 13, None]
    assert [made["placebo"][name] for name in names] == [8, 4, 11]
    assert made["6-MP"]["horizon"] == made["placebo"]["horizon"] == 23
    # Of 21 remissions without a censored one, the restricted mean is the mean.
    assert made["placebo"]["mean"] == pytest.approx(np.mean(PLACEBO))
    assert made["placebo"]["mean_error"] == pytest.approx(np.std(PLACEBO) / 21**0.5)
    alone = rows(survival.typical(freireich().filter(pl.col("arm") == "6-MP"), horizon=35))[0]
    assert (round(alone["mean"], 2), round(alone["mean_error"], 2)) == (23.29, 2.83)


def test_the_published_log_rank_test() -> None:
    compared = survival.compare(freireich(), by="arm")
    assert compared is not None
    assert round(compared.chi_square, 2) == 16.79
    assert compared.degrees_of_freedom == 1
    assert compared.p_value == pytest.approx(4.17e-5, abs=1e-7)
    assert survival.compare(freireich().filter(pl.col("arm") == "6-MP"), by="arm") is None


def test_groups_that_are_alike_do_not_differ() -> None:
    twice = pl.concat([freireich().with_columns(arm=pl.lit(name)) for name in "abc"])
    compared = survival.compare(twice, by="arm")
    assert compared is not None
    assert (compared.chi_square, compared.degrees_of_freedom, compared.p_value) == pytest.approx((0, 2, 1), abs=1e-9)


def test_the_published_hazard_models() -> None:
    # Singer & Willett (2003), table 11.3, models A and B.
    model = survival.HazardModel(baseline="each").fit(grades())
    baseline = [-2.3979, -3.1167, -1.7198, -1.2867, -1.1632, -0.7309]
    assert list(model.params_.values()) == pytest.approx(baseline, abs=6e-5)
    assert list(model.standard_errors_.values()) == pytest.approx(
        [0.2697, 0.3862, 0.2217, 0.2098, 0.2291, 0.2387], abs=6e-5
    )
    assert round(model.deviance_, 2) == 651.96
    model = survival.HazardModel(covariates=["changed"], baseline="each").fit(grades())
    assert list(model.params_.values()) == pytest.approx(
        [-2.9943, -3.7001, -2.2811, -1.8226, -1.6542, -1.1791, 0.8736], abs=6e-5
    )
    assert round(model.standard_errors_["changed"], 4) == 0.2174
    assert round(model.deviance_, 2) == 634.66
    assert (model.customers_, model.left_) == (180, 126)
    assert model.converged_
    assert model.identified_
    assert round(model.effects_[0].odds_ratio, 1) == 2.4
    assert model.effects_[0].is_clear


def test_a_baseline_of_every_period_is_kaplan_meier() -> None:
    contracts = grades().with_columns(customer_id=pl.int_range(pl.len()))
    model = survival.HazardModel(baseline="each").fit(contracts)
    curve = {row["tenure"]: row["share"] for row in rows(survival.curve(contracts), "tenure")}
    fresh = pl.DataFrame({"customer_id": [1], "tenure": [0]})
    for periods in range(1, 7):
        assert model.survival(fresh, periods)["share"][0] == pytest.approx(curve[periods], abs=1e-9)
    later = pl.DataFrame({"customer_id": [1], "tenure": [4]})
    assert model.survival(later, 2)["share"][0] == pytest.approx(curve[6] / curve[4], abs=1e-9)


def test_the_known_facts_of_the_contracts_file(shared_data: Path) -> None:
    contracts = telco(shared_data)
    assert round(100 * contracts["left"].mean(), 2) == 26.54  # type: ignore[operator,arg-type]
    monthly = contracts.filter(pl.col("Contract") == "Month-to-month")
    assert round(100 * monthly["left"].mean(), 2) == 42.71  # type: ignore[operator,arg-type]
    assert (contracts["TotalCharges"].str.strip_chars() == "").sum() == 11
    made = {row["group"]: row for row in rows(survival.typical(contracts, by="Contract"), "group")}
    assert made["Month-to-month"]["customers"] == 3_875
    assert 30 < made["Month-to-month"]["median"] < 40
    assert made["Two year"]["median"] is None
    compared = survival.compare(contracts, by="Contract")
    assert compared is not None
    assert round(compared.chi_square) == 2_353  # lifelines and R's survdiff say the same
    model = survival.HazardModel(covariates=["Contract", "MonthlyCharges", "OnlineSecurity", "OnlineBackup"])
    model.fit(contracts)
    assert model.converged_
    assert model.identified_
    assert model.enough()
    assert model.references_["Contract"] == "Month-to-month"
    effects = {effect.name: effect for effect in model.effects_}
    assert effects["Contract=Two year"].high < effects["Contract=One year"].low < 0.5
    assert model.aliased_ == ("OnlineBackup=No internet service",)
    # The chances are calibrated: those who were to leave in the first year, by the model, are those who did.
    fresh = contracts.with_columns(tenure=0)
    expected = 1 - model.survival(fresh, 12)["share"].mean()
    observed = 1 - {row["tenure"]: row["share"] for row in rows(survival.curve(contracts), "tenure")}[12]
    assert expected == pytest.approx(observed, abs=0.02)


def test_the_model_finds_what_it_was_simulated_with() -> None:
    random = np.random.default_rng(3)
    customers = 6_000
    price, plan = random.normal(50, 10, customers), random.choice(["basic", "plus"], customers, p=[0.7, 0.3])
    odds = -3 + 0.04 * (price - 50) - 1.0 * (plan == "plus")
    chance = 1 / (1 + np.exp(-odds))
    stay = random.geometric(chance)
    seen = random.integers(1, 25, customers)
    contracts = pl.DataFrame(
        {
            "tenure": np.minimum(stay, seen),
            "left": stay <= seen,
            "price": price,
            "plan": plan,
            "noise": random.normal(size=customers),
        }
    )
    model = survival.HazardModel(covariates=["price", "plan", "noise"]).fit(contracts)
    for name, truth in (("price", 0.04), ("plan=plus", -1.0), ("noise", 0.0), ("period 1", -3 - 50 * 0.04)):
        found = next((key for key in model.params_ if key == name or key.startswith("period")), name)
        low, high = model.intervals_[name if name in model.params_ else found]
        assert low - 0.25 * (high - low) < truth < high + 0.25 * (high - low)


def test_where_nobody_of_a_level_left_the_effect_stays_finite_and_says_so() -> None:
    contracts = pl.DataFrame(
        {
            "tenure": [1, 2, 3, 4, 5, 5, 5, 5] * 5,
            "left": [1, 1, 1, 1, 0, 0, 0, 0] * 5,
            "plan": ["basic", "basic", "basic", "basic", "basic", "plus", "plus", "plus"] * 5,
        }
    )
    model = survival.HazardModel(covariates=["plan"]).fit(contracts)
    assert not model.identified_
    assert model.effects_[0].name == "plan=plus"
    assert 0 < model.effects_[0].odds_ratio < 0.3
    assert np.isfinite(list(model.standard_errors_.values())).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_figures(engine: str) -> None:
    table = freireich().with_columns(extra=pl.col("tenure") % 3)
    given = ENGINES[engine](table)

    def same(compute: Any, *by: str) -> None:
        expected = rows(compute(table), *by)
        assert [{name: close(value) for name, value in row.items()} for row in rows(compute(given), *by)] == expected

    same(lambda t: survival.curve(t, by="arm"), "group", "tenure")
    same(lambda t: survival.hazard(t, by="arm"), "group", "tenure")
    same(lambda t: survival.typical(t, by="arm"), "group")
    same(lambda t: survival.contracts(t), "customer_id")
    assert survival.compare(given, by="arm") == survival.compare(table, by="arm")
    models = [survival.HazardModel(covariates=["arm", "extra"]).fit(t) for t in (given, table)]
    assert models[0].params_ == pytest.approx(models[1].params_, rel=1e-9)
    same(lambda t: models[0].survival(t, 6), "customer_id")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_table_gives_an_empty_answer(engine: str) -> None:
    empty = ENGINES[engine](freireich().clear())
    for compute in (survival.curve, survival.hazard, survival.typical):
        assert rows(compute(empty)) == []
        assert rows(compute(empty, by="arm")) == []
    assert rows(survival.contracts(empty)) == []
    assert survival.compare(empty, by="arm") is None
    model = survival.HazardModel(covariates=["arm"]).fit(freireich())
    assert rows(model.survival(empty, 3)) == []
    with pytest.raises(InputError, match="Nobody has left"):
        survival.HazardModel().fit(empty)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"tenure": [1, None], "left": [1, 0]}, "'tenure': 1 rows have no tenure"),
        ({"tenure": [1, -3], "left": [1, 0]}, "'tenure': 1 rows have a tenure below zero"),
        ({"tenure": [1.0, float("inf")], "left": [1, 0]}, "without end"),
        ({"tenure": ["one", "two"], "left": [1, 0]}, "'tenure' holds String, not numbers: 2 rows, for example 'one'"),
        ({"tenure": [1, 2], "left": [1, 2]}, "'left': 1 rows say neither 1"),
        ({"tenure": [1, 2], "left": [None, 1]}, "'left': 1 rows do not say"),
        ({"tenure": [1, 2], "left": ["Yes", "No"]}, "say what it holds for who left, such as left_value='Yes'"),
        ({"tenure": [1, 2], "left": [1, 0], "weight": [1, -1]}, "'weight': 1 rows have a weight below zero"),
        ({"left": [1]}, "no column 'tenure'"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(columns: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        survival.contracts(pl.DataFrame(columns))


@pytest.mark.parametrize(
    ("columns", "covariates", "said"),
    [
        ({"tenure": [1.5, 2], "left": [1, 0]}, [], "'tenure': 1 rows have a tenure that is no whole number"),
        ({"tenure": [0, 2], "left": [1, 0]}, [], "left before their first period"),
        ({"tenure": [1, 2], "left": [0, 0]}, [], "Nobody has left"),
        ({"tenure": [1, 2], "left": [1, 0], "x": [1.0, None]}, ["x"], "'x': 1 rows have no value"),
        ({"tenure": [1, 2], "left": [1, 0]}, ["x"], "'x' is no column that could explain leaving: there are tenure"),
        ({"tenure": [1] * 60, "left": [1] * 60, "x": [str(n) for n in range(60)]}, ["x"], "60 different values"),
    ],
)
def test_a_model_says_what_it_cannot_read(columns: dict[str, list[Any]], covariates: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        survival.HazardModel(covariates=covariates).fit(pl.DataFrame(columns))


def test_wrong_settings_are_told() -> None:
    with pytest.raises(InputError, match="'steps' or 'each'"):
        survival.HazardModel(baseline="weekly")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="fit"):
        survival.HazardModel().survival(freireich(), 1)
    model = survival.HazardModel(covariates=["arm"]).fit(freireich())
    with pytest.raises(InputError, match="'other', which was not there"):
        model.survival(freireich().with_columns(arm=pl.lit("other")), 1)
    with pytest.raises(InputError, match="one period"):
        model.survival(freireich(), 0)
    with pytest.raises(InputError, match="horizon"):
        survival.typical(freireich(), horizon=-1)
    with pytest.raises(InputError, match="never 'Yes'"):
        survival.contracts(freireich(), left_value="Yes")


def test_everybody_leaving_at_once_is_an_answer() -> None:
    contracts = pl.DataFrame({"tenure": [3] * 40, "left": [1] * 40})
    curve = rows(survival.curve(contracts), "tenure")
    assert [row["share"] for row in curve] == [1, 0]
    assert curve[1]["low"] == 0 < curve[1]["high"] < 0.12
    made = rows(survival.typical(contracts))[0]
    assert (made["median"], made["mean"], made["mean_error"]) == (3, 3, 0)
    assert np.isfinite(list(survival.HazardModel().fit(contracts).params_.values())).all()


def test_thin_contracts_close_the_gates() -> None:
    gates = {gate.name: gate for gate in survival.check(freireich(), parameters=2)}
    assert gates["customers"].is_open
    assert gates["leavers"].is_open
    gates = {gate.name: gate for gate in survival.check(freireich().head(12), parameters=2)}
    assert not gates["customers"].is_open
    assert "9" in gates["leavers"].reason
    assert "20" in gates["leavers"].reason


def test_sentences() -> None:
    by_arm = {row["group"]: row for row in rows(survival.typical(freireich(), by="arm"), "group")}
    assert survival.said(by_arm["placebo"], unit="week") == (
        "Half of the customers stay longer than 8 weeks (between 4 and 11)."
    )
    assert "at least 13 weeks" in survival.said(by_arm["6-MP"], unit="week")
    nobody = {**by_arm["placebo"], "median": None}
    assert "stays 8.7 weeks on average (between 6 and 11.4)" in survival.said(nobody, unit="week")
    assert survival.lasting(1, "month") == "1 month"
    with pytest.raises(InputError, match="no unit"):
        survival.lasting(1, "fortnight")  # type: ignore[arg-type]
    effect = survival.HazardModel(covariates=["arm"]).fit(freireich()).effects_[0]
    assert effect.said().startswith("arm=placebo: the odds of leaving are ")
    with language.spoken("es"):
        assert survival.said(by_arm["placebo"], unit="week")


def test_the_shifted_beta_geometric_reads_the_same_contracts() -> None:
    left = -np.diff([1000, 631, 468, 382, 326, 289, 262, 241])
    contracts = pl.DataFrame({"tenure": [*range(1, 8), 7], "left": [1] * 7 + [0], "weight": [*left, 241]})
    model = ShiftedBetaGeoModel().fit(survival.contracts(contracts))
    assert {name: round(value, 3) for name, value in model.params_.items()} == {"alpha": 0.704, "beta": 1.182}
    curve = rows(survival.curve(contracts), "tenure")
    assert curve[1]["share"] == pytest.approx(0.631)
