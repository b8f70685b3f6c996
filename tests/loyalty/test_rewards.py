"""Rewards: what members can have for their points, and what becomes of points, stock and codes."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.customers.actions import merging
from querencia.customers.models import Event
from querencia.flows import points as moments
from querencia.loyalty import actions, codes, queries
from querencia.loyalty.actions import NewRedemption, NewReturn, NewUse, NewVoucher
from querencia.loyalty.models import Member, Programme, Redemption, Reward, RewardVersion, Voucher
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries import vouchers as looked
from tests.loyalty import shop
from tests.loyalty.shop import AT
from tests.loyalty.test_races import at_once

DAY = timedelta(days=1)
FIVE_OFF = {"kind": "amount", "name": {"en": "Five off", "es": "Cinco menos"}, "points": 100, "amount": 500}
MUG = {"kind": "prize", "name": {"en": "A mug"}, "points": 100, "cost": 300}
PAY = {"kind": "pay", "name": {"en": "Pay with points"}, "points": 10, "amount": 100}


def reward(programme: Programme, document: dict[str, Any], *, stock: int | None = None, at: Any = AT) -> Reward:
    key = f"r{Reward.objects.count()}"
    actions.publish_rewards(programme=programme, documents={key: document}, at=at - DAY)
    made = Reward.objects.get(programme=programme, key=key)
    assert stock is None or actions.change_stock(reward=made, left=stock, was=None)
    return Reward.objects.get(pk=made.pk)


def rich(programme: Programme, name: str = "ana", points: int = 1_000) -> Member:
    who = shop.member(programme, name)
    shop.earns(who, points * 100)
    return who


def redeems(who: Member, what: Reward, key: str = "", *, at: Any = AT, **more: Any) -> actions.Redeemed:
    asked = NewRedemption(who.pk, what.pk, key or f"k{Redemption.objects.count()}", **more)
    return actions.redeem(programme=shop.of(who), redemptions=[asked], at=at)[0]


def code_of(done: actions.Redeemed) -> str:
    voucher = Redemption.objects.get(pk=done.redemption_id).voucher
    assert voucher
    return voucher.written


def uses(programme: Programme, code: str, amount: int, order: str = "order", *, at: Any = AT) -> actions.Used:
    return actions.use(programme=programme, uses=[NewUse(code, order, amount)], at=at)[0]


def state(done: actions.Redeemed, *, at: Any = AT) -> str:
    return catalogue.state_of(Redemption.objects.get(pk=done.redemption_id), at=at)


def left(what: Reward) -> int | None:
    return Reward.objects.get(pk=what.pk).stock


# -- redeeming ---------------------------------------------------------------------------------------------------------


def test_a_discount_costs_its_points_once_and_is_used_once_for_one_order(programme: Programme) -> None:
    ana, off = rich(programme), reward(programme, FIVE_OFF, stock=3)
    done = redeems(ana, off, "k")
    again = redeems(ana, off, "k")
    assert (done.result, again.result, again.redemption_id) == ("created", "unchanged", done.redemption_id)
    assert redeems(rich(programme, "bruno"), off, "k").result == "differs"
    assert (shop.has(ana).available, left(off), state(done)) == (900, 2, "done")
    typed = code_of(done).lower().replace("-", " ")
    assert [uses(programme, typed, 2_000).discount, uses(programme, typed, 2_000).result] == [500, "unchanged"]
    assert uses(programme, typed, 1_999).result == "differs"
    assert uses(programme, typed, 2_000, "another").result == "used"
    assert [*Event.objects.filter(kind__startswith="reward.").values_list("kind", flat=True)] == ["reward.redeemed"]
    [event] = Event.objects.filter(kind="voucher.used")
    assert event.customer_id == ana.customer_id
    assert codes.normal(code_of(done)) not in str(event.properties), "whoever reads events could use it"
    assert shop.is_right(programme)


def test_a_prize_waits_to_be_handed_over_and_its_points_with_it(programme: Programme) -> None:
    ana, mug = rich(programme), reward(programme, MUG | {"valid_days": 7}, stock=3)
    kept, lost, back = (redeems(ana, mug) for _ in range(3))
    assert (shop.has(ana).available, shop.has(ana).held, left(mug)) == (700, 300, 0)
    assert redeems(ana, mug).result == "sold_out"
    who = shop.staff("eva")
    ids = [kept.redemption_id, kept.redemption_id]
    handed = actions.confirm(programme=programme, redemption_ids=ids, at=AT, staff=who)
    assert [each.result for each in handed] == ["created", "unchanged"]
    assert actions.confirm(programme=programme, redemption_ids=ids[:1], at=AT)[0].result == "unchanged"
    assert Redemption.objects.get(pk=kept.redemption_id).closed_by == who
    off = [actions.cancel(programme=programme, redemption_ids=[back.redemption_id], at=AT)[0].result for _ in "ab"]
    assert off == ["created", "unchanged"]
    assert actions.cancel(programme=programme, redemption_ids=[kept.redemption_id], at=AT)[0].result == "used"
    assert (shop.has(ana).available, shop.has(ana).held, left(mug)) == (800, 100, 1)
    late = AT + 9 * DAY
    assert (state(lost, at=late), shop.has(ana, at=late).available) == ("lapsed", 900), "decided when it is read"
    assert actions.confirm(programme=programme, redemption_ids=[lost.redemption_id], at=late)[0].result == "lapsed"
    assert catalogue.left_of(catalogue.shelf(programme, at=late).values(), at=late) == {mug.pk: 2}
    assert [actions.lapse_redemptions(programme=programme, at=late) for _ in "ab"] == [1, 0]
    assert (left(mug), looked.check(programme, [(code_of(lost), 100)], at=late)[0].why) == (2, "void")
    actions.expire(programme=programme, at=late)
    assert shop.is_right(programme)


def test_points_that_pay_are_charged_for_the_discount_really_given(programme: Programme) -> None:
    ana, pay = rich(programme), reward(programme, PAY)
    assert redeems(ana, pay, points=0).result == "bad_points"
    done = redeems(ana, pay, points=300)  # worth thirty
    assert (shop.has(ana).available, shop.has(ana).held) == (700, 300)
    bought = shop.buys(ana, 2_055)
    used = actions.use(programme=programme, uses=[NewUse(code_of(done), bought.key, 2_055, "till")], at=AT)[0]
    assert (used.discount, used.points) == (2_055, 206), "never more than the order, and not a point too many"
    assert (shop.has(ana).available, shop.has(ana).held) == (794, 0)
    # What is given back of the order gives points back, in whatever parts; a penny less left is a point back at most.
    for amount, has in ((1_000, 894), (1_055, 1_000)):
        refund = shop.buys(ana, -amount, refund_of=bought.key)
        moments.refund(programme=programme, purchases=[refund.pk, refund.pk], at=AT)
        assert shop.has(ana).available == has
    assert state(done) == "returned"
    assert uses(programme, code_of(done), 100, "later").result == "void"
    assert shop.is_right(programme)


def test_a_refund_of_the_whole_order_gives_the_code_back_and_of_a_part_does_not(programme: Programme) -> None:
    shop.change(programme, restored_days_min=5)
    ana, off = rich(programme), reward(programme, FIVE_OFF | {"valid_days": 10})
    done, bought = redeems(ana, off), shop.buys(ana, 2_000)
    asked = [NewUse(code_of(done), bought.key, 2_500, "till")]
    assert actions.use(programme=programme, uses=asked, at=AT)[0].result == "created"
    for amount, found in ((900, "used"), (1_100, "valid")):
        refund = shop.buys(ana, -amount, refund_of=bought.key, at=AT + 9 * DAY)
        moments.refund(programme=programme, purchases=[refund.pk], at=AT + 9 * DAY)
        voucher = Voucher.objects.get()
        assert looked.state_of(voucher, at=AT + 9 * DAY) == found
    assert actions.use(programme=programme, uses=asked, at=AT)[0].result == "restored"
    later = AT + 12 * DAY  # it would have lapsed
    assert uses(programme, code_of(done), 300, "another", at=later).discount == 300
    back = [NewReturn("another")]
    found = [actions.restore_uses(programme=programme, returns=back, at=later)[0].result for _ in "ab"]
    assert found == ["created", "unchanged"]
    assert actions.restore_uses(programme=programme, returns=[NewReturn("none")], at=later)[0].result == "unknown"
    assert shop.has(ana).available == 900


# -- the catalogue -----------------------------------------------------------------------------------------------------


def test_who_can_have_what_and_when_and_how_often(programme: Programme) -> None:
    tiers = {"metric": "spend", "tiers": [{"key": "b", "reach": 0}, {"key": "a", "reach": 10**7}]}
    actions.publish_tiers(programme=programme, document=tiers, at=AT - 2 * DAY)
    ana = rich(programme)
    actions.judge_tiers(programme=programme, at=AT)
    terms = {
        "for_a": {"tiers": ["a"]},
        "for_class_a": {"classes": ["A"]},
        "over": {"until": "2026-03-01"},
        "not_yet": {"from": "2026-03-03"},
        "dear": {"points": 5_000},
        "once_a_month": {"limit": {"number": 1, "per": "month"}},
        "cheaper_for_b": {"tier_points": {"b": 70}},
    }
    documents = {key.replace("_", "-"): FIVE_OFF | more for key, more in terms.items()}
    actions.publish_rewards(programme=programme, documents=documents, at=AT - DAY)
    by_key = {row.key.replace("-", "_"): row for row in Reward.objects.all()}
    found = {key: redeems(ana, by_key[key], points=100 if key != "dear" else None).result for key in terms}
    assert found == {
        "for_a": "not_for_you",
        "for_class_a": "not_for_you",
        "over": "not_offered",
        "not_yet": "not_offered",
        "dear": "insufficient",
        "once_a_month": "created",
        "cheaper_for_b": "created",
    }
    assert shop.has(ana).available == 1_000 - 100 - 70
    assert redeems(ana, by_key["once_a_month"]).result == "limit"
    offers = {
        each.terms.named("es") + each.on_shelf.reward.key: each for each in catalogue.offers(programme, ana.pk, at=AT)
    }
    assert offers["Cinco menosdear"].missing == 5_000 - 830
    assert offers["Cinco menosonce-a-month"].why == "limit"
    assert "Cinco menosover" not in offers
    assert redeems(ana, by_key["once_a_month"], at=AT + 30 * DAY).result == "created"
    # One person is one, whichever of their records asks.
    anna = rich(programme, "anna")
    merging.merge(pairs=[(ana.customer_id, anna.customer_id)], staff=None, at=AT)
    assert redeems(anna, by_key["once_a_month"], at=AT + 31 * DAY).result == "limit"


def test_a_price_that_goes_up_does_not_count_against_whoever_was_a_member_before(programme: Programme) -> None:
    ana, off = rich(programme), reward(programme, FIVE_OFF | {"protect_days": 30}, at=AT - 9 * DAY)
    dearer = FIVE_OFF | {"points": 150}
    actions.publish_rewards(programme=programme, documents={off.key: dearer}, at=AT)
    late = rich(programme, "late")
    Member.objects.filter(pk=late.pk).update(joined_at=AT + DAY)
    prices = [redeems(who, off, at=AT + days * DAY).points for who, days in ((ana, 29), (ana, 31), (late, 29))]
    assert prices == [100, 150, 150]
    assert redeems(ana, off, points=120, at=AT + 31 * DAY).result == "dearer", "nobody pays more than they agreed to"
    actions.publish_rewards(programme=programme, documents={off.key: dearer | {"points": 80}}, at=AT + DAY)
    assert redeems(late, off, at=AT + 31 * DAY).points == 80
    assert not actions.publish_rewards(programme=programme, documents={off.key: dearer | {"points": 80}}, at=AT + DAY)
    actions.publish_rewards(programme=programme, documents={off.key: {}}, at=AT + 2 * DAY)
    assert redeems(ana, off, at=AT + 31 * DAY).result == "not_offered"
    for bad in ({"kind": "amount"}, FIVE_OFF | {"points": 0}, FIVE_OFF | {"what": 1}, MUG | {"codes": "shared"}):
        with pytest.raises(ValidationError):
            actions.publish_rewards(programme=programme, documents={"bad": bad}, at=AT)
    with pytest.raises(IntegrityError), transaction.atomic():
        RewardVersion.objects.filter(version=1).update(document={})


def test_codes_of_others_go_one_to_each_and_wait_until_it_is_sure(programme: Programme) -> None:
    ana, card = rich(programme), reward(programme, FIVE_OFF | {"kind": "voucher", "codes": "imported"})
    assert redeems(ana, card).result == "sold_out"
    given = ["Gift-1", "gift 1", "", "GIFT-2", "G" * 81]
    found = actions.import_codes(reward=card, given=given, at=AT)
    assert [each.result for each in found] == ["created", "unchanged", "bad_code", "created", "bad_code"]
    other = reward(programme, FIVE_OFF | {"codes": "imported"})
    assert actions.import_codes(reward=other, given=["gift-2"], at=AT)[0].result == "taken"
    waits = redeems(ana, card, wait_seconds=600)
    sure = redeems(ana, card)
    assert code_of(sure) == "GIFT-2"
    assert looked.check(programme, [("gift1", 900)], at=AT)[0].why == "not_confirmed"
    assert redeems(ana, card).result == "sold_out"
    assert actions.cancel(programme=programme, redemption_ids=[waits.redemption_id], at=AT)[0].result == "created"
    assert actions.cancel(programme=programme, redemption_ids=[sure.redemption_id], at=AT)[0].result == "given_out"
    again = redeems(ana, card, wait_seconds=600)
    assert actions.confirm(programme=programme, redemption_ids=[again.redemption_id], at=AT)[0].result == "created"
    assert uses(programme, "gift-1", 300).discount == 300
    assert shop.has(ana).available == 800
    assert shop.is_right(programme)


def test_a_shared_code_is_used_as_often_as_it_may_be(programme: Programme) -> None:
    ana, tenth = (
        rich(programme),
        reward(
            programme,
            {"kind": "percent", "name": {"pt": "Dez"}, "points": 10, "percent": 10, "amount": 150, "codes": "shared"},
        ),
    )
    actions.share_code(reward=tenth, code="Verano-10", uses_max=2, at=AT)
    assert code_of(redeems(ana, tenth)) == "Verano-10"
    found = [uses(programme, "verano10", amount, f"o{amount}") for amount in (999, 9_000, 50)]
    assert [(each.result, each.discount) for each in found] == [("created", 100), ("created", 150), ("used", 0)]
    actions.restore_uses(programme=programme, returns=[NewReturn("o999", code="VERANO10")], at=AT)
    assert uses(programme, "verano10", 4, "o4").result == "nothing_off"
    assert uses(programme, "verano10", 50, "o50").discount == 5
    actions.share_code(reward=tenth, code="Otoño", uses_max=None, at=AT)
    assert [uses(programme, code, 50, "o51").result for code in ("verano10", "OTOÑO")] == ["void", "created"]


def test_gifts_cost_no_points_and_take_stock(programme: Programme) -> None:
    ana, mug = shop.member(programme), reward(programme, MUG, stock=1)
    gift = NewVoucher(ana.pk, mug.pk, "birthday:2026", "birthday")
    found = [actions.issue(programme=programme, vouchers=[gift], at=AT)[0] for _ in "ab"]
    assert [each.result for each in found] == ["created", "unchanged"]
    other = NewVoucher(ana.pk, mug.pk, "other", "gesture")
    assert actions.issue(programme=programme, vouchers=[other], at=AT)[0].result == "sold_out"
    pay = NewVoucher(ana.pk, reward(programme, PAY).pk, "pay", "gesture")
    assert actions.issue(programme=programme, vouchers=[pay], at=AT)[0].result == "not_a_gift"
    assert uses(programme, code_of(found[0]), 0).result == "created", "the code of a prize hands it over"
    assert (state(found[0]), left(mug)) == ("done", 0)
    actions.restore_uses(programme=programme, returns=[NewReturn("order")], at=AT)
    assert (state(found[0]), left(mug)) == ("returned", 1)
    assert not shop.of(ana).entries.exists()


def test_a_voucher_of_a_value_pays_until_it_is_used_up(programme: Programme) -> None:
    ana, card = rich(programme), reward(programme, FIVE_OFF | {"kind": "voucher"})
    done = redeems(ana, card)
    code = code_of(done)
    assert uses(programme, code, 300, "o1").discount == 300
    assert uses(programme, code, 300, "o1").result == "unchanged"
    [checked] = looked.check(programme, [(code, 900)], at=AT)
    assert (checked.why, checked.discount) == ("", 200)
    assert actions.cancel(programme=programme, redemption_ids=[done.redemption_id], at=AT)[0].result == "used"
    assert uses(programme, code, 900, "o2").discount == 200
    assert uses(programme, code, 900, "o3").result == "used"
    for _ in "ab":
        actions.restore_uses(programme=programme, returns=[NewReturn("o1")], at=AT)
    assert [uses(programme, code, 250, order).discount for order in ("o4", "o5")] == [250, 50]
    actions.restore_uses(programme=programme, returns=[NewReturn(f"o{n}") for n in (2, 4, 5)], at=AT)
    assert Voucher.objects.get(code=codes.normal(code)).left == 500
    assert shop.is_right(programme)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_tills_that_take_one_voucher_of_a_value_none_gets_what_is_not_there(programme: Programme) -> None:
    code = code_of(redeems(rich(programme), reward(programme, FIVE_OFF | {"kind": "voucher"})))
    found = at_once(8, lambda place: uses(programme, code, 90, f"order-{place}"))
    assert sorted(each.discount for each in found if each.is_done) == [50, 90, 90, 90, 90, 90]
    assert [each.result for each in found if not each.is_done] == ["used", "used"]


def test_codes_are_unambiguous_and_a_slip_of_a_finger_is_told_from_a_code_of_nobody(programme: Programme) -> None:
    drawn = {codes.draw() for _ in range(200)}
    assert len(drawn) == 200
    assert not set("".join(drawn)) & set("01ILO")
    code = drawn.pop()
    slips = {code[:place] + letter + code[place + 1 :] for place in range(12) for letter in codes.ALPHABET} - {code}
    turned = {code[:n] + code[n + 1] + code[n] + code[n + 2 :] for n in range(11)} - {code}
    assert all(codes.is_mistyped(each) for each in slips | turned)
    found = looked.check(programme, [(code, None), (slips.pop(), None), ("HELLO", None)], at=AT)
    assert [each.why for each in found] == ["unknown", "mistyped", "unknown"]


# -- many at once ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_who_want_the_last_one_exactly_one_gets_it(programme: Programme) -> None:
    people = [rich(programme, f"m{number}", 100) for number in range(8)]
    mug = reward(programme, MUG, stock=1)
    found = at_once(8, lambda place: redeems(people[place], mug, f"k{place}").result)
    assert sorted(found) == ["created", *["sold_out"] * 7]
    assert (left(mug), sum(shop.has(who).available for who in people)) == (0, 700)
    # One code at many tills, and one redemption that is handed over and cancelled at the same moment.
    code = code_of(actions.Redeemed("", Redemption.objects.get().pk))

    def end(place: int) -> str:
        if place % 2:
            return uses(programme, code, 0, f"order-{place}").result
        ids = list(Redemption.objects.values_list("pk", flat=True))
        return actions.cancel(programme=programme, redemption_ids=ids, at=AT)[0].result

    found = at_once(8, end)
    assert found.count("created") == 1
    assert (left(mug) == 1) == (Redemption.objects.get().state == "cancelled")
    assert shop.is_right(programme)


@pytest.mark.django_db
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from("rrgctwuboo"), st.integers(0, 5)), min_size=6, max_size=18))
def test_whatever_happens_nothing_is_lost_or_doubled(programme: Programme, steps: list[tuple[str, int]]) -> None:
    stock = 4
    with transaction.atomic():
        people = [rich(programme, f"m{n}", 250) for n in range(2)]
        shelf = [reward(programme, MUG | {"valid_days": 2}, stock=stock), reward(programme, FIVE_OFF, stock=stock)]
        shelf.append(reward(programme, PAY, stock=stock))
        at, made = AT, []
        for number, (what, n) in enumerate(steps):
            at += timedelta(hours=7)
            who, thing = people[n % 2], shelf[n % 3]
            chosen = made[n % len(made)] if made else 0
            match what:
                case "r" | "w":
                    wait = 3_600 * 12 if what == "w" else None
                    done = redeems(who, thing, f"k{number}", at=at, points=100, wait_seconds=wait)
                    made += [done.redemption_id] if done.redemption_id else []
                case "g":
                    gift = NewVoucher(who.pk, shelf[n % 2].pk, f"k{number}", "gesture")
                    made += [
                        pk
                        for each in actions.issue(programme=programme, vouchers=[gift], at=at)
                        if (pk := each.redemption_id)
                    ]
                case "c":
                    actions.confirm(programme=programme, redemption_ids=[chosen], at=at)
                case "b":
                    actions.cancel(programme=programme, redemption_ids=[chosen], at=at)
                case "t":
                    actions.lapse_redemptions(programme=programme, at=at)
                    actions.expire(programme=programme, at=at)
                case "u" if chosen:
                    uses(programme, code_of(actions.Redeemed("", chosen)), 700, f"o{n}", at=at)
                case "o":
                    actions.restore_uses(programme=programme, returns=[NewReturn(f"o{n}")], at=at)
            _agrees(programme, shelf, people, stock, at)
        transaction.set_rollback(True)


def _agrees(programme: Programme, shelf: list[Reward], people: list[Member], stock: int, at: Any) -> None:
    for each in shelf:
        gone = Redemption.objects.filter(reward=each, state__in=["waiting", "done"]).count()
        assert (left(each) or 0) + gone == stock
    live = Redemption.objects.filter(state__in=["waiting", "done"])
    spent = sum(row.points for row in live if catalogue.state_of(row, at=at) == "done" and row.points)
    back = sum(use.points_back for row in live if row.voucher for use in row.voucher.used.all())
    assert queries.liability(programme).accounts["redeemed"] == spent - back
    held = sum(row.points for row in live if catalogue.state_of(row, at=at) == "waiting")
    has = queries.balances([who.pk for who in people], at=at)
    assert sum(each.held for each in has.values()) == held
    assert sum(each.available for each in has.values()) == 500 - spent + back - held
    assert shop.is_right(programme)
    assert connection.vendor in ("sqlite", "postgresql")
