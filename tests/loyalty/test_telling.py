"""Other systems are told that points moved, in the transaction in which they did."""

from datetime import timedelta
from typing import Any

import pytest

from querencia.customers.models import Event, Outbox
from querencia.loyalty import actions
from querencia.loyalty.models import Programme
from tests.loyalty import shop

pytestmark = pytest.mark.django_db


def told(kind: str) -> list[dict[str, Any]]:
    rows = Event.objects.filter(kind=kind, source="loyalty").order_by("pk")
    assert Outbox.objects.filter(event__in=rows).count() == len(rows)
    return [dict(row.properties) for row in rows]


def test_what_is_earned_spent_and_lost_is_told_once(programme: Programme) -> None:
    shop.change(programme, expiry_count=1)
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    bought = [shop.buys(ana, 1000), shop.buys(bruno, 2000), shop.buys(bruno, 10)]
    ids = [each.pk for each in bought]
    actions.earn(programme=programme, purchases=ids, at=shop.AT)
    actions.earn(programme=programme, purchases=ids, at=shop.AT)
    [earned] = told("points.earned")
    assert earned == {
        "programme": programme.pk,
        "members": [{"member": ana.pk, "points": 10}, {"member": bruno.pk, "points": 20}],
    }
    [held] = actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "o1", 8)], at=shop.AT)
    assert held.is_done
    assert told("points.redeemed") == []
    actions.capture(programme=programme, captures=[actions.Capture("o1", 5)], at=shop.AT)
    [spent] = told("points.redeemed")
    assert spent["members"] == [{"member": ana.pk, "points": 5}]
    for _twice in range(2):
        actions.expire(programme=programme, at=shop.AT + timedelta(days=60))
    [lapsed] = told("points.expired")
    assert lapsed["members"] == [{"member": ana.pk, "points": 5}, {"member": bruno.pk, "points": 20}]


def test_what_lapses_as_it_is_looked_at_is_told_too(programme: Programme) -> None:
    shop.change(programme, expiry_count=1)
    ana = shop.member(programme)
    shop.earns(ana, 1000)
    later = shop.AT + timedelta(days=60)
    [refused] = actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "o1", 8)], at=later)
    assert refused.result == "insufficient"
    [lapsed] = told("points.expired")
    assert lapsed["members"] == [{"member": ana.pk, "points": 10}]
