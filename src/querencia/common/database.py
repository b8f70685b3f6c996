"""The database beside Django: its address, and locks that a process takes with it when it ends, however it ends."""

import fcntl
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from functools import cache
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Lookup, Q
from django.db.models.sql.compiler import SQLCompiler
from psycopg.conninfo import make_conninfo

# Any numbers will do, as long as they stay the same: advisory locks are known by number, per database.
NUMBERS = {
    "run": 7_308_604_897,
    "migrate": 7_308_604_898,
    "intake": 7_308_604_900,
    "duplicates": 7_308_604_901,
    "erase": 7_308_604_902,
    "prune": 7_308_604_903,
}
# Whoever only looks whether a run is at work holds the lock for a moment: not a reason to give up.
PATIENCE_SECONDS = 2.0
# What libpq understands of the settings that Django hands to psycopg.
LIBPQ = {
    "dbname", "user", "password", "host", "hostaddr", "port", "sslmode", "sslrootcert", "sslcert", "sslkey",
    "passfile", "service", "options", "connect_timeout", "channel_binding", "target_session_attrs",
}  # fmt: skip


def libpq_address() -> str:
    """The address of Django's PostgreSQL database for connections of our own. Holds the password: never show it."""
    given = connection.get_connection_params()
    return make_conninfo(**{name: str(value) for name, value in given.items() if name in LIBPQ})


class _Any(Lookup):
    """``lhs = ANY(rhs)``."""

    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        sql, given = self.process_lhs(compiler, connection)
        return f"{sql} = ANY(%s)", (*given, self.rhs)


def among(name: str, values: Iterable[Any]) -> Q:
    """``name`` is one of these, be they thousands: as ``name__in``, but on PostgreSQL one parameter in all, since
    psycopg takes longer to read thousands of places in a statement than PostgreSQL takes to answer it."""
    given = list(values)
    if connection.vendor == "postgresql":
        return Q(_Any(F(name), given))
    return Q((f"{name}__in", given))


@contextmanager
def _prepared() -> Iterator[Any]:
    """A cursor whose statements PostgreSQL plans once a connection, since planning takes it longer than answering: so
    what they say does not depend on what they are asked about. Django's own puts the parameters into the text."""
    here = connections[DEFAULT_DB_ALIAS]
    if not is_postgresql():
        with here.cursor() as cursor:
            yield cursor
        return
    here.validate_no_broken_transaction()
    here.ensure_connection()
    with here.wrap_database_errors:
        yield _cursor_of(here.connection)


def _cursor_of(held: Any) -> psycopg.Cursor[Any]:
    """One for all statements of a connection: to make one takes a third of what it takes to ask."""
    cursor = getattr(held, "querencia_cursor", None)
    if cursor is None:
        cursor = held.querencia_cursor = psycopg.Cursor(held)
    return cursor


def select(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of a statement in plain SQL: where many wait, the ORM takes longer to put one together than the database to
    answer it."""
    with _prepared() as cursor:
        cursor.execute(statement, list(parameters))
        return list(cursor.fetchall())


def execute(statement: str, parameters: Sequence[Any] = ()) -> int:
    """The same of a statement that writes; how many rows it wrote."""
    with _prepared() as cursor:
        cursor.execute(statement, list(parameters))
        return int(cursor.rowcount)


@cache
def is_postgresql() -> bool:
    """Of the database of this process, which every statement asks."""
    return str(connections[DEFAULT_DB_ALIAS].vendor) == "postgresql"


def within(column: str, kind: str = "bigint") -> str:
    """The same in plain SQL: a condition with one place, for what `listed` makes of the values."""
    if is_postgresql():
        return f"{column} = ANY(%s::{kind}[])"
    return f"{column} IN (SELECT value FROM json_each(%s))"  # noqa: S608  (a name of our own)


def listed(values: Collection[Any]) -> str:
    """Values as the parameter of `within`."""
    return array(values) if is_postgresql() else json.dumps(list(values))


def array(values: Iterable[Any]) -> str:
    """Values (numbers, texts, days, moments, truths, nothing) as PostgreSQL writes them into a place ``%s::kind[]``:
    psycopg looks at each of them several times, and takes longer for it than PostgreSQL does."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: Any) -> str:
    match value:
        case bool():
            return "t" if value else "f"
        case int():
            return str(int(value))
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case None:
            return "NULL"
        case date():  # moments are days too
            return f'"{value.isoformat()}"'
    raise TypeError(f"{type(value).__name__} is not made for a list")


@contextmanager
def alone(name: str, *, patience: float = PATIENCE_SECONDS) -> Iterator[bool]:
    """Whether this process may do what has that name now; if so, no other one may until the end of the block.

    On PostgreSQL the server holds the lock for a connection of its own, so that workers on several machines see it;
    on SQLite, which lives on one machine, the system holds it on a file beside it. ``patience``: seconds to wait.
    """
    if connection.vendor == "postgresql":
        with closing(psycopg.connect(libpq_address(), autocommit=True)) as held:
            yield _tried(lambda: _advised(held, NUMBERS[name]), patience)
    else:
        with open(f"{connection.settings_dict['NAME']}.{name}.lock", "w") as file:
            yield _tried(lambda: _flocked(file.fileno()), patience)


@contextmanager
def durable() -> Iterator[None]:
    """What is committed within not even a power cut takes away again. SQLite otherwise waits for the disk at
    checkpoints only, which is right for what can be done again; PostgreSQL always waits.

    Processes that wait for one disk stand in line for it: SQLite has them ask again and again, and sleep meanwhile.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with open(f"{connection.settings_dict['NAME']}.durable.lock", "w") as line:
        fcntl.flock(line, fcntl.LOCK_EX)
        _synchronous("FULL")
        try:
            yield
        finally:
            _synchronous("NORMAL")


def _synchronous(how: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA synchronous={how}")


def _tried(take: Callable[[], bool], patience: float) -> bool:
    until = time.monotonic() + patience
    while not (is_taken := take()) and time.monotonic() < until:
        time.sleep(0.1)
    return is_taken


def _advised(held: psycopg.Connection, number: int) -> bool:
    row = held.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()
    return bool(row and row[0])


def _flocked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def wiping() -> Iterator[None]:
    """What goes within the block goes from the disk, too: SQLite writes over it, and empties the log that still has
    it. PostgreSQL writes over it in its own time (VACUUM)."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete=FAST")
            if not connection.in_atomic_block:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
