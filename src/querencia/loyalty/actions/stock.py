"""How many are left: counted down when one is taken and up when one comes back, under the reward's lock."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from querencia.customers import events, kinds
from querencia.customers.queries import persons
from querencia.loyalty.models import Programme, Redemption, Reward, Voucher

State = Redemption.State
SOURCE = "loyalty"


def locked(reward_ids: Iterable[int]) -> None:
    """Lock what is counted (a number, or codes that were brought in), in one order everywhere; call with the members'
    locks held. What there is without end needs no lock, and sells without waiting in line."""
    coded = Voucher.objects.filter(origin=Voucher.Origin.IMPORTED, reward=OuterRef("pk"))
    counted = Reward.objects.filter(Q(stock__isnull=False) | Exists(coded), pk__in=set(reward_ids))
    list(counted.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


def put_back(rows: Sequence[Redemption]) -> None:
    """What these took out of the stock is in it again; their rewards are locked."""
    back: dict[int, int] = {}
    for row in rows:
        if row.took_stock:
            back[row.reward_id] = back.get(row.reward_id, 0) + 1
    for pk, number in sorted(back.items()):
        Reward.objects.filter(pk=pk, stock__isnull=False).update(stock=F("stock") + number)


def take_codes_back(rows: Sequence[Redemption], *, at: datetime) -> None:
    """Codes that nobody was told yet wait again for somebody; those that were made here are void."""
    mine = Voucher.objects.filter(pk__in=[row.voucher_id for row in rows if row.voucher_id])
    mine.filter(origin=Voucher.Origin.OWN, voided_at=None).update(voided_at=at)
    brought = mine.filter(origin=Voucher.Origin.IMPORTED)
    Redemption.objects.filter(pk__in=[row.pk for row in rows], voucher__in=brought).update(voucher=None)
    brought.update(issued_at=None, member=None, version=None, expires_at=None, left=None, uses_max=1)


def lapse_due(programme: Programme, *, at: datetime, reward_ids: Iterable[int] | None = None) -> int:
    """Book what waited for longer than it could: its points were free at that moment, its stock and code are now. The
    rewards are locked."""
    late = Redemption.objects.filter(programme=programme, state=State.WAITING, expires_at__lte=at)
    if reward_ids is not None:
        late = late.filter(reward__in=set(reward_ids))
    rows = [
        row
        for row in late.order_by("pk")
        if Redemption.objects.filter(pk=row.pk, state=State.WAITING).update(state=State.LAPSED, closed_at=at)
    ]
    put_back(rows)
    take_codes_back(rows, at=at)
    tell(kinds.REWARD_CANCELLED, rows, at=at, why="lapsed")
    return len(rows)


def lapse_redemptions(*, programme: Programme, at: datetime) -> int:
    """The same for the sweep, of all of them; how many."""
    with transaction.atomic():
        late = Redemption.objects.filter(programme=programme, state=State.WAITING, expires_at__lte=at)
        wanted = set(late.values_list("reward_id", flat=True))
        locked(wanted)
        return lapse_due(programme, at=at, reward_ids=wanted)


def tell(kind: str, rows: Sequence[Redemption], *, at: datetime, **more: object) -> None:
    """Write down what became of redemptions; who works here is named by id, a code never."""
    if not rows:
        return
    found = Redemption.objects.filter(pk__in=[row.pk for row in rows]).select_related("member", "reward").order_by("pk")
    told = list(found)
    heads = persons.heads(row.member.customer_id for row in told)
    made = [
        events.NewEvent(
            kind,
            f"{kind}:{row.pk}",
            SOURCE,
            customer_id=heads[row.member.customer_id],
            properties={
                "programme": row.programme_id,
                "member": row.member_id,
                "redemption": row.pk,
                "reward": row.reward.key,
                "points": row.points,
                "state": row.state,
                "staff": row.closed_by_id or row.made_by_id,
                **({"why": row.why} if row.why else {}),
                **more,
            },
        )
        for row in told
    ]
    events.record(made, at=at)
