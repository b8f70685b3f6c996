"""Points that purchases earn, what they would earn, and what refunds take back."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Router
from pydantic import Field, model_validator

from querencia.api.rest import batches
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import Given, Id, Key, Many, Minor, Outcome, Source, Told, text
from querencia.api.rest.loyalty.naming import (
    NO_MEMBER,
    TAG,
    Became,
    MemberGiven,
    OfProgramme,
    PointsOutcome,
    PointsOutcomes,
    Programmes,
    became,
    by_programme,
    members,
    refused,
)
from querencia.api.rest.loyalty.rewards import OfferTold, offers
from querencia.api.rest.loyalty.vouchers import VoucherTold, voucher_told
from querencia.api.rest.problems import Fault, Problem
from querencia.api.rest.purchases import LINES_MAX
from querencia.api.rest.together import Ticket
from querencia.common.time import now
from querencia.customers.queries import facts
from querencia.flows import points as moments
from querencia.loyalty import queries
from querencia.loyalty import rewards as rewarding
from querencia.loyalty.earning import Facts, Line
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.purchases import kind_of
from querencia.loyalty.queries import naming, vouchers
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries.quoting import less, quote
from querencia.loyalty.queries.rewards import Offer

router = Router(tags=[TAG])
UNKNOWN = Fault("No purchase is known under this key. Record it first.", "unknown_purchase", "/key")
WHY = {
    "unknown": UNKNOWN,
    "no_member": Fault("Whoever bought was no member then.", "no_member", "/key"),
    "not_running": Fault("The programme did not run when it was bought.", "not_running", "/key"),
    "other_currency": Fault("It is in another currency than the programme.", "other_currency", "/key"),
    "refund": Fault("This gives back what was bought: it is a refund.", "refund", "/key"),
    "no_refund": Fault("This is no refund.", "no_refund", "/key"),
    "unknown_order": Fault("What it gives back is not known.", "unknown_order", "/key"),
    "no_grant": Fault("What it gives back has earned nothing yet.", "no_grant", "/key"),
}


class PurchaseMeant(OfProgramme):
    """A purchase that was recorded before, by its key."""

    model_config = {"json_schema_extra": {"examples": [{"key": "T1-20260501-0042"}]}}
    key: Key
    source: Source = "api"


class RefundMeant(PurchaseMeant):
    """A refund that was recorded before, by its key."""

    model_config = {"json_schema_extra": {"examples": [{"key": "T1-20260502-0007"}]}}


class BasketLine(Given):
    sku: text(80) = ""  # type: ignore[valid-type]
    category: text(120) = ""  # type: ignore[valid-type]
    """Tax, shipping and discount are told apart by it."""
    amount: Minor
    """In minor units."""


class QuoteGiven(OfProgramme):
    """A basket that is not paid for yet, and who would buy it."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "member": {"card_number": "2026-0042"},
                    "amount": 4590,
                    "lines": [{"sku": "B-7", "amount": 3990}, {"sku": "B-9", "amount": 600}],
                    "channel": "shop",
                    "points": 40,
                }
            ]
        }
    }
    member: MemberGiven | None = None
    """Left out: somebody who would join today."""
    amount: Annotated[Minor, Field(ge=0)]
    """In minor units. The lines, if there are any, add up to it."""
    lines: Annotated[list[BasketLine], Field(max_length=LINES_MAX)] = []
    channel: text(40) = ""  # type: ignore[valid-type]
    branch: text(80) = ""  # type: ignore[valid-type]
    paid_with_points: Annotated[Minor, Field(ge=0)] = 0
    """How much of it is paid with points, in minor units."""
    points: Annotated[int, Field(ge=0, le=10**15, strict=True)] = 0
    """So many points would be spent on it: whether they can be. With a reward that pays with points: how many."""
    code: text(80) = ""  # type: ignore[valid-type]
    """A code that would be used for it."""
    reward_id: Id | None = None
    """A reward that the member would redeem for it."""

    @model_validator(mode="after")
    def _adds_up(self) -> "QuoteGiven":
        if self.lines and sum(line.amount for line in self.lines) != self.amount:
            raise ValueError(f"the lines add up to {sum(line.amount for line in self.lines)}, not to {self.amount}")
        if self.paid_with_points > self.amount:
            raise ValueError("more would be paid with points than it costs")
        if self.code and self.reward_id is not None:
            raise ValueError("either a code or a reward")
        if self.reward_id is not None and self.member is None:
            raise ValueError("whose reward? name the member")
        return self


class RuleQuoted(Told):
    rule: str
    version: int
    title: str
    points: int
    base: int
    """The minor units that counted."""


class Quoted(Told):
    """What it would earn now. Nothing is promised: what counts is what is in force when it is paid for."""

    points: int
    rules: list[RuleQuoted]
    passed_over: dict[str, str]
    """Rules that would give nothing, and why: validity, audience, held_out, condition, nothing, beaten, cap."""
    available: int | None
    """What the member can spend now; null without a member."""
    is_affordable: bool
    """Whether so many `points` can be spent now."""
    discount: int
    """What the code or the reward takes off, in minor units; 0, where it cannot be had."""
    to_pay: int
    """What is left to pay, in minor units."""
    points_charged: int
    """How many points the reward costs, for this basket."""
    voucher: VoucherTold | None
    """What there is to say of the code."""
    rewards: list[OfferTold]
    """What the member can have: what they can pay now first, then what is nearest."""


class _Off(NamedTuple):
    """What a code or a reward does to a basket."""

    facts: Facts
    discount: int = 0
    charged: int = 0
    voucher: VoucherTold | None = None


