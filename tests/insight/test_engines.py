"""One way of writing, every engine: the same table gives the same figures whatever kind of table it comes in.

Spark and Ibis are installed aside: `make test-engines`.
"""

import datetime
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from querencia import insight
from querencia.insight import (
    cohorts,
    defection,
    drivers,
    economics,
    forecast,
    gates,
    iceberg,
    lifetime,
    pareto,
    report,
    rfm,
    survival,
    tables,
    uplift,
)
from tests.insight.logs import CDNOW_COLUMNS, CDNOW_END, ENGINES, INSTALLED_ASIDE, cdnow, log, rows

pytestmark = pytest.mark.slow

ALL = ENGINES | INSTALLED_ASIDE
LAZY = ("duckdb", "polars lazy", "spark", "ibis")
AHEAD = 91


@dataclass(frozen=True)
class Function:
    """A function of insight, of the table it is ``given``; ``by``: what to sort its rows by, where it gives a table.

    ``each``: it gives a row per customer, in the kind of table that it was given.
    """

    given: str
    compute: Callable[[Any], Any]
    by: tuple[str, ...] = ()
    each: bool = False


def _of(given: str, compute: Callable[[Any], Any], *by: str) -> Function:
    return Function(given, compute, by)


def _each(given: str, compute: Callable[[Any], Any], *by: str) -> Function:
    return Function(given, compute, by or ("customer_id",), each=True)


def _learned(model: Any) -> dict[str, Any]:
    """Everything that a fit leaves behind."""
    return {name: value for name, value in vars(model).items() if name.endswith("_") and name != "converged_"}


def _summary(purchases: Any) -> Any:
    return rfm.summary(purchases, as_of=CDNOW_END)


COVARIATES = ["day", "early", "days"]


def _described(purchases: Any) -> Any:
    """The summary with a covariate of each kind."""
    first = nw.col("first_day")
    day = nw.when(first % 3 == 0).then(nw.lit("market")).otherwise(nw.lit("other"))
    told = nw.from_native(_summary(purchases)).with_columns(day=day, early=first < 9_910, days=first % 7)
    return told.to_native()


@cache
def _explained() -> Any:
    return lifetime.ModifiedBetaGeoModel(covariates=COVARIATES).fit(_described(_purchases(cdnow_with_refunds())))


@cache
def _fitted(kind: type[Any], **how: Any) -> Any:
    return kind(**how).fit(_summary(_purchases(cdnow_with_refunds())))


def _valued(summary: Any) -> Any:
    buying, spending = _fitted(lifetime.BetaGeoModel), _fitted(lifetime.GammaGammaModel)
    return lifetime.customer_value(summary, buying=buying, spending=spending, days=AHEAD, yearly_discount=0.1)


def _resampled() -> Any:
    return _fitted(lifetime.BetaGeoModel).resampled(_summary(_purchases(cdnow_with_refunds())), draws=20)


def _foretold(purchases: Any) -> Any:
    made = forecast.prepare(purchases, as_of=CDNOW_END, horizon_days=AHEAD)
    return made.model, made.chance_model, made.parameters, made.season, made.coverage, made.spend_trials, made.backtest


PERSONAL = ("customer_id", "tenure", "left", "plan", "fee")
ASKED = {"outcome": "overall", "drivers": ["staff", "price"]}
MODEL_OF = {"covariates": ["size", "branch"]}

