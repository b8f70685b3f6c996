"""What the business gives without a purchase: the terms in force, and how often it was given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum

from querencia.loyalty.gestures import Terms, read
from querencia.loyalty.models import Gesture, GestureTerms, Member, Programme
from querencia.loyalty.queries.balances import people_of
from querencia.loyalty.queries.rewards import OnShelf, shelf
from querencia.loyalty.rewards import NO_GIFTS

YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Made:
    """How often within a year, and in all; with how many points in all."""

    lately: int = 0
    ever: int = 0
    points: int = 0


def in_force(programme: Programme, *, at: datetime) -> list[tuple[Terms, GestureTerms]]:
    """The gestures of a moment, each with its version."""
    found: dict[str, GestureTerms] = {}
    for row in GestureTerms.objects.filter(programme=programme, in_force_from__lte=at).order_by("in_force_from", "pk"):
        found[row.kind] = row
    return [(read(row.kind, row.document), row) for _kind, row in sorted(found.items()) if row.document]


def gifts(programme: Programme, *, at: datetime) -> dict[str, OnShelf]:
    """By key the rewards that can be given for nothing, the oldest first."""
    known = shelf(programme, at=at).values()
    return {each.reward.key: each for each in known if each.terms and each.terms.kind not in NO_GIFTS}


def of_member(member: Member, *, before: int | None, size: int) -> list[Gesture]:
    """What a member's person was given, the newest first: so many, older than the one of that id."""
    found = Gesture.objects.filter(member_id__in=people_of([member.pk])[member.pk])
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.select_related("redemption__reward").order_by("-pk")[:size])


def versions(programme: Programme, kind: str) -> Sequence[GestureTerms]:
    """Every version of one gesture, the newest first."""
    rows = GestureTerms.objects.filter(programme=programme, kind=kind).select_related("published_by")
    return list(rows.order_by("-version"))


def made(programme: Programme, *, at: datetime) -> dict[str, Made]:
    """By kind how often it was made."""
    rows = Gesture.objects.filter(member__programme=programme).values("kind")
    sums = rows.annotate(lately=Count("pk", filter=Q(made_at__gt=at - YEAR)), ever=Count("pk"), given=Sum("points"))
    return {row["kind"]: Made(row["lately"], row["ever"], row["given"]) for row in sums}
