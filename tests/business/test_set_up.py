"""The first step of an installation, and who may work in it."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from querencia.business import actions, queries
from querencia.business.models import Business, Role, Staff

SHOP = {"name": "Ferretería Ana", "currency": "EUR", "time_zone": "Europe/Madrid", "language": "es", "country": "ES"}
OWNER = {"email": "Ana@Example.org", "password": "una llave larga y propia", "name": "Ana"}


@pytest.mark.django_db
def test_setting_up_makes_the_business_and_its_owner() -> None:
    assert not queries.is_set_up()
    actions.set_up(business=SHOP, owner=OWNER)
    assert queries.is_set_up()
    owner = Staff.objects.get()
    assert (owner.email, owner.role) == ("ana@example.org", Role.OWNER)
    assert owner.check_password(OWNER["password"])


@pytest.mark.django_db
def test_a_weak_password_leaves_nothing_half_done() -> None:
    with pytest.raises(ValidationError):
        actions.set_up(business=SHOP, owner={**OWNER, "password": "12345"})
    assert not Business.objects.exists()
    assert not Staff.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"), [("currency", "EUROS"), ("currency", "XYZ"), ("time_zone", "Europa/Madriz"), ("name", "  ")]
)
def test_what_is_no_currency_zone_or_name_is_refused_by_name(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        actions.set_business(**{**SHOP, field: value})
    assert field in refused.value.message_dict


@pytest.mark.django_db
def test_there_is_one_business_only() -> None:
    actions.set_business(**SHOP)
    actions.set_business(**{**SHOP, "name": "Ferretería Ana e Hijos"})
    assert Business.objects.get().name == "Ferretería Ana e Hijos"
    with pytest.raises(IntegrityError):
        Business.objects.create(pk=2, name="Another", currency="EUR")


@pytest.mark.django_db
def test_an_address_has_one_account() -> None:
    actions.set_up(business=SHOP, owner=OWNER)
    with pytest.raises(ValidationError, match="already has an account"):
        actions.add_staff(email="ANA@example.org", password="otra llave larga", role=Role.AGENT)


@pytest.mark.django_db
@pytest.mark.parametrize(("role", "enters"), [("owner", True), ("manager", True), ("agent", False), ("analyst", False)])
def test_the_back_office_is_for_owners_and_managers(role: str, enters: bool) -> None:
    staff = actions.add_staff(email=f"{role}@example.org", password="una llave larga y propia", role=role)
    assert staff.is_staff is enters
