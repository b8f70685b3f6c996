"""Everything the report says, as plain data: what JSON knows, never NaN. Shares have four decimals, days are ISO dates,
money is in minor units unless it says otherwise."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np

from querencia.insight import cohorts, defection, forecast, gates, pareto, rfm, wording
from querencia.insight.engine import Frame, frame_of, rows, whole
from querencia.insight.gates import Gate
from querencia.insight.tables import Day, as_days, date_of, day_number

HORIZONS = (365, 182, 91, 28)
PERIODS_MAX = 24
CALLS = 10
DECIMALS = 4

type Facts = dict[str, Any]


def build(
    purchases: Any,
    *,
    currency: str,
    as_of: Day | None = None,
    rows_read: int | None = None,
    rejected: Sequence[Mapping[str, Any]] = (),
) -> Facts:
    """The facts of a table of canonical purchases (:func:`querencia.insight.tables.purchases`).

    ``as_of``: by default the last day of the log. ``rows_read`` and ``rejected`` (``reason, count, row, example``) are
    what reading the log left out, to be told along. What the data are too thin for is null; ``gates`` says why.
    """
    log = frame_of(purchases)
    counted = rows(log.select(nw.len().alias("n"), nw.col("day").min().alias("a"), nw.col("day").max().alias("b")))[0]
    used, first, last = whole(counted["n"]), whole(counted["a"]), whole(counted["b"])
    left_out = sum(int(one["count"]) for one in rejected)
    head: Facts = {
        "rows": used + left_out if rows_read is None else rows_read,
        "rows_rejected": left_out,
        "rejected": [dict(one) for one in rejected],
        "currency": currency.upper(),
    }
    today = last if as_of is None else day_number(as_of)
    if not used or first > today:
        return {**head, **_nothing(today if used or as_of else None)}
    return {**head, **_all(purchases, today, currency)}


def _nothing(today: int | None) -> Facts:
    empty = ["retention", "forecast", "first", "last", "repeat_rate", "top_20_percent_share", "model", "at_stake"]
    return {
        "as_of": date_of(today).isoformat() if today is not None else None,
        "customers": 0,
        "purchases": 0,
        "revenue": "0",
        **dict.fromkeys(empty),
        "classes": {abc: {"customers": 0, "share": None} for abc in pareto.CLASSES},
        **{name: [] for name in ("curve", "segments", "calls", "gates")},
        "stages": {},
        "cohorts": {"period": None, "rows": []},
        "defections": {"period": "month", "rows": []},
    }


def _all(purchases: Any, today: int, currency: str) -> Facts:
    days = _held(purchases, today)
    summary = rfm.as_summary(days, as_of=today).collect()
    span = rows(frame_of(days).filter(nw.col("is_purchase")).select(nw.col("day").min().alias("first")))[0]
    first = whole(span["first"])
    horizon = next((h for h in HORIZONS if today - first + 1 >= gates.HORIZONS_MIN * h), HORIZONS[-1])
    checked = gates.check(days, as_of=today, horizon_days=horizon)
    revenue = whole(rows(frame_of(days).select(nw.col("amount").sum().alias("sum")))[0]["sum"])
    customers = len(summary)
    facts: Facts = {
        "as_of": date_of(today).isoformat(),
        "customers": customers,
        "purchases": int(summary["purchases"].sum()) if customers else 0,
        "revenue": _decimal(revenue, currency),
        "first": date_of(first).isoformat() if customers else None,
        "last": date_of(int(summary["last_day"].max())).isoformat() if customers else None,
        "repeat_rate": _rounded(float((summary["frequency"] > 0).mean())) if customers else None,
    }
    states = defection.status(days, as_of=today)
    return {
        **facts,
        **_values(summary),
        "retention": _retention(days, today),
        "cohorts": _cohorts(days, today),
        "defections": _defections(days, today),
        "segments": _segments(summary),
        "stages": {row["status"]: whole(row["n"]) for row in rows(_counts(states)) if row["status"]},
        **_outlook(days, today, horizon, checked, states),
        "gates": [{"name": gate.name, "is_open": gate.is_open, "reason": gate.reason} for gate in checked],
    }


def _held(purchases: Any, today: int) -> Any:
    """The days of purchases, reckoned once: everything below reads them."""
    days = as_days(purchases, as_of=today)
    if days.implementation.is_duckdb():
        return nw.to_native(days).execute()
    return days.collect().to_native()


def _decimal(minor: int, currency: str) -> str:
    places = wording.decimals(currency)
    sign, digits = "-" if minor < 0 else "", str(abs(minor)).rjust(places + 1, "0")
    return f"{sign}{digits[: len(digits) - places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, DECIMALS)


def _values(summary: Any) -> Facts:
    amounts = summary["amount"].to_numpy().astype(np.float64)
    total = float(np.maximum(amounts, 0).sum())
    classed = frame_of(pareto.classify(summary)).collect()
    classes = {}
    for abc in pareto.CLASSES:
        of_class = classed.filter(nw.col("abc") == abc)
        brought = float(np.maximum(of_class["value"].to_numpy().astype(np.float64), 0).sum()) if len(of_class) else 0.0
        classes[abc] = {"customers": len(of_class), "share": _rounded(brought / total) if total else None}
    curve = rows(frame_of(pareto.curve(summary))) if total else []
    top = _rounded(pareto.top_share(amounts)) if total else None
    return {"top_20_percent_share": top, "classes": classes, "curve": [_row(row) for row in curve]}


def _row(row: Mapping[str, Any]) -> Facts:
    """A row as JSON knows it: whole numbers whole, shares rounded, nothing where there is nothing."""
    made: Facts = {}
    for name, value in row.items():
        if isinstance(value, float):
            made[name] = _rounded(value)
        elif value is None or isinstance(value, str | bool):
            made[name] = value
        else:
            made[name] = int(value)
    return made


def _dated(row: Mapping[str, Any], name: str) -> Facts:
    return {**_row(row), name: date_of(int(row[name])).isoformat()}


def _retention(days: Any, today: int) -> Facts | None:
    found = rows(frame_of(defection.retention(days, as_of=today)))
    return _row(found[0]) if found and found[0]["rate"] is not None else None


def _cohorts(days: Any, today: int) -> Facts:
    cells = rows(frame_of(cohorts.retention(days, as_of=today)))
    starts = sorted({whole(cell["cohort"]) for cell in cells})
    steps = [later - earlier for earlier, later in pairwise(starts)]
    period = None if not steps else "week" if min(steps) < 28 else "month" if min(steps) < 90 else "quarter"
    kept = set(starts[-PERIODS_MAX:])
    return {"period": period, "rows": [_dated(cell, "cohort") for cell in cells if cell["cohort"] in kept]}


def _defections(days: Any, today: int) -> Facts:
    found = rows(frame_of(defection.by_period(days, as_of=today)))
    return {"period": "month", "rows": [_dated(row, "period") for row in found[-PERIODS_MAX:]]}


def _segments(summary: Any) -> list[Facts]:
    scored = frame_of(rfm.score(summary))
    counted = {row["segment"]: whole(row["n"]) for row in rows(scored.group_by("segment").agg(nw.len().alias("n")))}
    return [{"segment": name, "customers": counted[name]} for name in rfm.SEGMENTS if name in counted]


def _counts(states: Any) -> Frame:
    return frame_of(states).group_by("status").agg(nw.len().alias("n"))


def _outlook(days: Any, today: int, horizon: int, checked: list[Gate], states: Any) -> Facts:
    """The model, what it expects in all, and whom to call first; null where a gate is closed."""
    if gates.closed(checked, "forecast"):
        return {"model": None, "forecast": None, "at_stake": None, "calls": []}
    made = forecast.prepare(days, as_of=today, horizon_days=horizon)
    table = made.table()
    sums = rows(
        table.select(nw.col("expected_purchases").sum(), nw.col("expected_spend").sum(), nw.col("customer_id").len())
    )[0]
    trial = made.backtest
    chosen: Facts = {
        "name": made.model,
        "parameters": {name: float(f"{value:.6g}") for name, value in made.parameters.items()},
        "log_likelihood": None if made.log_likelihood is None else round(made.log_likelihood, 2),
        "beats_simple_by": _rounded(trial.beats_simple_by) if trial else None,
        "simple_rule": trial.simple if trial else None,
        "backtest": [_row(row) for row in trial.table()] if trial else [],
    }
    return {
        "model": chosen,
        "forecast": {
            "horizon_days": horizon,
            "expected_purchases": round(float(sums["expected_purchases"] or 0.0), 1),
            "expected_spend": round(float(sums["expected_spend"] or 0.0)),
        },
        **_stakes(table, states, today, horizon),
    }


def _stakes(table: Frame, states: Any, today: int, horizon: int) -> Facts:
    """What the silence of the late, and of those who left lately, puts at risk: yearly value x (1 - chance)."""
    late, left = nw.col("status") == "late", nw.col("status") == "left"
    at_risk = frame_of(states).filter(
        (late | (left & (nw.col("left_day") > today - horizon / 4))) & (nw.col("value_year") > 0)
    )
    ends = {"at_stake": "chance_of_purchase", "low": "chance_high", "high": "chance_low"}
    staked = at_risk.join(table, on="customer_id", how="inner").with_columns(
        *((nw.col("value_year") * (1 - nw.col(chance))).alias(name) for name, chance in ends.items())
    )
    sums = rows(staked.select(*(nw.col(name).sum() for name in ends), nw.len().alias("customers")))[0]
    columns = ["customer_id", "status", "rhythm_days", "silent_days", "limit_days", "value_year", *ends]
    first = rows(staked.select(*columns).sort("at_stake", "customer_id", descending=[True, False]).head(CALLS))
    return {
        "at_stake": {
            "customers": whole(sums["customers"]),
            "amount": round(float(sums["at_stake"] or 0.0)),
            "low": round(float(sums["low"] or 0.0)),
            "high": round(float(sums["high"] or 0.0)),
        },
        "calls": [_call(row) for row in first],
    }


def _call(row: Mapping[str, Any]) -> Facts:
    made = _row({name: value for name, value in row.items() if name != "customer_id"})
    for name in ("at_stake", "low", "high", "value_year"):
        made[name] = round(float(row[name]))
    return {"customer_id": str(row["customer_id"]), **made}
