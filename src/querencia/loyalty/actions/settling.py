"""What became of friends who were brought: decided anew from what they bought and gave back, so that whoever comes
late, twice, or in whatever order, decides the same."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from querencia.business.models import Staff
from querencia.common.database import among
from querencia.customers import kinds
from querencia.customers.models import Purchase
from querencia.customers.queries import persons
from querencia.loyalty.actions.acquaintance import Acquaintance
from querencia.loyalty.actions.giving import Gift, give
from querencia.loyalty.actions.reclaiming import take_back
from querencia.loyalty.actions.referring import tell
from querencia.loyalty.models import Programme, Referral
from querencia.loyalty.queries.programmes import is_running
from querencia.loyalty.referring import Terms, read

TOGETHER = 1_000
State, Review = Referral.State, Referral.Review
OPEN = (State.CLAIMED, State.QUALIFIED)
TOLD = {
    State.QUALIFIED: kinds.REFERRAL_QUALIFIED,
    State.REWARDED: kinds.REFERRAL_REWARDED,
    State.REJECTED: kinds.REFERRAL_REJECTED,
    State.REVERSED: kinds.REFERRAL_REVERSED,
}
DECIDED = ["state", "purchase", "due_at", "settled_at", "why", "advocate_points", "friend_points", "signals", "review"]
NAMES = ("advocate", "friend")


class Order(NamedTuple):
    """What a friend bought, and what is left of it after refunds."""

    at: datetime
    pk: int
    left: int


def settle_referrals(*, programme: Programme, at: datetime, purchases: Sequence[int] | None = None) -> Counter[str]:
    """Decide what can be decided by now of every friend (of those who made these purchases, by id, if said); how many
    came to which state. In pieces that are each whole."""
    if purchases is None:
        return _settle_all(programme, Q(), at)
    if not Referral.objects.filter(advocate__programme=programme).exists():
        return Counter()
    customers = Purchase.objects.filter(among("pk", purchases)).values_list("customer_id", flat=True).distinct()
    return _settle_all(programme, among("friend__customer_id", persons.together(customers)), at)


def _settle_all(programme: Programme, wanted: Q, at: datetime) -> Counter[str]:
    found: Counter[str] = Counter()
    for ids in _pieces(programme, wanted):
        with transaction.atomic():
            found += _settle(programme, ids, at)
    return found


def _pieces(programme: Programme, wanted: Q) -> Iterator[list[int]]:
    """Those that are open, and those that were rewarded and whose friend gave something back since."""
    back = Purchase.objects.filter(~Q(refund_of=""))
    own = Exists(back.filter(customer=OuterRef("friend__customer")))
    other = Exists(back.filter(customer__person=OuterRef("friend__customer__person")))
    is_due = Q(state__in=OPEN) | (Q(state=State.REWARDED) & (own | other))
    rows = Referral.objects.filter(is_due, wanted, advocate__programme=programme)
    last = 0
    while ids := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:TOGETHER]):
        yield ids
        last = ids[-1]


def _settle(programme: Programme, ids: Sequence[int], at: datetime) -> Counter[str]:
    held = Referral.objects.select_for_update(of=("self",)).filter(pk__in=ids, state__in=[*OPEN, State.REWARDED])
    rows = list(held.select_related("advocate", "friend", "terms").order_by("pk"))
    known = Acquaintance(programme, {each.customer_id for row in rows for each in (row.advocate, row.friend)}, rows)
    orders = _orders(programme, known, rows)
    before = {row.pk: (row.state, row.purchase_id, row.review, tuple(row.signals)) for row in rows}
    for row in rows:
        _decide(programme, known, row, orders.get(known.head(row.friend), []), at)
    now = [row for row in rows if row.state != before[row.pk][0]]
    _reward(programme, known, [row for row in now if row.state == State.REWARDED], at)
    _reverse(programme, [row for row in now if row.state == State.REVERSED], at)
    changed = [row for row in rows if (row.state, row.purchase_id, row.review, tuple(row.signals)) != before[row.pk]]
    Referral.objects.bulk_update(changed, DECIDED, batch_size=TOGETHER)
    for state, kind in TOLD.items():
        tell(kind, [row for row in now if row.state == state], at)
    return Counter(row.state for row in now)


def _decide(programme: Programme, known: Acquaintance, row: Referral, orders: Sequence[Order], at: datetime) -> None:
    terms = read(row.terms.document)
    last = terms.bought_by(row.claimed_at, programme.time_zone)
    fit = (each for each in orders if each.left >= max(1, terms.order_min) and each.at >= row.claimed_at)
    order = next((each for each in fit if last is None or each.at < last), None)
    if row.state == State.REWARDED:
        if order is None:
            row.state, row.settled_at, row.why = State.REVERSED, at, "returned"
        return
    if fault := known.fault(row, terms):
        _reject(row, fault, at)
    elif order is None and last is not None and at >= last:
        _reject(row, "returned" if row.purchase_id else "too_late", at)
    elif order is None:
        row.state, row.purchase_id, row.due_at = State.CLAIMED, None, None
    else:
        _qualify(programme, known, row, terms, order, at)


def _qualify(
    programme: Programme, known: Acquaintance, row: Referral, terms: Terms, order: Order, at: datetime
) -> None:
    row.state, row.purchase_id, row.due_at = State.QUALIFIED, order.pk, terms.due_at(order.at, programme.time_zone)
    # Addresses may have been told since, and so may what they bought: but nobody is asked twice about the same.
    signals = known.signals(row)
    if set(signals) - set(row.signals) and row.review == Review.NONE:
        row.review = Review.WAITING
    row.signals = sorted({*signals, *row.signals})
    if at >= row.due_at and row.review != Review.WAITING:
        if all(known.here(member) is None for member in (row.advocate, row.friend)):
            _reject(row, "left", at)
        else:
            row.state, row.settled_at = State.REWARDED, at


def _reject(row: Referral, why: str, at: datetime) -> None:
    row.state, row.why, row.settled_at = State.REJECTED, why, at


def _orders(programme: Programme, known: Acquaintance, rows: Sequence[Referral]) -> dict[int, list[Order]]:
    """By the customer who stands for a friend what they bought while the programme ran, in order, less what they gave
    back of it."""
    friends = {known.head(row.friend) for row in rows}
    everybody = [pk for pk, head in known.head_of.items() if head in friends]
    bought = Purchase.objects.filter(among("customer_id", everybody), currency=programme.currency)
    since = min((row.claimed_at for row in rows), default=None)
    if since is None:
        return {}
    given_back: defaultdict[tuple[str, str], int] = defaultdict(int)
    for key, source, amount in bought.exclude(refund_of="").values_list("refund_of", "source", "amount"):
        given_back[key, source] += amount
    found: defaultdict[int, list[Order]] = defaultdict(list)
    made = bought.filter(refund_of="", amount__gt=0, at__gte=since).order_by("at", "pk")
    columns = ("pk", "customer_id", "at", "amount", "key", "source")
    for pk, customer, moment, amount, key, source in made.values_list(*columns):
        if is_running(programme, at=moment):
            found[known.head_of[customer]].append(Order(moment, pk, amount + given_back[key, source]))
    return found


def _reward(programme: Programme, known: Acquaintance, rows: Sequence[Referral], at: datetime) -> None:
    gifts = []
    for row in rows:
        terms = read(row.terms.document)
        for name in NAMES:
            here, points = known.here(getattr(row, name)), getattr(terms, f"{name}_points")
            if here is not None and points:
                gifts.append((row, name, Gift(here.pk, f"referral:{row.pk}:{name}", points, WHY[name])))
    done = give(programme=programme, gifts=[gift for _row, _name, gift in gifts], at=at)
    for (row, name, _gift), each in zip(gifts, done, strict=True):
        setattr(row, f"{name}_points", each.points if each.is_done else 0)


WHY = {"advocate": "referral", "friend": "referred"}


def _reverse(programme: Programme, rows: Sequence[Referral], at: datetime) -> None:
    keys = [f"referral:{row.pk}:{name}" for row in rows for name in NAMES]
    take_back(programme=programme, gifts=keys, why="referral_reversed", at=at)


# -- looking at them ---------------------------------------------------------------------------------------------------


def review_referrals(
    *, referrals: Sequence[Referral], is_fine: bool, staff: Staff, remark: str = "", at: datetime
) -> int:
    """Somebody looked at those that waited; how many did. What is fine goes on its way, at once where its time has
    come; what is not is rejected for good."""
    with transaction.atomic():
        waiting = Referral.objects.filter(pk__in=[row.pk for row in referrals], review=Review.WAITING, state__in=OPEN)
        held = waiting.select_for_update(of=("self",)).select_related("advocate__programme", "friend")
        rows = list(held.order_by("pk"))
        for row in rows:
            row.review = Review.APPROVED if is_fine else Review.REFUSED
            row.reviewed_by, row.reviewed_at, row.remark = staff, at, remark.strip()[:400]
            if not is_fine:
                _reject(row, "review", at)
        Referral.objects.bulk_update(rows, [*DECIDED, "reviewed_by", "reviewed_at", "remark"], batch_size=TOGETHER)
        tell(kinds.REFERRAL_REJECTED, [row for row in rows if not is_fine], at)
    for programme in {row.advocate.programme for row in rows if is_fine}:
        _settle_all(programme, Q(pk__in=[row.pk for row in rows]), at)
    return len(rows)
