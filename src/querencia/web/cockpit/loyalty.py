"""The loyalty programme: how it fares, its being begun and ended, and corrections that wait for a second person."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from querencia.common.time import now
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Programme
from querencia.loyalty.queries import adjustments, health, rules
from querencia.loyalty.queries.programmes import is_running, programme_by_id
from querencia.loyalty.queries.standings import scheme_of
from querencia.web import points_words
from querencia.web.access import Request, may, needs
from querencia.web.cockpit.loyalty_forms import templates


def found(pk: int) -> Programme:
    programme = programme_by_id(pk)
    if programme is None:
        raise Http404
    return programme


@require_GET
@needs("see_figures")
def loyalty(request: Request) -> HttpResponse:
    """How the programme fares; of several, the one that the address names."""
    every = queries.programmes()
    if not every:
        return render(request, "cockpit/loyalty_empty.html", {"templates": templates("EUR")})
    asked = request.GET.get("of", "")
    programme = next((each for each in every if str(each.pk) == asked), every[0])
    return render(request, "cockpit/loyalty.html", {"every": every, **_fares(programme)})


def _fares(programme: Programme) -> dict[str, Any]:
    at = now()
    figures = health.health(programme, at=at)
    months, ever = health.flows(programme, at=at)
    scheme = scheme_of(programme, at=at)
    names = scheme[1].names if scheme else {}
    told = [
        {
            "row": row,
            "gives": points_words.gives(row.document, programme.currency),
            "terms": points_words.terms(row.document, programme.currency, names),
        }
        for row in rules.in_force(programme, at=at)
    ]
    return {
        "programme": programme,
        "health": figures,
        "months": months,
        "moved": any(each.earned or each.spent or each.lapsed or each.taken_back for each in months),
        "ever": ever,
        "tiers": health.by_tier(programme, at=at),
        "rules": told,
        "is_running": is_running(programme, at=at),
        "active_days": health.ACTIVE_DAYS,
        "at": at,
    }


@require_POST
@needs("programme")
def run(request: Request, pk: int) -> HttpResponse:
    """Begin the programme, or end it."""
    programme = found(pk)
    if request.POST.get("do") == "stop":
        if actions.stop(programme=programme, at=now()):
            messages.success(request, _("Stopped. Purchases earn nothing from now on; what members have stays theirs."))
    elif actions.start(programme=programme, at=now()):
        messages.success(request, _("It runs. Members earn with their next purchase."))
    return redirect(f"/loyalty/?of={pk}")


@require_GET
@needs("points")
def waiting(request: Request) -> HttpResponse:
    """Corrections that wait for a second person, and what became of the latest."""
    context = {"waiting": adjustments.waiting(), "decided": adjustments.decided()}
    return render(request, "cockpit/loyalty_waiting.html", context)


@require_POST
@needs("points")
def decide(request: Request, pk: int) -> HttpResponse:
    """Agree or refuse; whoever asked can only take it back."""
    row = adjustments.waiting_by_id(pk)
    if row is None:
        raise Http404
    is_mine = row.asked_by_id == request.user.pk
    if request.POST.get("do") == "approve":
        if not may(request.user, "programme"):
            messages.error(request, _("Only a manager or the owner can agree."))
            return redirect("loyalty_waiting")
        programme = row.member.programme
        [done] = actions.approve(programme=programme, adjustments=[row], staff=request.user, at=now())
        _say(request, done.result)
    elif (is_mine or may(request.user, "programme")) and actions.refuse(
        adjustments=[row], staff=request.user, at=now()
    ):
        messages.success(request, _("Taken back.") if is_mine else _("Refused."))
    return redirect("loyalty_waiting")


def _say(request: Request, result: str) -> None:
    said = {
        "created": _("Done: the points were moved."),
        "same_person": _("You asked for it yourself: somebody else has to agree."),
        "insufficient": _("The member has fewer points than that by now. It goes on waiting."),
        "unchanged": _("It was done before."),
        "refused": _("It was refused before."),
    }
    level = messages.SUCCESS if result in ("created", "unchanged") else messages.ERROR
    messages.add_message(request, level, said[result])
