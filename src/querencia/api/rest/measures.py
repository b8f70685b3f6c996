"""The business, day by day."""

from datetime import date

from django.http import HttpRequest
from django.utils.translation import gettext_noop as _
from ninja import Query, Router

from querencia.api.rest import pages
from querencia.api.rest.endpoint import Answer, endpoint
from querencia.api.rest.fields import Day, Page, Told
from querencia.api.rest.scores import AmountInterval, Interval
from querencia.business import queries as business
from querencia.measures import queries
from querencia.measures.models import Measure

router = Router(tags=[_("Measures")])


class MeasureTold(Told):
    """The business on one day. Amounts in minor units of the currency; intervals are of 95 %."""

    day: date
    currency: str
    customers: int
    active: int
    new: int
    returned: int
    late: int
    defections: Interval
    defections_value: int
    retention_window_days: int | None
    retention_rate: Interval
    revenue: int
    revenue_year: int
    revenue_at_risk: AmountInterval
    long_standing_share: float | None
    is_reckoned_afterwards: bool


class MeasuresPage(Page[MeasureTold]): ...


class MeasuresAsked(pages.Asked):
    since: Day | None = None
    """From this day on."""
    until: Day | None = None
    """Up to this day."""


@endpoint(router, "GET", "/measures", scope="measures:read", answers={200: MeasuresPage}, summary=_("List measures"))
def list_measures(request: HttpRequest, asked: Query[MeasuresAsked]) -> Answer:
    """The newest day first."""
    last = pages.place(request, asked)
    before = date.fromisoformat(last) if last else None
    rows = queries.measures(since=asked.since, until=asked.until, before=before, size=asked.limit + 1)
    after = rows[asked.limit - 1].day.isoformat() if len(rows) > asked.limit else None
    known = business.business()
    currency = known.currency if known else ""
    return pages.page(request, asked, [_told(row, currency) for row in rows[: asked.limit]], after, MeasuresPage)


def _told(row: Measure, currency: str) -> MeasureTold:
    return MeasureTold(
        **{name: getattr(row, name) for name in PLAIN},
        currency=currency,
        defections=Interval(estimate=row.defections, low=row.defections_low, high=row.defections_high),
        retention_rate=Interval(estimate=row.retention_rate, low=row.retention_low, high=row.retention_high),
        revenue_at_risk=AmountInterval(
            estimate=row.revenue_at_risk, low=row.revenue_at_risk_low, high=row.revenue_at_risk_high
        ),
    )


PLAIN = [
    name
    for name, field in MeasureTold.model_fields.items()
    if name != "currency" and field.annotation not in (Interval, AmountInterval)
]
