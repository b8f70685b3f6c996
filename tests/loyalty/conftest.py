"""A programme of a shop in Madrid: a point for each euro."""

import pytest

from querencia.business.actions import set_business
from querencia.loyalty.models import Programme
from tests.loyalty import shop


@pytest.fixture
def business(db: None) -> None:
    set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")


@pytest.fixture
def programme(business: None) -> Programme:
    return shop.programme()
