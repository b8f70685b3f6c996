"""What members earn, spend and lose, and what they see of it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from querencia.customers.actions.purchases import NewLine
from querencia.loyalty import actions, allocation, queries
from querencia.loyalty.models import Allocation, Entry, Lot, Partner, Programme
from tests.loyalty import shop
from tests.loyalty.shop import AT

DAY = timedelta(days=1)


def test_a_purchase_earns_once_however_often_it_is_told(programme: Programme) -> None:
    ana = shop.member(programme)
    bought = shop.earns(ana, 4_599)
    again = actions.earn(programme=programme, purchases=[bought.pk, bought.pk], at=AT + 9 * DAY)
    assert [(each.result, each.points) for each in again] == [("unchanged", 45)] * 2
    assert shop.has(ana).available == 45
    assert shop.is_right(programme)


def test_who_earns_nothing_is_told_why(programme: Programme) -> None:
    ana, stranger = shop.member(programme), shop.customer("stranger")
    early = shop.buys(ana, 1_000, at=AT - timedelta(days=370))
    before_joining = shop.buys(ana, 1_000, at=AT - timedelta(days=350))
    nobody = shop.buys(stranger, 1_000)
    back = shop.buys(ana, -100)
    ids = [early.pk, before_joining.pk, nobody.pk, back.pk, 999_999]
    found = actions.earn(programme=programme, purchases=ids, at=AT)
    assert [each.result for each in found] == ["not_running", "no_member", "no_member", "refund", "unknown"]
    assert not Entry.objects.exists()


def test_points_wait_lapse_and_are_spent_without_any_sweep(programme: Programme) -> None:
    shop.change(programme, pending_days=14, expiry_count=1, expiry_unit="year", expiry_rounding="month")
    ana = shop.member(programme)
    shop.earns(ana, 10_000)
    assert (shop.has(ana).available, shop.has(ana).pending) == (0, 100)
    usable = AT + 14 * DAY
    assert shop.has(ana, at=usable - timedelta(seconds=1)).available == 0
    assert shop.has(ana, at=usable).available == 100
    ends = datetime(2027, 3, 31, 22, tzinfo=UTC)  # midnight in Madrid, in summer
    assert shop.has(ana, at=usable).expires_at == ends
    assert shop.has(ana, at=ends - timedelta(seconds=1)).available == 100
    assert shop.has(ana, at=ends).available == 0
    [late] = actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "late", 1)], at=ends)
    assert late.result == "insufficient"
    assert Entry.objects.filter(kind="expire").count() == 1
    assert shop.is_right(programme)


def test_the_sweep_books_each_lot_once_and_changes_no_balance(programme: Programme) -> None:
    shop.change(programme, pending_days=3, expiry_count=10, expiry_unit="day")
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    for who in (ana, bruno):
        shop.earns(who, 5_000)
        shop.earns(who, 7_000, at=AT + 5 * DAY)
    for moment in (AT + 3 * DAY, AT + 9 * DAY, AT + 20 * DAY, AT + 21 * DAY):
        before = queries.balances([ana.pk, bruno.pk], at=moment)
        actions.expire(programme=programme, at=moment)
        assert queries.balances([ana.pk, bruno.pk], at=moment) == before
        assert shop.is_right(programme)
    nothing_left = [actions.expire(programme=programme, at=AT + days * DAY) for days in (30, 31)]
    assert nothing_left[0] == nothing_left[1]
    assert sorted(Entry.objects.filter(kind="expire").values_list("expired", flat=True)) == [50, 50, 70, 70]
    assert Entry.objects.filter(kind="activate").count() == 4


def test_of_many_lots_those_are_taken_that_would_be_if_all_were_read(programme: Programme) -> None:
    ana = shop.member(programme)
    for number, months in enumerate((3, 1, 0, 2, 1, 5)):
        shop.change(programme, expiry_count=months, expiry_unit="month", pending_days=20 * (number == 3))
        shop.earns(ana, 1_000 + 700 * number, at=AT + timedelta(hours=number))
    for at in (AT + DAY, AT + 21 * DAY, AT + 40 * DAY):
        for points in (1, 14, 23, 9):
            usable = [lot for lot in Lot.objects.filter(member=ana) if allocation.is_usable(lot, at)]
            first = {lot.pk: part for lot, part in allocation.allocate(usable, points)}
            key = f"{at:%d}-{points}"
            [held] = actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, key, points)], at=at)
            taken = {each.lot_id: -each.amount for each in Allocation.objects.filter(entry__key=f"hold:{key}")}
            actions.capture(programme=programme, captures=[actions.Capture(key)], at=at)
            assert (held.result, taken) in (("created", first), ("insufficient", {}))
            assert (held.result == "created") == (sum(first.values()) == points)
            assert shop.is_right(programme)


def test_what_lapses_soonest_is_spent_first_and_what_never_does_last(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 10_000)
    shop.change(programme, expiry_count=2, expiry_unit="month")
    shop.earns(ana, 20_000)
    shop.change(programme, expiry_count=1, expiry_unit="month")
    shop.earns(ana, 30_000)
    shop.spends(ana, 350, "order-1")
    assert list(Lot.objects.order_by("pk").values_list("remaining", flat=True)) == [100, 150, 0]
    shop.spends(ana, 200, "order-2")
    assert list(Lot.objects.order_by("pk").values_list("remaining", flat=True)) == [50, 0, 0]
    assert shop.is_right(programme)


def test_a_hold_sets_aside_and_ends_by_itself(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 10_000)
    hold = actions.NewHold(ana.pk, "cart", 80, seconds=60)
    assert [each.result for each in actions.hold(programme=programme, holds=[hold, hold], at=AT)] == [
        "created",
        "unchanged",
    ]
    other = actions.NewHold(ana.pk, "cart", 70)
    assert actions.hold(programme=programme, holds=[other], at=AT)[0].result == "differs"
    assert (shop.has(ana).available, shop.has(ana).held) == (20, 80)
    late = AT + timedelta(seconds=60)
    assert (shop.has(ana, at=late).available, shop.has(ana, at=late).held) == (100, 0)
    assert actions.capture(programme=programme, captures=[actions.Capture("cart")], at=late)[0].result == "lapsed"
    assert actions.expire(programme=programme, at=late).released == 1
    assert actions.capture(programme=programme, captures=[actions.Capture("cart")], at=late)[0].result == "lapsed"
    assert actions.release(programme=programme, keys=["cart"], at=late)[0].result == "unchanged"
    assert shop.has(ana, at=late).available == 100
    assert shop.is_right(programme)


def test_less_than_was_held_can_be_spent_and_the_rest_is_free(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 10_000)
    actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "cart", 80)], at=AT)
    more = actions.Capture("cart", 81)
    assert actions.capture(programme=programme, captures=[more], at=AT)[0].result == "too_much"
    asked = actions.Capture("cart", 30)
    assert [each.result for each in actions.capture(programme=programme, captures=[asked, asked], at=AT)] == [
        "created",
        "unchanged",
    ]
    assert actions.capture(programme=programme, captures=[actions.Capture("cart", 31)], at=AT)[0].result == "differs"
    assert actions.release(programme=programme, keys=["cart", "nothing"], at=AT) == [
        actions.Done("captured", 30),
        actions.Done("unknown", 0),
    ]
    assert (shop.has(ana).available, shop.has(ana).held) == (70, 0)
    assert shop.is_right(programme)


def test_what_was_spent_returns_to_the_lots_it_came_from(programme: Programme) -> None:
    shop.change(programme, expiry_count=1, expiry_unit="month")
    ana = shop.member(programme)
    shop.earns(ana, 5_000)
    shop.earns(ana, 5_000, at=AT + 10 * DAY)
    shop.spends(ana, 80, "order", at=AT + 11 * DAY)
    some = actions.NewRestore("order", "back-1", 40)
    rest = actions.NewRestore("order", "back-2")
    later = AT + 12 * DAY
    done = actions.restore(programme=programme, restores=[some, rest, some], at=later)
    assert done == [actions.Done("created", 40), actions.Done("created", 40), actions.Done("unchanged", 40)]
    assert list(Lot.objects.order_by("pk").values_list("remaining", flat=True)) == [50, 50]
    more = actions.NewRestore("order", "back-3")
    assert actions.restore(programme=programme, restores=[more], at=later)[0].result == "unknown"
    assert shop.is_right(programme)


def test_restored_points_have_a_few_days_where_that_is_promised(programme: Programme) -> None:
    shop.change(programme, expiry_count=10, expiry_unit="day", restored_days_min=5)
    ana = shop.member(programme)
    shop.earns(ana, 5_000)
    shop.spends(ana, 50, "order")
    late = AT + 30 * DAY
    actions.restore(programme=programme, restores=[actions.NewRestore("order", "back")], at=late)
    assert shop.has(ana, at=late).available == 50
    assert shop.has(ana, at=late + 5 * DAY).available == 50
    assert shop.has(ana, at=late + 6 * DAY).available == 0
    actions.expire(programme=programme, at=late + 6 * DAY)
    assert shop.is_right(programme)


def test_points_handed_over_keep_the_day_they_lapse(programme: Programme) -> None:
    shop.change(programme, expiry_count=1, expiry_unit="month")
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    shop.earns(ana, 10_000)
    asked = actions.NewTransfer(ana.pk, bruno.pk, "gift", 60)
    later = AT + 20 * DAY
    done = actions.transfer(programme=programme, transfers=[asked, asked], at=later)
    assert [each.result for each in done] == ["created", "unchanged"]
    assert (shop.has(ana, at=later).available, shop.has(bruno, at=later).available) == (40, 60)
    assert shop.has(ana, at=later).expires_at == shop.has(bruno, at=later).expires_at
    too_much = actions.NewTransfer(ana.pk, bruno.pk, "more", 41)
    to_self = actions.NewTransfer(ana.pk, ana.pk, "self", 1)
    done = actions.transfer(programme=programme, transfers=[too_much, to_self], at=later)
    assert [each.result for each in done] == ["insufficient", "same_person"]
    assert shop.is_right(programme)


def test_a_large_correction_waits_for_a_second_person(programme: Programme) -> None:
    shop.change(programme, adjust_max=100)
    ana = shop.member(programme)
    one, other = shop.staff("one"), shop.staff("other")
    small = actions.NewAdjustment(ana.pk, "small", 100, "the till was broken")
    large = actions.NewAdjustment(ana.pk, "large", -101, "counted twice")
    done = actions.adjust(programme=programme, adjustments=[small, large, small], staff=one, at=AT)
    assert [each.result for each in done] == ["created", "waiting", "unchanged"]
    waiting = ana.adjustments.get(key="large")
    approve = {"programme": programme, "adjustments": [waiting], "at": AT}
    assert actions.approve(staff=one, **approve)[0].result == "same_person"
    assert actions.approve(staff=other, **approve)[0].result == "insufficient"
    shop.earns(ana, 5_000)
    assert actions.approve(staff=other, **approve)[0].result == "created"
    assert actions.approve(staff=other, **approve)[0].result == "unchanged"
    assert shop.has(ana).available == 49
    assert shop.is_right(programme)


def test_a_partner_pays_for_points_and_takes_them(programme: Programme) -> None:
    cafe = Partner.objects.create(programme=programme, key="cafe", name="Café", created_at=AT)
    ana = shop.member(programme)
    gift = actions.Gift(ana.pk, "welcome", 500, "welcome", partner=cafe)
    assert [each.result for each in actions.give(programme=programme, gifts=[gift, gift], at=AT)] == [
        "created",
        "unchanged",
    ]
    actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "coffee", 200)], at=AT)
    actions.capture(programme=programme, captures=[actions.Capture("coffee", partner=cafe)], at=AT)
    found = queries.liability(programme)
    assert found.accounts["partner_points"] == -300
    assert found.points == 300
    assert sum(found.accounts.values()) == 0
    assert shop.is_right(programme)


def test_what_a_member_sees_says_why_each_point_came(programme: Programme) -> None:
    ana = shop.member(programme)
    bought = shop.earns(ana, 4_599)
    shop.spends(ana, 5, "order")
    moved = queries.history(ana)
    assert [(each.kind, each.points) for each in moved] == [("capture", 0), ("hold", -5), ("grant", 45)]
    assert moved[-1].purchase_id == bought.pk
    [rule] = moved[-1].why["rules"]
    assert rule == {"rule": "base", "version": 1, "points": 45, "base": 4_599}
    assert queries.history(ana, before=moved[0].pk, size=1) == moved[1:2]


def test_the_database_refuses_entries_that_do_not_add_up_and_facts_that_change(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 1_000)
    entry = Entry.objects.get()
    wrong = [
        lambda: Entry.objects.filter(pk=entry.pk).update(active=11),
        lambda: Entry.objects.filter(pk=entry.pk).update(detail={}),
        lambda: Entry.objects.filter(pk=entry.pk).update(key="another"),
        lambda: Lot.objects.update(amount=11),
        lambda: Lot.objects.update(remaining=11),
        lambda: programme.rules.update(document={}),
        lambda: programme.members.update(active=-1),
        lambda: Entry.objects.create(
            programme=programme, member=ana, kind="grant", key="x", at=AT, recorded_at=AT, active=5, issued=-4
        ),
        lambda: Entry.objects.create(
            programme=programme, member=ana, kind="grant", key=entry.key, at=AT, recorded_at=AT
        ),
    ]
    if connection.vendor == "postgresql":
        wrong.append(lambda: Entry.objects.filter(pk=entry.pk)._raw_delete("default"))
    for change in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    assert shop.is_right(programme)


def test_a_difference_in_the_books_is_found(programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 1_000)
    Lot.objects.update(remaining=7)
    found = {(each.of, each.what, each.is_said, each.is_reckoned) for each in queries.check(programme)}
    assert found == {("lot", "remaining", 7, 10), ("lots of member", "active", 10, 7)}


def test_lines_that_are_no_goods_earn_nothing_by_themselves(programme: Programme) -> None:
    ana = shop.member(programme)
    lines = [
        NewLine(5_000, sku="a", category="coffee"),
        NewLine(1_050, category="Tax"),
        NewLine(500, category="shipping"),
        NewLine(-1_000, category="discount"),
    ]
    shop.earns(ana, 5_550, lines=lines, tenders=[{"type": "points", "amount": 800}, {"type": "card", "amount": 4_750}])
    assert shop.has(ana).available == 32
