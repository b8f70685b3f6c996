"""Whatever is done to members in whatever order, the books agree, nobody is overdrawn, and nothing is done twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from querencia.customers.actions import merging
from querencia.customers.models import Merge, Purchase
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Entry, Member
from tests.loyalty import shop

RULES = {
    "base": {"then": {"points": 1, "per": 100}, "group": "base"},
    "gold": {"then": {"points": 3, "per": 200}, "if": "tier == 'gold'", "group": "base", "stacking": "sum"},
    "large": {"then": {"points": 40}, "if": "amount >= 5000", "cap": {"points": 60, "per": "month"}},
}
TIERS = {"metric": "spend", "months": 1, "tiers": [{"key": "silver", "reach": 4_000}, {"key": "gold", "reach": 9_000}]}
WHO = st.integers(0, 3)


class Club(RuleBasedStateMachine):
    """Four members, of whom some are one person for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.at = shop.AT
        self.number = 0
        self.bought: list[tuple[int, Purchase]] = []
        self.holds: list[tuple[str, int]] = []

    @initialize(
        pending=st.sampled_from([0, 3]),
        days=st.sampled_from([0, 10]),
        owes=st.sampled_from([("stop", 0), ("owe", 50), ("owe", 10**6)]),
        restored=st.sampled_from([0, 5]),
    )
    def opens(self, pending: int, days: int, owes: tuple[str, int], restored: int) -> None:
        self.club = shop.programme(
            RULES,
            pending_days=pending,
            expiry_count=days,
            expiry_unit="day",
            deficit=owes[0],
            deficit_max=owes[1],
            restored_days_min=restored,
            adjust_max=10**6,
        )
        actions.publish_tiers(programme=self.club, document=TIERS, at=shop.AT - timedelta(days=400))
        self.staff = shop.staff(f"s{self.club.pk}")
        self.members = [shop.member(self.club, f"m{number}") for number in range(4)]

    def key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def has(self, who: int) -> queries.Balance:
        return shop.has(self.members[who], at=self.at)

    def twice(self, action: Any, **given: Any) -> Any:
        """Do it, and do it again: the second time nothing moves, and the answer says so."""
        first = action(programme=self.club, at=self.at, **given)
        entries = Entry.objects.filter(programme=self.club).count()
        again = action(programme=self.club, at=self.at, **given)
        assert Entry.objects.filter(programme=self.club).count() == entries
        for one, other in zip(first, again, strict=True):
            assert other.result == ("unchanged" if one.result == "created" else one.result), (one, other)
            assert other.points == one.points
        return first

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(who=WHO, amount=st.integers(1, 12_000))
    def buys(self, who: int, amount: int) -> None:
        bought = shop.buys(self.members[who], amount, at=self.at)
        [done] = self.twice(actions.earn, purchases=[bought.pk])
        assert done.result == "created"
        self.bought.append((who, bought))

    @precondition(lambda self: self.bought)
    @rule(data=st.data(), share=st.integers(1, 100))
    def gives_back(self, data: st.DataObject, share: int) -> None:
        who, bought = data.draw(st.sampled_from(self.bought))
        back = Purchase.objects.filter(refund_of=bought.key)
        left = bought.amount + sum(back.values_list("amount", flat=True))
        if amount := left * share // 100:
            refund = shop.buys(self.members[who], -amount, at=self.at, refund_of=bought.key)
            self.twice(actions.refund, refunds=[refund.pk])

    @rule(who=WHO, share=st.integers(1, 120), seconds=st.sampled_from([1, 3_600, 10**6]))
    def holds_some(self, who: int, share: int, seconds: int) -> None:
        has = self.has(who)
        points = max(1, has.available * share // 100)
        new = actions.NewHold(self.members[who].pk, self.key(), points, seconds)
        [done] = self.twice(actions.hold, holds=[new])
        if has.deficit:
            assert done.result == "in_deficit", (done, has)
        else:
            assert done.result == ("created" if points <= has.available else "insufficient"), (done, has)
        if done.is_done:
            self.holds.append((new.key, points))

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), share=st.integers(0, 110))
    def captures(self, data: st.DataObject, share: int) -> None:
        key, points = data.draw(st.sampled_from(self.holds))
        asked = actions.Capture(key, points * share // 100)
        first = actions.capture(programme=self.club, captures=[asked], at=self.at)[0]
        again = actions.capture(programme=self.club, captures=[asked], at=self.at)[0]
        assert again == (actions.Done("unchanged", first.points) if first.is_done else first)

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def releases(self, data: st.DataObject) -> None:
        key, _points = data.draw(st.sampled_from(self.holds))
        self.twice(actions.release, keys=[key])

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), points=st.one_of(st.none(), st.integers(1, 60)))
    def restores(self, data: st.DataObject, points: int | None) -> None:
        key, _points = data.draw(st.sampled_from(self.holds))
        self.twice(actions.restore, restores=[actions.NewRestore(key, self.key(), points)])

    @rule(giver=WHO, taker=WHO, share=st.integers(1, 110))
    def hands_over(self, giver: int, taker: int, share: int) -> None:
        points = max(1, self.has(giver).available * share // 100)
        new = actions.NewTransfer(self.members[giver].pk, self.members[taker].pk, self.key(), points)
        self.twice(actions.transfer, transfers=[new])

    @rule(who=WHO, points=st.integers(-60, 60).filter(bool))
    def is_corrected(self, who: int, points: int) -> None:
        new = actions.NewAdjustment(self.members[who].pk, self.key(), points, "")
        self.twice(actions.adjust, adjustments=[new], staff=self.staff)

    @rule(who=WHO, points=st.integers(1, 60))
    def is_given(self, who: int, points: int) -> None:
        self.twice(actions.give, gifts=[actions.Gift(self.members[who].pk, self.key(), points, "birthday")])

    @rule(one=WHO, other=WHO)
    def turn_out_to_be_one(self, one: int, other: int) -> None:
        pair = (self.members[one].customer_id, self.members[other].customer_id)
        merging.merge(pairs=[pair], staff=None, at=self.at)

    @rule(who=WHO)
    def are_parted(self, who: int) -> None:
        customer = self.members[who].customer_id
        edges = Merge.objects.filter(first=customer, until=None) | Merge.objects.filter(second=customer, until=None)
        merging.part(merges=list(edges), staff=None, at=self.at)

    @rule()
    def tiers_are_judged(self) -> None:
        actions.judge_tiers(programme=self.club, at=self.at)
        assert actions.judge_tiers(programme=self.club, at=self.at) == 0

    @rule(hours=st.sampled_from([-30, 1, 24, 80, 300, 900]))
    def time_passes(self, hours: int) -> None:
        self.at += timedelta(hours=hours)

    @rule()
    def the_sweep_comes_by(self) -> None:
        before = [self.has(who) for who in range(4)]
        actions.expire(programme=self.club, at=self.at)
        assert [self.has(who) for who in range(4)] == before
        assert actions.expire(programme=self.club, at=self.at) == actions.expire(programme=self.club, at=self.at)

    # -- what holds ----------------------------------------------------------------------------------------------------

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "members"):
            assert shop.is_right(self.club)

    @invariant()
    def nobody_owes_more_than_they_may(self) -> None:
        if hasattr(self, "members"):
            owed = [purse.deficit for purse in Member.objects.filter(programme=self.club)]
            assert all(-self.club.deficit_max <= each <= 0 for each in owed)


@pytest.mark.django_db
def test_whatever_is_done_the_books_agree(business: None) -> None:
    with transaction.atomic():
        run_state_machine_as_test(Club, settings=_settings(15, 30))


@pytest.mark.slow
@pytest.mark.django_db
def test_whatever_is_done_for_long_the_books_agree(business: None) -> None:
    with transaction.atomic():
        run_state_machine_as_test(Club, settings=_settings(150, 60))


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=False,
        database=None,
    )
