"""The pages on which a person's data are handed out, a person is erased, and periods of storage are set."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from huey.contrib.djhuey import HUEY

from querencia.business import actions as business
from querencia.business.models import Staff
from querencia.customers import people
from querencia.customers.models import ContactPoint, Customer, Erasure, Event
from querencia.flows import tasks
from querencia.flows.models import Pruning, RetentionPeriod
from tests.customers.cast import AT

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def owner() -> Staff:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    return business.add_staff(email="first@example.org", password="una llave larga y propia", name="Eva", role="owner")


@pytest.fixture
def client(owner: Staff) -> Client:
    client = Client(enforce_csrf_checks=False)
    client.force_login(owner, BACKEND)
    HUEY.flush()
    return client


@pytest.fixture
def ana() -> Customer:
    ana = Customer(key="k-7", given_name="Ana", family_name="Muñoz", language="es")
    people.keep(customer=ana, at=AT)
    people.reach(point=ContactPoint(customer=ana, kind="email", value="ana@example.org"))
    return ana


def work_off() -> None:
    while task := HUEY.dequeue():
        HUEY.execute(task)


def test_what_is_known_is_handed_out_and_that_is_written_down(client: Client, owner: Staff, ana: Customer) -> None:
    machine = client.post(f"/customers/{ana.pk}/export/", {"as": "json"})
    assert machine["Content-Disposition"] == f'attachment; filename="person-{ana.pk}.json"'
    assert machine["Cache-Control"] == "no-store"
    told = json.loads(b"".join(machine.streaming_content))  # type: ignore[attr-defined]
    assert told["sections"]["addresses"][0]["value"] == "ana@example.org"
    page = client.post(f"/customers/{ana.pk}/export/", {"as": "page"})
    said = b"".join(page.streaming_content).decode()  # type: ignore[attr-defined]
    assert '<html lang="es">' in said, "in the language of whom it is about"
    assert "ana@example.org" in said
    audited = Event.objects.filter(kind="person.exported")
    assert [each.properties for each in audited] == [{"staff": owner.pk}] * 2


def test_somebody_is_erased_once_the_key_was_typed(client: Client, owner: Staff, ana: Customer) -> None:
    path = f"/customers/{ana.pk}/erase/"
    assert "k-7" in client.get(path).content.decode()
    refused = client.post(path, {"reason": "request", "typed": "k-8"}).content.decode()
    assert "This is not the key" in refused
    assert client.post(path, {"reason": "retention", "typed": "k-7"}).status_code == 200, "no reason of a person's"
    assert not Erasure.objects.exists()
    answer = client.post(path, {"reason": "objection", "typed": "k-7"}, follow=True)
    assert "being erased" in answer.content.decode()
    work_off()
    page = client.get(f"/customers/{ana.pk}/").content.decode()
    assert "This person was erased on" in page
    assert "Erased person" in page
    for gone in ("Muñoz", "ana@example.org", "k-7"):
        assert gone not in page
    assert client.get(path).status_code == 302, "nobody is erased twice"
    told = Erasure.objects.get()
    assert (told.requested_by, told.reason, told.people, told.status) == (owner, "objection", 1, "done")
    listed = client.get("/settings/privacy/").content.decode()
    assert "They object to the processing" in listed
    assert "Eva" in listed
    assert "Muñoz" not in client.get("/customers/").content.decode()


def test_the_back_office_gives_nobody_who_was_erased_a_name(client: Client, ana: Customer) -> None:
    client.post(f"/customers/{ana.pk}/erase/", {"reason": "request", "typed": "k-7"})
    work_off()
    client.post(f"/back-office/customers/customer/{ana.pk}/change/", {"given_name": "Ana", "family_name": "Muñoz"})
    assert Customer.objects.get(pk=ana.pk).given_name == ""


def test_periods_are_set_and_what_went_is_shown(client: Client) -> None:
    page = client.get("/settings/privacy/").content.decode()
    assert 'value="760"' in page
    too_few = client.post("/settings/privacy/", {"rejects": "20", "page_views": "3"}).content.decode()
    assert "greater than or equal to 7" in too_few
    assert not RetentionPeriod.objects.exists()
    assert client.post("/settings/privacy/", {"rejects": "20", "page_views": "100", "people": ""}).status_code == 302
    said = dict(RetentionPeriod.objects.values_list("name", "days"))
    assert (said["rejects"], said["page_views"], said["people"], said["delivered"]) == (20, 100, None, None)
    Pruning.objects.create(name="rejects", on=(AT + timedelta(days=1)).date(), rows=1_234)
    assert "1,234" in client.get("/settings/privacy/").content.decode()


def test_the_night_prunes_and_erases(client: Client, ana: Customer) -> None:
    Customer.objects.filter(pk=ana.pk).update(created_at=AT - timedelta(days=2_000))
    Event.objects.all().delete()
    RetentionPeriod.objects.create(name="people", days=365)
    tasks.prune.call_local()
    assert Customer.objects.get(pk=ana.pk).erased_at
    assert Pruning.objects.get(name="people").rows == 1
