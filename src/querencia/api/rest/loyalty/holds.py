"""Points that are spent, in two steps: set aside, then captured or released; given back, where what they bought is."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Router
from pydantic import Field

from querencia.api.rest import batches
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import Key, Many, Outcome, text
from querencia.api.rest.loyalty.naming import (
    NO_MEMBER,
    TAG,
    Became,
    MemberGiven,
    OfProgramme,
    PointsOutcome,
    PointsOutcomes,
    became,
    by_programme,
    members,
    refused,
)
from querencia.api.rest.problems import Fault
from querencia.api.rest.together import Ticket
from querencia.common.time import now
from querencia.loyalty import actions
from querencia.loyalty.models import Programme
from querencia.loyalty.models.rewards import OWN_HOLDS
from querencia.loyalty.queries import naming

router = Router(tags=[TAG])
POINTS_MAX, SECONDS_MAX = 10**15, 31 * 24 * 3600
WHY = {
    "unknown": Fault("No points are set aside under this key.", "unknown_hold", "/key"),
    "differs": Fault("Under this key something else was asked.", "differs", "/key"),
    "no_member": NO_MEMBER,
    "insufficient": Fault("There are fewer points that can be spent now.", "insufficient", "/points"),
    "in_deficit": Fault("Points are owed: nothing is spent before they are earned.", "in_deficit", "/member"),
    "lapsed": Fault("The points were set aside for a time that is over.", "lapsed", "/key"),
    "released": Fault("The points were given free.", "released", "/key"),
    "captured": Fault("The points are spent.", "captured", "/key"),
    "too_much": Fault("Fewer points are set aside under this key.", "too_few", "/points"),
    "bad_points": Fault("One point at least is meant.", "bad_points", "/points"),
}
OF_RESTORE = WHY | {
    "unknown": Fault("No points were spent under this key.", "unknown_hold", "/hold_key"),
    "too_much": Fault("Fewer of the points that were spent are left to give back.", "too_few", "/points"),
}


def _not_ours(key: str) -> str:
    if key.startswith(OWN_HOLDS):
        raise ValueError(f"keys that begin with {OWN_HOLDS} are the house's own: cancel or confirm the redemption")
    return key


HoldKey = text(200, 1, look=_not_ours)
type Points = Annotated[int, Field(ge=1, le=POINTS_MAX, strict=True)]


class HoldGiven(OfProgramme):
    """Points to set aside for an order."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"key": "order-77", "member": {"card_number": "2026-0042"}, "points": 40, "seconds": 900}]
        }
    }
    key: HoldKey  # type: ignore[valid-type]
    """Names it once and for all: sent again, it is the same hold."""
    member: MemberGiven
    points: Points
    seconds: Annotated[int, Field(ge=1, le=SECONDS_MAX, strict=True)] | None = None
    """How long; the programme's time, where it is not said."""


class CaptureGiven(OfProgramme):
    """What is spent of a hold."""

    model_config = {"json_schema_extra": {"examples": [{"key": "order-77", "points": 30}]}}
    key: HoldKey  # type: ignore[valid-type]
    """Of the hold."""
    points: Points | None = None
    """All, where it is not said; of fewer the rest is free again."""


class ReleaseGiven(OfProgramme):
    """A hold that is not needed."""

    model_config = {"json_schema_extra": {"examples": [{"key": "order-78"}]}}
    key: HoldKey  # type: ignore[valid-type]
    """Of the hold."""


class RestoreGiven(OfProgramme):
    """Points to give back, because what they bought was given back."""

    model_config = {"json_schema_extra": {"examples": [{"key": "refund-77", "hold_key": "order-77", "points": 10}]}}
    key: Key
    """Names it once and for all: the refund."""
    hold_key: HoldKey  # type: ignore[valid-type]
    """Under which they were spent."""
    points: Points | None = None
    """All that are left of them, where it is not said."""


@endpoint(
    router,
    "POST",
    "/loyalty/holds",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Set points aside"),
    is_shared=True,
)
def hold_points(request: HttpRequest, given: HoldGiven) -> Ticket:
    """They cannot be spent otherwise until they are captured or released, or the time is over: whatever else is asked
    at the same moment, no point is spent twice."""
    return batches.shared(given, _hold)


