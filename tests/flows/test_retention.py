"""What is kept for a time only goes when its time is over, in batches, and is counted."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache

from querencia.business import actions as business
from querencia.business.models import ApiKey
from querencia.common.time import now
from querencia.customers import events
from querencia.customers.actions import pruning
from querencia.customers.imports.folder import Folder
from querencia.customers.models import Arrival, Customer, Erasure, Event, Import, Purchase, Reject
from querencia.customers.queries import persons
from querencia.flows import privacy, retention
from querencia.flows.models import Handling, Pruning, RetentionPeriod
from querencia.webhooks import actions as webhooks
from querencia.webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 2, 3, 40, tzinfo=UTC)
OLD = NOW - timedelta(days=1_000)
YOUNG = NOW - timedelta(hours=1)


@pytest.fixture(autouse=True)
def key() -> ApiKey:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    return business.create_key(kind="write", name="shop", at=OLD)[0]


def fill(key: ApiKey, at: datetime, word: str) -> None:
    """One of everything that is kept for a time only."""
    Arrival.objects.create(api_key=key, door="track", body=b"", state="done", received_at=at)
    Arrival.objects.create(api_key=key, door="track", body=b"{}", state="waiting", received_at=at)
    Reject.objects.create(api_key=key, code="no_type", event="{}", received_at=at, rejected_at=at)
    who = Customer.objects.create(key=word, created_at=at)
    told = [
        events.NewEvent(kind, f"{word}-{kind}", "segment", who.pk, occurred_at=at)
        for kind in ("page", "screen", "Paid")
    ]
    events.record(told, at=at)
    paid = Event.objects.get(key=f"{word}-Paid")
    for name, status in (("a", "done"), ("b", "aside"), ("c", "stuck"), ("d", "waiting")):
        Handling.objects.create(event=paid, reaction=name, status=status, next_at=at)
    place = webhooks.add_endpoint(url=f"https://{word}.example.org/", kinds=["*"], at=at)
    for status in ("delivered", "failed", "waiting"):
        Delivery.objects.create(endpoint=place, message_id=f"{word}{status}", status=status, next_at=at, created_at=at)
    imported = Import.objects.create(
        kind="customers", status="done", file_name="x", created_at=at, reasons=[{"code": "bad_email", "example": word}]
    )
    Folder.of(imported.pk).make()
    Folder.of(imported.pk).rejects.write_text(word)


def counts() -> dict[str, int]:
    found = {model.__name__: model._default_manager.count() for model in (Arrival, Reject, Event, Handling, Delivery)}
    return {**found, "files": len(list(Path(settings.IMPORTS_FOLDER).glob("*/rejects.csv")))}


def test_what_is_too_old_goes_and_the_rest_stays(key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(key, OLD, "old")
    fill(key, YOUNG, "young")
    half = Path(settings.IMPORTS_FOLDER) / "incoming-1"
    half.write_text("half a file")
    os.utime(half, (OLD.timestamp(), OLD.timestamp()))
    went = retention.prune(at=NOW)
    assert went == {
        "arrivals": 1, "rejects": 1, "page_views": 2, "import_files": 2, "handled": 2, "delivered": 1, "undelivered": 1,
    }  # fmt: skip
    assert counts() == {"Arrival": 3, "Reject": 1, "Event": 4, "Handling": 6, "Delivery": 4, "files": 1}
    assert "old" not in json.dumps(list(Import.objects.values_list("reasons", flat=True)))
    assert not half.exists()
    assert Customer.objects.filter(erasure=None).count() == 2, "people are kept until the business says otherwise"
    assert retention.prune(at=NOW) == dict.fromkeys(went, 0)
    assert {row.name: row.rows for row, _title in retention.lately()} == went
    assert all(title for _row, title in retention.lately())


def test_a_night_that_is_cut_off_is_followed_by_one_that_goes_on(key: ApiKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "ROWS", 10)
    Reject.objects.bulk_create(
        Reject(api_key=key, code="no_type", event="{}", received_at=OLD, rejected_at=OLD) for _ in range(35)
    )
    calls: list[Any] = []

    def cut_off(before: datetime, at: datetime) -> int:
        calls.append(before)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return pruning.rejects(before, at)

    period = next(kept.period for kept in retention.periods() if kept.period.name == "rejects")
    with monkeypatch.context() as patched:
        patched.setattr(retention, "periods", lambda: [retention.Kept(_with(period, cut_off), 90)])
        with pytest.raises(KeyboardInterrupt):
            retention.prune(at=NOW)
    assert (Reject.objects.count(), Pruning.objects.get().rows) == (15, 20)
    retention.prune(at=NOW)
    assert (Reject.objects.count(), Pruning.objects.get(name="rejects").rows) == (0, 35)


def _with(period: Any, forget: Any) -> Any:
    from dataclasses import replace

    return replace(period, forget=forget)


def test_the_business_says_for_how_long(key: ApiKey) -> None:
    fill(key, NOW - timedelta(days=40), "a")
    retention.set_periods({"rejects": 30, "delivered": None})
    assert {kept.period.name: kept.days for kept in retention.periods()}["delivered"] is None
    went = retention.prune(at=NOW)
    assert went is not None
    assert ("delivered" not in went, went["rejects"]) == (True, 1)
    assert RetentionPeriod.objects.count() == 2


def test_people_of_whom_nothing_was_heard_are_erased(key: ApiKey) -> None:
    def person(word: str, at: datetime = OLD) -> Customer:
        return Customer.objects.create(key=word, given_name=word, created_at=at)

    def buy(who: Customer, at: datetime) -> None:
        Purchase.objects.create(
            source="till", key=who.key, customer=who, at=at, day=1, amount=5, currency="EUR", recorded_at=at
        )

    silent, buyer, visitor, young, twin, other = (
        person(word) for word in ("silent", "buyer", "visitor", "young", "twin", "other")
    )
    Customer.objects.filter(pk=young.pk).update(created_at=YOUNG)
    buy(silent, OLD)
    buy(buyer, YOUNG)
    events.record([events.NewEvent("Seen", "1", "segment", visitor.pk, occurred_at=YOUNG)], at=NOW)
    # What this house notes itself is nothing that they did.
    events.record([events.NewEvent("customer.left", "2", "measures", silent.pk, occurred_at=YOUNG)], at=NOW)
    Customer.objects.filter(pk__in=[twin.pk, other.pk]).update(person=twin.pk)
    buy(other, YOUNG)
    retention.set_periods({"people": 900})
    went = retention.prune(at=NOW)
    assert went is not None
    assert went["people"] == 1
    privacy.erase_waiting(at=NOW)
    assert list(Customer.objects.exclude(erased_at=None).values_list("pk", flat=True)) == [silent.pk]
    assert (Erasure.objects.get().reason, Purchase.objects.count()) == ("retention", 3)


def test_counts_that_ran_out_go(key: ApiKey) -> None:
    cache.clear()
    cache.set("ran-out", 1, 1)
    cache.set("counts", 1, 3_600)
    assert retention.forget_counts(at=now() + timedelta(seconds=30)) == 1
    assert (cache.get("ran-out"), cache.get("counts")) == (None, 1)


def test_records_of_people_who_still_buy_do_not_stand_before_those_who_fell_silent() -> None:
    records = [Customer.objects.create(key=word, created_at=OLD) for word in ("visitor", "buyer", "silent")]
    visitor, buyer, silent = records
    Customer.objects.filter(pk__in=[visitor.pk, buyer.pk]).update(person=buyer.pk)
    Purchase.objects.create(
        source="till", key="1", customer=buyer, at=YOUNG, day=1, amount=5, currency="EUR", recorded_at=YOUNG
    )
    assert persons.silent(before=YOUNG, limit=1) == [silent.pk]
