"""Reading the database as columns, over ADBC: rows arrive as Arrow batches without becoming Python objects."""

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

import adbc_driver_postgresql
import pyarrow as pa
from adbc_driver_manager import AdbcConnection
from django.db import DatabaseError, connection

from querencia.common.database import libpq_address
from querencia.measures import reader

BATCH_ROWS = 65_536
READER = [sys.executable, "-P", "-m", reader.__name__]

type Batches = Generator[pa.RecordBatch]


class Rows:
    """One connection that only reads; ``asked`` gives the batches of a query."""

    def __init__(self, asked: Callable[[str], Batches]) -> None:
        self._asked = asked

    def batches(self, query: str, schema: pa.Schema) -> Batches:
        """The result in batches of the schema, in constant memory. Names of columns must agree in order."""
        with closing(self._asked(query)) as found:
            for batch in found:
                yield batch.cast(schema)

    def table(self, query: str, schema: pa.Schema) -> pa.Table:
        return pa.Table.from_batches(list(self.batches(query, schema)), schema)

    def one(self, query: str) -> tuple[Any, ...]:
        """The first row; nothing when there is none."""
        with closing(self._asked(query)) as found:
            rows = [[value.as_py() for value in row] for batch in found for row in zip(*batch.columns, strict=True)]
        return tuple(rows[0]) if rows else ()  # by place: columns may share a name

    def count(self, query: str) -> int:
        return int(self.one(query)[0] or 0)


@contextmanager
def connect() -> Iterator[Rows]:
    """The database that Django uses, opened beside it. What an open transaction of Django's wrote is not seen."""
    if connection.vendor == "sqlite":
        with _reading_process() as asked:
            yield Rows(asked)
    else:
        # Every query is a snapshot of its own: the copy asks for no more, and vacuum is not held up.
        with adbc_driver_postgresql.connect(libpq_address()) as database, AdbcConnection(database) as opened:
            yield Rows(lambda query: _of_postgresql(opened, query))


def _of_postgresql(opened: AdbcConnection, query: str) -> Batches:
    with reader.asked(opened, query) as found:
        yield from found


@contextmanager
def _reading_process() -> Iterator[Callable[[str], Batches]]:
    """SQLite is read by a process of its own: ``measures.reader`` says why."""
    uri = f"file:{quote(str(connection.settings_dict['NAME']))}?mode=ro"
    # In a group of its own: Ctrl+C is this process's affair. Should it be killed, the other reads the end of its input.
    process = subprocess.Popen([*READER, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
    try:
        yield lambda query: _of_process(process, query)
    finally:
        process.kill()  # it only reads
        process.communicate()


def _of_process(process: "subprocess.Popen[bytes]", query: str) -> Batches:
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(json.dumps({"query": query, "batch_rows": BATCH_ROWS}).encode() + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if answer.strip():
            raise DatabaseError(json.loads(answer))
        with pa.ipc.open_stream(process.stdout) as found:
            yield from found
    except GeneratorExit:
        process.kill()  # what is left of the answer would be taken for the next one
        raise
    except (OSError, pa.ArrowInvalid) as fault:
        raise DatabaseError(f"The process that read the database ended: {fault}") from fault
