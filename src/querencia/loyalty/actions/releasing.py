"""What was taken for a reward is given back: its points to the lots they came from, its stock, its code."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from querencia.business.models import Staff
from querencia.customers import kinds
from querencia.loyalty.actions.holding import release
from querencia.loyalty.actions.redeeming import Redeemed, close, in_order, under_locks
from querencia.loyalty.actions.restoring import NewRestore, restore
from querencia.loyalty.actions.results import CREATED, UNCHANGED
from querencia.loyalty.actions.stock import locked, put_back, take_codes_back, tell
from querencia.loyalty.models import Programme, Redemption, Voucher
from querencia.loyalty.queries import rewards as catalogue

State = Redemption.State


def cancel(
    *, programme: Programme, redemption_ids: Iterable[int], at: datetime, staff: Staff | None = None
) -> list[Redeemed]:
    """Take redemptions back: points return to their lots, stock and code to the shelf; what became of each.

    ``unknown``; ``lapsed``, ``returned``: it was over; ``used``: the code was used, or it was handed over;
    ``given_out``: a code of others was told to somebody, who may have used it.
    """
    asked = list(redemption_ids)
    with transaction.atomic():
        rows = under_locks(programme, asked, at=at)
        locked({row.reward_id for row in rows.values()})
        found, done = {}, []
        for pk, row in rows.items():
            result = _cancel(row, at, staff)
            found[pk] = Redeemed(result, pk, row.points)
            if result == CREATED:
                done.append(row)
        put_back(done)
        tell(kinds.REWARD_CANCELLED, done, at=at)
    return in_order(asked, found)


def _cancel(row: Redemption, at: datetime, staff: Staff | None) -> str:
    state = catalogue.state_of(row, at=at)
    if state == State.CANCELLED:
        return UNCHANGED
    if state == State.WAITING:
        if not close(row, State.CANCELLED, at=at, staff=staff):
            return str(State.LAPSED)
        if row.points:
            release(programme=row.programme, keys=[row.hold_key], at=at)
        take_codes_back([row], at=at)
        return CREATED
    if state != State.DONE:
        return state
    return _undone(row, at, staff)


def _undone(row: Redemption, at: datetime, staff: Staff | None) -> str:
    """What is done is taken back only while nobody can have had anything of it."""
    if row.voucher is not None:
        if row.voucher.origin != Voucher.Origin.OWN:
            return "given_out"
        if not Voucher.objects.filter(pk=row.voucher.pk, uses=0, voided_at=None).update(voided_at=at):
            return "used"
    mine = Redemption.objects.filter(pk=row.pk, state=State.DONE)
    if not mine.update(state=State.CANCELLED, closed_at=at, closed_by=staff):
        raise RuntimeError("a redemption changed while it was locked")
    if row.points:
        give_points_back(row.programme, row, f"cancel:{row.pk}", row.points, at=at)
    return CREATED


def give_points_back(programme: Programme, row: Redemption, key: str, points: int, *, at: datetime) -> None:
    """So many of the points that it cost, to the lots they came from."""
    [done] = restore(programme=programme, restores=[NewRestore(row.hold_key, key, points)], at=at)
    if not done.is_done:
        raise RuntimeError(f"points of {row.hold_key} could not be given back: {done.result}")
