"""Weeks, months and quarters as consecutive integers, so that "the next period" is plus one in every engine.

Weeks begin on Monday and are numbered from the one of 1970-01-01; months and quarters are numbered from January of the
year 0.
"""

import datetime
from typing import Literal

import narwhals as nw

from querencia.insight.engine import Frame
from querencia.insight.errors import InputError
from querencia.insight.reading import date_of, day_number, quotient

Period = Literal["week", "month", "quarter"]
PERIODS: tuple[Period, ...] = ("week", "month", "quarter")
PERIODS_MAX = 13
MONDAY_SHIFT = 3  # 1970-01-01 was a Thursday


def chosen(period: str, *, first_day: int, last_day: int) -> Period:
    """The period asked for; for ``auto`` the shortest that divides the days into at most thirteen, else quarters."""
    if period == "auto":
        for candidate in PERIODS:
            if index_of(last_day, candidate) - index_of(first_day, candidate) < PERIODS_MAX:
                return candidate
        return "quarter"
    for known in PERIODS:
        if period == known:
            return known
    raise InputError(f"{period!r} is no period: say auto, week, month or quarter.", example=period)


def index_of(day: int, period: Period) -> int:
    """Number of the period that a day lies in."""
    if period == "week":
        return (day + MONDAY_SHIFT) // 7
    date = date_of(day)
    months = date.year * 12 + date.month - 1
    return months if period == "month" else months // 3


def first_day(index: int, period: Period) -> int:
    """Day number of the first day of a period."""
    if period == "week":
        return index * 7 - MONDAY_SHIFT
    months = index if period == "month" else index * 3
    if months >= 10_000 * 12:  # the day after the last that a date can name
        return day_number(datetime.date.max) + 1
    return day_number(datetime.date(max(months // 12, 1), months % 12 + 1, 1))


def indexed(frame: Frame, day: nw.Expr, period: Period, *, name: str) -> Frame:
    """The frame with :func:`index_of` of a column of day numbers as another column, reckoned inside the engine.

    Years begin in March in between, so that the leap day comes last (H. Hinnant, "chrono-compatible low-level date
    algorithms", civil_from_days). Each step is a column of its own: written out in full, they grow beyond what Spark
    can plan.
    """
    kept = frame.collect_schema().names()
    if period == "week":
        week = quotient(day.cast(nw.Float64()) + MONDAY_SHIFT, 7)
        return frame.with_columns(week.cast(nw.Int64()).alias(name))
    steps = ("shifted", "era", "of_era", "leaps", "year_of_era", "of_year", "month", "months")
    shifted, era, of_era, leaps, year_of_era, of_year, month, months = (nw.col(f"__{step}") for step in steps)
    made = (
        day.cast(nw.Float64()) + 719_468,  # days since 0000-03-01
        quotient(shifted, 146_097),
        shifted - era * 146_097,
        quotient(of_era, 1_460) - quotient(of_era, 36_524) + quotient(of_era, 146_096),
        quotient(of_era - leaps, 365),
        of_era - (year_of_era * 365 + quotient(year_of_era, 4) - quotient(year_of_era, 100)),
        quotient(of_year * 5 + 2, 153) + 2,  # 2 is March, 13 February of the year after
        (year_of_era + era * 400) * 12 + month,
    )
    for step, expression in zip(steps, made, strict=True):
        frame = frame.with_columns(expression.alias(f"__{step}"))
    index = months if period == "month" else quotient(months, 3)
    return frame.select(*kept, index.cast(nw.Int64()).alias(name))
