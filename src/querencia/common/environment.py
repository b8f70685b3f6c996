"""What the environment says of this installation: read when the settings are, refused in words."""

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

SCHEMES = ("sqlite", "postgres", "postgresql")
CLUSTER = r"spark://[\w.-]+:\d{1,5}"


def number(name: str, otherwise: int) -> int:
    """A variable that holds a whole number; ``otherwise`` when it is absent or empty."""
    written = os.environ.get(name, "").strip()
    if not written:
        return otherwise
    if not written.isdecimal():
        raise ImproperlyConfigured(f"{name} is {written!r}; write a whole number.")
    return int(written)


def public_address(otherwise: str) -> SplitResult:
    """``QUERENCIA_URL`` in its parts."""
    written = (os.environ.get("QUERENCIA_URL") or otherwise).strip().rstrip("/")
    found = urlsplit(written)
    if found.scheme not in ("http", "https") or not found.hostname:
        said = f"QUERENCIA_URL is {written!r}; write the whole address, such as https://shop.example.org."
        raise ImproperlyConfigured(said)
    return found


def engine() -> str:
    """``QUERENCIA_ENGINE``: ``duckdb``, ``polars``, ``spark`` (in this process) or a cluster's ``spark://host:port``."""
    written = os.environ.get("QUERENCIA_ENGINE", "").strip() or "duckdb"
    if written in ("duckdb", "polars"):
        return written
    if written != "spark" and not re.fullmatch(CLUSTER, written):
        said = f"QUERENCIA_ENGINE is {written!r}; write duckdb, polars, spark, or spark://host:port of a cluster."
        raise ImproperlyConfigured(said)
    if find_spec("pyspark") is None:
        said = f"QUERENCIA_ENGINE is {written!r}, and Spark is not installed: pip install 'querencia[spark]'."
        raise ImproperlyConfigured(said)
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        said = f"QUERENCIA_ENGINE is {written!r}, and Spark needs Java 17 or later (Debian: openjdk-17-jre-headless)."
        raise ImproperlyConfigured(said)
    return written


def database(folder: Path) -> dict[str, Any]:
    """Django's settings of the database that ``DATABASE_URL`` names, else of the file in the folder."""
    written = os.environ.get("DATABASE_URL") or f"sqlite:///{folder / 'querencia.sqlite3'}"
    # The address itself may hold a password: it is never repeated.
    wanted = "Write sqlite:///folder/file or postgres://user:password@host:5432/name."
    if written.partition(":")[0] not in SCHEMES:
        raise ImproperlyConfigured(f"DATABASE_URL names neither SQLite nor PostgreSQL. {wanted}")
    try:
        found = dict(dj_database_url.parse(written))
    except ValueError:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read as an address. {wanted}") from None
    if not found["NAME"]:
        raise ImproperlyConfigured(f"DATABASE_URL names no database. {wanted}")
    return found
