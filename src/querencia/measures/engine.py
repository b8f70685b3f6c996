"""Where a run reckons: DuckDB in this process, and the engine that ``QUERENCIA_ENGINE`` names for what insight does.

DuckDB lays out the tables of a run, joins them and hands them on, within the memory it was given, spilling to disk
beyond it. Polars or Spark, where they were asked for, read and write those tables as Parquet files in a folder that
both see: no row of a customer passes through Python.
"""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import duckdb
import narwhals as nw
from django.conf import settings

type Connection = duckdb.DuckDBPyConnection


@contextmanager
def connect(folder: Path) -> Iterator[Connection]:
    """An empty DuckDB. ``folder`` takes what does not fit into memory, and is cleared of it at the end."""
    connection = duckdb.connect(
        config={
            # Nothing is fetched from anywhere, whatever a query asks for.
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": str(settings.ANALYTICS["memory_limit"]),
            "threads": str(settings.ANALYTICS["threads"]),
            "temp_directory": str(folder / "spill"),
            "preserve_insertion_order": "false",
        }
    )
    try:
        yield connection
    finally:
        connection.close()


class Desk:
    """The tables of a run. SQL is DuckDB's; what insight makes of a table, the installation's engine reckons."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.execute, self.sql, self.table = connection.execute, connection.sql, connection.table

    def given(self, name: str) -> Any:
        """A table of the desk, of the kind in which insight is to have it."""
        return self.table(name)

    def keep(self, name: str, made: Any) -> None:
        """Put what insight made of :meth:`given` tables on the desk, under a name of its own."""
        nw.to_native(made, pass_through=True).create(name)


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """An empty desk with the engine of the installation. ``folder`` takes what does not fit into memory."""
    wanted = str(settings.ANALYTICS["engine"])
    with connect(folder) as connection:
        if wanted == "duckdb":
            yield Desk(connection)
            return
        with room_in(folder) as room:
            reckoner: Reckoner
            with _polars() if wanted == "polars" else _spark(wanted, room) as reckoner:
                yield _Shared(connection, room, reckoner)


@contextmanager
def room_in(folder: Path) -> Iterator[Path]:
    """A folder of its own for what engines hand each other, gone at the end."""
    room = folder / f"desk-{secrets.token_hex(4)}"
    room.mkdir(mode=0o700, parents=True)
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


class Reckoner(Protocol):
    """An engine other than DuckDB, which reads and writes Parquet."""

    def read(self, path: Path) -> Any:
        """The table in a file or folder; lazy."""
        ...

    def write(self, table: Any, path: Path) -> None: ...


class _Shared(Desk):
    """A desk whose tables lie in files as soon as another engine has to do with them."""

    def __init__(self, connection: Connection, room: Path, reckoner: Reckoner) -> None:
        super().__init__(connection)
        self.room = room
        self.reckoner = reckoner
        self.files: dict[str, Path] = {}

    def given(self, name: str) -> Any:
        if name not in self.files:
            path = self.room / f"{name}.parquet"
            self.execute(f"COPY (FROM {name}) TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd)")
            self.files[name] = path
        return self.reckoner.read(self.files[name])

    def keep(self, name: str, made: Any) -> None:
        path = self.room / name
        self.reckoner.write(nw.to_native(made, pass_through=True), path)
        self.files[name] = path
        inside = path / "*.parquet" if path.is_dir() else path
        self.execute(f"CREATE VIEW {name} AS FROM read_parquet({_quoted(inside)})")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


class _Polars:
    def read(self, path: Path) -> Any:
        import polars as pl

        return pl.scan_parquet(path)

    def write(self, table: Any, path: Path) -> None:
        table.sink_parquet(path)


@contextmanager
def _polars() -> Iterator[Reckoner]:
    yield _Polars()


class _Spark:
    def __init__(self, session: Any) -> None:
        self.session = session

    def read(self, path: Path) -> Any:
        return self.session.read.parquet(path.as_uri())

    def write(self, table: Any, path: Path) -> None:
        table.write.parquet(path.as_uri())


@contextmanager
def _spark(wanted: str, room: Path) -> Iterator[Reckoner]:
    with spark_session(wanted, room) as session:
        yield _Spark(session)


@contextmanager
def spark_session(wanted: str, room: Path, *, jars: str = "") -> Iterator[Any]:
    """Spark beside this process (``spark``), or a cluster by its address, whose machines see ``room`` where it is.

    ``jars``: what it is to load beside its own, separated by commas.
    """
    from pyspark.sql import SparkSession

    threads = str(settings.ANALYTICS["threads"])
    asked = {
        "spark.app.name": "querencia",
        "spark.driver.memory": f"{mebibytes(str(settings.ANALYTICS['memory_limit']))}m",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
    }
    if wanted == "spark":
        asked |= {
            # Nobody outside has to reach it.
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(room),
            # A partition for each thread; Spark's own 200 are meant for a cluster.
            "spark.sql.shuffle.partitions": threads,
        }
    if jars:
        asked["spark.jars"] = jars
    known = SparkSession.getActiveSession()
    master = f"local[{threads}]" if wanted == "spark" else wanted
    session = known or SparkSession.builder.master(master).config(map=asked).getOrCreate()
    try:
        yield session
    finally:
        if known is None:
            session.stop()


def mebibytes(size: str) -> int:
    """``1GB``, ``1.5GiB`` or ``800 MB``, as DuckDB takes them, in MiB; a gibibyte where it is none of these."""
    found = re.fullmatch(r"\s*([\d.]+)\s*([KMGT])(i?)B\s*", size, re.IGNORECASE)
    if not found:
        return 1024
    number, unit, binary = float(found[1]), found[2].upper(), bool(found[3])
    base = 1024 if binary else 1000
    return max(1, int(number * float(base ** ("KMGT".index(unit) + 1)) / 2**20))
