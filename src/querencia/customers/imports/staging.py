"""Pass one: the whole file typed and staged, so that what is wrong with it is known before the first row is written.

Rows are sorted by key on the way. Lines of one purchase, or rows about one customer, come to stand together wherever
they were in the file, rows that are equal in all that tells purchases apart are numbered among themselves, and the
database's index grows at its end.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from querencia.customers.imports import erased, mapping, readers, reasons, vocabulary
from querencia.customers.imports.checks import Checked, Terms, check
from querencia.customers.imports.folder import Folder, RejectsFile
from querencia.customers.imports.problems import Unreadable
from querencia.customers.imports.reasons import Tally
from querencia.customers.imports.sorting import SAME_KEY_MAX, ByKey, TooManyAlike

# What tells two purchases without a number apart: who, when and how much. Nothing else does, or the same log read again
# with one column more would be another log.
CONTENT = ("customer_key", "wall", "amount")
TYPES: dict[str, Any] = {
    "row": pl.Int64, "at": pl.Int64, "day": pl.Int32, "wall": pl.Int64, "amount": pl.Int64, "cost": pl.Int64,
    "quantity": pl.Int64, "created_at": pl.Int64, "rows": pl.Int64, "number": pl.Int64, "given": pl.Boolean,
    "is_mixed": pl.Boolean,
}  # fmt: skip
PARQUET = {"compression": "zstd", "compression_level": 1, "use_dictionary": False, "write_statistics": False}
# Stages with the share of a run they usually take, so that the bar moves evenly.
type Progress = Callable[[str, float], None]
type Batches = Iterator[pl.DataFrame]


@dataclass
class Staged:
    """What the first pass found: rows read, batches to write, rejects counted by reason."""

    columns: list[str] = field(default_factory=list)  # that are read
    rows_read: int = 0
    batches: int = 0
    erased: int = 0  # rows of people who were erased
    tally: Tally = field(default_factory=Tally)

    def as_json(self) -> dict[str, Any]:
        return {
            "columns": self.columns,
            "rows_read": self.rows_read,
            "batches": self.batches,
            "erased": self.erased,
            "rejected": self.tally.rejected,
            "reasons": self.tally.as_json(),
        }

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Staged":
        return cls(
            given["columns"],
            given["rows_read"],
            given["batches"],
            given["erased"],
            Tally.of(given["reasons"], given["rejected"]),
        )


def shaped(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column as the type that it has in all batches, also where it is blank from top to bottom."""
    return frame.with_columns(pl.col(name).cast(TYPES.get(name, pl.String)) for name in frame.columns)


class Writer:
    """A Parquet file that appears with its first batch; one row group a call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.groups = 0
        self._writer: Any = None

    def write(self, frame: pl.DataFrame) -> None:
        table = shaped(frame).to_arrow()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, table.schema, **PARQUET)
        self._writer.write_table(table.cast(self._writer.schema), row_group_size=max(len(frame), 1))
        self.groups += 1

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_fault: object) -> None:
        self.close()


def stage(folder: Folder, kind: str, terms: Terms, progress: Progress, *, read: Callable[[Staged], None]) -> Staged:
    """Type and stage the import's file. `read` is told after each batch. Raises Unreadable and OSError."""
    folder.sweep()
    staged, currency = Staged(mapping.columns_of(terms.resolved)), terms.business.currency
    with RejectsFile(folder.rejects) as rejects, ByKey(folder.runs) as rows:
        for batch in readers.read(folder.file, terms.form, columns=staged.columns):
            checked, left_out = _without_erased(kind, terms, check(kind, terms, batch))
            staged.erased += left_out
            rejects.add(checked.rejects)
            staged.tally.add(checked.rejects)
            staged.tally.add(checked.notes)
            staged.rows_read += checked.read
            if not checked.good.is_empty():
                rows.add(shaped(checked.good if kind == vocabulary.CUSTOMERS else keyed(checked.good, currency)))
            progress("checking", min(batch.share, 1.0))
            read(staged)
        if not staged.rows_read:
            raise Unreadable("header_only", columns=", ".join(staged.columns))
        if rows.rows:
            progress("sorting", 0.0)
            order = _people if kind == vocabulary.CUSTOMERS else _purchases
            staged.batches = order(folder, terms, _sorted(rows, progress), staged, rejects)
    if not rejects.count:
        folder.rejects.unlink(missing_ok=True)
    folder.write_checked(staged.as_json())
    return staged


def _without_erased(kind: str, terms: Terms, checked: Checked) -> tuple[Checked, int]:
    """Without rows of people who were erased, and without what would be told of their values."""
    columns = {name: given if isinstance(given, str) else given.text for name, given in terms.resolved.items()}
    good, said, count = erased.left_out(kind, checked.good, columns)
    if not count:
        return checked, 0
    theirs = said["row"].implode()
    rejects = pl.concat([checked.rejects.filter(~pl.col("row").is_in(theirs)), said]).sort("row")
    notes = checked.notes.filter(~pl.col("row").is_in(theirs))
    return Checked(good, rejects, checked.read, notes), count


def _people(folder: Folder, _terms: Terms, batches: Batches, _staged: Staged, _rejects: RejectsFile) -> int:
    with Writer(folder.staged) as people:
        for rows in batches:
            people.write(rows)
        return people.groups


