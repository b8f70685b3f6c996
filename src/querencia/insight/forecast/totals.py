"""What all customers together will do: the sum of what is expected of each, with how far it could be off."""

from math import sqrt

import narwhals as nw

from querencia.insight import explain, notebook
from querencia.insight.engine import Frame, rows, whole
from querencia.insight.estimate import Estimate
from querencia.insight.forecast.backtest import Trial
from querencia.insight.forecast.prediction import Forecast
from querencia.insight.language import gettext as _
from querencia.insight.wording import money, number

Z80, Z95 = 1.2816, 1.96
FIGURES = ("expected_purchases", "expected_spend")


def total(chosen: Forecast, table: Frame | None = None) -> tuple[int, dict[str, Estimate], bool]:
    """Customers, their ``expected_purchases`` and ``expected_spend`` (minor units), and whether the ends are known.

    The interval (95 %) holds chance among customers, by the width of each one's 80 % interval, and as its systematic
    part an error of the size that the back-test made. Where nothing could be tried, both ends are the value.
    ``table``: that of the forecast, where it is kept already.

    >>> from querencia.insight import forecast, samples
    >>> thin = forecast.prepare(samples.cdnow().head(40), as_of=samples.CDNOW_END, horizon_days=60)
    >>> customers, totals, is_tried = forecast.total(thin)
    >>> customers, round(totals["expected_purchases"].value, 1), is_tried
    (11, 3.4, False)
    """
    sums = [part for name in FIGURES for part in _sums(name)]
    found = rows((chosen.table() if table is None else table).select(nw.len().alias("customers"), *sums))[0]
    trial = trial_of(chosen)
    made = {}
    for name in FIGURES:
        value, variance = float(found[name] or 0.0), float(found[f"{name}_variance"] or 0.0)
        half = Z95 * sqrt(variance + (trial.total_error * value) ** 2) if trial else 0.0
        made[name] = Estimate(value, max(0.0, value - half), value + half)
    return whole(found["customers"]), made, trial is not None


def shown(chosen: Forecast) -> str:
    """The forecast as a notebook shows it."""
    customers, totals, is_tried = total(chosen)
    rows = notebook.estimates({_("Purchases"): totals["expected_purchases"]})
    rows += notebook.estimates({_("Revenue"): totals["expected_spend"]}, written=lambda minor: money(minor, ""))
    rows = rows if is_tried else [(name, value, "") for name, value, _between in rows]
    facts = {"days": number(chosen.horizon_days), "customers": number(customers)}
    said = _("The next %(days)s days of %(customers)s customers.") % facts
    tried = chosen.backtest
    by = explain.model(chosen.model, beats_simple_by=tried.beats_simple_by, simple=tried.simple) if tried else ""
    return notebook.card("", said, by, rows=rows)


def trial_of(chosen: Forecast) -> Trial | None:
    """How the model that was chosen did on the days held out last."""
    trials = chosen.backtest.trials if chosen.backtest else ()
    return next((each for each in trials if each.name == chosen.model), None)


def _sums(name: str) -> list[nw.Expr]:
    width = (nw.col(f"{name}_high") - nw.col(f"{name}_low")) / (2 * Z80)
    return [nw.col(name).sum(), (width * width).sum().alias(f"{name}_variance")]
