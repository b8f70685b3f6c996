"""How one column of somebody's table becomes ours: an expression for the engine, and what would make it untrustworthy.

Nothing here runs a query: a :class:`Reading` is handed to the door (:mod:`querencia.insight.tables`), which asks all
checks of all columns in one aggregated row.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import narwhals as nw
from babel.numbers import get_currency_precision

from querencia.insight.errors import InputError

EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = 1 - EPOCH_ORDINAL, 3_652_059 - EPOCH_ORDINAL  # 0001-01-01 and 9999-12-31
FLOAT_IDS_MAX = 2**53  # beyond it a float skips integers, so that two customers could share an id
MINOR_MAX = 9 * 10**14  # ten thousand of these still add up within 64 bits
NOISE = 10_000  # a float amount is looked at in ten-thousandths of a minor unit, where its binary noise is gone
DECIMALS_MAX = 4  # decimals beyond the currency's own that 64 bits can carry beside MINOR_MAX


@dataclass(frozen=True)
class Check:
    """Rows that cannot be used: ``bad`` is true for them; ``said`` ends the sentence that begins with their number."""

    column: str
    bad: nw.Expr
    said: str


@dataclass(frozen=True)
class Reading:
    """A column of ours made from a column of theirs. ``made`` is safe to compute even where a check fails."""

    made: nw.Expr
    checks: Sequence[Check] = field(default_factory=tuple)


@cache
def exponent(currency: str | None) -> int:
    """Decimals of the currency by ISO 4217 (EUR 2, JPY 0, KWD 3); 2 when no currency is stated."""
    return 2 if currency is None else int(get_currency_precision(currency.upper()))


def day_number(day: int | datetime.date) -> int:
    """Days since 1970-01-01 of a date (of a datetime: of the day it names); day numbers come back as they are."""
    if isinstance(day, datetime.date):
        return day.toordinal() - EPOCH_ORDINAL
    if isinstance(day, bool) or not isinstance(day, int):
        raise InputError(f"A day is a date or a whole number of days since 1970-01-01, not {day!r}.", example=day)
    return day


def date_of(day: int) -> datetime.date:
    """The date of a day number."""
    return datetime.date.fromordinal(day + EPOCH_ORDINAL)


def identifier(column: str, dtype: nw.dtypes.DType) -> Reading:
    """Customer ids: text and integers stay what they are; floats of whole numbers become integers (12345.0 → 12345)."""
    given = nw.col(column)
    missing = "have no customer: leave them out, or give each its customer"
    if dtype.is_integer():
        return Reading(given, [Check(column, given.is_null(), missing)])
    if dtype.is_float():
        known = ~given.is_null() & ~given.is_nan()
        usable = known & (given == given.floor()) & (given.abs() < FLOAT_IDS_MAX)
        made = nw.when(usable).then(given).otherwise(nw.lit(0.0)).cast(nw.Int64())
        return Reading(made, [
            Check(column, ~known, missing),
            Check(column, known & ~usable, "are not whole numbers: ids are text or whole numbers"),
        ])  # fmt: skip
    if isinstance(dtype, nw.Decimal) and dtype.scale == 0:
        return Reading(given.cast(nw.Int64()), [Check(column, given.is_null(), missing)])
    if dtype in (nw.String, nw.Categorical, nw.Enum, nw.Unknown):
        made = given if dtype == nw.String else given.cast(nw.String())
        blank = given.is_null() | (made.str.strip_chars() == "")
        return Reading(made, [Check(column, blank, missing)])
    raise InputError(f"Column {column!r} holds {dtype}: ids are text or whole numbers.", column=column)


def label(column: str, dtype: nw.dtypes.DType) -> Reading:
    """A key or a name that may be missing; floats of whole numbers (integers with gaps) as the text of the integer."""
    given = nw.col(column)
    if dtype.is_float():
        known = ~given.is_null() & ~given.is_nan()
        text = nw.when(known).then(given).otherwise(nw.lit(0.0)).cast(nw.Int64()).cast(nw.String())
        return Reading(nw.when(known).then(text))
    return Reading(given if dtype == nw.String else given.cast(nw.String()))


def day(column: str, dtype: nw.dtypes.DType, *, numbered: bool) -> Reading:
    """Days since 1970-01-01, by calendar arithmetic: engines differ in date differences, not in year and day of year.

    Dates, datetimes (the day in the time zone they carry), ISO text, ``YYYYMMDD`` as text or integer; with ``numbered``
    integers are day numbers already.
    """
    given = nw.col(column)
    missing = Check(column, given.is_null(), "have no date: leave them out, or give each its date")
    if dtype in (nw.Date, nw.Datetime):
        year, ordinal = (part.fill_null(1).cast(nw.Float64()) for part in (given.dt.year(), given.dt.ordinal_day()))
        return Reading(_days_before(year, ordinal), [missing])
    if dtype.is_integer() and numbered:
        inside = (given >= FIRST_DAY) & (given <= LAST_DAY)
        out = Check(column, ~inside, "are no days since 1970-01-01 (years 1 to 9999)")
        return Reading(given.cast(nw.Int64()), [missing, out])
    if dtype.is_integer():
        return _civil(column, given.cast(nw.Float64()), given >= 0, missing)
    if dtype == nw.String:
        digits = given.str.replace_all("-", "", literal=True).str.slice(0, 8)
        looks = given.str.contains(r"^\s*$|^\d{8}$|^\d{4}-\d{2}-\d{2}(?:$|[T ])")
        number = nw.when(looks & ~given.str.contains(r"^\s*$")).then(digits).otherwise(nw.lit("0")).cast(nw.Float64())
        blank = given.is_null() | (given.str.strip_chars() == "")
        return _civil(column, number, looks, Check(column, blank, missing.said))
    raise InputError(
        f"Column {column!r} holds {dtype}: give dates, datetimes, text such as 2026-03-31 or numbers such as 20260331.",
        column=column,
    )


def _civil(column: str, number: nw.Expr, looks: nw.Expr, missing: Check) -> Reading:
    """Day numbers of YYYYMMDD numbers (as floats, which are exact and floor alike in every engine)."""
    year = (number / 10_000).floor()
    month = (number / 100).floor() - year * 100
    dom = number - (number / 100).floor() * 100
    leap = _divides(4, year) - _divides(100, year) + _divides(400, year)
    correction = nw.when(month <= 2).then(nw.lit(0.0)).otherwise(leap - 2)
    ordinal = ((month * 367 - 362) / 12).floor() + correction + dom
    even_from_august = month + (month / 8).floor()
    length = nw.when(month == 2).then(leap + 28).otherwise(even_from_august - (even_from_august / 2).floor() * 2 + 30)
    valid = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (dom >= 1) & (dom <= length)
    wrong = Check(
        column,
        ~(missing.bad | (looks & valid)),
        "are no dates: give dates, text such as 2026-03-31 or integers such as 20260331",
    )
    return Reading(_days_before(year, ordinal), [missing, wrong])


def _divides(divisor: int, number: nw.Expr) -> nw.Expr:
    """1.0 where the divisor divides the number, else 0.0."""
    return nw.when((number / divisor).floor() * divisor == number).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def _days_before(year: nw.Expr, ordinal: nw.Expr) -> nw.Expr:
    """Day number of a year and a day of it (Reingold & Dershowitz, Calendrical Calculations, 2.17)."""
    past = year - 1
    leaps = (past / 4).floor() - (past / 100).floor() + (past / 400).floor()
    return (past * 365 + leaps + ordinal - EPOCH_ORDINAL).cast(nw.Int64())


def money(column: str, dtype: nw.dtypes.DType, *, decimals: int, required: bool) -> Reading:
    """Minor units as integers; half a unit goes to the even neighbour. ``decimals`` 0 means: minor units already.

    Decimals are exact. Floats are taken for the decimal they stand for (1.005 is one and five thousandths, though in
    binary it is a little less). An amount that is not ``required`` may be missing and stays so.
    """
    given = nw.col(column)
    if not dtype.is_numeric():
        raise InputError(f"Column {column!r} holds {dtype}: amounts are numbers.", column=column)
    as_float = given.cast(nw.Float64())
    known = ~as_float.is_null() & ~as_float.is_nan() if dtype.is_float() else ~given.is_null()
    small = as_float.abs() * 10**decimals < MINOR_MAX
    if isinstance(dtype, nw.Decimal) and dtype.scale <= min(6, decimals + DECIMALS_MAX):
        made = _from_decimal(given, known & small, dtype.scale, decimals)
    elif dtype.is_integer():
        made = nw.when(known & small).then(given).otherwise(nw.lit(0)).cast(nw.Int64()) * 10**decimals
    else:
        made = _from_float(nw.when(known & small).then(as_float).otherwise(nw.lit(0.0)), decimals)
    large = Check(column, known & ~small, f"are infinite or beyond {MINOR_MAX:,} minor units")
    if not required:
        return Reading(nw.when(known).then(made), [large])
    return Reading(made, [Check(column, ~known, "have no amount: leave them out, or give each its amount"), large])


def _from_float(amount: nw.Expr, decimals: int) -> nw.Expr:
    ten_thousandths: int = 10**decimals * NOISE
    fine = (amount * ten_thousandths + 0.5).floor()
    units = (fine / NOISE).floor()
    rest = fine - units * NOISE
    return (units + _up(units, rest, NOISE / 2, (units / 2).floor())).cast(nw.Int64())


def _from_decimal(amount: nw.Expr, usable: nw.Expr, scale: int, decimals: int) -> nw.Expr:
    # By its digits: no engine's product or cast of decimals rounds like another's.
    digits = amount.cast(nw.String()).str.replace_all(".", "", literal=True)
    unscaled = nw.when(usable).then(digits).otherwise(nw.lit("0")).cast(nw.Int64())
    if scale <= decimals:
        factor: int = 10 ** (decimals - scale)
        return unscaled * factor
    size: int = 10 ** (scale - decimals)
    units = unscaled // size
    return (units + _up(units, unscaled - units * size, size // 2, units // 2)).cast(nw.Int64())


def _up(units: nw.Expr, rest: nw.Expr, half: float, halved: nw.Expr) -> nw.Expr:
    """1 where the rest rounds the units up: more than half, or half beside an odd unit."""
    odd = halved * 2 != units
    return nw.when((rest > half) | ((rest == half) & odd)).then(nw.lit(1)).otherwise(nw.lit(0))


def example_of(value: Any) -> str:
    """A value for a message: short, and quoted where it is text."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
