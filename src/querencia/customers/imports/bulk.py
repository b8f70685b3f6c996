# ruff: noqa: S608  (the statements are put together from names of our own)
"""Rows in bulk into temporary tables and from them into ours, on SQLite and PostgreSQL, in Django's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from django.db import connection, models

LOAD_ROWS = 10_000
# Any number will do, as long as no other lock has it.
WRITERS = 7_291_406
KINDS = {pl.Int64: "bigint", pl.Int32: "bigint", pl.String: "text", pl.Boolean: "boolean"}


def execute(query: str, parameters: Sequence[Any] = ()) -> int:
    """Run a statement; the number of rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(query, list(parameters))
        return int(cursor.rowcount)


def rows(query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, list(parameters))
        return [tuple(row) for row in cursor.fetchall()]


def number(query: str, parameters: Sequence[Any] = ()) -> int:
    return int(rows(query, parameters)[0][0] or 0)


def begin() -> None:
    """First thing in a transaction that writes a batch: imports write one at a time, each in front of all its rows."""
    if connection.vendor == "postgresql":
        execute(f"SELECT pg_advisory_xact_lock({WRITERS})")
        # A batch is small for a database: compiling its statements takes longer than running them.
        execute("SET LOCAL jit = off")
        execute("SET LOCAL work_mem = '64MB'")


def count_anew(*tables: type[models.Model]) -> None:
    """Have PostgreSQL count what these hold: it plans by its counts, and nobody else may do it soon, or at all."""
    if connection.vendor == "postgresql":
        execute(f"ANALYZE {', '.join(table._meta.db_table for table in tables)}")


def load(name: str, frame: pl.DataFrame) -> None:
    """The frame as temporary table `name`, in place of whatever it held."""
    columns = ", ".join(f'"{column}" {KINDS[type(kind)]}' for column, kind in frame.schema.items())
    execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({columns})")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            execute(f"TRUNCATE {name}")
            # Null is nothing, and an empty text is two quotation marks: both as COPY reads CSV. Without quotation marks
            # a text of a backslash and a full stop would be the end of all rows.
            with cursor.copy(f"COPY {name} FROM STDIN WITH (FORMAT csv)") as copy:
                for part in frame.iter_slices(LOAD_ROWS):
                    copy.write(part.write_csv(include_header=False, quote_style="non_numeric").encode())
        else:
            execute(f"DELETE FROM {name}")
            places = ", ".join("?" * frame.width)
            for part in frame.iter_slices(LOAD_ROWS):
                # Django's own cursor would rewrite every statement and look at every value.
                connection.connection.executemany(f"INSERT INTO {name} VALUES ({places})", part.rows())


def drop(*names: str) -> None:
    for name in names:
        execute(f"DROP TABLE IF EXISTS {name}")


def insert(model: type[models.Model], given: Mapping[str, str], source: str, *, is_new: bool = False) -> int:
    """Insert what a SELECT gives, leaving out what is there already; the number of new rows.

    `given` maps fields to SQL expressions over `source` (all that follows FROM). Every other field of the model takes
    its default, as it would in Django. `is_new`: the caller knows that none of it is there, which spares PostgreSQL
    a third of the work.
    """
    columns, expressions, defaults = [], [], []
    for field in model._meta.concrete_fields:
        if field.primary_key:
            continue
        columns.append(connection.ops.quote_name(str(field.column)))
        if field.name in given:
            expressions.append(given[field.name])
        else:
            expressions.append("%s")
            defaults.append(field.get_db_prep_save(field.get_default(), connection))
    into = f"{model._meta.db_table} ({', '.join(columns)})"
    otherwise = "" if is_new else "ON CONFLICT DO NOTHING"
    query = f"INSERT INTO {into} SELECT {', '.join(expressions)} FROM {source} {otherwise}"
    return execute(query, defaults)


def moment(expression: str) -> str:
    """Seconds since 1970 as the database keeps moments."""
    return (
        f"to_timestamp({expression})" if connection.vendor == "postgresql" else f"datetime({expression}, 'unixepoch')"
    )


def thousandths(expression: str) -> str:
    """An integer of thousandths as the database keeps decimals."""
    return f"{expression}::numeric / 1000" if connection.vendor == "postgresql" else f"{expression} / 1000.0"


def text(value: str) -> str:
    """A text of ours as a literal."""
    return "'" + value.replace("'", "''").replace("%", "%%") + "'"
