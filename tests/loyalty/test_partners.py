"""What partners pay for and take in ties to their account in the ledger, and is settled once a month, for good."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querencia.customers.actions.purchases import NewLine
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Agreement, Close, Entry, Partner, Programme, Statement
from querencia.loyalty.queries import partners as reading
from tests.loyalty import shop

pytestmark = pytest.mark.django_db
MARCH, APRIL, MAY = (date(2026, month, 1) for month in (3, 4, 5))
RULES: dict[str, Any] = {
    "base": {"then": {"points": 1, "per": 100}},
    "coffee": {"then": {"points": 2, "per": 100}, "lines": "category == 'coffee'", "partner": "cafe"},
    "visit": {"then": {"points": 10}, "partner": "metro"},
}


def on(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 10, tzinfo=UTC)


@pytest.fixture
def cafe(programme: Programme) -> Partner:
    """It pays 12.00 for a thousand points, and gets 9.00 for a thousand that it takes in."""
    found = actions.create_partner(programme=programme, name="Café", key="cafe", at=shop.AT)
    terms = {"funds_per_thousand": 1_200, "takes_per_thousand": 900}
    actions.agree(partner=found, starts_on=MARCH, at=shop.AT, **terms)
    metro = actions.create_partner(programme=programme, name="Metro", at=shop.AT)
    actions.agree(partner=metro, starts_on=MARCH, ends_on=APRIL, at=shop.AT, funds_per_thousand=1, takes_per_thousand=0)
    actions.publish_rules(programme=programme, documents=RULES, at=shop.AT, in_force_from=on(3, 1))
    return found


def coffee(amount: int) -> list[NewLine]:
    return [NewLine(amount, sku="C", category="coffee")]


def test_a_month_with_partners_is_settled_once_and_ties_to_the_ledger(programme: Programme, cafe: Partner) -> None:
    ana = shop.member(programme)
    bought = shop.earns(ana, 10_000, at=on(3, 3), lines=coffee(10_000))  # 100 of ours, 200 of the café, 10 of the metro
    assert shop.has(ana, at=on(3, 3)).available == 310
    assert [each.points for each in queries.history(ana)] == [310]
    shop.gives_back(ana, bought, 2_500, at=on(3, 4), lines=coffee(-2_500))  # 25 and 50
    actions.give(programme=programme, gifts=[actions.Gift(ana.pk, "w", 1_000, "welcome", cafe)], at=on(3, 5))
    held = actions.NewHold(ana.pk, "o", 300)
    actions.hold(programme=programme, holds=[held], at=on(3, 6))
    actions.capture(programme=programme, captures=[actions.Capture("o", partner=cafe)], at=on(3, 6))
    actions.restore(programme=programme, restores=[actions.NewRestore("o", "r", 20)], at=on(3, 7))
    assert [each.result for each in actions.settle(programme=programme, month=MARCH, at=on(4, 1))] == ["not_closed"] * 2
    actions.close(programme=programme, months=[MARCH], at=on(4, 1))
    clerk = shop.staff("ines")
    first, second = actions.settle(programme=programme, month=MARCH, at=on(4, 1), staff=clerk)
    assert (first.result, second.result) == ("created", "created")
    assert first.row
    assert second.row
    said = first.row.document
    assert {name: said[name] for name in ("opening", "granted", "taken_back", "redeemed", "restored", "closing")} == {
        "opening": 0, "granted": 1_200, "taken_back": 50, "redeemed": 300, "restored": 20, "closing": 1_150 - 280
    }  # fmt: skip
    assert (said["funded"], said["taken"], said["due"]) == (1_380, 252, 1_128)
    assert (first.row.number, second.row.number, second.row.document["granted"]) == (1, 2, 10)
    account = sum(Entry.objects.filter(partner=cafe).values_list("partner_points", flat=True))
    assert account == -said["closing"]
    again = actions.settle(programme=programme, month=MARCH, at=on(4, 8))
    assert [(each.result, each.row) for each in again] == [("unchanged", first.row), ("unchanged", second.row)]
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Statement.objects.update(document={})
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Agreement.objects.update(funds_per_thousand=1)
    health = Close.objects.get().document["own"]
    assert (health["earned"], health["given"]) == (100, 0)
    assert shop.is_right(programme)


def test_what_is_agreed_changes_from_a_month_on_and_never_backwards(programme: Programme, cafe: Partner) -> None:
    ana = shop.member(programme)
    for month in (3, 4):
        shop.earns(ana, 10_000, at=on(month, 3), lines=coffee(10_000))
    dearer = {"funds_per_thousand": 2_000, "takes_per_thousand": 900}
    actions.agree(partner=cafe, starts_on=APRIL, at=on(3, 9), **dearer)
    actions.agree(partner=cafe, starts_on=APRIL, at=on(3, 9), **dearer)
    assert [each.version for each in reading.agreements(cafe)] == [2, 1]
    actions.close(programme=programme, months=[MARCH, APRIL], at=on(5, 1))
    assert [each.month for each in reading.unsettled(programme)] == [MARCH, APRIL]
    march = actions.settle(programme=programme, month=MARCH, at=on(5, 1))[0].row
    april, metro = actions.settle(programme=programme, month=APRIL, at=on(5, 1))
    assert march
    assert april.row
    assert (march.document["due"], april.row.document["due"]) == (240, 400)
    assert (april.row.document["opening"], april.row.document["closing"]) == (200, 400)
    assert metro.result == "no_agreement"  # it ended
    with pytest.raises(ValidationError):
        actions.agree(partner=cafe, starts_on=APRIL, at=on(5, 2), funds_per_thousand=1, takes_per_thousand=1)
    with pytest.raises(ValidationError):
        actions.agree(partner=cafe, starts_on=date(2026, 6, 2), at=on(5, 2), funds_per_thousand=1, takes_per_thousand=1)
    with pytest.raises(ValidationError, match="no partner"):
        actions.publish_rules(
            programme=programme, documents={"x": {"then": {"points": 1}, "partner": "nobody"}}, at=shop.AT
        )


def test_the_journal_books_partners_apart(programme: Programme, cafe: Partner) -> None:
    shop.change(programme, cost_per_thousand=10_000)
    ana = shop.member(programme)
    actions.give(programme=programme, gifts=[actions.Gift(ana.pk, "w", 1_000, "welcome", cafe)], at=on(3, 5))
    shop.spends(ana, 250, "o", at=on(3, 6))
    actions.close(programme=programme, months=[MARCH], at=on(4, 1))
    lines = Close.objects.get().document["journal"]["lines"]
    told = [(each["what"], each["partner"], each["debit"], each["credit"], each["points"]) for each in lines]
    assert told == [
        ("funded", "Café", 1_200, 0, 1_000),
        ("funded", "Café", 0, 1_200, 1_000),
        ("used", "Café", 300, 0, 250),
        ("used", "Café", 0, 300, 250),
    ]


@settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 400)), min_size=1, max_size=8))
def test_however_goods_are_given_back_partners_pay_for_what_their_rules_still_give(
    business: None, orders: list[tuple[int, int, int]]
) -> None:
    with transaction.atomic():
        club = shop.programme(deficit="stop")
        cafe = actions.create_partner(programme=club, name="Café", key="cafe", at=shop.AT)
        actions.create_partner(programme=club, name="Metro", at=shop.AT)
        actions.publish_rules(programme=club, documents=RULES, at=shop.AT, in_force_from=on(3, 1))
        ana = shop.member(club)
        owed = 0
        for number, (amount, back, spent) in enumerate(orders):
            bought = shop.earns(ana, amount * 1_000, at=on(3, 3), lines=coffee(amount * 1_000))
            left, parts = amount * 1_000, min(back, amount)
            for _part in range(parts):
                shop.gives_back(ana, bought, 1_000, at=on(3, 4), lines=coffee(-1_000))
                left -= 1_000
            owed += 2 * left // 100
            if spent and shop.has(ana, at=on(3, 5)).available >= spent:
                shop.spends(ana, spent, f"o{number}", at=on(3, 5))
        account = -sum(Entry.objects.filter(partner=cafe).values_list("partner_points", flat=True))
        everything = -sum(Entry.objects.filter(programme=club).values_list("issued", flat=True))
        assert account >= owed  # more only where members had spent what was to be taken back
        taken = Entry.objects.filter(programme=club, key__startswith="refund:", partner=None)
        if all(each.detail["asked"] == each.clawed_back for each in taken):
            assert account == owed
        assert everything >= 0
        assert shop.is_right(club)
        transaction.set_rollback(True)
