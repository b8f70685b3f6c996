"""A process of its own that reads a SQLite database over ADBC: queries come in as lines, Arrow streams go out.

ADBC brings its own copy of SQLite. In one process with Python's, each would let go of the other's locks whenever it
closes the file (POSIX locks belong to the process; sqlite.org/howtocorrupt.html, 2.2.1), and what Django then writes
could be lost. So this one stays alone: no Django, nothing else that opens the database.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import adbc_driver_manager
import adbc_driver_sqlite
import pyarrow as pa
from adbc_driver_manager import AdbcConnection, AdbcStatement


def serve(uri: str, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer each line, ``{"query": ..., "batch_rows": ...}``, with a line, empty or what went wrong, and a stream."""
    with adbc_driver_sqlite.connect(uri) as database, AdbcConnection(database) as connection:
        for line in questions:
            question = json.loads(line)
            _answer(connection, question["query"], int(question["batch_rows"]), answers)
            answers.flush()


def _answer(connection: AdbcConnection, query: str, batch_rows: int, answers: BinaryIO) -> None:
    try:
        with asked(connection, query, **{"adbc.sqlite.query.batch_rows": str(batch_rows)}) as rows:
            answers.write(b"\n")
            with pa.ipc.new_stream(answers, rows.schema) as stream:
                for batch in rows:
                    stream.write_batch(batch)
    except adbc_driver_manager.Error as fault:
        answers.write(json.dumps(str(fault)).encode() + b"\n")


@contextmanager
def asked(connection: AdbcConnection, query: str, **options: str) -> Iterator[Any]:
    """The result of a query as a reader of Arrow batches."""
    with AdbcStatement(connection) as statement:
        statement.set_options(**options)
        statement.set_sql_query(query)
        handle, _rows = statement.execute_query()
        with pa.RecordBatchReader._import_from_c(handle.address) as rows:
            yield rows


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # whoever asked is gone
        serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
