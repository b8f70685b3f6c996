# ruff: noqa: S608  (the queries are put together from names of the models' tables and columns)
"""Scores go to the database in bulk: all of them replaced, inside the caller's transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv
from django.db import connection, models
from django.db.backends.utils import CursorWrapper

from querencia.customers.models import Score, ScoreCell

BATCH_ROWS = 20_000

type Batches = Iterator[pa.RecordBatch]


def columns_of(model: type[models.Model]) -> list[str]:
    """The columns of a model's table, in the order in which batches must bring them."""
    return [field.column or field.name for field in model._meta.concrete_fields]


@contextmanager
def bulk() -> Iterator[None]:
    """Around the transaction that replaces many rows: SQLite checks references once, after, and not row by row."""
    was_disabled = connection.vendor == "sqlite" and connection.disable_constraint_checking()
    try:
        yield
    finally:
        if was_disabled:
            connection.enable_constraint_checking()


def replace_scores(cells: Batches, scores: Batches, *, heard: Callable[[int], None]) -> int:
    """Put these cells and scores in the place of all there are; returns how many scores.

    ``heard`` is told how many so far. Inside a transaction: readers see the old ones until it commits. Dates are ISO
    text; nulls are null.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {ScoreCell._meta.db_table}")
        _insert(cursor, ScoreCell, cells)
        with _without_indexes(cursor, Score._meta.db_table):
            cursor.execute(f"DELETE FROM {Score._meta.db_table}")
            written = _insert(cursor, Score, scores, heard)
        if connection.vendor == "sqlite":
            connection.check_constraints(table_names=[Score._meta.db_table])
    return written


def settle() -> None:
    """After the commit: PostgreSQL reads an index alone only where it knows that every row may be seen by all."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM (ANALYZE) {Score._meta.db_table}")


@contextmanager
def _without_indexes(cursor: CursorWrapper, table: str) -> Iterator[None]:
    """SQLite sorts an index that is made at the end; one kept up row by row takes several times as long."""
    made: list[tuple[str, str]] = []
    if connection.vendor == "sqlite":
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = %s AND sql IS NOT NULL", [table]
        )
        made = cursor.fetchall()
    for name, _ in made:
        cursor.execute(f'DROP INDEX "{name}"')
    yield
    for _, statement in made:
        cursor.execute(statement)


def _insert(
    cursor: CursorWrapper, model: type[models.Model], batches: Batches, heard: Callable[[int], None] | None = None
) -> int:
    put = _copy if connection.vendor == "postgresql" else _insert_many
    written = 0
    for batch in batches:
        put(cursor, model, batch.select(columns_of(model)))
        written += batch.num_rows
        if heard:
            heard(written)
    return written


def _copy(cursor: CursorWrapper, model: type[models.Model], batch: pa.RecordBatch) -> None:
    # CSV made by Arrow: no row becomes a Python object. Empty is null and quoted is text, as COPY reads it.
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(batch, sink, pyarrow.csv.WriteOptions(include_header=False))
    listed = ", ".join(f'"{name}"' for name in batch.schema.names)
    with cursor.copy(f"COPY {model._meta.db_table} ({listed}) FROM STDIN WITH (FORMAT csv)") as copy:
        copy.write(memoryview(sink.getvalue()))


def _insert_many(cursor: CursorWrapper, model: type[models.Model], batch: pa.RecordBatch) -> None:
    listed = ", ".join(f'"{name}"' for name in batch.schema.names)
    marks = ", ".join("%s" for _ in batch.schema.names)
    rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    cursor.executemany(f"INSERT INTO {model._meta.db_table} ({listed}) VALUES ({marks})", rows)
