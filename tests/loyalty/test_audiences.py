"""A campaign for some: who is in its audience earns, who is held out or outside does not, wherever it is asked."""

import re
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from querencia.customers import actions as customers
from querencia.customers.models import Score, ScoreCell
from querencia.loyalty import actions, expiry
from querencia.loyalty.backtest import CannotTell, backtest
from querencia.loyalty.earning import Facts, Line, read
from querencia.loyalty.earning.audience import is_drawn_out
from querencia.loyalty.models import AudienceMember, Entry, Member, Programme
from querencia.loyalty.queries import trial
from querencia.loyalty.queries.campaigns import campaign
from querencia.loyalty.queries.lift import Figures, figures
from querencia.loyalty.queries.quoting import quote
from tests.loyalty import shop
from tests.loyalty.shop import AT
from tests.web.test_pages import somebody, text

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
BASKET = Facts(AT, (Line(0, 10_000),))


def rule(**audience: Any) -> dict[str, Any]:
    return {"title": "Back again", "then": {"points": 1, "per": 100}, "audience": audience}


def publish(programme: Programme, *, at: Any = AT - DAY, **documents: dict[str, Any]) -> None:
    actions.publish_rules(programme=programme, documents=documents, at=at)


def scored(who: Member, *, segment: str = "at_risk", abc: str = "A", stage: str = "late") -> None:
    cell, _made = ScoreCell.objects.get_or_create(
        abc=abc, segment=segment, stage=stage, risk="low", branch="", channel="",
        defaults={"customers": 0, "amount_year": 0, "at_stake": 0},
    )  # fmt: skip
    known = dict.fromkeys(("purchases", "amount", "amount_year", "value_year", "silent_days", "horizon_days"), 1)
    days = dict.fromkeys(("as_of", "first_on", "last_on"), AT.date())
    Score.objects.update_or_create(customer_id=who.customer_id, defaults={"cell": cell, **known, **days})


def why(who: Member) -> dict[str, str]:
    return Entry.objects.filter(member=who, kind="grant").latest("pk").detail.get("passed_over", {})


def told(programme: Programme, key: str, *, at: Any = AT + DAY) -> Figures:
    found = campaign(programme, key, at=at)
    assert found
    return figures(programme, found, at=at)


def test_who_is_in_earns_who_is_not_does_not_and_everything_says_the_same(programme: Programme) -> None:
    ana, bruno, carla = (shop.member(programme, name) for name in ("ana", "bruno", "carla"))
    scored(ana)
    scored(bruno, abc="C")
    publish(programme, back=rule(segments=["at_risk"], classes=["A", "B"], stages=["late", "left"], held_out=0))
    scored(ana, segment="champions", stage="active")  # what moves later changes nothing
    scored(carla)
    first = shop.earns(ana, 10_000)
    assert shop.has(ana).available == 200
    for other in (bruno, carla):
        shop.earns(other, 10_000)
        assert shop.has(other).available == 100
        assert why(other) == {"back": "audience"}
    assert [quote(programme, BASKET, member=who, at=AT).points for who in (ana, bruno, None)] == [200, 100, 100]
    promise = trial.in_force(programme, at=AT)
    assert actions.refresh_audience(programme=programme, key="back", at=AT + DAY) == 1
    tried = trial.trial(programme, promise, promise, months=1, end=(AT + DAY).date())
    assert tried.after.by_rule == {"base": 300, "back": 200}  # as if carla, who came in, had been in all the time
    late = shop.buys(carla, 5_000, at=AT)
    actions.earn(programme=programme, purchases=[late.pk], at=AT + 2 * DAY)
    assert shop.has(carla, at=AT + 2 * DAY).available == 150  # a purchase is judged by who was in at its moment
    shop.earns(carla, 1_000, at=AT + 2 * DAY)
    assert shop.has(carla, at=AT + 2 * DAY).available == 170
    assert shop.gives_back(ana, first, 5_000) == 100  # refunds judge by what was known then
    assert told(programme, "back", at=AT + 3 * DAY).why == "no_hold_out"
    assert shop.is_right(programme)


