"""The list of customers, its export, and one customer."""

import csv
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from querencia.business import queries as business
from querencia.common import money
from querencia.common.time import now
from querencia.customers import audit
from querencia.customers.models import Score
from querencia.customers.models.scores import Class, Risk, Segment, Stage
from querencia.customers.queries import consents, listing, persons, preferences, profile, search
from querencia.customers.queries.listing import FACETS, SORTS, Filters
from querencia.customers.queries.profile import Person
from querencia.insight import explain, plot
from querencia.loyalty.queries import naming
from querencia.measures import queries as measures
from querencia.web.access import Request, needs
from querencia.web.cockpit import points
from querencia.web.cockpit.forms import ConsentForm
from querencia.web.cockpit.parts import show

LABELS: dict[str, Any] = {"abc": Class, "stage": Stage, "segment": Segment, "risk": Risk}
COLUMNS = (
    "abc",
    "stage",
    "segment",
    "last",
    "purchases",
    "amount_year",
    "amount",
    "chance",
    "expected",
    "at_stake",
    "branch",
)
SHOWN = ["abc", "stage", "last", "purchases", "amount_year", "at_stake"]


@require_GET
@needs("see_customers")
def customers(request: Request) -> HttpResponse:
    if query := request.GET.get("q", "").replace("\0", "").strip():
        known = business.business()
        found = search.find(query, country=known.country if known else "", first=naming.customers_by_card(query))
        return render(
            request, "cockpit/customers_found.html", {"query": query, "found": found, "limit": search.FOUND_MAX}
        )
    if not listing.is_scored():
        rows = listing.unscored()
        return render(request, "cockpit/customers_unscored.html", {"rows": rows})
    filters, sort, reverse = read(request.GET)
    after = request.GET.get("after", "")
    try:
        page = listing.page(filters, sort=sort, reverse=reverse, after=after)
    except ValueError:
        raise Http404 from None
    context = {
        "page": page,
        "sort": sort,
        "reverse": reverse,
        "filters": filters,
        "facets": [_facet(name, choices) for name, choices in listing.facets(filters).items()],
        "columns": _columns(request),
        "address": _address(request.GET),
        "kept": _kept(request.GET),
        "run": measures.latest_done(),
        "regrouped": listing.count_regrouped(),
        "is_paged": bool(after),
    }
    return show(request, "cockpit/customers.html", "list", context)


@require_GET
@needs("export")
def export(request: Request) -> StreamingHttpResponse:
    """The whole list as CSV, row by row; who exported what is written down."""
    filters, sort, reverse = read(request.GET)
    known = business.business()
    audit.record_export(staff=request.user, rows=listing.count(filters), filters=request.GET.urlencode(), at=now())
    name = slugify(known.name if known else "") or "querencia"
    return StreamingHttpResponse(
        _lines(listing.every(filters, sort=sort, reverse=reverse), known.currency if known else "EUR"),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-customers.csv"'},
    )


@require_POST
@needs("see_customers")
def columns(request: Request) -> HttpResponse:
    """Remember which columns to show."""
    request.session["columns"] = [name for name in COLUMNS if name in request.POST.getlist("column")] or SHOWN
    return redirect(f"/customers/?{_kept(QueryDict(request.POST.get('back', ''))).urlencode()}")


@require_GET
@needs("see_customers")
def customer(request: Request, pk: int) -> HttpResponse:
    """A person. Whoever asks for one of the records that make them is led there."""
    who = profile.person(pk)
    if who is None:
        raise Http404
    if who.pk != pk:
        return redirect("customer", who.pk)
    try:
        moments, before = profile.timeline(who.ids, before=request.GET.get("before", ""))
    except (ValueError, OverflowError):  # the second for moments beyond the calendar
        raise Http404 from None
    context = {"who": who, "moments": moments, "before": before}
    if not request.htmx:
        context |= _profile(request, who)
    return show(request, "cockpit/customer.html", "moments", context)


def _profile(request: Request, who: Person) -> dict[str, Any]:
    months = profile.months(who.ids)
    return {
        "score": who.score,
        "sentences": _sentences(who.score),
        "points": _points(who, request),
        "phone": who.reachable("phone"),
        "email": who.reachable("email"),
        "consents": consents.counting(who.ids),
        "history": consents.history(who.ids),
        "consent_form": ConsentForm(),
        "months": months,
        "picture": plot.svg(plot.purchases(months, currency=_currency())) if months else "",
        "forecast": measures.finding("forecast"),
        "merges": persons.merges(who.pk),
        "cards": [] if who.erased_at else points.cards(who),
    }


