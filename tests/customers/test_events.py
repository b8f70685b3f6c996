"""Events are recorded once, together with what they tell of, and only what is live may set anything off."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from querencia.business import actions as business
from querencia.customers import audit, events, kinds, people
from querencia.customers.events import NewEvent
from querencia.customers.models import Consent, ContactPoint, Customer, Event, Outbox
from tests.customers import cast

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def new(number: int, **more: Any) -> NewEvent:
    return NewEvent(**{"kind": "letter.posted", "key": f"e{number}", "source": "desk", **more})


def kinds_recorded() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("kind", flat=True))


def test_an_event_that_is_told_twice_happened_once() -> None:
    ana = Customer.objects.create(key="c1", created_at=AT)
    told = [new(1, customer_id=ana.pk, channel="post", properties={"weight": 20}), new(2), new(1)]
    assert events.record(told, at=AT) == 2
    assert events.record([*told, new(3, source="other"), new(1, source="other")], at=AT + timedelta(hours=1)) == 2
    first = Event.objects.get(key="e1", source="desk")
    assert (first.customer, first.occurred_at, first.recorded_at, first.channel) == (ana, AT, AT, "post")
    assert first.properties == {"weight": 20}
    assert Outbox.objects.count() == Event.objects.count() == 4
    assert events.record([], at=AT) == 0


def test_history_is_kept_and_sets_nothing_off() -> None:
    then = AT - timedelta(days=900)
    assert events.record([new(1, is_live=False, occurred_at=then), new(2)], at=AT) == 2
    assert Event.objects.get(key="e1").occurred_at == then
    assert [row.event.key for row in Outbox.objects.all()] == ["e2"]


def test_what_is_taken_back_was_never_recorded() -> None:
    with transaction.atomic():
        events.record([new(1)], at=AT)
        transaction.set_rollback(True)
    assert not Event.objects.exists()
    assert not Outbox.objects.exists()


def test_thousands_are_recorded_in_a_few_statements(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(20):
        assert events.record([new(number) for number in range(5_000)], at=AT) == 5_000
    assert Outbox.objects.count() == 5_000


@pytest.mark.django_db(transaction=True)
def test_two_who_record_the_same_at_once_record_it_once() -> None:
    counts: list[int] = []

    def tell(order: int) -> None:
        counts.append(events.record([new(number) for number in range(2_000)][::order], at=AT))
        connection.close()

    threads = [threading.Thread(target=tell, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 0, 0, 2_000]
    assert Outbox.objects.count() == Event.objects.count() == 2_000


def test_what_somebody_does_by_hand_is_told() -> None:
    ana = Customer(key="c1", given_name="Ana")
    people.keep(customer=ana, at=AT)
    people.keep(customer=ana, at=AT)
    people.reach(point=ContactPoint(customer=ana, kind="email", value="ana@example.org"))
    assert kinds_recorded() == [kinds.CUSTOMER_CREATED]
    said = Consent(customer=ana, channel="email", purpose="marketing", status="denied")
    people.allow(consents=[said], evidence="Bruno", at=AT)
    staff = business.add_staff(email="b@example.org", password="una llave larga y propia", role="owner")
    audit.record_export(staff=staff, rows=3, filters="", at=AT)
    assert kinds_recorded()[1:] == [kinds.CONSENT_CHANGED, kinds.CUSTOMERS_EXPORTED]
    assert Event.objects.get(kind=kinds.CONSENT_CHANGED).properties["status"] == "denied"
    kept = Consent.objects.get()
    assert (kept.source, kept.evidence, kept.at) == (people.SOURCE, "Bruno", AT)
    assert Outbox.objects.count() == 3


def test_the_timeline_calls_our_kinds_by_their_names_and_others_as_they_were_sent() -> None:
    [score, *_] = cast.scored(1)
    owner = score.customer_id
    events.record([new(1, kind=kinds.CUSTOMER_LEFT, customer_id=owner)], at=AT)
    events.record([new(2, kind="Video Played", customer_id=owner)], at=AT)
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="es", country="ES")
    staff = business.add_staff(email="b@example.org", password="una llave larga y propia", role="owner")
    client = Client()
    client.force_login(staff, "allauth.account.auth_backends.AuthenticationBackend")
    page = client.get(f"/customers/{owner}/").content.decode()
    assert "Se fue" in page
    assert "Video Played" in page
    assert kinds.CUSTOMER_LEFT not in page


@pytest.mark.parametrize("name", kinds.KINDS)
def test_every_kind_has_a_name_of_two_words_and_says_what_it_means(name: str) -> None:
    kind = kinds.KINDS[name]
    assert name.count(".") == 1
    assert str(kind.text)
    assert str(kind.meaning)
