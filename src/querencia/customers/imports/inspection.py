"""Looking at a file before anything is written: what it is, how it would be read, what its first rows become."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
from babel.lists import format_list
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from querencia.common import money, time
from querencia.customers.imports import dates, formats, mapping, readers, reasons, values, vocabulary
from querencia.customers.imports.checks import QUANTITY_SCALE, BusinessFacts, Checked, Terms, check
from querencia.customers.imports.formats import FileFormat
from querencia.customers.imports.formulas import Formula
from querencia.customers.imports.mapping import resolve
from querencia.customers.imports.problems import Unreadable, listed

SAMPLE_ROWS = 5_000
SAMPLES = 5
SAMPLE_LENGTH_MAX = 60


@dataclass(frozen=True)
class Column:
    """A column of the file: its name, some different values, what they look like, the fields it is taken for."""

    name: str
    samples: list[str]
    kind: str
    fields: list[str]


@dataclass(frozen=True)
class PreviewRow:
    """A row as it was understood: shown as text, or the sentence that says why it would be rejected."""

    row: int
    values: dict[str, str]
    reason: str

    @property
    def is_rejected(self) -> bool:
        return bool(self.reason)


@dataclass(frozen=True)
class Inspection:
    """What a file is and what would become of it. ``problem`` is empty when it can be imported."""

    kind: str
    file_name: str
    file_format: dict[str, Any] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    mapping: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    preview: list[PreviewRow] = field(default_factory=list)
    problem: str = ""
    code: str = ""  # of the problem
    notes: list[str] = field(default_factory=list)
    rows_estimated: int = 0

    @property
    def is_ready(self) -> bool:
        return not self.problem and not self.missing


@dataclass(frozen=True)
class Sample:
    """A file's format and some of its rows, from its beginning and (large text files) from all over it."""

    form: FileFormat
    columns: list[str]
    batch: readers.Batch
    elsewhere: list[list[str]]
    rows_estimated: int


def inspect(
    path: Path,
    *,
    file_name: str,
    business: BusinessFacts,
    at: datetime,
    kind: str | None = None,
    mapping: dict[str, str] | None = None,
    file_format: dict[str, Any] | None = None,
    preview_rows: int = 20,
) -> Inspection:
    """Detect, guess, preview. Never raises for a bad file: ``problem`` says what is wrong with it."""
    given = {name: value for name, value in (file_format or {}).items() if value not in (None, "")}
    try:
        sample = sampled(Path(path), given)
    except Unreadable as fault:
        return Inspection(
            kind or vocabulary.PURCHASES,
            file_name,
            dict(given),
            problem=_renamed(fault, path, file_name),
            code=fault.code,
        )
    known = known_columns(sample)
    kind, guessed = guessed_kind(kind, known) if mapping is None else (kind or vocabulary.PURCHASES, mapping)
    form, notes = settled(sample, known, guessed, given, business)
    found = Inspection(
        kind,
        file_name,
        form.as_json(),
        shown_columns(known, guessed),
        guessed,
        missing=[name for name in vocabulary.required(kind) if not guessed.get(name)],
        notes=notes,
        rows_estimated=sample.rows_estimated,
    )
    try:
        resolved = resolve(kind, guessed, sample.columns)
        if found.missing:
            raise lacking(kind, found.missing, sample.columns)
        check_currency(kind, form, business)
    except Unreadable as fault:
        return replace(found, problem=str(fault), code=fault.code)
    terms = Terms(resolved, form, business, at)
    return replace(found, preview=previewed(kind, terms, sample.batch, preview_rows))


def lacking(kind: str, missing: list[str], columns: Sequence[str]) -> Unreadable:
    """What the file lacks, and what it seems to be instead."""
    headers = {mapping.folded(name) for name in columns}
    if "at" in missing and any(headers.issuperset(said) for said in vocabulary.SUMMARIES):
        return Unreadable("summary", columns=listed(list(columns)))
    if missing == ["amount"]:
        return Unreadable("no_amounts", columns=listed(list(columns)))
    return Unreadable(f"no_{kind}", missing=missing_in_words(kind, missing), columns=listed(list(columns)))


def _renamed(fault: Unreadable, path: Path, file_name: str) -> str:
    """People know the name they gave the file, not the one under which it is kept."""
    if "path" in fault.facts:
        fault.facts["path"] = file_name
    return str(fault)


def missing_in_words(kind: str, missing: list[str]) -> str:
    said = {
        "customer_key": _("the customer"),
        "at": _("the date"),
        "amount": _("the amount"),
        "key": _("the customer's id"),
    }
    return str(format_list([said[name] for name in missing], locale=to_locale(get_language() or "en")))


