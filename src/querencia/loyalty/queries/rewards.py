"""What is on the shelf, for whom, at what price; what members had of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from querencia.common.time import local_day
from querencia.customers.models import Score
from querencia.customers.queries import persons
from querencia.loyalty import rewards
from querencia.loyalty.expiry import period_starts
from querencia.loyalty.models import Member, Programme, Redemption, Reward, RewardVersion, Voucher
from querencia.loyalty.queries.balances import balances, people_of
from querencia.loyalty.queries.standings import tiers_of
from querencia.loyalty.rewards import Priced, Terms

State = Redemption.State
SHOWN = 200


@dataclass(frozen=True, slots=True)
class OnShelf:
    """A reward with its terms now (None: it is not offered any more), and prices that may still protect somebody."""

    reward: Reward
    version: RewardVersion
    terms: Terms | None
    prices: tuple[Priced, ...]

    @property
    def latest(self) -> Terms:
        """What it is, or was when it was last offered."""
        return self.terms or self.prices[-1].terms


@dataclass(frozen=True, slots=True)
class Who:
    """A member's person: since when, where they stand, their class, and what they had: by reward, when."""

    member_id: int
    joined_at: datetime
    tier: str = ""
    abc: str = ""
    had: dict[int, list[datetime]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """A reward to a member. ``why`` it cannot be had now (empty: it can): ``not_for_you``, ``limit``, ``sold_out``,
    ``in_deficit``, ``insufficient`` (``missing`` so many points). ``left``: None, as many as are wanted."""

    on_shelf: OnShelf
    terms: Terms
    price: int
    left: int | None
    why: str = ""
    missing: int = 0


# -- the shelf ---------------------------------------------------------------------------------------------------------


def shelf(programme: Programme, *, at: datetime, reward_ids: Iterable[int] | None = None) -> dict[int, OnShelf]:
    """By id the rewards of a programme, the oldest first; those that are not offered any more among them."""
    rows = Reward.objects.filter(programme=programme).order_by("pk")
    if reward_ids is not None:
        rows = rows.filter(pk__in=list(reward_ids))
    found = {row.pk: row for row in rows}
    versions: dict[int, list[RewardVersion]] = {}
    for each in RewardVersion.objects.filter(reward__in=found, in_force_from__lte=at).order_by("reward_id", "version"):
        versions.setdefault(each.reward_id, []).append(each)
    return {pk: _on_shelf(found[pk], some) for pk in found if (some := versions.get(pk))}


def _on_shelf(reward: Reward, versions: Sequence[RewardVersion]) -> OnShelf:
    ends = [*(each.in_force_from for each in versions[1:]), None]
    prices = tuple(
        Priced(rewards.read(each.document), end) for each, end in zip(versions, ends, strict=True) if each.document
    )
    terms = prices[-1].terms if versions[-1].document else None
    return OnShelf(reward, versions[-1], terms, prices)


def terms_of(version: RewardVersion) -> Terms:
    return rewards.read(version.document)


def keys(programme: Programme) -> set[str]:
    """Every name that a reward has."""
    return set(Reward.objects.filter(programme=programme).values_list("key", flat=True))


def versions(reward: Reward) -> list[RewardVersion]:
    """Every version of one reward, the newest first."""
    return list(RewardVersion.objects.filter(reward=reward).select_related("published_by").order_by("-version"))


def last_document(reward: Reward) -> dict[str, Any]:
    """What it said when it was last offered."""
    return next((dict(each.document) for each in versions(reward) if each.document), {})


def left_of(some: Iterable[OnShelf], *, at: datetime) -> dict[int, int]:
    """By reward how many are left, of those that are counted: stock (what lapsed and was not put back yet among it), or
    codes that were brought in."""
    some = list(some)
    found = {each.reward.pk: each.reward.stock for each in some if each.reward.stock is not None}
    late = Redemption.objects.filter(state=State.WAITING, expires_at__lte=at, took_stock=True, reward__in=found)
    for pk, number in late.values_list("reward_id").annotate(n=Count("pk")):
        found[pk] += number
    coded = [each.reward.pk for each in some if each.latest.codes == rewards.IMPORTED]
    if coded:
        waiting = Voucher.objects.filter(reward__in=coded, issued_at=None, voided_at=None)
        codes = dict(waiting.values_list("reward_id").annotate(n=Count("pk")))
        found |= {pk: min(found.get(pk, codes.get(pk, 0)), codes.get(pk, 0)) for pk in coded}
    return found


# -- for whom ----------------------------------------------------------------------------------------------------------


def who_are(programme: Programme, member_ids: Iterable[int], *, at: datetime) -> dict[int, Who]:
    """By member what decides on rewards; members who are one person are told the same."""
    groups = people_of(list(dict.fromkeys(member_ids)))
    everybody = sorted({pk for group in groups.values() for pk in group})
    rows: dict[int, Member] = {}
    for some in persons.asked(everybody):
        rows |= {row.pk: row for row in Member.objects.filter(pk__in=some, programme=programme)}
    heads = persons.heads(row.customer_id for row in rows.values())
    classes: dict[int, str] = {}
    for some in persons.asked(heads.values()):
        classes |= dict(Score.objects.filter(customer__in=some).values_list("customer_id", "cell__abc"))
    tiers = tiers_of(programme, [[rows[pk] for pk in group] for group in groups.values() if group[0] in rows])
    had = _had(everybody, at)
    found = {}
    for pk, group in groups.items():
        if pk not in rows:
            continue
        mine: dict[int, list[datetime]] = {}
        for each in group:
            for reward, made in had.get(each, ()):
                mine.setdefault(reward, []).append(made)
        joined = min(rows[each].joined_at for each in group)
        found[pk] = Who(pk, joined, tiers.get(pk, ""), classes.get(heads[rows[pk].customer_id], ""), mine)
    return found


def _had(member_ids: Sequence[int], at: datetime) -> dict[int, list[tuple[int, datetime]]]:
    found: dict[int, list[tuple[int, datetime]]] = {}
    for some in persons.asked(member_ids):
        rows = live(Redemption.objects.filter(member__in=some, why=""), at=at).order_by("pk")
        for member, reward, made in rows.values_list("member_id", "reward_id", "made_at"):
            found.setdefault(member, []).append((reward, made))
    return found


def live(rows: QuerySet[Redemption], *, at: datetime) -> QuerySet[Redemption]:
    """Those that count: done, or waiting in time."""
    return rows.filter(Q(state=State.DONE) | Q(state=State.WAITING, expires_at__gt=at))


def refusal(each: OnShelf, who: Who, programme: Programme, *, at: datetime) -> str:
    """Why somebody cannot have a reward, whatever their points and its stock; nothing, if they can."""
    terms = each.terms
    if terms is None or not terms.is_valid(local_day(at, programme.time_zone)):
        return "not_offered"
    if (terms.tiers and who.tier not in terms.tiers) or (terms.classes and who.abc not in terms.classes):
        return "not_for_you"
    if terms.limit:
        start = period_starts(at, terms.per, zone=programme.time_zone)
        had = who.had.get(each.reward.pk, ())
        if sum(period_starts(made, terms.per, zone=programme.time_zone) == start for made in had) >= terms.limit:
            return "limit"
    return ""


def price_of(each: OnShelf, who: Who, *, at: datetime) -> int:
    return rewards.price(each.prices, tier=who.tier, joined_at=who.joined_at, at=at)


def offers(programme: Programme, member_id: int, *, at: datetime) -> list[Offer]:
    """What a member can have: what they can pay now first, then what is nearest."""
    who = who_are(programme, [member_id], at=at).get(member_id)
    if who is None:
        return []
    has = balances([member_id], at=at)[member_id]
    known = list(shelf(programme, at=at).values())
    left = left_of(known, at=at)
    found = []
    for each in known:
        why = refusal(each, who, programme, at=at)
        if why == "not_offered" or each.terms is None:
            continue
        # Of what is paid with points, one point is enough to begin.
        price = _least(each.terms) if each.terms.kind == rewards.PAY else price_of(each, who, at=at)
        missing = max(0, price - has.available)
        if not why and left.get(each.reward.pk) == 0:
            why = "sold_out"
        if not why and has.deficit:
            why = "in_deficit"
        if not why and missing:
            why = "insufficient"
        found.append(Offer(each, each.terms, price, left.get(each.reward.pk), why, missing))
    return sorted(found, key=lambda offer: (offer.why != "", offer.why != "insufficient", offer.missing, -offer.price))


def _least(terms: Terms) -> int:
    """The fewest points that are worth a minor unit."""
    return max(1, -(-terms.points // terms.amount))


# -- what they had -----------------------------------------------------------------------------------------------------


def state_of(row: Redemption, *, at: datetime) -> str:
    """What became of it by now, whether or not anybody has booked that its time is over."""
    is_late = row.state == State.WAITING and row.expires_at is not None and row.expires_at <= at
    return State.LAPSED if is_late else row.state


def shown_code(row: Redemption, *, at: datetime) -> Voucher | None:
    """The code that its member may be told: not before it is sure, unless using it is what makes it so."""
    state = state_of(row, at=at)
    is_sure = state == State.DONE or (state == State.WAITING and terms_of(row.version).is_charged_at_use)
    return row.voucher if is_sure else None


def redemptions(member_ids: Iterable[int], *, limit: int = SHOWN) -> list[Redemption]:
    """Of these members' persons, the newest first."""
    everybody = {pk for group in people_of(list(member_ids)).values() for pk in group}
    return list(_told(Redemption.objects.filter(member__in=everybody)).order_by("-pk")[:limit])


def redemptions_by_id(ids: Iterable[int]) -> dict[int, Redemption]:
    rows = (row for some in persons.asked(ids) for row in _told(Redemption.objects.filter(pk__in=some)))
    return {row.pk: row for row in rows}


def redemptions_by_key(programme: Programme, keys: Iterable[str]) -> dict[str, Redemption]:
    return {row.key: row for row in _told(Redemption.objects.filter(programme=programme, key__in=set(keys)))}


def to_hand_over(programme: Programme, *, at: datetime, limit: int = SHOWN) -> list[Redemption]:
    """What waits for somebody to hand it over, the oldest first; what the till takes in by itself is left out."""
    waits = Redemption.objects.filter(programme=programme, state=State.WAITING, expires_at__gt=at)
    handed = waits.exclude(version__document__kind=rewards.PAY)
    return list(_told(handed).order_by("pk")[:limit])


def _told(rows: QuerySet[Redemption]) -> QuerySet[Redemption]:
    return rows.select_related("reward", "version", "voucher", "member__customer", "programme", "made_by")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a reward: how many members had it, for how many points, how many were given it, and how many wait."""

    redeemed: int = 0
    given: int = 0
    waiting: int = 0
    points: int = 0


def figures(programme: Programme, *, at: datetime) -> dict[int, Figures]:
    """By reward; a redemption that was cancelled, given back or came too late counts for nothing."""
    counts: Counter[tuple[int, str]] = Counter()
    mine = live(Redemption.objects.filter(programme=programme), at=at)
    rows = mine.values_list("reward_id", "state", "why").annotate(n=Count("pk"), points=Sum("points"))
    for reward, state, why, number, points in rows.order_by():
        what = "waiting" if state == State.WAITING else "given" if why else "redeemed"
        counts[reward, what] += number
        counts[reward, "points"] += points
    names = ("redeemed", "given", "waiting", "points")
    return {pk: Figures(**{name: counts[pk, name] for name in names}) for pk in {pk for pk, _what in counts}}