def _points(who: Person, request: Request) -> list[dict[str, Any]]:
    """The addresses, with what each refused and the link by which its owner says so."""
    points = who.contact_points
    links, refused = preferences.links([point.pk for point in points]), preferences.refused(points)
    return [
        {
            "point": point,
            "refused": refused.get((point.kind, point.value), []),
            "link": request.build_absolute_uri(reverse("preferences", args=[links[point.pk]]))
            if point.pk in links
            else "",
        }
        for point in points
    ]


def read(given: QueryDict) -> tuple[Filters, str, bool]:
    """Filters, order and direction from an address; what makes no sense there is left out."""
    facets = {name: tuple(value for value in given.getlist(name) if value and "\0" not in value) for name in FACETS}
    filters = Filters(
        facets=facets,
        first_from=_day(given, "first_from"),
        first_to=_day(given, "first_to"),
        last_from=_day(given, "last_from"),
        last_to=_day(given, "last_to"),
        left_from=_day(given, "left_from"),
        left_to=_day(given, "left_to"),
        only_at_stake=given.get("stake") == "1",
    )
    sort = given.get("sort", "at_stake")
    return filters, sort if sort in SORTS else "at_stake", given.get("reverse") == "1"


def _day(given: QueryDict, name: str) -> date | None:
    try:
        return parse_date(given.get(name, ""))
    except ValueError:
        return None


def _facet(name: str, choices: list[listing.Choice]) -> dict[str, Any]:
    titles = {
        "abc": _("Class"),
        "stage": _("Stage"),
        "segment": _("Segment"),
        "risk": _("Risk of not buying"),
        "branch": _("Branch"),
        "channel": _("Channel"),
    }
    labels = dict(LABELS[name].choices) if name in LABELS else {}
    order = list(labels) if labels else [choice.value for choice in choices]
    ranked = sorted(choices, key=lambda choice: order.index(choice.value) if choice.value in order else 0)
    return {
        "name": name,
        "title": titles[name],
        "is_open": name in ("abc", "stage") or any(choice.is_chosen for choice in choices),
        "choices": [{"choice": choice, "label": labels.get(choice.value, choice.value)} for choice in ranked],
    }


def _columns(request: Request) -> dict[str, bool]:
    shown = request.session.get("columns", SHOWN)
    return {name: name in shown for name in COLUMNS}


def _kept(given: QueryDict) -> QueryDict:
    kept = given.copy()
    for name in ("after", "csrfmiddlewaretoken"):
        kept.pop(name, None)
    return kept


def _address(given: QueryDict) -> str:
    """The filters without order and page, to put an order behind."""
    kept = _kept(given)
    for name in ("sort", "reverse"):
        kept.pop(name, None)
    return urlencode([(name, value) for name, values in kept.lists() for value in values])


def _currency() -> str:
    known = business.business()
    return known.currency if known else "EUR"


def _sentences(score: Score | None) -> list[str]:
    return explain.customer(score_facts(score), currency=_currency()) if score else []


def score_facts(score: Score) -> dict[str, Any]:
    """What insight's sentences need of a score."""
    names = [
        field.name for field in Score._meta.concrete_fields if field.name not in ("customer", "cell", "regrouped_at")
    ]
    return {name: getattr(score, name) for name in names} | {"abc": score.cell.abc, "stage": score.cell.stage}


class _Echo:
    """A file that hands on what is written to it."""

    def write(self, value: str) -> str:
        return value


def _lines(scores: Iterator[Score], currency: str) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # so that spreadsheets read it as UTF-8
    yield writer.writerow(
        ["key", "given_name", "family_name", "class", "stage", "segment", "risk", "branch", "channel", "first_purchase",
         "last_purchase", "purchases", f"amount_{currency}", f"amount_year_{currency}", "chance_of_purchase",
         "chance_low", "chance_high", "expected_purchases", f"at_stake_{currency}", f"at_stake_low_{currency}",
         f"at_stake_high_{currency}", "as_of", "records_changed_since"]
    )  # fmt: skip
    cells = {cell.pk: cell for cell in listing.cells()}
    for score in scores:
        cell, who = cells[score.cell_id], score.customer
        amounts = [
            money.to_decimal(minor, currency)
            for minor in (score.amount, score.amount_year, score.at_stake, score.at_stake_low, score.at_stake_high)
        ]
        yield writer.writerow(
            [_plain(who.key), _plain(who.given_name), _plain(who.family_name), cell.abc, cell.stage, cell.segment,
             cell.risk, _plain(cell.branch), _plain(cell.channel), score.first_on, score.last_on, score.purchases,
             amounts[0], amounts[1], score.chance_of_purchase, score.chance_low, score.chance_high,
             score.expected_purchases, *amounts[2:], score.as_of,
             score.regrouped_at.date() if score.regrouped_at else ""]
        )  # fmt: skip


def _plain(text: str) -> str:
    # A cell that begins like a formula is run by spreadsheets.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
