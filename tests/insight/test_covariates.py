"""Covariates in the models of buying: they say what is there, and nothing where nothing is."""

import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

from querencia.insight import InputError, language, lifetime, rfm, samples
from querencia.insight.lifetime import (
    BetaGeoModel,
    GammaGammaModel,
    ModifiedBetaGeoModel,
    ParetoNBDModel,
    customer_value,
    gamma_gamma,
    groups,
)

KINDS = (BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel)
THEN = datetime.date(1997, 9, 30)


def simulated(kind: type[Any], customers: int, *, seed: int = 1, age: float = 700.0) -> pl.DataFrame:
    """Customers of a web shop and its branches: those of the web buy e^0.5 times as often and leave with e^0.6 times
    the odds (in Pareto/NBD: e^0.6 times as fast); each year more of ``years`` makes them buy e^-0.1 times as often."""
    rng = np.random.default_rng(seed)
    web, years = rng.random(customers) < 0.4, rng.integers(0, 6, customers)
    rate = rng.gamma(0.9, 1 / (40.0 * np.exp(-0.5 * web + 0.1 * years)))
    ages = rng.integers(int(age / 2), int(age) + 1, customers).astype(float)
    leaves_early = kind is ModifiedBetaGeoModel
    if kind is ParetoNBDModel:
        until = np.minimum(rng.exponential(1 / rng.gamma(0.8, 1 / (300.0 * np.exp(-0.6 * web)))), ages)
        chance = np.zeros(customers)
    else:
        chance, until = rng.beta(0.8 * np.exp(0.6 * web), 3.0), ages
    here = rng.random(customers) >= chance * leaves_early
    clock, frequency, recency = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    while here.any():
        clock = clock + rng.exponential(1 / np.maximum(rate, 1e-12))
        bought = here & (clock < until)
        frequency, recency = frequency + bought, np.where(bought, clock, recency)
        here = bought & (rng.random(customers) >= chance)
    return pl.DataFrame(
        {
            "customer_id": np.arange(customers),
            "frequency": frequency.astype(int),
            "recency": np.where(frequency > 0, np.ceil(recency), 0).astype(int),
            "age": ages.astype(int),
            "channel": np.where(web, "web", rng.choice(["north", "south"], customers)),
            "is_web": web,
            "years": years,
        }
    )


@pytest.fixture(scope="module")
def summary() -> pl.DataFrame:
    """The published sample, with what has nothing to do with buying."""
    made: pl.DataFrame = rfm.summary(samples.cdnow(), as_of=THEN).sort("customer_id")
    random = np.random.default_rng(4)
    return made.with_columns(
        channel=pl.Series(random.choice(["web", "shop", "phone", "fax"], len(made), p=[0.5, 0.3, 0.195, 0.005])),
        first_basket=pl.Series(random.integers(1, 9, len(made))),
    )


def test_pareto_nbd_gives_the_likelihoods_that_clvtools_publishes() -> None:
    # CLVTools (R) on its data apparelTrans and apparelStaticCov, pnbd with the covariates Gender and Channel: r 1.8378,
    # alpha 92.9123, s 0.5920, beta 49.6227, trans.Gender 0.2859, trans.Channel 0.6241, life.Gender -0.6430,
    # life.Channel 0.7907. Some customers: x, days to the last purchase, gender, channel, log-likelihood, P(alive).
    found = [
        (6, 653, 0, 0, -25.4325952149119, 0.94786413345444),
        (2, 697, 1, 0, -10.7664359577022, 0.986052889819999),
        (0, 0, 1, 0, -1.20673840601712, 0.402752640694384),
        (11, 682, 1, 1, -37.9656269860332, 0.96345573584913),
        (21, 669, 0, 1, -60.7321957293596, 0.921345941743965),
        (2, 25, 1, 1, -8.06000918233153, 0.034551919373134),
    ]
    names = ["frequency", "recency", "gender", "channel", "likelihood", "alive"]
    table = pl.DataFrame(found, schema=names, orient="row").with_columns(
        pl.int_range(pl.len()).alias("customer_id"), age=pl.lit(728)
    )
    model = ParetoNBDModel(time_unit_days=7, covariates=["gender", "channel"]).fit(table)
    theirs = model.at(np.array([*np.log([1.8378, 92.9123, 0.5920, 49.6227]), 0.2859, 0.6241, -0.6430, 0.7907]))
    assert list(theirs.params_)[4:] == ["buying gender", "buying channel", "leaving gender", "leaving channel"]
    alive = theirs.probability_alive(table).sort("customer_id")["probability_alive"]
    assert alive.to_list() == pytest.approx(table["alive"].to_list(), rel=1e-10)
    scaled = theirs._scaled(groups(table, covariates=["gender", "channel"]))
    values, _slopes = theirs._each(theirs._parameters_of(scaled), scaled)
    assert sorted(values) == pytest.approx(sorted(table["likelihood"]), rel=1e-10)


