"""A file as it stood on a day: the sample by which it is understood, without the rows that came later.

A forecast may not look ahead, not even to find out whether the file writes the day or the month first. Every row is
dated under each order that its date allows, and speaks for an order only where that puts it before the end of the day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from querencia.common.time import day_number
from querencia.customers.imports import dates, formats, readers, values
from querencia.customers.imports.checks import BusinessFacts
from querencia.customers.imports.formulas import Formula
from querencia.customers.imports.inspection import SAMPLE_ROWS, Sample

ZONE = "UTC"


@dataclass(frozen=True)
class Seen:
    """The sample, and what of the file's format is certain by it."""

    sample: Sample
    known: dict[str, str]


def up_to(
    day: date, path: Path, sample: Sample, *, at: str | Formula, given: dict[str, Any], business: BusinessFacts
) -> Seen | None:
    """The first rows that are not later than the day, by what tells the date (``at``); None when there is none.

    Reads on until there are enough of them and they show their order of day and month.
    """
    latest, told = day_number(day), given.get("date_order")
    frames: list[pl.DataFrame] = []
    dated: dict[str, None] = {}
    order, is_certain = told or dates.YMD, True
    for frame, when in _early(path, sample, at, latest, [told] if told else list(dates.ORDERS)):
        if sum(len(kept) for kept in frames) < SAMPLE_ROWS:
            frames.append(frame)
        if not told and not when.dtype.is_temporal():
            dated |= dict.fromkeys(values.label(when).drop_nulls().unique(maintain_order=True).to_list())
            order, is_certain = dates.order_of(list(dated))
        if is_certain and sum(len(kept) for kept in frames) >= SAMPLE_ROWS:
            break
    if not is_certain:
        order = dates.assumed_order(business.language, business.country, business.currency)
    kept = [frame.filter(_day(moment(frame, at), order) <= latest) for frame in frames]
    rows = pl.concat(kept, how="diagonal_relaxed").head(SAMPLE_ROWS) if kept else pl.DataFrame()
    if rows.is_empty():
        return None
    numbers = pl.int_range(1, len(rows) + 1, eager=True, dtype=pl.Int64)
    batch = readers.Batch(rows, numbers, [], sample.batch.share)
    seen = replace(sample, columns=rows.columns, batch=batch, elsewhere=[])
    return Seen(seen, {"date_order": order} if is_certain else {})


def later(frame: pl.DataFrame, at: str | Formula, *, order: str, latest: int) -> pl.Series:
    """Which rows are dated after the day; rows without a date are not."""
    return (_day(moment(frame, at), order) > latest).fill_null(False)


def moment(frame: pl.DataFrame, at: str | Formula) -> pl.Series:
    """What tells the date of each row, from one column or several."""
    columns = at.columns if isinstance(at, Formula) else [at]
    if len(columns) == 1:
        return frame[columns[0]]
    parts = [pl.lit(dates.as_text(frame[name])) for name in columns]
    return pl.select(pl.concat_str(parts, separator=" ", ignore_nulls=True)).to_series()


def _early(
    path: Path, sample: Sample, at: str | Formula, latest: int, orders: list[str]
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Rows that some order puts on or before the day, and what tells their date, batch by batch."""
    needed = at.columns if isinstance(at, Formula) else [at]
    for batch in readers.read(path, sample.form, block=formats.SAMPLE_BYTES):
        if not set(needed) <= set(batch.frame.columns):
            continue
        when = moment(batch.frame, at)
        early = pl.Series([False] * len(when), dtype=pl.Boolean)
        for order in orders:
            early = early | (_day(when, order) <= latest).fill_null(False)
        if early.any():
            yield batch.frame.filter(early), when.filter(early)


def _day(written: pl.Series, order: str) -> pl.Series:
    return dates.read(written, order=order, zone=ZONE)["day"]