def check_currency(kind: str, form: FileFormat, business: BusinessFacts) -> None:
    """Raises Unreadable when amounts could not be added to the business's."""
    if kind != vocabulary.PURCHASES:
        return
    if form.currency and not money.is_currency(form.currency):
        raise Unreadable("currency_unknown", code=form.currency)
    if not business.currency:
        raise Unreadable("no_business")
    if form.currency and form.currency.upper() != business.currency:
        raise Unreadable("currency", business=business.currency, file=form.currency.upper())


def sampled(path: Path, given: dict[str, Any]) -> Sample:
    """The first rows of a file and its detected container. Raises Unreadable when there is nothing to read."""
    form = formats.container_of(path, given)
    if form.container == formats.EXCEL and not form.sheet:
        form = replace(form, sheet=readers.sheet_of(path, form).name)
    batches = list(islice(readers.read(path, form, block=formats.SAMPLE_BYTES), 1))
    if not batches or (batches[0].frame.is_empty() and not batches[0].broken):
        raise Unreadable("empty")
    batch = batches[0]
    columns = batch.frame.columns
    if form.container == formats.JSONL and not columns:
        raise Unreadable("json_broken", row=batch.broken[0].row)
    elsewhere = _rows_elsewhere(path, form, len(columns))
    part = readers.Batch(batch.frame.head(SAMPLE_ROWS), batch.rows.head(SAMPLE_ROWS), batch.broken, batch.share)
    return Sample(form, columns, part, elsewhere, _estimate(path, form, batch))


def _rows_elsewhere(path: Path, form: FileFormat, width: int) -> list[list[str]]:
    """Rows from all over a large text file: the 13th of a month may come late."""
    if form.container != formats.CSV or form.compression or form.encoding == "utf-16":
        return []
    found: list[list[str]] = []
    for piece in formats.pieces(path):
        text = piece.decode(form.encoding.removesuffix("-sig"), errors="ignore")
        rows = formats.parsed(text.partition("\n")[2], form.delimiter)
        found += [row for row in rows if len(row) == width]
    return found


def _estimate(path: Path, form: FileFormat, batch: readers.Batch) -> int:
    if form.container == formats.PARQUET:
        return int(readers.opened_parquet(path).metadata.num_rows)
    rows = len(batch.rows) + len(batch.broken)
    if form.container == formats.EXCEL:
        return round(rows / max(batch.share, 1e-9))
    if form.compression or path.stat().st_size <= formats.SAMPLE_BYTES:
        return round(rows / max(min(batch.share, 1.0), 1e-9))
    return round(rows * path.stat().st_size / formats.SAMPLE_BYTES)


def known_columns(sample: Sample) -> list[mapping.Known]:
    found = []
    for place, name in enumerate(sample.columns):
        series = sample.batch.frame[name]
        text = dates.as_text(series) if series.dtype.is_temporal() else series
        written = values.label(text).drop_nulls().to_list()
        written += [value for row in sample.elsewhere if (value := row[place].strip())]
        found.append(mapping.Known(name, written, series.dtype.is_temporal()))
    return found


def guessed_kind(kind: str | None, known: list[mapping.Known]) -> tuple[str, dict[str, str]]:
    """The kind of file and its mapping: purchases if it can be read so, else customers if it can."""
    if kind:
        return kind, mapping.guess(kind, known)
    purchases = mapping.guess(vocabulary.PURCHASES, known)
    if all(name in purchases for name in vocabulary.required(vocabulary.PURCHASES)):
        return vocabulary.PURCHASES, purchases
    people = mapping.guess(vocabulary.CUSTOMERS, known)
    tells_who = any(name in people for name in ("given_name", "family_name", "email", "phone", "birthday"))
    may_tell_who = "name" in people or "city" in people
    tells_when = "at" in purchases and "customer_key" in purchases
    if "key" in people and (tells_who or (may_tell_who and not tells_when)):
        return vocabulary.CUSTOMERS, people
    return vocabulary.PURCHASES, purchases


def settled(
    sample: Sample, known: list[mapping.Known], mapped: dict[str, str], given: dict[str, Any], business: BusinessFacts
) -> tuple[FileFormat, list[str]]:
    """The format with decimal sign and order of dates, and what had to be assumed."""
    form, notes = sample.form, []
    if "decimal" not in given:
        numbers = [list(column.values) for column in known if column.kind != mapping.DATE]
        form = replace(form, decimal=formats.decimal_of(numbers, form.delimiter, business.language))
    if "date_order" not in given:
        named = mapping.columns_of(_dates(mapped, [c.name for c in known]))
        columns = [c for c in known if c.name in named] or [c for c in known if c.kind == mapping.DATE]
        written = [value for column in columns if not column.is_native_date for value in column.values]
        order, is_certain = dates.order_of(written)
        if not is_certain:
            order = dates.assumed_order(business.language, business.country, business.currency)
            notes.append(_ambiguous(order, written))
        form = replace(form, date_order=order)
        if _names_no_day(mapped.get("at", ""), known):
            notes.append(_("The dates name no day: each counts as the first of its month."))
    return form, notes


