"""What is reckoned of customers each night: their scores, and the segments that these make."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Path, Query, Router

from querencia.api.rest import pages
from querencia.api.rest.customers import CustomerHere, person
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import Given, Page, Told, text
from querencia.api.rest.problems import Problem
from querencia.business import queries as business
from querencia.customers.models import Score
from querencia.customers.models.scores import Segment
from querencia.customers.queries import listing

router = Router(tags=[_("Scores")])


class Interval(Told):
    """A figure with its 95 % interval; null where the data are too thin."""

    estimate: float | None
    low: float | None
    high: float | None


class AmountInterval(Told):
    """An amount in minor units with its 95 % interval; null where the data are too thin."""

    estimate: int | None
    low: int | None
    high: int | None


class ScoreTold(Told):
    """What insight says of one customer, as of a day. Amounts in minor units of the currency."""

    customer_id: int
    customer_key: str
    as_of: date
    currency: str
    segment: str
    stage: str
    abc: str
    risk: str
    branch: str
    channel: str
    first_on: date
    last_on: date
    left_on: date | None
    purchases: int
    amount: int
    amount_year: int
    value_year: int
    recency_score: int | None
    frequency_score: int | None
    monetary_score: int | None
    rhythm_days: Interval
    silent_days: int
    limit_days: float | None
    horizon_days: int
    expected_purchases: Interval
    chance_of_purchase: Interval
    expected_spend: AmountInterval
    at_stake: AmountInterval
    model: str


class ScoresPage(Page[ScoreTold]): ...


class SegmentTold(Told):
    name: str
    customers: int
    amount_year: int
    at_stake: int


class SegmentsTold(Told):
    items: list[SegmentTold]


class ScoresAsked(pages.Asked):
    stage: Literal["", "new", "active", "late", "left", "returned"] = ""
    segment: text(20) = ""  # type: ignore[valid-type]
    abc: Literal["", "A", "B", "C"] = ""
    risk: Literal["", "low", "medium", "high", "unknown"] = ""
    branch: text(80) = ""  # type: ignore[valid-type]
    channel: text(40) = ""  # type: ignore[valid-type]
    sort: Literal["at_stake", "amount_year", "amount", "last", "purchases"] = "at_stake"

    def filters(self) -> listing.Filters:
        return listing.Filters({name: (value,) for name in listing.FACETS if (value := getattr(self, name))})


class MembersAsked(pages.Asked):
    sort: Literal["at_stake", "amount_year", "amount", "last", "purchases"] = "at_stake"


class SegmentHere(Given):
    name: text(20)  # type: ignore[valid-type]


@endpoint(router, "GET", "/scores", scope="scores:read", answers={200: ScoresPage}, summary=_("List scores"))
def list_scores(request: HttpRequest, asked: Query[ScoresAsked]) -> Answer:
    """Of all customers who were scored, filtered and sorted."""
    return _page(request, asked, asked.filters(), asked.sort)


@endpoint(
    router,
    "GET",
    "/customers/{int:customer_id}/score",
    scope="scores:read",
    answers={200: ScoreTold},
    summary=_("Get the score of a customer"),
)
def get_score(request: HttpRequest, here: Path[CustomerHere]) -> Answer:
    """Of the person. Whoever bought nothing yet has none."""
    score = person(here.customer_id).score
    if score is None:
        raise Problem("not_found", "There is no score of this customer yet.")
    return Answer(_told([score], _currency())[0])


@endpoint(router, "GET", "/segments", scope="scores:read", answers={200: SegmentsTold}, summary=_("List segments"))
def list_segments(request: HttpRequest) -> Answer:
    """Each segment with its size, what it spent in a year and what is at stake in it."""
    sums = listing.segments()
    items = [SegmentTold(name=name, **sums.get(name, EMPTY)) for name in Segment.values]
    return Answer(SegmentsTold(items=items))


@endpoint(
    router,
    "GET",
    "/segments/{name}/customers",
    scope="scores:read",
    answers={200: ScoresPage},
    summary=_("List the customers of a segment"),
)
def list_members(request: HttpRequest, here: Path[SegmentHere], asked: Query[MembersAsked]) -> Answer:
    """With their scores."""
    if here.name not in Segment.values:
        raise Problem("not_found", f"No segment is called so: there are {', '.join(Segment.values)}.")
    return _page(request, asked, listing.Filters({"segment": (here.name,)}), asked.sort)


EMPTY = {"customers": 0, "amount_year": 0, "at_stake": 0}


def _page(request: HttpRequest, asked: pages.Asked, filters: listing.Filters, sort: str) -> Answer:
    found = listing.page(filters, sort=sort, after=pages.place(request, asked) or "", size=asked.limit)
    return pages.page(request, asked, _told(found.rows, _currency()), found.after or None, ScoresPage)


def _told(rows: Sequence[Score], currency: str) -> list[ScoreTold]:
    return [
        ScoreTold(
            **{name: getattr(row, name) for name in PLAIN},
            **{name: getattr(row.cell, name) for name in CELL},
            currency=currency,
            customer_key=row.customer.key,
            rhythm_days=Interval(estimate=row.rhythm_days, low=row.rhythm_low, high=row.rhythm_high),
            chance_of_purchase=Interval(estimate=row.chance_of_purchase, low=row.chance_low, high=row.chance_high),
            expected_purchases=Interval(**_three(row, "expected_purchases")),
            expected_spend=AmountInterval(**_three(row, "expected_spend")),
            at_stake=AmountInterval(**_three(row, "at_stake")),
        )
        for row in rows
    ]


CELL = ("segment", "stage", "abc", "risk", "branch", "channel")
PLAIN = [
    name
    for name, field in ScoreTold.model_fields.items()
    if name not in (*CELL, "currency", "customer_key") and field.annotation not in (Interval, AmountInterval)
]


def _three(row: Score, name: str) -> dict[str, Any]:
    return {"estimate": getattr(row, name), "low": getattr(row, f"{name}_low"), "high": getattr(row, f"{name}_high")}


def _currency() -> str:
    known = business.business()
    return known.currency if known else ""
