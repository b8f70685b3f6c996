"""A person comes in through every door and is forgotten: nothing that names them is left, the facts stay, and no door
brings them back."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from huey.contrib.djhuey import HUEY

from querencia.business import actions as business
from querencia.business.models import ApiKey, Staff
from querencia.customers import actions, events, people
from querencia.customers.actions import consents
from querencia.customers.actions.preferences import give_links
from querencia.customers.identity import Known
from querencia.customers.models import (
    Arrival,
    ContactPoint,
    Customer,
    Erasure,
    Event,
    Import,
    OptOut,
    Purchase,
    PurchaseLine,
    Reject,
    Score,
    Tombstone,
)
from querencia.customers.queries import tombstones
from querencia.customers.queries.consents import allowed
from querencia.flows import imports as flow
from querencia.flows import intake, outbox, privacy
from querencia.flows.models import Handling
from querencia.measures import actions as measuring
from querencia.measures import columns, health
from querencia.webhooks import actions as webhooks
from querencia.webhooks import tasks as telling
from querencia.webhooks.models import Delivery
from tests.flows.everywhere import where
from tests.webhooks.receiver import receiving

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
PASSWORD = "una llave larga y propia"
NAMES = ("Xiomara", "Zubizarreta")
EMAIL, PHONE, KEY, USER, DEVICE = "xiomara.zubi@example.org", "+34612340987", "kx-90817", "u-77101", "d-445566"
STREET = "Calle del Olmo 47"
WORDS = (
    *NAMES,
    EMAIL,
    "xiomara.zubi",
    "612340987",
    "612 34 09 87",
    KEY,
    USER,
    DEVICE,
    "Olmo 47",
    "TK-555001",
    "13:37:11",
)
ORDER = {"order_id": "W-1", "total": 30}
PEOPLE = f"""id;name;email;phone;birthday;city;consent_email
{KEY};{NAMES[0]} {NAMES[1]};{EMAIL};612 34 09 87;1984-02-03;Tudela;yes
{KEY};;<{EMAIL}> (at work);612.34.09.87-x;;;
other;Bruno Paz;bruno@example.org;;;Tudela;no
"""
LOG = "customer;date;amount;number;article\n" + "".join(
    f"{who};2026-01-{day:02} {hour};{day},50;{prefix}{day:02};{article}\n"
    for who, hour, prefix, article in (
        (KEY, "14:37:11", "TK-5550", f"Dedicated to {NAMES[0]}"),
        ("other", "09:00:00", "TK-1000", "Plate"),
    )
    for day in range(1, 21)
)
REFUND = f"customer;date;amount;number;refund of\n{KEY};2026-01-25 10:00:00;-1,50;TK-555099;TK-555001\n"


@pytest.fixture(autouse=True)
def owner() -> Iterator[Staff]:
    for folder in (settings.IMPORTS_FOLDER, settings.COLUMNS_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    HUEY.flush()
    yield business.add_staff(email="boss@example.com", password=PASSWORD, name="Boss", role="owner")
    HUEY.flush()
    for folder in (settings.IMPORTS_FOLDER, settings.COLUMNS_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)


def bring(text: str, file: str, kind: str, **mapping: str) -> Import:
    imported = flow.hand_over(file=SimpleUploadedFile(file, text.encode()), file_name=file, at=AT, kind=kind)
    told = {"mapping": {**imported.mapping, **mapping}, "file_format": imported.file_format, "reject_limit": 1.0}
    queued = flow.confirm(imported, at=AT, **told)  # type: ignore[arg-type]
    return actions.run_import(queued.pk, at=AT)


def arrive(*sent: dict[str, Any]) -> Arrival:
    key = ApiKey.objects.filter(name="shop").first() or business.create_key(kind="write", name="shop", at=AT)[0]
    body = json.dumps({"batch": list(sent)}).encode()
    return Arrival.objects.create(api_key=key, door="batch", body=body, events=len(sent), received_at=AT)


def take_in() -> None:
    while intake.process(at=AT):
        pass


def her() -> Customer:
    return Customer.objects.get(key=KEY)


def come_in_through_every_door(owner: Staff) -> None:
    assert bring(PEOPLE, "people.csv", "customers", phone="phone").status == "done"
    assert bring(LOG, f"{NAMES[1]}, {NAMES[0]}.csv", "purchases", name="article", sku="").status == "done"
    assert bring(REFUND, "refunds.csv", "purchases").status == "done"
    flow.hand_over(file=SimpleUploadedFile("waits.csv", PEOPLE.encode()), file_name="waits.csv", at=AT)
    user = {"userId": USER, "anonymousId": DEVICE}
    arrive(
        {"type": "identify", **user, "messageId": f"m-{USER}", "traits": {"email": EMAIL.upper(), "phone": PHONE}},
        {"type": "track", **user, "event": "Seen", "messageId": "m2", "properties": {"to": STREET}},
        {"type": "track", "event": "Form Sent", "messageId": "m3", "traits": {"email": EMAIL}},
        {"type": "track", "event": "Form Sent", "messageId": "m4", "properties": {"call": "+34 612 34 09 87"}},
        {"type": "track", "event": "Form Sent", "messageId": "m5", "properties": {"first": NAMES[0], "last": NAMES[1]}},
        {"type": "track", **user, "event": "Order Completed", "messageId": "m6", "properties": ORDER},
    )
    take_in()
    assert Reject.objects.count() == 3
    twin = Customer(key="twin-" + KEY, given_name=NAMES[0], family_name=NAMES[1])
    people.keep(customer=twin, at=AT)
    people.reach(point=ContactPoint(customer=twin, kind="post", value=STREET))
    visitor = Customer.objects.get(key=USER)
    pairs = [(her().pk, twin.pk), (her().pk, visitor.pk)]
    said = {(min(pair), max(pair)): {"said": NAMES[0]} for pair in pairs}
    actions.merge(pairs=pairs, staff=owner, at=AT, evidence=said)
    consents.record(
        [consents.Said(her().pk, "email", "loyalty", "granted", f"{NAMES[0]} on the phone")], source="desk", at=AT
    )
    point = ContactPoint.objects.get(customer=her(), kind="email")
    link = f"/p/{give_links(point_ids=[point.pk], at=AT)[point.pk]}/"
    stranger = Client()
    assert stranger.post(f"{link}marketing/", {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert stranger.post(link, {"shown": ["email:loyalty"], "wanted": []}).status_code == 200
    boss = Client()
    boss.force_login(owner)
    changed = {"given_name": NAMES[0], "family_name": NAMES[1], "city": "Tudela", "country": "ES", "language": "es"}
    inlines = {
        f"{name}-{part}": 0
        for name in ("contact_points", "identifiers", "consents")
        for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    answer = boss.post(f"/back-office/customers/customer/{twin.pk}/change/", {**changed, **inlines})
    assert answer.status_code == 302, answer.content
    events.record(
        [events.NewEvent("letter.posted", "l1", "desk", customer_id=her().pk, properties={"to": STREET})], at=AT
    )
    while outbox.drain(at=AT):
        pass
    told = Event.objects.get(key="l1")
    Handling.objects.create(event=told, reaction="measure_anew", status="stuck", next_at=AT, error=f"bad: {EMAIL}")
    measuring.run(at=AT)
    arrive({"type": "track", **user, "event": "Seen", "messageId": "m7", "properties": {"email": EMAIL}})


@pytest.fixture
def told(settings: Any) -> Iterator[None]:
    """Another system that is told everything and answers with what it was told."""
    settings.WEBHOOKS_MAY_REACH_LOOPBACK = True
    with receiving() as receiver:
        receiver.answers = lambda number: (200, {}, receiver.got[number - 1][1])
        receiver.secret = webhooks.add_endpoint(url=receiver.url, kinds=["*"], at=AT).secret
        yield


def facts() -> list[tuple[Any, ...]]:
    return list(
        Purchase.objects.order_by("pk").values_list(
            "customer", "day", "amount", "cost", "currency", "branch", "channel", "source"
        )
    )


def figures() -> list[tuple[Any, ...]]:
    return list(
        Score.objects.order_by("pk").values_list("pk", "amount", "amount_year", "purchases", "last_on", "at_stake")
    )


def erase(*customers: int, at: datetime = LATER) -> None:
    privacy.ask_to_erase(customers, reason="request", source="test", at=at)
    assert privacy.erase_waiting(at=at) is not None


def test_whoever_is_erased_is_nowhere_any_more_and_the_facts_stay(owner: Staff, told: None) -> None:
    come_in_through_every_door(owner)
    telling.deliver.call_local()
    assert Delivery.objects.filter(answer__contains=USER).exists()
    before = where(WORDS)
    assert all(before.values()), before
    kept, scored = facts(), figures()
    erase(her().pk)
    left = {word: places for word, places in where(WORDS).items() if places}
    assert not left, left
    assert (facts(), figures()) == (kept, scored)
    assert Customer.objects.filter(erased_at=None).count() == 1  # the other one
    measuring.run(at=LATER)
    assert figures() == scored, "refunds still name what they refund, and the copy what is there"
    copy, report = columns.refresh(settings.COLUMNS_FOLDER)
    assert (report.was_rebuilt, columns.differences(copy)) == (False, [])
    asked = Erasure.objects.get()
    assert (asked.people, asked.status, asked.reason) == (1, "done", "request")
    assert Event.objects.filter(kind="person.erased").count() == 3  # one for each of those that were merged


def test_no_door_brings_them_back_and_each_says_so_without_naming_them() -> None:
    bring(PEOPLE, "people.csv", "customers", phone="phone")
    erase(her().pk)
    again = bring(PEOPLE.replace("other", "third"), "again.csv", "customers", phone="phone")
    assert (again.status, again.rows_read, again.rows_new, again.rows_rejected, again.rows_erased) == (
        "done",
        3,
        1,
        0,
        2,
    )
    bought = bring(LOG, "log.csv", "purchases", name="article", sku="")
    assert (bought.rows_new, bought.rows_rejected, bought.rows_erased) == (20, 0, 20)
    spelled = (EMAIL.upper(), EMAIL, EMAIL.capitalize())
    by_address = "\n".join(["customer;date;amount", *(f"{one};2026-01-02;10,00" for one in (*spelled, "other")), ""])
    assert bring(by_address, "shop.csv", "purchases").rows_erased == 3
    assert tombstones.are_erased([*spelled, "somebody"]) == set(spelled)
    arrive(
        {"type": "identify", "userId": "new", "messageId": "n1", "traits": {"email": EMAIL}},
        {"type": "track", "userId": KEY, "event": f"Hello {NAMES[0]}", "messageId": "n2"},
        {"type": "track", "event": "Hello", "messageId": "n3", "traits": {"phone": "+34 612-34-09-87"}},
        {"type": "track", "userId": "new", "event": "Seen", "messageId": "n4"},
    )
    take_in()
    assert list(Reject.objects.values_list("kind", "code", "event")) == [
        ("track", "erased", ""),
        ("identify", "erased", ""),
        ("track", "erased", ""),
    ]
    assert intake.replay(at=LATER) == 0
    assert [one.key for one in Customer.objects.filter(erased_at=None).order_by("key")] == ["new", "other", "third"]
    assert actions.identify([Known((("email", EMAIL), ("device", "d9")))], at=LATER, source="test") == [0]
    words = (*NAMES, EMAIL, "612340987", KEY)
    left = {word: places for word, places in where(words, is_raw=False).items() if places}
    assert not left, left


def test_an_address_that_refused_is_not_written_to_should_it_return() -> None:
    bring(PEOPLE, "people.csv", "customers", phone="phone")
    point = ContactPoint.objects.get(customer=her(), kind="email")
    link = f"/p/{give_links(point_ids=[point.pk], at=AT)[point.pk]}/"
    Client().post(f"{link}marketing/", {"List-Unsubscribe": "One-Click"})
    consents.record([consents.Said(her().pk, "phone", "research", "withdrawn")], source="desk", at=AT)
    ContactPoint.objects.create(customer=her(), kind="whatsapp", value=PHONE, opted_out_at=AT)
    erase(her().pk)
    assert not OptOut.objects.exclude(value__startswith="#").exists()
    returned = Customer(key="returned", given_name="Xio")
    people.keep(customer=returned, at=LATER)
    for kind, value in (("email", EMAIL), ("phone", PHONE), ("whatsapp", PHONE)):
        people.reach(point=ContactPoint(customer=returned, kind=kind, value=value))
    said = [
        consents.Said(returned.pk, channel, purpose, "granted")
        for channel, purpose in (
            ("email", "marketing"),
            ("email", "loyalty"),
            ("phone", "research"),
            ("phone", "marketing"),
            ("whatsapp", "loyalty"),
        )
    ]
    consents.record(said, source="desk", at=LATER)
    may = [allowed([returned.pk], channel=one.channel, purpose=one.purpose)[returned.pk] for one in said]
    assert [(one.is_allowed, str(one.why)) for one in may] == [
        (False, "opted_out"),
        (True, ""),
        (False, "opted_out"),
        (True, ""),
        (False, "opted_out"),
    ]
    # Written down by hand, they are back: machines may tell of them again, and their own word lifts what was refused.
    assert actions.identify([Known((("email", EMAIL),))], at=LATER, source="test") == [returned.pk]
    mail = ContactPoint.objects.get(customer=returned, kind="email")
    link = f"/p/{give_links(point_ids=[mail.pk], at=LATER)[mail.pk]}/"
    Client().post(link, {"shown": ["email:marketing"], "wanted": ["email:marketing"]})
    assert allowed([returned.pk], channel="email", purpose="marketing")[returned.pk].is_allowed


def test_erasing_twice_changes_nothing_and_says_so() -> None:
    bring(PEOPLE, "people.csv", "customers")
    pk = her().pk
    erase(pk)
    before = list(Customer.objects.order_by("pk").values()), Tombstone.objects.count(), Event.objects.count()
    assert privacy.ask_to_erase([pk], reason="request", source="test", at=LATER) == []
    assert privacy.erase_waiting(at=LATER) == 0
    assert (list(Customer.objects.order_by("pk").values()), Tombstone.objects.count(), Event.objects.count()) == before


class _Killed(BaseException):
    """As a power cut: nothing catches it."""


def test_an_erasure_that_is_cut_off_anywhere_is_finished_by_the_next(owner: Staff) -> None:
    """Every statement of it is, in turn, the last one of a process."""
    bring(PEOPLE, "people.csv", "customers", phone="phone")
    bring(LOG, "log.csv", "purchases", name="article", sku="")
    privacy.ask_to_erase([her().pk], reason="request", source="test", at=AT)
    boundary, was_killed = 0, True
    while was_killed:
        boundary += 3
        was_killed = _erased_until(boundary)
    assert boundary > 30
    left = {word: places for word, places in where((*NAMES, EMAIL, "612340987", KEY, "TK-5550")).items() if places}
    assert not left, left
    assert Event.objects.filter(kind="person.erased").count() == 1


def _erased_until(boundary: int) -> bool:
    seen = 0

    def watch(execute: Any, *given: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == boundary:
            raise _Killed
        return execute(*given)

    try:
        with connection.execute_wrapper(watch):
            privacy.erase_waiting(at=LATER)
    except _Killed:
        return True
    return False


def test_the_database_lets_nobody_change_facts_but_those_of_the_erased() -> None:
    bring(LOG, "log.csv", "purchases", name="article", sku="")
    erase(her().pk)
    hers, others = (Purchase.objects.filter(customer__erased_at__isnull=is_other) for is_other in (False, True))
    refused = [
        lambda: others.update(key="erased:1"),
        lambda: others.update(at=AT),
        lambda: hers.update(amount=1),
        lambda: hers.update(day=1),
        lambda: hers.update(key="other"),
        lambda: hers.update(customer=None),
        lambda: PurchaseLine.objects.filter(purchase__in=hers).update(name="Plate"),
        lambda: PurchaseLine.objects.filter(purchase__in=others).update(name=""),
        lambda: PurchaseLine.objects.filter(purchase__in=hers).update(amount=1),
    ]
    for change in refused:
        with pytest.raises(IntegrityError, match="holds facts"), transaction.atomic():
            change()


def test_many_are_erased_with_hardly_more_questions_than_one() -> None:
    rows = "".join(f"m{n};Person{n} Number{n};p{n}@example.org\n" for n in range(600))
    bring(f"id;name;email\n{rows}", "many.csv", "customers")
    asked = []
    for wanted in (Customer.objects.filter(key="m0"), Customer.objects.filter(erased_at=None)):
        ids = list(wanted.values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as queries:
            erase(*ids)
        asked.append(len(queries))
    assert asked[1] < asked[0] * 1.5, asked
    assert not Customer.objects.filter(erased_at=None).exists()
    assert sum(Erasure.objects.values_list("people", flat=True)) == 600


def test_another_key_is_noticed_because_nobody_would_be_known_again(settings: Any) -> None:
    def look() -> str:
        return next(each.level for each in health.look(at=LATER) if each.name == "erasures")

    bring(PEOPLE, "people.csv", "customers")
    assert look() == "well"
    erase(her().pk)
    assert look() == "well"
    settings.ERASURE_KEY = "another"
    assert look() == "problem"
