"""What was known of every customer on a day of the past, and what they did next.

A log of up to three million purchase days is taken out of its engine as two columns of numbers, and any day of the past
is reckoned from them in no time: with counts in windows and the regularity of gaps, for the candidates that learn.
Of a larger log only counts of identical histories leave the engine, and only what the models need.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from querencia.insight import rfm, rhythm
from querencia.insight.engine import Frame, numbers, rows, whole, windowed
from querencia.insight.lifetime import Groups
from querencia.insight.lifetime.groups import HISTORY, Array

LOG_DAYS_MAX = 3_000_000
JUDGED_MAX = 50_000  # customers of a trial; more would only make it longer
WINDOWS = (0.25, 0.5, 1.0, 2.0)  # of the days looked ahead
FEATURES = ("last_gap", "log_gap_mean", "log_gap_spread", *(f"within_{share:g}" for share in WINDOWS))
STEPS = 8  # logarithms of gaps are kept in eighths, so that histories alike stay one group

type Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Histories(Groups):
    """Histories as of ``origin``, beside what followed within ``days`` (``actual``, None where nobody knows yet).

    ``features`` has the columns of :data:`FEATURES` (-1: too few purchases to say), or is None.
    """

    origin: int
    days: int
    actual: Array | None = None
    features: Array | None = None
    gaps: Callable[[], float] = field(default=lambda: 0.0, compare=False)

    @cached_property
    def log_gap_sum(self) -> float:
        """Sum of the logarithms of all gaps up to ``origin``; reckoned when somebody asks."""
        return self.gaps()

    @cached_property
    def core(self) -> tuple[Groups, Numbers]:
        """Distinct frequency, recency and age, and where each history has its own among them."""
        span = int(self.age.max(initial=0.0)) + 1
        key = (self.frequency.astype(np.int64) * span + self.recency.astype(np.int64)) * span + self.age.astype(
            np.int64
        )
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        weight = np.bincount(place, weights=self.weight, minlength=len(first))
        return Groups(self.frequency[first], self.recency[first], self.age[first], weight), place

    @property
    def bought(self) -> Array:
        """1 for who bought in the days that followed."""
        return (self.held_out > 0).astype(np.float64)

    @property
    def held_out(self) -> Array:
        assert self.actual is not None
        return self.actual


class Past(Protocol):
    """Any day of the past of a log."""

    @property
    def first_day(self) -> int: ...

    def at(self, origin: int, days: int, *, held: bool = True) -> Histories: ...

    def thinned(self) -> "Past":
        """The past of at most so many customers as a trial needs, chosen evenly."""
        ...


@dataclass(frozen=True)
class Log:
    """A log as arrays, sorted by customer and day. ``starts``: where each customer begins."""

    first_day: int
    ids: Any
    starts: Numbers
    day: Numbers
    gap: Numbers

    @classmethod
    def of(cls, days: Frame) -> "Log":
        """Read the purchase days (at least one)."""
        bought = days.filter(nw.col("is_purchase")).select("customer_id", "day").sort("customer_id", "day").collect()
        ids, day = bought["customer_id"], numbers(bought["day"]).astype(np.int64)
        is_first = np.append(True, (ids != ids.shift(1)).fill_null(True).to_numpy()[1:].astype(bool))
        starts = np.flatnonzero(is_first)
        gap = np.append(0, np.diff(day))
        gap[starts] = 0
        return cls(int(day.min()), ids.filter(is_first.tolist()), starts, day, gap)

    def at(self, origin: int, days: int, *, held: bool = True) -> Histories:
        """Histories with at least one purchase up to ``origin``; those alike are one."""
        _, distinct, _, weight = self._distinct(origin, days, held=held)
        table = distinct.astype(np.float64)
        return Histories(
            frequency=table[:, 0],
            recency=table[:, 1],
            age=table[:, 2],
            weight=weight.astype(np.float64),
            origin=origin,
            days=days,
            actual=table[:, -1] if held else None,
            features=table[:, 3 : 3 + len(FEATURES)],
            gaps=lambda: float(np.log(np.sort(self.gap[(self.gap > 0) & (self.day <= origin)])).sum()),
        )

    def thinned(self) -> "Log":
        """The log of every so-manieth customer."""
        if len(self.starts) <= JUDGED_MAX:
            return self
        chosen = np.zeros(len(self.starts), dtype=bool)
        chosen[np.floor(np.linspace(0, len(self.starts), JUDGED_MAX, endpoint=False)).astype(int)] = True
        sizes = np.diff(np.append(self.starts, len(self.day)))
        kept = np.repeat(chosen, sizes)
        starts = np.cumsum(sizes[chosen]) - sizes[chosen]
        return Log(self.first_day, self.ids.filter(chosen.tolist()), starts, self.day[kept], self.gap[kept])

    def customers(self, origin: int, days: int, *, held: bool) -> tuple[Any, Numbers]:
        """Ids of the customers known on a day, and where each has theirs among the histories of that day."""
        known, _, place, _ = self._distinct(origin, days, held=held)
        return self.ids.filter(known.tolist()), place

    def _distinct(self, origin: int, days: int, *, held: bool) -> tuple[NDArray[np.bool_], Numbers, Numbers, Numbers]:
        """Who was known, the distinct rows of the table, where each customer has theirs, and how many have each."""
        known, matrix = self.table(origin, days)
        if held:
            matrix = np.column_stack([matrix, self._sums((self.day > origin) & (self.day <= origin + days))[known]])
        distinct, place, weight = np.unique(matrix, axis=0, return_inverse=True, return_counts=True)
        return known, distinct, place.ravel(), weight

    def table(self, origin: int, days: int) -> tuple[NDArray[np.bool_], Numbers]:
        """Who was known on a day, and for each of them frequency, recency, age and features as whole numbers."""
        seen = self.day <= origin
        purchases = self._sums(seen)
        known = purchases > 0
        last = (self.starts + purchases - 1)[known]
        first, gaps = self.day[self.starts][known], purchases[known] - 1
        logs = np.where(seen & (self.gap > 0), np.log(np.maximum(self.gap, 1)), 0.0)
        total, square = np.add.reduceat(logs, self.starts)[known], np.add.reduceat(logs**2, self.starts)[known]
        mean = total / np.maximum(gaps, 1)
        spread = np.sqrt(np.maximum(square / np.maximum(gaps, 1) - mean**2, 0.0))
        columns = [
            gaps,
            self.day[last] - first,
            origin - first,
            np.where(gaps > 0, self.gap[last], -1),
            np.where(gaps > 0, np.floor(mean * STEPS + 0.5 + 1e-6), -1),
            np.where(gaps > 1, np.floor(spread * STEPS + 0.5 + 1e-6), -1),
            *(self._sums(seen & (self.day > origin - share * days))[known] for share in WINDOWS),
        ]
        return known, np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)

    def _sums(self, counted: NDArray[np.bool_]) -> Numbers:
        made: Numbers = np.add.reduceat(counted.astype(np.int64), self.starts)
        return made


@dataclass(frozen=True)
class Counted:
    """A log too large to take out: each day of the past is counted in the engine."""

    first_day: int
    frame: Frame
    customers_max: int | None = None

    def thinned(self) -> "Counted":
        """The same, whose histories stand for fewer customers."""
        return replace(self, customers_max=JUDGED_MAX)

    def at(self, origin: int, days: int, *, held: bool = True) -> Histories:
        """Histories up to ``origin``; those alike are one. One pass for both sides of it."""
        known = rfm.as_summary(self.frame, as_of=origin).select("customer_id", *HISTORY)
        keys: list[str] = [*HISTORY]
        if held:
            inside = (nw.col("day") > origin) & (nw.col("day") <= origin + days) & nw.col("is_purchase")
            later = self.frame.filter(inside).group_by("customer_id").agg(nw.len().alias("actual"))
            known = known.join(later, on="customer_id", how="left").with_columns(
                nw.col("actual").fill_null(0).cast(nw.Int64())
            )
            keys.append("actual")
        counted = known.group_by(*keys).agg(nw.len().alias("weight")).sort(*keys).collect()
        arrays = {name: numbers(counted[name]).astype(np.float64) for name in (*keys, "weight")}
        if self.customers_max is not None:
            arrays = _evenly(arrays, self.customers_max)
        return Histories(**arrays, origin=origin, days=days, gaps=lambda: self._log_gaps(origin))

    def _log_gaps(self, origin: int) -> float:
        return sum(value for day, value in self._log_gaps_by_day if day <= origin)

    @cached_property
    def _log_gaps_by_day(self) -> list[tuple[int, float]]:
        summed = rhythm.gaps(windowed(self.frame)).group_by("day").agg(nw.col("log_gap").sum())
        return sorted((whole(row["day"]), float(row["log_gap"])) for row in rows(summed))


def _evenly(arrays: dict[str, Array], most: int) -> dict[str, Array]:
    """So many customers of all, at even distances along the histories in their order."""
    upto = np.cumsum(arrays["weight"])
    if upto[-1] <= most:
        return arrays
    points = np.floor(upto * most / upto[-1] + 1e-9)
    weight = np.diff(np.append(0.0, points))
    return {name: values[weight > 0] for name, values in (arrays | {"weight": weight}).items()}


def past_of(days: Frame) -> Log | Counted | None:
    """The past of a table of days; None where nobody bought."""
    bought = days.filter(nw.col("is_purchase"))
    found = rows(bought.select(nw.len().alias("count"), nw.col("day").min().alias("first")))[0]
    count = whole(found["count"])
    if not count:
        return None
    return Log.of(days) if count <= LOG_DAYS_MAX else Counted(whole(found["first"]), days)
