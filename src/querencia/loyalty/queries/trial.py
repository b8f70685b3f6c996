"""Rules and tiers tried on what was really bought, beside those in force: points, cost, what would be owed, who wins
and who loses. Of many members some are drawn by lot, and every figure says within which interval it lies."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from math import sqrt
from statistics import NormalDist, fmean, variance
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Max, Min, QuerySet

from querencia.common.database import among
from querencia.common.time import day_number, local_day
from querencia.customers.models import Customer, Purchase
from querencia.customers.queries import persons
from querencia.insight.estimate import Estimate
from querencia.insight.intervals import CONFIDENCE
from querencia.loyalty import purchases, tiers
from querencia.loyalty.earning import Rule, read
from querencia.loyalty.expiry import day_ends, later
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries.audiences import if_drawn
from querencia.loyalty.queries.balances import people_of
from querencia.loyalty.queries.standings import scheme_of
from querencia.loyalty.replay import Bought, Person, Promise, Replayed, replay
from querencia.loyalty.rulebook import Rulebook

# So many purchases are judged: some seconds, however many there are.
PURCHASES_MAX = 10_000
FEW = 200
TOGETHER = 5_000
ROUNDS = 40
FIFTHS = 5


@dataclass(frozen=True)
class Arm:
    """What a promise would have given: ``owed`` are the points that had not lapsed at the end if nobody had spent any;
    ``cost`` in minor units. ``by_rule`` and ``by_tier`` (persons) by key, the latter without those in none."""

    points: Estimate
    cost: Estimate
    owed: Estimate
    by_month: dict[date, float]
    by_rule: dict[str, float]
    by_tier: dict[str, float]


@dataclass(frozen=True)
class Fifth:
    """Persons by what they spent, a fifth of those who bought each, the least first: points of each person a year."""

    spent: float
    before: float
    after: float


@dataclass(frozen=True)
class Trial:
    """``everybody``: whom it is about (members, or without any all customers), of whom ``tried`` were drawn.
    ``more``: points that the second arm gives more; ``winners`` and ``losers``: persons, with their mean change.
    ``up`` and ``down``: persons who would stand in a higher tier, or a lower one."""

    start: date
    end: date
    are_members: bool
    everybody: int
    tried: int
    purchases: int
    before: Arm
    after: Arm
    more: Estimate
    winners: float
    losers: float
    gain: float
    loss: float
    up: float
    down: float
    fifths: Sequence[Fifth]

    @property
    def is_drawn(self) -> bool:
        return self.tried < self.everybody


def in_force(programme: Programme, *, at: datetime) -> Promise:
    """What a programme promises at a moment."""
    scheme = scheme_of(programme, at=at)
    return Promise(Rulebook.of(programme).in_force(at), scheme[1] if scheme else None, programme.expiry_policy)


def with_rule(promise: Promise, key: str, document: Mapping[str, Any]) -> Promise:
    """The same with one rule more, or another in its place. Raises ValueError for what is no rule."""
    others = [rule for rule in promise.rules if rule.key != key]
    return replace(promise, rules=sorted([*others, read(document, key=key)], key=lambda rule: rule.key))


def with_tiers(promise: Promise, document: Mapping[str, Any]) -> Promise:
    """The same with other tiers. Raises ValueError for what are none."""
    return replace(promise, scheme=tiers.read(document))


def trial(programme: Programme, before: Promise, after: Promise, *, months: int, end: date) -> Trial:
    """Two promises tried on the same purchases of the same persons, over so many months up to and with a day.

    Persons are tried as if they had been members all that time.
    """
    start = later(later(end, 1, "day"), -months, "month")
    memory = max([12, *(each.scheme.months for each in (before, after) if each.scheme)])
    first = later(start, -memory, "month")
    rows, are_members = _everybody(programme)
    before, after = (replace(each, rules=[_of_past(rule, end) for rule in each.rules]) for each in (before, after))
    drawn = _drawn(rows, rows.count(), first, are_members)
    people, nodes = _people(programme, drawn, first, end, are_members)
    # Members who are one person count once.
    everybody = round(rows.count() * len(people) / len(drawn)) if drawn else 0
    at = day_ends(end, zone=programme.time_zone)
    arms = [
        [
            replay(replace(one, places=places[one.pk]), promise, start=start, end=end)
            for places in [if_drawn(programme, promise.rules, nodes, at=at)]
            for one in people
        ]
        for promise in (before, after)
    ]
    pairs = list(zip(*arms, strict=True))
    spent = [sum(amount for day, amount in one.amounts.items() if start <= day <= end) for one in people]
    scale = everybody / len(people) if people else 0.0
    changes = [two.points - one.points for one, two in pairs]
    moves = [_rank(after.scheme, two.tier) - _rank(after.scheme, one.tier) for one, two in pairs]
    return Trial(
        start=start,
        end=end,
        are_members=are_members,
        everybody=everybody,
        tried=len(people),
        purchases=sum(start <= each.facts.day <= end for one in people for each in one.purchases),
        before=_arm([one for one, _two in pairs], programme, everybody),
        after=_arm([two for _one, two in pairs], programme, everybody),
        more=total(changes, everybody),
        winners=sum(change > 0 for change in changes) * scale,
        losers=sum(change < 0 for change in changes) * scale,
        gain=_mean(change for change in changes if change > 0),
        loss=_mean(-change for change in changes if change < 0),
        up=sum(move > 0 for move in moves) * scale,
        down=sum(move < 0 for move in moves) * scale,
        fifths=_fifths(spent, pairs, 12 / months),
    )


def _of_past(rule: Rule, end: date) -> Rule:
    """A rule for days to come is tried on the same days of an earlier year."""
    while rule.starts_on and rule.starts_on > end:
        ends_on = later(rule.ends_on, -1, "year") if rule.ends_on else None
        rule = replace(rule, starts_on=later(rule.starts_on, -1, "year"), ends_on=ends_on)
    return rule


def total(values: Sequence[float], everybody: int) -> Estimate:
    """A sum over everybody, of whom these were drawn by lot, with its interval; all of them have none.

    Cochran (1977), Sampling Techniques, section 2.8: the mean times everybody, with the correction for a finite
    population.
    """
    drawn = len(values)
    if drawn < 2 or drawn >= everybody:
        exact = float(sum(values))
        return Estimate(exact, exact, exact)
    found = fmean(values) * everybody
    error = everybody * sqrt((1 - drawn / everybody) * variance(values) / drawn)
    half = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * error
    return Estimate(found, found - half, found + half)


def _arm(found: Sequence[Replayed], programme: Programme, everybody: int) -> Arm:
    scale = everybody / len(found) if found else 0.0
    points = total([each.points for each in found], everybody)
    cost = programme.cost_per_thousand / 1_000
    sums: tuple[dict[date, float], dict[str, float], dict[str, float]] = ({}, {}, {})
    by_month, by_rule, by_tier = sums
    for each in found:
        for month, count in each.by_month.items():
            by_month[month] = by_month.get(month, 0) + count * scale
        for rule, count in each.by_rule.items():
            by_rule[rule] = by_rule.get(rule, 0) + count * scale
        if each.tier:
            by_tier[each.tier] = by_tier.get(each.tier, 0) + scale
    return Arm(
        points=points,
        cost=Estimate(points.value * cost, points.low * cost, points.high * cost),
        owed=total([each.left for each in found], everybody),
        by_month=by_month,
        by_rule=by_rule,
        by_tier=by_tier,
    )


def _fifths(spent: Sequence[int], pairs: Sequence[tuple[Replayed, Replayed]], yearly: float) -> list[Fifth]:
    bought = sorted(
        ((much, *pair) for much, pair in zip(spent, pairs, strict=True) if much > 0), key=lambda row: row[0]
    )
    cuts = [len(bought) * part // FIFTHS for part in range(FIFTHS + 1)]
    return [
        Fifth(
            _mean(much for much, _one, _two in some) * yearly,
            _mean(one.points for _much, one, _two in some) * yearly,
            _mean(two.points for _much, _one, two in some) * yearly,
        )
        for some in (bought[first:last] for first, last in pairwise(cuts))
        if some
    ]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else 0.0


def _rank(scheme: tiers.Scheme | None, tier: str) -> int:
    return scheme.rank(tier) if scheme else 0


# -- who ---------------------------------------------------------------------------------------------------------------


def _everybody(programme: Programme) -> tuple[QuerySet[Any], bool]:
    """Members who have not left; where there are none yet, all customers, each person once."""
    members = Member.objects.filter(programme=programme, left_at=None)
    if members.exists():
        return members, True
    return Customer.objects.filter(persons.IS_HEAD, erasure=None), False


def _drawn(rows: QuerySet[Any], everybody: int, first: date, are_members: bool) -> list[int]:
    """As many of them by lot as have about `PURCHASES_MAX` purchases; the same whenever it is asked."""
    few = _by_lot(rows, everybody, FEW)
    customers = list(Member.objects.filter(pk__in=few).values_list("customer_id", flat=True)) if are_members else few
    of_few = Purchase.objects.filter(among("customer_id", customers), day__gte=day_number(first)).count()
    return _by_lot(rows, everybody, max(FEW, PURCHASES_MAX * len(few) // max(of_few, 1)))


def _by_lot(rows: QuerySet[Any], everybody: int, wanted: int) -> list[int]:
    if everybody <= wanted:
        return list(rows.order_by("pk").values_list("pk", flat=True))
    ends = rows.aggregate(first=Min("pk"), last=Max("pk"))
    # By numbers within the range of all: nobody has to be counted through to be found.
    chance, found = random.Random(ends["first"]), set[int]()  # noqa: S311  (a lot that everybody may foretell)
    for _ in range(ROUNDS):
        asked = [chance.randint(ends["first"], ends["last"]) for _ in range(min(TOGETHER, 2 * (wanted - len(found))))]
        found.update(rows.filter(among("pk", set(asked))).values_list("pk", flat=True))
        if len(found) >= wanted:
            break
    return chance.sample(sorted(found), min(wanted, len(found)))


def _people(
    programme: Programme, drawn: Sequence[int], first: date, end: date, are_members: bool
) -> tuple[list[Person], dict[int, list[int]]]:
    """What those who were drawn bought, and by person all their records. Members who are one person are that person,
    once."""
    zone = ZoneInfo(programme.time_zone)
    owner, joined = {pk: pk for pk in drawn}, dict[int, date]()
    if are_members:
        heads = [pk for pk, group in people_of(drawn).items() if group[0] == pk]
        members = Member.objects.filter(among("pk", heads))
        owner = {}
        for pk, customer, at in members.values_list("pk", "customer_id", "joined_at"):
            owner[customer], joined[customer] = pk, local_day(at, zone)
    nodes_of = persons.nodes(owner)
    of = {node: head for head, nodes in nodes_of.items() for node in nodes}
    found: dict[int, tuple[list[Bought], dict[date, int]]] = {head: ([], {}) for head in owner}
    bought = _bought(programme, of, first, end)
    back = purchases.given_back([each for each in bought if not each.is_refund])
    for each in bought:
        rows, amounts = found[of[each.customer_id]]
        day = local_day(each.at, zone)
        amounts[day] = amounts.get(day, 0) + each.amount
        if not each.is_refund:
            known = [refund for refund in back.get(each.pk, ()) if local_day(refund.at, zone) <= end]
            rows.append(Bought(purchases.net(each, known, zone) if known else each.facts(zone), each.birthday))
    people = [Person(owner[head], rows, amounts, joined.get(head)) for head, (rows, amounts) in found.items()]
    return people, {owner[head]: nodes for head, nodes in nodes_of.items()}


def _bought(programme: Programme, customers: Iterable[int], first: date, end: date) -> list[purchases.Bought]:
    ids: list[int] = []
    for some in persons.asked(customers):
        rows = Purchase.objects.filter(among("customer_id", some), currency=programme.currency)
        ids += rows.filter(day__range=(day_number(first), day_number(end))).values_list("pk", flat=True)
    return sorted(purchases.load(ids).values(), key=lambda each: (each.at, each.pk))
