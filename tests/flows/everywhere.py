"""Everything that is kept, as text: every table of the database, every file of the home folder, Parquet unpacked."""

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from django.conf import settings
from django.db import connection


def kept(*, is_raw: bool) -> Iterator[tuple[str, str]]:
    """Where, and what. ``is_raw``: also what SQLite keeps in its own files and shows nobody."""
    yield from _tables()
    for path in sorted(Path(settings.HOME).rglob("*")):
        if path.is_file() and not path.is_symlink() and (is_raw or "sqlite3" not in path.name):
            content = _content(path)
            yield f"{path}", path.name + content.decode("latin-1")
            if path.suffix == ".parquet":
                yield f"{path} (rows)", str(pq.read_table(path).to_pydict())
            if content[:2] == b"\x1f\x8b":
                yield f"{path} (unpacked)", gzip.decompress(content).decode("latin-1")


def _content(path: Path) -> bytes:
    # By another process: one that closes SQLite's file lets go of the locks that it holds on it (decision 0006).
    return subprocess.run(["cat", path], capture_output=True, check=True).stdout


def _tables() -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = [[_text(value) for value in row] for row in cursor.fetchall()]
            yield table, "\n".join(" | ".join(row) for row in rows)


def _text(value: object) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


def where(words: tuple[str, ...], *, is_raw: bool = True) -> dict[str, list[str]]:
    """By word the places that hold it, in whatever letters."""
    found: dict[str, list[str]] = {word: [] for word in words}
    for place, text in kept(is_raw=is_raw):
        lower = text.casefold()
        for word in words:
            if word.casefold() in lower:
                found[word].append(place)
    return found
