"""What a log lets expect, each figure as plain data: the model, the next days, what is at stake, whom to call first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from querencia.insight import forecast, lifetime
from querencia.insight.engine import Frame, rows, whole
from querencia.insight.forecast import Forecast, total
from querencia.insight.forecast.totals import trial_of
from querencia.insight.report.figures import Facts, Look, plain
from querencia.insight.tables import date_of

CALLS = 10

type Named = Callable[[Sequence[Any]], Sequence[str]] | None


@dataclass(frozen=True)
class Ahead:
    """A forecast and its table, reckoned once."""

    chosen: Forecast
    table: Frame


def prepare(look: Look) -> Ahead:
    chosen = forecast.prepare(look.days, as_of=look.today, horizon_days=look.horizon)
    return Ahead(chosen, look.keep(chosen.table()))


def model(look: Look, ahead: Ahead) -> Facts:
    """How these customers buy and leave, as a model with parameters (in days): the forecast's own where it has any."""
    chosen = ahead.chosen
    name, parameters, likelihood = chosen.model, chosen.parameters, chosen.log_likelihood
    if likelihood is None:
        fitted = lifetime.BetaGeoModel().fit(look.summary)
        name, parameters, likelihood = fitted.name, fitted.params_, fitted.log_likelihood_
    return {
        "name": name,
        "parameters": {key: float(f"{value:.6g}") for key, value in parameters.items()},
        "log_likelihood": round(likelihood, 2),
        "time_unit_days": 1,
    }


def expected(look: Look, ahead: Ahead) -> Facts:
    """What all customers together are expected to do, newcomers apart (:func:`querencia.insight.forecast.total`). The
    interval is null where nothing could be tried."""
    _customers, totals, is_tried = total(ahead.chosen, ahead.table)
    made: Facts = {"model": ahead.chosen.model, "horizon_days": look.horizon, **_referee(ahead.chosen)}
    for name, shown in (("expected_purchases", _count), ("expected_spend", look.money)):
        made[name] = shown(totals[name].value)
        made[f"{name}_low"] = shown(totals[name].low) if is_tried else None
        made[f"{name}_high"] = shown(totals[name].high) if is_tried else None
    return made


def _count(value: float) -> float:
    return round(value, 1)


def _referee(chosen: Forecast) -> Facts:
    trial, backtest = trial_of(chosen), chosen.backtest
    if trial is None or backtest is None:
        return {"beats_simple_by": None, "simple_rule": None, "total_error": None, "backtest": []}
    return {
        "beats_simple_by": round(backtest.beats_simple_by, 4),
        "simple_rule": backtest.simple,
        "total_error": round(trial.total_error, 4),
        "backtest": [plain(row) for row in backtest.table()],
    }


def stakes(look: Look, ahead: Ahead | None, states: Frame | None, classed: Frame | None, named: Named) -> Facts:
    """What the silence of the late, and of those who left lately, puts at risk: yearly value x (1 - chance)."""
    if ahead is None or states is None or classed is None:
        return {"at_stake": None, "calls": []}
    late, left = nw.col("status") == "late", nw.col("status") == "left"
    left_lately = left & (nw.col("left_day") > look.today - look.horizon / 4)
    at_risk = states.filter((late | left_lately) & (nw.col("value_year") > 0))
    ends = {"at_stake": "chance_of_purchase", "low": "chance_high", "high": "chance_low"}
    staked = look.keep(
        at_risk.join(ahead.table, on="customer_id", how="inner").with_columns(
            *((nw.col("value_year") * (1 - nw.col(chance))).alias(name) for name, chance in ends.items())
        )
    )
    sums = rows(staked.select(*(nw.col(name).sum() for name in ends), nw.len().alias("customers")))[0]
    told = {
        name: look.money(sums[source]) for name, source in (("amount", "at_stake"), ("low", "low"), ("high", "high"))
    }
    return {
        "at_stake": {"customers": whole(sums["customers"]), **told},
        "calls": _calls(look, staked, classed, named),
    }


def _calls(look: Look, staked: Frame, classed: Frame, named: Named) -> list[Facts]:
    first = staked.sort("at_stake", "customer_id", descending=[True, False]).head(CALLS)
    told = (
        first.join(classed.select("customer_id", "abc"), on="customer_id", how="left")
        .join(look.summary.select("customer_id", "first_day", "purchases"), on="customer_id", how="left")
        .select(
            *("customer_id", "abc", "status", "first_day", "purchases", "rhythm_days", "silent_days", "limit_days"),
            *("value_year", "at_stake", "low", "high"),
        )
        .sort("at_stake", "customer_id", descending=[True, False])
    )
    found = rows(told)
    numbers = [row["customer_id"] for row in found]
    ids = named(numbers) if named else [str(number) for number in numbers]
    return [_call(look, row, own) for row, own in zip(found, ids, strict=True)]


def _call(look: Look, row: Mapping[str, Any], own: str) -> Facts:
    money = {name: look.money(row[name]) for name in ("value_year", "at_stake", "low", "high")}
    rest = plain({name: value for name, value in row.items() if name not in ("customer_id", "first_day")})
    return {"customer_id": own, "first": date_of(int(row["first_day"])).isoformat(), **rest, **money}
