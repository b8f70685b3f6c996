"""Rules and tiers tried on what was bought say what live earning did, to the point; drawn by lot, within
the interval."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from querencia.customers.actions.purchases import NewLine
from querencia.flows import points
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Entry, Member, Programme
from querencia.loyalty.queries import health, trial
from querencia.loyalty.replay import Promise
from tests.loyalty import shop

BEGAN = datetime(2026, 3, 1, 10, tzinfo=UTC)
END = date(2026, 6, 30)
RULES: dict[str, Any] = {
    "base": {"then": {"points": 1, "per": 100}, "round": "nearest"},
    "tea": {"then": {"points": 3, "per": 200}, "lines": "category == 'tea'", "group": "g", "stacking": "best"},
    "web": {"then": {"points": 9}, "if": "'a' in skus && hour < 12", "group": "g", "stacking": "best"},
    "party": {"then": {"points": 50}, "if": "is_birth_month", "cap": {"points": 70, "per": "month"}},
    "gold": {"then": {"points": 1, "per": 100}, "if": "tier == 'gold'"},
}
TIERS = {
    "metric": "spend",
    "months": 1,
    "grace_days": 5,
    "tiers": [{"key": "silver", "reach": 4_000}, {"key": "gold", "reach": 12_000, "keep": 9_000}],
}


@pytest.fixture
def programme(business: None) -> Programme:
    made = shop.programme(RULES, expiry_count=2, expiry_rounding="month", cost_per_thousand=700)
    actions.publish_tiers(programme=made, document=TIERS, at=BEGAN - timedelta(days=60))
    return made


def bought(programme: Programme, chance: random.Random, *, people: int, purchases: int) -> None:
    """Four months, lived day by day: each purchase earns as it is made, some are given back, every night judges."""
    members = [shop.member(programme, birthday=date(1980, month, 5)) for month in range(1, people + 1)]
    moments = sorted(BEGAN + timedelta(minutes=chance.randrange(120 * 24 * 60)) for _ in range(purchases))
    day = BEGAN.date()
    for at in moments:
        while day < at.date():
            day += timedelta(days=1)
            actions.judge_tiers(programme=programme, at=datetime(day.year, day.month, day.day, 4, tzinfo=UTC))
        who = chance.choice(members)
        parts = [chance.randrange(50, 6_000) for _ in range(chance.randrange(1, 4))]
        lines = [NewLine(part, chance.choice("abc"), category=chance.choice(["tea", "tax", ""])) for part in parts]
        made = shop.buys(who, sum(parts), at=at, lines=lines)
        points.earn(programme=programme, purchases=[made.pk], at=at)
        if who is members[6] and chance.random() < 0.5:  # in a month without a limit
            shop.gives_back(who, made, sum(parts) // 2, at=at + timedelta(minutes=1))
    actions.judge_tiers(programme=programme, at=datetime(2026, 6, 30, 20, tzinfo=UTC))


def test_a_trial_of_the_rules_in_force_says_what_they_gave(programme: Programme) -> None:
    bought(programme, random.Random(5), people=7, purchases=70)
    at = datetime(2026, 6, 30, 22, tzinfo=UTC)
    promise = trial.in_force(programme, at=at)
    found = trial.trial(programme, Promise(()), promise, months=12, end=END)
    moved = Entry.objects.filter(kind__in=["grant", "claw_back"])
    given = sum(-entry.issued - entry.clawed_back for entry in moved)
    assert found.after.points.value == sum(found.after.by_rule.values()) == given > 0
    assert set(found.after.by_rule) == set(RULES)
    has = queries.balances(Member.objects.values_list("pk", flat=True), at=at)
    assert found.after.owed.value == sum(each.available for each in has.values())
    standing = {each.key: each.members for each in health.by_tier(programme, at=at) if each.key and each.members}
    assert found.after.by_tier == standing
    assert (found.before.points.value, found.tried, found.is_drawn) == (0, 7, False)
    assert found.winners == 7
    assert found.after.cost.value == pytest.approx(given * 0.7)
    # Of the last three months, what was bought in them: tiers and limits remember what came before.
    late = {e.pk: -e.issued for e in moved if e.kind == "grant" and e.at >= datetime(2026, 3, 31, 22, tzinfo=UTC)}
    late_back = sum(entry.clawed_back for entry in moved if entry.corrects_id in late)
    quarter = trial.trial(programme, promise, promise, months=3, end=END)
    assert quarter.before.points.value == quarter.after.points.value == sum(late.values()) - late_back
    assert quarter.more.value == 0


def test_customers_are_tried_as_if_they_were_members_where_nobody_is(programme: Programme) -> None:
    shop.buys(shop.customer(), 2_000, at=datetime(2026, 6, 1, tzinfo=UTC))
    after = trial.in_force(programme, at=shop.AT)
    found = trial.trial(programme, Promise(()), after, months=12, end=END)
    assert (found.are_members, found.everybody, found.purchases, found.after.points.value) == (False, 1, 1, 20)


def test_a_campaign_of_days_to_come_is_tried_on_those_of_a_year_before(programme: Programme) -> None:
    who = shop.member(programme)
    shop.buys(who, 1_000, at=datetime(2025, 12, 24, 12, tzinfo=UTC))
    shop.buys(who, 1_000, at=datetime(2026, 1, 7, 12, tzinfo=UTC))
    before = trial.in_force(programme, at=shop.AT)
    document = {"then": {"points": 100}, "from": "2027-12-01", "until": "2028-01-01"}
    found = trial.trial(programme, before, trial.with_rule(before, "xmas", document), months=12, end=END)
    assert (found.more.value, found.winners, found.gain) == (100, 1, 100)


def test_of_many_some_are_drawn_and_the_truth_lies_within_the_interval(
    programme: Programme, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    for _ in range(60):
        who = shop.member(programme)
        shop.buys(who, chance.randrange(1_000, 3_000), at=datetime(2026, 6, 1, 20, tzinfo=UTC))
    before = trial.in_force(programme, at=shop.AT)
    after = trial.with_rule(before, "base", {"then": {"points": 2, "per": 100}})
    whole = trial.trial(programme, before, after, months=12, end=END)
    monkeypatch.setattr(trial, "FEW", 20)
    monkeypatch.setattr(trial, "PURCHASES_MAX", 30)
    some = trial.trial(programme, before, after, months=12, end=END)
    assert (whole.is_drawn, some.is_drawn, some.tried, some.everybody) == (False, True, 30, 60)
    for exact, drawn in ((whole.after.points, some.after.points), (whole.more, some.more)):
        assert exact.low == exact.value == exact.high
        assert drawn.low <= exact.value <= drawn.high
        assert drawn.high - drawn.low < exact.value / 3
    assert some == trial.trial(programme, before, after, months=12, end=END)


def test_the_interval_of_a_total_is_the_published_one() -> None:
    """Cochran (1977), example of section 2.8: 50 of 676 sheets with 1,471 signatures in all, mean square 229."""
    sheets = [14.42] * 25 + [44.42] * 25  # any with that mean and that mean square
    mean = sum(sheets) / 50
    sheets = [29.42 + (value - mean) * (229 * 49 / 50) ** 0.5 / 15 for value in sheets]
    found = trial.total(sheets, 676)
    assert round(found.value) == 19_888
    assert (found.high - found.low) / 2 / 1.96 == pytest.approx(1_393, abs=2)
