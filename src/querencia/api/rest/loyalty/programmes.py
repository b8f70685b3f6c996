"""Programmes: what members are promised."""

from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Router

from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import AskedId, Given, Told
from querencia.api.rest.loyalty.naming import TAG
from querencia.api.rest.problems import Problem
from querencia.common.time import now
from querencia.loyalty import queries
from querencia.loyalty.models import Programme
from querencia.loyalty.queries.standings import scheme_of
from querencia.loyalty.rulebook import Rulebook
from querencia.loyalty.tiers import Scheme

router = Router(tags=[TAG])


class RuleTold(Told):
    key: str
    version: int
    title: str
    points: int
    per: int
    """So many points for each of so many minor units; 0: so many once for a purchase."""


class TierTold(Told):
    key: str
    name: str
    reach: int
    """How much of what counts leads there."""
    keep: int
    """How much of it keeps it."""


class ProgrammeTold(Told):
    """What is promised now. Rules and tiers are those in force."""

    id: int
    name: str
    currency: str
    time_zone: str
    starts_at: datetime | None
    ends_at: datetime | None
    is_running: bool
    pending_days: int
    """Days until points can be spent."""
    expiry_count: int
    """After so many units points lapse; 0: never."""
    expiry_unit: str
    expiry_rounding: str
    """Up to the end of which part of the year; empty: to the day."""
    hold_seconds: int
    """How long points stay set aside, where it is not said."""
    rules: list[RuleTold]
    tiers: list[TierTold]
    """The lowest first."""
    tier_metric: str
    """What leads up: spend and points of the last months, visits, or tenure in days; empty without tiers."""


class ProgrammesTold(Told):
    items: list[ProgrammeTold]


class ProgrammeHere(Given):
    programme_id: AskedId


@endpoint(
    router,
    "GET",
    "/loyalty/programmes",
    scope="loyalty:read",
    answers={200: ProgrammesTold},
    summary=_("List loyalty programmes"),
)
def list_programmes(request: HttpRequest) -> Answer:
    """All there are, the oldest first."""
    at = now()
    return Answer(ProgrammesTold(items=[_told(each, at) for each in queries.programmes()]))


@endpoint(
    router,
    "GET",
    "/loyalty/programmes/{int:programme_id}",
    scope="loyalty:read",
    answers={200: ProgrammeTold},
    summary=_("Get a loyalty programme"),
)
def get_programme(request: HttpRequest, here: Path[ProgrammeHere]) -> Answer:
    """What it promises, with the rules and tiers in force."""
    found = [each for each in queries.programmes() if each.pk == here.programme_id]
    if not found:
        raise Problem("not_found", "There is no such programme.")
    return Answer(_told(found[0], now()))


def _told(programme: Programme, at: datetime) -> ProgrammeTold:
    found = scheme_of(programme, at=at)
    scheme = found[1] if found else None
    starts, ends = programme.starts_at, programme.ends_at
    rules = Rulebook.of(programme).in_force(at)
    return ProgrammeTold(
        **{name: getattr(programme, name) for name in PLAIN},
        is_running=starts is not None and starts <= at and (ends is None or at < ends),
        rules=[RuleTold.model_validate(rule, from_attributes=True) for rule in rules],
        tiers=_tiers(scheme) if scheme else [],
        tier_metric=scheme.metric if scheme else "",
    )


def _tiers(scheme: Scheme) -> list[TierTold]:
    return [
        TierTold(key=each.key, name=scheme.names.get(each.key, each.key), reach=each.reach, keep=each.keeps)
        for each in scheme.tiers
    ]


PLAIN = [name for name in ProgrammeTold.model_fields if name not in ("is_running", "rules", "tiers", "tier_metric")]
