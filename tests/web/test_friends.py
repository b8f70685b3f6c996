# ruff: noqa: F401, F811  (fixtures of the club's own tests)
"""Friends on the pages: what it is worth is said by a form, a link is shared at the club, whoever joins by it is
written down, and what is suspicious is looked at in the cockpit."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from querencia.business import actions as business
from querencia.common.time import now
from querencia.customers.models import Customer
from querencia.loyalty import actions
from querencia.loyalty.models import Member, Programme, Referral, ReferralTerms
from tests.loyalty import shop
from tests.web.test_club import ANA, Letters, ana, let_in, letters, phone, programme, text
from tests.web.visiting import somebody

pytestmark = pytest.mark.django_db
FORM = {"advocate_points": "100", "friend_points": "50", "order_min": "20.00", "return_days": "14", "buy_days": "90",
        "cap": "10", "per": "year", "starts_on": "", "ends_on": ""}  # fmt: skip


@pytest.fixture(autouse=True)
def in_english(settings: Any, programme: Programme) -> None:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_from_the_form_over_the_link_to_the_reward(
    ana: Member,
    phone: Client,
    letters: Letters,
    programme: Programme,
) -> None:
    manager, page = somebody("manager"), f"/loyalty/{programme.pk}/friends/"
    assert "whom your members bring" in text(manager.get(page))
    assert "at least" in text(manager.post(f"{page}terms/", FORM | {"advocate_points": "0", "friend_points": "0"}))
    assert manager.post(f"{page}terms/", FORM)["Location"] == page
    assert "You get 100 points, your friend gets 50 points." in text(manager.get(page))
    assert ReferralTerms.objects.get().document["order_min"] == 2_000

    assert "Get my link" in let_in(phone, letters)
    phone.post("/club/share/", {"programme": programme.pk})
    shown = text(phone.get("/club/"))
    code = re.search(r"/club/join/\?r=(\w+)", shown)
    assert code
    assert "Send by WhatsApp" in shown

    friend = Client(headers={"accept-language": "en"})
    assert "your first purchase of €20.00 or more brings you 50 points" in text(friend.get(f"/club/join/?r={code[1]}"))
    given = {"given_name": "Bea", "email": "bea@example.org", "r": code[1], "shows_name": "on"}
    friend.post("/club/join/", given)
    friend.post("/club/code/", {"code": letters.code()})
    assert "Your points for it are on their way" in text(friend.get("/club/"))
    bea = Member.objects.get(customer__given_name="Bea")
    bought = shop.buys(bea, 2_500, at=now() + timedelta(minutes=30))
    due = now() + timedelta(days=16)
    actions.settle_referrals(programme=programme, purchases=[bought.pk], at=now())
    shown = text(phone.get("/club/"))
    assert "<strong>Bea</strong>" in shown
    assert "Has bought. Your points come after" in shown
    assert "bea@example.org" not in shown
    actions.settle_referrals(programme=programme, at=due)
    assert "Brought you 100 points." in text(phone.get("/club/"))
    assert "For coming by a friend" in text(friend.get("/club/"))
    assert "1 friend came by a member. 1 of them bought." in text(manager.get(page))


def test_an_old_customer_who_joins_by_a_link_is_in_and_told_why_it_does_not_count(
    ana: Member,
    letters: Letters,
    programme: Programme,
) -> None:
    actions.publish_referral_terms(programme=programme, document={"friend_points": 5}, at=now())
    code = actions.share(members=[ana], at=now())[ana.pk].code
    old = Customer.objects.get(pk=ana.customer_id)
    visitor = Client(headers={"accept-language": "en"})
    visitor.post("/club/join/", {"given_name": "", "email": ANA, "r": code})
    visitor.post("/club/code/", {"code": letters.code()})
    assert "Both are the same person." in text(visitor.get("/club/"))
    assert "Both are the same person." not in text(visitor.get("/club/"))
    assert Member.objects.get().customer == old


def test_an_agent_writes_a_code_down_and_a_manager_looks_at_what_is_suspicious(
    ana: Member,
    programme: Programme,
) -> None:
    agent, manager, page = somebody("agent"), somebody("manager"), f"/loyalty/{programme.pk}/friends/"
    actions.publish_referral_terms(programme=programme, document={"advocate_points": 5}, at=now())
    agent.post(f"/customers/{ana.customer_id}/share/", {"programme": programme.pk})
    code = actions.share(members=[ana], at=now())[ana.pk].code
    assert code in text(agent.get(f"/customers/{ana.customer_id}/"))
    [twin] = actions.enrol(programme=programme, members=[actions.NewMember(shop.customer("twin").pk)], at=now())
    twin.customer.contact_points.create(kind="email", value="anasouza@example.org")
    customer = f"/customers/{twin.customer_id}/"
    wrong = agent.post(f"{customer}friend/", {"programme": programme.pk, "code": "x"}, follow=True)
    assert "Nobody has this code" in text(wrong)
    agent.post(f"{customer}friend/", {"programme": programme.pk, "code": code})
    row = Referral.objects.get()
    assert (row.via, row.review) == ("till", "waiting")
    assert "Came by" in text(agent.get(customer))
    assert "1 waits for somebody to look." in text(manager.get(page))
    assert "but for dots" in text(manager.get(page))
    assert agent.post(f"/loyalty/friends/{row.pk}/", {"do": "approve"}).status_code == 403
    manager.post(f"/loyalty/friends/{row.pk}/", {"do": "refuse", "remark": " "})
    assert Referral.objects.get().review == "waiting"
    manager.post(f"/loyalty/friends/{row.pk}/", {"do": "refuse", "remark": "Her own address"})
    row.refresh_from_db()
    assert (row.state, row.why, row.remark) == ("rejected", "review", "Her own address")
    assert "Her own address" in text(manager.get(page))
    assert "Somebody decided it meanwhile." in text(
        manager.post(f"/loyalty/friends/{row.pk}/", {"do": "approve"}, follow=True)
    )


def test_gestures_are_said_by_forms_and_counted(ana: Member, programme: Programme) -> None:
    manager, page = somebody("manager"), f"/loyalty/{programme.pk}/gestures/"
    assert "Not made." in text(manager.get(page))
    thanks = {"points": "7", "valid_days": "30", "member_days": "0", "month": "10", "nth": "", "weekday": "", "day": ""}
    assert "Say which day." in text(manager.post(f"{page}appreciation/", thanks))
    assert manager.post(f"{page}appreciation/", thanks | {"nth": "1", "weekday": "6"})["Location"] == page
    shown = text(manager.get(page))
    assert "7 points, valid for 30 days" in shown
    assert "on the first Saturday of October" in shown
    manager.post(f"{page}welcome/", {"points": "20", "valid_days": "0"})
    actions.welcome(programme=programme, member_ids=[ana.pk], at=now())
    assert "<em>1 gift</em> within a year" in text(manager.get(page))
    assert "Welcome" in text(manager.get(f"/customers/{ana.customer_id}/"))
    terms = {"kind": "prize", "name": {"en": "A mug"}, "points": 80}
    actions.publish_rewards(programme=programme, documents={"mug": terms}, at=now())
    assert "Say how many." in text(manager.post(f"{page}birthday/", {"member_days": "0"}))
    assert manager.post(f"{page}birthday/", {"reward": "mug", "points": "5", "member_days": "0"})["Location"] == page
    assert "<strong>A mug</strong>" in text(manager.get(page))
    manager.post(f"{page}birthday/", {"do": "end"})
    manager.post(f"{page}welcome/", {"do": "end"})
    assert text(manager.get(page)).count("Not made.") == 3
    assert manager.get(f"{page}nothing/").status_code == 404
    assert somebody("analyst").get(f"{page}welcome/").status_code == 403
