"""Levels: how much all customers together buy, apart from who buys more than whom.

*Season.* What the same weeks brought a year ago is set against what the model of today, looking ahead from then, would
have said; the next weeks are taken to differ from the model in the same direction. How far is a matter of belief: a
year's ratio is drawn to one by what chance may have done to it, and because no two years are alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from querencia.insight.forecast.candidates import Candidate
from querencia.insight.forecast.histories import Past
from querencia.insight.lifetime.groups import Array

YEAR_DAYS = 365
HISTORY_DAYS_MIN = 45  # before the day a year ago; and half the days looked ahead
PURCHASES_MIN = 30
SEASON_SD, YEARS_SD = 0.2, 0.1  # of seasons in log levels, and of how much a year's differ from the last's
EVENTS_PER_BUYER = 2.0  # purchases come in bunches: their number varies about twice as much as by chance alone
TINY = 1e-6


@dataclass(frozen=True)
class Season:
    """By how much the days ahead differ from what the models say: a factor of purchases, a shift of the log-odds."""

    factor: float = 1.0
    shift: float = 0.0

    def expected(self, said: Array) -> Array:
        return said * self.factor

    def chance(self, said: Array) -> Array:
        made: Array = expit(logit(np.clip(said, TINY, 1 - TINY)) + self.shift) if self.shift else said
        return made


NO_SEASON = Season()


def season(past: Past, fitted: Callable[[], Candidate], *, origin: int, days: int) -> Season:
    """The season of the ``days`` after ``origin``, by a candidate fitted on what was known then.

    None where the log does not reach back far enough to tell.
    """
    before = origin - YEAR_DAYS
    if days > YEAR_DAYS or before - past.first_day < max(days / 2, HISTORY_DAYS_MIN):
        return NO_SEASON
    history = past.at(before, days)
    candidate = fitted()
    weight, said = history.weight, candidate.expected(history, days)
    purchases, told = float(weight @ history.held_out), float(weight @ said)
    if purchases < PURCHASES_MIN or told < PURCHASES_MIN:
        return NO_SEASON
    belief = SEASON_SD**2 / (SEASON_SD**2 + YEARS_SD**2 + EVENTS_PER_BUYER / purchases)
    shift = shifted_to(candidate.chance(history, days), weight, float(weight @ history.bought))
    return Season(float((purchases / told) ** belief), belief * shift)


def shifted_to(chance: Array, weight: Array, buyers: float) -> float:
    """What to add to all log-odds so that the chances add up to so many buyers."""
    odds = logit(np.clip(chance, TINY, 1 - TINY))
    low, high = -8.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if float(weight @ expit(odds + middle)) < buyers else (low, middle)
    return (low + high) / 2
