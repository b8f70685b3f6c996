"""In a notebook: every result shows itself in plain words and figures, and every picture says what it shows."""

import datetime
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from querencia.insight import (
    cohorts,
    defection,
    drivers,
    economics,
    forecast,
    gates,
    iceberg,
    language,
    lifetime,
    pareto,
    plot,
    report,
    rfm,
    rhythm,
    samples,
    simulate,
    survival,
    uplift,
)
from querencia.insight.engine import frame_of
from querencia.insight.estimate import Estimate

DAY = samples.CDNOW_END
HOSTILE = "<img src=x onerror=alert(1)>"
ASKED: Any = {"outcome": "rating", "drivers": ["complaints", "learning", "privileges"]}


def few() -> pl.DataFrame:
    return samples.cdnow().filter(pl.col("customer_id").cast(pl.Int64) % 9 == 0)


def summary() -> Any:
    return rfm.summary(few(), as_of=DAY)


def mailing() -> Any:
    return uplift.experiment(samples.mailing(1_200).with_columns(pl.col("arm").replace("e-mail", HOSTILE)))


def shop(folder: Path) -> Any:
    return simulate.shop(folder, ends=datetime.date(2026, 6, 30), customers=50, years=1)


@pytest.fixture(scope="module")
def chosen() -> Any:
    return forecast.prepare(few(), as_of=DAY, horizon_days=60)


@pytest.fixture(scope="module")
def effect() -> uplift.UpliftModel:
    return uplift.UpliftModel(base="linear", folds=2).fit(mailing(), covariates=["recency"])


@pytest.fixture(scope="module")
def kept() -> economics.Kept:
    return economics.keep(samples.cdnow(), as_of=DAY, window_days=91)


RESULTS: dict[str, Callable[[], Any]] = {
    "BetaGeoModel": lambda: lifetime.BetaGeoModel().fit(summary()),
    "ParetoNBDModel": lambda: lifetime.ParetoNBDModel().fit(summary()),
    "ModifiedBetaGeoModel": lambda: lifetime.ModifiedBetaGeoModel().fit(summary()),
    "RegularTimingModel": lambda: lifetime.RegularTimingModel(regularity=1).fit(summary()),
    "GammaGammaModel": lambda: lifetime.GammaGammaModel().fit(summary()),
    "ShiftedBetaGeoModel": lambda: lifetime.ShiftedBetaGeoModel().fit(samples.subscribers()),
    "not fitted": lifetime.BetaGeoModel,
    "Resampled": lambda: resampled(lifetime.BetaGeoModel().fit(summary())),
    "gates": lambda: gates.check(few(), as_of=DAY, horizon_days=60),
    "Gate": lambda: gates.check(few(), as_of=DAY)[0],
    "gates of drivers": lambda: drivers.check(samples.attitudes(), **ASKED),
    "gates of the iceberg": lambda: iceberg.check(samples.problems()),
    "gates of survival": lambda: survival.check(samples.subscribers()),
    "gates of uplift": lambda: uplift.check(mailing(), covariates=["recency"]),
    "Iceberg": lambda: iceberg.asked(samples.problems(), customers=20_000),
    "Captured": lambda: iceberg.chapman(100, 150, 20),
    "Comparison": lambda: survival.compare(samples.subscribers(), by="plan"),
    "HazardModel": lambda: survival.HazardModel(covariates=["plan"]).fit(hostile_plans()),
    "Effect": lambda: survival.HazardModel(covariates=["plan"]).fit(hostile_plans()).effects_[0],
    "HazardModel, not fitted": survival.HazardModel,
    "UpliftModel, not fitted": uplift.UpliftModel,
    "Estimate": lambda: Estimate(0.4, 0.3, 0.5),
    "Population": lambda: rhythm.population(frame_of(few()).pipe(days), today=rfm.day_number(DAY)),
    "Report": lambda: report.build(few().head(300), currency="USD"),
    "Report of nothing": lambda: report.build(few().head(0)),
}


def days(frame: Any) -> Any:
    from querencia.insight.tables import as_days

    return as_days(frame, as_of=DAY)


def resampled(model: lifetime.BetaGeoModel) -> lifetime.Resampled:
    return lifetime.Resampled(model, np.vstack([model.log_params_ - 0.1, model.log_params_ + 0.1]))


def hostile_plans() -> pl.DataFrame:
    return samples.subscribers().with_columns(pl.col("plan").replace("regular", HOSTILE))


