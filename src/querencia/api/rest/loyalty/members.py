"""Members: enrolled, found by card or customer, with what they have and how they came by it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router
from pydantic import Field

from querencia.api.rest import batches, pages
from querencia.api.rest.customers import SOURCE
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import (
    MANY_MAX,
    AskedId,
    CustomerGiven,
    Given,
    Many,
    Moment,
    Outcome,
    Page,
    Told,
    reference,
    text,
)
from querencia.api.rest.identifiers import UNKNOWN
from querencia.api.rest.loyalty.naming import (
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
from querencia.api.rest.problems import Fault, found_or_not
from querencia.common.time import now
from querencia.customers.actions.profiles import named
from querencia.customers.queries import facts, persons
from querencia.loyalty import queries
from querencia.loyalty.actions.joining import join
from querencia.loyalty.actions.members import NewMember
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries import naming
from querencia.loyalty.queries.history import Moved
from querencia.loyalty.queries.standings import Place, progress

router = Router(tags=[TAG])
WHY = {
    "differs": Fault("This person is a member with another card.", "differs", "/card_number"),
    "card_taken": Fault("This card is somebody else's.", "card_taken", "/card_number"),
    "erased": UNKNOWN,
}
FUTURE = Fault("It lies in the future.", "future", "/joined_at")
# What an entry keeps for the house itself.
INNER = ("mark", "member")


class EnrolGiven(OfProgramme):
    """Who joins, with a card of yours or one that is drawn."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "customer": {"kind": "customer_key", "value": "K-1001"},
                    "card_number": "2026-0042",
                    "joined_at": "2026-01-02T10:00:00+01:00",
                }
            ]
        }
    }
    customer: CustomerGiven
    card_number: text(40) = ""  # type: ignore[valid-type]
    joined_at: Moment | None = None
    """Now, where it is not said. Purchases of before earn nothing."""


class BalanceTold(Told):
    """Points."""

    available: int
    """Can be spent now."""
    pending: int
    """Can be spent later."""
    held: int
    """Set aside by holds."""
    deficit: int
    """Owed; nothing can be spent before it is earned."""
    expiring: int
    """So many of those available lapse first."""
    expires_at: datetime | None
    """When they do; null: none ever."""


class StandingTold(Told):
    tier: str
    """Empty: none yet."""
    name: str
    since: date | None
    until: date | None
    """Holds until this day at least."""
    next_tier: str
    missing: int
    """What is missing to the next tier, of what counts."""
    to_keep: int
    """What is missing to keep this one."""


class MemberTold(Told):
    id: int
    programme_id: int
    customer_id: int
    """Whoever stands for the person now."""
    card_number: str
    joined_at: datetime
    left_at: datetime | None
    balance: BalanceTold
    """Of the whole person: members who were merged have one purse."""
    standing: StandingTold | None
    """Null where the programme has no tiers."""


class MembersGiven(OfProgramme):
    """Members to look up, in the order of the answer."""

    model_config = {"json_schema_extra": {"examples": [{"members": [{"card_number": "2026-0042"}]}]}}
    members: Annotated[list[MemberGiven], Field(min_length=1, max_length=MANY_MAX)]


class MembersFound(Told):
    members: list[MemberTold | None]
    """Null where nobody is a member."""


class PurchaseNamed(Told):
    key: str
    source: str


class MovedTold(Told):
    """How points moved once."""

    id: int
    member_id: int
    kind: Literal[
        "grant", "activate", "hold", "capture", "release", "claw_back", "expire", "restore", "transfer", "adjust"
    ]
    at: datetime
    recorded_at: datetime
    points: int
    """How much the purse changed: what is set aside has left it."""
    purchase: PurchaseNamed | None
    why: dict[str, Any]
    """Rules by key and version with the points of each, those that passed it over, and whatever else was written."""


class MovedPage(Page[MovedTold]): ...


class MemberHere(Given):
    member_id: AskedId


class CardHere(Given):
    card_number: text(40, 1)  # type: ignore[valid-type]


class CardAsked(Given):
    programme_id: AskedId | None = None
    """Needed where there are several programmes."""


@endpoint(
    router,
    "POST",
    "/loyalty/members",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Enrol a member"),
)
def enrol_member(request: HttpRequest, given: EnrolGiven) -> Answer:
    """Whoever is a member already stays one (`unchanged`), and comes back after having left (`updated`)."""
    return batches.one(given, _enrol, place="/api/v1/loyalty/members/{}")