def _dates(mapped: dict[str, str], columns: Sequence[str]) -> dict[str, str | Formula]:
    """The dates among what is mapped, as far as they can be understood."""
    found: dict[str, str | Formula] = {}
    for name in vocabulary.DATES:
        try:
            kind = vocabulary.CUSTOMERS if vocabulary.field(vocabulary.CUSTOMERS, name) else vocabulary.PURCHASES
            found |= resolve(kind, {name: mapped.get(name, "")}, columns)
        except Unreadable:
            continue
    return found


def _names_no_day(at: str, known: list[mapping.Known]) -> bool:
    """Whether the date is made of months alone."""
    given = _dates({"at": at}, [column.name for column in known]).get("at")
    columns = {column.name: column for column in known}
    if isinstance(given, Formula):
        values_ = zip(*(columns[name].values for name in given.columns), strict=False)
        return any(dates.MONTH_ALONE.fullmatch(" ".join(parts)) for parts in values_)
    return given is not None and columns[given].share(dates.MONTH_ALONE.fullmatch) > 0.5


def _ambiguous(order: str, written: list[str]) -> str:
    example = next((value for value in written if dates.PARTED.match(value)), written[0])
    if order == dates.MDY:
        said = _(
            "Dates such as %(example)s could be read in two ways; they were read as month/day/year. "
            "Change it if that is wrong."
        )
    else:
        said = _(
            "Dates such as %(example)s could be read in two ways; they were read as day/month/year. "
            "Change it if that is wrong."
        )
    return said % {"example": example}


def shown_columns(known: list[mapping.Known], mapped: dict[str, str]) -> list[Column]:
    names = [column.name for column in known]
    users: dict[str, list[str]] = {}
    for name, given in mapped.items():
        try:
            resolved = resolve(vocabulary.PURCHASES, {"amount": given}, names) if given else {}
        except Unreadable:
            continue
        for column in mapping.columns_of(resolved):
            users.setdefault(column, []).append(name)
    return [
        Column(
            column.name,
            [value[:SAMPLE_LENGTH_MAX] for value in list(dict.fromkeys(column.values))[:SAMPLES]],
            column.kind,
            users.get(column.name, []),
        )
        for column in known
    ]


def previewed(kind: str, terms: Terms, batch: readers.Batch, count: int) -> list[PreviewRow]:
    """The first rows with what was understood of them, the rejected ones with their reason."""
    broken = batch.broken[:count]
    needed = mapping.columns_of(terms.resolved)
    part = readers.Batch(
        batch.frame.head(count).select(needed or batch.frame.columns[:1]), batch.rows.head(count), broken, 0.0
    )
    checked = check(kind, terms, part)
    rejected = {row["row"]: row for row in checked.rejects.iter_rows(named=True) if not row["is_warning"]}
    rows = [PreviewRow(row["row"], _shown(kind, terms, row), "") for row in checked.good.iter_rows(named=True)]
    for number, reject in rejected.items():
        raw = _raw(terms, part, number)
        words = reasons.in_words(checked.rejects.filter(pl.col("row") == number).head(1))
        rows.append(PreviewRow(number, raw or {"": reject["value"]}, str(words.to_series(3)[0])))
    return sorted(rows, key=lambda row: row.row)[:count]


def _raw(terms: Terms, batch: readers.Batch, number: int) -> dict[str, str]:
    """A rejected row as the file has it."""
    place = batch.rows.index_of(number)
    if place is None:
        return {}
    row = batch.frame.row(place, named=True)
    columns = {name: mapping.columns_of({name: given}) for name, given in terms.resolved.items()}
    return {
        name: " · ".join("" if row[each] is None else str(row[each]) for each in names)
        for name, names in columns.items()
    }


def _shown(kind: str, terms: Terms, row: dict[str, Any]) -> dict[str, str]:
    shown = {}
    for name in terms.resolved:
        value = row.get(name)
        if value is None:
            shown[name] = ""
        elif name in ("amount", "cost"):
            shown[name] = str(money.to_decimal(value, terms.business.currency))
        elif name == "quantity":
            shown[name] = f"{Decimal(value).scaleb(-QUANTITY_SCALE).normalize():f}"
        elif name in ("at", "created_at"):
            shown[name] = _moment(value, terms.business.time_zone)
        else:
            shown[name] = str(value)
    for part in ("given_name", "family_name"):
        if "name" in terms.resolved and kind == vocabulary.CUSTOMERS:
            shown[part] = row.get(part) or ""
    return shown


def _moment(seconds: int, zone: str) -> str:
    from datetime import UTC, timedelta
    from zoneinfo import ZoneInfo

    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(ZoneInfo(zone))
    bare = moment.replace(tzinfo=None)
    return (
        time.local_day(moment, zone).isoformat() if bare.time() == bare.min.time() else bare.isoformat(" ", "minutes")
    )


__all__ = ["Checked", "Column", "Inspection", "PreviewRow", "inspect"]
