"""A process of its own that reads a SQLite database over ADBC: queries come in as lines, Arrow streams go out.

ADBC brings its own copy of SQLite. In one process with Python's, each would let go of the other's locks whenever it
closes the file (POSIX locks belong to the process; sqlite.org/howtocorrupt.html, 2.2.1), and what Django then writes
could be lost. So this one stays alone: no Django, nothing else that opens the database.
"""

import json
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import adbc_driver_manager
import adbc_driver_sqlite
import pyarrow as pa


def serve(uri: str, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer each line, ``{"query": ..., "batch_rows": ...}``, with a line, empty or what went wrong, and a stream."""
    with adbc_driver_sqlite.connect(uri) as database, adbc_driver_manager.AdbcConnection(database) as connection:
        for line in questions:
            asked = json.loads(line)
            with adbc_driver_manager.AdbcStatement(connection) as statement:
                _answer(statement, asked, answers)
            answers.flush()


def _answer(statement: Any, asked: dict[str, Any], answers: BinaryIO) -> None:
    try:
        statement.set_options(**{"adbc.sqlite.query.batch_rows": str(asked["batch_rows"])})
        statement.set_sql_query(asked["query"])
        handle, _rows = statement.execute_query()
        rows = pa.RecordBatchReader._import_from_c(handle.address)
    except Exception as fault:  # whatever a driver raises: whoever asked must hear of it
        answers.write(json.dumps(str(fault)).encode() + b"\n")
        return
    answers.write(b"\n")
    with rows, pa.ipc.new_stream(answers, rows.schema) as stream:
        for batch in rows:
            stream.write_batch(batch)


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # whoever asked is gone
        serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
