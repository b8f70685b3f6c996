"""Each trial of the back-test on its own: what the chosen ones said on that day, and what came of it."""

from dataclasses import dataclass

import numpy as np

from querencia.insight.forecast import within
from querencia.insight.forecast.backtest import Heard, Verdict


@dataclass(frozen=True)
class Round:
    """The ``days`` after ``origin``, foretold from what was known that day, and as they were.

    ``purchases_said``, ``rule_said`` (by the best simple rule) and ``purchases_seen`` are totals; ``buyers_said`` and
    ``buyers_seen`` customers with at least one purchase. ``covered`` is the share of customers whose purchases lay in
    the interval; 80 % is stated. The interval is made as wide as the latest trial takes: only the earlier rounds are
    a test of it. Where the chosen one could not stand on a day, the models that would have answered then say it.

    >>> one = Round(10_225, 91, 2_357, 625.2, 643.1, 661.0, 342.4, 385.0, 0.94)
    >>> round(one.purchases_said / one.purchases_seen - 1, 3)
    -0.054
    """

    origin: int
    days: int
    customers: int
    purchases_said: float
    rule_said: float
    purchases_seen: float
    buyers_said: float
    buyers_seen: float
    covered: float


def rounds(verdict: Verdict, wider: float) -> tuple[Round, ...]:
    """The trials of a verdict, the latest first; ``wider``: by how much the spread of purchases was widened."""
    return tuple(_round(verdict, heard, wider) for heard in verdict.heard)


def _round(verdict: Verdict, heard: Heard, wider: float) -> Round:
    history = heard.history
    weight, actual = history.weight, history.held_out
    count, chance_kind = heard.standing(verdict.count), heard.standing(verdict.chance)
    expected, chance = heard.said[count][0], np.clip(heard.said[chance_kind][1], 0.0, 1.0)
    shape = within.widened(heard.bench.candidate(count).spread(history), wider)
    return Round(
        origin=history.origin,
        days=history.days,
        customers=round(history.customers),
        purchases_said=float(weight @ expected),
        rule_said=float(weight @ heard.said[verdict.rule][0]),
        purchases_seen=float(weight @ actual),
        buyers_said=float(weight @ chance),
        buyers_seen=float(weight @ history.bought),
        covered=within.covered(expected, np.minimum(chance, expected), shape, actual, weight),
    )
