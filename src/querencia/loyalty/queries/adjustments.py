"""Corrections by hand: those that wait for a second person, and what became of the others."""

from collections.abc import Iterable

from querencia.loyalty.models import Adjustment, Member, Programme

SHOWN = 200


def waiting(programme: Programme | None = None, *, limit: int = SHOWN) -> list[Adjustment]:
    """Those that nobody decided yet, the oldest first."""
    found = Adjustment.objects.filter(state=Adjustment.State.WAITING)
    if programme is not None:
        found = found.filter(member__programme=programme)
    told = found.select_related("member__customer", "member__programme", "asked_by").order_by("pk")
    return list(told[:limit])


def decided(*, limit: int = 50) -> list[Adjustment]:
    """The latest that somebody decided, or that needed nobody."""
    found = Adjustment.objects.exclude(state=Adjustment.State.WAITING).order_by("-pk")
    return list(found.select_related("member__customer", "asked_by", "decided_by")[:limit])


def waiting_by_id(pk: int) -> Adjustment | None:
    return Adjustment.objects.select_related("member__programme").filter(pk=pk).first()


def of_members(members: Iterable[Member]) -> list[Adjustment]:
    """Those of some members that wait."""
    found = Adjustment.objects.filter(member__in=[each.pk for each in members], state=Adjustment.State.WAITING)
    return list(found.select_related("asked_by").order_by("pk"))


def reasons(member_ids: Iterable[int], keys: Iterable[str]) -> dict[tuple[int, str], str]:
    """By member and key why somebody corrected what they have."""
    rows = Adjustment.objects.filter(member_id__in=list(member_ids), key__in=list(keys))
    return {(member, key): reason for member, key, reason in rows.values_list("member_id", "key", "reason")}
