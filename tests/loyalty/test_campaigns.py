"""A campaign is a rule with a budget: never overdrawn, whoever races for it; what is given back returns to it."""

import threading
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from django.db import connections, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.loyalty import actions, expiry
from querencia.loyalty.backtest import backtest
from querencia.loyalty.earning import Facts, Line, read
from querencia.loyalty.models import BudgetUse, Entry, Programme
from querencia.loyalty.queries.campaigns import campaigns
from querencia.loyalty.queries.quoting import quote
from tests.loyalty import shop
from tests.loyalty.shop import AT

pytestmark = pytest.mark.django_db
DOUBLE: dict[str, Any] = {"title": "Double", "then": {"points": 1, "per": 100}, "budget": {"points": 250}}


def publish(programme: Programme, **documents: dict[str, Any]) -> None:
    actions.publish_rules(programme=programme, documents=documents, at=AT - timedelta(days=300))


def used(programme: Programme) -> int:
    return sum(BudgetUse.objects.filter(programme=programme).values_list("points", flat=True))


def given_by_rule(programme: Programme) -> int:
    """What the campaign gives by every order as it stands: of its grant, or of the last step that followed it."""
    total = 0
    for entry in Entry.objects.filter(programme=programme, kind="grant"):
        steps = Entry.objects.filter(corrects=entry).order_by("pk")
        last = [each.detail["rules"] for each in steps if "rules" in each.detail]
        told = {each["rule"]: each["points"] for each in entry.detail["rules"]}
        total += (last[-1] if last else told).get("double", 0)
    return total


def test_a_budget_truncates_keeps_both_figures_and_gets_back_what_is_given_back(programme: Programme) -> None:
    publish(programme, double=DOUBLE)
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    first = shop.earns(ana, 20_000)
    shop.earns(bruno, 10_000)
    told = Entry.objects.latest("pk").detail["rules"][1]
    assert (told["points"], told["uncapped"], told["room"]) == (50, 100, 50)
    assert (shop.has(ana).available, shop.has(bruno).available, used(programme)) == (400, 150, 250)
    [one] = campaigns(programme, at=AT)
    assert (one.state, one.used, one.share) == ("exhausted", 250, 1.0)
    basket = Facts(AT, (Line(0, 10_000),))
    assert quote(programme, basket, member=bruno, at=AT).points == 100
    assert shop.gives_back(ana, first, 5_000) == 100
    assert used(programme) == 200
    assert campaigns(programme, at=AT)[0].state == "running"
    assert quote(programme, basket, member=None, at=AT).points == 150
    shop.earns(bruno, 3_000)
    assert used(programme) == 230
    assert shop.is_right(programme)


def test_a_campaign_is_planned_runs_and_ends(programme: Programme) -> None:
    days = {"from": "2026-03-01", "until": "2026-03-08"}
    publish(programme, week={**DOUBLE, **days})
    states = [campaigns(programme, at=AT + timedelta(days=days))[0].state for days in (-5, 0, 5, 6)]
    assert states == ["planned", "running", "running", "ended"]


@pytest.mark.parametrize("wrong", [5, {"points": 0}, {"points": 5, "per": "day"}, {}])
def test_what_is_no_budget_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="budget"):
        read({**DOUBLE, "budget": wrong}, key="double")


def test_a_trial_on_the_past_gives_what_was_given(programme: Programme) -> None:
    documents = {"double": {**DOUBLE, "cap": {"points": 90, "per": "month"}}, "base": shop.BASE["base"]}
    publish(programme, **documents)
    people = [shop.member(programme, f"m{number}") for number in range(3)]
    rows = []
    for number, amount in enumerate((5_000, 7_000, 3_000, 9_900, 8_000, 6_000, 100)):
        who, at = people[number % 3], AT + timedelta(hours=number)
        shop.earns(who, amount, at=at)
        rows.append({"member": who.pk, "local": at.replace(tzinfo=None), "amount": amount})
    told = backtest(
        pl.DataFrame(rows),
        [read(document, key=key) for key, document in documents.items()],
        policy=expiry.Policy(),
        cost_per_thousand=0,
        as_of=AT.date() + timedelta(days=1),
        zone="UTC",
    )
    assert {row["member"]: row["points"] for row in told.members.to_dicts()} == {
        who.pk: shop.has(who, at=AT + timedelta(days=1)).available for who in people
    }
    assert dict(told.by_rule.select("rule", "points").iter_rows())["double"] == used(programme) == 250


@pytest.mark.django_db(transaction=True)
def test_many_who_race_for_a_budget_get_exactly_what_it_holds(programme: Programme) -> None:
    publish(programme, double=DOUBLE)
    people = [shop.member(programme, f"m{number}") for number in range(4)]
    bought = [shop.buys(people[number % 4], 4_000).pk for number in range(12)]  # 480 points for 250
    faults: list[BaseException] = []

    def till(pk: int) -> None:
        try:
            actions.earn(programme=programme, purchases=[pk], at=AT)
        except BaseException as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    tills = [threading.Thread(target=till, args=[pk]) for pk in bought]
    for each in tills:
        each.start()
    for each in tills:
        each.join()
    assert not faults
    assert used(programme) == given_by_rule(programme) == 250
    assert sum(shop.has(who).available for who in people) == 480 + 250
    assert shop.is_right(programme)


@settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 90), st.booleans()), min_size=3, max_size=14))
def test_a_budget_is_never_overdrawn_and_never_drifts(business: None, steps: list[tuple[int, int, bool]]) -> None:
    with transaction.atomic():
        club = shop.programme({**shop.BASE, "double": DOUBLE}, deficit="stop")
        people = [shop.member(club, f"m{number}") for number in range(3)]
        bought: list[Any] = []
        for who, amount, is_back in steps:
            if is_back and bought:
                shop.gives_back(*bought[amount % len(bought)], amount * 50)
            else:
                bought.append((people[who], shop.earns(people[who], amount * 100)))
            assert 0 <= used(club) <= 250
            assert used(club) == given_by_rule(club)
        assert shop.is_right(club)
        transaction.set_rollback(True)


def test_the_page_offers_templates_and_shows_what_is_used(programme: Programme, settings: Any) -> None:
    from tests.web.test_pages import somebody, text

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    publish(programme, double=DOUBLE)
    shop.earns(shop.member(programme), 10_000)
    manager: Client = somebody("manager")
    page = text(manager.get(f"/loyalty/{programme.pk}/campaigns/"))
    assert "campaign</em> runs now." in page
    assert "40%" in page
    form = text(manager.get(f"/loyalty/{programme.pk}/rules/?from=double"))
    assert "Double points week" in form
    assert 'name="budget" value="10000"' in form
