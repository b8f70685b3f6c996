"""Customers with the same history are one group: models see each history once, with its number of customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from querencia.insight import rhythm
from querencia.insight.engine import Frame, beside, frame_of, numbers, rows, windowed
from querencia.insight.errors import InputError
from querencia.insight.tables import Day, as_days

type Array = NDArray[np.float64]
type Key = tuple[Any, nw.Expr]  # what groups are told apart by beside their history: values, and how a row has them

HISTORY = ("frequency", "recency", "age")
DAYS_BITS = 20  # of a number of days: three thousand years


@dataclass(frozen=True)
class Groups:
    """Distinct histories. Arrays of one length: ``frequency`` (repeat purchase days), ``recency`` and ``age`` (days),
    ``weight`` (customers).

    >>> import numpy as np
    >>> Groups(np.array([0.0, 2.0]), np.array([0.0, 60.0]), np.array([90.0, 90.0]), np.array([7.0, 3.0])).customers
    10.0
    """

    frequency: Array
    recency: Array
    age: Array
    weight: Array

    def __len__(self) -> int:
        return len(self.frequency)

    @property
    def customers(self) -> float:
        return float(self.weight.sum())

    def reweighted(self, weight: Array) -> "Groups":
        return Groups(self.frequency, self.recency, self.age, weight)

    def part(self, some: Any, weight: Array | None = None) -> "Groups":
        """Some of the groups (a mask or a slice); ``weight``: with other numbers of customers."""
        return Groups(**self._parts(some, weight))

    def _parts(self, some: Any, weight: Array | None) -> dict[str, Array]:
        kept = self.weight if weight is None else weight
        return {name: getattr(self, name)[some] for name in HISTORY} | {"weight": kept[some]}

    @property
    def keys(self) -> dict[str, Key]:
        return {}

    def outlined(self, steps: int = 30) -> "Groups":
        """Fewer histories of the same customers: those within one ``steps``-th of the longest age, with the same number
        of purchases (up to a tenth of it), count together at their mean."""
        width = max(float(self.age.max()), 1e-9) / steps
        fine = np.where(
            self.frequency < 20, self.frequency, 20 + np.round(10 * np.log(np.maximum(self.frequency, 20) / 20))
        )
        cells = np.stack([fine, np.floor(self.recency / width), np.floor(self.age / width)], axis=1).astype(np.int64)
        key = (cells[:, 0] * (steps + 2) + cells[:, 1]) * (steps + 2) + cells[:, 2]
        _, place = np.unique(key, return_inverse=True)
        weight = np.bincount(place, weights=self.weight)
        means = {name: np.bincount(place, weights=self.weight * getattr(self, name)) / weight for name in HISTORY}
        return Groups(**means, weight=weight)


def groups(summary: Any, *, covariates: Sequence[str] = ()) -> Groups:
    """Count identical histories inside the engine; only the counts leave it.

    ``summary`` holds ``frequency``, ``recency`` and ``age`` in days, one row per customer, or ``weight`` customers a
    row. With ``covariates`` (columns of numbers, of text, or of true and false) only customers alike in them, too, are
    one group. Raises :class:`InputError` when a column is missing or a history is impossible: negative, not a number,
    more recency than age, or recency without a repeat purchase.

    >>> import datetime
    >>> from querencia.insight import rfm, samples
    >>> made = groups(rfm.summary(samples.cdnow(), as_of=datetime.date(1997, 9, 30)))
    >>> len(made), made.customers
    (1016, 2357.0)
    """
    if covariates:
        from querencia.insight.lifetime.covariates import described, named

        return described(summary, named(covariates))
    frame = frame_of(summary)
    names = frame.collect_schema().names()
    for name in HISTORY:
        if name not in names:
            raise InputError(f"There is no column {name!r}: give what insight.rfm.summary gives.", column=name)
    made = (None if "weight" in names else _packed(summary)) or _grouped(frame, names)
    verify(made)
    return made


def _grouped(frame: Frame, names: Sequence[str]) -> Groups:
    counted = nw.col("weight").sum() if "weight" in names else nw.len()
    counts = frame.group_by(*HISTORY).agg(counted.alias("weight")).sort(*HISTORY).collect()
    return Groups(**{name: numbers(counts[name]).astype(np.float64) for name in (*HISTORY, "weight")})


def _packed(summary: Any) -> Groups | None:
    """The same where the table is here already and counts in whole days: a history is one number, which sorts several
    times faster than three. None where that cannot be."""
    table = nw.from_native(summary)
    if not isinstance(table, nw.DataFrame) or len(table) == 0:
        return None
    columns = [table[name] for name in HISTORY]
    if not all(column.dtype.is_integer() and column.null_count() == 0 for column in columns):
        return None
    frequency, recency, age = (numbers(column).astype(np.int64, copy=False) for column in columns)
    is_small = max(int(recency.max()), int(age.max())) < 2**DAYS_BITS and int(frequency.max()) < 2 ** (
        62 - 2 * DAYS_BITS
    )
    if not is_small or min(int(each.min()) for each in (frequency, recency, age)) < 0:
        return None
    packed = frequency << 2 * DAYS_BITS
    packed |= recency << DAYS_BITS
    packed |= age
    packed.sort()  # in place, and so on: of a million customers every copy is eight megabytes
    begins = np.append(0, np.flatnonzero(packed[1:] != packed[:-1]) + 1)
    weight = np.diff(begins, append=len(packed)).astype(np.float64)
    packed, days = packed[begins], 2**DAYS_BITS - 1
    frequency = (packed >> 2 * DAYS_BITS).astype(np.float64)
    recency, age = ((packed >> place & days).astype(np.float64) for place in (DAYS_BITS, 0))
    return Groups(frequency, recency, age, weight)


def log_gap_sum(purchases: Any, *, as_of: Day) -> float:
    """Sum of the natural logarithms of all gaps (days) between one purchase day and the customer's next.

    >>> from querencia.insight import samples
    >>> round(log_gap_sum(samples.cdnow(), as_of=samples.CDNOW_END))
    14882
    """
    days = windowed(as_days(purchases, as_of=as_of))
    return float(rows(rhythm.gaps(days).select(nw.col("log_gap").sum()))[0]["log_gap"] or 0.0)


def verify(made: Groups) -> None:
    finite = np.isfinite(made.frequency) & np.isfinite(made.recency) & np.isfinite(made.age)
    possible = finite & (made.frequency >= 0) & (made.recency >= 0) & (made.recency <= made.age)
    possible &= (made.frequency > 0) | (made.recency == 0)
    if not possible.all():
        at = int(np.argmin(possible))
        example = {name: float(getattr(made, name)[at]) for name in HISTORY}
        raise InputError(
            f"{int(made.weight[~possible].sum()):,} customers have an impossible history, for example {example}: "
            "recency lies between 0 and age, and is 0 without a repeat purchase.",
            column="recency",
            count=int(made.weight[~possible].sum()),
            example=example,
        )


def spread(frame: Frame, made: Groups, values: dict[str, Array]) -> Frame:
    """Values of each group given to each of its customers, by a join inside the engine.

    ``frame`` must hold the three columns of the history, and the covariates of ``made``; ``values`` are columns to add.
    """
    columns = {f"group_{name}": getattr(made, name).astype(np.int64) for name in HISTORY}
    rows_have = {f"group_{name}": nw.col(name).cast(nw.Int64()) for name in HISTORY}
    for place, (given, read) in enumerate(made.keys.values()):
        columns[f"group_x{place}"], rows_have[f"group_x{place}"] = given, read
    table = beside({**columns, **values}, frame)
    whole = frame.with_columns(**rows_have)
    keys = list(columns)
    kept = frame.collect_schema().names()
    return whole.join(table, on=keys, how="left").select(*kept, *values)
