# ruff: noqa: F401, F811  (a fixture of the tests of points)
"""Friends over REST: a code, by whose somebody came, and how far they have come."""

import pytest

from querencia.common.time import now
from querencia.loyalty import actions
from querencia.loyalty.models import Programme
from tests.api.conftest import Program
from tests.api.test_rest import NOBODY, results
from tests.api.test_rest_loyalty import JOIN, club

pytestmark = pytest.mark.django_db
TERMS = {"advocate_points": 100, "friend_points": 50, "return_days": 14, "cap": {"friends": 2, "per": "ever"}}


def friend(key: str) -> dict[str, object]:
    return {"customer": {"kind": "customer_key", "value": key}}


def test_a_code_is_shared_claimed_once_and_followed(program: Program, club: Programme) -> None:
    ana = program.said("POST", "/loyalty/members", JOIN, status=201)["id"]
    assert program.refused("POST", "/loyalty/referral-codes", {"member": {"id": NOBODY}}) == (422, "invalid")
    shared = program.said("POST", "/loyalty/referral-codes", {"member": {"id": ana}})
    assert program.said("POST", "/loyalty/referral-codes", {"member": {"id": ana}}) == shared
    assert shared["link"].endswith(f"/club/join/?r={shared['code']}")
    ids = [program.said("POST", "/loyalty/members", friend(f"F-{n}"), status=201)["id"] for n in range(4)]
    claim = {"member": {"id": ids[0]}, "code": shared["code"].upper()}
    assert program.refused("POST", "/loyalty/referrals", claim) == (409, "conflict")  # it is worth nothing yet
    actions.publish_referral_terms(programme=club, document=TERMS, at=now())
    assert program.said("POST", "/loyalty/referrals", claim, status=201)["id"] == ids[0]
    assert program.said("POST", "/loyalty/referrals", claim)["result"] == "unchanged"
    items = [{**claim, "member": {"id": pk}} for pk in [*ids, ana]]
    told = program.said("POST", "/loyalty/referrals/bulk", {"items": items})
    assert results(told) == ["unchanged", "created", "rejected", "rejected", "rejected"]
    assert [each["errors"][0]["code"] for each in told["results"][2:]] == ["cap", "cap", "same_person"]
    page = program.said("GET", f"/loyalty/members/{ana}/referrals?limit=1")
    [latest] = page["items"]
    assert (latest["friend_id"], latest["state"], latest["is_waiting"], latest["due_at"]) == (
        ids[1], "claimed", False, None,
    )  # fmt: skip
    assert page["next_cursor"]
    sale = {
        "key": "T-9",
        "customer": friend("F-1")["customer"],
        "at": now().isoformat(),
        "amount": 500,
        "currency": "EUR",
    }
    program.said("POST", "/purchases", sale, status=201)
    actions.settle_referrals(programme=club, at=now())
    found = program.said("GET", f"/loyalty/referrals/{latest['id']}")
    assert (found["state"], found["advocate_id"], found["advocate_points"]) == ("on_hold", ana, 0)
    for path in (f"/loyalty/referrals/{NOBODY}", f"/loyalty/members/{NOBODY}/referrals"):
        assert program.refused("GET", path) == (404, "not_found")