def test_until_it_begins_an_audience_is_drawn_anew_and_then_it_is_frozen(programme: Programme) -> None:
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    scored(ana)
    planned = {**rule(segments=["at_risk"], held_out=0), "from": AT.date().isoformat()}
    publish(programme, at=AT - 5 * DAY, back=planned, grows={**rule(stages=["late"], grows=True, held_out=0)})
    scored(ana, segment="loyal")
    scored(bruno)
    drawn = actions.keep_audiences(programme=programme, at=AT - 4 * DAY)
    assert drawn == {"back": 1, "grows": 1}
    names = ("audience__rule", "customer_id")
    members = list(AudienceMember.objects.order_by(*names).values_list(*names))
    assert members == [("back", bruno.customer_id), ("grows", ana.customer_id), ("grows", bruno.customer_id)]
    scored(ana)
    assert actions.keep_audiences(programme=programme, at=AT + DAY) == {"grows": 0}
    # The worker asks every hour: once a day it is done.
    hours = [AT + 2 * DAY + timedelta(hours=hour) for hour in range(48)]
    done = [at for at in hours if actions.keep_audiences(programme=programme, at=at)]
    assert [at.astimezone(ZoneInfo(programme.time_zone)).hour for at in done[1:]] == [23, 23]
    with pytest.raises(ValidationError, match="keeps its audience"):
        publish(programme, at=AT + DAY, back={**planned, "audience": {"segments": ["loyal"]}})
    with pytest.raises(ValidationError, match="no tier is called gold"):
        publish(programme, at=AT + DAY, other=rule(tiers=["gold"]))


def test_a_person_is_held_out_once_whichever_of_their_records_buys(programme: Programme) -> None:
    people = [shop.member(programme, f"m{number}") for number in range(40)]
    publish(programme, every=rule(held_out=25))
    out = [who for who in people if is_drawn_out(programme.pk, "every", who.customer_id, 25)]
    inside = [who for who in people if who not in out]
    assert 3 <= len(out) <= 20
    assert is_drawn_out(programme.pk, "every", out[0].customer_id, 50)  # whoever is held out of less is of more
    one = out[0] if out[0].pk < inside[-1].pk else inside[0]
    other = max(out + inside, key=lambda who: (((one in out) != (who in out)), who.pk))
    customers.merge(pairs=[(one.customer_id, other.customer_id)], staff=None, at=AT)
    for who in (one, other):
        assert quote(programme, BASKET, member=who, at=AT).points == (100 if one in out else 200)
    for who in people:
        shop.earns(who, 10_000)
    gave = 0 if one in out else 2
    treated = sum(who in inside for who in people if who not in (one, other))
    assert told(programme, "every").points == 100 * (treated + gave)
    found = told(programme, "every")
    assert (found.members, found.held_out) == (39, len(out) - (other in out))
    assert found.reached == treated + gave // 2
    assert found.why == "few"
    assert why(out[-1] if out[-1] is not other else out[-2]) == {"every": "held_out"}


