"""Partners: who they are, what is agreed with them, and the statement of each month."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from querencia.common.time import local_day, now
from querencia.loyalty import actions, closing
from querencia.loyalty.models import Partner, Statement
from querencia.loyalty.queries import partners as queries
from querencia.web.access import Request, may, needs
from querencia.web.cockpit.downloads import csv_file
from querencia.web.cockpit.loyalty import found
from querencia.web.cockpit.partner_forms import AgreementForm, PartnerForm

LINES = ("opening", "granted", "taken_back", "redeemed", "restored", "closing")


@require_http_methods(["GET", "POST"])
@needs("see_figures")
def partners(request: Request, pk: int) -> HttpResponse:
    """All of a programme, and months that wait for their statements."""
    programme = found(pk)
    form = PartnerForm(request.POST or None, currency=programme.currency)
    if request.method == "POST" and may(request.user, "programme") and form.is_valid():
        try:
            made = actions.create_partner(programme=programme, name=form.cleaned_data["name"], at=now())
            actions.agree(partner=made, at=now(), staff=request.user, **form.terms())
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            messages.success(request, _("Added. Rules and gifts can be at its expense from now on."))
            return redirect("loyalty_partner", made.pk)
    rows = queries.partners(programme)
    agreed = queries.agreed([each.pk for each in rows], closing.month_of(now(), programme.time_zone))
    context = {
        "programme": programme,
        "form": form,
        "partners": [{"row": each, "agreed": agreed.get(each.pk)} for each in rows],
        "unsettled": queries.unsettled(programme),
        "statements": queries.statements(programme=programme)[:24],
    }
    return render(request, "cockpit/loyalty_partners.html", context)


@require_POST
@needs("programme")
def settle(request: Request, pk: int, month: str) -> HttpResponse:
    """Issue the statements of a closed month."""
    programme = found(pk)
    try:
        asked = closing.read_month(month)
    except ValueError:
        raise Http404 from None
    done = actions.settle(programme=programme, month=asked, at=now(), staff=request.user)
    issued = sum(each.result == "created" for each in done)
    if issued:
        said = ngettext("%(count)s statement was issued.", "%(count)s statements were issued.", issued)
        messages.success(request, said % {"count": issued})
    why = {
        "no_agreement": _("%(partner)s: nothing is agreed for that month."),
        "not_closed": _("%(partner)s: the month is not closed."),
        "differs": _("%(partner)s: its account is not what the closed month says. Run “querencia check”."),
    }
    for each in done:
        if each.result in why:
            messages.error(request, why[each.result] % {"partner": each.partner.name})
    return redirect("loyalty_partners", pk)


@require_http_methods(["GET", "POST"])
@needs("see_figures")
def partner(request: Request, pk: int) -> HttpResponse:
    """One: what is agreed, version by version, and its statements."""
    row = queries.partner_by_id(pk)
    if row is None:
        raise Http404
    history = queries.agreements(row)
    form = AgreementForm(request.POST or None, initial=_initial(row), currency=row.programme.currency)
    if request.method == "POST" and may(request.user, "programme") and form.is_valid():
        try:
            made = actions.agree(partner=row, at=now(), staff=request.user, **form.terms())
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            messages.success(request, _("Version %(number)s of the agreement is kept.") % {"number": made.version})
            return redirect("loyalty_partner", pk)
    context = {"partner": row, "form": form, "history": history, "statements": queries.statements(partner=row)}
    return render(request, "cockpit/loyalty_partner.html", context)


@require_GET
@needs("see_figures")
def statement(request: Request, pk: int) -> HttpResponse:
    """To be read or printed."""
    row = _statement(pk)
    return render(request, "cockpit/loyalty_statement.html", {"row": row, "said": row.document})


@require_GET
@needs("export")
def statement_csv(request: Request, pk: int) -> HttpResponse:
    """The same as a table: points, and amounts in minor units."""
    row = _statement(pk)
    said = row.document
    rows = [(name, said[name], "") for name in LINES]
    rows += [("funded", said["granted"] - said["taken_back"], said["funded"])]
    rows += [("taken", said["redeemed"] - said["restored"], -said["taken"]), ("due", "", said["due"])]
    heading = ("what", "points", f"amount_{said['currency']}_minor")
    return csv_file(f"{said['key']}-{said['month']}.csv", heading, rows)


def _statement(pk: int) -> Statement:
    row = queries.statement_by_id(pk)
    if row is None:
        raise Http404
    return row


def _initial(row: Partner) -> dict[str, Any]:
    newest = next(iter(queries.agreements(row)), None)
    day = local_day(now(), row.programme.time_zone)
    initial: dict[str, Any] = {"starts_on": closing.said(closing.following(closing.first_day(day)))}
    if newest:
        initial |= {name: getattr(newest, name) for name in ("funds_per_thousand", "takes_per_thousand")}
    return initial