@endpoint(
    router,
    "POST",
    "/loyalty/earn",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Have a purchase earn points"),
    is_shared=True,
)
def earn_points(request: HttpRequest, given: PurchaseMeant) -> Ticket:
    """At once, for whoever waits at the till; the house does the same by itself a moment after a purchase was recorded.
    A purchase earns once, by the rules of its day."""
    return batches.shared(given, _earn)


@endpoint(
    router,
    "POST",
    "/loyalty/earn/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Have many purchases earn points"),
)
def earn_points_for_many(request: HttpRequest, given: Many[PurchaseMeant]) -> Answer:
    """Up to 1,000 purchases in one transaction, each answered by itself."""
    return batches.many(given, _earn, told=PointsOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/refunds",
    scope="loyalty:write",
    answers={200: PointsOutcome, 201: PointsOutcome},
    summary=_("Have a refund take points back"),
    is_shared=True,
)
def refund_points(request: HttpRequest, given: RefundMeant) -> Ticket:
    """At once; the house does the same by itself. `points` is how many were taken back: what is left is what the order
    as it stands would have earned on its day."""
    return batches.shared(given, _refund)


@endpoint(
    router,
    "POST",
    "/loyalty/refunds/bulk",
    scope="loyalty:write",
    answers={200: PointsOutcomes},
    summary=_("Have many refunds take points back"),
)
def refund_points_of_many(request: HttpRequest, given: Many[RefundMeant]) -> Answer:
    """Up to 1,000 refunds in one transaction, each answered by itself."""
    return batches.many(given, _refund, told=PointsOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/quote",
    scope="loyalty:read",
    answers={200: Quoted},
    summary=_("Ask what a basket would earn"),
)
def quote_points(request: HttpRequest, given: QuoteGiven) -> Answer:
    """By the same rules as the purchase itself, with the reasons; and whether points can be spent on it."""
    at = now()
    programme = Programmes(at).one(given.programme_id)
    row = None
    if given.member:
        [pk] = members(programme, [given.member])
        if not pk:
            raise Problem("invalid", NO_MEMBER.detail, [NO_MEMBER])
        row = naming.by_id([pk])[pk]
    known = catalogue.offers(programme, row.pk, at=at) if row else []
    off = _with_code(programme, given, at) if given.code else _with_reward(given, known, row, at)
    outcome = quote(programme, off.facts, member=row, at=at)
    left = queries.balances([row.pk], at=at)[row.pk] if row else None
    return Answer(
        Quoted(
            points=outcome.points,
            rules=[
                RuleQuoted(
                    rule=each.rule.key,
                    version=each.rule.version,
                    title=each.rule.title,
                    points=each.points,
                    base=each.base,
                )
                for each in outcome.effects
            ],
            passed_over=outcome.passed_over,
            available=left.available if left else None,
            is_affordable=given.points == 0
            or (left is not None and not left.deficit and given.points <= left.available),
            discount=off.discount,
            to_pay=given.amount - given.paid_with_points - off.discount,
            points_charged=off.charged,
            voucher=off.voucher,
            rewards=offers(known),
        )
    )


def _with_code(programme: Programme, given: QuoteGiven, at: datetime) -> _Off:
    facts = _facts(given, at)
    [found] = vouchers.check(programme, [(given.code, given.amount - given.paid_with_points)], at=at)
    if found.why or found.terms is None:
        return _Off(facts, voucher=voucher_told(found))
    points = found.redemption.points if found.redemption and found.terms.is_charged_at_use else 0
    charged = found.terms.charge(found.discount, points)
    return _Off(less(facts, found.terms, found.discount), found.discount, charged, voucher_told(found))


def _with_reward(given: QuoteGiven, known: Sequence[Offer], row: Member | None, at: datetime) -> _Off:
    facts = _facts(given, at)
    offer = next((each for each in known if each.on_shelf.reward.pk == given.reward_id), None)
    if row is None or offer is None or offer.why:
        return _Off(facts)
    has = queries.balances([row.pk], at=at)[row.pk].available
    points = min(given.points or has, has) if offer.terms.kind == rewarding.PAY else offer.price
    discount = offer.terms.discount(given.amount - given.paid_with_points, points)
    return _Off(less(facts, offer.terms, discount), discount, offer.terms.charge(discount, points))


def _facts(given: QuoteGiven, at: datetime) -> Facts:
    lines = tuple(
        Line(number, line.amount, kind_of(line.category), line.sku, line.category)
        for number, line in enumerate(given.lines, 1)
    )
    return Facts(at, lines or (Line(0, given.amount),), given.paid_with_points, given.channel, given.branch)


def _earn(items: Sequence[PurchaseMeant]) -> list[Outcome]:
    return _judged(items, moments.earn)


def _refund(items: Sequence[PurchaseMeant]) -> list[Outcome]:
    return _judged(items, moments.refund)


def _judged(items: Sequence[PurchaseMeant], judge: Callable[..., Sequence[Any]]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[PurchaseMeant]) -> list[Became]:
        places = [(each.key, each.source) for each in some]
        ids = facts.purchase_ids(places)
        done = judge(programme=programme, purchases=list(dict.fromkeys(ids.values())), at=at)
        by_id = {each.purchase_id: each for each in done}
        seen: set[int] = set()
        found = []
        for place in places:
            pk = ids.get(place)
            if pk is None:
                found.append(refused(UNKNOWN))
                continue
            one = became(by_id[pk], by_id[pk].member_id, WHY)
            if pk in seen and one.result == "created":
                one.result = "unchanged"
            seen.add(pk)
            found.append(one)
        return found

    return by_programme(items, at, work)
