"""Each test process has a home of its own, and a real database: SQLite in it, or PostgreSQL by DATABASE_URL."""

import os
import tempfile
from pathlib import Path

import pytest

# Before Django reads its settings.
HOME = Path(tempfile.mkdtemp(prefix="querencia-tests-"))
os.environ["QUERENCIA_HOME"] = str(HOME)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "querencia.config.settings")


@pytest.fixture
def shared_data() -> Path:
    """Real files too large or not free to bundle; tests that read them are skipped where they are not at hand."""
    folder = os.environ.get("QUERENCIA_SHARED_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("QUERENCIA_SHARED_DATA names no folder")
    return Path(folder)
