"""Codes at the till: what one is worth off an order, used, and given back with the order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Router
from pydantic import Field

from querencia.api.rest import batches
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import ID_MAX, Key, Many, Minor, Outcome, Outcomes, Source, Told, text
from querencia.api.rest.loyalty.naming import (
    TAG,
    Became,
    OfProgramme,
    PointsOutcome,
    Programmes,
    by_programme,
    refused,
)
from querencia.api.rest.problems import Fault
from querencia.common.time import now
from querencia.loyalty import actions
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import vouchers as looked

router = Router(tags=[TAG])
Code = text(80, 1)
Order = Annotated[Minor, Field(ge=0)]
WHY = {
    "unknown": Fault("No such code was given to anybody.", "unknown_code", "/code"),
    "mistyped": Fault("There is a slip in this code: read it again.", "mistyped", "/code"),
    "void": Fault("The code was taken back.", "void", "/code"),
    "lapsed": Fault("The code could be used until a day that is over.", "lapsed_code", "/code"),
    "used": Fault("The code was used as often as it may be.", "used", "/code"),
    "not_confirmed": Fault("The redemption that it is of waits to be confirmed.", "not_confirmed", "/code"),
    "nothing_off": Fault("It takes nothing off an order of so much.", "nothing_off", "/order_amount"),
    "restored": Fault("It was used for this order, which was given back.", "restored", "/order_key"),
    "differs": Fault("It was used for this order with another amount.", "differs", "/order_amount"),
}
OF_RETURN = {"unknown": Fault("No code was used for this order.", "unknown_order", "/order_key")}


class VoucherMeant(OfProgramme):
    """A code, and what is bought with it."""

    model_config = {"json_schema_extra": {"examples": [{"code": "7KQ2-MX4D-9RWB", "order_amount": 4590}]}}
    code: Code  # type: ignore[valid-type]
    order_amount: Order | None = None
    """In minor units; left out, only whether it can be used."""


class VoucherTold(Told):
    is_valid: bool
    """Whether it can be used now, for that order."""
    why: str
    """Why it cannot: `unknown`, `mistyped`, `void`, `lapsed`, `used`, `not_confirmed`, `nothing_off`."""
    discount: int
    """What it takes off the order, in minor units: never more than the order."""
    left: int | None
    """What is left of a voucher of a value before this order, in minor units; null of all others."""
    reward_id: int | None
    reward: str
    """Its key."""
    kind: str
    name: dict[str, str]
    member_id: int | None
    """Whose it is; null of a code that is shared."""
    expires_at: datetime | None


class UseGiven(OfProgramme):
    """A code that is taken in for an order."""

    model_config = {
        "json_schema_extra": {
            "examples": [{"code": "7KQ2-MX4D-9RWB", "order_key": "T1-20260501-0042", "order_amount": 4590}]
        }
    }
    code: Code  # type: ignore[valid-type]
    order_key: Key
    """The key under which the purchase is recorded: a refund of it finds its way back."""
    source: Source = "api"
    order_amount: Order
    """In minor units, before the discount."""


class ReturnGiven(OfProgramme):
    """An order that was given back whole."""

    model_config = {"json_schema_extra": {"examples": [{"order_key": "T1-20260501-0042"}]}}
    order_key: Key
    source: Source = "api"
    code: text(80) = ""  # type: ignore[valid-type]
    """Of several that were used for it, this one alone."""


class UseOutcome(PointsOutcome):
    """What became of one code; `id` is the member's whose it is, `points` are spent for it just then, or back."""

    discount: Annotated[int, Field(le=ID_MAX)] = 0
    """In minor units."""


class UseOutcomes(Outcomes):
    """What became of each item, in the order in which they were sent."""

    results: list[UseOutcome]  # type: ignore[assignment]


@endpoint(
    router,
    "POST",
    "/loyalty/vouchers/check",
    scope="loyalty:read",
    answers={200: VoucherTold},
    summary=_("Check a code"),
)
def check_voucher(request: HttpRequest, given: VoucherMeant) -> Answer:
    """Whether it can be used now and what it takes off; nothing is written. Case, blanks and dashes do not matter."""
    at = now()
    programme = Programmes(at).one(given.programme_id)
    [found] = looked.check(programme, [(given.code, given.order_amount)], at=at)
    return Answer(voucher_told(found))


def voucher_told(found: looked.Checked) -> VoucherTold:
    voucher, terms = found.voucher, found.terms
    return VoucherTold(
        is_valid=not found.why,
        why=found.why,
        discount=0 if found.why else found.discount,
        left=voucher.left if voucher else None,
        reward_id=voucher.reward_id if voucher else None,
        reward=voucher.reward.key if voucher else "",
        kind=terms.kind if terms else "",
        name=dict(terms.name) if terms else {},
        member_id=voucher.member_id if voucher else None,
        expires_at=voucher.expires_at if voucher else None,
    )


@endpoint(
    router,
    "POST",
    "/loyalty/vouchers/use",
    scope="loyalty:write",
    answers={200: UseOutcome, 201: UseOutcome},
    summary=_("Use a code"),
)
def use_voucher(request: HttpRequest, given: UseGiven) -> Answer:
    """Once for each order, however often it is sent. Of points that pay, as many are spent as the discount costs."""
    return batches.one(given, _use)


@endpoint(
    router,
    "POST",
    "/loyalty/vouchers/use/bulk",
    scope="loyalty:write",
    answers={200: UseOutcomes},
    summary=_("Use many codes"),
)
def use_vouchers(request: HttpRequest, given: Many[UseGiven]) -> Answer:
    """Up to 1,000 in one transaction, in order, each answered by itself."""
    return batches.many(given, _use, told=UseOutcomes)


@endpoint(
    router,
    "POST",
    "/loyalty/vouchers/restore",
    scope="loyalty:write",
    answers={200: UseOutcome, 201: UseOutcome},
    summary=_("Give back what was used for an order"),
)
def restore_voucher(request: HttpRequest, given: ReturnGiven) -> Answer:
    """The code can be used again, or the points that paid return to the lots they came from. A recorded refund does the
    same by itself."""
    return batches.one(given, _restore)


@endpoint(
    router,
    "POST",
    "/loyalty/vouchers/restore/bulk",
    scope="loyalty:write",
    answers={200: UseOutcomes},
    summary=_("Give back what was used for many orders"),
)
def restore_vouchers(request: HttpRequest, given: Many[ReturnGiven]) -> Answer:
    """Up to 1,000 in one transaction, each answered by itself."""
    return batches.many(given, _restore, told=UseOutcomes)


def _use(items: Sequence[UseGiven]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[UseGiven]) -> list[Became]:
        asked = [actions.NewUse(each.code, each.order_key, each.order_amount, each.source) for each in some]
        return _became(actions.use(programme=programme, uses=asked, at=at), WHY)

    return by_programme(items, at, work, UseOutcome)


def _restore(items: Sequence[ReturnGiven]) -> list[Outcome]:
    at = now()

    def work(programme: Programme, some: Sequence[ReturnGiven]) -> list[Became]:
        asked = [actions.NewReturn(each.order_key, each.source, each.code) for each in some]
        return _became(actions.restore_uses(programme=programme, returns=asked, at=at), OF_RETURN)

    return by_programme(items, at, work, UseOutcome)


def _became(done: Sequence[actions.Used], faults: dict[str, Fault]) -> list[Became]:
    owners = looked.members_of_uses(one.use_id for one in done if one.use_id)
    return [
        Became(one.result, owners.get(one.use_id, 0), one.points, more={"discount": one.discount})
        if one.is_done
        else refused(faults[one.result])
        for one in done
    ]
