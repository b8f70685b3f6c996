"""Other systems are told what happened, signed as the standard says, until they take it; nothing is told under two ids,
and nothing reaches a network that only we can reach."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from huey.contrib.djhuey import HUEY
from standardwebhooks import Webhook, WebhookVerificationError

from querencia.business import actions as business
from querencia.common.time import now
from querencia.customers import kinds
from querencia.customers.events import NewEvent, record
from querencia.customers.models import Customer, Event
from querencia.flows import outbox, tasks
from querencia.flows.models import Handling
from querencia.webhooks import actions, schedule, sending
from querencia.webhooks import tasks as telling
from querencia.webhooks.models import Delivery, Endpoint
from tests.webhooks.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _here(settings: Any) -> Iterator[None]:
    settings.WEBHOOKS_MAY_REACH_LOOPBACK = True
    HUEY.flush()
    yield
    HUEY.flush()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def endpoint(receiver: Receiver) -> Endpoint:
    made = actions.add_endpoint(url=receiver.url, kinds=[kinds.CUSTOMER_LEFT, "letter.posted"], at=AT)
    receiver.secret = made.secret
    return made


def happen(*keys: str, kind: str = "letter.posted", **more: Any) -> None:
    record([NewEvent(kind, key, "desk", **more) for key in keys], at=AT)
    while outbox.drain(at=AT):
        pass


def deliver() -> None:
    telling.deliver.call_local()


def delivery() -> Delivery:
    return Delivery.objects.get()


def tried(at: datetime) -> Delivery:
    """One try at a moment of our own."""
    [one] = actions.claim(at=at)
    actions.note_outcome(delivery=one, outcome=sending.send(one, at=now()), at=at)
    return delivery()


def test_from_the_event_to_the_other_system(receiver: Receiver, endpoint: Endpoint) -> None:
    ana = Customer.objects.create(key="c1", created_at=AT)
    record([NewEvent(kinds.CUSTOMER_LEFT, "e1", "measures", customer_id=ana.pk, properties={"before": "ñandú"})], at=AT)
    record([NewEvent("letter.burnt", "e2", "desk")], at=AT)
    tasks.react.call_local()
    while task := HUEY.dequeue():
        HUEY.execute(task)
    said = receiver.verified()
    assert (said["type"], said["timestamp"]) == (kinds.CUSTOMER_LEFT, AT.isoformat())
    assert said["data"]["customer"] == {"id": ana.pk, "key": "c1"}
    assert said["data"]["properties"] == {"before": "ñandú"}
    assert len(receiver.got) == 1
    assert (delivery().status, delivery().answer_status, delivery().tries) == ("delivered", 204, 1)
    assert list(Handling.objects.values_list("reaction", "status")) == [("tell_endpoints", "done")]


def test_whoever_wants_everything_is_told_of_everything_once(receiver: Receiver, endpoint: Endpoint) -> None:
    actions.change_endpoint(endpoint=endpoint, url=receiver.url, kinds=["*", "x"], is_on=True)
    happen(*[f"e{number}" for number in range(30)], kind="Video Played")
    events = list(Event.objects.all())
    assert actions.note(events=events, at=AT) == 0, "what is noted is noted once"
    deliver()
    assert len(set(receiver.ids)) == len(receiver.ids) == 30
    assert set(Delivery.objects.values_list("status", flat=True)) == {"delivered"}


def test_what_was_changed_on_the_way_or_is_old_is_refused_by_the_receiver(
    receiver: Receiver, endpoint: Endpoint
) -> None:
    happen("e1")
    deliver()
    headers, body = receiver.got[0]
    assert Webhook(receiver.secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(receiver.secret).verify(body.replace(b"letter", b"better"), headers)
    one = Delivery.objects.select_related("endpoint", "event__customer").get()
    sending.send(one, at=now() - timedelta(minutes=6))  # as who replays what was overheard
    with pytest.raises(WebhookVerificationError, match="too old"):
        receiver.verified()
    with pytest.raises(WebhookVerificationError):
        Webhook(receiver.secret).verify(body, {**headers, "webhook-id": "msg_other"})


def test_while_a_secret_changes_both_sign(receiver: Receiver, endpoint: Endpoint) -> None:
    former = receiver.secret
    fresh = actions.rotate_secret(endpoint=endpoint, at=now())
    assert fresh.startswith("whsec_")
    assert fresh != former
    happen("e1")
    deliver()
    for secret in (former, fresh):
        receiver.secret = secret
        assert receiver.verified()
    Endpoint.objects.update(secret_before_until=now() - timedelta(seconds=1))
    happen("e2")
    deliver()
    assert receiver.verified()
    receiver.secret = former
    with pytest.raises(WebhookVerificationError):
        receiver.verified()


def test_a_message_is_sent_again_on_schedule_under_its_id(receiver: Receiver, endpoint: Endpoint) -> None:
    receiver.answers = lambda number: (500, {}, b"broken")
    happen("e1")
    at, waits = AT, []
    while (one := tried(at)).status == "waiting":
        assert actions.claim(at=one.next_at - timedelta(seconds=1)) == []
        waits.append(one.next_at - at)
        at = one.next_at
    assert len(waits) == len(schedule.RETRIES) == 9
    for wait, planned in zip(waits, schedule.RETRIES, strict=True):
        assert planned <= wait <= planned * (1 + schedule.JITTER)
    assert (one.status, one.tries, one.answer_status, one.answer) == ("failed", 10, 500, "broken")
    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.got}) == 1
    receiver.answers = lambda number: (200, {}, b"fine")
    assert actions.replay(endpoint=endpoint, at=at) == 1
    assert tried(at).status == "delivered"
    assert len(set(receiver.ids)) == 1


def test_a_process_that_dies_after_sending_sends_again_under_the_same_id(
    receiver: Receiver, endpoint: Endpoint
) -> None:
    happen("e1")
    [one] = actions.claim(at=AT)
    outcome = sending.send(one, at=now())  # and the process is gone
    assert actions.claim(at=AT + timedelta(seconds=30)) == [], "not while somebody may be at it"
    [again] = actions.claim(at=AT + actions.CLAIM)
    actions.note_outcome(delivery=one, outcome=outcome, at=AT)
    assert delivery().status == "waiting", "what comes too late changes nothing"
    actions.note_outcome(delivery=again, outcome=sending.send(again, at=now()), at=AT + actions.CLAIM)
    assert delivery().status == "delivered"
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1


def test_who_is_gone_is_told_no_more(receiver: Receiver, endpoint: Endpoint) -> None:
    receiver.answers = lambda number: (410, {}, b"")
    happen("e1", "e2")
    deliver()
    endpoint.refresh_from_db()
    assert (endpoint.is_on, endpoint.off_because) == (False, "gone")
    count = len(receiver.got)
    happen("e3")
    deliver()
    assert len(receiver.got) == count
    assert not Delivery.objects.filter(event__key="e3").exists()


@pytest.mark.parametrize("status", [429, 503])
def test_who_asks_for_patience_gets_it(receiver: Receiver, endpoint: Endpoint, status: int) -> None:
    receiver.answers = lambda number: (status, {"Retry-After": "3600"}, b"")
    happen("e1")
    assert tried(AT).next_at == AT + timedelta(hours=1)


def test_patience_is_read_in_seconds_and_dates_and_has_an_end() -> None:
    assert schedule.asked_for("120", AT) == timedelta(minutes=2)
    assert schedule.asked_for(format_datetime(AT + timedelta(hours=3), usegmt=True), AT) == timedelta(hours=3)
    assert schedule.asked_for("9" * 30, AT) == schedule.asked_for("Fri, 31 Dec 9999 23:59:59 GMT", AT)
    assert schedule.asked_for("9" * 30, AT) == timedelta(days=1)
    for nonsense in ("", "-5", "soon", "1e9", format_datetime(AT - timedelta(days=3), usegmt=True)):
        assert schedule.asked_for(nonsense, AT) == timedelta()


def test_a_redirect_is_a_refusal(receiver: Receiver, endpoint: Endpoint) -> None:
    receiver.answers = lambda number: (302, {"Location": receiver.url}, b"")
    happen("e1")
    assert (tried(AT).status, len(receiver.got), delivery().answer_status) == ("waiting", 1, 302)


def test_one_who_is_not_there_holds_up_no_other(receiver: Receiver, endpoint: Endpoint) -> None:
    gone = actions.add_endpoint(url="http://127.0.0.1:1/", kinds=["letter.posted"], at=AT)
    happen(*[f"e{number}" for number in range(20)])
    deliver()
    assert len(receiver.got) == 20
    assert set(gone.deliveries.values_list("status", "problem")) == {("waiting", "connection")}


def test_an_address_inside_is_not_called_whatever_it_once_was(
    receiver: Receiver, endpoint: Endpoint, settings: Any
) -> None:
    happen("e1")
    settings.WEBHOOKS_MAY_REACH_LOOPBACK = False
    Endpoint.objects.update(url=receiver.url.replace("http:", "https:"))
    assert (tried(AT).problem, receiver.got) == ("address", [])


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://example.org/", "https://a:b@example.org/", "nothing"])
def test_what_may_not_be_called_is_not_taken_as_an_address(url: str, settings: Any) -> None:
    settings.WEBHOOKS_MAY_REACH_LOOPBACK = False
    with pytest.raises(ValidationError):
        actions.add_endpoint(url=url, kinds=["*"], at=AT)
    with pytest.raises(ValidationError):
        actions.add_endpoint(url="https://example.org/", kinds=[" "], at=AT)
    assert not Endpoint.objects.exists()


def test_the_page_shows_a_secret_once_and_what_became_of_messages(receiver: Receiver) -> None:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    staff = business.add_staff(email="o@example.org", password="una llave larga y propia", role="owner")
    client = Client()
    client.force_login(staff, "allauth.account.auth_backends.AuthenticationBackend")
    form = {"url": receiver.url, "kinds": [kinds.CUSTOMER_LEFT], "others": "letter.posted, Video Played"}
    page = client.post("/settings/webhooks/", form)
    [made] = Endpoint.objects.all()
    assert made.kinds == ["Video Played", kinds.CUSTOMER_LEFT, "letter.posted"]
    assert made.secret in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    place = f"/settings/webhooks/{made.pk}/"
    for path in ("/settings/webhooks/", place):
        assert made.secret not in client.get(path).content.decode()
    receiver.answers = lambda number: (400, {}, b"<b>no</b>")
    client.post(f"{place}test/")
    while task := HUEY.dequeue():
        HUEY.execute(task)
    page_now = client.get(place).content.decode()
    assert "400" in page_now
    assert "&lt;b&gt;no&lt;/b&gt;" in page_now
    assert json.loads(receiver.got[0][1])["type"] == "webhook.test"
    Delivery.objects.update(status="failed")
    assert "msg_" in client.get(f"{place}?failed=1").content.decode()
    client.post(f"{place}replay/")
    assert delivery().status == "waiting"
    client.post(f"{place}replay/", {"delivery": delivery().pk})
    rotated = client.post(f"{place}secret/").content.decode()
    made.refresh_from_db()
    assert made.secret in rotated
    assert made.secret_before not in rotated
    client.post(place, {"url": receiver.url, "kinds": [], "others": "*"})
    made.refresh_from_db()
    assert (made.kinds, made.off_because) == (["*"], "person")
    refused = client.post("/settings/webhooks/", {"url": "ftp://x", "others": "*"}).content.decode()
    assert "No es una dirección" in refused
