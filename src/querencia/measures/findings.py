# ruff: noqa: S608  (the queries are put together from names and integers of our own)
"""The small tables that the overview shows: insight's own, as JSON. Days are day numbers, money is minor units."""

import json
from typing import Any

from querencia.insight import cohorts, defection, gates, language, pareto, periods
from querencia.insight.engine import frame_of, rows
from querencia.insight.gates import Gate
from querencia.measures import calls, economics
from querencia.measures.engine import Desk
from querencia.measures.figures import OfDay
from querencia.measures.outlook import Outlook
from querencia.measures.scoring import Facts

PERIODS_MAX = 36
COLUMNS_MAX = 24

type Data = dict[str, Any]


def all_of(desk: Desk, facts: Facts, outlook: Outlook, measured: list[OfDay]) -> dict[str, Data]:
    """Every finding by name. ``measured``: the measures of past month ends and of the day."""
    days = desk.given("days")
    found = {
        "cohorts": _cohorts(days, facts),
        "pareto": _pareto(desk, facts),
        "defections": {"period": "month", "rows": _rows(defection.by_period(days, as_of=facts.as_of))[-PERIODS_MAX:]},
        "retention": {
            **_rows(defection.retention(days, as_of=facts.as_of))[0],
            "rows": _trend(measured),
        },
        "calls": {"rows": calls.first(desk)},
        "at_stake": _at_stake(desk, outlook),
        "forecast": _forecast(desk, outlook),
        "gates": {"rows": _gates(desk, facts, outlook)},
        "economics": economics.kept(desk, facts),
    }
    # Written and read once here, so that what cannot be kept fails before anything is written.
    return {name: json.loads(json.dumps(data, allow_nan=False)) for name, data in found.items()}


def _rows(table: Any) -> list[Data]:
    return rows(frame_of(table))


def _one(desk: Desk, query: str) -> Data:
    return _rows(desk.sql(query).to_arrow_table())[0]


def _trend(measured: list[OfDay]) -> list[Data]:
    """Retention up to the day, as far as it was reckoned over the same window: half a year says another thing than a
    year."""
    ordered = sorted(measured, key=lambda of_day: of_day[0])
    window = ordered[-1][1]["retention_window_days"]
    return [
        {"day": day, **{name: values[f"retention_{name}"] for name in ("rate", "low", "high")}}
        for day, values in ordered
        if values["retention_window_days"] == window
    ]


def _cohorts(days: Any, facts: Facts) -> Data:
    if facts.first_day is None:
        return {"period": None, "rows": []}
    length = _period(facts.first_day, facts.as_of)
    rows = _rows(cohorts.retention(days, as_of=facts.as_of, period=length))
    kept = set(sorted({row["cohort"] for row in rows})[-PERIODS_MAX:])
    return {"period": length, "rows": [row for row in rows if row["cohort"] in kept]}


def _period(first_day: int, last_day: int) -> str:
    """The shortest period that cuts the log into no more columns than a page can show."""
    fitting = (
        length
        for length in periods.PERIODS
        if periods.index_of(last_day, length) - periods.index_of(first_day, length) < COLUMNS_MAX
    )
    return next(fitting, periods.PERIODS[-1])


def _pareto(desk: Desk, facts: Facts) -> Data:
    classes = desk.sql(
        "SELECT abc, count(*) AS customers, CAST(sum(greatest(value, 0)) AS BIGINT) AS amount FROM classes GROUP BY abc"
    ).to_arrow_table()
    counted = {row["abc"]: row for row in _rows(classes)}
    total = sum(row["amount"] for row in counted.values())
    return {
        "customers": facts.customers,
        "amount": total,
        "window": "all",
        "top_20_percent_share": pareto.top_share_of(desk.given("summary")) if total else None,
        "curve": _rows(pareto.curve(desk.given("summary"))),
        "classes": {
            abc: {
                "customers": counted[abc]["customers"] if abc in counted else 0,
                "amount": counted[abc]["amount"] if abc in counted else 0,
                "share": counted[abc]["amount"] / total if abc in counted and total else 0.0,
            }
            for abc in pareto.CLASSES
        },
        "stability": _stability(desk, facts),
    }


def _stability(desk: Desk, facts: Facts) -> Data | None:
    """How many A customers stay A, over the longest window of which the log holds two."""
    window = next((days for days in defection.WINDOWS if facts.history_days >= 2 * days), None)
    if window is None:
        return None
    rows = _rows(pareto.stability(desk.given("days"), as_of=facts.as_of, window_days=window))
    stayed = next((row for row in rows if row["from_class"] == row["to_class"] == "A"), None)
    if stayed is None:
        return None
    return {
        "window_days": window,
        "stayed_a": stayed["share"],
        "low": stayed["low"],
        "high": stayed["high"],
        "rows": rows,
    }


def _at_stake(desk: Desk, outlook: Outlook) -> Data:
    sums = "count(*) AS customers, CAST(coalesce(sum(at_stake), 0) AS BIGINT) AS amount"
    whole = _one(
        desk,
        f"SELECT {sums}, CAST(coalesce(sum(at_stake_low), 0) AS BIGINT) AS low, "
        "CAST(coalesce(sum(at_stake_high), 0) AS BIGINT) AS high FROM scores WHERE at_stake > 0",
    )
    by = {
        name: _one(desk, f"SELECT {sums} FROM scores WHERE at_stake > 0 AND {condition}")
        for name, condition in {"late": "stage = 'late'", "left_recently": "stage = 'left'"}.items()
    }
    by_class = {
        abc: _one(desk, f"SELECT {sums} FROM scores WHERE at_stake > 0 AND abc = '{abc}'") for abc in pareto.CLASSES
    }
    return {**whole, "horizon_days": outlook.horizon_days, "by_class": by_class, **by}


def _forecast(desk: Desk, outlook: Outlook) -> Data:
    # Sums of means are means; sums of the ends of single customers' intervals would be ends of nothing.
    # Added up as decimals: floats come out differently by the order in which threads hand them over.
    names = ("expected_purchases", "expected_spend")
    exact = ", ".join(f"CAST(sum(CAST({name} AS DECIMAL(24, 6))) AS DOUBLE) AS {name}" for name in names)
    sums = _one(desk, f"SELECT {exact} FROM scores")
    abstained: Data = {"model": None, "parameters": {}, "simple": None, "beats_simple_by": None, "rows": []}
    return {"horizon_days": outlook.horizon_days, "is_open": outlook.is_open, **abstained, **outlook.referee, **sums}


def _gates(desk: Desk, facts: Facts, outlook: Outlook) -> list[Data]:
    """Each gate with its sentence in every language: the page is read in another one than the run was done in."""
    said: dict[str, dict[str, str]] = {gate.name: {} for gate in outlook.gates}
    for code in language.LANGUAGES:
        with language.spoken(code):
            for gate in gates.check(desk.given("days"), as_of=facts.as_of, horizon_days=outlook.horizon_days):
                said[gate.name][code] = gate.reason
    rows = [_gate(gate, said[gate.name]) for gate in outlook.gates]
    currency = {"currency": facts.currency, "left_out": facts.left_out}
    return [*rows, {"name": "one_currency", "is_open": not facts.left_out, "reason": {}, "facts": currency}]


def _gate(gate: Gate, said: dict[str, str]) -> Data:
    return {"name": gate.name, "is_open": gate.is_open, "reason": said, "facts": dict(gate.facts)}
