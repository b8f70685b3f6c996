"""How a member came by what they have, entry by entry, with the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from querencia.loyalty.models import Entry, Member
from querencia.loyalty.queries.balances import people_of

SIZE = 50


@dataclass(frozen=True, slots=True)
class Moved:
    """``points``: how much the purse changed (what is set aside is no longer in it); ``why``: the explanation as it was
    written down with the entry, rules by key and version among it."""

    pk: int
    member_id: int
    kind: str
    at: datetime
    recorded_at: datetime
    points: int
    purchase_id: int | None
    key: str
    why: dict[str, Any]


def history(member: Member, *, before: int | None = None, size: int = SIZE) -> list[Moved]:
    """The entries of a member's person, the newest first; ``before``: the id from which to go on."""
    found = Entry.objects.filter(member_id__in=people_of([member.pk])[member.pk])
    # Who pays for points of a purchase is nothing that a member had or has.
    found = found.exclude(purchase__isnull=False, partner__isnull=False)
    if before is not None:
        found = found.filter(pk__lt=before)
    return [_moved(entry) for entry in found.order_by("-pk")[:size]]


def _moved(entry: Entry) -> Moved:
    return Moved(
        pk=entry.pk,
        member_id=entry.member_id,
        kind=entry.kind,
        at=entry.at,
        recorded_at=entry.recorded_at,
        points=entry.pending + entry.active + entry.deficit,
        purchase_id=entry.purchase_id,
        key=entry.key,
        why=entry.detail,
    )


def without_source(*, programme_id: int, since: datetime, limit: int = 1_000) -> Sequence[Entry]:
    """Points that no purchase earned: gifts and corrections, for whoever looks them through; the newest first."""
    found = Entry.objects.filter(programme_id=programme_id, recorded_at__gte=since, purchase=None)
    return list(found.filter(kind__in=[Entry.Kind.GRANT, Entry.Kind.ADJUST]).order_by("-recorded_at", "-pk")[:limit])
