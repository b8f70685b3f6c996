"""Other systems that are told what happens here: where, of what, and what became of each message."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from querencia.common.time import now
from querencia.customers import kinds
from querencia.web.access import Request, needs
from querencia.web.cockpit.forms import EndpointForm
from querencia.webhooks import actions, queries, tasks
from querencia.webhooks.models import Endpoint


@never_cache
@require_http_methods(["GET", "POST"])
@needs("settings")
def webhooks(request: Request) -> HttpResponse:
    """All endpoints. The secret of a new one is in this answer and nowhere after it."""
    form, made = EndpointForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.add_endpoint(
                url=form.cleaned_data["url"], kinds=form.wanted, at=now(), created_by=request.user
            )
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            form = EndpointForm()
    context = {"form": form, "made": made, "secret": made.secret if made else "", "endpoints": queries.endpoints()}
    return render(request, "cockpit/webhooks.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@needs("settings")
def webhook(request: Request, pk: int) -> HttpResponse:
    endpoint = _found(pk)
    form = EndpointForm(request.POST or None, initial=_initial(endpoint))
    if request.method == "POST" and form.is_valid():
        is_on = request.POST.get("is_on") == "1"
        try:
            actions.change_endpoint(endpoint=endpoint, url=form.cleaned_data["url"], kinds=form.wanted, is_on=is_on)
        except ValidationError as refused:
            form.add_error(None, refused.messages)
        else:
            messages.success(request, _("Saved."))
            return redirect("webhook", pk=pk)
    return _page(request, endpoint, form=form)


@never_cache
@require_POST
@needs("settings")
def rotate(request: Request, pk: int) -> HttpResponse:
    """A new secret, in this answer and nowhere after it."""
    endpoint = _found(pk)
    secret = actions.rotate_secret(endpoint=endpoint, at=now())
    return _page(request, endpoint, secret=secret)


@require_POST
@needs("settings")
def test(request: Request, pk: int) -> HttpResponse:
    endpoint = _found(pk)
    if endpoint.is_on:
        actions.send_test(endpoint=endpoint, at=now())
        tasks.deliver()
        messages.success(request, _("A test is on its way. Load this page again to see the answer."))
    return redirect("webhook", pk=pk)


@require_POST
@needs("settings")
def replay(request: Request, pk: int) -> HttpResponse:
    """Send one message again, or all that failed."""
    given = [int(each) for each in request.POST.getlist("delivery") if each.isdecimal() and len(each) < 19]
    count = actions.replay(endpoint=_found(pk), ids=given if "delivery" in request.POST else None, at=now())
    tasks.deliver()
    said = ngettext("%(count)s message is sent again.", "%(count)s messages are sent again.", count)
    messages.success(request, said % {"count": count})
    return redirect("webhook", pk=pk)


def _found(pk: int) -> Endpoint:
    found = queries.endpoint_by_id(pk)
    if found is None:
        raise Http404
    return found


def _initial(endpoint: Endpoint) -> dict[str, Any]:
    others = ", ".join(kind for kind in endpoint.kinds if kind not in kinds.KINDS)
    return {"url": endpoint.url, "kinds": endpoint.kinds, "others": others}


def _page(request: Request, endpoint: Endpoint, *, form: EndpointForm | None = None, secret: str = "") -> HttpResponse:
    problems = {
        "address": _("The address leads into a network that may not be called."),
        "url": _("This is no address that can be called."),
        "insecure": _("The address does not begin with https://."),
        "name": _("Nobody knows this name."),
        "connection": _("Nobody answers there."),
        "certificate": _("The certificate is not valid."),
        "slow": _("No answer in time."),
        "garbled": _("The answer cannot be read."),
    }
    told: list[dict[str, Any]] = [
        {
            "row": row,
            "kind": kinds.text_of(row.event.kind) if row.event else _("Test"),
            "problem": problems.get(row.problem, ""),
        }
        for row in queries.deliveries(endpoint, status="failed" if request.GET.get("failed") else "")
    ]
    context = {
        "endpoint": endpoint,
        "form": form or EndpointForm(initial=_initial(endpoint)),
        "secret": secret,
        "deliveries": told,
    }
    return render(request, "cockpit/webhook.html", context)