FUNCTIONS: dict[str, Function] = {
    "tables.purchases": _each(
        "log",
        lambda t: tables.purchases(t, columns=CDNOW_COLUMNS, currency="USD", as_of=CDNOW_END),
        *("customer_id", "day", "amount", "key"),
    ),
    "tables.days": _each("purchases", lambda p: tables.days(p, as_of=CDNOW_END), "customer_id", "day"),
    "rfm.summary": _each("purchases", _summary),
    "rfm.score": _each("purchases", lambda p: rfm.score(_summary(p))),
    "pareto.classify": _each("purchases", lambda p: pareto.classify(_summary(p))),
    "pareto.curve": _of("purchases", lambda p: pareto.curve(_summary(p)), "customer_share"),
    "pareto.top_share_of": _of("purchases", lambda p: pareto.top_share_of(_summary(p))),
    "pareto.stability": _of(
        "purchases", lambda p: pareto.stability(p, as_of=CDNOW_END, window_days=182), "from_class", "to_class"
    ),
    "cohorts.retention": _of(
        "purchases", lambda p: cohorts.retention(p, as_of=CDNOW_END, period="month"), "cohort", "period"
    ),
    "defection.status": _each("purchases", lambda p: defection.status(p, as_of=CDNOW_END)),
    "defection.by_period": _of("purchases", lambda p: defection.by_period(p, as_of=CDNOW_END), "period"),
    "defection.retention": _of("purchases", lambda p: defection.retention(p, as_of=CDNOW_END), "window_days"),
    "gates.check": _of("purchases", lambda p: gates.check(p, as_of=CDNOW_END, horizon_days=AHEAD)),
    "lifetime.groups": _of("purchases", lambda p: lifetime.groups(_summary(p))),
    "lifetime.log_gap_sum": _of("purchases", lambda p: lifetime.log_gap_sum(p, as_of=CDNOW_END)),
    "lifetime.BetaGeoModel.fit": _of("purchases", lambda p: _learned(lifetime.BetaGeoModel().fit(_summary(p)))),
    "lifetime.BetaGeoModel.expected_purchases": _each(
        "purchases", lambda p: _fitted(lifetime.BetaGeoModel).expected_purchases(_summary(p), AHEAD)
    ),
    "lifetime.check": _of("purchases", lambda p: lifetime.check(_described(p), covariates=COVARIATES)),
    "lifetime.ModifiedBetaGeoModel.fit": _of(
        "purchases", lambda p: _learned(lifetime.ModifiedBetaGeoModel(covariates=COVARIATES).fit(_described(p)))
    ),
    "lifetime.ModifiedBetaGeoModel.expected_purchases": _each(
        "purchases", lambda p: _explained().expected_purchases(_described(p), AHEAD)
    ),
    "lifetime.Resampled.probability_of_purchase": _each(
        "purchases",
        lambda p: _resampled().probability_of_purchase(_summary(p), AHEAD),
    ),
    "lifetime.customer_value": _each("purchases", lambda p: _valued(_summary(p))),
    "lifetime.GammaGammaModel.fit": _of("purchases", lambda p: _learned(lifetime.GammaGammaModel().fit(_summary(p)))),
    "lifetime.GammaGammaModel.expected_amount": _each(
        "purchases", lambda p: _fitted(lifetime.GammaGammaModel).expected_amount(_summary(p))
    ),
    "lifetime.ShiftedBetaGeoModel.fit": _of("contracts", lambda t: _learned(lifetime.ShiftedBetaGeoModel().fit(t))),
    "lifetime.ShiftedBetaGeoModel.expected": _each(
        "contracts", lambda t: lifetime.ShiftedBetaGeoModel().fit(contracts()).expected(t, discount=0.1)
    ),
    "forecast.predict": _each("purchases", lambda p: forecast.predict(p, as_of=CDNOW_END, horizon_days=AHEAD)),
    "forecast.prepare": _of("purchases", _foretold),
    "report.build": _of("purchases", lambda p: report.build(p, currency="USD", as_of=CDNOW_END)),
    "economics.keep": _of("purchases", lambda p: economics.keep(p, as_of=CDNOW_END)),
    "economics.referred": _of("contracts", lambda t: economics.referred(t, values="gold", column="plan")),
    "survival.contracts": _each(
        "subscribers",
        lambda t: survival.contracts(t, columns={"tenure": "months", "left": "gone"}, left_value="Yes"),
    ),
    "survival.check": _of("contracts", survival.check),
    "survival.curve": _of("contracts", lambda t: survival.curve(t, by="plan"), "group", "tenure"),
    "survival.hazard": _of("contracts", lambda t: survival.hazard(t, by="plan"), "group", "tenure"),
    "survival.typical": _of("contracts", lambda t: survival.typical(t, by="plan"), "group"),
    "survival.compare": _of("contracts", lambda t: survival.compare(t, by="plan")),
    "survival.HazardModel.fit": _of(
        "contracts", lambda t: _learned(survival.HazardModel(covariates=["plan", "fee"]).fit(t))
    ),
    "survival.HazardModel.survival": _each(
        "contracts", lambda t: survival.HazardModel(covariates=["plan", "fee"]).fit(t).survival(t, 3)
    ),
    "iceberg.captured": _of("contracts", lambda t: iceberg.captured(t, t)),
    "iceberg.asked": _of("asked", lambda t: iceberg.asked(t, customers=10_000)),
    "iceberg.damage": _of("asked", lambda t: iceberg.damage(t, customers=10_000, value=500.0), "group"),
    "iceberg.check": _of("asked", iceberg.check),
    "drivers.check": _of("answers", lambda t: drivers.check(t, **ASKED)),
    "drivers.weights": _of("answers", lambda t: drivers.weights(t, **ASKED, draws=100), "driver"),
    "drivers.importance_performance": _of(
        "answers", lambda t: drivers.importance_performance(t, **ASKED, scale=(0, 10)), "driver"
    ),
    "drivers.penalty_reward": _of("answers", lambda t: drivers.penalty_reward(t, **ASKED, low=3, high=8), "driver"),
    "uplift.experiment": _each("experiment", lambda t: uplift.experiment(t, control="nothing")),
    "uplift.effects": _of("tried", uplift.effects, "arm"),
    "uplift.balance": _of("tried", lambda t: uplift.balance(t, **MODEL_OF), "arm", "covariate"),
    "uplift.check": _of("tried", lambda t: uplift.check(t, **MODEL_OF)),
    "uplift.UpliftModel.fit": _of("tried", lambda t: _learned(_uplift().fit(t, **MODEL_OF))),
    "uplift.UpliftModel.effects": _each("tried", lambda t: _uplift().fit(experiment(), **MODEL_OF).effects(t)),
}
# They take seconds, and go the ways of the others: shown on one engine.
LONG = {"forecast.prepare", "report.build"}
OF_PURCHASES = {name: function for name, function in FUNCTIONS.items() if function.given == "purchases"}


