"""The monthly close: months with their bridge, closing one, its journal, and how points are put into the books."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from querencia.common.time import now
from querencia.insight import plot
from querencia.loyalty import actions, closing
from querencia.loyalty.breakage import breakage
from querencia.loyalty.models import Close, Programme
from querencia.loyalty.queries import closing as queries
from querencia.web import closing_words
from querencia.web.access import Request, may, needs
from querencia.web.cockpit.accounting_forms import AccountingForm, accounting_initial
from querencia.web.cockpit.downloads import csv_file
from querencia.web.cockpit.loyalty import found
from querencia.web.templatetags.house import day

SHOWN = 24


@require_GET
@needs("see_figures")
def closes(request: Request, pk: int) -> HttpResponse:
    """Months with their bridge, the newest first, and what will lapse."""
    programme = found(pk)
    rows = queries.closes(programme)
    told = breakage(each.document for each in reversed(rows))
    context = {
        "programme": programme,
        "waiting": queries.waiting(programme, at=now()),
        "months": [_shown(each) for each in rows[:SHOWN]],
        "lines": closing_words.lines(),
        "picture": _picture(rows[0]) if rows else "",
        "breakage": told,
        "cohorts": told.cohorts[::-1][:SHOWN],
        "why": closing_words.why_unknown(told.why),
    }
    return render(request, "cockpit/loyalty_closes.html", context)


@require_http_methods(["GET", "POST"])
@needs("see_figures")
def close(request: Request, pk: int, month: str) -> HttpResponse:
    """One month: closed, with all that was written down; or about to be, if one is sure."""
    programme, asked = found(pk), _month(month)
    row = queries.close_of(programme, asked)
    if request.method == "POST" and may(request.user, "programme"):
        [done] = actions.close(programme=programme, months=[asked], at=now(), staff=request.user)
        if done.row is None:
            messages.error(request, closing_words.refusal(done.result))
            return redirect("loyalty_closes", pk)
        messages.success(
            request, _("Closed. Nothing can be recorded in %(month)s any more.") % {"month": _named(asked)}
        )
        return redirect("loyalty_close", pk, month)
    context: dict[str, Any] = {"programme": programme, "month": asked}
    if row is None:
        if asked not in queries.waiting(programme, at=now()):
            raise Http404
        context["is_next"] = asked == queries.next_month(programme)
        return render(request, "cockpit/loyalty_close_sure.html", context)
    return render(request, "cockpit/loyalty_close.html", context | _detail(programme, row))


@require_GET
@needs("export")
def journal(request: Request, pk: int, month: str) -> HttpResponse:
    """The journal of a month as CSV, in minor units."""
    programme = found(pk)
    row = queries.close_of(programme, _month(month))
    if row is None or row.document["journal"] is None:
        raise Http404
    last = closing.following(row.month).toordinal() - 1
    heading = ("date", "account", "debit", "credit", "currency", "description", "points", "partner")
    rows = [
        (date.fromordinal(last), line["account"], line["debit"], line["credit"], row.document["currency"],
         closing_words.what(line["what"]), line["points"], line["partner"])
        for line in row.document["journal"]["lines"]
    ]  # fmt: skip
    return csv_file(f"{slugify(programme.name) or 'journal'}-{month}.csv", heading, rows)


@require_http_methods(["GET", "POST"])
@needs("programme")
def accounting(request: Request, pk: int) -> HttpResponse:
    """What points are worth, which share lapses, and what accounts are called."""
    programme = found(pk)
    form = AccountingForm(request.POST or None, initial=accounting_initial(programme), currency=programme.currency)
    if request.method == "POST" and form.is_valid():
        try:
            actions.set_accounting(programme=programme, terms=form.terms())
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            messages.success(request, _("Saved. It counts from the next month that you close."))
            return redirect("loyalty_closes", pk)
    return render(request, "cockpit/loyalty_accounting.html", {"programme": programme, "form": form})


def _month(said: str) -> date:
    try:
        return closing.read_month(said)
    except ValueError:
        raise Http404 from None


def _named(month: date) -> str:
    return day(month, "long month")


def _shown(row: Close) -> dict[str, Any]:
    line = closing.bridge(row.document)
    return {"row": row, "line": line, "changes": [getattr(line, name) for name in closing.LINES]}


def _picture(row: Close) -> str:
    line = closing.bridge(row.document)
    drawn = plot.bridge(
        closing_words.steps(line), opening=(_("Before"), line.opening), closing=(_("After"), line.closing)
    )
    return plot.svg(drawn)


def _detail(programme: Programme, row: Close) -> dict[str, Any]:
    document = row.document
    line = closing.bridge(document)
    names = closing_words.accounts()
    rows = (document["journal"] or {}).get("lines", [])
    return {
        "row": row,
        "line": line,
        "changes": [(label, getattr(line, name)) for name, label in closing_words.lines().items()],
        "picture": _picture(row),
        "accounts": [(names[name], each["opening"], each["closing"]) for name, each in document["accounts"].items()],
        "journal": document["journal"],
        "journal_lines": [{**each, "said": closing_words.what(each["what"])} for each in rows],
        "breakage": document["breakage"],
        "why": closing_words.why_unknown(document["breakage"]["why"]),
        "entries": sum(document["entries"].values()),
    }
