"""How one column of somebody's table becomes ours: an expression for the engine, and what would make it untrustworthy.

Nothing here runs a query: a :class:`Reading` is handed to the door (:mod:`querencia.insight.tables`), which asks all
checks of all columns in one aggregated row.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import narwhals as nw
from babel.numbers import get_currency_precision

from querencia.insight.errors import InputError

EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = 1 - EPOCH_ORDINAL, 3_652_059 - EPOCH_ORDINAL  # 0001-01-01 and 9999-12-31
FLOAT_IDS_MAX = 2**53  # beyond it a float skips integers, so that two customers could share an id
MINOR_MAX = 9 * 10**14  # ten thousand of these still add up within 64 bits
NOISE_DECIMALS = 4  # a float amount is looked at in ten-thousandths of a minor unit, where its binary noise is gone
DECIMALS_MAX = 4  # decimals beyond the currency's own that 64 bits can carry beside MINOR_MAX


@dataclass(frozen=True)
class Check:
    """Rows that cannot be used: ``bad`` is true for them; ``said`` ends the sentence that begins with their number."""

    column: str
    bad: nw.Expr
    said: str


@dataclass(frozen=True)
class Reading:
    """A column of ours made from a column of theirs. ``made`` is safe to compute even where a check fails.

    ``steps`` are columns to add first, one after the other: a part that is used many times is computed once.
    """

    made: nw.Expr
    checks: Sequence[Check] = ()
    steps: Sequence[tuple[str, nw.Expr]] = ()


@cache
def exponent(currency: str | None) -> int:
    """Decimals of the currency by ISO 4217 (EUR 2, JPY 0, KWD 3); 2 when no currency is stated."""
    return 2 if currency is None else int(get_currency_precision(currency.upper()))


def day_number(day: int | datetime.date) -> int:
    """Days since 1970-01-01 of a date (of a datetime: of the day it names); day numbers come back as they are.

    >>> day_number(datetime.date(2024, 10, 4))
    20000
    """
    if isinstance(day, datetime.date):
        return day.toordinal() - EPOCH_ORDINAL
    if isinstance(day, bool) or not isinstance(day, int):
        raise InputError(f"A day is a date or a whole number of days since 1970-01-01, not {day!r}.", example=day)
    return day


def date_of(day: int) -> datetime.date:
    """The date of a day number.

    >>> date_of(20_000)
    datetime.date(2024, 10, 4)
    """
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
        steps = [
            (f"__{column}_year", given.dt.year().fill_null(1).cast(nw.Float64())),
            (f"__{column}_of_year", given.dt.ordinal_day().fill_null(1).cast(nw.Float64())),
        ]
        return Reading(_days_before(nw.col(f"__{column}_year"), nw.col(f"__{column}_of_year")), [missing], steps)
    if dtype.is_integer() and numbered:
        inside = (given >= FIRST_DAY) & (given <= LAST_DAY)
        out = Check(column, ~inside, "are no days since 1970-01-01 (years 1 to 9999)")
        return Reading(given.cast(nw.Int64()), [missing, out])
    if dtype.is_integer():
        return _civil(column, given.fill_null(0).cast(nw.Float64()), missing)
    if dtype == nw.String:
        blank = given.is_null() | (given.str.strip_chars() == "")
        looks = given.str.contains(r"^\d{8}$|^\d{4}-\d{2}-\d{2}(?:$|[T ])")
        digits = given.str.replace_all("-", "", literal=True).str.slice(0, 8)
        number = nw.when(looks).then(digits).otherwise(nw.lit("0")).cast(nw.Float64())
        return _civil(column, number, Check(column, blank, missing.said))
    raise InputError(
        f"Column {column!r} holds {dtype}: give dates, datetimes, text such as 2026-03-31 or numbers such as 20260331.",
        column=column,
    )


def _civil(column: str, number: nw.Expr, missing: Check) -> Reading:
    """Day numbers of YYYYMMDD numbers (as floats, see :func:`quotient`); 0 is no date."""
    names = [f"__{column}_{part}" for part in ("number", "year", "month", "day", "leap", "of_year", "length")]
    given, year, month, dom, leap, of_year, length = (nw.col(name) for name in names)
    correction = nw.when(month <= 2).then(nw.lit(0.0)).otherwise(leap - 2)
    even_from_august = month + quotient(month, 8)
    made = [
        number,
        quotient(given, 10_000),
        quotient(given, 100) - year * 100,
        given - year * 10_000 - month * 100,
        _divides(4, year) - _divides(100, year) + _divides(400, year),
        quotient(month * 367 - 362, 12) + correction + dom,
        nw.when(month == 2).then(leap + 28).otherwise(even_from_august - quotient(even_from_august, 2) * 2 + 30),
    ]
    valid = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (dom >= 1) & (dom <= length)
    wrong = Check(
        column,
        ~(missing.bad | valid),
        "are no dates: give dates, text such as 2026-03-31 or integers such as 20260331",
    )
    return Reading(_days_before(year, of_year), [missing, wrong], list(zip(names, made, strict=True)))


def quotient(number: nw.Expr, divisor: int) -> nw.Expr:
    """Whole quotient of whole numbers kept as floats, which are exact and floor alike in every engine.

    Some engines multiply by the reciprocal, which may fall just below a whole number: half a unit more cannot.
    """
    return ((number + 0.5) / divisor).floor()


def _divides(divisor: int, number: nw.Expr) -> nw.Expr:
    """1.0 where the divisor divides the number, else 0.0."""
    return nw.when(quotient(number, divisor) * divisor == number).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def _days_before(year: nw.Expr, of_year: nw.Expr) -> nw.Expr:
    """Day number of a year and a day of it (Reingold & Dershowitz, Calendrical Calculations, 2.17)."""
    past = year - 1
    leaps = quotient(past, 4) - quotient(past, 100) + quotient(past, 400)
    return (past * 365 + leaps + of_year - EPOCH_ORDINAL).cast(nw.Int64())


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
    usable = known & small
    steps: list[tuple[str, nw.Expr]] = []
    if dtype.is_integer():
        factor: int = 10**decimals
        made = nw.when(usable).then(given).otherwise(nw.lit(0)).cast(nw.Int64()) * factor
    elif isinstance(dtype, nw.Decimal) and dtype.scale <= min(6, decimals + DECIMALS_MAX):
        # By its digits: no engine's product or cast of decimals rounds like another's.
        digits = given.cast(nw.String()).str.replace_all(".", "", literal=True)
        unscaled = nw.when(usable).then(digits).otherwise(nw.lit("0")).cast(nw.Int64())
        made, steps = _rounded(column, unscaled, dtype.scale - decimals)
    else:
        fine: int = 10 ** (decimals + NOISE_DECIMALS)
        usual = nw.when(usable).then(as_float).otherwise(nw.lit(0.0))
        made, steps = _rounded(column, (usual * fine + 0.5).floor(), NOISE_DECIMALS)
    large = Check(column, known & ~small, f"are infinite or beyond {MINOR_MAX:,} minor units")
    if not required:
        return Reading(nw.when(known).then(made), [large], steps)
    missing = Check(column, ~known, "have no amount: leave them out, or give each its amount")
    return Reading(made, [missing, large], steps)


def _rounded(column: str, unscaled: nw.Expr, decimals: int) -> tuple[nw.Expr, list[tuple[str, nw.Expr]]]:
    """Whole units of a whole number (integer or float) with that many decimals too many, half to even.

    Should a float's quotient fall one short, its rest is a whole unit and rounds up: the sum stays right.
    """
    if decimals <= 0:
        factor: int = 10**-decimals
        return (unscaled * factor).cast(nw.Int64()), []
    size: int = 10**decimals
    fine, units = nw.col(f"__{column}_fine"), nw.col(f"__{column}_units")
    rest = fine - units * size
    is_odd = (units // 2) * 2 != units
    up = nw.when((rest > size // 2) | ((rest == size // 2) & is_odd)).then(nw.lit(1)).otherwise(nw.lit(0))
    return (units + up).cast(nw.Int64()), [(f"__{column}_fine", unscaled), (f"__{column}_units", fine // size)]


def example_of(value: Any) -> str:
    """A value for a message: short, and quoted where it is text."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
