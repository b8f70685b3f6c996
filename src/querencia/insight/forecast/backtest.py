"""The trial inside the given history: hold the last days out, let every candidate say what will happen, compare.

Nothing after ``as_of`` is looked at, and no candidate sees the days held out.
"""

from dataclasses import asdict, dataclass
from typing import Any

import narwhals as nw
import numpy as np

from querencia.insight import rfm
from querencia.insight.engine import Frame, rows, whole
from querencia.insight.forecast.accuracy import auc, captured, miscalibration
from querencia.insight.forecast.candidates import Candidate, invited
from querencia.insight.lifetime import Groups
from querencia.insight.lifetime.groups import HISTORY, Array

CUSTOMERS_MIN, REPEATERS_MIN, BUYERS_MIN = 50, 20, 10  # below them a trial says nothing
HELD_OUT_MAX = 1 / 3  # of the history


@dataclass(frozen=True)
class Trial:
    """How one candidate did on the days held out.

    ``mae`` and ``rmse`` in purchases, ``total_error`` as a share of what was bought, ``auc`` and ``brier`` of the
    chance of buying, ``top_tenth`` the share of purchases made by the tenth it ranked highest; ``loss`` compares
    candidates: RMSE, MAE and Brier score, each against the best simple rule, weighted 2, 1, 1.
    """

    name: str
    is_simple: bool
    mae: float
    rmse: float
    total_error: float
    auc: float
    brier: float
    top_tenth: float
    loss: float = 1.0


@dataclass(frozen=True)
class Backtest:
    """Who won. ``beats_simple_by``: 1 - loss of the winner against the best simple rule (0: a simple rule won).

    ``miscalibration``: typical distance of chances said from shares seen, in log-odds, beyond chance itself.
    """

    cut_day: int
    held_out_days: int
    customers: int
    trials: tuple[Trial, ...]
    chosen: str
    simple: str
    beats_simple_by: float
    miscalibration: float

    def table(self) -> list[dict[str, Any]]:
        """One row per candidate, the winner first."""
        ranked = sorted(self.trials, key=lambda trial: trial.loss)
        return [asdict(trial) | {"is_chosen": trial.name == self.chosen} for trial in ranked]


@dataclass(frozen=True)
class HeldOut:
    """Histories up to the cut with the purchase days that followed it."""

    history: Groups
    actual: Array
    cut_day: int
    days: int

    @property
    def has_enough(self) -> bool:
        weight = self.history.weight
        return bool(
            weight.sum() >= CUSTOMERS_MIN
            and weight[self.history.frequency > 0].sum() >= REPEATERS_MIN
            and weight[self.actual > 0].sum() >= BUYERS_MIN
        )


def hold_out(days: Frame, *, first_day: int, as_of: int, horizon_days: int) -> HeldOut | None:
    """Split the history; None when it is too short to split. Only counts leave the engine."""
    held = min(horizon_days, int((as_of - first_day) * HELD_OUT_MAX))
    if held < 1:
        return None
    cut = as_of - held
    # One pass for both sides of the cut: the later purchase days are counted beside the histories.
    later = (
        days.filter((nw.col("day") > cut) & nw.col("is_purchase")).group_by("customer_id").agg(nw.len().alias("actual"))
    )
    summary = rfm.as_summary(days, as_of=cut).select("customer_id", *HISTORY)
    counted = (
        summary.join(later, on="customer_id", how="left")
        .with_columns(nw.col("actual").fill_null(0).cast(nw.Int64()))
        .group_by(*HISTORY, "actual")
        .agg(nw.len().alias("weight"))
        .sort(*HISTORY, "actual")
        .collect()
    )
    arrays = {name: counted[name].to_numpy().astype(np.float64) for name in (*HISTORY, "weight", "actual")}
    actual = arrays.pop("actual")
    return HeldOut(Groups(**arrays), actual, cut, held)


def compare(held: HeldOut) -> tuple[Backtest, type[Candidate]]:
    """Let every candidate answer for the days held out and choose the one of the least loss."""
    kinds = invited(held.history)
    answers = {kind: _answer(kind, held) for kind in kinds}
    trials = {kind: _trial(kind, held, *answer) for kind, answer in answers.items()}
    simple = [kind for kind in kinds if kind.is_simple]
    best = {name: min(getattr(trials[kind], name) for kind in simple) for name in ("rmse", "mae", "brier")}
    judged = {kind: _judged(trial, best) for kind, trial in trials.items()}
    chosen = min(kinds, key=lambda kind: judged[kind].loss)
    rule = min(simple, key=lambda kind: judged[kind].loss)
    return (
        Backtest(
            cut_day=held.cut_day,
            held_out_days=held.days,
            customers=int(held.history.customers),
            trials=tuple(judged[kind] for kind in kinds),
            chosen=chosen.name,
            simple=rule.name,
            beats_simple_by=max(0.0, 1 - judged[chosen].loss / judged[rule].loss),
            miscalibration=miscalibration(
                answers[chosen][1], (held.actual > 0).astype(np.float64), held.history.weight
            ),
        ),
        chosen,
    )


def _answer(kind: type[Candidate], held: HeldOut) -> tuple[Array, Array]:
    candidate = kind().fit(held.history)
    return candidate.expected(held.history, held.days), candidate.chance(held.history, held.days)


def _trial(kind: type[Candidate], held: HeldOut, expected: Array, chance: Array) -> Trial:
    weight, actual = held.history.weight, held.actual
    total = weight.sum()
    bought = (actual > 0).astype(np.float64)
    return Trial(
        name=kind.name,
        is_simple=kind.is_simple,
        mae=float(weight @ np.abs(expected - actual) / total),
        rmse=float(np.sqrt(weight @ (expected - actual) ** 2 / total)),
        total_error=float(weight @ expected / (weight @ actual) - 1),
        auc=auc(chance, bought, weight),
        brier=float(weight @ (chance - bought) ** 2 / total),
        top_tenth=captured(expected, actual, weight),
    )


def _judged(trial: Trial, best: dict[str, float]) -> Trial:
    def share(value: float, reference: float) -> float:
        return value / reference if reference > 0 else 1.0

    loss = share(trial.rmse, best["rmse"]) / 2 + share(trial.mae, best["mae"]) / 4
    loss += share(trial.brier, best["brier"]) / 4
    return Trial(**{**asdict(trial), "loss": loss})


def first_day_of(days: Frame) -> int | None:
    """Day of the first purchase; None without any."""
    found = rows(days.filter(nw.col("is_purchase")).select(nw.len().alias("n"), nw.col("day").min().alias("first")))[0]
    return whole(found["first"]) if whole(found["n"]) else None
