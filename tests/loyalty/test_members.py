"""Members who turn out to be one person, tiers, leaving, and being forgotten."""

import json
from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from querencia.customers.actions import merging
from querencia.customers.models import Event, Merge
from querencia.flows import privacy, telling
from querencia.loyalty import actions, queries
from querencia.loyalty.actions.members import check_digit
from querencia.loyalty.models import Entry, Hold, Member, Programme, RuleVersion, Standing
from querencia.loyalty.queries.standings import progress
from tests.loyalty import shop
from tests.loyalty.shop import AT

DAY = timedelta(days=1)
TIERS = {
    "metric": "spend",
    "months": 12,
    "grace_days": 10,
    "tiers": [{"key": "silver", "reach": 10_000}, {"key": "gold", "reach": 50_000}],
}


def join(one: Member, other: Member) -> Merge:
    merging.merge(pairs=[(one.customer_id, other.customer_id)], staff=None, at=AT)
    return Merge.objects.get(until=None)


def test_a_member_joins_once_and_comes_back(programme: Programme) -> None:
    ana = shop.customer()
    new = actions.NewMember(ana.pk)
    [first, again] = actions.enrol(programme=programme, members=[new, new], at=AT)
    assert first.pk == again.pk
    assert check_digit(first.card_number[:-1]) == first.card_number[-1]
    assert actions.leave(members=[first], at=AT) == 1
    assert actions.leave(members=[first], at=AT) == 0
    bought = shop.buys(ana, 1_000, at=AT + DAY)
    assert actions.earn(programme=programme, purchases=[bought.pk], at=AT + DAY)[0].result == "no_member"
    [back] = actions.enrol(programme=programme, members=[new], at=AT + 2 * DAY)
    assert (back.pk, back.left_at) == (first.pk, None)
    told = Event.objects.filter(source="loyalty").order_by("pk").values_list("kind", flat=True)
    assert list(told) == ["member.joined", "member.left"]


def test_the_check_digit_is_luhns() -> None:
    assert check_digit("7992739871") == "3"  # the example of ISO/IEC 7812-1's usual illustration


def test_one_person_spends_from_one_purse_and_parted_each_has_what_is_left(programme: Programme) -> None:
    ana, anna = shop.member(programme), shop.member(programme, "anna")
    shop.earns(ana, 3_000)
    shop.earns(anna, 5_000)
    edge = join(ana, anna)
    assert shop.has(ana) == shop.has(anna)
    assert shop.has(ana).available == 80
    shop.spends(ana, 60, "order")
    merging.part(merges=[edge], staff=None, at=AT)
    assert (shop.has(ana).available, shop.has(anna).available) == (0, 20)
    done = actions.restore(programme=programme, restores=[actions.NewRestore("order", "back")], at=AT)
    assert done[0].points == 60
    assert (shop.has(ana).available, shop.has(anna).available) == (30, 50)
    assert shop.is_right(programme)


def test_a_record_of_a_member_that_is_no_member_earns_for_the_person(programme: Programme) -> None:
    ana, other = shop.member(programme), shop.customer("other")
    merging.merge(pairs=[(ana.customer_id, other.pk)], staff=None, at=AT)
    bought = shop.buys(other, 2_000)
    assert actions.earn(programme=programme, purchases=[bought.pk], at=AT)[0].points == 20
    assert shop.has(ana).available == 20


def test_what_one_owes_the_other_repays_when_they_are_one(programme: Programme) -> None:
    shop.change(programme, deficit="owe", deficit_max=1_000)
    ana, anna = shop.member(programme), shop.member(programme, "anna")
    bought = shop.earns(ana, 10_000)
    shop.spends(ana, 100, "order")
    shop.gives_back(ana, bought, 10_000)
    shop.earns(anna, 13_000)
    join(ana, anna)
    assert (shop.has(ana).available, shop.has(ana).deficit) == (30, 0)
    shop.spends(anna, 30, "order-2")
    assert shop.has(anna).available == 0
    assert shop.is_right(programme)


def test_a_limit_is_a_persons(programme: Programme) -> None:
    capped = {"then": {"points": 1, "per": 100}, "cap": {"points": 100, "per": "month"}}
    actions.publish_rules(programme=programme, documents={"base": capped}, at=AT - 300 * DAY)
    ana, anna = shop.member(programme), shop.member(programme, "anna")
    join(ana, anna)
    shop.earns(ana, 7_000)
    shop.earns(anna, 7_000)
    assert shop.has(ana).available == 100


def test_spending_points_lowers_no_tier_and_a_refund_does_at_the_periods_end(programme: Programme) -> None:
    actions.publish_tiers(programme=programme, document=TIERS, at=AT - 300 * DAY)
    ana = shop.member(programme)
    bought = shop.earns(ana, 12_000)
    assert not Standing.objects.exists()  # new tiers judge nobody by themselves
    assert actions.judge_tiers(programme=programme, at=AT) == 1
    assert actions.judge_tiers(programme=programme, at=AT) == 0
    shop.spends(ana, 120, "order")
    shop.gives_back(ana, bought, 12_000)
    assert actions.judge_tiers(programme=programme, at=AT + 300 * DAY) == 0
    found = progress([ana], at=AT)[ana.pk]
    standing, ahead = found.standing, found.ahead
    assert (standing.tier, standing.until) == ("silver", date(2027, 3, 2))
    assert (ahead.next_tier, ahead.missing, ahead.to_keep) == ("gold", 50_000, 10_000)
    assert actions.judge_tiers(programme=programme, at=AT + 380 * DAY) == 1
    changes = Event.objects.filter(kind="member.tier_changed").order_by("pk").values_list("properties", flat=True)
    assert [(each["from"], each["to"]) for each in changes] == [("", "silver"), ("silver", "")]


