"""All that is known of a person, of all records that are them, as JSON and as a page, whatever its size."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from querencia.business import actions as business
from querencia.customers import actions, events, people
from querencia.customers.actions import consents
from querencia.customers.models import ContactPoint, Customer, Event, Purchase, PurchaseLine
from querencia.flows import telling

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@pytest.fixture
def ana() -> Customer:
    """Ana, who is two records, with something of every kind."""
    business.set_business(
        name="La Tienda & Cía", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES"
    )
    staff = business.add_staff(email="boss@example.com", password="una llave larga y propia", role="owner")
    ana = Customer(
        key="k-1", given_name="Ana <b>", family_name="Muñoz", language="es", value_answers={"first": "price"}
    )
    twin = Customer(key="k-2", given_name="Ana", family_name="Muñoz")
    for each in (ana, twin):
        people.keep(customer=each, at=AT)
    people.reach(point=ContactPoint(customer=ana, kind="email", value="ana@example.org"))
    people.reach(point=ContactPoint(customer=twin, kind="post", value="Calle Mayor 1"))
    actions.merge(pairs=[(ana.pk, twin.pk)], staff=staff, at=AT)
    consents.record([consents.Said(twin.pk, "email", "marketing", "granted", "on paper")], source="desk", at=AT)
    bought = Purchase.objects.create(
        source="till", key="T-1", customer=twin, at=AT, day=20514, amount=1250, currency="EUR", recorded_at=AT
    )
    PurchaseLine.objects.create(purchase=bought, number=1, name="Cuchara", quantity=2, amount=1250)
    seen = events.NewEvent("Seen", "e1", "shop", customer_id=ana.pk, properties={"page": "/plates", "deep": {"a": [1]}})
    events.record([seen], at=AT)
    return ana


def test_machines_get_everything_of_all_records(ana: Customer) -> None:
    told = json.loads("".join(telling.as_json(ana.pk, at=AT)))
    sections = told["sections"]
    assert (told["format"], told["business"], told["currency"]) == ("querencia.person/1", "La Tienda & Cía", "EUR")
    assert [row["key"] for row in sections["person"]] == ["k-1", "k-2"]
    assert {row["value"] for row in sections["addresses"]} == {"ana@example.org", "Calle Mayor 1"}
    assert sections["consents"][0]["evidence"] == "on paper"
    assert sections["purchases"][0]["lines"][0]["name"] == "Cuchara"
    assert sections["purchases"][0]["amount"] == 1250
    assert {"page": "/plates", "deep": {"a": [1]}} in [row["properties"] for row in sections["events"]]
    assert len(sections["merges"]) == 1
    assert json.loads("".join(telling.as_json(ana.pk, at=AT))) == told


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("knows of you", "Purchases", "Granted", "€12.50", "Mar 2, 2026, 7:00:00")),
        ("es", ("sabe", "Compras", "12,50 €", "2 mar 2026, 7:00:00")),
        ("pt", ("sabe", "Compras", "12,50 €", "02/03/2026, 07:00:00")),
    ],
)
def test_people_get_a_page_that_stands_alone(ana: Customer, language: str, words: tuple[str, ...]) -> None:
    page = "".join(telling.as_page(ana.pk, at=AT, language=language)).replace("\xa0", " ").replace("\u202f", " ")
    assert f'<html lang="{language}">' in page
    assert page.rstrip().endswith("</html>")
    for word in (*words, "Calle Mayor 1", "Cuchara", "Ana &lt;b&gt;", "La Tienda &amp; Cía", "on paper"):
        assert word in page, word
    for outside in ("<script", "<link", "src=", "http://", "https://", "url("):
        assert outside not in page


@pytest.mark.slow
def test_a_person_with_very_many_events_takes_no_more_memory(ana: Customer) -> None:
    def record(number: int) -> int:
        first = Event.objects.count()
        rows = (
            Event(
                kind="Seen", customer=ana, occurred_at=AT + timedelta(seconds=n), recorded_at=AT, source="shop",
                key=f"n{first + n}", properties={"text": "x" * 200},
            )
            for n in range(number)
        )  # fmt: skip
        Event.objects.bulk_create(rows, batch_size=2_000)
        tracemalloc.start()
        size = sum(len(part) for part in telling.as_json(ana.pk, at=AT))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size > number * 200
        return peak

    few = record(4_000)
    assert record(16_000) < few * 1.5
    page = "".join(telling.as_page(ana.pk, at=AT, language="en"))
    assert page.count("x" * 200) == telling.SHOWN - 3 or page.count("x" * 200) <= telling.SHOWN
    assert "The newest 1,000 are shown" in page
