"""Members who bring friends: nobody twice, nobody for themselves, nobody before the goods can be given back no more."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
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
from querencia.customers.models import ContactPoint, Event, Merge, Purchase
from querencia.flows import reactions
from querencia.loyalty import actions
from querencia.loyalty.models import Entry, Member, Programme, Referral, ReferralTerms
from querencia.loyalty.queries import referrals as queries
from tests.loyalty import shop
from tests.loyalty.shop import AT

pytestmark = pytest.mark.django_db
TERMS = {"advocate_points": 100, "friend_points": 50, "order_min": 2_000, "return_days": 14}
DAY = timedelta(days=1)


def promise(programme: Programme, **more: Any) -> None:
    actions.publish_referral_terms(programme=programme, document=TERMS | more, at=AT - 30 * DAY)


def newcomer(programme: Programme, name: str = "bea", *, at: datetime = AT, **contacts: str) -> Member:
    who = shop.customer(name)
    for kind, value in contacts.items():
        ContactPoint.objects.create(customer=who, kind=kind, value=value)
    [found] = actions.enrol(programme=programme, members=[actions.NewMember(who.pk)], at=at)
    return found


def code(member: Member) -> str:
    return actions.share(members=[member], at=AT)[member.pk].code


def claims(friend: Member, of: Member, *, at: datetime = AT, via: str = "portal") -> actions.Claimed:
    new = actions.NewClaim(friend.pk, code(of), via)
    [done] = actions.claim(programme=shop.of(friend), claims=[new], at=at)
    return done


def settle(programme: Programme, at: datetime) -> dict[str, int]:
    return dict(actions.settle_referrals(programme=programme, at=at))


def state(friend: Member) -> str:
    return str(Referral.objects.get(friend=friend).state)


@pytest.fixture
def ana(programme: Programme) -> Member:
    promise(programme)
    return shop.member(programme)


def test_a_friend_joins_buys_keeps_it_and_both_are_rewarded_once(programme: Programme, ana: Member) -> None:
    bea = newcomer(programme)
    assert claims(bea, ana).result == "created"
    assert claims(bea, ana).result == "unchanged"
    shop.buys(bea, 1_999, at=AT + DAY)
    assert settle(programme, AT + DAY) == {}
    shop.buys(bea, 2_000, at=AT + 2 * DAY)
    assert settle(programme, AT + 2 * DAY) == {"qualified": 1}
    # To the end of the fourteenth day, in Madrid.
    due = Referral.objects.get().due_at
    assert due
    assert due.isoformat() == "2026-03-18T23:00:00+00:00"
    assert settle(programme, due - timedelta(seconds=1)) == {}
    assert shop.has(ana, at=due).available == 0
    assert settle(programme, due) == {"rewarded": 1}
    assert settle(programme, due) == settle(programme, due + 90 * DAY) == {}
    assert (shop.has(ana, at=due).available, shop.has(bea, at=due).available) == (100, 50)
    told = Event.objects.filter(kind__startswith="referral.").order_by("pk").values_list("kind", flat=True)
    assert list(told) == ["referral.claimed", "referral.qualified", "referral.rewarded"]
    assert queries.figures(programme) == queries.Figures(shared=1, claimed=1, qualified=1, rewarded=1, points=150)
    assert shop.is_right(programme)


def test_what_is_given_back_within_the_window_qualifies_no_more_and_later_takes_the_points_back(
    programme: Programme, ana: Member
) -> None:
    bea, due = newcomer(programme), AT + 40 * DAY
    claims(bea, ana)
    first = shop.buys(bea, 3_000, at=AT + DAY)
    settle(programme, AT + DAY)
    shop.gives_back(bea, first, 1_001, at=AT + 2 * DAY)
    assert settle(programme, due) == {"claimed": 1}
    second = shop.buys(bea, 9_000, at=AT + 50 * DAY)
    assert settle(programme, AT + 50 * DAY) == {"qualified": 1}
    late = AT + 90 * DAY
    assert settle(programme, late) == {"rewarded": 1}
    shop.spends(ana, 70, "a prize", at=late)
    shop.gives_back(bea, second, 9_000, at=late)
    assert settle(programme, late) == {"reversed": 1}
    assert settle(programme, late) == {}
    # She had spent seventy: by policy no more is taken than there is.
    assert (shop.has(ana, at=late).available, shop.has(bea, at=late).available) == (0, 0)
    taken = Entry.objects.filter(kind="claw_back", key__startswith="take_back:").order_by("pk")
    assert [entry.clawed_back for entry in taken] == [30, 50]
    assert shop.is_right(programme)


def test_who_may_owe_owes_what_they_spent_of_a_reward(programme: Programme, ana: Member) -> None:
    programme = shop.change(programme, deficit="owe", deficit_max=500)
    bea = newcomer(programme)
    claims(bea, ana)
    bought = shop.buys(bea, 5_000, at=AT + DAY)
    settle(programme, AT + 30 * DAY)
    shop.spends(ana, 100, "a prize", at=AT + 30 * DAY)
    shop.gives_back(bea, bought, 5_000, at=AT + 31 * DAY)
    settle(programme, AT + 31 * DAY)
    assert shop.has(ana, at=AT + 31 * DAY).deficit == 100
    assert shop.is_right(programme)


def test_nobody_brings_themselves_a_customer_of_before_or_somebody_elses_friend(
    programme: Programme, ana: Member
) -> None:
    carla, dana, bea, eva = (
        shop.member(programme, "carla"),
        newcomer(programme),
        newcomer(programme),
        newcomer(programme),
    )
    shop.buys(dana, 500, at=AT - DAY)
    assert claims(dana, ana).result == "existing_customer"
    assert claims(ana, ana).result == "same_person"
    twin = newcomer(programme, "twin")
    merging.merge(pairs=[(ana.customer_id, twin.customer_id)], staff=None, at=AT)
    assert claims(twin, ana).result == "same_person"
    assert claims(bea, ana).result == "created"
    assert claims(bea, carla).result == "other_advocate"
    other = newcomer(programme, "bea again")
    merging.merge(pairs=[(bea.customer_id, other.customer_id)], staff=None, at=AT)
    assert claims(other, carla).result == "other_advocate"
    # Eva comes by Bea, so Ana, who brought Bea, cannot come by Eva.
    assert claims(eva, bea).result == "created"
    assert claims(ana, eva).result == "brings_friends"
    [unknown, stranger] = actions.claim(
        programme=programme,
        claims=[actions.NewClaim(eva.pk, "nobody", "api"), actions.NewClaim(0, code(ana), "api")],
        at=AT,
    )
    assert (unknown.result, stranger.result) == ("unknown_code", "no_member")
    actions.leave(members=[carla], at=AT)
    assert claims(newcomer(programme), carla).result == "unknown_code"
    row = Referral.objects.get(friend=bea)
    with pytest.raises(IntegrityError), transaction.atomic():
        Referral.objects.create(advocate=carla, friend=bea, terms=row.terms, via="api", claimed_at=AT)
    assert shop.is_right(programme)


def test_an_advocate_brings_as_many_as_count_in_a_period(programme: Programme, ana: Member) -> None:
    promise(programme, cap={"friends": 2, "per": "month"})
    friends = [newcomer(programme, f"f{number}") for number in range(5)]
    new = [actions.NewClaim(each.pk, code(ana), "till") for each in friends[:3]]
    done = actions.claim(programme=programme, claims=new, at=AT)
    assert [each.result for each in done] == ["created", "created", "cap"]
    # A friend who does not count makes room, and so does another month.
    merging.merge(pairs=[(ana.customer_id, friends[0].customer_id)], staff=None, at=AT)
    assert settle(programme, AT) == {"rejected": 1}
    assert Referral.objects.get(friend=friends[0]).why == "same_person"
    assert claims(friends[2], ana).result == "created"
    assert claims(friends[3], ana).result == "cap"
    assert claims(friends[3], ana, at=AT + 31 * DAY).result == "created"


def test_what_is_suspicious_waits_for_somebody_who_looks_and_says_why(programme: Programme) -> None:
    promise(programme)
    ana, staff = newcomer(programme, "ana", email="ana.souza@gmail.com", phone="+34 600 11 22 33"), shop.staff("eva")
    friends = [
        newcomer(programme, email="AnaSouza+2@googlemail.com"),
        newcomer(programme, whatsapp="0034600112233"),
        newcomer(programme, email="bea@example.org"),
    ]
    for friend in friends:
        assert claims(friend, ana, via="till").is_done
        shop.buys(friend, 5_000, at=AT + DAY)
    assert [row.signals for row in Referral.objects.order_by("pk")] == [["same_email"], ["same_phone"], []]
    assert settle(programme, AT + 60 * DAY) == {"qualified": 2, "rewarded": 1}
    alias, phone = queries.waiting(programme)
    late: dict[str, Any] = {"staff": staff, "at": AT + 61 * DAY}
    assert actions.review_referrals(referrals=[alias], is_fine=False, remark="His own address", **late) == 1
    assert actions.review_referrals(referrals=[phone], is_fine=True, **late) == 1
    assert actions.review_referrals(referrals=[alias, phone], is_fine=True, **late) == 0
    assert [state(friend) for friend in friends] == ["rejected", "rewarded", "rewarded"]
    alias.refresh_from_db()
    assert (alias.why, alias.remark, alias.reviewed_by) == ("review", "His own address", staff)
    assert shop.has(ana, at=AT + 61 * DAY).available == 200
    # Many in a day, and who buys minutes after a click, are looked at, too.
    more = [newcomer(programme, f"m{number}", at=AT + 62 * DAY) for number in range(4)]
    done = [claims(each, ana, at=AT + 62 * DAY) for each in more]
    assert all(each.is_done for each in done)
    shop.buys(more[0], 5_000, at=AT + 62 * DAY + timedelta(minutes=3))
    settle(programme, AT + 63 * DAY)
    assert Referral.objects.get(friend=more[0]).signals == ["at_once"]


def test_terms_are_versions_and_what_was_promised_to_a_friend_stays(programme: Programme, ana: Member) -> None:
    bea = newcomer(programme)
    claims(bea, ana)
    promise(programme, advocate_points=1)
    actions.publish_referral_terms(programme=programme, document={}, at=AT)
    assert claims(newcomer(programme), ana).result == "no_terms"
    assert queries.in_force(programme, at=AT) is None
    shop.buys(bea, 2_000, at=AT + DAY)
    settle(programme, AT + 30 * DAY)
    assert shop.has(ana, at=AT + 30 * DAY).available == 100
    for bad in ({"friends": 1}, {"advocate_points": 0}, TERMS | {"cap": {"friends": 0, "per": "year"}},
                TERMS | {"from": "2026-02-02", "until": "2026-02-02"}, TERMS | {"return_days": -1}):  # fmt: skip
        with pytest.raises(ValidationError):
            actions.publish_referral_terms(programme=programme, document=bad, at=AT)
    with pytest.raises(IntegrityError), transaction.atomic():
        ReferralTerms.objects.filter(programme=programme).update(document={})


def test_a_friend_has_so_long_to_buy_and_who_left_gets_nothing(programme: Programme) -> None:
    promise(programme, buy_days=30)
    ana, bea, carla = shop.member(programme), newcomer(programme), newcomer(programme, "carla")
    claims(bea, ana)
    claims(carla, ana)
    shop.buys(carla, 5_000, at=AT + DAY)
    shop.buys(bea, 5_000, at=AT + 40 * DAY)
    actions.leave(members=[ana], at=AT + 2 * DAY)
    assert settle(programme, AT + 40 * DAY) == {"rejected": 1, "rewarded": 1}
    assert (Referral.objects.get(friend=bea).why, shop.has(carla, at=AT + 40 * DAY).available) == ("too_late", 50)
    assert shop.has(ana, at=AT + 40 * DAY).available == 0
    assert shop.is_right(programme)


def test_purchases_that_are_recorded_settle_friends_by_themselves(programme: Programme, ana: Member) -> None:
    bea = newcomer(programme)
    claims(bea, ana)
    bought = shop.buys(bea, 5_000, at=AT + DAY)
    event = Event(kind="purchases.recorded", properties={"purchases": [bought.pk]})
    reactions.settle_referrals([event], AT + DAY)
    assert state(bea) == "qualified"


# -- whatever happens in whatever order --------------------------------------------------------------------------------

WHO, CAP = st.integers(0, 4), 2


class Friends(RuleBasedStateMachine):
    """Five who join, bring each other, buy, give back, turn out to be one, and leave."""

    @initialize(owes=st.sampled_from([("stop", 0), ("owe", 10_000)]), days=st.sampled_from([0, 3]))
    def opens(self, owes: tuple[str, int], days: int) -> None:
        self.at, self.bought, self.merged = AT, [], False
        self.club = shop.programme(deficit=owes[0], deficit_max=owes[1])
        promise(self.club, return_days=days, cap={"friends": CAP, "per": "ever"})
        self.staff = shop.staff(f"r{self.club.pk}")
        self.members = [newcomer(self.club, f"n{number}", phone=f"60000000{number % 4}") for number in range(5)]

    @rule(friend=WHO, advocate=WHO)
    def is_brought(self, friend: int, advocate: int) -> None:
        first = claims(self.members[friend], self.members[advocate], at=self.at)
        again = claims(self.members[friend], self.members[advocate], at=self.at)
        assert again.result == ("unchanged" if first.is_done else first.result)

    @rule(who=WHO, amount=st.sampled_from([500, 2_000, 4_000]))
    def buys(self, who: int, amount: int) -> None:
        self.bought.append(
            (who, shop.earns(self.members[who], amount, at=self.at))
            if self._is_here(who)
            else (who, shop.buys(self.members[who], amount, at=self.at))
        )

    def _is_here(self, who: int) -> bool:
        return Member.objects.get(pk=self.members[who].pk).left_at is None

    @precondition(lambda self: self.bought)
    @rule(data=st.data(), share=st.sampled_from([30, 100]))
    def gives_back(self, data: st.DataObject, share: int) -> None:
        who, bought = data.draw(st.sampled_from(self.bought))
        left = bought.amount + sum(Purchase.objects.filter(refund_of=bought.key).values_list("amount", flat=True))
        if amount := left * share // 100:
            shop.gives_back(self.members[who], bought, amount, at=self.at)

    @rule(who=WHO, points=st.integers(1, 120))
    def spends(self, who: int, points: int) -> None:
        key = f"s{self.club.pk}:{self.at}:{who}:{points}"
        new = actions.NewHold(self.members[who].pk, key, points)
        actions.hold(programme=self.club, holds=[new], at=self.at)
        actions.capture(programme=self.club, captures=[actions.Capture(key)], at=self.at)

    @rule(one=WHO, other=WHO)
    def turn_out_to_be_one(self, one: int, other: int) -> None:
        self.merged = True
        pair = (self.members[one].customer_id, self.members[other].customer_id)
        merging.merge(pairs=[pair], staff=None, at=self.at)

    @rule(who=WHO)
    def are_parted(self, who: int) -> None:
        customer = self.members[who].customer_id
        edges = Merge.objects.filter(first=customer, until=None) | Merge.objects.filter(second=customer, until=None)
        merging.part(merges=list(edges), staff=None, at=self.at)

    @rule(who=WHO)
    def leaves(self, who: int) -> None:
        actions.leave(members=[self.members[who]], at=self.at)

    @rule(is_fine=st.booleans())
    def somebody_looks(self, is_fine: bool) -> None:
        rows = queries.waiting(self.club)[:1]
        actions.review_referrals(referrals=rows, is_fine=is_fine, staff=self.staff, at=self.at)

    @rule(hours=st.sampled_from([1, 30, 24 * 5]))
    def time_passes(self, hours: int) -> None:
        self.at += timedelta(hours=hours)

    @rule()
    def is_settled(self) -> None:
        settle(self.club, self.at)
        entries = Entry.objects.filter(programme=self.club).count()
        assert settle(self.club, self.at) == {}
        assert Entry.objects.filter(programme=self.club).count() == entries

    @invariant()
    def what_was_given_is_what_the_state_says(self) -> None:
        if not hasattr(self, "members"):
            return
        rows = list(Referral.objects.filter(advocate__programme=self.club))
        given = dict(Entry.objects.filter(programme=self.club, key__startswith="give:").values_list("key", "active"))
        taken = set(
            Entry.objects.filter(programme=self.club, kind="claw_back", key__startswith="take_back:").values_list(
                "key", flat=True
            )
        )
        said = {
            f"give:referral:{row.pk}:{name}": points
            for row in rows
            for name, points in (("advocate", row.advocate_points), ("friend", row.friend_points))
            if points
        }
        assert given == said
        reversed_ = {f"referral:{row.pk}:" for row in rows if row.state == "reversed"}
        assert {key[len("take_back:") :].rpartition(":")[0] + ":" for key in taken} <= reversed_
        for row in rows:
            if row.state == "rewarded":
                assert row.purchase_id
                assert row.due_at
                assert row.due_at <= self.at

    @invariant()
    def nobody_is_brought_by_whom_they_brought_and_limits_hold(self) -> None:
        if not hasattr(self, "members"):
            return
        rows = list(Referral.objects.filter(advocate__programme=self.club))
        brought_by = {row.friend_id: row.advocate_id for row in rows}
        for start in brought_by:
            seen, at = {start}, brought_by[start]
            while at in brought_by:
                assert at not in seen
                seen.add(at)
                at = brought_by[at]
        for member in self.members:
            assert sum(row.state == "rewarded" and row.advocate_id == member.pk for row in rows) <= CAP

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "members"):
            assert shop.is_right(self.club)


def test_whatever_happens_points_given_are_what_the_state_says(business: None) -> None:
    with transaction.atomic():
        run_state_machine_as_test(
            Friends,
            settings=settings(
                max_examples=12,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                derandomize=False,
                database=None,
            ),
        )
