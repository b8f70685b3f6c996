"""What insight expects of each customer, and how far ahead it may look."""

from dataclasses import dataclass, field
from typing import Any

from querencia.insight import forecast, gates
from querencia.insight.gates import Gate
from querencia.measures.engine import Desk

# A year where the log holds two: one to learn from, one to check on. Else as far as it allows.
HORIZONS = (365, 182, 91, 28)

COLUMNS = {
    "customer_id": "BIGINT",
    "expected_purchases": "DOUBLE",
    "expected_purchases_low": "DOUBLE",
    "expected_purchases_high": "DOUBLE",
    "chance_of_purchase": "DOUBLE",
    "chance_low": "DOUBLE",
    "chance_high": "DOUBLE",
    "expected_spend": "DOUBLE",
    "expected_spend_low": "DOUBLE",
    "expected_spend_high": "DOUBLE",
    "model": "VARCHAR",
}


@dataclass(frozen=True)
class Outlook:
    """How far ahead is looked, whether there is enough to look at, and what the referee of models found."""

    horizon_days: int
    is_open: bool
    gates: list[Gate] = field(default_factory=list)
    referee: dict[str, Any] = field(default_factory=dict)


def horizon(history_days: int) -> int:
    """The longest horizon of which the history holds two; the shortest when it holds none."""
    return next((days for days in HORIZONS if history_days >= gates.HORIZONS_MIN * days), HORIZONS[-1])


def predict(desk: Desk, *, as_of: int, history_days: int) -> Outlook:
    """Fill the table ``expected`` with a forecast for every customer; leave it empty where insight abstains."""
    ahead = horizon(history_days)
    days = desk.given("days")
    checked = gates.check(days, as_of=as_of, horizon_days=ahead)
    if gates.closed(checked, "forecast"):
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        desk.execute(f"CREATE TABLE expected ({columns})")
        return Outlook(ahead, False, checked)
    chosen = forecast.prepare(days, as_of=as_of, horizon_days=ahead)
    desk.keep("expected", chosen.table().select(*COLUMNS))
    return Outlook(ahead, True, checked, _referee(chosen))


def _referee(chosen: forecast.Forecast) -> dict[str, Any]:
    trial = chosen.backtest
    return {
        "model": chosen.model,
        "parameters": chosen.parameters,
        "simple": trial.simple if trial else None,
        "beats_simple_by": trial.beats_simple_by if trial else None,
        "held_out_days": trial.held_out_days if trial else None,
        "rows": trial.table() if trial else [],
    }
