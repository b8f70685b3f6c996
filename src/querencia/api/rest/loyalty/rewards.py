"""Rewards: what members can have for their points, asked for, confirmed when it is handed over, or cancelled."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router
from pydantic import Field

from querencia.api.rest import batches
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import AskedId, Given, Id, Key, Many, Outcome, Outcomes, Told
from querencia.api.rest.loyalty.holds import SECONDS_MAX, Points
from querencia.api.rest.loyalty.members import CardAsked, MemberHere
from querencia.api.rest.loyalty.naming import (
    NO_MEMBER,
    TAG,
    Became,
    MemberGiven,
    OfProgramme,
    PointsOutcome,
    Programmes,
    by_programme,
    members,
    refused,
    the_member,
)
from querencia.api.rest.problems import Fault, found_or_not
from querencia.common.time import now
from querencia.loyalty import actions
from querencia.loyalty.models import Programme, Redemption
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries.rewards import Offer, OnShelf
from querencia.loyalty.rewards import Terms

router = Router(tags=[TAG])
WHY = {
    "unknown": Fault("There is no such reward.", "unknown_reward", "/reward_id"),
    "not_offered": Fault("It is not offered now.", "not_offered", "/reward_id"),
    "not_for_you": Fault("It is for other tiers or classes.", "not_for_member", "/reward_id"),
    "limit": Fault("This person had it as often as one may.", "limit", "/reward_id"),
    "sold_out": Fault("None is left.", "sold_out", "/reward_id"),
    "insufficient": Fault("There are fewer points that can be spent now.", "insufficient", "/reward_id"),
    "in_deficit": Fault("Points are owed: nothing is spent before they are earned.", "in_deficit", "/member"),
    "dearer": Fault("It costs more points than that.", "dearer", "/points"),
    "bad_points": Fault("Say how many points pay; they are worth the smallest coin at least.", "bad_points", "/points"),
    "differs": Fault("Under this key something else was asked.", "differs", "/key"),
    "no_member": NO_MEMBER,
}
OF_REDEMPTION = {
    "unknown": Fault("No redemption is known under this key.", "unknown_redemption", "/key"),
    "cancelled": Fault("It was cancelled.", "cancelled", "/key"),
    "lapsed": Fault("It waited for a time that is over.", "lapsed", "/key"),
    "returned": Fault("It was given back.", "returned", "/key"),
    "at_the_till": Fault("Its points are spent when the code is used.", "at_the_till", "/key"),
    "used": Fault("It was used, or handed over.", "used", "/key"),
    "given_out": Fault("The code is of somebody else's making, and told already.", "given_out", "/key"),
}
type RedemptionState = Literal["waiting", "done", "cancelled", "lapsed", "returned"]


class RewardTold(Told):
    """What it is now, for everybody."""

    id: int
    key: str
    kind: Literal["amount", "percent", "voucher", "pay", "prize", "experience", "charity"]
    name: dict[str, str]
    """By language."""
    description: dict[str, str]
    points: int
    """What it costs; of `pay`, so many are worth `amount`."""
    tier_points: dict[str, int]
    """What it costs by tier, where that is less."""
    amount: int
    """The discount in minor units, or the most that `percent` takes off; 0: no limit."""
    percent: int
    starts_on: date | None
    ends_on: date | None
    """The last day."""
    limit: int
    """So many to one person in a period (`per`); 0: as many as they like."""
    per: str
    tiers: list[str]
    """For these tiers alone; empty: for all."""
    classes: list[str]
    valid_days: int
    """How long its code can be used; 0: without end."""
    left: int | None
    """How many are left; null: as many as are wanted."""


class RewardsTold(Told):
    items: list[RewardTold]


class OfferTold(RewardTold):
    """A reward to one member."""

    price: int
    """What this member pays: their tier's price, or a lower one of before that still protects them."""
    is_affordable: bool
    """Whether it can be had now."""
    missing: int
    """So many points are missing."""
    why: Literal["", "not_for_you", "limit", "sold_out", "in_deficit", "insufficient"]
    """Why it cannot be had now; empty: it can."""


class OffersTold(Told):
    items: list[OfferTold]


class RedemptionTold(Told):
    id: int
    programme_id: int
    member_id: int
    key: str
    reward_id: int
    reward: str
    """Its key."""
    points: int
    state: RedemptionState
    why: str
    """What it was given for; empty: it was redeemed for points."""
    code: str
    """What the till takes in; empty without one, and before it is sure."""
    made_at: datetime
    expires_at: datetime | None
    """Until when it waits; then its points are free again."""
    code_expires_at: datetime | None


