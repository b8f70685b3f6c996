"""What may be sent to an address: looked at, chosen, and refused with one click (RFC 8058).

Who has the link may decide: it is a secret of the address, so there is no log-in, no cookie and no other proof. Looking
never changes anything, because programs that read mail follow links.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from querencia.business import queries as business
from querencia.common.time import now
from querencia.customers.actions import preferences as actions
from querencia.customers.models import Consent, ContactPoint
from querencia.customers.queries import preferences as queries
from querencia.web.accounts import client_address
from querencia.web.middleware import VARIANTS
from querencia.web.portal import limits

type Page = Callable[..., HttpResponse]
LANGUAGES = ("es", "pt", "en")


def _of_address(page: Page) -> Page:
    """Finds the address of a link, speaks the language of whom it belongs to, and is patient within bounds."""

    @csrf_exempt
    @never_cache
    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(page)
    def answer(request: HttpRequest, token: str, **rest: Any) -> HttpResponse:
        point = queries.point_of(token)
        # By the link, not by who asks: mail services speak for thousands of people from one address.
        who = f"link:{token}" if point else f"unknown:{client_address(request)}"
        if not limits.is_patient(who):
            later = render(request, "portal/later.html", status=429)
            later.headers["Retry-After"] = str(limits.SECONDS)
            return later
        if point is None:
            return render(request, "portal/unknown.html", status=404)
        code = _language(point)
        with translation.override(VARIANTS.get(code, code)):
            response = page(request, point=point, token=token, **rest)
        response.headers["Content-Language"] = code
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Robots-Tag"] = "noindex"
        return response

    return answer


def _language(point: ContactPoint) -> str:
    known = business.business()
    said = point.customer.language.split("-")[0]
    return said if said in LANGUAGES else known.language if known else "en"


@_of_address
def preferences(request: HttpRequest, *, point: ContactPoint, token: str) -> HttpResponse:
    """What may be sent, by channel and purpose; saved by the button."""
    saved = False
    if request.method == "POST":
        evidence = _("chosen on the page of preferences of %(address)s") % {"address": queries.masked(point)}
        chosen = {"shown": request.POST.getlist("shown"), "wanted": request.POST.getlist("wanted")}
        actions.wish(point=point, **chosen, evidence=evidence, at=now())
        point, saved = queries.point_of(token) or point, True
    return _show(request, point, token, saved=saved)


@_of_address
def unsubscribe(request: HttpRequest, *, point: ContactPoint, token: str, purpose: str) -> HttpResponse:
    """One click and no more of it; whoever only looks is asked first."""
    if purpose not in Consent.Purpose.values:
        raise Http404
    is_done = request.method == "POST" and request.POST.get("List-Unsubscribe") == "One-Click"
    if is_done:
        actions.unsubscribe(point=point, purpose=purpose, at=now())
    label = Consent.Purpose(purpose).label
    context = {"address": queries.masked(point), "purpose": label, "token": token, "is_done": is_done}
    return render(request, "portal/unsubscribe.html", context | _house())


def _show(request: HttpRequest, point: ContactPoint, token: str, *, saved: bool) -> HttpResponse:
    groups: dict[str, list[queries.Wish]] = {}
    for each in queries.wishes(point):
        groups.setdefault(each.channel_label, []).append(each)
    context = {"address": queries.masked(point), "groups": groups, "token": token, "saved": saved}
    return render(request, "portal/preferences.html", context | _house())


def _house() -> dict[str, Any]:
    return {"house": business.business()}
