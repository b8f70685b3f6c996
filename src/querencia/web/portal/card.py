"""The card of a member: to be printed, kept in a phone, or replaced when it was lost."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from querencia.business import queries as business
from querencia.common.time import now
from querencia.loyalty import actions, queries, wallet
from querencia.loyalty.models import Member, Programme
from querencia.web import member_card
from querencia.web.portal.members import inside, named, private


def _mine(request: HttpRequest, pk: int) -> tuple[Programme, Member]:
    programme = next((each for each in queries.programmes() if each.pk == pk), None)
    customer = inside(request)
    if programme is None or not customer:
        raise Http404
    member = next((each for each in queries.members_of(programme, [customer])[customer] if each.left_at is None), None)
    if member is None:
        raise Http404
    return programme, member


@require_GET
@private
def card(request: HttpRequest, pk: int) -> HttpResponse:
    """The card by itself, to be printed."""
    context = member_card.shown(*_mine(request, pk))
    return render(request, "portal/card.html", {"house": business.business(), **context})


@require_POST
@private
def lost(request: HttpRequest) -> HttpResponse:
    """Another card for one that was lost; sent again, it changes nothing."""
    programme, customer = named(request), inside(request)
    if programme and customer:
        mine = queries.members_of(programme, [customer])[customer]
        lost = {each.pk: request.POST.get("number", "") for each in mine}
        actions.replace_cards(lost=lost, at=now())
    return redirect("club")


@require_GET
@private
def phone(request: HttpRequest, pk: int) -> HttpResponse:
    """The card as a pass for Apple Wallet. It says what is so now: fetched again, it is up to date."""
    programme, member = _mine(request, pk)
    signer = wallet.signer()
    if signer is None:
        raise Http404
    made = wallet.sealed(member_card.of_phone(programme, member), member_card.pictures(), signer)
    name = f'attachment; filename="card-{programme.pk}.pkpass"'
    return HttpResponse(made, content_type=wallet.TYPE, headers={"Content-Disposition": name})
