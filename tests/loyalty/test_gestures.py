"""Gifts for birthdays, anniversaries, a day of thanks, and to welcome: to whom it is due, and to nobody twice."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from querencia.customers.actions import merging
from querencia.customers.models import Customer, Event
from querencia.flows import reactions
from querencia.loyalty import actions, gestures, privacy
from querencia.loyalty.models import Entry, Gesture, GestureDay, Member, Programme, Reward
from querencia.loyalty.queries import gestures as queries
from tests.loyalty import shop
from tests.loyalty.shop import AT

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def promise(programme: Programme, kind: str, *, at: datetime = AT - 30 * DAY, **document: Any) -> None:
    actions.publish_gesture(programme=programme, kind=kind, document={"points": 50} | document, at=at)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def make(programme: Programme, on: date) -> int:
    return actions.make_gestures(programme=programme, on=on, at=noon(on))


def joins(programme: Programme, at: datetime, **more: Any) -> Member:
    new = actions.NewMember(shop.customer(**more).pk, joined_at=at)
    return actions.enrol(programme=programme, members=[new], at=at)[0]


def born(who: Member, day: date) -> None:
    Customer.objects.filter(pk=who.customer_id).update(birthday=day)


def given_to(who: Member) -> int:
    return sum(Gesture.objects.filter(member=who).values_list("points", flat=True))


def test_a_birthday_is_celebrated_once_a_year_and_told_anew_brings_no_second_gift(programme: Programme) -> None:
    promise(programme, "birthday", valid_days=30)
    ana, bea = (shop.member(programme, name, birthday=date(1990, 3, 5)) for name in ("ana", "bea"))
    leap = shop.member(programme, "leap", birthday=date(2000, 2, 29))
    assert make(programme, date(2026, 3, 4)) == 0
    assert make(programme, date(2026, 3, 5)) == 2
    assert make(programme, date(2026, 3, 5)) == 0
    entry = Entry.objects.get(member=ana)
    assert (entry.key, entry.detail, entry.active) == (f"give:birthday:2026:{ana.pk}", {"why": "birthday"}, 50)
    lots = list(ana.lots.all())
    assert lots[0].expires_at == datetime(2026, 4, 4, 22, tzinfo=UTC)  # the end of thirty days on, in Madrid
    born(bea, date(1990, 12, 20))
    assert make(programme, date(2026, 12, 20)) == 0
    born(bea, date(1990, 3, 5))
    assert make(programme, date(2027, 2, 28)) == 1  # 29 February
    assert make(programme, date(2027, 3, 5)) == 2
    assert make(programme, date(2028, 2, 28)) == 0
    assert make(programme, date(2028, 2, 29)) == 1
    assert (given_to(ana), given_to(bea), given_to(leap)) == (100, 100, 100)
    assert shop.is_right(programme)


def test_a_person_is_given_once_and_whoever_left_or_joined_lately_or_stands_elsewhere_is_not(
    programme: Programme,
) -> None:
    promise(programme, "birthday", member_days=10, tiers=["gold"])
    tiers = {"metric": "spend", "tiers": [{"key": "silver", "reach": 0}, {"key": "gold", "reach": 5_000}]}
    actions.publish_tiers(programme=programme, document=tiers, at=AT - 400 * DAY)
    on = date(2026, 3, 5)
    ana, twin, late, gone, poor = (shop.member(programme, f"m{n}", birthday=date(1980, 3, 5)) for n in range(5))
    for each in (ana, twin, late, gone):
        shop.earns(each, 6_000)
    actions.judge_tiers(programme=programme, at=AT)
    merging.merge(pairs=[(ana.customer_id, twin.customer_id)], staff=None, at=AT)
    Member.objects.filter(pk=late.pk).update(joined_at=noon(on) - 9 * DAY)
    actions.leave(members=[gone], at=AT)
    privacy.erase([shop.member(programme, "nobody", birthday=date(1980, 3, 5)).customer_id], at=AT)
    assert make(programme, on) == 1
    assert [row.member_id for row in Gesture.objects.all()] == [ana.pk]
    # Parted, the other still had theirs.
    actions.leave(members=[ana], at=AT)
    assert make(programme, on) == 0
    assert given_to(poor) == 0


def test_anniversaries_and_days_of_thanks_fall_on_their_days(programme: Programme) -> None:
    promise(programme, "anniversary")
    promise(programme, "appreciation", points=7, on={"month": 10, "weekday": 6, "nth": 1})
    ana = joins(programme, datetime(2024, 3, 4, 23, 30, tzinfo=UTC))  # 5 March in Madrid
    new = joins(programme, datetime(2026, 3, 5, 9, tzinfo=UTC))
    assert make(programme, date(2026, 3, 4)) == 0
    assert make(programme, date(2026, 3, 5)) == 1
    assert given_to(ana) == 50
    assert make(programme, date(2026, 10, 3)) == 2  # the first Saturday
    assert make(programme, date(2026, 10, 10)) == 0
    assert (given_to(ana), given_to(new)) == (57, 7)
    made = queries.made(programme, at=noon(date(2026, 10, 4)))
    assert made == {"anniversary": queries.Made(1, 1, 50), "appreciation": queries.Made(2, 2, 14)}


def test_a_reward_is_given_where_points_are_not_as_long_as_there_is_one(programme: Programme) -> None:
    mug = {"kind": "prize", "name": {"en": "A mug"}, "points": 80}
    pay = {"kind": "pay", "name": {"en": "Pay"}, "points": 10, "amount": 100}
    actions.publish_rewards(programme=programme, documents={"mug": mug, "pay": pay}, at=AT - 40 * DAY)
    actions.change_stock(reward=Reward.objects.get(key="mug"), left=1, was=None)
    for document in ({"reward": "pay"}, {"reward": "none"}, {"reward": "mug", "points": 5}, {"reward": ""}):
        with pytest.raises(ValidationError, match="reward"):
            actions.publish_gesture(programme=programme, kind="birthday", document=document, at=AT)
    actions.publish_gesture(programme=programme, kind="birthday", document={"reward": "mug"}, at=AT - 30 * DAY)
    ana, bea = (shop.member(programme, name, birthday=date(1990, 3, 5)) for name in ("ana", "bea"))
    on = date(2026, 3, 5)
    assert [make(programme, on), make(programme, on)] == [1, 0], "there was one mug, and it is hers"
    [given] = Gesture.objects.all()
    assert (given.member_id, given.points) == (ana.pk, 0)
    assert given.redemption is not None
    assert (given.redemption.why, given.redemption.points, given.redemption.state) == ("birthday", 0, "waiting")
    assert not Entry.objects.exists()
    assert queries.of_member(bea, before=None, size=9) == []
    privacy.erase([ana.customer_id], at=noon(on))
    assert not Gesture.objects.exists()


def test_missed_days_are_caught_up_and_each_day_is_looked_at_once(programme: Programme) -> None:
    promise(programme, "birthday")
    members = [shop.member(programme, f"m{n}", birthday=date(1990, 3, n)) for n in range(1, 25)]

    def worker(day: int, hour: int = 3) -> int:
        return actions.catch_up_gestures(programme=programme, at=datetime(2026, 3, day, hour, tzinfo=UTC))

    assert worker(2) == 1
    assert worker(2, 22) == worker(2, 5) == 0
    assert worker(2, 23) == 1  # it is the third in Madrid
    assert worker(6) == 3
    assert worker(20) == gestures.CATCH_UP_DAYS
    assert [row.on.day for row in GestureDay.objects.order_by("on")] == [2, 3, 4, 5, 6, *range(14, 21)]
    # What is promised by day counts from the next one on.
    promise(programme, "birthday", at=datetime(2026, 3, 21, 9, tzinfo=UTC), points=99)
    assert make(programme, date(2026, 3, 21)) == make(programme, date(2026, 3, 22)) == 1
    assert [given_to(members[20]), given_to(members[21])] == [50, 99]
    actions.publish_gesture(programme=programme, kind="birthday", document={}, at=datetime(2026, 3, 22, 9, tzinfo=UTC))
    assert make(programme, date(2026, 3, 23)) == 0


def test_new_members_are_welcomed_once_for_good_and_those_of_another_system_are_not(programme: Programme) -> None:
    promise(programme, "welcome", points=20)

    def reacts() -> None:
        reactions.welcome_members(list(Event.objects.filter(kind="member.joined")), AT)

    ana = joins(programme, AT)
    brought = actions.NewMember(shop.customer("old").pk, is_live=False)
    [old] = actions.enrol(programme=programme, members=[brought], at=AT)
    reacts()
    reacts()
    actions.leave(members=[ana], at=AT)
    actions.enrol(programme=programme, members=[actions.NewMember(ana.customer_id)], at=AT + 400 * DAY)
    reacts()
    assert (given_to(ana), given_to(old)) == (20, 0)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("birthday", {"points": 0}),
        ("birthday", {"points": 1, "on": {"month": 1, "day": 1}}),
        ("birthday", {"points": 1, "tiers": "gold"}),
        ("appreciation", {"points": 1}),
        ("appreciation", {"points": 1, "on": {"month": 13, "day": 1}}),
        ("appreciation", {"points": 1, "on": {"month": 1, "weekday": 1}}),
        ("name day", {"points": 1}),
    ],
)
def test_what_is_no_gesture_is_refused(programme: Programme, kind: str, document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        actions.publish_gesture(programme=programme, kind=kind, document=document, at=AT)


@given(st.integers(1, 12), st.integers(1, 7), st.integers(1, 5), st.dates(date(1990, 1, 1), date(2099, 12, 31)))
def test_every_day_is_celebrated_once_a_year(month: int, weekday: int, nth: int, born_on: date) -> None:
    for year in range(2024, 2030):
        day = gestures.Yearly(month, weekday=weekday, nth=nth).of(year)
        assert (day.month, day.isoweekday()) == (month, weekday)
        assert nth == 5 or (day.day - 1) // 7 == nth - 1
        days = [date(year, 1, 1) + n * DAY for n in range(366)]
        feasts = [d for d in days if d.year == year and (born_on.month, born_on.day) in gestures.celebrated(d)]
        assert len(feasts) == 1
        assert gestures.Yearly(born_on.month, day=born_on.day).of(year) == feasts[0]
