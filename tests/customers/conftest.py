"""Nothing of an import outlives the test that made it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from querencia.business.actions import set_business


@pytest.fixture(autouse=True)
def _no_files_left() -> Iterator[None]:
    yield
    shutil.rmtree(Path(settings.IMPORTS_FOLDER), ignore_errors=True)


@pytest.fixture
def business(db: None) -> None:
    """A shop in Madrid that counts in euros."""
    set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
