"""Ana's shop with its first owner, customers with scores, and an owner at the pages."""

from typing import Any

import pytest
from django.test import Client

from querencia.business import actions
from querencia.customers.models import Score
from tests.customers import cast
from tests.web.visiting import PASSWORD, somebody


@pytest.fixture
def shop(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    actions.set_business(name="Ferretería Ana", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    actions.add_staff(email="first@example.org", password=PASSWORD, name="Ana", role="owner")


@pytest.fixture
def scores() -> list[Score]:
    return cast.scored()


@pytest.fixture
def owner() -> Client:
    return somebody("owner")
