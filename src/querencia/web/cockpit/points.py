"""A customer's points: what they have and why, joining, and corrections by hand."""

import secrets
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from querencia.common.time import now
from querencia.customers.queries import profile
from querencia.customers.queries.profile import Person
from querencia.loyalty import actions, queries, tiers
from querencia.loyalty.models import Member, Programme
from querencia.loyalty.queries import adjustments, standings, telling
from querencia.web import points_words
from querencia.web.access import Request, needs
from querencia.web.cockpit.loyalty import found
from querencia.web.cockpit.loyalty_forms import PointsForm
from querencia.web.templatetags.house import signed

SHOWN = 10


def cards(who: Person) -> list[dict[str, Any]]:
    """Of each programme what this person has in it, or that they may join."""
    told = []
    for programme in queries.programmes():
        members = queries.members_of(programme, [who.pk])[who.pk]
        told.append(card(programme, members) if members else {"programme": programme})
    return told


def card(programme: Programme, members: list[Member], *, size: int = SHOWN) -> dict[str, Any]:
    """What a person has in a programme, in words: for their page in the cockpit and for their own."""
    at = now()
    first = next((each for each in members if each.left_at is None), members[0])
    has = queries.balances([first.pk], at=at)[first.pk]
    moves = [each for each in queries.history(first, size=3 * size) if each.points or each.kind == "adjust"][:size]
    where = standings.progress(first, at=at)
    scheme = standings.scheme_of(programme, at=at)
    return {
        "programme": programme,
        "member": first,
        "has_left": all(each.left_at is not None for each in members),
        "has": has,
        "balance": points_words.balance(has, programme.time_zone),
        "besides": points_words.besides(has),
        "standing": points_words.standing(scheme[1], *where, programme.currency) if scheme and where else [],
        "way": _way(scheme[1], *where) if scheme and where else None,
        "moves": [
            {
                "moved": each.moved,
                "change": signed(each.moved.points),
                "why": points_words.why(each),
                "reasons": points_words.reasons(each),
            }
            for each in telling.told(programme, moves)
        ],
        "waiting": adjustments.of_members(members),
        "form": PointsForm(initial={"key": secrets.token_urlsafe(16)}),
    }


def _way(scheme: tiers.Scheme, where: tiers.Standing, ahead: tiers.Progress) -> dict[str, Any] | None:
    """How far it is to the next tier, as parts of what it needs."""
    if not ahead.next_tier:
        return None
    needs_all = scheme.tiers[scheme.rank(ahead.next_tier)].reach
    name = scheme.names.get(ahead.next_tier, ahead.next_tier)
    return {"done": max(0, needs_all - ahead.missing), "of": needs_all, "next": name} if needs_all else None


@require_POST
@needs("points")
def enrol(request: Request, pk: int) -> HttpResponse:
    who, programme = _person(pk), found(_number(request.POST.get("programme", "")))
    made = actions.enrol(programme=programme, members=[actions.NewMember(who.pk)], at=now())
    if made:
        messages.success(request, _("A member now, with card %(number)s.") % {"number": made[0].card_number})
    return redirect("customer", who.pk)


@require_POST
@needs("points")
def leave(request: Request, pk: int) -> HttpResponse:
    who, programme = _person(pk), found(_number(request.POST.get("programme", "")))
    members = queries.members_of(programme, [who.pk])[who.pk]
    if actions.leave(members=members, at=now()):
        messages.success(request, _("No member any more. Points keep their dates; new purchases earn nothing."))
    return redirect("customer", who.pk)


@require_POST
@needs("points")
def adjust(request: Request, pk: int) -> HttpResponse:
    """Correct what a member has: at once, or as soon as a second person agrees."""
    who, programme = _person(pk), found(_number(request.POST.get("programme", "")))
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


def _person(pk: int) -> Person:
    who = profile.person(pk)
    if who is None or who.is_to_be_erased or who.erased_at:
        raise Http404
    return who


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
