"""Days that weigh differently: the clock that runs faster before Christmas and slower in August.

A Poisson process with a season is a plain one on a bent clock (time change): position p on the clock is the sum of the
weights of the days so far. The clock is kept in whole ticks, so that equal seeds give equal purchases on every machine.
"""

import datetime
from functools import cached_property

import numpy as np

from querencia.insight.simulate.process import DAYS_PER_YEAR, Floats, Integers, Process

TICK_BITS = 24
TICKS = 1 << TICK_BITS  # of a day of weight 1
EPOCH = datetime.date(1970, 1, 1)

WEEKDAYS = np.array([0.78, 0.80, 0.88, 0.96, 1.22, 1.56, 0.80])  # Monday first
PEAKS = ((351, 17.0, 1.15), (227, 20.0, -0.40), (187, 10.0, 0.20), (9, 9.0, 0.15))  # day of year, width, height


class Seasons:
    """The days of a window, their weights (mean 1) and the clock they make. Days are counted from the first one."""

    def __init__(self, starts: datetime.date, days: int, process: Process):
        self.starts = (starts - EPOCH).days
        self.days = days
        self.process = process
        calendar = self.starts + np.arange(days)
        weights = _year(calendar, process.season) * _week(calendar, process.week)
        self.weights: Floats = weights / weights.mean()
        ticks = np.rint(np.cumsum(self.weights) * TICKS).astype(np.int64)
        self.edges: Integers = np.concatenate([np.zeros(1, np.int64), ticks])
        # A bucket is never wider than the lightest day, so it holds one midnight at most: one look, one correction.
        self._bucket_bits = int(np.diff(self.edges).min()).bit_length() - 1
        buckets = np.arange((int(self.edges[-1]) >> self._bucket_bits) + 1) << self._bucket_bits
        self._guide = np.minimum(np.searchsorted(self.edges, buckets, side="right") - 1, days - 1)

    def day(self, ticks: Integers) -> Integers:
        """The day on which each position of the clock lies."""
        day: Integers = self._guide[ticks >> self._bucket_bits]
        day += (ticks >= self.edges[1:][day]) & (day < self.days - 1)
        return day

    @cached_property
    def first_purchases(self) -> Floats:
        """Cumulative share of customers won up to the end of each day."""
        growth = np.exp(np.log(self.process.growth_per_year) / DAYS_PER_YEAR * np.arange(self.days))
        share = np.cumsum(self.weights * growth)
        made: Floats = share / share[-1]
        return made

    def days_of_custom(self) -> float:
        """Mean number of (weighted) days on which a customer can come back: times the rate, it is repeat purchases."""
        won = np.diff(self.first_purchases, prepend=0.0)
        staying = self.process.staying_share(np.arange(1, self.days, dtype=np.float64))
        # For each first day: the weights of the days after it, each by the share that is still there.
        after = np.convolve(self.weights[::-1], np.concatenate([np.zeros(1), staying]))[: self.days][::-1]
        return float((won * after).sum())


def _year(calendar: Integers, strength: float) -> Floats:
    years = calendar.astype("datetime64[D]").astype("datetime64[Y]")
    day_of_year = (calendar.astype("datetime64[D]") - years.astype("datetime64[D]")).astype(np.int64) + 1
    weight = np.ones(len(calendar))
    for peak, width, height in PEAKS:
        away = np.abs(day_of_year - peak)
        away = np.minimum(away, 365 - away)
        weight += strength * height * np.exp(-0.5 * (away / width) ** 2)
    return weight


def _week(calendar: Integers, strength: float) -> Floats:
    weekday = (calendar + 3) % 7  # 1970-01-01 was a Thursday
    return 1.0 + strength * (WEEKDAYS[weekday] - 1.0)