class Sound(HTMLParser):
    """Only the few elements a card is made of, each closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}, tag
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_sound(shown: str) -> None:
    reader = Sound()
    reader.feed(shown)
    assert not reader.open
    assert len(re.sub(r"<[^>]+>", "", shown)) > 10
    assert not re.search(r"\b(nan|inf|None)\b", shown)
    assert len(shown) < 6_000


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_shows_itself_in_a_small_sound_table(name: str) -> None:
    assert_sound(RESULTS[name]()._repr_html_())


def test_a_forecast_and_its_back_test_show_themselves(chosen: Any) -> None:
    for one in (chosen, chosen.backtest):
        assert_sound(one._repr_html_())
    thin = forecast.prepare(few().head(3), as_of=DAY, horizon_days=60)
    assert_sound(thin._repr_html_())


def test_what_contact_changes_shows_itself(effect: uplift.UpliftModel) -> None:
    for one in (effect, effect.policy(value=1_000, cost=20), effect.balance_):
        assert_sound(one._repr_html_())
    assert "&lt;img" in effect._repr_html_()


def test_the_economics_show_themselves(kept: economics.Kept) -> None:
    found = economics.scenario(kept)
    claims = economics.claims(kept, economics.Inputs(), currency="USD")
    for one in (kept, found, economics.check(kept), *claims):
        assert_sound(one._repr_html_())  # type: ignore[union-attr]


def test_a_simulated_shop_shows_itself(tmp_path: Path) -> None:
    assert_sound(shop(tmp_path / "shop")._repr_html_())


@pytest.mark.parametrize("code", ["es", "pt"])
def test_results_speak_the_language_of_the_notebook(code: str) -> None:
    english = RESULTS["BetaGeoModel"]()._repr_html_()
    with language.spoken(code):
        other = RESULTS["BetaGeoModel"]()._repr_html_()
    assert "Fitted on" in english
    assert "Fitted on" not in other
    assert "between" not in other


CHARTS: dict[str, Callable[[], Any]] = {
    "concentration": lambda: plot.concentration(pareto.curve(summary())),
    "cohorts": lambda: plot.cohorts(cohorts.retention(few(), as_of=DAY)),
    "scores": lambda: plot.scores(rfm.score(summary())),
    "defections": lambda: plot.defections(defection.by_period(few(), as_of=DAY)),
    "survival": lambda: plot.survival(survival.curve(samples.subscribers(), by="plan")),
    "survival of all": lambda: plot.survival(survival.curve(samples.subscribers())),
    "hazard": lambda: plot.hazard(survival.hazard(samples.subscribers(), by="plan")),
    "drivers": lambda: plot.drivers(drivers.importance_performance(samples.attitudes(), **ASKED)),
    "weights": lambda: plot.weights(drivers.weights(samples.attitudes(), **ASKED)),
    "contrasts": lambda: plot.contrasts(drivers.penalty_reward(samples.attitudes(), low=50, high=75, **ASKED)),
    "iceberg": lambda: plot.iceberg(iceberg.asked(samples.problems(), customers=20_000)),
    "compared": lambda: plot.compared([{"name": "A", "before": 1, "after": 2}], title="customers"),
    "effects": lambda: plot.effects(uplift.effects(samples.mailing(1_200))),
}


def assert_drawn(chart: Any) -> None:
    """The picture is named in words, drawn in the colours of its page, and readable on its own."""
    said = chart.description
    assert len(said) > 20
    drawn, alone = plot.svg(chart), plot.picture(chart)
    assert 'role="img"' in drawn
    assert "<path" in drawn
    assert "var(--accent" in drawn
    assert not re.search("#a3461f|#665e54", drawn)
    assert "style=" not in drawn
    assert "NaN" not in drawn
    assert "#a3461f" in alone
    assert "<script" not in alone


@pytest.mark.parametrize("name", CHARTS)
def test_a_picture_says_what_it_shows(name: str) -> None:
    assert_drawn(CHARTS[name]())


def test_pictures_of_a_forecast_and_of_an_experiment(
    chosen: Any, effect: uplift.UpliftModel, kept: economics.Kept
) -> None:
    assert_drawn(plot.calibration(chosen.backtest.calibration))
    assert_drawn(plot.lift(chosen.backtest.lift))
    assert_drawn(plot.qini(effect.curve(like=pl.DataFrame())))
    points = economics.at_points(kept, economics.Inputs(), [0.0, 0.05, 0.1])
    assert_drawn(plot.gain(points, marked=0.05, currency="USD"))
    assert_drawn(plot.renewals(kept.could, kept.renewed, economics.rates(kept)))


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "rows"])
def test_pictures_take_what_any_engine_returns(kind: str) -> None:
    given = few()
    table: Any = {"pandas": given.to_pandas, "pyarrow": given.to_arrow, "rows": lambda: given}[kind]()
    found = cohorts.retention(table, as_of=DAY)
    made = plot.cohorts(found.to_dicts() if kind == "rows" else found)
    assert made.to_dict() == CHARTS["cohorts"]().to_dict()
    assert isinstance(found, pd.DataFrame) == (kind == "pandas")


def test_colours_of_a_chart_are_real_ones_so_that_a_notebook_shows_them() -> None:
    assert "var(" not in CHARTS["concentration"]().to_json()
