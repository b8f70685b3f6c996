"""Finding customers by anything that one may be told on the phone."""

from datetime import UTC, datetime

import pytest

from querencia.customers import people
from querencia.customers.models import ContactPoint, Customer, Identifier, Purchase
from querencia.customers.queries import search

pytestmark = pytest.mark.django_db

AT = datetime(2026, 5, 1, 10, tzinfo=UTC)


def customer(key: str, given: str = "", family: str = "", **reached: str) -> Customer:
    made = Customer(key=key, given_name=given, family_name=family)
    people.keep(customer=made, at=AT)
    for kind, value in reached.items():
        people.reach(point=ContactPoint(customer=made, kind=kind, value=value))
    return made


@pytest.fixture
def shop() -> dict[str, Customer]:
    """Ana, Bruno and others who are easily confused with them."""
    cast = {
        "ana": customer("1001", "Ana María", "Muñoz de la Cruz", phone="+34600111222", email="ana@example.org"),
        "bruno": customer("B-77", "Bruno", "Gonçalves", phone="+351912345678", email="bruno@example.org"),
        "anaya": customer("3", "Luis", "Anaya Ana"),
        "other": customer("1001-b", "Marina", "Munoz"),
    }
    Identifier.objects.create(kind="card", value="CARD-5550001", customer=cast["bruno"])
    Purchase.objects.create(
        source="till", key="T-900", customer=cast["anaya"], at=AT, day=20574, amount=1, currency="EUR", recorded_at=AT
    )
    return cast


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1001", ["ana", "other"]),  # the key itself before what begins like it
        ("munoz", ["ana", "other"]),
        ("MUÑOZ", ["ana", "other"]),
        ("cruz ana", ["ana"]),
        ("  ana   mar  ", ["ana"]),
        ("ana", ["ana", "anaya"]),
        ("goncalves", ["bruno"]),
        ("600 111 222", ["ana"]),
        ("+34 600-111-222", ["ana"]),
        ("0034600111222", ["ana"]),
        ("34600111222", ["ana"]),
        ("+351 912 345 678", ["bruno"]),
        ("ANA@example.org", ["ana"]),
        ("bruno@", ["bruno"]),
        ("card-555", ["bruno"]),
        ("card-5550001", ["bruno"]),
        ("CARD-5550001", ["bruno"]),
        ("T-900", ["anaya"]),
        ("muñoz bruno", []),
        ("", []),
        ("   ", []),
        ("%", []),
        ("_", []),
        ("z%z", []),
        ("'; drop table", []),
        ("😀", []),
        ("x" * 5_000, []),
    ],
)
def test_a_customer_is_found_by(text: str, found: list[str], shop: dict[str, Customer]) -> None:
    got = [one.pk for one in search.find(text, country="ES")]
    assert sorted(got) == sorted(shop[name].pk for name in found)
    if text == "1001":
        assert got[0] == shop["ana"].pk


def test_no_more_are_found_than_are_shown(shop: dict[str, Customer]) -> None:
    for n in range(70):
        customer(f"twin-{n}", "Carla", "Carlota")
    assert len(search.find("carl")) == search.FOUND_MAX
    assert len(search.find("twin-", limit=5)) == 5
    assert len({one.pk for one in search.find("carla carlota")}) == search.FOUND_MAX
