"""Each test process has a home of its own, and a real database: SQLite in it, or PostgreSQL by DATABASE_URL."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import django
import pytest
from django.conf import settings
from django.db import connection, transaction

SETTINGS = "DJANGO_SETTINGS_MODULE"
if settings.configured:
    raise pytest.UsageError(f"Django's settings were read before the tests had a home: unset {SETTINGS}.")

# Before Django reads its settings: the tests must not touch whatever installation this machine has.
HOME = Path(tempfile.mkdtemp(prefix="querencia-tests-")).resolve()
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ["QUERENCIA_HOME"] = str(HOME)
os.environ[SETTINGS] = "querencia.config.settings"
django.setup()
# Static files are looked up when somebody asks: each client of a test would look through all of them first.
settings.WHITENOISE_AUTOREFRESH = True
# To try a password takes long by design, and so would every member of staff whom a test makes. Houses that are served
# keep the real one.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

from huey.contrib.djhuey import HUEY  # noqa: E402 (it reads the settings)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The queue is in the test's own database too, where it is PostgreSQL; on SQLite it is in the home."""
    if connection.vendor == "postgresql":
        connection.ops.execute_sql_flush = _empty
        address = urlsplit(os.environ["DATABASE_URL"])
        HUEY.storage.dsn = address._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    yield
    HUEY.storage.close()


def _empty(truncate: list[str]) -> None:
    """Between tests that commit only what has rows is emptied, of a hundred tables a few. To truncate all of them would
    make five hundred files anew each time."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    filled = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in tables)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # whatever refers to it goes, too; facts as well
        cursor.execute(filled)
        for (table,) in cursor.fetchall():
            cursor.execute(f'DELETE FROM "{table}"')


def pytest_configure(config: pytest.Config) -> None:
    # Each parallel worker reads the settings for itself, once it has a home of its own.
    if config.getoption("numprocesses", None):
        del os.environ[SETTINGS]


@pytest.fixture
def shared_data() -> Path:
    """Real files too large or not free to bundle; tests that read them are skipped where they are not at hand."""
    folder = os.environ.get("QUERENCIA_SHARED_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("QUERENCIA_SHARED_DATA names no folder")
    return Path(folder)
