"""A loyalty programme for a shop to look at: a year of it, month by month, by the real path: joined, earned, spent,
lapsed, judged, closed. Everything is the same every time."""

from datetime import datetime, timedelta
from itertools import batched

from querencia.business.queries import business
from querencia.common import money
from querencia.customers.models import Customer, Purchase
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries.closing import waiting

MONTHS = 12
MONTH = timedelta(days=30)
TOGETHER = 2_000
PRIZE = 50


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
    for month in range(1, MONTHS + 1):
        end = began + month * MONTH
        _close(programme, end - MONTH)
        _live(programme, end - MONTH, end)


def _close(programme: Programme, at: datetime) -> None:
    """The books of months that are over; the newest is left to whoever looks."""
    done = actions.close(programme=programme, months=waiting(programme, at=at), at=at)
    assert all(each.is_done for each in done), done


def _live(programme: Programme, start: datetime, end: datetime) -> None:
    """A month: what was bought in it earns, some of what can be spent is spent, and its nights do their work."""
    bought = Purchase.objects.filter(at__gt=start, at__lte=end, customer__memberships__programme=programme)
    for some in batched(bought.order_by("at", "pk").values_list("pk", flat=True), TOGETHER, strict=False):
        actions.earn(programme=programme, purchases=some, at=end)
    active = Member.objects.filter(programme=programme, active__gte=PRIZE).order_by("pk")
    has = queries.balances(list(active.values_list("pk", flat=True)), at=end)
    rich = [pk for pk, balance in has.items() if balance.is_spendable and balance.available >= PRIZE]
    keys = {pk: f"demo:{pk}:{end.date()}" for pk in rich[::2]}
    actions.hold(programme=programme, holds=[actions.NewHold(pk, key, PRIZE) for pk, key in keys.items()], at=end)
    actions.capture(programme=programme, captures=[actions.Capture(key) for key in keys.values()], at=end)
    actions.expire(programme=programme, at=end)
    actions.judge_tiers(programme=programme, at=end)
