"""A batch of somebody's rows becomes typed rows of ours and rejects with their reason, column by column."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from querencia.common import money
from querencia.customers.imports import dates, reasons, values, vocabulary
from querencia.customers.imports.formats import FileFormat
from querencia.customers.imports.formulas import COLUMN_SCALE, Formula
from querencia.customers.imports.readers import Batch, Broken

KEY_LENGTH_MAX = 200
FIRST_DAY = -25_567  # 1900-01-01
QUANTITY_SCALE = 3
QUANTITY_MAX = 10**13
LENGTHS = {"channel": 40, "branch": 80, "sku": 80, "name": 200, "category": 120}
type Resolved = dict[str, str | Formula]


@dataclass(frozen=True)
class BusinessFacts:
    """What a file leaves unsaid is the business's own."""

    currency: str = ""
    time_zone: str = "UTC"
    language: str = "en"
    country: str = ""


@dataclass(frozen=True)
class Terms:
    """How rows are read, whatever the batch."""

    resolved: Resolved
    form: FileFormat
    business: BusinessFacts
    at: datetime


@dataclass(frozen=True)
class Checked:
    """Good rows (typed), what was rejected or left out of them, what is worth a word, and how many rows there were."""

    good: pl.DataFrame
    rejects: pl.DataFrame
    read: int
    notes: pl.DataFrame = dataclasses.field(default_factory=reasons.nothing)


class Sieve:
    """Collects why rows are no good; of several reasons the first counts."""

    def __init__(self, rows: pl.Series) -> None:
        self.rows = rows
        self.code = pl.Series("code", [None] * len(rows), dtype=pl.String)
        self.parts: list[pl.DataFrame] = []
        self.noted: list[pl.DataFrame] = []
        self.is_good = pl.Series([True] * len(rows), dtype=pl.Boolean)

    def reject(self, code: str, column: str, bad: pl.Series, value: pl.Series | None = None) -> None:
        self.parts += self._told(code, column, bad.fill_null(False) & self.is_good, value, is_warning=False)
        self.is_good = self.is_good & ~bad.fill_null(False)

    def warn(self, code: str, column: str, bad: pl.Series, value: pl.Series | None = None) -> None:
        """The row is taken, the value is not. Call after all rejects: rejected rows are not warned of."""
        self.parts += self._told(code, column, bad.fill_null(False) & self.is_good, value, is_warning=True)

    def note(self, code: str, column: str, which: pl.Series, value: pl.Series | None = None) -> None:
        """The row is taken whole, and worth a word in the summary. Call after all rejects."""
        self.noted += self._told(code, column, which.fill_null(False) & self.is_good, value, is_warning=True)

    def _told(
        self, code: str, column: str, which: pl.Series, value: pl.Series | None, *, is_warning: bool
    ) -> list[pl.DataFrame]:
        if not which.any():
            return []
        count = int(which.sum())
        shown = dates.as_text(value.filter(which)) if value is not None else pl.Series([""] * count)
        told = {
            "row": self.rows.filter(which),
            "column": pl.Series([column] * count, dtype=pl.String),
            # Databases and spreadsheets choke on the sign that ends a text in older languages.
            "value": shown.str.slice(0, 200).str.replace_all("\x00", "", literal=True).fill_null(""),
            "code": pl.Series([code] * count, dtype=pl.String),
            "facts": pl.Series([None] * count, dtype=pl.String),
            "is_warning": pl.Series([is_warning] * count, dtype=pl.Boolean),
        }
        return [pl.DataFrame(told)]

    def rejects(self, broken: list[Broken]) -> pl.DataFrame:
        parts = [*self.parts, broken_rows(broken)] if broken else self.parts
        return pl.concat(parts).sort("row", maintain_order=True) if parts else reasons.nothing()

    def notes(self) -> pl.DataFrame:
        return pl.concat(self.noted) if self.noted else reasons.nothing()


def broken_rows(broken: list[Broken]) -> pl.DataFrame:
    return pl.DataFrame(
        [(row.row, "", row.text.replace("\x00", ""), row.code, json.dumps(row.facts), False) for row in broken],
        schema=reasons.REJECTS,
        orient="row",
    )


class Source:
    """A batch seen through the mapping: the column, or the reckoned number, of a field."""

    def __init__(self, terms: Terms, batch: Batch) -> None:
        self.terms = terms
        self.frame, self.rows = _without_blank_rows(batch)

    def has(self, field: str) -> bool:
        return field in self.terms.resolved

    def column(self, field: str) -> str:
        """The column's name, or the formula as it is written: what a reject names."""
        given = self.terms.resolved.get(field, "")
        return given.text if isinstance(given, Formula) else given

    def is_constant(self, field: str) -> bool:
        """Whether one number stands for every row."""
        given = self.terms.resolved[field]
        return isinstance(given, Formula) and not given.columns

    def raw(self, field: str) -> pl.Series:
        given = self.terms.resolved[field]
        if not isinstance(given, Formula):
            return self.frame[given]
        if not given.columns:
            return pl.Series([given.text] * len(self.frame), dtype=pl.String)
        if len(given.columns) == 1:
            return self.frame[given.columns[0]]
        return self._joined(given.columns, " · ")

    def moment(self, field: str) -> pl.Series:
        """A date, or what several columns tell of it (year and month, day and hour) in one text."""
        given = self.terms.resolved[field]
        return self._joined(given.columns, " ") if isinstance(given, Formula) else self.frame[given]

    def _joined(self, columns: list[str], separator: str) -> pl.Series:
        shown = [pl.lit(dates.as_text(self.frame[name])) for name in columns]
        return pl.select(pl.concat_str(shown, separator=separator, ignore_nulls=True)).to_series()

    def number(self, field: str, digits: int, maximum: int) -> pl.Series:
        """Times 10^digits as Int64; null where there is none, or it is no number."""
        given, decimal = self.terms.resolved[field], self.terms.form.decimal
        if not isinstance(given, Formula):
            return values.fits(values.scaled(self.frame[given], decimal=decimal, scale=digits), maximum)
        numbers = {name: values.scaled(self.frame[name], decimal=decimal, scale=COLUMN_SCALE) for name in given.columns}
        made = given.reckon(numbers, digits)
        return made if given.columns else pl.Series([made[0]] * len(self.frame), dtype=pl.Int64)

    def is_blank(self, field: str) -> pl.Series:
        given = self.terms.resolved[field]
        columns = given.columns if isinstance(given, Formula) else [given]
        blank = pl.Series([False] * len(self.frame), dtype=pl.Boolean)
        for name in columns:
            blank = blank | values.label(self.frame[name]).is_null()
        return blank


