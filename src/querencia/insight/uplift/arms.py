"""What each arm of an experiment did on average, with its interval: a few sums leave the engine."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import narwhals as nw
from scipy.special import stdtrit

from querencia.insight.engine import Frame, frame_of, rows, small, whole
from querencia.insight.intervals import CONFIDENCE, wilson
from querencia.insight.uplift.experiment import CONTROL, arms, outcome_of

TYPES = {
    "arm": nw.String,
    "customers": nw.Int64,
    "mean": nw.Float64,
    "low": nw.Float64,
    "high": nw.Float64,
    "effect": nw.Float64,
    "effect_low": nw.Float64,
    "effect_high": nw.Float64,
}


@dataclass(frozen=True)
class Arm:
    """Mean outcome of one arm, the squared error of that mean, and how many outcomes were 1, if all were 1 or 0.

    >>> from querencia.insight.uplift import Arm, difference
    >>> contacted, control = Arm.of_shares(1000, 120), Arm.of_shares(1000, 90)
    >>> [round(end, 3) for end in difference(contacted, control)]
    [0.03, 0.003, 0.057]
    """

    customers: int
    mean: float
    error_squared: float
    successes: float | None

    @classmethod
    def of_shares(cls, customers: int, successes: float) -> "Arm":
        """Of so many customers with so many outcomes that were 1, and others that were 0."""
        share = successes / customers if customers else 0.0
        return cls(customers, share, share * (1 - share) / max(1, customers - 1), successes)

    @classmethod
    def of_sums(cls, customers: int, total: float, squares: float) -> "Arm":
        """Of the sums of outcomes and of their squares, as a database makes them."""
        mean = total / customers if customers else 0.0
        spread = max(0.0, squares - mean * total) / max(1, customers - 1)
        return cls(customers, mean, spread / max(1, customers), None)

    def interval(self, confidence: float) -> tuple[float, float]:
        if self.successes is not None:
            return wilson(self.successes, self.customers, confidence)
        if self.customers < 2:
            return -float("inf"), float("inf")
        reach = float(stdtrit(self.customers - 1, (1 + confidence) / 2)) * sqrt(self.error_squared)
        return self.mean - reach, self.mean + reach


def effects(experiment: Any, *, confidence: float = CONFIDENCE) -> Any:
    """Mean outcome by arm and what it changed against control: a small table, control first.

    ``arm, customers, mean, low, high, effect, effect_low, effect_high``; the effect is the difference of means, null
    for control and where there is none. Intervals: of outcomes that are 1 or 0, Wilson's of a share and Newcombe's of a
    difference (Newcombe 1998, Statistics in Medicine 17, method 10); of others Student's and Welch's (1947). Where an
    arm has fewer than two customers its interval is null. With ``propensity`` customers count by the inverse of the
    chance of their arm (Hájek 1971), and intervals are of large samples.

    >>> from querencia.insight import samples, uplift
    >>> tested = uplift.experiment(samples.mailing())
    >>> found = uplift.effects(tested)
    >>> found["arm"].to_list(), [round(found[name][1], 3) for name in ("effect", "effect_low", "effect_high")]
    (['control', 'e-mail'], [0.042, 0.025, 0.058])
    """
    frame = frame_of(experiment)
    others = arms(frame)
    found = _sums(frame)
    control = found.get(CONTROL)
    table: list[tuple[Any, ...]] = []
    for name in (CONTROL, *others):
        if name not in found:
            continue
        arm = found[name]
        ends = [end if abs(end) < float("inf") else None for end in arm.interval(confidence)]
        change: tuple[float | None, ...] = (None, None, None)
        if control is not None and name != CONTROL:
            change = difference(arm, control, confidence)
        table.append((name, arm.customers, arm.mean, *ends, *change))
    return small({name: [row[place] for row in table] for place, name in enumerate(TYPES)}, TYPES, experiment)


def difference(arm: Arm, control: Arm, confidence: float = CONFIDENCE) -> tuple[float, float | None, float | None]:
    """Effect against control, with its interval; null ends where an arm is too small to have one. Intervals as
    :func:`effects` has them.

    >>> difference(Arm.of_sums(2, 30, 500), Arm.of_sums(1, 10, 100))
    (5.0, None, None)
    """
    effect = arm.mean - control.mean
    if arm.successes is not None and control.successes is not None:
        (low, high), (control_low, control_high) = arm.interval(confidence), control.interval(confidence)
        below = sqrt((arm.mean - low) ** 2 + (control_high - control.mean) ** 2)
        above = sqrt((high - arm.mean) ** 2 + (control.mean - control_low) ** 2)
        return effect, effect - below, effect + above
    if min(arm.customers, control.customers) < 2:
        return effect, None, None
    squared = arm.error_squared + control.error_squared
    if squared <= 0:
        return effect, effect, effect
    freedom = squared**2 / sum(one.error_squared**2 / (one.customers - 1) for one in (arm, control))
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * sqrt(squared)
    return effect, effect - reach, effect + reach


def _sums(frame: Frame) -> dict[str, Arm]:
    is_weighted = "propensity" in frame.collect_schema().names()
    chance = nw.col("propensity").cast(nw.Float64()) if is_weighted else nw.lit(0.5)
    weight = nw.when(nw.col("arm") == CONTROL).then(1 / (1 - chance)).otherwise(1 / chance)
    weighed = frame.select("arm", y=outcome_of(frame), w=weight if is_weighted else nw.lit(1.0))
    y, w = nw.col("y"), nw.col("w")
    # Squares are summed around a middle, so that large outcomes of little spread do not cancel.
    middle = rows(weighed.select(y.mean().alias("middle")))[0]["middle"] or 0.0
    away = y - middle
    parts = weighed.select(
        "arm",
        "w",
        wa=w * away,
        ww=w * w,
        wwa=w * w * away,
        wwaa=w * w * away * away,
        is_binary=nw.when((y == 0) | (y == 1)).then(nw.lit(1)).otherwise(nw.lit(0)),
        y=y,
    )
    names = ("w", "wa", "ww", "wwa", "wwaa", "is_binary", "y")
    summed = parts.group_by("arm").agg(nw.len().alias("customers"), *(nw.col(name).sum() for name in names))
    found = rows(summed)
    binary = not is_weighted and all(whole(row["is_binary"]) == whole(row["customers"]) for row in found)
    return {str(row["arm"]): _arm(row, float(middle), is_weighted, binary) for row in found}


def _arm(row: dict[str, Any], middle: float, is_weighted: bool, binary: bool) -> Arm:
    customers = whole(row["customers"])
    away = row["wa"] / row["w"]
    spread = row["wwaa"] - 2 * away * row["wwa"] + away * away * row["ww"]
    squared = max(0.0, spread) / row["w"] ** 2
    if not is_weighted and customers > 1:
        squared *= customers / (customers - 1)
    mean = row["y"] / customers if binary else middle + away
    return Arm(customers, mean, squared, float(row["y"]) if binary else None)


def z_of(confidence: float) -> float:
    """How many standard errors the interval of a large sample reaches."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
