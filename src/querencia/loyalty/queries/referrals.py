"""Friends who were brought: the terms, the link of a member, what became of each, and who is to be looked at."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q, QuerySet, Sum

from querencia.customers.queries import persons
from querencia.loyalty.models import Member, Programme, Referral, ReferralCode, ReferralTerms
from querencia.loyalty.queries.balances import people_of
from querencia.loyalty.referring import Terms, read

SIZE = 50
State, Review = Referral.State, Referral.Review
OPEN = (State.CLAIMED, State.QUALIFIED)


@dataclass(frozen=True)
class Figures:
    """``shared``: members with a link. Each of the others counts those before it: who is rewarded had qualified."""

    shared: int = 0
    claimed: int = 0
    qualified: int = 0
    rewarded: int = 0
    on_hold: int = 0
    rejected: int = 0
    reversed: int = 0
    waiting: int = 0
    points: int = 0


def versions(programme: Programme) -> list[ReferralTerms]:
    """Every version of the terms, the newest first."""
    rows = ReferralTerms.objects.filter(programme=programme).select_related("published_by")
    return list(rows.order_by("-version"))


def in_force(programme: Programme, *, at: datetime) -> tuple[ReferralTerms, Terms] | None:
    """The terms of a moment; nothing, where bringing friends is worth nothing."""
    rows = ReferralTerms.objects.filter(programme=programme, in_force_from__lte=at)
    latest = rows.order_by("-in_force_from", "-pk").first()
    return (latest, read(latest.document)) if latest is not None and latest.document else None


def codes(member_ids: Iterable[int]) -> dict[int, ReferralCode]:
    """The links that members have."""
    found: dict[int, ReferralCode] = {}
    for some in persons.asked(member_ids):
        found |= {row.member_id: row for row in ReferralCode.objects.filter(member_id__in=some)}
    return found


def programme_of(code: str) -> Programme | None:
    """The programme that a code invites to, while whoever shares it is in it."""
    row = ReferralCode.objects.select_related("member__programme").filter(code=code, member__left_at=None).first()
    return row.member.programme if row else None


def by_id(ids: Iterable[int]) -> dict[int, Referral]:
    rows = Referral.objects.select_related("advocate__programme", "advocate__customer", "friend__customer")
    return {row.pk: row for row in rows.filter(pk__in=list(ids))}


def brought(member: Member, *, before: int | None = None, size: int = SIZE) -> list[Referral]:
    """The friends whom a member's person brought, the latest first."""
    found = Referral.objects.filter(advocate_id__in=people_of([member.pk])[member.pk])
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found.select_related("advocate", "friend__customer").order_by("-pk")[:size])


def brought_by(member: Member) -> Referral | None:
    """How a member's person was brought themselves, if they were."""
    found = Referral.objects.filter(friend_id__in=people_of([member.pk])[member.pk])
    return found.select_related("advocate__customer").order_by("pk").first()


def waiting(programme: Programme, *, limit: int = SIZE) -> list[Referral]:
    """Those that somebody is to look at, the oldest first."""
    found = _of(programme).filter(review=Review.WAITING, state__in=OPEN)
    return list(found.select_related("advocate__customer", "friend__customer", "purchase").order_by("pk")[:limit])


def latest(programme: Programme, *, size: int = SIZE) -> list[Referral]:
    found = _of(programme).select_related("advocate__customer", "friend__customer", "reviewed_by")
    return list(found.order_by("-pk")[:size])


def figures(programme: Programme) -> Figures:
    of_state = {name: Count("pk", filter=Q(state=name)) for name in State.values}
    told = _of(programme).aggregate(
        **of_state,
        waits=Count("pk", filter=Q(review=Review.WAITING, state__in=OPEN)),
        given=Sum(F("advocate_points") + F("friend_points"), filter=Q(state=State.REWARDED)),
    )
    bought = told["qualified"] + told["rewarded"] + told["reversed"]
    return Figures(
        shared=ReferralCode.objects.filter(member__programme=programme, member__left_at=None).count(),
        claimed=sum(told[name] for name in State.values),
        qualified=bought,
        rewarded=told["rewarded"],
        on_hold=told["qualified"],
        rejected=told["rejected"],
        reversed=told["reversed"],
        waiting=told["waits"],
        points=told["given"] or 0,
    )


def _of(programme: Programme) -> QuerySet[Referral]:
    return Referral.objects.filter(advocate__programme=programme)
