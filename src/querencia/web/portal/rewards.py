"""Members take what they can have: they see what it costs, say yes, and are shown the code."""

import secrets
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from querencia.common.time import now
from querencia.loyalty import actions, queries
from querencia.loyalty import rewards as terms_of
from querencia.loyalty.models import Member
from querencia.loyalty.queries import rewards as catalogue
from querencia.loyalty.queries.rewards import Offer
from querencia.loyalty.queries.standings import scheme_of
from querencia.web import member_card, rewarding
from querencia.web import rewards_words as words
from querencia.web.portal.members import inside, private, show


@require_http_methods(["GET", "POST"])
@private
def reward(request: HttpRequest, *, pk: int) -> HttpResponse:
    """One reward: what it is and costs; taken once, however often the button is pressed."""
    found = _offered(inside(request), pk)
    if found is None:
        return redirect("club")
    member, offer = found
    problem = ""
    if request.method == "POST" and (key := request.POST.get("key", "")[:64]):
        most = offer.price
        if offer.terms.kind == terms_of.PAY:
            asked = request.POST.get("points", "")
            most = int(asked) if asked.isdecimal() and len(asked) < 13 else 0
        new = actions.NewRedemption(member.pk, pk, f"portal:{member.pk}:{key}", most)
        [done] = actions.redeem(programme=member.programme, redemptions=[new], at=now())
        if done.is_done:
            return redirect("club_redemption", pk=done.redemption_id)
        problem = words.refused(done.result)
    left = queries.balances([member.pk], at=now())[member.pk].available
    told = rewarding.offer(offer, member.programme)
    scheme = scheme_of(member.programme, at=now())
    limits = words.limits(offer.terms, scheme[1].names if scheme else {}, to_member=True)
    context = {"offer": told, "why": offer.why, "limits": limits, "has": left, "after": left - offer.price}
    return show(request, "portal/club_reward.html", problem=problem, key=secrets.token_urlsafe(16), **context)


@require_http_methods(["GET", "HEAD"])
@private
def redemption(request: HttpRequest, *, pk: int) -> HttpResponse:
    """What was taken, with its code to show."""
    row = catalogue.redemptions_by_id([pk]).get(pk)
    if row is None or row.member_id not in _members(inside(request)):
        return redirect("club")
    told: dict[str, Any] = rewarding.redemption(row, row.programme, at=now())
    picture = member_card.picture(told["voucher"].code) if told["is_good"] else ""
    return show(request, "portal/club_redemption.html", each=told, qr=picture)


def _members(customer: int) -> dict[int, Member]:
    """Every membership of a person."""
    found: dict[int, Member] = {}
    for programme in queries.programmes() if customer else ():
        for member in queries.members_of(programme, [customer])[customer]:
            member.programme = programme
            found[member.pk] = member
    return found


def _offered(customer: int, reward_id: int) -> tuple[Member, Offer] | None:
    """The reward as it is to this person; those of other programmes are none of theirs."""
    for member in _members(customer).values():
        for offer in catalogue.offers(member.programme, member.pk, at=now()):
            if offer.on_shelf.reward.pk == reward_id and offer.why != "not_for_you":
                return member, offer
    if customer:
        raise Http404
    return None