def _uplift() -> Any:
    return uplift.UpliftModel(base="linear", learner="t", folds=2)


# -- tables ------------------------------------------------------------------------------------------------------------


def cdnow_with_refunds() -> pl.DataFrame:
    """A sixth of CDNOW, with some purchases given back: by name, in part, and by nobody knows which."""
    sample = cdnow().filter(pl.col("id").cast(pl.Int64) % 6 == 0).with_row_index("key").cast({"key": pl.Int64})
    refunds = sample[::40].with_columns(
        pl.col("amt") * -0.5, pl.col("key").alias("refund_of"), pl.col("key") + 100_000, date=pl.lit(19980601, pl.Int64)
    )
    unnamed = sample[::50].with_columns(pl.col("amt") * -1, pl.col("key") + 200_000)
    return pl.concat([sample, refunds, unnamed], how="diagonal")


def _purchases(table: Any) -> Any:
    return tables.purchases(table, columns=CDNOW_COLUMNS, currency="USD", as_of=CDNOW_END)


def contracts(customers: int = 240) -> pl.DataFrame:
    number = np.arange(customers)
    tenure = 1 + (number * 7) % 11
    return pl.DataFrame(
        {
            "customer_id": [f"c{n:03}" for n in number],
            "tenure": tenure,
            "left": ((number % 5 < 2) | (tenure < 4)).astype(int),
            "plan": [("gold", "plain", "silver")[n % 3] for n in number],
            "fee": (10 + number % 4).astype(float),
        }
    )


