"""A loyalty programme for a shop to look at: a year of it, month by month, by the real path: joined, earned, spent,
lapsed, judged, closed. Everything is the same every time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from querencia.business.queries import business
from querencia.common import money
from querencia.customers.models import Customer, Purchase
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Member, Programme, Redemption, Reward
from querencia.loyalty.queries.closing import waiting

MONTHS = 12
MONTH = timedelta(days=30)
TOGETHER = 2_000
PRIZE = 50
MUGS, SHARERS = 400, 60
TAKEN = ("five-off", "mug", "five-off", "trees")


def build(*, at: datetime) -> None:
    """Every third customer is a member since the day on which the programme began, so many months before ``at``."""
    known = business()
    if known is None:
        return
    unit = 10 ** money.exponent(known.currency)
    began = at - MONTHS * MONTH
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
        at=began,
        pending_days=14,
        expiry_count=4,
        expiry_rounding="month",
        adjust_max=100,
        cost_per_thousand=10 * unit,
    )
    actions.start(programme=programme, at=began)
    programme.refresh_from_db()
    customers = Customer.objects.filter(created_at__lte=at).order_by("pk").values_list("pk", flat=True)
    joined = [actions.NewMember(pk) for pk in customers[::3]]
    actions.enrol(programme=programme, members=joined, at=began)
    _promise(programme, unit, began)
    actions.publish_rewards(programme=programme, documents=_rewards(unit), at=began)
    actions.change_stock(reward=Reward.objects.get(programme=programme, key="mug"), left=MUGS, was=None)
    for month in range(1, MONTHS + 1):
        end = began + month * MONTH
        _close(programme, end - MONTH)
        _live(programme, end - MONTH, end)


def _promise(programme: Programme, unit: int, at: datetime) -> None:
    """What a birthday, a day of thanks and a friend are worth; some members have a link to share."""
    thanks = {"points": 10, "valid_days": 60, "on": {"month": 10, "weekday": 6, "nth": 1}}
    birthday = {"points": 20, "valid_days": 60}
    actions.publish_gesture(programme=programme, kind="birthday", document=birthday, at=at)
    actions.publish_gesture(programme=programme, kind="appreciation", document=thanks, at=at)
    friends = {"advocate_points": 50, "friend_points": 25, "order_min": 20 * unit, "return_days": 14, "buy_days": 90}
    actions.publish_referral_terms(programme=programme, document=friends, at=at)
    actions.share(members=list(Member.objects.filter(programme=programme).order_by("pk")[:SHARERS]), at=at)


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
