"""One run at a time, by a lock that its process takes with it when it ends, however it ends."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
from django.conf import settings
from django.db import connection

from querencia.measures.source import libpq_address

# Any number will do, as long as it stays the same: advisory locks are known by number, per database.
NUMBER = 7_308_604_897
# Whoever only looks whether a run is at work holds the lock for a moment: not a reason to give up.
PATIENCE_SECONDS = 2.0


@contextmanager
def alone(*, patience: float = PATIENCE_SECONDS) -> Iterator[bool]:
    """Whether this process may run now; if so, no other one may until the end of the block.

    On PostgreSQL the server holds the lock for a connection of its own, so that workers on several machines see it;
    on SQLite, which lives on one machine, the system holds it on a file. ``patience``: seconds to wait for it.
    """
    if connection.vendor == "postgresql":
        with closing(psycopg.connect(libpq_address(), autocommit=True)) as held:
            yield _tried(lambda: _advised(held), patience)
    else:
        with (settings.HOME / "run.lock").open("w") as file:
            yield _tried(lambda: _flocked(file.fileno()), patience)


def _tried(take: Callable[[], bool], patience: float) -> bool:
    until = time.monotonic() + patience
    while not (is_taken := take()) and time.monotonic() < until:
        time.sleep(0.1)
    return is_taken


def _advised(held: psycopg.Connection) -> bool:
    row = held.execute("SELECT pg_try_advisory_lock(%s)", [NUMBER]).fetchone()
    return bool(row and row[0])


def _flocked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
