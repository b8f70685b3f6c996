"""The least that keeps a request durably: Granian, and one INSERT of its body into SQLite."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = "KEEPING_FOLDER"


@cache
def _database() -> sqlite3.Connection:
    opened = sqlite3.connect(
        Path(os.environ[FOLDER]) / "kept.sqlite3", timeout=30, isolation_level=None, check_same_thread=False
    )
    opened.execute("PRAGMA journal_mode=WAL")
    opened.execute("PRAGMA synchronous=FULL")
    opened.execute("CREATE TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY, body BLOB)")
    return opened


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    _database().execute("INSERT INTO kept (body) VALUES (?)", [body])
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "17")])
    return [b'{"success": true}']


@contextmanager
def served(folder: Path) -> Iterator[int]:
    from benchmarks import house

    port = house.free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    workers = ["--workers", "2", "--blocking-threads", "1", "--log-level", "warning"]
    server = subprocess.Popen(
        [*command, *workers, "benchmarks.peers.keeping:application"],
        env={**os.environ, FOLDER: str(folder)},
        stdout=subprocess.DEVNULL,
    )
    try:
        house.until_open(port)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def kept(folder: Path) -> int:
    with sqlite3.connect(folder / "kept.sqlite3") as opened:
        number: int = opened.execute("SELECT count(*) FROM kept").fetchone()[0]
    return number
