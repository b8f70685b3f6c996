"""Months that are over are summed up: figures of years are read without adding them up."""

from datetime import timedelta

import pytest

from querencia.loyalty import actions, queries
from querencia.loyalty.models import MonthSum, Programme
from querencia.loyalty.queries import health
from tests.loyalty import shop
from tests.loyalty.shop import AT

pytestmark = pytest.mark.django_db


def test_what_was_summed_up_is_what_the_entries_say_and_is_checked(programme: Programme) -> None:
    ana, late = shop.member(programme), AT + timedelta(days=70)
    for days, amount in ((-200, 9_000), (-40, 4_000), (0, 1_000), (70, 500)):
        bought = shop.earns(ana, amount, at=AT + timedelta(days=days))
    shop.gives_back(ana, bought, 200, at=late)
    actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "order", 30)], at=AT)
    actions.capture(programme=programme, captures=[actions.Capture("order", 20)], at=AT)
    before = health.flows(programme, at=late), health.flows(programme, at=late, months=2)
    [present, _april, march, *_older], ever = before[0]
    assert (present.earned, present.taken_back, march.earned, march.spent) == (5, 2, 10, 20)
    assert (ever.earned, ever.spent, ever.taken_back) == (145, 20, 2)

    # From August to April: May is not over.
    assert [actions.sum_months(programme=programme, at=late) for _ in range(2)] == [9, 0]
    assert (health.flows(programme, at=late), health.flows(programme, at=late, months=2)) == before
    assert shop.is_right(programme)

    march_sum = MonthSum.objects.get(month="2026-03-01")
    march_sum.sums["grant"][0] += 1
    march_sum.save()
    [found] = queries.check(programme)
    assert (found.of, found.what, found.is_said, found.is_reckoned) == ("month", "2026-03 grant issued", -9, -10)
