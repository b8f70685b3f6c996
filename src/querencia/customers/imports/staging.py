"""Pass one: the whole file typed and staged, so that what is wrong with it is known before the first row is written.

Purchases are sorted by key on the way. Lines of one purchase come to stand together wherever they were in the file,
rows that are equal in all that tells purchases apart are numbered among themselves, and the database's index grows at
its end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from querencia.customers.imports import mapping, readers, reasons, vocabulary
from querencia.customers.imports.checks import Terms, check
from querencia.customers.imports.folder import Folder, RejectsFile
from querencia.customers.imports.problems import Unreadable
from querencia.customers.imports.reasons import Tally

BATCH_ROWS = 100_000
SORT_MEMORY = "192MB"
SORT_THREADS = 2
# What tells two purchases without a number apart. Articles and cost do not: a better mapping must not double a log.
CONTENT = ("customer_key", "at", "amount", "channel", "branch", "refund_of")
TYPES: dict[str, Any] = {
    "row": pl.Int64, "at": pl.Int64, "day": pl.Int32, "amount": pl.Int64, "cost": pl.Int64, "quantity": pl.Int64,
    "created_at": pl.Int64, "rows": pl.Int64, "number": pl.Int64, "given": pl.Boolean, "is_mixed": pl.Boolean,
}  # fmt: skip
PARQUET = {"compression": "zstd", "compression_level": 1, "use_dictionary": False, "write_statistics": False}
# Stages with the share of a run they usually take, so that the bar moves evenly.
type Progress = Callable[[str, float], None]


@dataclass
class Staged:
    """What the first pass found: rows read, batches to write, rejects counted by reason."""

    rows_read: int = 0
    batches: int = 0
    tally: Tally = field(default_factory=Tally)

    def as_json(self) -> dict[str, Any]:
        return {
            "rows_read": self.rows_read,
            "batches": self.batches,
            "rejected": self.tally.rejected,
            "reasons": self.tally.as_json(),
        }

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> "Staged":
        return cls(given["rows_read"], given["batches"], Tally.of(given["reasons"], given["rejected"]))


class Writer:
    """A Parquet file that appears with its first batch; one row group a call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.groups = 0
        self._writer: Any = None

    def write(self, frame: pl.DataFrame) -> None:
        table = frame.with_columns(pl.col(name).cast(TYPES.get(name, pl.String)) for name in frame.columns).to_arrow()
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
    staged = Staged()
    with RejectsFile(folder.rejects) as rejects:
        typed = folder.staged if kind == vocabulary.CUSTOMERS else folder.raw
        with Writer(typed) as writer:
            for batch in readers.read(folder.file, terms.form, columns=mapping.columns_of(terms.resolved)):
                checked = check(kind, terms, batch)
                rejects.add(checked.rejects)
                staged.tally.add(checked.rejects)
                staged.rows_read += checked.read
                if not checked.good.is_empty():
                    writer.write(checked.good)
                progress("checking", min(batch.share, 1.0))
                read(staged)
            staged.batches = writer.groups
        if not staged.rows_read:
            raise Unreadable("header_only", columns=", ".join(mapping.columns_of(terms.resolved)))
        if kind == vocabulary.PURCHASES and staged.batches:
            staged.batches = _ordered(folder, terms, staged, rejects, progress)
    if not staged.tally.rejected and not staged.tally.reasons:
        folder.rejects.unlink(missing_ok=True)
    folder.raw.unlink(missing_ok=True)
    folder.write_checked(staged.as_json())
    return staged


def _ordered(folder: Folder, terms: Terms, staged: Staged, rejects: RejectsFile, progress: Progress) -> int:
    has_lines = any(name in terms.resolved for name in vocabulary.LINE_FIELDS)
    done, total = 0, max(pq.ParquetFile(folder.raw).metadata.num_rows, 1)
    progress("sorting", 0.0)
    with Writer(folder.staged) as purchases, Writer(folder.lines) as lines:
        for rows in _whole_keys(_sorted(folder, terms.business.currency)):
            made = grouped(rows)
            mixed = made.filter("is_mixed")
            if not mixed.is_empty():
                bad = _mixed(rows, mixed, terms)
                rejects.add(bad)
                staged.tally.add(bad)
                made = made.filter(~pl.col("is_mixed"))
            done += len(rows)
            progress("sorting", done / total)
            if made.is_empty():
                continue
            purchases.write(made.drop("is_mixed"))
            if has_lines:
                lines.write(lines_of(rows, made))
        return purchases.groups


def _sorted(folder: Folder, currency: str) -> Iterator[pl.DataFrame]:
    """The staged rows in the order of their keys; rows without one get theirs from their facts. Spills to the disk."""
    names = pq.ParquetFile(folder.raw).schema_arrow.names
    spill = folder.path / "spill"
    with duckdb.connect(config={
        "memory_limit": SORT_MEMORY, "threads": SORT_THREADS, "temp_directory": str(spill),
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
    }) as engine:  # fmt: skip
        content = ", ".join(f"coalesce(\"{name}\"::VARCHAR, '')" for name in CONTENT if name in names)
        moment = """strftime(make_timestamp("at" * 1000000), '%Y%m%d%H%M%S')"""
        made = f"'~' || {moment} || '-' || substr(md5(concat_ws(chr(31), '{currency}', {content})), 1, 16)"
        key = f"coalesce(key, {made})" if "key" in names else made
        given = "key IS NOT NULL" if "key" in names else "false"
        others = ", ".join(f'"{name}"' for name in names if name != "key")
        query = f'SELECT {key} AS key, {given} AS given, {others} FROM read_parquet($1) ORDER BY 1, "row"'  # noqa: S608
        for batch in engine.sql(query, params=[str(folder.raw)]).to_arrow_reader(BATCH_ROWS):
            yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))


def _whole_keys(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Batches cut where a key ends, so that none is torn apart."""
    kept: list[pl.DataFrame] = []
    for batch in batches:
        kept.append(batch)
        if sum(len(part) for part in kept) < BATCH_ROWS:
            continue
        rows = pl.concat(kept)
        start = rows["key"].search_sorted(rows["key"][-1], side="left")
        kept = [rows[start:]]
        if start:
            yield rows[:start]
    rows = pl.concat(kept) if kept else pl.DataFrame()
    if not rows.is_empty():
        yield rows


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
    column = terms.resolved["key"]
    bad = rows.join(mixed.select("key"), on="key", how="semi", maintain_order="left")
    return bad.select(
        "row",
        column=pl.lit(str(column)),
        value=pl.col("key"),
        code=pl.lit("mixed_customers"),
        facts=pl.lit(None, dtype=pl.String),
        is_warning=pl.lit(value=False),
    ).select(list(reasons.REJECTS))
