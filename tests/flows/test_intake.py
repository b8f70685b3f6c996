"""What machines sent becomes events, people and purchases; what cannot is rejected in words; nothing is doubled."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import QuerySet

from querencia.business import actions as business
from querencia.business.models import ApiKey
from querencia.customers.intake.reasons import SENTENCES, reason_text
from querencia.customers.models import Arrival, Customer, Event, Identifier, Purchase, Reject
from querencia.flows import intake, retention

AT = datetime(2026, 5, 1, 10, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key(db: None) -> ApiKey:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    return business.create_key(kind="write", name="shop", at=AT)[0]


def arrive(*events: Any, door: str = "batch", at: datetime = AT, **more: Any) -> Arrival:
    body = {"batch": list(events), **more} if door in ("batch", "import") else events[0]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Arrival.objects.create(
        api_key=ApiKey.objects.get(name="shop"), door=door, body=raw, events=len(events), received_at=at
    )


def take_in(at: datetime = AT) -> None:
    while intake.process(at=at):
        pass
    assert not Arrival.objects.filter(state="waiting").exists()


def sent() -> QuerySet[Event]:
    """What senders told, without what the house records itself."""
    return Event.objects.exclude(kind="purchases.recorded")


def track(number: object = 1, event: str = "Song Played", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "ana", "messageId": f"m{number}", **more}


def order(number: object = 1, event: str = "Order Completed", **properties: Any) -> dict[str, Any]:
    return track(number, event, properties={"order_id": "A-1", **properties})


def rejected() -> list[str]:
    return [reason_text(each.code, each.facts) for each in Reject.objects.order_by("pk")]


# -- events and who they speak of --------------------------------------------------------------------------------------


def test_what_is_sent_becomes_events_of_somebody() -> None:
    arrived = arrive(
        track(1, properties={"title": "Cuchara"}, context={"ip": "1.2.3.4"}),
        {"type": "page", "name": "Home", "anonymousId": "d1", "messageId": "m2"},
        {"type": "screen", "name": "Cart", "anonymousId": "d1", "messageId": "m3"},
        {"type": "group", "groupId": "g1", "userId": "ana", "messageId": "m4", "traits": {"name": "Firm"}},
    )
    take_in()
    found = {each.key: each for each in Event.objects.all()}
    assert [found[f"m{n}"].kind for n in (1, 2, 3, 4)] == ["Song Played", "page", "screen", "group"]
    assert found["m1"].properties == {
        "event": "Song Played", "userId": "ana", "properties": {"title": "Cuchara"}, "context": {"ip": "1.2.3.4"},
    }  # fmt: skip
    assert found["m1"].customer == found["m4"].customer != found["m2"].customer == found["m3"].customer
    assert found["m1"].customer is not None
    assert found["m1"].customer.key == "ana"
    assert Identifier.objects.get(kind="device", value="d1").customer == found["m2"].customer
    arrived.refresh_from_db()
    assert (arrived.state, arrived.recorded, arrived.known, arrived.rejected, bytes(arrived.body)) == (
        "done",
        4,
        0,
        0,
        b"",
    )


def test_identify_tells_who_somebody_is() -> None:
    traits = {
        "firstName": "Ana",
        "lastName": "López",
        "email": "Ana@Example.org",
        "address": {"city": "Vigo", "country": "es"},
    }
    arrive({"type": "identify", "userId": "ana", "anonymousId": "d1", "traits": traits, "messageId": "m1"})
    arrive({"type": "page", "anonymousId": "d1", "messageId": "m2"}, door="page")
    take_in()
    who = Customer.objects.get()
    assert (who.key, who.name, who.city, who.country) == ("ana", "Ana López", "Vigo", "ES")
    kinds = set(who.identifiers.values_list("kind", "value"))
    assert kinds >= {("customer_key", "ana"), ("email", "ana@example.org"), ("device", "d1")}
    assert who.events.count() == 2


def test_a_door_of_its_own_says_what_comes_through_it() -> None:
    arrive({"event": "Song Played", "userId": 42, "messageId": "m1", "writeKey": "k"}, door="track")
    take_in()
    found = Event.objects.get()
    assert (found.kind, found.customer and found.customer.key) == ("Song Played", "42")
    assert "writeKey" not in found.properties


def test_the_same_message_counts_once_for_ever() -> None:
    arrive(track(1), track(1), track(2))
    take_in()
    again = arrive(track(1), track(3), at=AT + timedelta(days=400))
    take_in()
    assert sorted(Event.objects.values_list("key", flat=True)) == ["m1", "m2", "m3"]
    again.refresh_from_db()
    assert (again.recorded, again.known) == (1, 1)


def test_without_a_message_id_an_event_is_the_same_however_often_it_is_read() -> None:
    event = track()
    del event["messageId"]
    arrive(event, event)
    take_in()
    assert Event.objects.count() == 2


def test_nobody_at_the_door_may_say_that_something_of_ours_happened() -> None:
    arrive(track(1, "customer.left"), track(2, "identify"), track(3, "x" * 300))
    take_in()
    kinds = {each.key: each.kind for each in Event.objects.all()}
    assert kinds == {"m1": "track: customer.left", "m2": "track: identify", "m3": "x" * 80}


def test_imported_history_sets_nothing_off() -> None:
    from querencia.customers.models import Outbox

    arrive(track(1), door="import")
    arrive(track(2))
    take_in()
    assert [each.event.key for each in Outbox.objects.select_related("event")] == ["m2"]


# -- when it happened --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "happened"),
    [
        ({}, AT),
        ({"timestamp": "2026-05-01T09:00:00Z"}, AT - timedelta(hours=1)),
        ({"timestamp": "2026-05-01T11:00:00+02:00"}, AT - timedelta(hours=1)),
        ({"timestamp": "2026-05-01T09:00:00.000"}, AT - timedelta(hours=1)),
        # A clock that is a day ahead, or stands in 1970, when it sends ten minutes after it happened.
        ({"timestamp": "2026-05-02T10:00:00Z", "sentAt": "2026-05-02T10:10:00Z"}, AT - timedelta(minutes=10)),
        ({"timestamp": "1970-01-01T00:00:00Z", "sentAt": "1970-01-01T00:10:00Z"}, AT - timedelta(minutes=10)),
        ({"originalTimestamp": "2026-05-01T09:00:00Z", "sentAt": "2026-05-01T10:00:00Z"}, AT - timedelta(hours=1)),
        # The future is now.
        ({"timestamp": "2030-01-01T00:00:00Z"}, AT),
        ({"timestamp": "2026-05-01T10:10:00Z", "sentAt": "2026-05-01T10:00:00Z"}, AT),
        ({"timestamp": "9999-12-31T23:59:59Z"}, AT),
    ],
)
def test_clocks_of_others_are_put_right(said: dict[str, str], happened: datetime) -> None:
    arrive(track(**said))
    take_in(AT + timedelta(hours=5))
    assert Event.objects.get().occurred_at == happened


def test_the_moment_of_sending_stands_for_the_whole_batch() -> None:
    arrive(track(timestamp="2026-05-02T10:00:00Z"), sentAt="2026-05-02T10:10:00Z")
    take_in()
    assert Event.objects.get().occurred_at == AT - timedelta(minutes=10)


# -- what cannot be taken in -------------------------------------------------------------------------------------------

BAD: list[tuple[Any, str]] = [
    (1, "It is no object of JSON but a number."),
    (None, "It is no object of JSON but null."),
    ({"userId": "ana"}, "It does not say what it is: “type” is missing."),
    (track() | {"type": "dance"}, "“dance” is no type of event that we know."),
    (track() | {"type": ["track"]}, "is no type of event that we know."),
    (track() | {"userId": None}, "It names nobody"),
    (track() | {"userId": "anonymous"}, "It names nobody"),
    (track() | {"userId": ""}, "It names nobody"),
    (track() | {"userId": {"id": 1}}, "“userId” is an object, not a text."),
    (track() | {"userId": True}, "“userId” is true or false, not a text."),
    (track() | {"userId": "x" * 201}, "“userId” is longer than 200 characters."),
    (track() | {"event": ""}, "It does not say what happened"),
    (track() | {"event": 7}, "“event” is a number, not a text."),
    (track() | {"messageId": "x" * 201}, "“messageId” is longer than 200 characters."),
    (track() | {"messageId": [1]}, "“messageId” is a list, not a text."),
    (track() | {"properties": "no"}, "“properties” is a text, not an object."),
    (track() | {"context": []}, "“context” is a list, not an object."),
    (track() | {"timestamp": "yesterday"}, "“yesterday” under “timestamp” is no date that we can read."),
    (track() | {"timestamp": 1770000000}, "is no date that we can read."),
    (track() | {"timestamp": "1970-01-01T00:00:00Z"}, "It would have happened on 1970-01-01"),
    (track() | {"timestamp": "0001-01-01T00:00:00Z", "sentAt": "9999-12-31T00:00:00Z"}, "no date that we can read"),
    ({"type": "alias", "userId": "ana", "messageId": "a"}, "It does not say whose events these were"),
    (order(order_id=None), "The order has no number"),
    (order(order_id=["A"]), "“order_id” is a list, not a text."),
    (order(), "The order has no amount"),
    (order(total="a lot"), "“a lot” under “total” is no amount."),
    (order(total=-1), "“-1” under “total” is no amount."),
    (order(total=10**16), "is no amount."),
    (order(total=True), "is no amount."),
    (order(total=1, currency="XXY"), "“XXY” is no currency."),
    (order(total=1, currency="USD"), "It is in USD, and this business counts in EUR."),
    (order(total=1, products="no"), "“products” is a text, not a list."),
    (order(total=1, products=[1]), "“products” is a number, not an object."),
    (order(total=1, products=[{"price": 1, "quantity": "x"}]), "“x” under “quantity” is no amount."),
    (order(event="Order Refunded"), "We know no order A-1. Replay it once that order has arrived."),
    (order(event="Order Cancelled"), "We know no order A-1."),
]


@pytest.mark.parametrize(("event", "reason"), BAD, ids=range(len(BAD)))
def test_what_cannot_be_taken_in_is_kept_with_the_reason_and_stops_nothing_else(event: Any, reason: str) -> None:
    arrived = arrive(track("before"), event, track("after"))
    take_in()
    [said] = rejected()
    assert reason in said
    assert sorted(Event.objects.values_list("key", flat=True)) == ["mafter", "mbefore"]
    arrived.refresh_from_db()
    assert (arrived.recorded, arrived.rejected) == (2, 1)
    kept = json.loads(Reject.objects.get().event)
    assert kept == event or kept | {"messageId": None} == event | {"messageId": None}


@pytest.mark.parametrize("body", [b"1", b"[]", b"null", b'"x"', b'{"batch": "no"}', b"{}"])
def test_a_batch_without_a_list_is_one_reject(body: bytes) -> None:
    Arrival.objects.create(api_key=ApiKey.objects.get(), door="batch", body=body, events=1, received_at=AT)
    take_in()
    assert rejected() == ["There is no list of events under “batch”."]


def test_every_reason_is_a_sentence() -> None:
    facts = {"what": "text", "wanted": "number", "value": "v", "field": "f", "limit": 1, "size": 2, "message": "m"}
    for code in SENTENCES:
        assert "%" not in reason_text(code, facts)


def test_what_json_may_hold_and_databases_do_not_is_taken_in_without_it() -> None:
    wild = '{"batch": [{"type": "track", "event": "a\\u0000b", "userId": "an\\u0000a", "messageId": "m\\u00001",'
    wild += ' "properties": {"k\\u0000": "\\u0000", "big": 1e999, "many": ' + "1" * 400 + ', "deep": '
    wild += "[" * 150 + "]" * 150 + "}}]}"
    Arrival.objects.create(api_key=ApiKey.objects.get(), door="batch", body=wild.encode(), events=1, received_at=AT)
    take_in()
    assert rejected() == []
    found = Event.objects.get()
    assert (found.kind, found.key) == ("ab", "m1")
    assert found.properties["properties"]["k"] == ""


def test_thousands_of_keys_are_kept() -> None:
    arrive(track(1, properties={f"{n:x}": n % 10 for n in range(3_000)}))
    arrive(track(2, properties={f"k{n}": n for n in range(10_000)}))
    take_in()
    assert len(Event.objects.get().properties["properties"]) == 3_000
    assert rejected() == ["It takes 125 KB; an event takes 32 KB at most."]


def test_one_that_no_database_takes_keeps_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever nobody thought of: here a value that the database refuses.
    real = intake._event

    def spoiled(each: Any, customer_id: int) -> Any:
        made = real(each, customer_id)
        return made.__class__(**{**made.__dict__, "kind": ""}) if each.key == "m7" else made

    monkeypatch.setattr(intake, "_event", spoiled)
    arrive(*(track(n) for n in range(5)))
    arrive(*(track(n) for n in range(5, 20)))
    take_in()
    assert Event.objects.count() == 19
    [reject] = Reject.objects.all()
    assert (reject.code, json.loads(reject.event)["messageId"]) == ("unexpected", "m7")
    monkeypatch.undo()
    assert intake.replay(at=AT) == 1
    take_in()
    assert Event.objects.count() == 20
    assert not Reject.objects.exists()


def test_rejects_are_replayed_one_or_all() -> None:
    arrive(
        order(1, total=5, currency="USD"),
        order(2, order_id="A-2", total=6, currency="USD"),
        track(3),
        7,
        sentAt="2026-05-01T10:10:00Z",
    )
    take_in()
    assert len(rejected()) == 3
    business.set_business(name="La Tienda", currency="USD", time_zone="Europe/Madrid")
    first = Reject.objects.order_by("pk")[0]
    assert intake.replay(ids=[first.pk], at=AT + timedelta(days=2)) == 1
    take_in(AT + timedelta(days=2))
    assert [each.key for each in Purchase.objects.all()] == ["A-1"]
    # As it would have been when it arrived.
    assert Event.objects.get(key="m1").occurred_at == AT
    assert intake.replay(at=AT + timedelta(days=2)) == 2
    take_in(AT + timedelta(days=2))
    assert Purchase.objects.count() == 2
    assert rejected() == ["It is no object of JSON but a number."]
    assert intake.replay(ids=[first.pk], at=AT) == 0


# -- orders ------------------------------------------------------------------------------------------------------------


def lines(purchase: Purchase) -> list[tuple[str, str, Decimal | None, int]]:
    return list(purchase.lines.order_by("number").values_list("sku", "name", "quantity", "amount"))


def test_an_order_becomes_a_purchase_with_its_lines() -> None:
    products = [
        {"product_id": "p1", "sku": "S1", "name": "Cuchara", "category": "Cocina", "price": 19.99, "quantity": 2},
        {"product_id": "p2", "price": "0.10"},
    ]
    arrive(order(total=45.0, revenue=40.08, currency="eur", products=products, shipping=4.92), channel="x")
    take_in()
    bought = Purchase.objects.get()
    assert (bought.key, bought.amount, bought.currency, bought.source) == ("A-1", 4500, "EUR", "segment")
    assert (bought.customer.key, bought.at) == ("ana", AT)
    assert lines(bought) == [
        ("S1", "Cuchara", Decimal(2), 3998),
        ("p2", "", Decimal(1), 10),
        ("", "Shipping, taxes and discounts", None, 492),
    ]


@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ({"total": 0.1 + 0.2}, 30),
        ({"total": "12.345"}, 1234),
        ({"revenue": 25}, 2500),
        ({"value": "7"}, 700),
        ({"products": [{"price": 1.1, "quantity": 3}]}, 330),
        ({"total": 0}, 0),
        ({"total": 5, "products": []}, 500),
        ({"orderId": "B", "order_id": 77, "total": 1}, 100),
    ],
)
def test_the_amount_is_what_was_paid(properties: dict[str, Any], amount: int) -> None:
    arrive(order(**properties))
    take_in()
    assert rejected() == []
    assert Purchase.objects.get().amount == amount


def test_an_order_that_is_sent_twice_is_bought_once() -> None:
    arrive(order(1, total=5), order(2, total=5))
    take_in()
    arrive(order(3, total=5))
    take_in()
    assert Purchase.objects.get().amount == 500
    assert sent().count() == 3
    assert Event.objects.get(kind="purchases.recorded").properties == {"purchases": [Purchase.objects.get().pk]}


def test_what_is_given_back_is_a_row_of_its_own() -> None:
    arrive(order(1, total=50, products=[{"sku": "S", "price": 50}]))
    arrive(order(2, "Order Refunded", products=[{"sku": "S", "price": 20}]), order(3, "Order Refunded", total=5))
    take_in()
    arrive(order(2, "Order Refunded", products=[{"sku": "S", "price": 20}]))
    arrive(order(4, "Order Cancelled"), order(5, "order refunded"))
    take_in()
    rows = list(Purchase.objects.order_by("pk"))
    assert rows[0].amount == 5000
    assert sorted(each.amount for each in rows[1:]) == [-2500, -2000, -500]
    assert {each.refund_of for each in rows[1:]} == {"A-1"}
    assert lines(next(each for each in rows if each.amount == -2000)) == [("S", "", Decimal(1), -2000)]
    arrive(order(6, "Order Refunded", total=1))
    take_in()
    assert rejected() == ["More would be given back than was paid for order A-1."]


def test_all_of_an_order_is_given_back_once() -> None:
    arrive(order(1, total=50), order(2, "Order Refunded"), order(3, "Order Refunded"))
    take_in()
    arrive(order(4, "Order Refunded"))
    take_in()
    assert sorted(Purchase.objects.values_list("key", "amount")) == [("A-1", 5000), ("A-1/refund", -5000)]
    assert rejected() == []


def test_before_there_is_a_currency_an_order_waits_among_the_rejects() -> None:
    from querencia.business.models import Business

    Business.objects.all().delete()
    arrive(order(total=5), track(2))
    take_in()
    assert rejected() == ["“” is no currency."]
    assert Event.objects.count() == 1


# -- crashes -----------------------------------------------------------------------------------------------------------


def test_a_fault_in_the_middle_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    arrive(track(1), order(2, total=5), track(3, userId=None))

    def fault(*_args: Any, **_how: Any) -> None:
        raise OperationalError("database is locked")

    for step in ("identify", "record_purchases", "record"):
        with monkeypatch.context() as broken:
            broken.setattr(intake, step, fault)
            with pytest.raises(OperationalError):
                intake.process(at=AT)
        assert Arrival.objects.get().state == "waiting"
        assert not Event.objects.exists()
        assert not Purchase.objects.exists()
        assert not Reject.objects.exists()
    take_in()
    assert (sent().count(), Purchase.objects.count(), Reject.objects.count()) == (2, 1, 1)


def test_rows_of_arrivals_go_after_a_day_and_what_they_brought_stays() -> None:
    arrive(track(1))
    take_in()
    waits = arrive(track(2))
    assert retention.prune(at=AT + timedelta(hours=23), names=["arrivals"]) == {"arrivals": 0}
    assert retention.prune(at=AT + timedelta(hours=25), names=["arrivals"]) == {"arrivals": 1}
    assert list(Arrival.objects.all()) == [waits]
    assert Event.objects.count() == 1


def test_an_event_that_is_too_large_is_rejected_by_itself() -> None:
    held = {**track(1), "properties": {"text": ""}}
    held["properties"]["text"] = "x" * (32 * 1024 - len(json.dumps(held, separators=(",", ":"))))
    large = {**held, "messageId": "m2", "context": {"text": "x" * 1000}}
    arrive(held, large, track(3), sentAt=AT.isoformat())
    take_in()
    assert sorted(Event.objects.values_list("key", flat=True)) == ["m1", "m3"]
    assert rejected() == ["It takes 33 KB; an event takes 32 KB at most."]
    intake.replay(at=AT)
    take_in()
    assert rejected() == ["It takes 33 KB; an event takes 32 KB at most."]


def test_two_senders_may_number_their_messages_alike() -> None:
    other = business.create_key(kind="write", name="till", at=AT)[0]
    arrive(track(1), order(2, total=10))
    theirs = arrive(track(1, "Door Opened"), order(2, total=10), track(1, "Door Opened"))
    Arrival.objects.filter(pk=theirs.pk).update(api_key=other)
    take_in()
    assert sorted(sent().values_list("kind", flat=True)) == [
        "Door Opened", "Order Completed", "Order Completed", "Song Played",
    ]  # fmt: skip
    theirs.refresh_from_db()
    assert (theirs.recorded, theirs.known) == (2, 1)
    # The number of an order is the business's own, whoever tells of it.
    assert Purchase.objects.count() == 1
