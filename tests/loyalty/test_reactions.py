"""Purchases that are taken in earn by themselves; history that is brought in does not."""

from datetime import timedelta

import pytest

from querencia.customers.actions.purchases import NewPurchase, record_purchases
from querencia.customers.models import Event
from querencia.flows import outbox
from querencia.loyalty import actions
from querencia.loyalty.models import Entry, Programme, Standing
from tests.loyalty import shop
from tests.loyalty.shop import AT

pytestmark = pytest.mark.django_db(transaction=True)


def drain() -> None:
    while outbox.drain(at=AT + timedelta(minutes=1)):
        pass


def test_a_purchase_earns_a_refund_takes_back_and_a_tier_follows_at_once(programme: Programme) -> None:
    document = {"metric": "spend", "tiers": [{"key": "silver", "reach": 5_000}]}
    actions.publish_tiers(programme=programme, document=document, at=AT - timedelta(days=300))
    ana = shop.member(programme)
    bought = shop.buys(ana, 10_000)
    shop.buys(ana, -4_000, refund_of=bought.key)
    shop.buys(shop.customer("nobody"), 9_000)
    drain()
    assert shop.has(ana).available == 60
    assert Standing.objects.get().tier == "silver"
    drain()
    assert Entry.objects.count() == 2
    assert shop.is_right(programme)


def test_history_sets_nothing_off_and_no_programme_is_asked_that_has_not_begun(programme: Programme) -> None:
    ana = shop.member(programme)
    old = NewPurchase("old", "files", ana.customer_id, AT, 5_000, "EUR", is_live=False)
    record_purchases([old], zone="Europe/Madrid", at=AT)
    assert not Event.objects.filter(kind="purchases.recorded").exists()
    shop.change(programme, starts_at=None)
    shop.buys(ana, 5_000)
    drain()
    assert not Entry.objects.exists()
