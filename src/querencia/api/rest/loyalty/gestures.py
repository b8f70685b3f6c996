"""Gestures: what members are given without a purchase, and what they were given."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router

from querencia.api.rest import pages
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import Page, Told
from querencia.api.rest.loyalty.members import CardAsked, MemberHere
from querencia.api.rest.loyalty.naming import TAG, Programmes, the_member
from querencia.common.time import now
from querencia.loyalty.gestures import Terms
from querencia.loyalty.models import Gesture, GestureTerms
from querencia.loyalty.queries import gestures as queries
from querencia.loyalty.queries.gestures import Made

router = Router(tags=[TAG])
type KindOfGesture = Literal["birthday", "anniversary", "appreciation", "welcome"]


class GestureTold(Told):
    """What is given, to whom, and how often it was."""

    kind: KindOfGesture
    version: int
    in_force_from: datetime
    points: int
    """0 where a reward is given."""
    reward: str
    """The key of the reward that is given instead of points; empty without one."""
    valid_days: int
    """How long its points can be spent; 0: as long as all others."""
    member_days: int
    """For who joined so many days before at least."""
    tiers: list[str]
    """For these tiers alone; empty: for all."""
    made_lately: int
    """How often within a year."""
    made_ever: int
    points_given: int
    """In all."""


class GesturesTold(Told):
    items: list[GestureTold]


class GestureMade(Told):
    """What a member was given."""

    id: int
    member_id: int
    kind: KindOfGesture
    on: date
    """The day it was for, where the programme is."""
    made_at: datetime
    points: int
    redemption_id: int | None
    """Of a reward: what became of it."""
    reward: str
    """Its key; empty of points."""


class GesturePage(Page[GestureMade]): ...


@endpoint(
    router,
    "GET",
    "/loyalty/gestures",
    scope="loyalty:read",
    answers={200: GesturesTold},
    summary=_("List gestures"),
)
def list_gestures(request: HttpRequest, asked: Query[CardAsked]) -> Answer:
    """What is given now for birthdays, anniversaries, on a day of thanks and to welcome."""
    at = now()
    programme = Programmes(at).one(asked.programme_id)
    made = queries.made(programme, at=at)
    return Answer(GesturesTold(items=[_told(*each, made) for each in queries.in_force(programme, at=at)]))


@endpoint(
    router,
    "GET",
    "/loyalty/members/{int:member_id}/gestures",
    scope="loyalty:read",
    answers={200: GesturePage},
    summary=_("See what a member was given"),
)
def get_gestures(request: HttpRequest, here: Path[MemberHere], asked: Query[pages.Asked]) -> Answer:
    """Gift by gift, the latest first."""
    row = the_member(here.member_id)
    found = queries.of_member(row, before=pages.place(request, asked), size=asked.limit + 1)
    after = found[asked.limit - 1].pk if len(found) > asked.limit else None
    return pages.page(request, asked, [_made(each) for each in found[: asked.limit]], after, GesturePage)


def _told(terms: Terms, row: GestureTerms, made: Mapping[str, Made]) -> GestureTold:
    so_far = made.get(row.kind, Made())
    said: dict[str, Any] = {name: getattr(row, name) for name in ("kind", "version", "in_force_from")}
    said |= {name: getattr(terms, name) for name in ("points", "reward", "valid_days", "member_days")}
    said |= {"made_lately": so_far.lately, "made_ever": so_far.ever, "points_given": so_far.points}
    return GestureTold(**said, tiers=sorted(terms.tiers))


def _made(row: Gesture) -> GestureMade:
    names = ("member_id", "kind", "on", "made_at", "points", "redemption_id")
    reward = row.redemption.reward.key if row.redemption else ""
    return GestureMade(**{name: getattr(row, name) for name in names}, id=row.pk, reward=reward)
