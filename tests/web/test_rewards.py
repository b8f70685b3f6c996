"""Rewards on the pages: offered by a form and changed by versions, codes out of a file, handed over at the counter, and
taken by members themselves."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from querencia.business import actions as business
from querencia.common.time import now
from querencia.customers.models import Event
from querencia.loyalty import actions
from querencia.loyalty.models import Member, Programme, Redemption, Reward, RewardVersion, Voucher
from tests.loyalty import shop
from tests.web.test_club import Letters, ana, let_in, letters, phone, text  # noqa: F401
from tests.web.test_pages import somebody

pytestmark = pytest.mark.django_db
FORM = {
    "name_es": "Cinco menos",
    "name_en": "Five off",
    "kind": "amount",
    "points": "100",
    "amount": "5",
    "cost": "2.50",
    "codes": "own",
    "valid_days": "30",
    "protect_days": "0",
    "per": "ever",
}


@pytest.fixture
def programme() -> Programme:
    business.set_business(name="La Tienda", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    business.add_staff(email="first@example.org", password="una llave larga y propia", name="Ana", role="owner")
    return shop.programme(expiry_count=6, expiry_rounding="month")


@pytest.fixture
def manager(settings: Any) -> Client:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return somebody("manager")


def offers(programme: Programme, **more: dict[str, Any]) -> None:
    actions.publish_rewards(programme=programme, documents=more, at=shop.AT)


def test_a_reward_is_offered_changed_and_taken_off_the_shelf(manager: Client, programme: Programme) -> None:
    home = f"/loyalty/{programme.pk}"
    assert "nothing to have" in text(manager.get(f"{home}/rewards/"))
    bad = text(
        manager.post(f"{home}/reward/", FORM | {"name_es": "", "name_en": "", "amount": "", "codes": "imported"})
    )
    assert "Name it in one language" in bad
    assert "Say what it is worth" in bad
    assert manager.post(f"{home}/reward/", FORM)["Location"] == f"{home}/rewards/five-off/"
    page = f"{home}/rewards/five-off/"
    manager.post(page, FORM | {"points": "80", "limit": "1", "per": "month"})
    manager.post(page, FORM | {"points": "80", "limit": "1", "per": "month"})
    assert [each.document["points"] for each in RewardVersion.objects.order_by("version")] == [100, 80]
    manager.post(f"{page}stock/", {"left": "7", "was": ""})
    assert "meanwhile" in text(manager.post(f"{page}stock/", {"left": "9", "was": "8"}, follow=True))
    listed = text(manager.get(f"{home}/rewards/"))
    assert all(said in listed for said in ("Five off", "€5.00 off", "80 points", "7 left", "1 for each member a month"))
    manager.post(f"{page}end/", {"do": "end"})
    assert "not offered" in text(manager.get(f"{home}/rewards/"))
    manager.post(f"{page}end/", {"do": "back"})
    assert RewardVersion.objects.latest("version").document["points"] == 80


def test_codes_come_out_of_a_file_and_every_line_that_does_not_is_named(
    manager: Client,
    programme: Programme,
) -> None:
    for codes in ("imported", "shared"):
        manager.post(f"/loyalty/{programme.pk}/reward/", FORM | {"codes": codes, "name_en": codes, "kind": "voucher"})
    page = f"/loyalty/{programme.pk}/rewards/imported/"

    def bring(content: bytes) -> str:
        file = SimpleUploadedFile("codes.csv", content, "text/csv")
        return text(manager.post(f"{page}codes/", {"file": file}, follow=True))

    manager.post(f"/loyalty/{programme.pk}/rewards/shared/share/", {"code": "VERANO", "uses_max": "5"})
    found = bring("Código;nota\nA-1;uno\n\n---;\nverano;\nA 2\n".encode())
    assert "2 codes were brought in." in found
    assert re.findall(r'<td class="num">(\d+)</td><td class="break">([^<]+)<', found) == [("4", "---"), ("5", "verano")]
    assert "0 codes were brought in. 2 were here already." in bring(b"A1\nA2\n")
    assert "UTF-8" in bring(b"\xff\xfe\x00")
    assert "2 codes are left" in text(manager.get(page))
    assert sorted(Voucher.objects.values_list("written", flat=True)) == ["A 2", "A-1", "VERANO"]


def test_a_reward_is_redeemed_at_the_counter_and_who_did_it_is_written_down(
    ana: Member,  # noqa: F811
    programme: Programme,
    manager: Client,
) -> None:
    agent = somebody("agent")
    offers(programme, mug={"kind": "prize", "name": {"en": "A mug"}, "points": 50})
    own = f"/customers/{ana.customer_id}/"
    page = text(agent.get(own))
    assert "A mug: 50 points" in page
    found = re.search(r'name="key" value="([^"]+)"><div class="field"><label for="reward', page.replace("\n    ", ""))
    assert found
    given = {"programme": programme.pk, "reward": Reward.objects.get().pk, "key": found[1]}
    for _ in "ab":
        said = text(agent.post(f"{own}redeem/", given, follow=True))
        assert "Redeemed: A mug." in said
    row = Redemption.objects.get()
    assert row.made_by
    assert row.made_by.name == "Agent"
    [event] = Event.objects.filter(kind="reward.redeemed")
    assert event.properties["staff"] == row.made_by_id
    waits = text(agent.get("/handing-over/"))
    assert row.voucher
    assert row.voucher.written in waits
    agent.post(f"/handing-over/{row.pk}/", {"do": "confirm"})
    assert "was used or handed over" in text(agent.post(f"/handing-over/{row.pk}/", {"do": "cancel"}, follow=True))
    assert "Nothing waits" in text(agent.get("/handing-over/"))
    agent.post(f"{own}redeem/", given | {"key": "another-key-of-the-page"})
    again = Redemption.objects.latest("pk")
    assert "Cancelled: points" in text(manager.post(f"/handing-over/{again.pk}/", {"do": "cancel"}, follow=True))
    assert shop.is_right(programme)


def test_a_member_takes_what_they_can_have_after_saying_yes_and_is_shown_the_code(
    ana: Member,  # noqa: F811
    programme: Programme,
    phone: Client,  # noqa: F811
    letters: Letters,  # noqa: F811
) -> None:
    offers(
        programme,
        off={"kind": "voucher", "name": {"en": "Five off", "pt": "Cinco a menos"}, "points": 100, "amount": 500},
        trip={"kind": "experience", "name": {"en": "A trip"}, "points": 203},
        pay={"kind": "pay", "name": {"en": "Pay"}, "points": 1, "amount": 10},
        gold={"kind": "prize", "name": {"en": "For others"}, "points": 1, "classes": ["A"]},
    )
    page = let_in(phone, letters)
    assert "Five off" in page
    assert "80 points to go" in page
    assert "For others" not in page
    pk = Reward.objects.get(key="off").pk
    asked = text(phone.get(f"/club/rewards/{pk}/"))
    assert "It costs 100 points. 23 are left then." in asked
    assert not Redemption.objects.exists(), "looking takes nothing"
    key = re.search(r'name="key" value="([^"]+)"', asked)
    assert key
    shown = [phone.post(f"/club/rewards/{pk}/", {"key": key[1]}) for _ in "ab"]
    row = Redemption.objects.get()
    assert {each["Location"] for each in shown} == {f"/club/mine/{row.pk}/"}
    mine = text(phone.get(f"/club/mine/{row.pk}/"))
    assert row.voucher
    assert row.voucher.written in mine
    assert "<svg" in mine
    assert row.voucher.written in text(phone.get("/club/"))
    actions.use(programme=programme, uses=[actions.NewUse(row.voucher.code, "T-1", 180)], at=now())
    assert "€3.20 left · can be used whenever you like" in text(phone.get(f"/club/mine/{row.pk}/"))
    assert "not enough points" in text(phone.post(f"/club/rewards/{pk}/", {"key": "another"}))
    pay = Reward.objects.get(key="pay").pk
    phone.post(f"/club/rewards/{pay}/", {"key": "third", "points": "20"})
    assert shop.has(ana, at=row.made_at).held == 20
    assert phone.get(f"/club/rewards/{Reward.objects.get(key='gold').pk}/").status_code == 404
    stranger = Client()
    for path in (f"/club/mine/{row.pk}/", f"/club/rewards/{pk}/"):
        assert stranger.get(path)["Location"] == "/club/"
    other = shop.member(programme, "other")
    session = phone.session
    session["club_inside"] = {**session["club_inside"], "customer": other.customer_id}
    session.save()
    assert phone.get(f"/club/mine/{row.pk}/")["Location"] == "/club/"