def subscribers() -> pl.DataFrame:
    gone = pl.when(pl.col("left") == 1).then(pl.lit("Yes")).otherwise(pl.lit("No"))
    return contracts().select("customer_id", "plan", months="tenure", gone=gone)


def answers(many: int = 300) -> pl.DataFrame:
    number = np.arange(many)
    staff, price = (number * 7) % 11, (number * 5 + number // 11) % 11
    overall = np.clip((2 * staff + price + number % 4) // 3, 0, 10)
    return pl.DataFrame({"overall": overall, "staff": staff, "price": price})


def asked(many: int = 300) -> pl.DataFrame:
    number = np.arange(many)
    return pl.DataFrame(
        {
            "had_problem": number % 3 == 0,
            "complained": (number % 3 == 0) & (number % 4 == 0),
            "satisfied": number % 5 < 3,
            "stayed": number % 7 < 5,
        }
    )


def experiment(customers: int = 600) -> pl.DataFrame:
    random = np.random.default_rng(8)
    contacted = random.random(customers) < 0.5
    size = random.integers(0, 9, customers)
    return pl.DataFrame(
        {
            "customer_id": np.arange(customers),
            "arm": np.where(contacted, "letter", "control"),
            "outcome": (random.random(customers) < 0.2 + 0.02 * size * contacted).astype(int),
            "size": size,
            "branch": random.choice(["north", "south"], customers),
        }
    )


TABLES: dict[str, Callable[[], pl.DataFrame]] = {
    "log": cdnow_with_refunds,
    "purchases": cdnow_with_refunds,
    "contracts": contracts,
    "subscribers": subscribers,
    "answers": answers,
    "asked": asked,
    "experiment": lambda: experiment().with_columns(arm=pl.col("arm").replace("control", "nothing")),
    "tried": experiment,
}


def given(name: str, engine: str, table: pl.DataFrame | None = None) -> Any:
    if table is None:
        return _given(name, engine)
    return _purchases(ALL[engine](table)) if name == "purchases" else ALL[engine](table)


@cache
def _given(name: str, engine: str) -> Any:
    made = TABLES[name]()
    if name != "purchases":
        return ALL[engine](made)
    # What is lazy would go through the door again with every function: those installed aside do it once, in a test.
    return ALL[engine](_purchases(made)) if engine in INSTALLED_ASIDE else _purchases(ALL[engine](made))


# -- comparing ---------------------------------------------------------------------------------------------------------


def close(value: Any) -> Any:
    """Engines add floats up in different orders."""
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def figures(function: Function, table: Any) -> Any:
    return plain(function.compute(table), function.by)


def plain(found: Any, by: tuple[str, ...] = ()) -> Any:
    """Any result of insight in lists, dictionaries and numbers."""
    if by:
        return rows(found, *by)
    if is_dataclass(found):
        kept = [one.name for one in fields(found) if one.compare]
        return {name: plain(getattr(found, name)) for name in kept}
    if isinstance(found, Mapping):
        return {name: plain(value) for name, value in found.items()}
    if isinstance(found, np.ndarray):
        return found.tolist()
    return [plain(one) for one in found] if isinstance(found, (list, tuple)) else found


def differing(ours: Any, theirs: Any, *, near: float = 1e-9, at: str = "") -> list[str]:
    """Where two results differ; the last digits of floats apart."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and list(ours) == list(theirs):
        return [said for name in ours for said in differing(ours[name], theirs[name], near=near, at=f"{at}.{name}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [said for place, pair in pairs for said in differing(*pair, near=near, at=f"{at}[{place}]")]
    if isinstance(ours, float) or isinstance(theirs, float):
        both = ours is not None and theirs is not None
        if both and (math.isclose(ours, theirs, rel_tol=near, abs_tol=1e-9) or (ours != ours and theirs != theirs)):
            return []
    return [] if ours == theirs and type(ours) is type(theirs) else [f"{at}: {ours!r} is not {theirs!r}"]


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What each function says of a Polars table, kept as it is asked for."""
    return {}


def engines(*names: str) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.engines] if name in INSTALLED_ASIDE else []) for name in names]


