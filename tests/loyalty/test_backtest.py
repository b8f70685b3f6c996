"""Rules tried on history say what live earning then does, to the point."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from querencia.loyalty import actions
from querencia.loyalty.backtest import CannotTell, backtest, tiers_on, winners_and_losers
from querencia.loyalty.earning import read
from querencia.loyalty.expiry import Policy
from querencia.loyalty.models import Entry, Programme
from querencia.loyalty.tiers import Scheme, Tier
from tests.loyalty import shop

MADRID = ZoneInfo("Europe/Madrid")
RULES = {
    "base": {"then": {"points": 1, "per": 100}, "round": "nearest"},
    "web": {"then": {"points": 20}, "if": "channel == 'web' && amount >= 2000", "cap": {"points": 50, "per": "month"}},
    "friday": {"then": {"points": 2, "per": 300}, "if": "weekday == 5 || hour < 9", "from": "2026-02-01"},
    "large": {"then": {"points": 30}, "if": "amount >= 5000", "cap": {"points": 25, "per": "purchase"}},
}
AS_OF = datetime(2026, 6, 30, tzinfo=UTC).date()
POLICY = Policy(3, "month", "month")


def test_history_earns_what_live_purchases_earn(programme: Programme) -> None:
    actions.publish_rules(programme=programme, documents=RULES, at=shop.AT - timedelta(days=400))
    shop.change(programme, expiry_count=3, expiry_rounding="month")
    chance = random.Random(7)
    people = [shop.member(programme, f"m{number}") for number in range(5)]
    rows = []
    for _ in range(150):
        who = chance.choice(people)
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(180 * 24 * 60))
        amount, channel = chance.randrange(50, 9_000), chance.choice(["web", "shop", ""])
        bought = shop.buys(who, amount, at=at, channel=channel)
        local = at.astimezone(MADRID).replace(tzinfo=None)
        rows.append({"pk": bought.pk, "member": who.pk, "local": local, "amount": amount, "channel": channel})
    end = datetime(2026, 6, 30, 22, tzinfo=UTC)
    actions.earn(programme=programme, purchases=[row["pk"] for row in rows], at=end)
    table = pl.DataFrame(rows).drop("pk")
    rules = [read(document, key=key) for key, document in RULES.items()]
    told = backtest(table, rules, policy=POLICY, cost_per_thousand=700, as_of=AS_OF, zone="Europe/Madrid")
    granted = {who.pk: 0 for who in people}
    for entry in Entry.objects.filter(kind="grant"):
        granted[entry.member_id] += entry.active + entry.pending
    assert dict(told.members.select("member", "points").iter_rows()) == granted
    left = dict(told.members.select("member", "left").iter_rows())
    assert left == {who.pk: shop.has(who, at=end).available for who in people}
    assert told.points == sum(granted.values())
    assert told.cost == told.points * 700 // 1_000
    assert told.purchases == 150
    assert set(told.by_rule["rule"]) == set(RULES)


def table() -> pl.DataFrame:
    when = datetime(2026, 5, 4, 12)
    return pl.DataFrame({"member": [1, 1, 2], "local": [when] * 3, "amount": [1_000, 2_000, 500]})


def tried(document: dict[str, object]):  # type: ignore[no-untyped-def]
    rule = read(document, key="r")
    return backtest(table(), [rule], policy=POLICY, cost_per_thousand=0, as_of=AS_OF, zone="UTC")


def test_who_wins_and_who_loses_by_other_rules() -> None:
    before, after = tried({"then": {"points": 1, "per": 100}}), tried({"then": {"points": 7}})
    changed = winners_and_losers(before, after)
    assert changed.rows() == [(2, 5, 7, 2), (1, 30, 14, -16)]


def test_how_many_would_stand_in_which_tier() -> None:
    scheme = Scheme("spend", (Tier("silver", 600), Tier("gold", 10_000)))
    assert dict(tiers_on(table(), scheme, as_of=AS_OF).iter_rows()) == {"": 1, "silver": 1}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"then": {"points": 1}, "lines": "sku == 'a'"}, "lines"),
        ({"then": {"points": 1}, "if": "channel == 'web'"}, "no channel"),
        ({"then": {"points": 1}, "stacking": "best", "cap": {"points": 1, "per": "day"}}, "tried live"),
    ],
)
def test_what_the_table_cannot_tell_is_said(document: dict[str, object], said: str) -> None:
    with pytest.raises(CannotTell, match=said):
        tried(document)


def test_an_empty_history_earns_nothing() -> None:
    rule = read({"then": {"points": 1}}, key="r")
    told = backtest(table().clear(), [rule], policy=POLICY, cost_per_thousand=1, as_of=AS_OF, zone="UTC")
    assert (told.points, told.cost, told.owed, told.purchases) == (0, 0, 0, 0)
