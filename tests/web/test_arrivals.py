"""The page of what machines sent: what was rejected is seen in words, mended and tried again."""

import json
from html import unescape

import pytest
from django.test import Client

from querencia.business import actions as business
from querencia.common.time import now
from querencia.customers.models import Event, Reject
from querencia.flows import intake

pytestmark = pytest.mark.django_db

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
ORDER = {"type": "track", "event": "Order Completed", "userId": "u1"}
SAID = {
    "en": ("2 events could not be taken in", "1 event could not be taken in"),
    "es": ("2 eventos no se pudieron recibir", "1 evento no se pudo recibir"),
    "pt": ("2 eventos não puderam ser recebidos", "1 evento não pôde ser recebido"),
}


@pytest.fixture
def client(db: None) -> Client:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    client = Client()
    owner = business.add_staff(email="o@example.org", password="una llave larga y propia", name="Eva", role="owner")
    client.force_login(owner, BACKEND)
    return client


@pytest.fixture
def key(client: Client) -> int:
    return business.create_key(kind="write", name="the till", at=now())[0].pk


def send(key: int, *events: dict[str, object]) -> None:
    body = json.dumps({"batch": events}).encode()
    intake.receive(api_key_id=key, door="batch", body=body, events=len(events), at=now())
    work_off()


def work_off() -> None:
    while intake.process(at=now()):
        pass


def read(client: Client, language: str = "en") -> str:
    client.cookies["querencia_language"] = language
    answer = client.get("/arrivals/")
    assert answer.status_code == 200
    return " ".join(unescape(answer.content.decode()).split())


@pytest.mark.parametrize("language", SAID)
def test_what_was_rejected_is_seen_with_its_reason_and_as_it_came(client: Client, key: int, language: str) -> None:
    send(key, {**ORDER, "messageId": "m1", "properties": {"order_id": "Z1", "total": "much"}})
    assert SAID[language][1] in read(client, language)
    send(key, {"type": "track", "event": "Seen <b>", "messageId": "m2"})
    page = read(client, language)
    assert SAID[language][0] in page
    assert "much" in page
    assert "the till" in page
    assert "Seen <b>" not in client.get("/arrivals/").content.decode()


def test_what_was_rejected_is_tried_again_one_by_one_and_all_at_once(client: Client, key: int) -> None:
    wrong = {**ORDER, "properties": {"order_id": "Z1", "total": 5, "currency": "USD"}}
    send(key, *({**wrong, "messageId": f"m{number}"} for number in range(3)))
    assert Reject.objects.count() == 3
    business.set_business(name="La Tienda", currency="USD", time_zone="Europe/Madrid", language="en", country="ES")
    one = Reject.objects.order_by("pk").first()
    assert one
    said = client.post("/arrivals/replay/", {"reject": str(one.pk)}, follow=True)
    assert "1 event is tried again." in said.content.decode()
    work_off()
    assert (Reject.objects.count(), Event.objects.filter(kind="Order Completed").count()) == (2, 1)
    said = client.post("/arrivals/replay/", follow=True)
    assert "2 events are tried again." in said.content.decode()
    work_off()
    assert (Reject.objects.count(), Event.objects.filter(kind="Order Completed").count()) == (0, 3)
    assert "could not be taken in" not in read(client)
    assert "There was nothing to try again." in client.post("/arrivals/replay/", follow=True).content.decode()
