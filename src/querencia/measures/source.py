"""Reading the database as columns, over ADBC: rows arrive as Arrow batches without becoming Python objects."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from django.db import connection

from querencia.common.database import libpq_address

BATCH_ROWS = 65_536


class Rows:
    """One connection that only reads."""

    def __init__(self, opened: Any, arguments: dict[str, str]) -> None:
        self._opened = opened
        self._arguments = arguments

    def batches(self, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The result in batches of the schema, in constant memory. Names of columns must agree in order."""
        with self._opened.cursor(adbc_stmt_kwargs=self._arguments) as cursor:
            cursor.execute(query)
            with cursor.fetch_record_batch() as reader:
                for batch in reader:
                    yield batch.cast(schema)

    def table(self, query: str, schema: pa.Schema) -> pa.Table:
        return pa.Table.from_batches(list(self.batches(query, schema)), schema)

    def one(self, query: str) -> tuple[Any, ...]:
        with self._opened.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            return tuple(row or ())

    def count(self, query: str) -> int:
        return int(self.one(query)[0] or 0)


@contextmanager
def connect() -> Iterator[Rows]:
    """The database that Django uses, opened beside it. What an open transaction of Django's wrote is not seen."""
    # The drivers load pandas where it is installed: only who reads waits for it.
    if connection.vendor == "sqlite":
        import adbc_driver_sqlite.dbapi

        opened = adbc_driver_sqlite.dbapi.connect(f"file:{quote(str(connection.settings_dict['NAME']))}?mode=ro")
        arguments = {"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)}
    else:
        import adbc_driver_postgresql.dbapi

        # Every query is a snapshot of its own: the copy asks for no more, and vacuum is not held up.
        opened = adbc_driver_postgresql.dbapi.connect(libpq_address(), autocommit=True)
        arguments = {}
    with closing(opened):
        yield Rows(opened, arguments)
