"""An installation to be measured: its own commands, its own server, SQLite or PostgreSQL."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import data
from benchmarks.registry import Skipped

POSTGRES = os.environ.get("BENCH_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
OWNER = ("owner@example.com", "a-long-and-quiet-word")
type Environment = dict[str, str]

SET_UP = f"""
from querencia.business import actions
actions.set_up(
    business=dict(name="Simulated", currency="EUR", time_zone="Europe/Madrid", language="en", notice="simulated"),
    owner=dict(email={OWNER[0]!r}, password={OWNER[1]!r}, name="Owner"),
)
"""


@contextmanager
def for_this_run(folder: Path, *, on_postgres: bool) -> Iterator[Environment]:
    """The environment of an installation that holds a business and nothing else, removed afterwards."""
    home, database = folder / "home", f"querencia_bench_run_{os.getpid()}"
    environment = _environment(home, database if on_postgres else None)
    try:
        home.mkdir()
        _set_up(environment, database if on_postgres else None)
        yield environment
    finally:
        if on_postgres:
            server(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        shutil.rmtree(home, ignore_errors=True)


def kept(name: str, size: int, *commands: list[str], on_postgres: bool) -> Environment:
    """The same, filled by these commands when it is first asked for, and kept: of older tables it is made anew."""
    version = _version_of_tables()
    database = f"querencia_bench_{name}_{size}_{version}" if on_postgres else None

    def make(home: Path) -> None:
        environment = _environment(home, database)
        _set_up(environment, database)
        for command in commands:
            querencia(environment, *command)

    folder = data.cached(f"{'postgres' if on_postgres else 'sqlite'}-{name}-{size}", make, version=version)
    return _environment(folder, database)


def python(environment: Environment, *arguments: str) -> str:
    """Run Python there; what it printed."""
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def querencia(environment: Environment, *arguments: str) -> str:
    return python(environment, "-m", "querencia", *arguments)


def shell(environment: Environment, code: str) -> str:
    """Run code within the installation; what it printed."""
    return querencia(environment, "manage", "shell", "-v", "0", "-c", code)


@contextmanager
def served(environment: Environment) -> Iterator[int]:
    """The whole house, web and worker, as long as the block lasts; its port."""
    port = free_port()
    process = start(environment, port)
    try:
        until_open(port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def start(environment: Environment, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "querencia", "up", "--port", str(port)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_open(port: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"Nobody serves on port {port} after {seconds:.0f} s.")


def server(statement: str) -> None:
    """Tell the PostgreSQL that holds the databases."""
    import psycopg

    try:
        with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3) as connection:
            connection.execute(statement)
    except psycopg.OperationalError as fault:
        raise Skipped(f"No PostgreSQL answers at BENCH_DATABASE_URL: {fault}") from fault


def _environment(home: Path, database: str | None) -> Environment:
    known = {**os.environ, "QUERENCIA_HOME": str(home), "QUERENCIA_LOG": "ERROR"}
    known.pop("DATABASE_URL", None)
    if database:
        known["DATABASE_URL"] = urlsplit(POSTGRES)._replace(path=f"/{database}").geturl()
    return known


def _set_up(environment: Environment, database: str | None) -> None:
    if database:
        server(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        server(f'CREATE DATABASE "{database}"')
    querencia(environment, "manage", "migrate", "--verbosity", "0")
    shell(environment, SET_UP)


def _version_of_tables() -> str:
    """Of the tables and of the simulator: an installation of older ones is not measured."""
    from querencia import __path__ as package

    tables = sorted(path.name for path in Path(package[0]).glob("*/migrations/0*.py"))
    return hashlib.sha256(repr([tables, data.simulator_version()]).encode()).hexdigest()[:8]
