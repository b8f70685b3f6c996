"""A customer's points: what they have and why, joining, and corrections by hand."""

import secrets
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from querencia.common.time import now
from querencia.customers.queries import profile
from querencia.customers.queries.profile import Person
from querencia.loyalty import actions, queries
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries import adjustments
from querencia.web import member_card, membership, rewarding
from querencia.web.access import Request, needs
from querencia.web.cockpit.loyalty import found
from querencia.web.cockpit.loyalty_forms import PointsForm


def cards(who: Person) -> list[dict[str, Any]]:
    """Of each programme what this person has in it, or that they may join."""
    told = []
    for programme in queries.programmes():
        members = queries.members_of(programme, [who.pk])[who.pk]
        told.append(_card(programme, members) if members else {"programme": programme})
    return told


def _card(programme: Programme, members: list[Member]) -> dict[str, Any]:
    mine = {"waiting": adjustments.of_members(members), "form": PointsForm(initial={"key": secrets.token_urlsafe(16)})}
    card = membership.card(programme, members)
    return card | mine | {"rewards": rewarding.of_member(programme, card["member"], at=now())}


@require_POST
@needs("points")
def enrol(request: Request, pk: int) -> HttpResponse:
    who, programme = person(pk), found(number_of(request.POST.get("programme", "")))
    made = actions.enrol(programme=programme, members=[actions.NewMember(who.pk)], at=now())
    if made:
        messages.success(request, _("A member now, with card %(number)s.") % {"number": made[0].card_number})
    return redirect("customer", who.pk)


@require_GET
@needs("points")
def card(request: Request, pk: int, programme: int) -> HttpResponse:
    """The card by itself, to be printed and handed over."""
    who, of = person(pk), found(programme)
    here = next((each for each in queries.members_of(of, [who.pk])[who.pk] if each.left_at is None), None)
    if here is None:
        raise Http404
    return render(request, "cockpit/card.html", member_card.shown(of, here))


@require_POST
@needs("points")
def card_lost(request: Request, pk: int) -> HttpResponse:
    who, programme = person(pk), found(number_of(request.POST.get("programme", "")))
    lost = {each.pk: request.POST.get("number", "") for each in queries.members_of(programme, [who.pk])[who.pk]}
    if made := actions.replace_cards(lost=lost, at=now()):
        messages.success(request, _("Another card, with number %(number)s.") % {"number": made[0].card_number})
    return redirect("customer", who.pk)


@require_POST
@needs("points")
def leave(request: Request, pk: int) -> HttpResponse:
    who, programme = person(pk), found(number_of(request.POST.get("programme", "")))
    members = queries.members_of(programme, [who.pk])[who.pk]
    if actions.leave(members=members, at=now()):
        messages.success(request, _("No member any more. Points keep their dates; new purchases earn nothing."))
    return redirect("customer", who.pk)


@require_POST
@needs("points")
def adjust(request: Request, pk: int) -> HttpResponse:
    """Correct what a member has: at once, or as soon as a second person agrees."""
    who, programme = person(pk), found(number_of(request.POST.get("programme", "")))
    members = queries.members_of(programme, [who.pk])[who.pk]
    form = PointsForm(request.POST)
    if not members:
        raise Http404
    if not form.is_valid():
        problems = [f"{form.fields[name].label}: {' '.join(map(str, each))}" for name, each in form.errors.items()]
        messages.error(request, " ".join([_("Nothing was changed."), *problems]))
        return redirect("customer", who.pk)
    given = form.cleaned_data
    here = next((each for each in members if each.left_at is None), members[0])
    asked = actions.NewAdjustment(here.pk, f"cockpit:{given['key']}", given["points"], given["reason"])
    [done] = actions.adjust(programme=programme, adjustments=[asked], staff=request.user, at=now())
    _say(request, done.result)
    return redirect("customer", who.pk)


def _say(request: Request, result: str) -> None:
    said = {
        "created": (messages.SUCCESS, _("Corrected.")),
        "unchanged": (messages.SUCCESS, _("Corrected.")),
        "waiting": (messages.INFO, _("That is more than one person may correct: it waits for a second.")),
        "insufficient": (messages.ERROR, _("They have fewer points than that. Nothing was changed.")),
        "refused": (messages.ERROR, _("It was refused before.")),
        "differs": (messages.ERROR, _("This was sent before with another number. Load the page again.")),
    }
    messages.add_message(request, *said.get(result, (messages.ERROR, _("Nothing was changed."))))


def person(pk: int) -> Person:
    who = profile.person(pk)
    if who is None or who.is_to_be_erased or who.erased_at:
        raise Http404
    return who


def number_of(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
