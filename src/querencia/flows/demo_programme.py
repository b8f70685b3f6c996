"""A loyalty programme for a shop to look at: a year of it, month by month, by the real path: joined, earned, spent,
lapsed, judged, closed, settled with partners; and half a year before it, in which a few members brought friends.
Everything is the same every time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import batched, groupby
from operator import itemgetter
from typing import Any

from django.db.models import Min

from querencia.business.queries import business
from querencia.common import money
from querencia.common.time import local_day
from querencia.customers.models import Customer, Purchase
from querencia.loyalty import actions, queries
from querencia.loyalty.closing import first_day
from querencia.loyalty.models import Member, Partner, Programme, Redemption, Reward
from querencia.loyalty.queries import partners
from querencia.loyalty.queries.closing import waiting

PILOT_MONTHS, MONTHS = 6, 12
DAY, MONTH = timedelta(days=1), timedelta(days=30)
TOGETHER = 2_000
PRIZE = 50
MUGS, SHARERS = 400, 60
ADVOCATES, FRIENDS, APART, TOGETHER_IN = 9, 14, 60, 10
CAMPAIGN_MONTH, CAMPAIGN_DAYS, HELD_OUT = 8, 60, 20
AT_THE_BAKERY = 3
TAKEN = ("five-off", "mug", "five-off", "trees")


def build(*, at: datetime) -> None:
    """Every third customer is a member since the day on which the programme began for all, so many months before
    ``at``."""
    known = business()
    if known is None:
        return
    unit = 10 ** money.exponent(known.currency)
    began = at - MONTHS * MONTH
    opened = began - PILOT_MONTHS * MONTH
    programme = actions.set_up(
        business=known,
        name="Club",
        rules={"every-purchase": {"title": "Every purchase", "then": {"points": 1, "per": unit}}},
        tiers={
            "metric": "spend",
            "grace_days": 30,
            "tiers": [
                {"key": "c", "name": "C", "reach": 0},
                {"key": "b", "name": "B", "reach": 60 * unit},
                {"key": "a", "name": "A", "reach": 150 * unit},
            ],
        },
        at=opened,
        pending_days=14,
        expiry_count=4,
        expiry_rounding="month",
        adjust_max=100,
        cost_per_thousand=10 * unit,
    )
    actions.start(programme=programme, at=opened)
    programme.refresh_from_db()
    actions.publish_rewards(programme=programme, documents=_rewards(unit), at=opened)
    actions.change_stock(reward=Reward.objects.get(programme=programme, key="mug"), left=MUGS, was=None)
    _bring_friends(programme, unit, opened)
    _live(programme, opened, began)
    _promise(programme, began)
    customers = Customer.objects.filter(created_at__lte=at).order_by("pk").values_list("pk", flat=True)
    joined = [actions.NewMember(pk) for pk in customers[::3]]
    actions.enrol(programme=programme, members=joined, at=began)
    actions.share(members=list(Member.objects.filter(programme=programme).order_by("pk")[:SHARERS]), at=began)
    bakery = _agree(programme, unit, began)
    for month in range(1, MONTHS + 1):
        end = began + month * MONTH
        _close(programme, end - MONTH)
        if month == CAMPAIGN_MONTH:
            _campaign(programme, unit, end - MONTH)
        _live(programme, end - MONTH, end)
        _spend_with(bakery, end)
    actions.settle_referrals(programme=programme, at=at)
    for close in partners.unsettled(programme)[:-1]:  # the newest is left to whoever looks, too
        actions.settle(programme=programme, month=close.month, at=at)


def win_back(*, at: datetime) -> None:
    """A campaign that begins now, for members who went quiet: it needs their scores."""
    programme = Programme.objects.order_by("pk").first()
    if programme is None:
        return
    document = {
        "title": "Good to see you again",
        "then": {"points": 50},
        "cap": {"points": 50, "per": "ever"},
        "budget": {"points": 5_000},
        "audience": {"stages": ["late", "left"], "classes": ["A", "B"], "grows": True, "held_out": HELD_OUT},
    }
    actions.publish_rules(programme=programme, documents={"come-back": document}, at=at)


def _promise(programme: Programme, at: datetime) -> None:
    """What a birthday and a day of thanks are worth."""
    thanks = {"points": 10, "valid_days": 60, "on": {"month": 10, "weekday": 6, "nth": 1}}
    birthday = {"points": 20, "valid_days": 60}
    actions.publish_gesture(programme=programme, kind="birthday", document=birthday, at=at)
    actions.publish_gesture(programme=programme, kind="appreciation", document=thanks, at=at)


def _bring_friends(programme: Programme, unit: int, at: datetime) -> None:
    """Some of the first customers bring others, who join when they first buy; one brings many in a day."""
    terms = {"advocate_points": 50, "friend_points": 25, "order_min": 20 * unit, "return_days": 14, "buy_days": 90}
    actions.publish_referral_terms(programme=programme, document=terms, at=at)
    first = Customer.objects.filter(created_at__lte=at + 10 * DAY).order_by("pk").values_list("pk", flat=True)
    invited = [actions.NewMember(pk) for pk in first[: 3 * ADVOCATES : 3]]
    members = actions.enrol(programme=programme, members=invited, at=at)
    codes = [each.code for each in actions.share(members=members, at=at).values()]
    bought = Purchase.objects.filter(amount__gt=0).exclude(customer__in=[each.customer_id for each in invited])
    came = bought.values("customer_id").annotate(first=Min("at")).order_by("first", "customer_id")
    fresh = came.filter(first__gt=at + 10 * DAY, first__lte=at + PILOT_MONTHS * MONTH)
    rows = list(fresh.values_list("first", "customer_id"))
    rows = rows[:TOGETHER_IN] + rows[TOGETHER_IN::APART][:FRIENDS]
    code_of = {pk: codes[0 if place < TOGETHER_IN else place % len(codes)] for place, (_at, pk) in enumerate(rows)}
    for moment, some in groupby(rows, itemgetter(0)):
        joining = [actions.NewMember(pk) for _at, pk in some]
        friends = actions.enrol(programme=programme, members=joining, at=moment)
        claims = [actions.NewClaim(each.pk, code_of[each.customer_id], "till") for each in friends]
        actions.claim(programme=programme, claims=claims, at=moment)


def _agree(programme: Programme, unit: int, at: datetime) -> Partner:
    """A cinema pays for points of weekends, a bakery takes points in; the bakery."""
    month = first_day(local_day(at, programme.time_zone))
    found = {}
    for name, funds, takes in (("Cinema", 12, 0), ("Bakery", 0, 9)):
        found[name] = actions.create_partner(programme=programme, name=name, at=at)
        actions.agree(
            partner=found[name],
            funds_per_thousand=funds * unit,
            takes_per_thousand=takes * unit,
            starts_on=month,
            at=at,
        )
    weekend = {
        "title": "Weekends, with the cinema",
        "then": {"points": 1, "per": 4 * unit},
        "if": "weekday in [6, 7]",
        "partner": found["Cinema"].key,
    }
    actions.publish_rules(programme=programme, documents={"weekends": weekend}, at=at)
    return found["Bakery"]


def _campaign(programme: Programme, unit: int, at: datetime) -> None:
    """Double points for the lower tiers, with some held out by lot to compare with."""
    today = local_day(at, programme.time_zone)
    document = {
        "title": "Double points for B and C",
        "then": {"points": 1, "per": unit},
        "budget": {"points": 20_000},
        "audience": {"tiers": ["b", "c"], "held_out": HELD_OUT},
        "from": (today + DAY).isoformat(),
        "until": (today + CAMPAIGN_DAYS * DAY).isoformat(),
    }
    actions.publish_rules(programme=programme, documents={"double-points": document}, at=at)


def _spend_with(partner: Partner, at: datetime) -> None:
    """Some members pay with points where the partner sells."""
    active = Member.objects.filter(programme=partner.programme, active__gte=PRIZE).order_by("pk")
    keys = {f"bakery:{pk}:{at.date()}": pk for pk in active.values_list("pk", flat=True)[1::2][:AT_THE_BAKERY]}
    asked = [actions.NewHold(pk, key, PRIZE // 2) for key, pk in keys.items()]
    held = actions.hold(programme=partner.programme, holds=asked, at=at)
    done = [key for key, each in zip(keys, held, strict=True) if each.is_done]
    actions.capture(
        programme=partner.programme, captures=[actions.Capture(key, partner=partner) for key in done], at=at
    )


def _close(programme: Programme, at: datetime) -> None:
    """The books of months that are over; the newest is left to whoever looks."""
    done = actions.close(programme=programme, months=waiting(programme, at=at), at=at)
    assert all(each.is_done for each in done), done


def _rewards(unit: int) -> dict[str, dict[str, Any]]:
    """Something for everybody: what many can have soon, what few can, and what needs saving."""
    return {
        "five-off": {
            "kind": "amount",
            "name": {"en": "5 off", "es": "5 menos", "pt": "5 de desconto"},
            "points": 50,
            "tier_points": {"a": 40},
            "amount": 5 * unit,
            "valid_days": 90,
            "protect_days": 30,
        },
        "mug": {
            "kind": "prize",
            "name": {"en": "A mug of the house", "es": "Una taza de la casa", "pt": "Uma caneca da casa"},
            "points": 80,
            "cost": 3 * unit,
            "limit": {"number": 2, "per": "year"},
            "valid_days": 30,
        },
        "pay": {
            "kind": "pay",
            "name": {"en": "Pay with points", "es": "Pagar con puntos", "pt": "Pagar com pontos"},
            "points": 10,
            "amount": unit,
            "valid_days": 7,
        },
        "concert": {
            "kind": "experience",
            "name": {
                "en": "An evening of live music",
                "es": "Una noche de música en vivo",
                "pt": "Uma noite de música ao vivo",
            },
            "points": 300,
            "cost": 20 * unit,
            "tiers": ["a", "b"],
            "valid_days": 60,
        },
        "trees": {"kind": "charity", "name": {"en": "Plant a tree", "es": "Planta un árbol", "pt": "Plante uma árvore"},
                  "points": 60, "cost": 2 * unit},
    }  # fmt: skip


def _live(programme: Programme, start: datetime, end: datetime) -> None:
    """A month: what was bought in it earns, some of what can be spent is spent, and its nights do their work."""
    bought = Purchase.objects.filter(at__gt=start, at__lte=end, customer__memberships__programme=programme)
    for some in batched(bought.order_by("at", "pk").values_list("pk", flat=True), TOGETHER, strict=False):
        actions.earn(programme=programme, purchases=some, at=end)
    active = Member.objects.filter(programme=programme, active__gte=PRIZE).order_by("pk")
    has = queries.balances(list(active.values_list("pk", flat=True)), at=end)
    rich = [pk for pk, balance in has.items() if balance.is_spendable and balance.available >= PRIZE]
    _redeem(programme, rich[::2], end)
    actions.catch_up_gestures(programme=programme, at=end)
    actions.expire(programme=programme, at=end)
    actions.judge_tiers(programme=programme, at=end)


def _redeem(programme: Programme, members: Sequence[int], at: datetime) -> None:
    """Each takes one of what there is, in turn; most of what is handed over is picked up, most codes are used."""
    shelf = dict(Reward.objects.filter(programme=programme, key__in=TAKEN).values_list("key", "pk"))
    asked = [
        actions.NewRedemption(pk, shelf[TAKEN[place % len(TAKEN)]], f"demo:{pk}:{at.date()}")
        for place, pk in enumerate(members)
    ]
    done = [
        each.redemption_id for each in actions.redeem(programme=programme, redemptions=asked, at=at) if each.is_done
    ]
    rows = Redemption.objects.filter(pk__in=done).select_related("voucher").order_by("pk")
    picked_up = [row.pk for row in rows if row.state == Redemption.State.WAITING][::2]
    actions.confirm(programme=programme, redemption_ids=picked_up, at=at)
    codes = [row.voucher.code for row in rows if row.state == Redemption.State.DONE and row.voucher][::2]
    uses = [actions.NewUse(code, f"demo:{code}", 40 * PRIZE) for code in codes]
    actions.use(programme=programme, uses=uses, at=at)
