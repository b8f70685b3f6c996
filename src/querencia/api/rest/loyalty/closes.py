"""Closed months: what the books of points came to."""

from datetime import date, datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router

from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import AskedId, Given, Told
from querencia.api.rest.loyalty.naming import NO_LIST_OF, TAG
from querencia.api.rest.problems import Problem, found_or_not
from querencia.loyalty import closing
from querencia.loyalty.models import Close
from querencia.loyalty.queries import closing as queries
from querencia.loyalty.queries.programmes import programme_by_id

router = Router(tags=[TAG])


class BridgeTold(Told):
    """Points of all members: `opening` and the changes, each with its sign, add up to `closing`."""

    opening: int
    granted: int
    redeemed: int
    expired: int
    clawed_back: int
    adjusted: int
    transferred: int
    restored: int
    closing: int


class CloseTold(Told):
    """A month whose books are closed, for good."""

    id: int
    programme_id: int
    month: date
    """Its first day."""
    starts_at: datetime
    ends_at: datetime
    closed_at: datetime
    fingerprint: str
    """SHA-256 of the document, which holds the fingerprint of the month before."""
    currency: str
    points: BridgeTold


class ClosesTold(Told):
    items: list[CloseTold]


class AccountTold(Told):
    opening: int
    closing: int


class JournalLineTold(Told):
    """One side of an entry in the journal, in minor units."""

    account: str
    what: Literal["earned", "given", "spent", "taken_back", "funded", "used", "taken"]
    points: int
    debit: int
    credit: int
    partner: str


class BreakageTold(Told):
    """The share of points that will never be spent; null where the books do not tell yet, and then `why`."""

    share: float | None
    intervals: list[tuple[float, float]]
    """Of 80 and of 95 %."""
    why: Literal["", "empty", "never", "young", "few", "open"]


class CloseDetailTold(CloseTold):
    accounts: dict[str, AccountTold]
    breakage: BreakageTold
    deferred: int | None
    """Revenue that is still deferred for points, in minor units; null without a journal."""
    journal: list[JournalLineTold]


class ClosesAsked(Given):
    programme_id: AskedId | None = None
    """Of this programme alone."""


class CloseHere(Given):
    close_id: AskedId


@endpoint(
    router,
    "GET",
    "/loyalty/closes",
    scope="loyalty:read",
    answers={200: ClosesTold},
    summary=_("List closed months"),
)
def list_closes(request: HttpRequest, asked: Query[ClosesAsked]) -> Answer:
    """The newest first."""
    programme = programme_by_id(asked.programme_id) if asked.programme_id else None
    if asked.programme_id and programme is None:
        raise Problem("invalid", NO_LIST_OF.detail, [NO_LIST_OF])
    return Answer(ClosesTold(items=[CloseTold(**_told(each)) for each in queries.closes(programme)]))


@endpoint(
    router,
    "GET",
    "/loyalty/closes/{int:close_id}",
    scope="loyalty:read",
    answers={200: CloseDetailTold},
    summary=_("Get a closed month"),
)
def get_close(request: HttpRequest, here: Path[CloseHere]) -> Answer:
    """With its accounts and its journal."""
    row = found_or_not(queries.close_by_id(here.close_id), "There is no such closed month.")
    journal = row.document["journal"]
    more = {
        "accounts": row.document["accounts"],
        "breakage": row.document["breakage"],
        "deferred": journal["deferred"] if journal else None,
        "journal": journal["lines"] if journal else [],
    }
    return Answer(CloseDetailTold.model_validate(_told(row) | more))


def _told(row: Close) -> dict[str, Any]:
    names = ("programme_id", "month", "starts_at", "ends_at", "closed_at", "fingerprint")
    points = BridgeTold.model_validate(closing.bridge(row.document), from_attributes=True)
    return {name: getattr(row, name) for name in names} | {
        "id": row.pk,
        "currency": row.document["currency"],
        "points": points,
    }