def test_where_many_stand_is_asked_in_as_few_questions_as_where_one_stands(programme: Programme) -> None:
    actions.publish_tiers(programme=programme, document=TIERS, at=AT - 300 * DAY)
    many = [shop.member(programme, f"m{number}") for number in range(12)]
    for number, each in enumerate(many):
        shop.earns(each, 2_000 * number)
    with CaptureQueriesContext(connection) as of_one:
        progress(many[:1], at=AT)
    with CaptureQueriesContext(connection) as of_many:
        found = progress(many, at=AT)
    assert len(of_many) == len(of_one)
    assert [found[each.pk].ahead.missing for each in many[:3]] == [10_000, 8_000, 6_000]


def test_a_tier_may_earn_more(programme: Programme) -> None:
    actions.publish_tiers(programme=programme, document=TIERS, at=AT - 300 * DAY)
    more = {"more": {"then": {"points": 1, "per": 100}, "if": "tier == 'silver'"}}
    actions.publish_rules(programme=programme, documents=more, at=AT - 300 * DAY)
    ana = shop.member(programme)
    shop.earns(ana, 12_000)
    actions.judge_tiers(programme=programme, at=AT)
    shop.earns(ana, 1_000, at=AT + DAY)
    assert shop.has(ana, at=AT + DAY).available == 140


@pytest.mark.parametrize("metric", ["visits", "points", "tenure"])
def test_other_things_than_money_lead_up(programme: Programme, metric: str) -> None:
    document = {"metric": metric, "tiers": [{"key": "friend", "reach": 2}, {"key": "old", "reach": 300}]}
    actions.publish_tiers(programme=programme, document=document, at=AT - 300 * DAY)
    ana = shop.member(programme)
    shop.earns(ana, 100)
    shop.earns(ana, 100, at=AT + DAY)
    actions.judge_tiers(programme=programme, at=AT + DAY)
    assert Standing.objects.get().tier == ("old" if metric == "tenure" else "friend")


def test_rules_have_versions_and_what_is_wrong_is_said(programme: Programme) -> None:
    better = {"base": {"then": {"points": 2, "per": 100}}}
    assert len(actions.publish_rules(programme=programme, documents=better, at=AT)) == 1
    assert actions.publish_rules(programme=programme, documents=better, at=AT) == []
    with pytest.raises(ValidationError, match=r"bad: if: "):
        actions.publish_rules(programme=programme, documents={"bad": {"then": {"points": 1}, "if": "amount >"}}, at=AT)
    actions.publish_rules(programme=programme, documents={"base": {}}, at=AT + DAY)
    assert list(RuleVersion.objects.order_by("pk").values_list("key", "version")) == [
        ("base", 1),
        ("base", 2),
        ("base", 3),
    ]
    ana = shop.member(programme)
    shop.earns(ana, 1_000, at=AT - DAY)
    shop.earns(ana, 1_000, at=AT)
    shop.earns(ana, 1_000, at=AT + DAY)
    assert shop.has(ana, at=AT + DAY).available == 30


def test_a_member_is_told_everything_and_forgotten(programme: Programme) -> None:
    shop.change(programme, adjust_max=100)
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    shop.earns(ana, 10_000)
    shop.spends(ana, 20, "order of Ana")
    actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "cart of Ana", 30)], at=AT)
    by_hand = actions.NewAdjustment(ana.pk, "for Ana", 5, "Ana complained")
    actions.adjust(programme=programme, adjustments=[by_hand], staff=shop.staff("one"), at=AT)
    told = json.loads("".join(telling.as_json(ana.customer_id, at=AT)))["sections"]
    assert [each["card_number"] for each in told["memberships"]] == [ana.card_number]
    assert len(told["points"]) == Entry.objects.count()
    assert told["corrections"][0]["reason"] == "Ana complained"
    shop.earns(bruno, 1_000)
    privacy.ask_to_erase([ana.customer_id], reason="request", source="desk", at=AT)
    privacy.erase_waiting(at=AT)
    assert shop.has(ana).available == shop.has(ana).held == 0
    assert shop.has(bruno).available == 10
    ana.refresh_from_db()
    assert ana.left_at == AT
    kept = [
        *Entry.objects.values_list("key", flat=True),
        *Hold.objects.values_list("key", flat=True),
        *Member.objects.values_list("card_number", flat=True),
        *ana.adjustments.values_list("key", "reason"),
    ]
    assert "Ana" not in str(kept)
    assert queries.liability(programme).points == 10
    assert shop.is_right(programme)
    privacy.ask_to_erase([ana.customer_id], reason="request", source="desk", at=AT)
    privacy.erase_waiting(at=AT)
    assert shop.is_right(programme)
