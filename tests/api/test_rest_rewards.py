"""Rewards over REST: programs see what a member can have, redeem, confirm and cancel; tills take codes in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from querencia.loyalty import actions
from querencia.loyalty.models import Programme, Reward
from tests.api.conftest import Program
from tests.api.test_rest import results
from tests.api.test_rest_loyalty import CARD, agrees, ana, balance, club  # noqa: F401

pytestmark = pytest.mark.django_db
# Ana has ten points.
REWARDS: dict[str, dict[str, Any]] = {
    "two-off": {"kind": "amount", "name": {"en": "Two off"}, "points": 4, "amount": 200},
    "mug": {"kind": "prize", "name": {"en": "A mug"}, "points": 3},
    "pay": {"kind": "pay", "name": {"en": "Pay"}, "points": 1, "amount": 100},
    "trip": {"kind": "experience", "name": {"en": "A trip"}, "points": 90},
}


@pytest.fixture
def shelf(club: Programme) -> dict[str, int]:  # noqa: F811
    at = datetime.now(UTC) - timedelta(days=1)
    actions.publish_rewards(programme=club, documents=REWARDS, at=at)
    assert actions.change_stock(reward=Reward.objects.get(key="mug"), left=1, was=None)
    return dict(Reward.objects.values_list("key", "pk"))


def redeem(shelf: dict[str, int], reward: str, key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "member": CARD, "reward_id": shelf[reward], **more}


def test_a_member_is_told_what_they_can_have_now_and_what_is_next(ana: Program, shelf: dict[str, int]) -> None:  # noqa: F811
    all_of_it = ana.said("GET", "/loyalty/rewards")["items"]
    assert [(each["key"], each["points"], each["left"]) for each in all_of_it] == [
        ("two-off", 4, None), ("mug", 3, 1), ("pay", 1, None), ("trip", 90, None),
    ]  # fmt: skip
    pk = ana.said("GET", "/loyalty/members/by-card/C-1")["id"]
    found = ana.said("GET", f"/loyalty/members/{pk}/rewards")["items"]
    assert [(each["key"], each["is_affordable"], each["missing"]) for each in found] == [
        ("two-off", True, 0), ("mug", True, 0), ("pay", True, 0), ("trip", False, 80),
    ]  # fmt: skip
    assert ana.refused("GET", "/loyalty/members/999/rewards") == (404, "not_found")


def test_a_reward_is_redeemed_used_and_given_back_once_however_often_it_is_said(
    ana: Program,  # noqa: F811
    shelf: dict[str, int],
) -> None:
    asked = redeem(shelf, "two-off", "web-1", points=4)
    done = ana.said("POST", "/loyalty/redemptions", asked, status=201)
    again = ana.said("POST", "/loyalty/redemptions", asked)
    assert (done["points"], done["available"], again["result"]) == (4, 6, "unchanged")
    assert again["redemption"] == done["redemption"]
    assert ana.said("GET", f"/loyalty/redemptions/{done['redemption']['id']}") == done["redemption"]
    code = done["redemption"]["code"]
    check = {"code": code.lower(), "order_amount": 150}
    assert ana.said("POST", "/loyalty/vouchers/check", check)["discount"] == 150
    order = {"code": code, "order_key": "T-9", "order_amount": 1_000}
    used = ana.said("POST", "/loyalty/vouchers/use", order, status=201)
    assert (used["discount"], ana.said("POST", "/loyalty/vouchers/use", order)["result"]) == (200, "unchanged")
    assert ana.refused("POST", "/loyalty/vouchers/use", {**order, "order_key": "T-10"}) == (409, "reward_refused")
    assert ana.refused("POST", "/loyalty/vouchers/use", {**order, "order_amount": 9}) == (409, "conflict")
    assert ana.refused("POST", "/loyalty/redemptions/cancel", {"key": "web-1"}) == (409, "reward_refused")
    assert ana.said("POST", "/loyalty/vouchers/restore", {"order_key": "T-9"}, status=201)["discount"] == 200
    assert ana.said("POST", "/loyalty/vouchers/check", check)["is_valid"] is True
    assert ana.said("POST", "/loyalty/redemptions/cancel", {"key": "web-1"}, status=201)["available"] == 10
    assert ana.said("POST", "/loyalty/vouchers/check", check)["why"] == "void"
    assert ana.refused("POST", "/loyalty/vouchers/restore", {"order_key": "none"}) == (422, "invalid")
    assert agrees()


def test_of_many_each_is_answered_by_itself(ana: Program, shelf: dict[str, int]) -> None:  # noqa: F811
    items = [
        redeem(shelf, "mug", "m1", wait_seconds=600),
        redeem(shelf, "mug", "m2"),
        redeem(shelf, "trip", "t1"),
        redeem(shelf, "two-off", "d1", points=3),
        {**redeem(shelf, "pay", "p1"), "reward_id": 999},
        {**redeem(shelf, "pay", "p2"), "member": {"card_number": "none"}},
        redeem(shelf, "pay", "p3", points=5),
        {"key": "p4"},
    ]
    answer = ana.said("POST", "/loyalty/redemptions/bulk", {"items": items})
    codes = [each["errors"][0]["code"] if each["errors"] else each["redemption"]["state"] for each in answer["results"]]
    assert codes[:7] == [
        "waiting", "sold_out", "insufficient", "dearer", "unknown_reward", "no_member", "waiting",
    ]  # fmt: skip
    assert (balance(ana)["available"], balance(ana)["held"]) == (2, 8)
    for key, kind in (("m2", "reward_refused"), ("t1", "points_refused")):
        item = next(each for each in items if each["key"] == key)
        assert ana.refused("POST", "/loyalty/redemptions", item) == (409, kind)
    own = f"redemption:{answer['results'][0]['redemption']['id']}"
    for path, body in (
        ("releases", {"key": own}),
        ("captures", {"key": own}),
        ("restores", {"key": "r", "hold_key": own}),
    ):
        assert ana.refused("POST", f"/loyalty/{path}", body) == (422, "invalid"), "its points are the redemption's"
    keys = {"items": [{"key": key} for key in ("m1", "m1", "p3", "none")]}
    confirmed = ana.said("POST", "/loyalty/redemptions/confirm/bulk", keys)
    assert results(confirmed) == ["created", "unchanged", "rejected", "rejected"]
    pay = answer["results"][6]["redemption"]["code"]
    uses = [{"code": pay, "order_key": key, "order_amount": 250} for key in ("T-1", "T-1", "T-2")]
    used = ana.said("POST", "/loyalty/vouchers/use/bulk", {"items": uses})
    assert [(each["result"], each["discount"], each["points"]) for each in used["results"]] == [
        ("created", 250, 3), ("unchanged", 250, 3), ("rejected", 0, 0),
    ]  # fmt: skip
    cancelled = ana.said("POST", "/loyalty/redemptions/cancel/bulk", keys)
    assert cancelled["rejected"] == 4, "what was handed over or used is not taken back"
    back = ana.said("POST", "/loyalty/vouchers/restore/bulk", {"items": [{"order_key": "T-1"}] * 2})
    assert results(back) == ["created", "unchanged"]
    assert balance(ana)["available"] == 7
    assert agrees()


def test_a_quote_says_what_a_basket_would_cost_with_a_code_or_a_reward(ana: Program, shelf: dict[str, int]) -> None:  # noqa: F811
    basket = {"member": CARD, "amount": 1_550}
    plain = ana.said("POST", "/loyalty/quote", basket)
    assert (plain["points"], plain["discount"], plain["to_pay"], plain["voucher"]) == (15, 0, 1_550, None)
    assert [each["key"] for each in plain["rewards"]] == ["two-off", "mug", "pay", "trip"]
    off = ana.said("POST", "/loyalty/quote", {**basket, "reward_id": shelf["two-off"]})
    assert (off["points"], off["discount"], off["to_pay"], off["points_charged"]) == (13, 200, 1_350, 4)
    pay = ana.said("POST", "/loyalty/quote", {**basket, "reward_id": shelf["pay"]})
    assert (pay["points"], pay["discount"], pay["to_pay"], pay["points_charged"]) == (5, 1_000, 550, 10)
    assert ana.said("POST", "/loyalty/quote", {**basket, "reward_id": shelf["trip"]})["discount"] == 0
    done = ana.said("POST", "/loyalty/redemptions", redeem(shelf, "two-off", "web-1"), status=201)
    coded = ana.said("POST", "/loyalty/quote", {**basket, "code": done["redemption"]["code"]})
    assert (coded["points"], coded["to_pay"], coded["points_charged"]) == (13, 1_350, 0)
    assert ana.said("POST", "/loyalty/quote", {**basket, "code": "NONE"})["voucher"]["why"] == "unknown"
    assert ana.refused("POST", "/loyalty/quote", {"amount": 5, "reward_id": 1}) == (422, "invalid")


def test_gestures_are_told_and_what_a_member_was_given(ana: Program, club: Programme, shelf: dict[str, int]) -> None:  # noqa: F811
    at = datetime.now(UTC)
    pk = ana.said("GET", "/loyalty/members/by-card/C-1")["id"]
    actions.publish_gesture(programme=club, kind="welcome", document={"reward": "mug"}, at=at)
    assert actions.welcome(programme=club, member_ids=[pk], at=at) == 1
    [told] = ana.said("GET", "/loyalty/gestures")["items"]
    assert (told["kind"], told["points"], told["reward"], told["made_ever"]) == ("welcome", 0, "mug", 1)
    [made] = ana.said("GET", f"/loyalty/members/{pk}/gestures")["items"]
    assert (made["kind"], made["points"], made["reward"]) == ("welcome", 0, "mug")
    assert ana.said("GET", f"/loyalty/redemptions/{made['redemption_id']}")["why"] == "welcome"
    assert ana.refused("GET", "/loyalty/members/999/gestures") == (404, "not_found")
