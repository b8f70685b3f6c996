"""Giving back takes back what the order as it stands did not earn, whatever way led there."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.customers.actions.purchases import NewLine
from querencia.loyalty import actions, refunds
from querencia.loyalty.models import CapUse, Entry, Programme
from tests.loyalty import shop
from tests.loyalty.shop import AT

DAY = timedelta(days=1)


def test_a_refund_takes_back_down_to_what_the_rest_would_have_earned(programme: Programme) -> None:
    ana = shop.member(programme)
    bought = shop.earns(ana, 1_990)  # 19 points
    assert shop.gives_back(ana, bought, 1_000) == 10  # 9.90 are left: 9 points
    assert shop.gives_back(ana, bought, 90) == 0  # 9.00 are left
    assert shop.gives_back(ana, bought, 900) == 9
    assert shop.has(ana).available == 0
    assert shop.is_right(programme)


def test_a_refund_is_judged_by_the_rules_of_its_order(programme: Programme) -> None:
    ana = shop.member(programme)
    bought = shop.earns(ana, 10_000)
    actions.publish_rules(programme=programme, documents={"base": {"then": {"points": 5, "per": 100}}}, at=AT + DAY)
    assert shop.gives_back(ana, bought, 5_000, at=AT + 2 * DAY) == 50
    # A rule that is published later and meant to have counted then changes what is earned from now on, not what was.
    late = {"more": {"then": {"points": 30}}}
    actions.publish_rules(programme=programme, documents=late, at=AT + 3 * DAY, in_force_from=AT - DAY)
    assert shop.gives_back(ana, bought, 5_000, at=AT + 4 * DAY) == 50
    assert shop.is_right(programme)


def test_what_was_given_back_before_it_earned_is_taken_back_at_once(programme: Programme) -> None:
    ana = shop.member(programme)
    bought = shop.buys(ana, 10_000)
    back = shop.buys(ana, -4_000, refund_of=bought.key)
    [early] = actions.refund(programme=programme, refunds=[back.pk], at=AT)
    assert early.result == "no_grant"
    actions.earn(programme=programme, purchases=[bought.pk], at=AT)
    assert shop.has(ana).available == 60
    [again] = actions.refund(programme=programme, refunds=[back.pk], at=AT)
    assert (again.result, again.points) == ("unchanged", 40)


def test_pending_points_go_first_then_the_grants_then_others(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 2_000)
    bought = shop.earns(ana, 3_000)
    shop.spends(ana, 25, "order")  # of the older lot 20, of this one 5
    assert shop.gives_back(ana, bought, 3_000) == 25
    assert shop.has(ana).available == 0


@pytest.mark.parametrize(("limit", "taken", "deficit"), [(0, 20, 0), (50, 70, 50), (1_000, 100, 80)])
def test_what_is_spent_already_is_owed_up_to_the_limit(
    programme: Programme, limit: int, taken: int, deficit: int
) -> None:
    shop.change(programme, deficit="owe" if limit else "stop", deficit_max=limit)
    ana = shop.member(programme)
    bought = shop.earns(ana, 10_000)
    shop.spends(ana, 80, "order")
    assert shop.gives_back(ana, bought, 10_000) == taken
    assert shop.has(ana).deficit == deficit
    if deficit:
        held = actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "x", 1)], at=AT)
        assert held[0].result == "in_deficit"
    shop.earns(ana, 9_000)
    assert shop.has(ana).available == 90 - deficit
    assert shop.is_right(programme)


def test_points_that_lapsed_are_not_taken_a_second_time(programme: Programme) -> None:
    shop.change(programme, expiry_count=10, expiry_unit="day")
    ana = shop.member(programme)
    bought = shop.earns(ana, 10_000)
    late = AT + 20 * DAY
    shop.earns(ana, 5_000, at=late)
    assert shop.gives_back(ana, bought, 10_000, at=late) == 0
    assert shop.has(ana, at=late).available == 50
    assert shop.is_right(programme)


def test_a_limit_gives_again_what_was_taken_back(programme: Programme) -> None:
    capped = {"then": {"points": 1, "per": 100}, "cap": {"points": 100, "per": "month"}}
    actions.publish_rules(programme=programme, documents={"base": capped}, at=AT - 300 * DAY)
    ana = shop.member(programme)
    first = shop.earns(ana, 8_000)
    second = shop.earns(ana, 8_000)
    entry = Entry.objects.get(key=f"purchase:{second.pk}")
    assert entry.detail["rules"][0] | {"base": 0} == {
        "rule": "base", "version": 2, "points": 20, "base": 0, "uncapped": 80, "room": 20,
    }  # fmt: skip
    assert shop.gives_back(ana, first, 8_000) == 80
    assert CapUse.objects.get().points == 20
    shop.earns(ana, 9_000)
    assert shop.has(ana).available == 100


def test_articles_that_are_given_back_take_their_own_points(programme: Programme) -> None:
    document = {"then": {"points": 1, "per": 100}, "lines": "category == 'coffee'"}
    actions.publish_rules(programme=programme, documents={"base": document}, at=AT - 300 * DAY)
    ana = shop.member(programme)
    lines = [NewLine(3_000, sku="c", category="coffee"), NewLine(5_000, sku="t", category="tea")]
    bought = shop.earns(ana, 8_000, lines=lines)
    assert shop.has(ana).available == 30
    assert shop.gives_back(ana, bought, 5_000, lines=[NewLine(-5_000, sku="t", category="tea")]) == 0
    assert shop.gives_back(ana, bought, 1_000, lines=[NewLine(-1_000, sku="c", category="coffee")]) == 10


LINES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4_000)), min_size=1, max_size=4)


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(lines=LINES, cuts=st.lists(st.integers(0, 16_000), max_size=5), share=st.integers(1, 100), data=st.data())
def test_however_an_order_is_given_back_the_same_is_left(
    business: None, lines: list[tuple[str, int]], cuts: list[int], share: int, data: st.DataObject
) -> None:
    """In one piece or in many, in any order: what is left depends on the net order alone."""
    rules = {
        "base": {"then": {"points": 3, "per": 250}, "round": "nearest", "group": "g", "stacking": "best"},
        "a": {"then": {"points": 2, "per": 99}, "lines": "sku == 'a'", "group": "g", "stacking": "best"},
        "large": {"then": {"points": 25}, "if": "amount >= 3000", "cap": {"points": 20, "per": "month"}},
    }
    club = shop.programme(rules, deficit="owe", deficit_max=10**9)
    whole = sum(amount for _sku, amount in lines)
    back = whole * share // 100
    if not back:
        return
    edges = sorted({0, back, *(cut % back for cut in cuts)})
    parts = data.draw(st.permutations([after - before for before, after in pairwise(edges)]))
    left = []
    for pieces in ([back], parts):
        ana = shop.member(club)
        bought = shop.earns(ana, whole, lines=[NewLine(amount, sku=sku) for sku, amount in lines])
        for piece in pieces:
            shop.gives_back(ana, bought, piece)
        left.append(shop.has(ana))
    assert left[0] == left[1]
    assert shop.is_right(club)


def test_nobody_gains_by_giving_back() -> None:
    assert refunds.to_take(granted=100, taken=0, target=130) == refunds.ToTake(0, 100)
    assert refunds.to_take(granted=100, taken=60, target=70) == refunds.ToTake(-30, 70)
