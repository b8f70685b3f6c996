"""Campaigns: for whom they are, what they gave, what they brought."""

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Router

from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import AskedId, Given, Told, text
from querencia.api.rest.loyalty.naming import TAG
from querencia.api.rest.problems import Problem
from querencia.common.time import now
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import campaigns as queries
from querencia.loyalty.queries.lift import Figures, figures
from querencia.loyalty.queries.programmes import programme_by_id

router = Router(tags=[TAG])


class AudienceTold(Told):
    """For whom it is: members who are of one of the values of each list that is not empty."""

    segments: list[str]
    classes: list[str]
    stages: list[str]
    tiers: list[str]
    is_listed: bool
    """Members were put on its list by hand."""
    grows: bool
    """Who comes to belong to it later is taken in every night."""
    held_out: int
    """So many percent of them are held out by lot."""


class CampaignTold(Told):
    """A rule with days, a budget or an audience."""

    programme_id: int
    key: str
    """What rules call it."""
    version: int
    title: str
    state: str
    """planned, running, exhausted (its budget is used up) or ended."""
    starts_on: date | None
    ends_on: date | None
    """Before this day it ends."""
    budget: int
    """Points for all members together; 0: without limit."""
    used: int
    """How many of them are used up."""
    audience: AudienceTold | None
    """Null: it is for everybody."""


class CampaignsTold(Told):
    items: list[CampaignTold]


class ComparedTold(Told):
    """A mean of those it is for, of those held out, and what is more with the first, with 95 % confidence."""

    treated: float
    held_out: float
    more: float
    low: float
    high: float


class LiftTold(Told):
    """From its beginning to its end, or to now."""

    start: datetime
    end: datetime
    share: ComparedTold
    """Which share of persons bought."""
    spend: ComparedTold
    """What each spent, in minor units, whether they bought or not."""


class CampaignFiguresTold(CampaignTold):
    """The same with what it gave and what it brought. A person counts once, whichever records they have."""

    members: int
    """Persons in its audience."""
    held_out: int
    """Of these, who is held out by lot."""
    reached: int
    """Who earned by it."""
    purchases: int
    points: int
    """Points granted, before what came back with goods."""
    cost: int
    """What those cost, in minor units."""
    drawn_at: datetime | None
    """When its audience was looked through last."""
    lift: LiftTold | None
    why_no_lift: str
    """no_hold_out, planned, nothing (nobody has bought yet) or few; empty where there is a lift."""


class CampaignsHere(Given):
    programme_id: AskedId


class CampaignHere(CampaignsHere):
    key: text(60, 1)  # type: ignore[valid-type]


@endpoint(
    router,
    "GET",
    "/loyalty/programmes/{int:programme_id}/campaigns",
    scope="loyalty:read",
    answers={200: CampaignsTold},
    summary=_("List campaigns"),
)
def list_campaigns(request: HttpRequest, here: Path[CampaignsHere]) -> Answer:
    """Those that run first, then those that are planned, used up and over."""
    programme = _programme(here.programme_id)
    rows = queries.campaigns(programme, at=now())
    return Answer(CampaignsTold(items=[CampaignTold(**_told(programme, each)) for each in rows]))


@endpoint(
    router,
    "GET",
    "/loyalty/programmes/{int:programme_id}/campaigns/{str:key}",
    scope="loyalty:read",
    answers={200: CampaignFiguresTold},
    summary=_("Get a campaign"),
)
def get_campaign(request: HttpRequest, here: Path[CampaignHere]) -> Answer:
    """With its figures: what it gave, and what it brought against those held out."""
    programme, at = _programme(here.programme_id), now()
    row = queries.campaign(programme, here.key, at=at)
    if row is None:
        raise Problem("not_found", "There is no such campaign.")
    found = figures(programme, row, at=at)
    return Answer(CampaignFiguresTold(**_told(programme, row), **_figures(found)))


def _programme(pk: int) -> Programme:
    found = programme_by_id(pk)
    if found is None:
        raise Problem("not_found", "There is no such programme.")
    return found


def _told(programme: Programme, row: queries.Campaign) -> dict[str, Any]:
    names = [name for name in CampaignTold.model_fields if name not in ("programme_id", "audience")]
    audience = AudienceTold.model_validate(row.audience, from_attributes=True) if row.audience else None
    return {"programme_id": programme.pk, "audience": audience} | {name: getattr(row, name) for name in names}


def _figures(found: Figures) -> dict[str, Any]:
    names = ("members", "held_out", "reached", "purchases", "points", "cost", "drawn_at")
    lift = LiftTold.model_validate(found.lift, from_attributes=True) if found.lift else None
    return {"lift": lift, "why_no_lift": found.why} | {name: getattr(found, name) for name in names}
