"""Codes at the till: used for an order once, at most for what the order costs, and given back with it; one of a value
until it is used up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from querencia.business.models import Staff
from querencia.common.time import local_day
from querencia.customers import events, kinds
from querencia.customers.queries import persons
from querencia.loyalty import codes, expiry, rewards
from querencia.loyalty.actions.redeeming import close, spend
from querencia.loyalty.actions.releasing import give_points_back
from querencia.loyalty.actions.results import CREATED, DIFFERS, UNCHANGED
from querencia.loyalty.actions.stock import SOURCE, locked, put_back
from querencia.loyalty.ledger import Book
from querencia.loyalty.models import Programme, Redemption, Voucher, VoucherUse
from querencia.loyalty.purchases import Bought, given_back
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries import vouchers as looked

State = Redemption.State
TILL = "api"


@dataclass(frozen=True)
class NewUse:
    """A code for an order of so many minor units. The order is named by key and source, as its purchase will be."""

    code: str
    order_key: str
    amount: int
    source: str = TILL


@dataclass(frozen=True)
class NewReturn:
    """An order was given back: so is what was used for it (of one code, or of all)."""

    order_key: str
    source: str = TILL
    code: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """``created``, ``unchanged``, ``differs``, or why nothing was done. ``points``: spent for it just then, or back."""

    result: str
    use_id: int = 0
    discount: int = 0
    points: int = 0

    @property
    def is_done(self) -> bool:
        return self.result in (CREATED, UNCHANGED)


def use(*, programme: Programme, uses: Sequence[NewUse], at: datetime, staff: Staff | None = None) -> list[Used]:
    """Take codes in; what became of each, in order. The discount never exceeds the order, and points that wait for it
    are spent as far as the discount goes; the rest is free again.

    Why not: see `querencia.loyalty.queries.vouchers.Checked`; ``restored``: it was used for this order, which was given
    back.
    """
    with transaction.atomic():
        found = looked.by_code(programme, (codes.normal(each.code) for each in uses))
        _lock(programme, list(found.values()), at)
        made: list[VoucherUse] = []
        done = [_use(programme, each, made, at, staff) for each in uses]
        _tell(kinds.VOUCHER_USED, made, at)
    return done


def _lock(programme: Programme, vouchers: Sequence[Voucher], at: datetime) -> None:
    """Whoever has them; then those that nobody has alone."""
    Book(programme, at=at).open(member_ids=[row.member_id for row in vouchers if row.member_id])
    mine = Voucher.objects.filter(pk__in=[row.pk for row in vouchers], member=None)
    list(mine.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


def _use(programme: Programme, asked: NewUse, made: list[VoucherUse], at: datetime, staff: Staff | None) -> Used:
    """``made``: takes the new use, to be told of."""
    [checked] = looked.check(programme, [(asked.code, asked.amount)], at=at)
    voucher, terms, redemption = checked.voucher, checked.terms, checked.redemption
    if voucher is None or terms is None:
        return Used(checked.why)
    known = VoucherUse.objects.filter(voucher=voucher, order_key=asked.order_key, source=asked.source).first()
    if known is not None:
        if known.restored_at is not None:
            return Used("restored", known.pk)
        same = known.order_amount == asked.amount
        return Used(UNCHANGED if same else DIFFERS, known.pk, known.discount, known.points)
    if checked.why:
        return Used(checked.why)
    points = 0
    if redemption is not None and redemption.state == State.WAITING:
        points = terms.charge(checked.discount, redemption.points)
        if not close(redemption, State.DONE, at=at, staff=staff):
            return Used("lapsed")
        spend([(redemption, points)], programme, at=at)
        Redemption.objects.filter(pk=redemption.pk).update(points=points)
    free = Voucher.objects.filter(Q(uses_max=None) | Q(uses__lt=F("uses_max")), pk=voucher.pk, voided_at=None)
    if voucher.left is not None:
        free = free.filter(left__gte=checked.discount)
    # What is no value, null, stays so.
    if not free.update(uses=F("uses") + 1, left=F("left") - checked.discount):
        raise RuntimeError("a code went while it was locked")
    row = VoucherUse.objects.create(
        voucher=voucher,
        order_key=asked.order_key,
        source=asked.source,
        order_amount=asked.amount,
        discount=checked.discount,
        points=points,
        at=at,
    )
    made.append(row)
    return Used(CREATED, row.pk, row.discount, points)


# -- given back --------------------------------------------------------------------------------------------------------


def restore_uses(*, programme: Programme, returns: Sequence[NewReturn], at: datetime) -> list[Used]:
    """Orders were given back whole: what was used for them can be used again, or its points return to their lots; what
    became of each. ``unknown``: nothing was used for it."""
    with transaction.atomic():
        rows = looked.uses_of(programme, [(each.order_key, each.source) for each in returns])
        back = _Back(programme, rows, at)
        found = []
        for each in returns:
            code = codes.normal(each.code)
            mine = [
                row
                for row in back.rows
                if (row.order_key, row.source) == (each.order_key, each.source)
                and (not code or row.voucher.code == code)
            ]
            found.append(_together([back.restore(row, 0) for row in mine]))
        back.tell()
    return found


def _together(done: Sequence[Used]) -> Used:
    if not done:
        return Used("unknown")
    result = CREATED if any(each.result == CREATED for each in done) else UNCHANGED
    return Used(result, done[0].use_id, sum(each.discount for each in done), sum(each.points for each in done))


def give_back_uses(programme: Programme, orders: Sequence[Bought], at: datetime) -> int:
    """What was used for orders that are given back: all of it when an order is given back whole; what was paid with
    points, down to what is left of it. How many uses were touched. Inside the transaction of the refunds."""
    rows = looked.uses_of(programme, [(each.key, each.source) for each in orders])
    if not rows:
        return 0
    gone = given_back(orders)
    left = {
        (each.key, each.source): max(0, each.amount + sum(refund.amount for refund in gone.get(each.pk, ())))
        for each in orders
    }
    back = _Back(programme, rows, at)
    done = [back.restore(row, left[row.order_key, row.source]) for row in back.rows]
    back.tell()
    return sum(each.result == CREATED for each in done)


class _Back:
    """Uses that are given back, under the locks of all whom they concern."""

    def __init__(self, programme: Programme, rows: Sequence[VoucherUse], at: datetime) -> None:
        self.programme, self.at = programme, at
        _lock(programme, [row.voucher for row in rows], at)
        locked({row.voucher.reward_id for row in rows})
        fresh = VoucherUse.objects.filter(pk__in=[row.pk for row in rows])
        self.rows = list(fresh.select_related("voucher__version").order_by("pk"))
        own = Redemption.objects.filter(voucher__in=[row.voucher_id for row in rows if row.voucher.member_id])
        self.redemptions = {row.voucher_id: row for row in own.order_by("pk")}
        self.done: list[VoucherUse] = []

    def restore(self, row: VoucherUse, order_left: int) -> Used:
        """``order_left``: what is left of the order; nothing, when it was given back whole."""
        if row.restored_at is not None or row.voucher.version is None:
            return Used(UNCHANGED, row.pk, row.discount, row.points_back)
        terms = catalogue.terms_of(row.voucher.version)
        redemption = self.redemptions.get(row.voucher_id)
        stays = min(row.discount, order_left)
        points = 0
        if redemption is not None and row.points:
            target = terms.charge(stays, row.points) if terms.kind == rewards.PAY else (row.points if order_left else 0)
            points = row.points - target - row.points_back
            if points > 0:
                give_points_back(self.programme, redemption, f"use:{row.pk}:{target}", points, at=self.at)
                row.points_back += points
        if order_left and points <= 0:
            return Used(UNCHANGED, row.pk, row.discount, row.points_back)
        if not order_left:
            row.restored_at = self.at
            self._free(row, terms.is_charged_at_use, redemption)
        row.save(update_fields=["points_back", "restored_at"])
        self.done.append(row)
        return Used(CREATED, row.pk, row.discount, points)

    def _free(self, row: VoucherUse, is_over: bool, redemption: Redemption | None) -> None:
        """What cost its points when it was used is over; any other code can be used again, for some days at least."""
        mine = Voucher.objects.filter(pk=row.voucher_id)
        if is_over:
            mine.filter(voided_at=None).update(voided_at=self.at)
            if redemption is not None:
                over = Redemption.objects.filter(pk=redemption.pk, state=State.DONE)
                if over.update(state=State.RETURNED, closed_at=self.at):
                    put_back([redemption])
            return
        mine.filter(uses__gt=0).update(uses=F("uses") - 1, left=F("left") + row.discount)
        days = self.programme.restored_days_min
        if days and row.voucher.expires_at is not None:
            least = local_day(self.at, self.programme.time_zone) + timedelta(days=days)
            lapses = expiry.day_ends(least, zone=self.programme.time_zone)
            mine.filter(expires_at__lt=lapses).update(expires_at=lapses)

    def tell(self) -> None:
        _tell(kinds.VOUCHER_RESTORED, self.done, self.at)


def _tell(kind: str, rows: Sequence[VoucherUse], at: datetime) -> None:
    """Write down what became of codes: by id, since whoever reads of it could use them."""
    mine = VoucherUse.objects.filter(pk__in=[row.pk for row in rows]).select_related(
        "voucher__member", "voucher__reward"
    )
    told = list(mine.order_by("pk"))
    heads = persons.heads(row.voucher.member.customer_id for row in told if row.voucher.member)
    events.record([_event(kind, row, heads) for row in told], at=at)


def _event(kind: str, row: VoucherUse, heads: Mapping[int, int]) -> events.NewEvent:
    owner = row.voucher.member
    told = {
        "programme": row.voucher.programme_id,
        "member": row.voucher.member_id,
        "voucher": row.voucher_id,
        "reward": row.voucher.reward.key,
        "order": {"key": row.order_key, "source": row.source},
        "discount": row.discount,
        "points": row.points_back if kind == kinds.VOUCHER_RESTORED else row.points,
    }
    key = f"{kind}:{row.pk}" if kind == kinds.VOUCHER_USED else f"{kind}:{row.pk}:{row.points_back}"
    return events.NewEvent(kind, key, SOURCE, customer_id=heads[owner.customer_id] if owner else None, properties=told)