@pytest.mark.parametrize("engine", engines(*ALL))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_engine_gives_the_same_figures(name: str, engine: str, expected: dict[str, Any]) -> None:
    function = FUNCTIONS[name]
    if name not in expected:
        expected[name] = figures(function, given(function.given, "polars"))
    table = given(function.given, engine)
    made = function.compute(table)
    # What was climbed to by steps is as near as the climb ends.
    is_fitted = name.endswith(".fit") or name.startswith(("forecast.", "report.", "lifetime.Resampled"))
    assert expected[name] not in ([], {})
    assert differing(plain(made, function.by), expected[name], near=1e-5 if is_fitted else 1e-9)[:5] == []
    if function.each:
        kinds = [nw.from_native(one) for one in (made, table)]
        assert kinds[0].implementation == kinds[1].implementation
        assert isinstance(kinds[0], nw.LazyFrame) == isinstance(kinds[1], nw.LazyFrame) == (engine in LAZY)


TABLE_ARGUMENTS = {"table", "purchases", "summary", "contracts", "answers", "experiment", "customers", "first"}
# Further names of the same function, and what takes arrays or plain numbers.
NOT_OF_TABLES = {"iceberg.chapman", "survival.lasting", "pareto.top_share"}


def public_functions() -> set[str]:
    """Functions of insight that take a table, by module and name."""
    found = set()
    for module in pkgutil.iter_modules(insight.__path__):
        if module.name in ("engine", "keeping", "rhythm", "simulate", "plot", "explain", "samples"):
            continue
        loaded = importlib.import_module(f"querencia.insight.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            is_ours = function.__module__.startswith(loaded.__name__)
            first = next(iter(inspect.signature(function).parameters), "")
            if is_ours and not name.startswith(("_", "as_")) and first in TABLE_ARGUMENTS:
                found.add(f"{module.name}.{name}")
    return found - NOT_OF_TABLES


def test_no_function_is_forgotten() -> None:
    assert public_functions() - set(FUNCTIONS) == set()


# -- what leaves an engine ---------------------------------------------------------------------------------------------

# Learners need customers, not counts, and say so. Of Polars what is kept for a report stays in this process anyway.
TAKES_ROWS_OUT = {"uplift.UpliftModel.fit", "uplift.UpliftModel.effects", "report.build"}


def copies(table: pl.DataFrame, times: int) -> pl.DataFrame:
    """The same customers so many times over, with ids and keys of their own."""
    named = [name for name in ("id", "customer_id", "key", "refund_of") if name in table.columns]

    def renamed(name: str, number: int) -> pl.Expr:
        is_text = table[name].dtype == pl.String
        return pl.format("{}-{}", name, pl.lit(number)) if is_text else pl.col(name) + 10**6 * number

    return pl.concat([table.with_columns(**{name: renamed(name, n) for name in named}) for n in range(times)])


@pytest.mark.parametrize(
    ("name", "engine"),
    [*((name, "polars lazy") for name in FUNCTIONS if name not in TAKES_ROWS_OUT), ("report.build", "duckdb")],
)
def test_only_counts_leave_an_engine(name: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times as many customers of the same kinds: no more rows are taken out, whatever a model makes of them."""
    # Small logs are taken out to be reckoned with at ease; what is to be shown is how a large one is gone about.
    monkeypatch.setattr("querencia.insight.forecast.histories.LOG_DAYS_MAX", 0)
    function = FUNCTIONS[name]
    table = TABLES[function.given]()
    tables_given = [given(function.given, engine, copies(table, times)) for times in (1, 3)]
    taken: list[int] = []
    collect = nw.LazyFrame.collect

    def watched(frame: Any, *arguments: Any, **more: Any) -> Any:
        made = collect(frame, *arguments, **more)
        taken.append(len(made))
        return made

    monkeypatch.setattr(nw.LazyFrame, "collect", watched)
    most = []
    for one in tables_given:
        taken.clear()
        function.compute(one)
        most.append(max(taken, default=0))
    assert most[1] <= 1.5 * most[0]


# -- days instead of purchases, and nothing at all ---------------------------------------------------------------------

NEED_ROWS = ("fit", "expected_purchases", "probability_of_purchase", "expected_amount")


@pytest.mark.parametrize("name", [name for name in OF_PURCHASES if name not in LONG | {"economics.keep"}])
def test_a_table_of_days_gives_the_same_figures(name: str) -> None:
    purchases = _purchases(cdnow_with_refunds())
    days = tables.days(purchases, as_of=CDNOW_END)
    assert differing(figures(FUNCTIONS[name], days), figures(FUNCTIONS[name], purchases), near=1e-6) == []


@pytest.mark.parametrize("engine", engines(*ALL))
@pytest.mark.parametrize("name", [name for name in OF_PURCHASES if OF_PURCHASES[name].by])
def test_an_empty_log_gives_an_empty_answer(name: str, engine: str) -> None:
    if name.endswith(NEED_ROWS):
        pytest.skip("a model wants somebody to learn from")
    found = figures(FUNCTIONS[name], ALL[engine](log()))
    if name == "defection.retention":
        assert [(row["before"], row["kept"], row["rate"]) for row in found] == [(0, 0, None)]
    else:
        assert found == []


KINDS_OF_DAYS: dict[str, list[Any]] = {
    "date": [datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)],
    "datetime": [datetime.datetime(2024, 2, 29, 23, 59), datetime.datetime(1969, 12, 31, 0, 1)],
    "text": ["2024-02-29", "19691231"],
    "number": [20240229, 19691231],
}


@pytest.mark.engines
@pytest.mark.parametrize("engine", INSTALLED_ASIDE)
@pytest.mark.parametrize("kind", KINDS_OF_DAYS)
def test_the_door_reads_days_and_money_alike(kind: str, engine: str) -> None:
    table = pl.DataFrame(
        {
            "customer_id": ["ana", "bruno"],
            "at": KINDS_OF_DAYS[kind],
            "amount": [1.005, -2.675],
            "margin": pl.Series(["0.125", None], dtype=pl.String).cast(pl.Decimal(12, 3)),
        }
    )
    found = rows(tables.purchases(ALL[engine](table)), "customer_id")
    assert found == rows(tables.purchases(table), "customer_id")
    assert [(row["day"], row["amount"]) for row in found] == [(19_782, 100), (-1, -268)]


@pytest.mark.engines
@pytest.mark.parametrize("engine", INSTALLED_ASIDE)
def test_what_cannot_be_read_is_told_alike(engine: str) -> None:
    wrong: list[dict[str, list[Any]]] = [
        {"at": ["2024-02-30", "2024-01-01"]},
        {"customer_id": ["ana", None]},
        {"amount": [None, 1.0]},
        {"amount": ["one", "two"]},
    ]
    base: dict[str, list[Any]] = {"customer_id": ["ana", "bruno"], "at": ["2024-01-01"] * 2, "amount": [1.0, 2.0]}
    for columns in wrong:
        table = pl.DataFrame(base | columns)
        said = []
        for one in (table, ALL[engine](table)):
            with pytest.raises(insight.InputError) as refused:
                tables.purchases(one)
            said.append((str(refused.value), refused.value.count))
        assert said[0] == said[1]