@endpoint(
    router,
    "POST",
    "/loyalty/holds/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Set points aside for many"),
)
def hold_points_of_many(request: HttpRequest, given: Many[HoldGiven]) -> Answer:
    """Up to 1,000 in one transaction, in order, each answered by itself."""
    return batches.many(given, _hold, told=PointsOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/releases",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Give points free again"),
    is_shared=True,
)
def release_points(request: HttpRequest, given: ReleaseGiven) -> Ticket:
    """What nobody releases is free by itself when its time is over."""
    return batches.shared(given, _release)


@endpoint(
    router,
    "POST",
    "/loyalty/releases/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Give points of many free again"),
)
def release_points_of_many(request: HttpRequest, given: Many[ReleaseGiven]) -> Answer:
    """Up to 1,000 in one transaction, each answered by itself."""
    return batches.many(given, _release, told=PointsOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/captures",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Spend points that were set aside"),
    is_shared=True,
)
def capture_points(request: HttpRequest, given: CaptureGiven) -> Ticket:
    """At most as many as the hold holds; what is spent is spent, and asked for again it changes nothing."""
    return batches.shared(given, _capture)


@endpoint(
    router,
    "POST",
    "/loyalty/captures/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Spend points of many that were set aside"),
)
def capture_points_of_many(request: HttpRequest, given: Many[CaptureGiven]) -> Answer:
    """Up to 1,000 in one transaction, each answered by itself."""
    return batches.many(given, _capture, told=PointsOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/restores",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Give back points that were spent"),
    is_shared=True,
)
def restore_points(request: HttpRequest, given: RestoreGiven) -> Ticket:
    """They come back to the lots that they were taken from, and lapse when they would have."""
    return batches.shared(given, _restore)


@endpoint(
    router,
    "POST",
    "/loyalty/restores/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Give back points of many that were spent"),
)
def restore_points_of_many(request: HttpRequest, given: Many[RestoreGiven]) -> Answer:
    """Up to 1,000 in one transaction, each answered by itself."""
    return batches.many(given, _restore, told=PointsOutcomes)


def _hold(items: Sequence[HoldGiven]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[HoldGiven]) -> list[Became]:
        owners = members(programme, [each.member for each in some])
        asked = [
            actions.NewHold(owner, each.key, each.points, each.seconds)
            for each, owner in zip(some, owners, strict=True)
            if owner
        ]
        done = iter(actions.hold(programme=programme, holds=asked, at=at))
        return [became(next(done), owner, WHY) if owner else refused(NO_MEMBER) for owner in owners]

    return by_programme(items, at, work)


def _release(items: Sequence[ReleaseGiven]) -> list[Outcome]:
    def release(programme: Programme, some: Sequence[ReleaseGiven], at: datetime) -> list[actions.Done]:
        return actions.release(programme=programme, keys=[each.key for each in some], at=at)

    return _of_holds(items, release, lambda each: each.key, WHY)


def _capture(items: Sequence[CaptureGiven]) -> list[Outcome]:
    def capture(programme: Programme, some: Sequence[CaptureGiven], at: datetime) -> list[actions.Done]:
        asked = [actions.Capture(each.key, each.points) for each in some]
        return actions.capture(programme=programme, captures=asked, at=at)

    return _of_holds(items, capture, lambda each: each.key, WHY)


def _restore(items: Sequence[RestoreGiven]) -> list[Outcome]:
    def restore(programme: Programme, some: Sequence[RestoreGiven], at: datetime) -> list[actions.Done]:
        asked = [actions.NewRestore(each.hold_key, each.key, each.points) for each in some]
        return actions.restore(programme=programme, restores=asked, at=at)

    return _of_holds(items, restore, lambda each: each.hold_key, OF_RESTORE)


def _of_holds[Item: OfProgramme](
    items: Sequence[Item],
    move: Callable[[Programme, Sequence[Item], datetime], list[actions.Done]],
    key_of: Callable[[Item], str],
    faults: dict[str, Fault],
) -> list[Outcome]:
    """Do what is asked of points that a hold holds, or held."""
    at = now()

    def work(programme: Programme, some: Sequence[Item]) -> list[Became]:
        done = move(programme, some, at)
        owners = naming.holders(programme, [key_of(each) for each in some])
        return [became(one, owners.get(key_of(each), 0), faults) for each, one in zip(some, done, strict=True)]

    return by_programme(items, at, work)
