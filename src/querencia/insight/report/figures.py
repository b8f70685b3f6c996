"""What a log says of the past, each figure as plain data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np

from querencia.insight import cohorts as by_cohort
from querencia.insight import defection, pareto, rfm, wording
from querencia.insight.engine import Frame, frame_of, rows, whole
from querencia.insight.gates import Gate
from querencia.insight.periods import PERIODS, Period, index_of
from querencia.insight.rhythm import Population
from querencia.insight.tables import date_of

STABILITY_WINDOWS = (365, 182, 91)
PERIODS_MAX = 24
DECIMALS = 4

type Facts = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """A log as it is looked at from one day: what every figure reads."""

    days: Frame
    summary: Frame
    first: int
    today: int
    horizon: int
    currency: str
    gates: list[Gate]
    keep: Callable[[Frame], Frame]

    def money(self, minor: float | None) -> str:
        """Minor units as text in units of the currency: ``"244091.94"``."""
        places = wording.decimals(self.currency)
        return f"{Decimal(round(minor or 0)).scaleb(-places):.{places}f}"


def totals(look: Look) -> Facts:
    """Customers, purchases, money. Revenue counts every row, also of customers whose purchases were all given back."""
    repeats = nw.when(nw.col("frequency") > 0).then(nw.lit(1)).otherwise(nw.lit(0))
    found = rows(
        look.summary.with_columns(repeats.alias("repeats")).select(
            nw.len().alias("customers"),
            nw.col("purchases").sum(),
            nw.col("repeats").sum(),
            nw.col("first_day").min().alias("first"),
            nw.col("last_day").max().alias("last"),
        )
    )[0]
    revenue = rows(look.days.select(nw.col("amount").sum()))[0]["amount"]
    customers = whole(found["customers"])
    return {
        "customers": customers,
        "purchases": whole(found["purchases"]),
        "revenue": look.money(whole(revenue)),
        "first": date_of(whole(found["first"])).isoformat() if customers else None,
        "last": date_of(whole(found["last"])).isoformat() if customers else None,
        "repeat_rate": round(whole(found["repeats"]) / customers, DECIMALS) if customers else None,
    }


def refunds(look: Look, log: Frame) -> Facts:
    """Rows of money given back, and rows of no money, which count as purchases."""
    one, none = nw.lit(1), nw.lit(0)
    amount = nw.col("amount")
    marked = log.filter(nw.col("day") <= look.today).with_columns(
        nw.when(amount < 0).then(one).otherwise(none).alias("back"),
        nw.when(amount < 0).then(amount).otherwise(none).alias("given"),
        nw.when(amount == 0).then(one).otherwise(none).alias("free"),
    )
    found = rows(marked.select(nw.col("back").sum(), nw.col("given").sum(), nw.col("free").sum()))[0]
    return {
        "rows": whole(found["back"]),
        "amount": look.money(whole(found["given"])),
        "rows_of_nothing": whole(found["free"]),
    }


def concentration(look: Look, classed: Frame | None) -> Facts:
    """Who brings the money, and whether they stay those who do."""
    if classed is None:
        return {"top_20_percent_share": None, "classes": None, "curve": [], "stability": None}
    gain = nw.when(nw.col("value") > 0).then(nw.col("value")).otherwise(nw.lit(0))
    grouped = classed.with_columns(gain.alias("gain")).group_by("abc")
    found = {row["abc"]: row for row in rows(grouped.agg(nw.len().alias("customers"), nw.col("gain").sum()))}
    total = sum(whole(row["gain"]) for row in found.values())
    classes = {}
    for abc in pareto.CLASSES:
        row = found.get(abc, {})
        share = round(whole(row.get("gain")) / total, DECIMALS)
        classes[abc] = {"customers": whole(row.get("customers")), "share": share}
    return {
        "top_20_percent_share": round(pareto.top_share_of(look.summary), DECIMALS),
        "classes": classes,
        "curve": [plain(row) for row in rows(frame_of(pareto.curve(look.summary)))],
        "stability": _stability(look),
    }


def _stability(look: Look) -> Facts | None:
    """Of the customers of class A one window ago, the share who are of class A now; the longest window that fits."""
    for window in STABILITY_WINDOWS:
        for row in rows(frame_of(pareto.stability(look.days, as_of=look.today, window_days=window))):
            if (row["from_class"], row["to_class"]) == ("A", "A") and row["share"] is not None:
                return {"window_days": window, **plain({name: row[name] for name in ("share", "low", "high")})}
    return None


def retention(look: Look) -> Facts | None:
    found = rows(frame_of(defection.retention(look.days, as_of=look.today)))
    return plain(found[0]) if found and found[0]["rate"] is not None else None


def cohorts(look: Look) -> Facts:
    """The latest cohorts, by the shortest period that cuts the log into no more than a page can show."""
    length = next((each for each in PERIODS if _steps(look, each) < PERIODS_MAX), PERIODS[-1])
    cells = rows(frame_of(by_cohort.retention(look.days, as_of=look.today, period=length)))
    latest = set(sorted({whole(cell["cohort"]) for cell in cells})[-PERIODS_MAX:])
    shown = [cell for cell in cells if cell["cohort"] in latest and cell["period"] <= PERIODS_MAX]
    dated = [{**plain(cell), "cohort": _date(cell["cohort"]), "amount": look.money(cell["amount"])} for cell in shown]
    return {"period": length, "rows": dated}


def _steps(look: Look, period: Period) -> int:
    return index_of(look.today, period) - index_of(look.first, period)


def defections(look: Look, known: Population) -> Facts:
    """Who left, came and came back in the latest months. The last one may not be over yet."""
    found = rows(frame_of(defection.by_period(look.days, as_of=look.today, known=known)))[-PERIODS_MAX:]
    told = [
        {
            **plain(row),
            "period": _date(row["period"]),
            "amount_lost": look.money(row["amount_lost"]),
            "amount_returned": look.money(row["amount_returned"]),
        }
        for row in found
    ]
    return {"period": "month", "rows": told}


def segments(look: Look) -> list[Facts]:
    scored = frame_of(rfm.score(look.summary)).group_by("segment").agg(nw.len().alias("customers"))
    counted = {row["segment"]: whole(row["customers"]) for row in rows(scored)}
    return [{"segment": name, "customers": counted[name]} for name in rfm.SEGMENTS if name in counted]


def stages(states: Frame) -> dict[str, int]:
    """Customers by where they stand in their own rhythm."""
    counted = rows(states.group_by("status").agg(nw.len().alias("customers")))
    found = {row["status"]: whole(row["customers"]) for row in counted}
    return {name: found.get(name, 0) for name in defection.STATUSES}


def plain(row: Mapping[str, Any]) -> Facts:
    """A row as JSON knows it: whole numbers whole, others rounded, null for what is no number."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):
        return round(value, DECIMALS) if np.isfinite(value) else None
    return int(value)


def _date(day: Any) -> str:
    return date_of(int(day)).isoformat()
