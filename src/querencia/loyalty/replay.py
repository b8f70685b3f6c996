"""What one person's purchases earn by some rules and tiers, from the first to the last: as `actions.earn`, `refund` and
`judge_tiers` would have done it day by day. Pure; the same function judges here and live (`earning.evaluate`)."""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from querencia.loyalty import expiry, tiers
from querencia.loyalty.earning import NOWHERE, Effect, Facts, Places, Rule, Snapshot, evaluate
from querencia.loyalty.tiers import Scheme, Standing

NEVER = expiry.Policy()


@dataclass(frozen=True, slots=True)
class Bought:
    """A purchase with what refunds left of it."""

    facts: Facts
    birthday: date | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """``purchases`` in the order in which they were made; ``amounts`` by day in minor units, refunds as they came.
    ``places``: the campaigns whose audience they are in, and those that leave them out by lot."""

    pk: int
    purchases: Sequence[Bought]
    amounts: Mapping[date, int]
    joined_on: date | None = None
    places: Places = NOWHERE


@dataclass(frozen=True)
class Promise:
    """What is tried: rules and tiers, with the policy of the programme."""

    rules: Sequence[Rule]
    scheme: Scheme | None = None
    policy: expiry.Policy = NEVER


@dataclass(slots=True)
class Replayed:
    """Points of the days asked about, by month and by rule; ``left`` of them would not have lapsed at the end if nobody
    had spent any. ``tier``: where the person stands at the end."""

    pk: int
    points: int = 0
    left: int = 0
    by_month: Counter[date] = field(default_factory=Counter)
    by_rule: Counter[str] = field(default_factory=Counter)
    tier: str = tiers.NONE


def replay(person: Person, promise: Promise, *, start: date, end: date) -> Replayed:
    """Purchases before ``start`` earn nothing here and still count towards tiers and limits; ``end`` is the last."""
    walk = _Walk(person, promise)
    found = Replayed(person.pk)
    for bought in person.purchases:
        day = bought.facts.day
        if day > end:
            break
        walk.nights(day)
        effects = walk.buys(bought)
        if day < start:
            continue
        last_day = _last_day(day, promise.policy)
        for effect in effects:
            found.points += effect.points
            found.left += effect.points if last_day is None or last_day > end else 0
            found.by_month[day.replace(day=1)] += effect.points
            found.by_rule[effect.rule.key] += effect.points
    walk.nights(end)
    walk.judge(end)
    found.tier = walk.standing.tier
    return found


class _Walk:
    """A person on their way through the days."""

    def __init__(self, person: Person, promise: Promise) -> None:
        self.person, self.promise = person, promise
        self.standing = Standing()
        self.used: Counter[tuple[str, date]] = Counter()
        self.metric = _Metric(person, promise.scheme.metric) if promise.scheme else None

    def buys(self, bought: Bought) -> list[Effect]:
        day = bought.facts.day
        joined_on = min(self.person.joined_on or day, day)
        known: dict[str, Any] = {"joined_on": joined_on, "birthday": bought.birthday, "places": self.person.places}
        member = Snapshot.of(day, tier=self.standing.tier, **known)

        def room(rule: Rule) -> int | None:
            return rule.cap.points - self.used[rule.key, _period(day, rule.cap.per)] if rule.cap else None

        outcome = evaluate(bought.facts, member, self.promise.rules, room=room)
        for effect in outcome.effects:
            if effect.rule.cap is not None and effect.rule.cap.per != "purchase":
                self.used[effect.rule.key, _period(day, effect.rule.cap.per)] += effect.points
        if self.metric and self.metric.name == "points" and outcome.points:
            self.metric.add(day, outcome.points)
        self.judge(day)
        return outcome.effects

    def nights(self, day: date) -> None:
        """The nights up to a day on which a period was over."""
        scheme = self.promise.scheme
        while scheme and (until := self.standing.until):
            due = expiry.later(until, scheme.grace_days, "day")
            if due > day:
                return
            self.judge(due)

    def judge(self, day: date) -> None:
        scheme = self.promise.scheme
        if scheme is None or self.metric is None:
            return
        rolling = self.metric.over(*tiers.rolling_period(scheme, day), day)
        kept = self.metric.over(*tiers.kept_period(scheme, self.standing, day), day)
        self.standing = tiers.judged(scheme, self.standing, rolling=rolling, kept=kept, day=day)


class _Metric:
    """What leads to tiers, by day (see `queries.standings.metrics`)."""

    def __init__(self, person: Person, name: str) -> None:
        self.name = name
        self.joined_on = person.joined_on or min(person.amounts, default=None)
        self.days: list[tuple[date, int]] = [] if name == "points" else sorted(person.amounts.items())

    def add(self, day: date, points: int) -> None:
        insort(self.days, (day, points))

    def over(self, first: date, before: date, today: date) -> int:
        """From a day on and before another; of what comes after today nobody knows yet."""
        if self.name == "tenure":
            return (before - self.joined_on).days - 1 if self.joined_on else 0
        known = min(before, expiry.later(today, 1, "day"))
        values = [
            value for _day, value in self.days[bisect_left(self.days, (first,)) : bisect_left(self.days, (known,))]
        ]
        return sum(value > 0 for value in values) if self.name == "visits" else max(0, sum(values))


@lru_cache(maxsize=20_000)
def _last_day(day: date, policy: expiry.Policy) -> date | None:
    """The last day on which points of a day can be spent."""
    if policy.count == 0:
        return None
    return expiry.rounded_up(expiry.later(day, policy.count, policy.unit), policy.rounding)


@lru_cache(maxsize=20_000)
def _period(day: date, per: str) -> date:
    return expiry.period_starts(datetime.combine(day, time(12), UTC), per, zone="UTC")