def _purchases(folder: Folder, terms: Terms, batches: Batches, staged: Staged, rejects: RejectsFile) -> int:
    has_lines = any(name in terms.resolved for name in vocabulary.LINE_FIELDS)
    with Writer(folder.staged) as purchases, Writer(folder.lines) as lines:
        for rows in batches:
            made = grouped(rows)
            staged.tally.add(_repeated(rows, terms))
            mixed = made.filter("is_mixed")
            if not mixed.is_empty():
                bad = _mixed(rows, mixed, terms)
                rejects.add(bad)
                staged.tally.add(bad)
                made = made.filter(~pl.col("is_mixed"))
            if made.is_empty():
                continue
            purchases.write(made.drop("is_mixed"))
            if has_lines:
                lines.write(lines_of(rows, made))
        return purchases.groups


def _sorted(rows: ByKey, progress: Progress) -> Iterator[pl.DataFrame]:
    done = 0
    try:
        for batch in rows.batches():
            yield batch
            done += len(batch)
            progress("sorting", done / rows.rows)
    except TooManyAlike as fault:
        shown = fault.row["key"] if fault.row.get("given", True) else fault.row["customer_key"]
        raise Unreadable("same_key", count=SAME_KEY_MAX, key=shown) from fault


def keyed(purchases: pl.DataFrame, currency: str) -> pl.DataFrame:
    """With a key for those that were given none, made of what they say, and ``given``: whether they had one."""
    made = _made_keys(purchases, currency) if "key" not in purchases.columns or purchases["key"].has_nulls() else None
    if made is None:
        return purchases.drop("wall").with_columns(given=pl.lit(value=True))
    given = pl.col("key").is_not_null() if "key" in purchases.columns else pl.lit(value=False)
    key = pl.coalesce("key", made) if "key" in purchases.columns else pl.lit(made)
    return purchases.with_columns(key=key, given=given).drop("wall")


def _made_keys(purchases: pl.DataFrame, currency: str) -> pl.Series:
    content = purchases.select(pl.concat_str(pl.lit(currency), *CONTENT, separator="\x1f")).to_series().to_list()
    marks = [hashlib.blake2b(said.encode(), digest_size=8).hexdigest() for said in content]
    moment = pl.from_epoch("wall").dt.strftime("~%Y%m%d%H%M%S-")
    return purchases.select(pl.concat_str(moment, pl.Series("mark", marks, dtype=pl.String))).to_series()


def grouped(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a purchase out of rows sorted by key: ``key, rows, row`` (the first), ``is_mixed`` and the facts.

    Rows that share a given number are lines: amounts add up, the earliest moment counts. Rows that were given none are
    purchases of their own; equal ones are numbered, so that each counts and the same file again changes nothing.
    """
    repeated = ~rows["key"].is_first_distinct()
    if not repeated.any():
        return rows.drop("given", *_line_fields(rows)).with_columns(rows=pl.lit(1), is_mixed=pl.lit(value=False))
    ordinal = pl.int_range(1, pl.len() + 1).over("key")
    own = pl.when(~pl.col("given") & (ordinal > 1)).then(pl.format("{}-{}", "key", ordinal)).otherwise("key")
    first = [pl.col(name).drop_nulls().first() for name in ("channel", "branch", "refund_of") if name in rows.columns]
    cost = (
        [pl.when(pl.col("cost").is_not_null().any()).then(pl.col("cost").sum()).alias("cost")]
        if "cost" in rows.columns
        else []
    )
    return (
        rows.with_columns(key=own)
        .group_by("key", maintain_order=True)
        .agg(
            pl.col("row").first(),
            pl.col("customer_key").first(),
            pl.col("at").min(),
            pl.col("day").min(),
            pl.col("amount").sum(),
            *first,
            *cost,
            pl.len().alias("rows"),
            (pl.col("customer_key").n_unique() > 1).alias("is_mixed"),
        )
        .sort("key")
    )


def _repeated(rows: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """A note on rows that are equal to one above them in every column that is read."""
    if rows["key"].is_first_distinct().all():
        return reasons.nothing()
    columns = [name for name in rows.columns if name != "row"]
    again = rows.filter(pl.col("key").is_duplicated()).filter(~pl.struct(columns).is_first_distinct())
    column = terms.resolved.get("key") or terms.resolved["customer_key"]
    value = pl.when("given").then(pl.col("key")).otherwise(pl.col("customer_key"))
    return _told(again, "repeated", column, value, is_warning=True)


def _line_fields(rows: pl.DataFrame) -> list[str]:
    return [name for name in vocabulary.LINE_FIELDS if name in rows.columns]


def lines_of(rows: pl.DataFrame, purchases: pl.DataFrame) -> pl.DataFrame:
    """The lines of these purchases: ``key, number, amount`` and those mapped of ``sku, name, category, quantity``."""
    ordinal = pl.int_range(1, pl.len() + 1).over("key")
    own = pl.when(~pl.col("given") & (ordinal > 1)).then(pl.format("{}-{}", "key", ordinal)).otherwise("key")
    numbered = rows.with_columns(key=own, number=pl.when("given").then(ordinal).otherwise(1))
    kept = numbered.join(purchases.select("key"), on="key", how="semi", maintain_order="left")
    return kept.select("key", "number", "amount", *_line_fields(rows))


def _mixed(rows: pl.DataFrame, mixed: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    bad = rows.join(mixed.select("key"), on="key", how="semi", maintain_order="left")
    return _told(bad, "mixed_customers", terms.resolved["key"], pl.col("key"), is_warning=False)


def _told(rows: pl.DataFrame, code: str, column: object, value: pl.Expr, *, is_warning: bool) -> pl.DataFrame:
    return rows.select(
        "row",
        column=pl.lit(str(column)),
        value=value,
        code=pl.lit(code),
        facts=pl.lit(None, dtype=pl.String),
        is_warning=pl.lit(value=is_warning),
    ).select(list(reasons.REJECTS))
