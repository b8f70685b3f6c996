"""The analytic engine of a run: DuckDB in this process, within the memory it was given, spilling to disk beyond it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from django.conf import settings

type Desk = duckdb.DuckDBPyConnection


@contextmanager
def connect(folder: Path) -> Iterator[Desk]:
    """An empty engine. ``folder`` takes what does not fit into memory, and is cleared of it at the end."""
    desk = duckdb.connect(
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
        yield desk
    finally:
        desk.close()