def written_out(theta: Any, table: pl.DataFrame, z: Any, *, is_modified: bool) -> float:
    """The likelihood as the papers have it: Fader, Hardie & Lee (2005), equation 6; Batislam et al. (2007)."""
    x, t, age = (table[name].to_numpy().astype(float) for name in ("frequency", "recency", "age"))
    columns = z.shape[1]
    r, b = np.exp(theta[0]), np.exp(theta[3])
    alpha = np.exp(theta[1] - z @ theta[4 : 4 + columns])
    a = np.exp(theta[2] + z @ theta[4 + columns :])
    made = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    survived = x + 1 if is_modified else x
    here = betaln(a, b + survived) - betaln(a, b) - (r + x) * np.log(alpha + age)
    with np.errstate(invalid="ignore"):
        gone = betaln(a + 1, b + survived - 1) - betaln(a, b) - (r + x) * np.log(alpha + t)
    gone = np.where(survived > 0, gone, -np.inf)
    return float(-np.sum(made + np.logaddexp(here, gone)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [BetaGeoModel, ModifiedBetaGeoModel])
def test_an_independent_optimiser_finds_the_same_summit(kind: type[BetaGeoModel]) -> None:
    table = simulated(kind, 1_500)
    z = table.select(pl.col("is_web").cast(pl.Float64), pl.col("years").cast(pl.Float64)).to_numpy()

    def loss(theta: Any) -> float:
        return written_out(theta, table, z, is_modified=kind is ModifiedBetaGeoModel) / len(table)

    start = np.array([0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    found = minimize(loss, start, method="BFGS", jac="3-point", options={"gtol": 1e-9, "maxiter": 500})
    model = kind(covariates=["is_web", "years"]).fit(table)
    assert model.log_likelihood_ == pytest.approx(-found.fun * len(table), rel=1e-10)
    assert model.log_params_ == pytest.approx(found.x, rel=1e-6, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_come_back_from_data_they_made(kind: type[Any]) -> None:
    model = kind(covariates=["channel", "years"], leaving_covariates=["is_web"]).fit(simulated(kind, 20_000))
    base = model.references_["channel"]
    assert base == "web"
    assert model.identified_
    truth = {
        "buying channel=north": -0.5,
        "buying channel=south": -0.5,
        "buying years": -0.1,
        "leaving is_web=true": 0.6,
    }
    assert set(truth) == set(model.params_) - set(kind.parameters)
    for name, value in truth.items():
        assert abs(model.params_[name] - value) < 3.5 * model.standard_errors_[name]
        assert 0 < model.standard_errors_[name] < 0.2
    assert model.params_["r"] == pytest.approx(0.9, abs=3.5 * model.standard_errors_["r"] + 0.02)
    assert model.p_value_ < 1e-6
    assert all(effect.is_clear for effect in model.effects_)


@pytest.mark.parametrize("kind", KINDS)
def test_without_effects_every_answer_is_that_of_the_plain_model(kind: type[Any], summary: pl.DataFrame) -> None:
    plain = kind(time_unit_days=7).fit(summary)
    model = kind(time_unit_days=7, covariates=["channel"]).fit(summary)
    idle = model.at(np.append(plain.log_params_, np.zeros(len(model.params_) - 4)))
    for ask in ("expected_purchases", "probability_of_purchase"):
        ours, theirs = (getattr(one, ask)(summary, 90).sort("customer_id") for one in (idle, plain))
        assert ours[ask].to_numpy() == pytest.approx(theirs[ask].to_numpy(), rel=1e-13)
    scaled = model._scaled(groups(summary, covariates=["channel"]))
    values, _slopes = idle._each(idle._parameters_of(scaled), scaled)
    assert float(scaled.weight @ values) == pytest.approx(plain.log_likelihood_, rel=1e-12)
    assert model.plain_log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)
    assert model.log_likelihood_ >= plain.log_likelihood_


def test_no_covariates_are_the_plain_model_to_the_last_digit(summary: pl.DataFrame) -> None:
    plain, empty = (BetaGeoModel(**how).fit(summary) for how in ({}, {"covariates": []}))
    assert empty.params_ == plain.params_
    assert not hasattr(empty, "effects_")


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_those_of_the_likelihood(kind: type[Any], summary: pl.DataFrame) -> None:
    model = kind(time_unit_days=7, covariates=["channel", "first_basket"]).fit(summary.head(400))
    scaled = model._standard(model._scaled(groups(summary.head(400), covariates=["channel", "first_basket"])))
    objective = model._climbed(scaled)
    aside = np.linalg.solve(model._back, model.log_params_) + np.linspace(-0.2, 0.3, len(model.log_params_))
    steps = np.eye(len(aside)) * 1e-5
    by_hand = [(objective(aside + step)[0] - objective(aside - step)[0]) / 2e-5 for step in steps]
    assert objective(aside)[1] == pytest.approx(by_hand, abs=1e-8)


@pytest.mark.slow
def test_what_does_nothing_is_found_out_as_often_as_chance_has_it(summary: pl.DataFrame) -> None:
    some, random = summary.head(600), np.random.default_rng(9)
    p_values = []
    for _trial in range(40):
        useless = some.with_columns(useless=pl.Series(random.choice(["a", "b", "c"], len(some))))
        p_values.append(ModifiedBetaGeoModel(covariates=["useless"]).fit(useless).p_value_)
    # Uniform between 0 and 1: mean 0.5, deviation of the mean of forty 0.046.
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.16)
    assert sum(p < 0.05 for p in p_values) <= 7


def test_levels_of_too_few_customers_count_together(summary: pl.DataFrame) -> None:
    model = ModifiedBetaGeoModel(covariates=["channel"]).fit(summary)
    assert (model.references_, model.joined_) == ({"channel": "web"}, {"channel": ("fax",)})
    # Twelve alone are too few even together: they count as the commonest.
    assert list(model.params_)[4:6] == ["buying channel=phone", "buying channel=shop"]
    split = summary.with_columns(
        channel=pl.when(pl.col("channel") == "phone")
        .then(pl.format("branch {}", pl.int_range(pl.len()) % 25))
        .otherwise("channel")
    )
    model = ModifiedBetaGeoModel(covariates=["channel"]).fit(split)
    assert len(model.joined_["channel"]) >= 20
    assert "buying channel=(others)" in model.params_
    one = split.head(1).with_columns(channel=pl.lit("opened today"), frequency=2, recency=30, age=60)
    known = one.with_columns(channel=pl.lit(model.joined_["channel"][0]))
    said = [model.expected_purchases(each, 90)["expected_purchases"][0] for each in (one, known)]
    assert said[0] == said[1]


def test_a_level_nobody_has_seen_is_refused_by_name(summary: pl.DataFrame) -> None:
    model = BetaGeoModel(covariates=["channel"]).fit(summary.filter(pl.col("channel") != "fax"))
    with pytest.raises(InputError, match="'telex', which was not there") as refused:
        model.expected_purchases(summary.head(3).with_columns(channel=pl.lit("telex")), 90)
    assert refused.value.column == "channel"


@pytest.mark.parametrize(
    ("covariates", "column", "said"),
    [
        (["branch"], "branch", "no column that could explain buying"),
        (["frequency"], "frequency", "no column that could explain buying"),
        (["when"], "when", "a number, a text, or true or false"),
        (["gaps"], "gaps", "2,340 customers have no value"),
        (["blank"], "blank", "1 customers have no value"),
    ],
)
def test_what_cannot_explain_buying_is_refused(
    covariates: list[str], column: str, said: str, summary: pl.DataFrame
) -> None:
    few = pl.int_range(pl.len()) < len(summary) - 2340
    wrong = summary.with_columns(
        when=pl.lit(THEN),
        gaps=pl.when(few).then(1.5),
        blank=pl.when(pl.int_range(pl.len()) > 0).then(pl.lit("a")),
    )
    with pytest.raises(InputError, match=said) as refused:
        BetaGeoModel(covariates=covariates).fit(wrong)
    assert refused.value.column == column


def test_wrong_uses_are_told(summary: pl.DataFrame) -> None:
    with pytest.raises(InputError, match=r"as a list: \['channel'\]"):
        BetaGeoModel(covariates="channel")
    with pytest.raises(InputError, match="do not say channel"):
        BetaGeoModel(covariates=["channel"]).fit(groups(summary))
    with pytest.raises(InputError, match="no customer"):
        BetaGeoModel(covariates=["channel"]).fit(summary.clear())
    with pytest.raises(InputError, match="not fitted yet"):
        BetaGeoModel(covariates=["channel"]).expected_purchases(summary, 30)
    with pytest.raises(InputError, match="no column 'age'"):
        BetaGeoModel(covariates=["channel"]).fit(summary.drop("age"))


def test_columns_that_say_nothing_new_are_left_out(summary: pl.DataFrame) -> None:
    more = summary.with_columns(same=pl.lit(0.1), twice=2 * pl.col("first_basket"))
    model = ModifiedBetaGeoModel(covariates=["first_basket", "same", "twice"]).fit(more)
    assert model.aliased_ == ("same", "twice")
    assert list(model.params_)[4:] == ["buying first_basket", "leaving first_basket"]
    alone = ModifiedBetaGeoModel(covariates=["same"]).fit(more)
    assert (alone.effects_, alone.p_value_) == ([], 1.0)
    assert alone.params_ == pytest.approx(ModifiedBetaGeoModel().fit(summary).params_, rel=1e-6)


def test_a_number_may_be_told_in_any_unit(summary: pl.DataFrame) -> None:
    cents = summary.with_columns(first_basket=pl.col("first_basket") * 100 + 5_000)
    ours, theirs = (ModifiedBetaGeoModel(covariates=["first_basket"]).fit(table) for table in (summary, cents))
    assert theirs.params_["buying first_basket"] * 100 == pytest.approx(ours.params_["buying first_basket"], rel=1e-4)
    assert theirs.p_value_ == pytest.approx(ours.p_value_, rel=1e-6)
    both = [
        model.expected_purchases(table, 90).sort("customer_id") for model, table in ((ours, summary), (theirs, cents))
    ]
    assert both[0]["expected_purchases"].to_numpy() == pytest.approx(both[1]["expected_purchases"].to_numpy(), rel=1e-5)


def test_whoever_has_no_other_history_than_theirs_is_told_apart_by_covariates() -> None:
    table = simulated(BetaGeoModel, 4_000)
    model = BetaGeoModel(covariates=["is_web"]).fit(table)
    alike = table.head(2).with_columns(frequency=1, recency=100, age=150, is_web=pl.Series([True, False]))
    web, other = model.expected_purchases(alike, 90).sort("customer_id")["expected_purchases"]
    assert web != pytest.approx(other, rel=0.01)


def test_values_and_intervals_take_covariates_along(summary: pl.DataFrame) -> None:
    summary = summary.head(700)
    model = ModifiedBetaGeoModel(covariates=["channel"]).fit(summary)
    worth = customer_value(
        summary, buying=model, spending=GammaGammaModel(amount_unit=100).fit(summary), days=90, yearly_discount=0.1
    )
    said = model.expected_purchases(summary, 90).sort("customer_id")
    assert worth.sort("customer_id")["expected_purchases"].to_list() == said["expected_purchases"].to_list()
    drawn = model.resampled(summary, draws=40)
    assert list(drawn.params()) == list(model.params_)
    deviations = drawn.log_parameters.std(axis=0)[4:]
    assert deviations == pytest.approx([model.standard_errors_[name] for name in list(model.params_)[4:]], rel=0.5)
    ends = drawn.expected_purchases(summary.head(20), 90)
    assert (ends["low"] <= ends["expected_purchases"]).all()
    assert (ends["expected_purchases"] <= ends["high"]).all()


@pytest.mark.slow
def test_many_histories_lead_to_the_same_summit_by_their_outline(monkeypatch: pytest.MonkeyPatch) -> None:
    table = simulated(BetaGeoModel, 60_000)
    covariates = {"covariates": ["channel", "years"]}
    assert len(groups(table, **covariates)) > 30_000
    led = BetaGeoModel(**covariates).fit(table)
    monkeypatch.setattr("querencia.insight.lifetime.explained.OUTLINED_FROM", 10**9)
    alone = BetaGeoModel(**covariates).fit(table)
    assert led.log_params_ == pytest.approx(alone.log_params_, rel=1e-5, abs=1e-5)
    assert led.log_likelihood_ == pytest.approx(alone.log_likelihood_, rel=1e-10)
    assert led.standard_errors_ == pytest.approx(alone.standard_errors_, rel=0.01)


SAID = {
    "en": "channel: too few customers for an effect of their own (at least 30, of whom 10 came back): fax. "
    "They count as web.",
    "es": "channel: demasiado pocos clientes para un efecto propio (al menos 30, de los que 10 hayan vuelto): fax. "
    "Cuentan como web.",
    "pt": "channel: clientes de menos para um efeito próprio (pelo menos 30, dos quais 10 tenham voltado): fax. "
    "Contam como web.",
}


@pytest.mark.parametrize("code", SAID)
def test_gates_name_the_levels_that_say_nothing_alone(code: str, summary: pl.DataFrame) -> None:
    with language.spoken(code):
        repeaters, levels, basket = lifetime.check(summary, covariates=["channel", "first_basket"])
    assert repeaters.is_open
    assert (levels.is_open, levels.reason) == (False, SAID[code])
    assert basket.is_open
    assert not lifetime.check(summary.head(60), covariates=["channel"])[0].is_open


def test_an_effect_is_one_sentence_in_any_language() -> None:
    for kind in KINDS:
        model = kind(covariates=["is_web", "years"]).fit(simulated(kind, 3_000))
        said = []
        for code in language.LANGUAGES:
            with language.spoken(code):
                said.append([effect.said() for effect in model.effects_])
        assert len(model.effects_) == 4
        assert len({sentence for sentences in said for sentence in sentences}) == 12
        assert said[0][0].startswith("is_web=true: customers buy 1.")
        assert model._repr_html_().count("<tr>") == 4 + len(model.effects_)


@pytest.mark.slow
def test_spend_of_a_hundred_thousand_is_learned_from_means_that_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    customers = gamma_gamma.SPENDERS_MAX + 30_000
    frequency = rng.geometric(0.3, customers)
    mean = rng.gamma(6.0 * frequency, 1 / (rng.gamma(3.7, 1 / 15.0, customers) * frequency)) * 100
    table = pl.DataFrame({"customer_id": np.arange(customers), "frequency": frequency, "repeat_amount_mean": mean})
    some = gamma_gamma.spenders(gamma_gamma.frame_of(table))
    assert len(some[0]) < customers / 4
    assert some[2].sum() == customers
    together = GammaGammaModel(amount_unit=100).fit(table)
    monkeypatch.setattr(gamma_gamma, "SPENDERS_MAX", customers)
    exact = GammaGammaModel(amount_unit=100).fit(table)
    assert exact.params_ == pytest.approx({"p": 6.0, "q": 3.7, "v": 15.0}, rel=0.03)
    # Means within a hundredth of each other: parameters within a thousandth, expected amounts within a ten-thousandth.
    assert together.params_ == pytest.approx(exact.params_, rel=1e-3)
    assert together.standard_errors_ == pytest.approx(exact.standard_errors_, rel=0.01)
    said = [model.expected_amount(table)["expected_amount"].to_numpy() for model in (together, exact)]
    assert said[0] == pytest.approx(said[1], rel=1e-4)