@endpoint(
    router,
    "POST",
    "/loyalty/members/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Enrol many members"),
)
def enrol_members(request: HttpRequest, given: Many[EnrolGiven]) -> Answer:
    """Up to 1,000 members in one transaction, each answered by itself."""
    return batches.many(given, _enrol, told=PointsOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/members/lookup",
    scope="loyalty:read",
    answers={200: MembersFound},
    summary=_("Look up many members"),
)
def look_up_members(request: HttpRequest, given: MembersGiven) -> Answer:
    """By id, by card number or by any identifier of the customer, up to 1,000 at once."""
    at = now()
    found = members(Programmes(at).one(given.programme_id), given.members)
    told = _told(naming.by_id(pk for pk in found if pk), at)
    return Answer(MembersFound(members=[told.get(pk) for pk in found]))


@endpoint(
    router,
    "GET",
    "/loyalty/members/by-card/{path:card_number}",
    scope="loyalty:read",
    answers={200: MemberTold},
    summary=_("Get a member by card number"),
)
def get_member_by_card(request: HttpRequest, here: Path[CardHere], asked: Query[CardAsked]) -> Answer:
    """By what the scanner of the till reads: the number of the card, or its signed code."""
    at = now()
    programme = Programmes(at).one(asked.programme_id)
    row = naming.by_card(programme, [here.card_number]).get(here.card_number)
    return _member(found_or_not(row, "There is no such member."), at)


@endpoint(
    router,
    "GET",
    "/loyalty/members/{int:member_id}",
    scope="loyalty:read",
    answers={200: MemberTold},
    summary=_("Get a member"),
)
def get_member(request: HttpRequest, here: Path[MemberHere]) -> Answer:
    """What they have now, what lapses first, and where they stand."""
    return _member(the_member(here.member_id), now())


@endpoint(
    router,
    "GET",
    "/loyalty/members/{int:member_id}/history",
    scope="loyalty:read",
    answers={200: MovedPage},
    summary=_("See how a member came by their points"),
)
def get_history(request: HttpRequest, here: Path[MemberHere], asked: Query[pages.Asked]) -> Answer:
    """Entry by entry, the newest first, each with the reasons that were written down with it."""
    moved = queries.history(the_member(here.member_id), before=pages.place(request, asked), size=asked.limit + 1)
    after = moved[asked.limit - 1].pk if len(moved) > asked.limit else None
    return pages.page(request, asked, _moved(moved[: asked.limit]), after, MovedPage)


def _enrol(items: Sequence[EnrolGiven]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[EnrolGiven]) -> list[Became]:
        timely = [each.joined_at is None or each.joined_at <= at for each in some]
        fit = [each for each, is_timely in zip(some, timely, strict=True) if is_timely]
        owners = named([reference(each.customer) for each in fit], at=at, source=SOURCE)
        new = [
            NewMember(owner, each.card_number, each.joined_at) for each, owner in zip(fit, owners, strict=True) if owner
        ]
        done, owned = iter(join(programme=programme, members=new, at=at)), iter(owners)
        found = []
        for is_timely in timely:
            if not is_timely or not next(owned):
                found.append(refused(UNKNOWN if is_timely else FUTURE))
                continue
            one = next(done)
            why = WHY.get(one.result)
            found.append(refused(why) if why else Became(one.result, one.member_id))
        return found

    return by_programme(items, at, work)


def _member(row: Member, at: datetime) -> Answer:
    headers = {"Content-Location": f"/api/v1/loyalty/members/{row.pk}"}
    return Answer(_told({row.pk: row}, at)[row.pk], headers=headers)


def _told(rows: Mapping[int, Member], at: datetime) -> dict[int, MemberTold]:
    heads = persons.heads(row.customer_id for row in rows.values())
    left = queries.balances(rows, at=at)
    places = progress(list(rows.values()), at=at)
    return {
        pk: MemberTold(
            id=pk,
            programme_id=row.programme_id,
            customer_id=heads[row.customer_id],
            card_number=row.card_number,
            joined_at=row.joined_at,
            left_at=row.left_at,
            balance=BalanceTold.model_validate(left[pk], from_attributes=True),
            standing=_standing(places[pk]) if pk in places else None,
        )
        for pk, row in rows.items()
    }


def _standing(place: Place) -> StandingTold:
    standing, ahead = place.standing, place.ahead
    return StandingTold(
        tier=standing.tier,
        name=place.scheme.names.get(standing.tier, standing.tier),
        since=standing.since,
        until=standing.until,
        next_tier=ahead.next_tier,
        missing=ahead.missing,
        to_keep=ahead.to_keep,
    )


def _moved(moved: Sequence[Moved]) -> list[MovedTold]:
    bought = facts.purchases_by_id([each.purchase_id for each in moved if each.purchase_id])
    places = {row.pk: PurchaseNamed(key=row.key, source=row.source) for row in bought}
    return [
        MovedTold.model_validate(
            {
                **{name: getattr(each, name) for name in ("member_id", "kind", "at", "recorded_at", "points")},
                "id": each.pk,
                "purchase": places.get(each.purchase_id or 0),
                "why": {name: value for name, value in each.why.items() if name not in INNER},
            }
        )
        for each in moved
    ]