def _without_blank_rows(batch: Batch) -> tuple[pl.DataFrame, pl.Series]:
    frame = batch.frame
    if frame.is_empty():
        return frame, batch.rows
    first = frame.to_series(0)
    suspects = (first == "").fill_null(True) if first.dtype == pl.String else first.is_null()
    if not suspects.any():
        return frame, batch.rows
    filled = pl.Series([False] * len(frame), dtype=pl.Boolean)
    for series in frame.get_columns():
        filled = filled | (series.is_not_null() & (series != "" if series.dtype == pl.String else True))
    return (frame, batch.rows) if filled.all() else (frame.filter(filled), batch.rows.filter(filled))


def check(kind: str, terms: Terms, batch: Batch) -> Checked:
    """Type a batch. Reads nothing but what it is given."""
    from querencia.customers.imports import person_checks

    checker: Callable[[Source, Sieve], pl.DataFrame] = (
        person_checks.typed if kind == vocabulary.CUSTOMERS else purchases
    )
    source = Source(terms, batch)
    sieve = Sieve(source.rows)
    typed = checker(source, sieve)
    rejects = sieve.rejects(batch.broken)
    good = typed if sieve.is_good.all() else typed.filter(sieve.is_good)
    return Checked(good, rejects, len(source.rows) + len(batch.broken), sieve.notes())


def purchases(source: Source, sieve: Sieve) -> pl.DataFrame:
    """Columns ``row, customer_key, at (s since 1970 UTC), day, wall, amount (minor units)`` and those mapped of ``key,
    channel, branch, refund_of, cost, sku, name, category, quantity (thousandths)``."""
    currency = source.terms.business.currency
    who = values.customer_key(source.raw("customer_key"))
    sieve.reject("no_customer", source.column("customer_key"), who.is_null(), source.raw("customer_key"))
    long = who.str.len_chars() > KEY_LENGTH_MAX
    sieve.reject("customer_key_long", source.column("customer_key"), long, who)
    moment = moments(source, sieve)
    amount = source.number("amount", money.exponent(currency), money.MINOR_MAX)
    without = amount.is_null() & source.is_blank("amount")
    sieve.reject("no_amount", source.column("amount"), without, source.raw("amount"))
    sieve.reject("bad_amount", source.column("amount"), amount.is_null(), source.raw("amount"))
    if source.has("currency"):
        named = values.label(source.raw("currency")).str.to_uppercase()
        sieve.reject("other_currency", source.column("currency"), named != currency, source.raw("currency"))
    typed = {"row": source.rows, "customer_key": who, **moment.to_dict(), "amount": amount}
    for field in ("key", "refund_of"):
        if source.has(field):
            typed[field] = values.label(source.raw(field))
            sieve.reject("key_long", source.column(field), typed[field].str.len_chars() > KEY_LENGTH_MAX, typed[field])
    if source.has("refund_of"):
        above = typed["refund_of"].is_not_null() & (amount > 0)
        sieve.reject("refund_positive", source.column("amount"), above, source.raw("amount"))
    details = _details(source, sieve)
    if not source.is_constant("amount"):
        sieve.note("refund", source.column("amount"), amount < 0, source.raw("amount"))
        sieve.note("zero", source.column("amount"), amount == 0, source.raw("amount"))
    return pl.DataFrame({**typed, **details})


def moments(source: Source, sieve: Sieve) -> pl.DataFrame:
    column, raw = source.column("at"), source.moment("at")
    moment = dates.read(raw, order=source.terms.form.date_order, zone=source.terms.business.time_zone)
    without = moment["at"].is_null() & values.label(raw).is_null()
    sieve.reject("no_date", column, without, raw)
    sieve.reject("bad_date", column, moment["at"].is_null(), raw)
    latest = int((source.terms.at + timedelta(days=1)).timestamp())
    sieve.reject("date_future", column, moment["at"] > latest, raw)
    sieve.reject("date_past", column, moment["day"] < FIRST_DAY, raw)
    return moment


def _details(source: Source, sieve: Sieve) -> dict[str, pl.Series]:
    found: dict[str, pl.Series] = {}
    for field, length in LENGTHS.items():
        if source.has(field):
            written = values.label(source.raw(field))
            long = written.str.len_chars() > length
            if long.any():
                sieve.warn("too_long", source.column(field), long, written)
                written = values.shortened(written, length)
            found[field] = written
    digits = {"cost": money.exponent(source.terms.business.currency), "quantity": QUANTITY_SCALE}
    bounds = {"cost": money.MINOR_MAX, "quantity": QUANTITY_MAX}
    for field, scale in digits.items():
        if source.has(field):
            found[field] = source.number(field, scale, bounds[field])
            sieve.warn(
                f"bad_{field}",
                source.column(field),
                found[field].is_null() & ~source.is_blank(field),
                source.raw(field),
            )
    return found
