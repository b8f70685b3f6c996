"""The programme in the cockpit: set up from a template, changed by versions, its figures from the books, and
corrections that need two people."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from querencia.business import actions as business
from querencia.common.time import now
from querencia.customers.models import Customer
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Adjustment, Entry, Programme, RuleVersion, TierScheme
from tests.loyalty import shop
from tests.web.visiting import PASSWORD, somebody, text

pytestmark = pytest.mark.django_db

POLICY = {
    "name": "Club Ana",
    "pending_days": "14",
    "expiry_count": "12",
    "expiry_unit": "month",
    "expiry_rounding": "year",
    "deficit": "owe",
    "deficit_max": "50",
    "adjust_max": "100",
    "cost_per_thousand": "12.50",
}
RULE = {"title": "Every purchase", "points": "2", "every": "money", "per": "1.50", "round": "nearest"}
TIERS = {
    "metric": "spend",
    "months": "12",
    "grace_days": "30",
    "down": "one_step",
    "name_1": "Bronce",
    "reach_1": "0",
    "name_2": "Plata",
    "reach_2": "300",
    "keep_2": "200.50",
}


@pytest.fixture(autouse=True)
def shop_of_ana(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    business.set_business(name="Ferretería Ana", currency="EUR", time_zone="Europe/Madrid", language="en", country="ES")
    business.add_staff(email="first@example.org", password=PASSWORD, name="Ana", role="owner")


@pytest.fixture
def manager() -> Client:
    return somebody("manager")


@pytest.fixture
def agent() -> Client:
    return somebody("agent")


@pytest.fixture
def programme() -> Programme:
    """It has run for a year."""
    return shop.programme(adjust_max=100, cost_per_thousand=1_000)


def named(prefix: str, given: dict[str, str]) -> dict[str, str]:
    return {f"{prefix}-{name}": value for name, value in given.items()}


# -- setting up --------------------------------------------------------------------------------------------------------


def test_without_a_programme_the_page_says_what_it_needs(manager: Client) -> None:
    page = text(manager.get("/loyalty/"))
    assert "What it needs" in page
    assert 'href="/loyalty/new/"' in page
    assert "A manager or the owner sets it up" in text(somebody("analyst").get("/loyalty/"))


@pytest.mark.parametrize("template", ["money", "visits", "tiers", "miles"])
def test_a_template_is_filled_in_so_that_it_can_be_taken_as_it_is(template: str, manager: Client) -> None:
    page = text(manager.get(f"/loyalty/new/?from={template}"))
    given = {
        name: value
        for name, value in re.findall(r'<input [^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', page)
        if name != "csrfmiddlewaretoken" and 'type="checkbox"' not in name
    }
    boxes = set(re.findall(r'<input type="checkbox" name="([^"]+)"', page))
    given = {name: value for name, value in given.items() if name not in boxes}
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        given[name] = chosen[1] if chosen else ""
    answer = manager.post(f"/loyalty/new/?from={template}", given)
    assert answer.status_code == 302, re.findall(r"errorlist.*?</ul>", text(answer), re.DOTALL)
    [made] = queries.programmes()
    assert (made.name, made.starts_at) == ("Miles" if template == "miles" else "Club", None)
    has_tiers = template in ("tiers", "miles")
    assert RuleVersion.objects.count() == (2 if has_tiers else 1)
    assert TierScheme.objects.count() == has_tiers
    assert "It does not run yet" in text(manager.get(answer["Location"]))


def test_what_is_typed_is_what_the_programme_promises(manager: Client) -> None:
    given = {**POLICY, **named("rule", RULE), **named("tiers", TIERS)}
    answer = manager.post("/loyalty/new/?from=tiers", given)
    assert answer.status_code == 302
    [made] = queries.programmes()
    assert (made.currency, made.time_zone, made.expiry_rounding) == ("EUR", "Europe/Madrid", "year")
    assert (made.cost_per_thousand, made.deficit_max, made.adjust_max) == (1_250, 50, 100)
    rule = RuleVersion.objects.get(key="every-purchase")
    assert rule.document == {"title": "Every purchase", "then": {"points": 2, "per": 150}, "round": "nearest"}
    assert rule.published_by is not None
    tiers = TierScheme.objects.get().document["tiers"]
    assert tiers == [
        {"key": "bronce", "name": "Bronce", "reach": 0},
        {"key": "plata", "name": "Plata", "reach": 30_000, "keep": 20_050},
    ]


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("name", "", "required"),
        ("pending_days", "-1", "greater than or equal to 0"),
        ("rule-per", "", "Say for how much money"),
        ("rule-points", "0", "greater than or equal to 1"),
        ("rule-more", "amount ><", "Failed to parse"),
        ("tiers-name_2", "Bronce", ""),
        ("tiers-reach_2", "0", "cannot take more than to reach it"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_and_nothing_is_made(
    part: str, value: str, said: str, manager: Client
) -> None:
    given = {**POLICY, **named("rule", RULE), **named("tiers", TIERS), part: value}
    answer = manager.post("/loyalty/new/?from=tiers", given)
    if part == "tiers-name_2":  # two tiers may have one name: their keys differ
        assert answer.status_code == 302
        return
    assert answer.status_code == 200
    assert said in unescape(text(answer)).split("errorlist")[1]
    assert queries.programmes() == []


def test_a_programme_is_begun_and_stopped_by_a_button(manager: Client) -> None:
    manager.post("/loyalty/new/?from=money", {**POLICY, **named("rule", RULE)})
    [made] = queries.programmes()
    assert queries.running(at=now()) == []
    manager.post(f"/loyalty/{made.pk}/run/", {"do": "start"})
    assert queries.running(at=now()) == [made]
    began = Programme.objects.get().starts_at
    manager.post(f"/loyalty/{made.pk}/run/", {"do": "stop"})
    assert queries.running(at=now()) == []
    assert "Start it again" in text(manager.get("/loyalty/"))
    manager.post(f"/loyalty/{made.pk}/run/", {"do": "start"})
    assert queries.running(at=now()) == [made]
    assert Programme.objects.get().starts_at == began


def sure(client: Client, path: str, given: dict[str, Any], **changed: Any) -> Any:
    """Look at what it changes, and want it: what was looked at, or something else."""
    page = text(client.post(path, given))
    [seal] = re.findall(r'name="sure" value="(\w+)"', page)
    return client.post(path, {**given, **changed, "sure": seal})


# -- changing ----------------------------------------------------------------------------------------------------------


def test_a_rule_is_changed_by_a_version_after_one_saw_what_it_touches(manager: Client, programme: Programme) -> None:
    shop.member(programme)
    path = f"/loyalty/{programme.pk}/rules/base/"
    given = {**RULE, "amount_min": "20", "weekdays": ["2", "1"]}
    page = text(manager.post(path, given))
    assert "what 1 member buys from now on" in page
    assert "amount &gt;= 2000 &amp;&amp; weekday in [1, 2]" in page
    assert "on Monday and Tuesday" in page
    assert RuleVersion.objects.count() == 1
    assert sure(manager, path, given).status_code == 302
    old, new = RuleVersion.objects.order_by("version")
    assert old.document == shop.BASE["base"]
    assert new.document["if"] == "amount >= 2000 && weekday in [1, 2]"
    assert "nothing would change" in text(manager.post(path, given))
    assert RuleVersion.objects.count() == 2
    assert "Version 2" in text(manager.get(path))


def test_a_rule_is_tried_on_what_was_bought_and_counts_only_as_it_was_tried(
    manager: Client, programme: Programme
) -> None:
    ana, bruno = shop.member(programme), shop.member(programme, "bruno")
    shop.buys(ana, 30_000, at=now() - timedelta(days=40))
    shop.buys(bruno, 1_000, at=now() - timedelta(days=500))
    path = f"/loyalty/{programme.pk}/rules/base/"
    page = text(manager.post(path, RULE))
    assert "In the last 12 months it would have given 100 points more, 400 points in all: €1.00 more." in page
    assert page.count('class="figure"><svg') == 2
    assert re.search(r"Every purchase</th><td class=\"num\">300</td><td class=\"num\">400<", page)
    assert "it would have given 103 points more, 413 points in all" in text(
        manager.post(path, {**RULE, "months": "24"})
    )
    for changed in ({"points": "3"}, {"weekdays": ["1"]}):
        page = text(sure(manager, path, RULE, **changed))
        assert "changed after it had been tried" in page
    actions.publish_rules(programme=programme, documents={"gift": {"then": {"points": 1}}}, at=now())
    before = text(manager.post(path, RULE))
    [seal] = re.findall(r'name="sure" value="(\w+)"', before)
    actions.publish_rules(programme=programme, documents={"gift": {}}, at=now())
    assert "something else was published meanwhile" in text(manager.post(path, {**RULE, "sure": seal}))
    assert not RuleVersion.objects.filter(key="base", version=2).exists()
    assert sure(manager, path, RULE).status_code == 302
    assert RuleVersion.objects.get(key="base", version=2).document["then"] == {"points": 2, "per": 150}


def test_a_programme_is_tried_before_it_is_begun(manager: Client) -> None:
    manager.post("/loyalty/new/?from=money", {**POLICY, **named("rule", RULE)})
    [made] = queries.programmes()
    empty = text(manager.get(f"/loyalty/{made.pk}/trial/"))
    assert "nothing was bought" in empty
    shop.buys(shop.customer(), 3_000, at=now() - timedelta(days=3))
    page = text(manager.get(f"/loyalty/{made.pk}/trial/"))
    assert "it would have given 40 points, at a cost of €0.50" in page
    assert "There are no members yet: they are those of 1 customer," in page
    assert "Start the programme" in page


def test_what_the_form_does_not_show_of_a_rule_stays(manager: Client, programme: Programme) -> None:
    own = {"if": "channel == 'web' || hour < 9", "lines": "category == 'tea'", "group": "g", "stacking": "best"}
    document = {"title": "Tea", "then": {"points": 3}, "priority": 5, **own}
    actions.publish_rules(programme=programme, documents={"tea": document}, at=now())
    page = text(manager.get(f"/loyalty/{programme.pk}/rules/tea/"))
    assert "channel == &#x27;web&#x27; || hour &lt; 9" in page
    given = {"title": "Tea", "points": "4", "every": "purchase", "round": "down", "more": own["if"]}
    sure(manager, f"/loyalty/{programme.pk}/rules/tea/", given)
    assert RuleVersion.objects.order_by("pk").last().document == {**document, "then": {"points": 4}}  # type: ignore[union-attr]


def test_a_condition_that_is_none_is_refused_with_its_reason(manager: Client, programme: Programme) -> None:
    for more in ("amount ><", "price > 3", "amount + 1"):
        page = text(manager.post(f"/loyalty/{programme.pk}/rules/", {**RULE, "more": more}))
        assert "errorlist" in page, more
    assert RuleVersion.objects.count() == 1


def test_a_rule_ends_and_gives_nothing_more(manager: Client, programme: Programme) -> None:
    manager.post(f"/loyalty/{programme.pk}/rules/base/end/")
    ana = shop.member(programme)
    bought = shop.buys(ana, 1_000, at=now())
    [done] = actions.earn(programme=programme, purchases=[bought.pk], at=now())
    assert done.points == 0
    assert "No rule is in force" in text(manager.get("/loyalty/"))
    assert manager.get(f"/loyalty/{programme.pk}/rules/base/").status_code == 200


def test_a_changed_promise_touches_new_points_only(manager: Client, programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 1_000, at=now())
    assert manager.post(f"/loyalty/{programme.pk}/policy/", POLICY).status_code == 302
    [before] = ana.lots.all()
    assert before.expires_at is None
    shop.earns(ana, 1_000, at=now())
    assert ana.lots.exclude(pk=before.pk).get().expires_at is not None


def test_new_tiers_are_a_version_and_judge_nobody(manager: Client, programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 40_000, at=now())
    page = text(manager.post(f"/loyalty/{programme.pk}/tiers/", TIERS))
    assert TierScheme.objects.count() == 0
    assert "1 would stand higher, 0 lower" in page
    assert sure(manager, f"/loyalty/{programme.pk}/tiers/", TIERS).status_code == 302
    assert queries.balances([ana.pk], at=now())[ana.pk].available == 400
    page = text(manager.get("/loyalty/"))
    assert re.search(r"in none</th><td class=\"num\">1</td><td class=\"num\">400<", page)
    actions.judge_tiers(programme=programme, at=now())
    page = text(manager.get("/loyalty/"))
    assert re.search(r"Plata</th><td class=\"num\">1</td><td class=\"num\">400<", page)


# -- figures -----------------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_books(manager: Client, programme: Programme) -> None:
    at = now()
    ana, bruno, carla = (shop.member(programme, name) for name in ("ana", "bruno", "carla"))
    first = shop.earns(ana, 10_000, at=at)
    shop.earns(bruno, 5_000, at=at)
    shop.spends(ana, 30, "k1", at=at)
    shop.gives_back(ana, first, 1_000, at=at)
    actions.leave(members=[carla], at=at)
    page = text(manager.get("/loyalty/"))
    assert "2 members" in page
    assert re.search(r">110</p><small>110 usable, 0 pending, 0 set aside", page)
    assert "€1.10" in page
    assert "150 were earned, 30 spent, and 0 expired" in page
    assert re.search(
        r'<td class="num">150</td><td class="num">30</td><td class="num">0</td><td class="num">10</td>', page
    )


def test_the_page_asks_as_much_of_the_database_however_many_members_there_are(
    manager: Client, programme: Programme, django_assert_max_num_queries: Any
) -> None:
    for n in range(12):
        shop.earns(shop.member(programme, f"m{n}"), 1_000, at=now())
    with django_assert_max_num_queries(40):
        manager.get("/loyalty/")


# -- a customer's points -----------------------------------------------------------------------------------------------


def test_a_customer_is_made_a_member_and_their_points_are_explained(agent: Client, programme: Programme) -> None:
    ana = shop.customer("ana")
    page = text(agent.get(f"/customers/{ana.pk}/"))
    assert "Not a member" in page
    agent.post(f"/customers/{ana.pk}/enrol/", {"programme": programme.pk})
    [member] = queries.members_of(programme, [ana.pk])[ana.pk]
    shop.change(programme, expiry_count=1, expiry_unit="month")
    shop.earns(member, 12_345, at=now())
    page = text(agent.get(f"/customers/{ana.pk}/"))
    assert re.search(r"123 points, until \w+ \d+, \d{4}", page)
    assert "Purchase of €123.45" in page
    assert "base: 123 points" in page
    assert "+123" in page
    agent.post(f"/customers/{ana.pk}/leave/", {"programme": programme.pk})
    assert "They come back" in text(agent.get(f"/customers/{ana.pk}/"))


def test_what_was_set_aside_and_captured_is_called_spent(agent: Client, programme: Programme) -> None:
    ana = shop.member(programme)
    shop.earns(ana, 10_000, at=now())
    shop.spends(ana, 30, "k1", at=now())
    actions.hold(programme=programme, holds=[actions.NewHold(ana.pk, "k2", 20)], at=now())
    moves = text(agent.get(f"/customers/{ana.customer_id}/")).split('class="time moves"')[1]
    told = [re.sub(r"<[^>]+>|\s", "", each) for each in re.findall(r"<div><div>(.*?)</strong>", moves, re.DOTALL)]
    assert told == ["Setasideforanorder−20", "Spent−30", "Purchaseof€100.00base:100points+100"]


def test_a_small_correction_is_done_at_once_and_once(agent: Client, programme: Programme) -> None:
    ana = shop.member(programme)
    given = {"programme": programme.pk, "points": "40", "reason": "A late delivery", "key": "k" * 22}
    for _again in range(2):
        agent.post(f"/customers/{ana.customer_id}/points/", given)
    assert shop.has(ana, at=now()).available == 40
    assert "A late delivery" in text(agent.get(f"/customers/{ana.customer_id}/"))
    answer = agent.post(
        f"/customers/{ana.customer_id}/points/", {**given, "key": "n" * 22, "points": "-41"}, follow=True
    )
    assert "They have fewer points than that" in text(answer)
    assert shop.has(ana, at=now()).available == 40


@pytest.mark.parametrize("wrong", [{"reason": ""}, {"points": "0"}, {"points": "x"}, {"key": "short"}, {"reason": " "}])
def test_a_correction_needs_a_number_and_a_reason(wrong: dict[str, str], agent: Client, programme: Programme) -> None:
    ana = shop.member(programme)
    given = {"programme": programme.pk, "points": "40", "reason": "why", "key": "k" * 22, **wrong}
    answer = agent.post(f"/customers/{ana.customer_id}/points/", given, follow=True)
    assert "Nothing was changed" in text(answer)
    assert Entry.objects.count() == Adjustment.objects.count() == 0


def test_a_large_correction_waits_for_a_second_person(agent: Client, manager: Client, programme: Programme) -> None:
    ana = shop.member(programme)
    given = {"programme": programme.pk, "points": "500", "reason": "Broken vase", "key": "k" * 22}
    manager.post(f"/customers/{ana.customer_id}/points/", given)
    row = Adjustment.objects.get()
    assert shop.has(ana, at=now()).available == 0
    assert "wait for a second person" in text(manager.get(f"/customers/{ana.customer_id}/"))
    path = f"/loyalty/waiting/{row.pk}/"
    assert "Yours: somebody else decides" in text(manager.get("/loyalty/waiting/"))
    assert "You asked for it yourself" in text(manager.post(path, {"do": "approve"}, follow=True))
    assert "Only a manager or the owner can agree" in text(agent.post(path, {"do": "approve"}, follow=True))
    agent.post(path, {"do": "refuse"})
    assert (shop.has(ana, at=now()).available, Adjustment.objects.get().state) == (0, "waiting")
    owner = somebody("owner")
    assert "Agree" in text(owner.get("/loyalty/waiting/"))
    for _again in range(2):
        owner.post(path, {"do": "approve"})
    assert shop.has(ana, at=now()).available == 500
    assert Adjustment.objects.get().decided_by.email == "owner@example.org"  # type: ignore[union-attr]


def test_what_waits_is_refused_by_another_or_taken_back_by_whoever_asked(
    agent: Client, manager: Client, programme: Programme
) -> None:
    ana = shop.member(programme)
    for key in ("a", "b"):
        given = {"programme": programme.pk, "points": "500", "reason": "Broken vase", "key": key * 22}
        agent.post(f"/customers/{ana.customer_id}/points/", given)
    first, second = Adjustment.objects.order_by("pk")
    agent.post(f"/loyalty/waiting/{first.pk}/", {"do": "refuse"})
    manager.post(f"/loyalty/waiting/{second.pk}/", {"do": "refuse"})
    first, second = Adjustment.objects.order_by("pk")
    assert (first.state, first.decided_by) == ("refused", None)
    assert (second.state, second.decided_by.role) == ("refused", "manager")  # type: ignore[union-attr]
    assert shop.has(ana, at=now()).available == 0


def test_whoever_is_erased_has_no_card_on_their_page(manager: Client, programme: Programme) -> None:
    ana = shop.member(programme)
    Customer.objects.filter(pk=ana.customer_id).update(erased_at=now() - timedelta(days=1))
    assert "Club" not in text(manager.get(f"/customers/{ana.customer_id}/"))
    given = {"programme": programme.pk, "points": "40", "reason": "why", "key": "k" * 22}
    assert manager.post(f"/customers/{ana.customer_id}/points/", given).status_code == 404


def test_figures_of_two_programmes_are_apart(manager: Client, programme: Programme) -> None:
    other = shop.programme()
    shop.earns(shop.member(other), 1_000, at=now())
    assert "has no members yet" in text(manager.get(f"/loyalty/?of={programme.pk}"))
    assert ">10</p>" in text(manager.get(f"/loyalty/?of={other.pk}"))
    assert manager.get("/loyalty/?of=nonsense").status_code == 200
