"""Members who bring friends: the code of a member, by whose code somebody came, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router

from querencia.api.rest import batches, pages
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import AskedId, Given, Many, Outcome, Page, Told, text
from querencia.api.rest.loyalty.members import MemberHere
from querencia.api.rest.loyalty.naming import (
    NO_MEMBER,
    TAG,
    Became,
    MemberGiven,
    OfProgramme,
    PointsOutcome,
    PointsOutcomes,
    Programmes,
    by_programme,
    members,
    refused,
    the_member,
)
from querencia.api.rest.problems import Fault, Problem, found_or_not
from querencia.common.time import now
from querencia.loyalty import actions
from querencia.loyalty.models import Programme, Referral
from querencia.loyalty.queries import naming, referrals

router = Router(tags=[TAG])
type ReferralState = Literal["claimed", "qualified", "on_hold", "rewarded", "rejected", "reversed"]
WHY = {
    "no_terms": Fault("Bringing friends earns nothing now.", "no_terms", "/code"),
    "unknown_code": Fault("Nobody in the programme has this code.", "unknown_code", "/code"),
    "no_member": NO_MEMBER,
    "same_person": Fault("Both are the same person.", "same_person", "/code"),
    "existing_customer": Fault("They bought before: this is for new customers.", "existing_customer", "/member"),
    "other_advocate": Fault("They came by somebody else already.", "other_advocate", "/member"),
    "brings_friends": Fault("They have brought others, and so are not new.", "brings_friends", "/member"),
    "cap": Fault("Whoever shared the code has brought as many friends as count.", "cap", "/code"),
}


class CodeAsked(OfProgramme):
    """A member who wants to bring friends."""

    model_config = {"json_schema_extra": {"examples": [{"member": {"card_number": "2026-0042"}}]}}
    member: MemberGiven


class CodeTold(Told):
    member_id: int
    code: str
    """Nobody can guess it, and it says nothing of the member."""
    link: str
    """Where friends join by it."""
    made_at: datetime


class ReferralGiven(OfProgramme):
    """A member says by whose code they came."""

    model_config = {
        "json_schema_extra": {"examples": [{"member": {"card_number": "2026-0043"}, "code": "k7m2q9x4hd3w"}]}
    }
    member: MemberGiven
    """The friend, who has bought nothing yet."""
    code: text(80, 1)  # type: ignore[valid-type]
    shows_name: bool = False
    """Whether the advocate may read their first name."""


class ReferralTold(Told):
    id: int
    programme_id: int
    advocate_id: int
    """The member who brought them."""
    friend_id: int
    state: ReferralState
    """`on_hold` until the return window of what they bought ends, at `due_at`."""
    is_waiting: bool
    """Somebody is to look at it before anybody is rewarded."""
    why: str
    """Why it is rejected, in a word."""
    claimed_at: datetime
    due_at: datetime | None
    settled_at: datetime | None
    advocate_points: int
    friend_points: int


class ReferralPage(Page[ReferralTold]): ...


class ReferralHere(Given):
    referral_id: AskedId


@endpoint(
    router,
    "POST",
    "/loyalty/referral-codes",
    scope="loyalty:write",
    answers={200: CodeTold},
    summary=_("Get a member's code to bring friends"),
)
def get_code(request: HttpRequest, given: CodeAsked) -> Answer:
    """Drawn when it is asked for first; the same ever after."""
    at = now()
    programme = Programmes(at).one(given.programme_id)
    [pk] = members(programme, [given.member])
    row = naming.by_id([pk]).get(pk)
    made = actions.share(members=[row], at=at).get(pk) if row else None
    if made is None:
        raise Problem("invalid", NO_MEMBER.detail, [NO_MEMBER])
    link = request.build_absolute_uri(f"{reverse('club_join')}?r={made.code}")
    return Answer(CodeTold(member_id=pk, code=made.code, link=link, made_at=made.made_at))


@endpoint(
    router,
    "POST",
    "/loyalty/referrals",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Write down by whom a member came"),
)
def claim_referral(request: HttpRequest, given: ReferralGiven) -> Answer:
    """Once for each member, for good. Both are rewarded when what the friend buys can be given back no more; what is
    suspicious waits for somebody to look."""
    return batches.one(given, _claim)


@endpoint(
    router,
    "POST",
    "/loyalty/referrals/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Write down by whom many members came"),
)
def claim_referrals(request: HttpRequest, given: Many[ReferralGiven]) -> Answer:
    """Up to 1,000 in one transaction, in order, each answered by itself."""
    return batches.many(given, _claim, told=PointsOutcomes)


@endpoint(
    router,
    "GET",
    "/loyalty/referrals/{int:referral_id}",
    scope="loyalty:read",
    answers={200: ReferralTold},
    summary=_("Get a referral"),
)
def get_referral(request: HttpRequest, here: Path[ReferralHere]) -> Answer:
    """How far a friend has come."""
    row = referrals.by_id([here.referral_id]).get(here.referral_id)
    return Answer(_told(found_or_not(row, "There is no such referral."), now()))


@endpoint(
    router,
    "GET",
    "/loyalty/members/{int:member_id}/referrals",
    scope="loyalty:read",
    answers={200: ReferralPage},
    summary=_("See whom a member brought"),
)
def get_referrals(request: HttpRequest, here: Path[MemberHere], asked: Query[pages.Asked]) -> Answer:
    """Friend by friend, the latest first."""
    found = referrals.brought(the_member(here.member_id), before=pages.place(request, asked), size=asked.limit + 1)
    after = found[asked.limit - 1].pk if len(found) > asked.limit else None
    at = now()
    return pages.page(request, asked, [_told(each, at) for each in found[: asked.limit]], after, ReferralPage)


def _claim(items: Sequence[ReferralGiven]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[ReferralGiven]) -> list[Became]:
        owners = members(programme, [each.member for each in some])
        claims = [
            actions.NewClaim(owner, each.code, Referral.Via.API, each.shows_name)
            for each, owner in zip(some, owners, strict=True)
        ]
        done = actions.claim(programme=programme, claims=claims, at=at)
        return [
            Became(one.result, owner) if one.is_done else refused(WHY[one.result])
            for one, owner in zip(done, owners, strict=True)
        ]

    return by_programme(items, at, work)


def _told(row: Referral, at: datetime) -> ReferralTold:
    is_on_hold = row.state == "qualified" and row.due_at is not None and at < row.due_at
    return ReferralTold.model_validate(
        {
            **{name: getattr(row, name) for name in ("advocate_id", "friend_id", "why", "claimed_at", "due_at")},
            **{name: getattr(row, name) for name in ("settled_at", "advocate_points", "friend_points")},
            "id": row.pk,
            "programme_id": row.advocate.programme_id,
            "state": "on_hold" if is_on_hold else row.state,
            "is_waiting": row.review == Referral.Review.WAITING,
        }
    )
