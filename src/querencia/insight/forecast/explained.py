"""Why a forecast says what it says and how far it can be trusted, as plain data: who stood, how each did, who won."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from querencia.insight import gates as conditions
from querencia.insight.engine import Frame
from querencia.insight.estimate import Estimate
from querencia.insight.forecast.backtest import CANDIDATES, LEARNERS, SIMPLE, Backtest, Trial
from querencia.insight.forecast.prediction import Forecast
from querencia.insight.forecast.spending import PAST_SPEND
from querencia.insight.forecast.totals import total, trial_of
from querencia.insight.forecast.within import WITHIN
from querencia.insight.gates import Gate
from querencia.insight.tables import date_of

type Facts = dict[str, Any]

KINDS = {kind.name: "rule" if kind in SIMPLE else "learned" if kind in LEARNERS else "model" for kind in CANDIDATES}
FIGURES = ("forecast", "value")


def explain(chosen: Forecast, *, currency: str = "", gates: Collection[Gate] = (), table: Frame | None = None) -> Facts:
    """Everything that a page about a forecast says. Money in minor units, shares of one, days as ISO dates.

    ``totals`` with their intervals (null where nothing could be tried); ``questions`` ``chance``, ``count`` and
    ``amount``: the candidates, the winner, the best simple rule, by what share of its error the winner beat it (below
    zero: it did not); ``rounds``, ``calibration`` and ``lift`` of the back-test; ``ranked_by``: who rank the customers
    together; ``absent``: who could not stand; ``withheld``: reasons by figure
    (:func:`querencia.insight.gates.check`). ``table``: the forecast's, where it is kept already.

    >>> from querencia.insight import forecast, samples
    >>> few = forecast.prepare(samples.cdnow().head(40), as_of=samples.CDNOW_END, horizon_days=90)
    >>> found = explain(few, currency="USD")
    >>> found["as_of"], found["customers"], found["totals"]["expected_purchases"]["low"], found["questions"]
    ('1998-06-30', 11, None, [])
    """
    customers, totals, is_tried = total(chosen, table)
    tried = chosen.backtest
    withheld = {figure: [gate.reason for gate in conditions.closed(gates, figure)] for figure in FIGURES}
    made = {
        "as_of": date_of(chosen.as_of).isoformat(),
        "horizon_days": chosen.horizon_days,
        "currency": currency.upper(),
        "customers": customers,
        "totals": {name: _ends(figure, is_tried) for name, figure in totals.items()},
        "season_factor": chosen.season.factor,
        "questions": _questions(chosen, tried) if tried else [],
        "absent": _absent(tried) if tried else [],
        "rounds": [asdict(one) | {"origin": date_of(one.origin).isoformat()} for one in chosen.rounds],
        "stated": WITHIN,
        "total_error": trial.total_error if (trial := trial_of(chosen)) else None,
        "calibration": list(tried.calibration) if tried else [],
        "lift": list(tried.lift) if tried else [],
        "ranked_by": list(tried.rank_chosen) if tried else [],
        "withheld": {figure: reasons for figure, reasons in withheld.items() if reasons},
    }
    return {name: _steady(value) for name, value in made.items()}


def _steady(value: Any) -> Any:
    """Without the last digits, which hang on the order in which an engine adds up."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {name: _steady(each) for name, each in value.items()}
    return [_steady(each) for each in value] if isinstance(value, list | tuple) else value


def _ends(figure: Estimate, is_tried: bool) -> Facts:
    return asdict(figure) if is_tried else {"value": figure.value, "low": None, "high": None}


def _questions(chosen: Forecast, tried: Backtest) -> list[Facts]:
    """Will they buy, how many, how much; what each candidate did on it, the winner first."""
    made = [
        _question("chance", chosen.chance_model, [_of_chance(trial) for trial in tried.trials]),
        _question("count", chosen.model, [_of_count(trial) for trial in tried.trials]),
    ]
    if chosen.spend_trials:
        amounts = [
            {**asdict(trial), "kind": "rule" if trial.name == PAST_SPEND else "model"} for trial in chosen.spend_trials
        ]
        made.append(_question("amount", chosen.amount.name, amounts))
    return made


def _of_chance(trial: Trial) -> Facts:
    figures = {"loss": trial.chance_loss, "brier": trial.brier, "auc": trial.auc}
    return {"name": trial.name, "kind": KINDS[trial.name], **figures}


def _of_count(trial: Trial) -> Facts:
    names = ("loss", "mae", "rmse", "total_error", "top_tenth")
    return {"name": trial.name, "kind": KINDS[trial.name], **{name: getattr(trial, name) for name in names}}


def _question(name: str, winner: str, rows: list[Facts]) -> Facts:
    """``against_rule`` of each row: its error against the best simple rule's, less one; None where that had none."""
    rule = min((row for row in rows if row["kind"] == "rule"), key=lambda row: float(row["loss"]))
    for row in rows:
        row["against_rule"] = row["loss"] / rule["loss"] - 1 if rule["loss"] > 0 else None
    ranked = sorted(rows, key=lambda row: (row["name"] != winner, row["loss"]))
    first = ranked[0]
    beats = -first["against_rule"] if first["name"] == winner and first["against_rule"] is not None else None
    return {"name": name, "winner": winner, "rule": rule["name"], "beats_rule_by": beats, "rows": ranked}


def _absent(tried: Backtest) -> list[Facts]:
    """Who did not stand, by reason: too few earlier days to learn from, or more histories than there is time for."""
    stood = {trial.name for trial in tried.trials}
    missing = [kind for kind in CANDIDATES if kind.name not in stood]
    groups = {
        "lessons": [kind.name for kind in missing if kind in LEARNERS],
        "histories": [kind.name for kind in missing if kind not in LEARNERS],
    }
    return [{"reason": reason, "names": names} for reason, names in groups.items() if names]
