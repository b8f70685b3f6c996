"""Purchases were made or given back: points follow, and tiers with them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from querencia.loyalty import actions
from querencia.loyalty.models import Programme


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a purchase or a refund; see `querencia.loyalty.actions`."""

    purchase_id: int
    result: str
    points: int = 0
    member_id: int = 0


@transaction.atomic(savepoint=False)
def earn(*, programme: Programme, purchases: Iterable[int], at: datetime) -> Sequence[Judged]:
    """Grant what purchases (by id) earn; whoever reaches a tier by them stands in it at once."""
    earned = actions.earn(programme=programme, purchases=purchases, at=at)
    actions.judge_tiers(
        programme=programme, member_ids={each.member_id for each in earned if each.result == "created"}, at=at
    )
    return [Judged(each.purchase_id, each.result, each.points, each.member_id) for each in earned]


@transaction.atomic(savepoint=False)
def refund(*, programme: Programme, purchases: Iterable[int], at: datetime) -> Sequence[Judged]:
    """Take back what refunds (by id) leave unearned, and give back what was used for their orders."""
    done = actions.refund(programme=programme, refunds=purchases, at=at)
    return [Judged(each.refund_id, each.result, each.points, each.member_id) for each in done]
