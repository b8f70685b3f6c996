"""Points over REST: tills enrol, earn, ask, set aside, spend and give back, once however often they ask."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from querencia.business.queries import business
from querencia.customers.models import Customer
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Entry, Member, Programme
from tests.api.conftest import Program
from tests.api.test_rest import NOBODY, SALE, read_through, results

pytestmark = pytest.mark.django_db
ANA = {"kind": "customer_key", "value": "K-1"}
CARD = {"card_number": "C-1"}
JOIN = {"customer": ANA, **CARD, "joined_at": "2026-01-02T10:00:00+01:00"}
RULES: dict[str, Any] = {
    "base": {"title": "A point for each euro", "then": {"points": 1, "per": 100}},
    "bread": {"if": "'BREAD' in skus", "then": {"points": 5}, "cap": {"points": 8, "per": "month"}},
}
TIERS = {"metric": "spend", "tiers": [{"key": "silver", "reach": 500}, {"key": "gold", "reach": 100_000}]}


@pytest.fixture
def club(shop: None) -> Programme:
    found = business()
    assert found
    at = datetime(2025, 1, 1, tzinfo=UTC)
    made = actions.create_programme(business=found, name="Club", at=at, starts_at=at)
    actions.publish_rules(programme=made, documents=RULES, at=at)
    return made


@pytest.fixture
def ana(program: Program, club: Programme) -> Program:
    """The same program, in a shop of whose club Ana is a member, with ten points."""
    program.said("POST", "/loyalty/members", JOIN, status=201)
    program.said("POST", "/purchases", SALE, status=201)
    assert program.said("POST", "/loyalty/earn", {"key": "T-1"}, status=201)["points"] == 10
    return program


def balance(program: Program) -> dict[str, Any]:
    return dict(program.said("GET", "/loyalty/members/by-card/C-1")["balance"])


def agrees() -> bool:
    found = [each for programme in queries.programmes() for each in queries.check(programme)]
    assert not found, found
    return True


# -- members -----------------------------------------------------------------------------------------------------------


def test_a_member_is_enrolled_once_and_found_by_whatever_names_them(program: Program, club: Programme) -> None:
    answer = program("POST", "/loyalty/members", JOIN)
    pk = json.loads(answer.content)["id"]
    assert (answer.status_code, answer["Location"]) == (201, f"/api/v1/loyalty/members/{pk}")
    assert program.said("POST", "/loyalty/members", JOIN)["result"] == "unchanged"
    assert program.said("POST", "/loyalty/members", {"customer": ANA})["id"] == pk
    found = program.said("GET", f"/loyalty/members/{pk}")
    assert (found["card_number"], found["joined_at"], found["standing"]) == ("C-1", "2026-01-02T09:00:00Z", None)
    assert found["balance"] == {
        "available": 0, "pending": 0, "held": 0, "deficit": 0, "expiring": 0, "expires_at": None,
    }  # fmt: skip
    assert program.said("GET", "/loyalty/members/by-card/C-1") == found
    asked = [CARD, {"id": pk}, {"customer": ANA}, {"customer": {"id": found["customer_id"]}}]
    nobody = [{"card_number": "none"}, {"id": NOBODY}, {"customer": {"kind": "email", "value": "no@example.org"}}]
    told = program.said("POST", "/loyalty/members/lookup", {"members": asked + nobody})["members"]
    assert [each and each["id"] for each in told] == [pk, pk, pk, pk, None, None, None]
    assert Customer.objects.count() == 1  # whoever is only looked up is not created
    for path in ("by-card/none", str(NOBODY), f"{NOBODY}/history"):
        assert program.refused("GET", f"/loyalty/members/{path}") == (404, "not_found")


def test_of_many_who_join_each_is_answered_by_itself(program: Program, club: Programme) -> None:
    program.said("POST", "/loyalty/members", JOIN, status=201)
    bea = {"customer": {"kind": "email", "value": "bea@example.org"}}
    late = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    items = [
        JOIN,
        {**JOIN, "card_number": "C-9"},
        {**bea, "card_number": "C-1"},
        {**bea, "card_number": "C-2"},
        {**bea, "card_number": "C-2"},
        {"customer": {"id": NOBODY}},
        {**JOIN, "joined_at": late},
        {**JOIN, "programme_id": NOBODY},
        {"nothing": 1},
    ]
    answer = program.said("POST", "/loyalty/members/bulk", {"items": items})
    assert results(answer) == [
        "unchanged", "rejected", "rejected", "created", "unchanged", "rejected", "rejected", "rejected", "rejected",
    ]  # fmt: skip
    codes = [[error["code"] for error in each["errors"]] for each in answer["results"]]
    assert codes[:8] == [
        [], ["differs"], ["card_taken"], [], [], ["unknown_customer"], ["future"], ["unknown_programme"],
    ]  # fmt: skip
    assert program.refused("POST", "/loyalty/members", items[2]) == (409, "conflict")
    assert program.refused("POST", "/loyalty/members", items[7]) == (422, "invalid")
    actions.leave(members=[Member.objects.get(card_number="C-2")], at=datetime.now(UTC))
    assert program.said("POST", "/loyalty/members", bea)["result"] == "updated"
    assert program.said("POST", "/loyalty/members", bea)["result"] == "unchanged"


def test_people_who_were_merged_are_one_member_with_one_purse(ana: Program) -> None:
    bea = {"customer": {"kind": "customer_key", "value": "K-2"}, "card_number": "C-2"}
    ana.said("POST", "/loyalty/members", bea, status=201)
    ana.said("POST", "/merges", {"first": ANA, "second": bea["customer"]}, status=201)
    assert ana.said("GET", "/loyalty/members/by-card/C-2")["balance"]["available"] == 10
    held = {"key": "o1", "member": {"card_number": "C-2"}, "points": 4}
    assert ana.said("POST", "/loyalty/holds", held, status=201)["available"] == 6
    assert agrees()


# -- earning -----------------------------------------------------------------------------------------------------------


def test_a_purchase_earns_once_at_once_and_its_refund_takes_back(ana: Program) -> None:
    assert ana.said("POST", "/loyalty/earn", {"key": "T-1"})["result"] == "unchanged"
    refund = {"key": "R-1", "customer": ANA, "at": "2026-05-02T10:00:00Z", "amount": -400, "refund_of": "T-1"}
    ana.said("POST", "/purchases", refund, status=201)
    taken = ana.said("POST", "/loyalty/refunds", {"key": "R-1"}, status=201)
    assert (taken["points"], taken["available"]) == (4, 6)
    assert ana.said("POST", "/loyalty/refunds", {"key": "R-1"})["result"] == "unchanged"
    assert ana.refused("POST", "/loyalty/earn", {"key": "R-1"}) == (422, "invalid")
    assert ana.refused("POST", "/loyalty/refunds", {"key": "T-1"}) == (422, "invalid")
    assert ana.refused("POST", "/loyalty/earn", {"key": "T-9"}) == (422, "invalid")
    assert agrees()


def test_of_many_purchases_each_is_answered_by_itself(ana: Program) -> None:
    sales = [{**SALE, "key": "T-2"}, {**SALE, "key": "T-3", "customer": {"kind": "customer_key", "value": "K-2"}}]
    sales.append({**SALE, "key": "T-4", "at": "2025-12-31T10:00:00Z"})
    ana.said("POST", "/purchases/bulk", {"items": sales})
    items = [{"key": key} for key in ("T-1", "T-2", "T-2", "T-3", "T-4", "none")]
    answer = ana.said("POST", "/loyalty/earn/bulk", {"items": [*items, {"key": "T-2", "source": "web"}]})
    assert results(answer) == ["unchanged", "created", "unchanged", *["rejected"] * 4]
    codes = [error["code"] for each in answer["results"] for error in each["errors"]]
    assert codes == ["no_member", "no_member", "unknown_purchase", "unknown_purchase"]
    assert {each["available"] for each in answer["results"][:3]} == {20}
    assert agrees()


def test_who_earns_a_tier_stands_in_it_at_once(program: Program, club: Programme) -> None:
    actions.publish_tiers(programme=club, document=TIERS, at=datetime(2025, 1, 1, tzinfo=UTC))
    program.said("POST", "/loyalty/members", JOIN, status=201)
    now = datetime.now(UTC).isoformat()
    program.said("POST", "/purchases", {**SALE, "at": now}, status=201)
    program.said("POST", "/loyalty/earn", {"key": "T-1"}, status=201)
    standing = program.said("GET", "/loyalty/members/by-card/C-1")["standing"]
    assert (standing["tier"], standing["next_tier"], standing["missing"]) == ("silver", "gold", 99_000)
    [told] = program.said("GET", "/loyalty/programmes")["items"]
    assert [each["key"] for each in told["tiers"]] == ["silver", "gold"]
    assert told == program.said("GET", f"/loyalty/programmes/{club.pk}")
    assert program.refused("GET", f"/loyalty/programmes/{NOBODY}") == (404, "not_found")


def test_a_campaign_says_for_whom_it_is_and_what_it_gave(ana: Program, club: Programme) -> None:
    at = datetime(2026, 1, 3, tzinfo=UTC)
    rule = {"title": "Gold", "then": {"points": 7}, "audience": {"list": True, "held_out": 0}}
    actions.publish_rules(programme=club, documents={"gold": rule}, at=at)
    [told] = ana.said("GET", f"/loyalty/programmes/{club.pk}/campaigns")["items"]
    assert (told["key"], told["state"], told["audience"]["is_listed"]) == ("gold", "running", True)
    actions.list_in(programme=club, key="gold", lines=["C-1"], at=at)
    ana.said("POST", "/purchases", {**SALE, "key": "T-9"}, status=201)
    assert ana.said("POST", "/loyalty/earn", {"key": "T-9"}, status=201)["points"] == 17
    found = ana.said("GET", f"/loyalty/programmes/{club.pk}/campaigns/gold")
    assert told.items() <= found.items()
    assert [found[name] for name in ("members", "held_out", "reached", "points", "lift")] == [1, 0, 1, 7, None]
    assert found["why_no_lift"] == "no_hold_out"
    for path in (f"{club.pk}/campaigns/base", f"{NOBODY}/campaigns", f"{NOBODY}/campaigns/gold"):
        assert ana.refused("GET", f"/loyalty/programmes/{path}") == (404, "not_found")


def test_history_says_why_each_point_came(ana: Program) -> None:
    ana.said("POST", "/loyalty/holds", {"key": "o1", "member": CARD, "points": 4}, status=201)
    pk = ana.said("GET", "/loyalty/members/by-card/C-1")["id"]
    found = read_through(ana, f"/loyalty/members/{pk}/history", limit=1)
    assert [(each["kind"], each["points"]) for each in found] == [("hold", -4), ("grant", 10)]
    assert found[1]["purchase"] == {"key": "T-1", "source": "api"}
    assert found[1]["why"]["rules"] == [{"rule": "base", "version": 1, "points": 10, "base": 1000}]
    assert found[1]["why"]["passed_over"] == {"bread": "condition"}


# -- asking beforehand -------------------------------------------------------------------------------------------------


def test_a_quote_is_what_the_purchase_then_earns(ana: Program) -> None:
    bread = {"amount": 1000, "lines": [{"sku": "BREAD", "amount": 800}, {"category": "tax", "amount": 200}]}
    quoted = ana.said("POST", "/loyalty/quote", {**bread, "member": CARD, "points": 10})
    assert (quoted["points"], quoted["available"], quoted["is_affordable"]) == (13, 10, True)
    assert {each["rule"]: each["points"] for each in quoted["rules"]} == {"base": 8, "bread": 5}
    sale = {**SALE, **bread, "key": "T-2", "at": datetime.now(UTC).isoformat()}
    ana.said("POST", "/purchases", sale, status=201)
    assert ana.said("POST", "/loyalty/earn", {"key": "T-2"}, status=201)["points"] == 13
    # The limit of the month is told too: of eight points five are gone.
    again = ana.said("POST", "/loyalty/quote", {**bread, "member": CARD, "points": 24})
    assert (again["points"], again["is_affordable"]) == (11, False)
    stranger = ana.said("POST", "/loyalty/quote", {**bread, "paid_with_points": 400})
    assert (stranger["points"], stranger["available"]) == (9, None)
    assert ana.refused("POST", "/loyalty/quote", {**bread, "member": {"card_number": "x"}}) == (422, "invalid")
    assert ana.refused("POST", "/loyalty/quote", {**bread, "amount": 999}) == (422, "invalid")
    assert Entry.objects.count() == 2


# -- spending ----------------------------------------------------------------------------------------------------------


def test_points_are_set_aside_spent_in_part_and_given_back(ana: Program) -> None:
    held = {"key": "o1", "member": CARD, "points": 8}
    assert ana.said("POST", "/loyalty/holds", held, status=201)["available"] == 2
    assert ana.said("POST", "/loyalty/holds", {**held, "member": {"customer": ANA}})["result"] == "unchanged"
    assert ana.refused("POST", "/loyalty/holds", {**held, "points": 7}) == (409, "conflict")
    assert ana.refused("POST", "/loyalty/holds", {**held, "key": "o2"}) == (409, "points_refused")
    assert balance(ana)["held"] == 8
    assert ana.refused("POST", "/loyalty/captures", {"key": "o1", "points": 9}) == (409, "points_refused")
    spent = ana.said("POST", "/loyalty/captures", {"key": "o1", "points": 6}, status=201)
    assert (spent["points"], spent["available"]) == (6, 4)
    assert ana.said("POST", "/loyalty/captures", {"key": "o1", "points": 6})["result"] == "unchanged"
    assert ana.refused("POST", "/loyalty/captures", {"key": "o1", "points": 5}) == (409, "conflict")
    assert ana.refused("POST", "/loyalty/releases", {"key": "o1"}) == (409, "points_refused")
    back = {"key": "b1", "hold_key": "o1", "points": 5}
    assert ana.said("POST", "/loyalty/restores", back, status=201)["available"] == 9
    assert ana.said("POST", "/loyalty/restores", back)["result"] == "unchanged"
    assert ana.refused("POST", "/loyalty/restores", {**back, "key": "b2"}) == (409, "points_refused")
    for path, body in (
        ("captures", {"key": "x"}),
        ("releases", {"key": "x"}),
        ("restores", {**back, "hold_key": "x", "key": "b3"}),
    ):
        assert ana.refused("POST", f"/loyalty/{path}", body) == (422, "invalid")
    assert agrees()


def test_what_is_released_can_be_spent_again(ana: Program) -> None:
    items = [{"key": f"o{n}", "member": CARD, "points": 4} for n in range(3)]
    items.append({"key": "o9", "member": {"id": NOBODY}, "points": 1})
    answer = ana.said("POST", "/loyalty/holds/bulk", {"items": items})
    assert results(answer) == ["created", "created", "rejected", "rejected"]
    assert [error["code"] for each in answer["results"] for error in each["errors"]] == ["insufficient", "no_member"]
    freed = ana.said("POST", "/loyalty/releases/bulk", {"items": [{"key": "o0"}, {"key": "o0"}, {"key": "o2"}]})
    assert results(freed) == ["created", "unchanged", "rejected"]
    assert ana.refused("POST", "/loyalty/captures", {"key": "o0"}) == (409, "points_refused")
    spent = ana.said("POST", "/loyalty/captures/bulk", {"items": [{"key": "o1"}, {"key": "o0"}, {}]})
    assert results(spent) == ["created", "rejected", "rejected"]
    assert (balance(ana)["available"], balance(ana)["held"]) == (6, 0)
    back = {"items": [{"key": "b1", "hold_key": "o1"}, {"key": "b1", "hold_key": "o1"}]}
    assert results(ana.said("POST", "/loyalty/restores/bulk", back)) == ["created", "unchanged"]
    assert balance(ana)["available"] == 10
    assert agrees()


def test_a_request_that_is_said_again_moves_points_once(ana: Program) -> None:
    held = {"key": "o1", "member": CARD, "points": 3}
    first = ana("POST", "/loyalty/holds", held, HTTP_IDEMPOTENCY_KEY="till-1")
    again = ana("POST", "/loyalty/holds", held, HTTP_IDEMPOTENCY_KEY="till-1")
    assert (first.status_code, again.content) == (201, first.content)
    assert again["Idempotency-Replayed"] == "true"
    assert (
        ana.refused("POST", "/loyalty/holds", {**held, "points": 4}, HTTP_IDEMPOTENCY_KEY="till-1")[1] == "key_reused"
    )
    assert balance(ana)["held"] == 3


def test_of_several_programmes_the_one_that_is_meant_is_named(ana: Program) -> None:
    found = business()
    assert found
    at = datetime(2025, 1, 1, tzinfo=UTC)
    other = actions.create_programme(business=found, name="Other", at=at, starts_at=at)
    assert ana.refused("POST", "/loyalty/members", JOIN) == (422, "invalid")
    assert ana.refused("GET", "/loyalty/members/by-card/C-1") == (422, "invalid")
    first = Programme.objects.exclude(pk=other.pk).get()
    answer = ana.said(
        "POST", "/loyalty/members/bulk", {"items": [{**JOIN, "programme_id": each.pk} for each in (first, other)]}
    )
    assert results(answer) == ["unchanged", "created"]
    # A member of one is nobody in the other.
    held = {"key": "o1", "member": {"id": answer["results"][0]["id"]}, "points": 1, "programme_id": other.pk}
    assert ana.refused("POST", "/loyalty/holds", held) == (422, "invalid")
    assert ana.said("GET", f"/loyalty/members/by-card/C-1?programme_id={first.pk}")["balance"]["available"] == 10


def test_where_there_is_no_programme_nothing_is_found(program: Program) -> None:
    assert program.said("GET", "/loyalty/programmes")["items"] == []
    assert program.refused("POST", "/loyalty/members", JOIN) == (422, "invalid")
    assert not Customer.objects.exists()
