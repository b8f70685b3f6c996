"""Other systems are told that points moved: of many members in one event, since an event for each would cost as much as
the points."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import batched

from django.db.models import Exists, OuterRef

from querencia.common.database import among
from querencia.customers import events, kinds
from querencia.loyalty.ledger.rows import Posting
from querencia.loyalty.models import ExpiryNotice, Lot, Programme

SOURCE = "loyalty"
TOGETHER = 500
# Of which entries is told as what, and which account says how many points.
TOLD = {
    "grant": (kinds.POINTS_EARNED, "issued", "partner_points"),
    "capture": (kinds.POINTS_REDEEMED, "held"),
    "expire": (kinds.POINTS_EXPIRED, "pending", "active"),
}

# member and points
type Moved = tuple[int, int]


def is_told() -> Exists:
    """Of a lot: its member was mailed that it lapses, once it was there."""
    notices = ExpiryNotice.objects.filter(
        member=OuterRef("member"),
        expires_at=OuterRef("expires_at"),
        mail=ExpiryNotice.Mail.SENT,
        told_at__gte=OuterRef("entry__recorded_at"),
    )
    return Exists(notices)


def told_before(lot_ids: Sequence[int]) -> set[int]:
    """Those of these lots."""
    return set(Lot.objects.filter(is_told(), among("pk", lot_ids)).values_list("pk", flat=True))


def tell_of(programme: Programme, entries: Iterable[Posting], *, at: datetime) -> None:
    """Entries that were written: what was earned, redeemed and expired."""
    moved: dict[str, list[Moved]] = {}
    first: dict[str, int] = {}
    for entry in entries:
        if entry.kind in TOLD:
            kind, *accounts = TOLD[entry.kind]
            if points := -sum(entry.accounts.get(name, 0) for name in accounts):
                moved.setdefault(kind, []).append((entry.member_id, points))
                first.setdefault(kind, entry.pk)
    for kind, some in moved.items():
        tell(programme, kind, some, first[kind], at=at)


def tell(programme: Programme, kind: str, moved: Sequence[Moved], entry_id: int, *, at: datetime) -> None:
    """``entry_id``: of the first of these entries, by which the events are named."""
    told = [
        events.NewEvent(
            kind,
            f"{kind}:{entry_id}:{number}",
            SOURCE,
            properties={
                "programme": programme.pk,
                "members": [{"member": member, "points": points} for member, points in some],
            },
        )
        for number, some in enumerate(batched(moved, TOGETHER, strict=False))
    ]
    events.record(told, at=at)
