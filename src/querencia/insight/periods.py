"""Weeks, months and quarters as consecutive integers, so that "the next period" is plus one in every engine.

Weeks begin on Monday and are numbered from the one of 1970-01-01; months and quarters are numbered from January of the
year 0.
"""

import datetime
from typing import Literal

import narwhals as nw

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


def index(day: nw.Expr, period: Period) -> nw.Expr:
    """:func:`index_of` of a column of day numbers, inside the engine.

    Years begin in March in between, so that the leap day comes last (H. Hinnant, "chrono-compatible low-level date
    algorithms", civil_from_days).
    """
    number = day.cast(nw.Float64())
    if period == "week":
        return quotient(number + MONDAY_SHIFT, 7).cast(nw.Int64())
    shifted = number + 719_468  # days since 0000-03-01
    era = quotient(shifted, 146_097)
    of_era = shifted - era * 146_097
    leaps = quotient(of_era, 1_460) - quotient(of_era, 36_524) + quotient(of_era, 146_096)
    year_of_era = quotient(of_era - leaps, 365)
    of_year = of_era - (year_of_era * 365 + quotient(year_of_era, 4) - quotient(year_of_era, 100))
    month = quotient(of_year * 5 + 2, 153) + 2  # 2 is March, 13 February of the year after
    months = (year_of_era + era * 400) * 12 + month
    return (months if period == "month" else quotient(months, 3)).cast(nw.Int64())