def test_the_lift_is_the_difference_between_the_arms(programme: Programme) -> None:
    people = [shop.member(programme, f"m{number}") for number in range(420)]
    publish(programme, every=rule(held_out=40))
    out = [who for who in people if is_drawn_out(programme.pk, "every", who.customer_id, 40)]
    inside = [who for who in people if who not in out]
    buyers = [*inside[: len(inside) // 2], *out[: len(out) // 10]]
    for who in buyers:
        shop.buys(who, 1_000)
    shop.buys(inside[-1], 9_999, at=AT - 30 * DAY)  # before it began
    shop.buys(buyers[0], -400, refund_of="unknown")
    found = told(programme, "every")
    lift = found.lift
    assert lift
    share = len(inside) // 2 / len(inside), len(out) // 10 / len(out)
    assert (lift.share.treated, lift.share.held_out) == pytest.approx(share)
    assert lift.share.low < share[0] - share[1] < lift.share.high
    assert lift.share.is_sure
    assert lift.spend.treated == pytest.approx((1_000 * (len(inside) // 2) - 400) / len(inside))
    assert lift.spend.low > 0


def test_tiers_lists_and_tables_have_audiences_too(programme: Programme) -> None:
    ana, bruno, left = (shop.member(programme, name) for name in ("ana", "bruno", "left"))
    actions.publish_tiers(
        programme=programme,
        document={"metric": "spend", "tiers": [{"key": "low", "reach": 0}, {"key": "gold", "reach": 5_000}]},
        at=AT - 9 * DAY,
    )
    shop.buys(ana, 6_000, at=AT - 5 * DAY)
    actions.judge_tiers(programme=programme, at=AT - 4 * DAY)
    actions.leave(members=[left], at=AT - 2 * DAY)
    publish(programme, gold=rule(tiers=["gold"], held_out=0), chosen=rule(list=True, held_out=0))
    lines = [f" {bruno.customer.key} ", bruno.card_number, "nobody", left.customer.key, ""]
    done = actions.list_in(programme=programme, key="chosen", lines=lines, at=AT - DAY)
    assert (done.added, done.known, list(done.unknown)) == (1, 0, ["nobody", left.customer.key])
    assert actions.list_in(programme=programme, key="chosen", lines=lines[:1], at=AT).known == 1
    with pytest.raises(LookupError):
        actions.list_in(programme=programme, key="gold", lines=lines, at=AT)
    shop.earns(ana, 1_000)
    shop.earns(bruno, 1_000)
    assert (why(ana), why(bruno)) == ({"chosen": "audience"}, {"gold": "audience"})
    rows = {"member": [1, 2], "local": [date(2026, 3, 2)] * 2, "amount": [1_000, 1_000]}
    asked = {"policy": expiry.Policy(), "cost_per_thousand": 0, "as_of": date(2026, 3, 3), "zone": "UTC"}
    rules = [read(rule(tiers=["gold"]), key="gold")]
    with pytest.raises(CannotTell, match="does not say for whom"):
        backtest(pl.DataFrame(rows), rules, **asked)
    found = backtest(pl.DataFrame({**rows, "campaigns": ["other gold", None]}), rules, **asked)
    assert found.members.to_dicts() == [{"member": 1, "points": 10, "left": 10}]


@pytest.mark.parametrize(
    "wrong", [5, {"segments": ["rich"]}, {"held_out": 60}, {"list": True, "tiers": ["a"]}, {"x": 1}]
)
def test_what_is_no_audience_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="audience"):
        read({**rule(), "audience": wrong}, key="back")


def test_the_pages_make_a_campaign_fill_its_list_and_say_what_it_brings(programme: Programme, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    manager: Client = somebody("manager")
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    scored(ana)
    shop.buys(ana, 2_000, at=timezone.now() - 60 * DAY)
    path = f"/loyalty/{programme.pk}/rules/"
    assert 'name="for_stages" value="late"' in text(manager.get(f"{path}?from=come-back"))
    told = {"title": "Back", "points": 5, "every": "purchase", "round": "down", "for_stages": ["late", "left"]}
    told |= {"for_grows": "on", "held_out": "0"}
    review = text(manager.post(path, told))
    assert "for members who are: Late or Left" in review
    assert "it would have given 5 points more" in review
    seal = re.search(r'name="sure" value="(\w+)"', review)
    assert seal
    manager.post(path, {**told, "sure": seal[1]})
    assert list(AudienceMember.objects.values_list("customer_id", flat=True)) == [ana.customer_id]
    page = text(manager.get(f"/loyalty/{programme.pk}/campaigns/back/"))
    assert "Nobody has earned by it yet." in page
    assert "No hold-out, so no lift can be told" in page
    assert "keeps its audience" in text(manager.get(f"{path}back/"))
    scored(bruno)
    manager.post(f"/loyalty/{programme.pk}/campaigns/back/refresh/")
    assert AudienceMember.objects.count() == 2
    publish(programme, at=timezone.now(), chosen=rule(list=True))
    here = f"/loyalty/{programme.pk}/campaigns/chosen/"
    assert "Nobody is on it yet" in text(manager.get(here))
    file = SimpleUploadedFile("list.csv", f"clave;nombre\n{ana.customer.key};Ana\nwho;Nobody\n".encode())
    answer = text(manager.post(f"{here}list/", {"lines": bruno.card_number, "file": file}, follow=True))
    assert "2 members came in." in answer
    assert "1 line names nobody who is a member: who" in answer
    assert "Too few to tell." in answer
    assert "Name one member at least." in text(manager.post(f"{here}list/", {}, follow=True))
    assert manager.post(f"/loyalty/{programme.pk}/campaigns/back/list/", {"lines": "x"}).status_code == 404