class RedemptionOutcome(PointsOutcome):
    """What became of one redemption; `id` is the member's, `points` are spent or set aside."""

    redemption: RedemptionTold | None = None


class RedemptionOutcomes(Outcomes):
    """What became of each item, in the order in which they were sent."""

    results: list[RedemptionOutcome]  # type: ignore[assignment]


class RedemptionGiven(OfProgramme):
    """A reward for a member's points."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"key": "web-881", "member": {"card_number": "2026-0042"}, "reward_id": 3, "points": 400}]
        }
    }
    key: Key
    """Names it once and for all: sent again, it is the same redemption."""
    member: MemberGiven
    reward_id: Id
    points: Points | None = None
    """The most that the member agreed to pay; of a reward that pays with points, how many are set aside."""
    is_handed_over: bool = False
    """A prize is given at once."""
    wait_seconds: Annotated[int, Field(ge=1, le=SECONDS_MAX, strict=True)] | None = None
    """Set points, stock and code aside for so long, until it is confirmed."""


class RedemptionMeant(OfProgramme):
    """A redemption, by its key."""

    model_config = {"json_schema_extra": {"examples": [{"key": "web-881"}]}}
    key: Key


class RedemptionHere(Given):
    redemption_id: AskedId


@endpoint(
    router,
    "GET",
    "/loyalty/rewards",
    scope="loyalty:read",
    answers={200: RewardsTold},
    summary=_("List rewards"),
)
def list_rewards(request: HttpRequest, asked: Query[CardAsked]) -> Answer:
    """What is offered now, the oldest first."""
    at = now()
    known = list(catalogue.shelf(Programmes(at).one(asked.programme_id), at=at).values())
    left = catalogue.left_of(known, at=at)
    told = [RewardTold(**_of(each, each.terms, left.get(each.reward.pk))) for each in known if each.terms]
    return Answer(RewardsTold(items=told))


@endpoint(
    router,
    "GET",
    "/loyalty/members/{int:member_id}/rewards",
    scope="loyalty:read",
    answers={200: OffersTold},
    summary=_("See what a member can have"),
)
def list_offers(request: HttpRequest, here: Path[MemberHere]) -> Answer:
    """What they can have now first, then what is nearest, with the points that are missing."""
    row = the_member(here.member_id)
    return Answer(OffersTold(items=offers(catalogue.offers(row.programme, row.pk, at=now()))))


def offers(found: Sequence[Offer]) -> list[OfferTold]:
    return [
        OfferTold(
            **_of(each.on_shelf, each.terms, each.left),
            price=each.price,
            is_affordable=not each.why,
            missing=each.missing,
            why=each.why,  # type: ignore[arg-type]
        )
        for each in found
    ]


@endpoint(
    router,
    "GET",
    "/loyalty/redemptions/{int:redemption_id}",
    scope="loyalty:read",
    answers={200: RedemptionTold},
    summary=_("Get a redemption"),
)
def get_redemption(request: HttpRequest, here: Path[RedemptionHere]) -> Answer:
    """What became of it by now."""
    row = catalogue.redemptions_by_id([here.redemption_id]).get(here.redemption_id)
    return Answer(_told(found_or_not(row, "There is no such redemption."), now()))


@endpoint(
    router,
    "POST",
    "/loyalty/redemptions",
    scope="loyalty:write",
    answers={200: RedemptionOutcome, 201: RedemptionOutcome},
    summary=_("Redeem a reward"),
)
def redeem_reward(request: HttpRequest, given: RedemptionGiven) -> Answer:
    """Points, stock and code are taken together, or none of them. Discounts and vouchers are done at once; what is
    handed over, or pays at the till, waits with its points set aside."""
    return batches.one(given, _redeem)


@endpoint(
    router,
    "POST",
    "/loyalty/redemptions/bulk",
    scope="loyalty:write",
    answers={200: RedemptionOutcomes},
    summary=_("Redeem many rewards"),
)
def redeem_rewards(request: HttpRequest, given: Many[RedemptionGiven]) -> Answer:
    """Up to 1,000 in one transaction, in order, each answered by itself."""
    return batches.many(given, _redeem, told=RedemptionOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/redemptions/confirm",
    scope="loyalty:write",
    answers={200: RedemptionOutcome, 201: RedemptionOutcome},
    summary=_("Confirm a redemption"),
)
def confirm_redemption(request: HttpRequest, given: RedemptionMeant) -> Answer:
    """It was handed over, or is sure: its points are spent."""
    return batches.one(given, _confirm)


@endpoint(
    router,
    "POST",
    "/loyalty/redemptions/confirm/bulk",
    scope="loyalty:write",
    answers={200: RedemptionOutcomes},
    summary=_("Confirm many redemptions"),
)
def confirm_redemptions(request: HttpRequest, given: Many[RedemptionMeant]) -> Answer:
    """Up to 1,000 in one transaction, each answered by itself."""
    return batches.many(given, _confirm, told=RedemptionOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/redemptions/cancel",
    scope="loyalty:write",
    answers={200: RedemptionOutcome, 201: RedemptionOutcome},
    summary=_("Cancel a redemption"),
)
def cancel_redemption(request: HttpRequest, given: RedemptionMeant) -> Answer:
    """Points return to the lots they came from, stock and code to the shelf; not of what was used or handed over."""
    return batches.one(given, _cancel)


@endpoint(
    router,
    "POST",
    "/loyalty/redemptions/cancel/bulk",
    scope="loyalty:write",
    answers={200: RedemptionOutcomes},
    summary=_("Cancel many redemptions"),
)
def cancel_redemptions(request: HttpRequest, given: Many[RedemptionMeant]) -> Answer:
    """Up to 1,000 in one transaction, each answered by itself."""
    return batches.many(given, _cancel, told=RedemptionOutcomes)


# -- doing it ----------------------------------------------------------------------------------------------------------


def _redeem(items: Sequence[RedemptionGiven]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[RedemptionGiven]) -> list[Became]:
        owners = members(programme, [each.member for each in some])
        asked = [
            actions.NewRedemption(owner, each.reward_id, each.key, each.points, each.is_handed_over, each.wait_seconds)
            for each, owner in zip(some, owners, strict=True)
            if owner
        ]
        done = actions.redeem(programme=programme, redemptions=asked, at=at)
        rows = catalogue.redemptions_by_id(one.redemption_id for one in done if one.is_done)
        each_done = iter(done)
        found = []
        for owner in owners:
            one = next(each_done) if owner else None
            row = rows.get(one.redemption_id) if one else None
            found.append(_became(one, owner, WHY, row, at) if one else refused(NO_MEMBER))
        return found

    return by_programme(items, at, work, RedemptionOutcome)


def _became(
    done: actions.Redeemed, member_id: int, faults: dict[str, Fault], row: Redemption | None, at: datetime
) -> Became:
    more = {"redemption": _told(row, at) if row else None}
    if done.is_done:
        return Became(result=done.result, member_id=member_id, points=done.points, more=more)
    fault = faults[done.result]
    if done.result == "dearer":
        fault = replace(fault, detail=f"{fault.detail} ({done.points})")
    return Became(result="rejected", fault=fault, more=more)


def _confirm(items: Sequence[RedemptionMeant]) -> list[Outcome]:
    return _closed(items, actions.confirm)


def _cancel(items: Sequence[RedemptionMeant]) -> list[Outcome]:
    return _closed(items, actions.cancel)


def _closed(items: Sequence[RedemptionMeant], close: Callable[..., list[actions.Redeemed]]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[RedemptionMeant]) -> list[Became]:
        rows = catalogue.redemptions_by_key(programme, [each.key for each in some])
        ids = [rows[each.key].pk if each.key in rows else 0 for each in some]
        done = close(programme=programme, redemption_ids=ids, at=at)
        rows_now = catalogue.redemptions_by_id(pk for pk in ids if pk)
        return [
            _became(one, rows_now[pk].member_id if pk else 0, OF_REDEMPTION, rows_now.get(pk), at)
            for pk, one in zip(ids, done, strict=True)
        ]

    return by_programme(items, at, work, RedemptionOutcome)


# -- telling -----------------------------------------------------------------------------------------------------------


def _of(each: OnShelf, terms: Terms, left: int | None) -> dict[str, Any]:
    plain = [name for name in RewardTold.model_fields if name not in ("id", "key", "left")]
    return {"id": each.reward.pk, "key": each.reward.key, "left": left} | {name: getattr(terms, name) for name in plain}


def _told(row: Redemption, at: datetime) -> RedemptionTold:
    state, voucher = catalogue.state_of(row, at=at), catalogue.shown_code(row, at=at)
    return RedemptionTold(
        id=row.pk,
        programme_id=row.programme_id,
        member_id=row.member_id,
        key=row.key,
        reward_id=row.reward_id,
        reward=row.reward.key,
        points=row.points,
        state=state,  # type: ignore[arg-type]
        why=row.why,
        code=voucher.written if voucher else "",
        made_at=row.made_at,
        expires_at=row.expires_at if state == Redemption.State.WAITING else None,
        code_expires_at=voucher.expires_at if voucher else None,
    )
